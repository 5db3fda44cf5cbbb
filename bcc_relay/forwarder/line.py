"""One SMTP connection after its set-up: writes octets, reads replies, and notices at once when the two may disagree.

It knows replies, not commands: what to say is left to `transaction`.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING

from bcc_relay.core.model import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_REPLY_BYTES = 16384
"""A whole reply with all its lines; longer than that is not SMTP (RFC 5321 4.5.3.1.5: 512 a line)."""

_CONTROLS: Mapping[int, None] = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029])
_RESET = struct.pack("ii", 1, 0)


class LineLostError(Exception):
    """The dialog cannot go on: connection lost, silent for too long, or out of step.

    `reply` is what the server said before it hung up (421), if anything. `is_silent`: the time limit was reached.
    `is_out_of_step`: it said something that cannot stand there, so earlier replies may belong to other commands too.
    """

    def __init__(self, reply: Reply | None = None, *, is_silent: bool = False, is_out_of_step: bool = False) -> None:
        self.reply = reply
        self.is_silent = is_silent
        self.is_out_of_step = is_out_of_step
        super().__init__(reply)


class Line(asyncio.Protocol):
    """Takes over `transport` from whoever set the connection up; from then on nobody else reads it.

    Replies are counted: every write says how many it calls for (a 354 calls for one more), and an octet beyond them
    spoils the line for good: a reply taken for the answer to another command would be worse than a lost connection.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._texts: list[str] = []
        self._code = b""
        self._reply_bytes = 0
        self._replies: deque[Reply] = deque()
        self._expected = 0
        self._spoiled = False
        self._lost = False
        self._paused = False
        self._silent = False
        self._waiter: asyncio.Future[None] | None = None
        self.refusals = 0
        """Replies so far that were no success."""
        transport.set_protocol(self)

    # What the transport calls

    def data_received(self, data: bytes) -> None:
        """Read as many replies as are complete."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if self._spoiled:
                break
            self._take(line.removesuffix(b"\r"))
        if (self._rest and not self._expected) or len(self._rest) > MAX_REPLY_BYTES:
            self._spoiled = True
        self._wake()

    def eof_received(self) -> bool:
        """The server closed its side: close ours."""
        self._lost = True
        self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Nothing more will come."""
        self._lost = True
        self._wake()

    def pause_writing(self) -> None:
        """The transport holds enough for now."""
        self._paused = True

    def resume_writing(self) -> None:
        """The transport wants more."""
        self._paused = False
        self._wake()

    def _take(self, line: bytes) -> None:
        """Read one line of a reply (RFC 5321 4.2): all its lines have the same digits, only the last has no hyphen."""
        code, mark = line[:3], line[3:4]
        self._reply_bytes += len(line)
        if (
            not self._expected
            or not code.isdigit()
            or len(code) != 3
            or code[:1] not in b"2345"
            or mark not in (b"", b" ", b"-")
            or (self._texts and code != self._code)
            or self._reply_bytes > MAX_REPLY_BYTES
        ):
            self._spoiled = True
            return
        self._code = code
        self._texts.append(line[4:].decode("utf-8", "replace").translate(_CONTROLS).strip())
        if mark != b"-":
            self._replies.append(Reply(int(code), "\n".join(self._texts)))
            self._texts = []
            self._reply_bytes = 0
            if code != b"354":
                # After 354 the answer to the data is due at once: a server may refuse before it has heard the dot.
                self._expected -= 1

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What the dialog calls

    @property
    def is_clean(self) -> bool:
        """The connection is open, every reply was read, and nothing came that was not called for."""
        return not (self._spoiled or self._lost or self._expected or self._replies or self._transport.is_closing())

    @property
    def has_reply(self) -> bool:
        """A reply waits to be read."""
        return bool(self._replies)

    def is_quiet(self) -> bool:
        """Whether the line is clean and the system holds nothing unread for it either. For idle lines."""
        if not self.is_clean:
            return False
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN | select.POLLHUP)
        return not poll.poll(0)

    def require_open(self) -> None:
        """Raise LineLostError unless octets can still be written."""
        if self._lost or self._spoiled or self._transport.is_closing():
            raise self._lost_error()

    def write(self, octets: bytes, *, expect: int = 0) -> None:
        """Hand octets to the transport. Raises LineLostError, having written nothing, when the line is gone."""
        self.require_open()
        self._expected += expect
        self._transport.write(octets)

    async def drain(self, limit_s: float) -> None:
        """Wait until the transport wants more, a reply is there, or the line is gone. LineLostError: time is up."""
        # One turn of the loop in any case: others get theirs, and a refusal is read before a reset drowns it.
        await asyncio.sleep(0)
        while self._paused and not (self._replies or self._spoiled or self._lost):
            await self._wait(limit_s)

    async def reply(self, limit_s: float) -> Reply:
        """Return the next reply; `limit_s` counts from the reply before it. Raises LineLostError."""
        while not self._replies:
            if self._spoiled or self._lost:
                raise self._lost_error()
            await self._wait(limit_s)
        reply = self._replies.popleft()
        if reply.code >= 400:
            self.refusals += 1
        return reply

    async def _wait(self, limit_s: float) -> None:
        # A bare timer: asyncio.timeout and wait_for cost several times as much, twice a message.
        self._waiter = self._loop.create_future()
        timer = self._loop.call_later(limit_s, self._time_is_up)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None
        if self._silent and not self._replies:
            raise self._lost_error()

    def _lost_error(self) -> LineLostError:
        return LineLostError(is_silent=self._silent, is_out_of_step=self._spoiled and not self._silent)

    def _time_is_up(self) -> None:
        self._silent = True
        self._spoiled = True
        self._wake()

    def abort(self) -> None:
        """Throw the connection away so that not even octets already in the system's buffers are sent.

        `close()` would still deliver what was written, and `abort()` alone what the system holds: a reset does neither.
        """
        self._lost = True
        with contextlib.suppress(OSError):
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()
        self._wake()

    def leave(self) -> None:
        """Say QUIT and close, without waiting for an answer."""
        if self.is_clean:
            self._transport.write(b"QUIT\r\n")
        self._transport.close()

    async def quit(self, limit_s: float) -> None:
        """Say QUIT, wait for the answer as long as the limit allows, and close."""
        with contextlib.suppress(LineLostError):
            self.write(b"QUIT\r\n", expect=1)
            await self.reply(limit_s)
        self._transport.abort()
