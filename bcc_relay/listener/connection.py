"""One client's connection: aiosmtpd's SMTP protocol with its timer, its TLS, its replies and its end made safe.

What is said on it stands in `dialog`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys
from asyncio import sslproto
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import SMTP

from bcc_relay.core import replies
from bcc_relay.listener.inbox import Inbox
from bcc_relay.listener.reply_octets import reply_octets

if TYPE_CHECKING:
    from bcc_relay.core.model import Reply
    from bcc_relay.listener.server import Door

_IGNORED_BYTES = 16 * 1024 * 1024
"""How much a client may go on sending after its dialog is over, so that it gets to read why."""

# Linux: include/net/tcp_states.h, and struct tcp_info of include/uapi/linux/tcp.h.
_TCP_CLOSED = 7
_TCP_CLIENT_HAS_CLOSED = 8
_UNACKNOWLEDGED = struct.Struct("=B 23x I")
_LOOK_AGAIN_S = 0.01


class DialogOverError(Exception):
    """The dialog ends now, with this last reply."""

    def __init__(self, reply: Reply, reason: str) -> None:
        self.reply = reply
        self.reason = reason
        super().__init__(reason)


class Connection(SMTP):
    """See the module. Of aiosmtpd's class it keeps how a connection begins, goes over to TLS, and has a timer.

    Its constructor is not called: it looks through the class anew for each connection, and clears a table of line
    lengths that all connections share.
    """

    # What aiosmtpd's methods ask for, once per class instead of once per connection.
    _handle_hooks: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, door: Door, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.inbox = Inbox(loop)
        asyncio.StreamReaderProtocol.__init__(
            self, self.inbox, client_connected_cb=self._cb_client_connected, loop=loop
        )
        self.door = door
        self.tls_context = door.ssl_context
        self.session = None
        self.envelope = None
        self.transport = None
        self._original_transport = None
        self._tls_protocol = None
        self._tls_handshake_okay = True
        self._handler_coroutine = None
        self._timeout_handle = None
        self._deadline = 0.0

        self.secure = False
        self.closed: asyncio.Future[None] = loop.create_future()
        """Done when the connection is gone."""
        self._is_room = True
        self._out = bytearray()
        self._over = False
        self._draining = False
        self._idle = False
        self._writing = False
        self._lingers = False
        self._ignored_bytes = 0

    # --- the connection -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected, or (aiosmtpd calls this again) its TLS handshake is done."""
        is_handshake_done = self._original_transport is not None
        if is_handshake_done:
            self.secure = True
            super().connection_made(transport)
            return
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            # asyncio does so itself only where the listening socket named its protocol.
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._is_room = self.door.connections.enter()
        super().connection_made(transport)
        assert self._handler_coroutine is not None
        self.door.adopt(self, self._handler_coroutine)

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone. Unlike aiosmtpd's, this never cancels what the dialog is doing."""
        if self.transport is None:
            return
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
        if self._original_transport is not None:
            self._original_transport.close()
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self.transport = None
        self.door.connections.leave()
        self.door.open_dialogs.discard(self)
        self.closed.set_result(None)

    def eof_received(self) -> bool | None:
        """The client has closed its sending half: it still gets the answers to what it sent."""
        if self._over:
            return False
        self.inbox.feed_eof()
        # A TLS connection cannot be kept half open by asyncio; True would only raise a warning.
        return self._original_transport is None

    @property
    def is_gone(self) -> bool:
        """Whether nobody can read our replies any more."""
        return self.transport is None or self.transport.is_closing()

    # --- time ---------------------------------------------------------------------------------------------------------

    def _reset_timeout(self, duration: float | None = None) -> None:
        """Give the client `duration` seconds from now. The timer is set anew only when it runs out too late."""
        self._deadline = self.loop.time() + (duration or self.door.options.timeouts.command_s)
        if self._timeout_handle is not None:
            if self._timeout_handle.when() <= self._deadline:
                return
            self._timeout_handle.cancel()
        self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)

    def allow(self, seconds: float) -> None:
        """Give the client this long for what comes next."""
        self._reset_timeout(seconds)

    def _timeout_cb(self) -> None:
        self._timeout_handle = None
        if self.transport is None:
            return
        if self.loop.time() < self._deadline - 0.001:
            self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)
        elif self._over or self._writing:
            self.cut()  # it does not read what we write
        else:
            self.inbox.set_exception(DialogOverError(replies.TIMED_OUT, "timeout"))

    def cut(self) -> None:
        """Close the connection without another word."""
        for transport in (self._original_transport, self.transport):
            if transport is not None:
                assert isinstance(transport, asyncio.WriteTransport)
                transport.abort()

    def shut_down(self) -> None:
        """Say goodbye as soon as the dialog is between two commands, at once when it is now."""
        self._draining = True
        if self._idle:
            self.inbox.set_exception(DialogOverError(replies.SHUTTING_DOWN, "shutting_down"))

    # --- replies ------------------------------------------------------------------------------------------------------

    def answer(self, reply: Reply, *, utf8: bool = False) -> None:
        """Write a reply; it leaves with the next `flush`, so that replies to pipelined commands travel together."""
        self._out += reply_octets(reply, utf8=utf8)

    def answer_octets(self, octets: bytes) -> None:
        """Write a reply that is complete already: the greeting, EHLO, a challenge."""
        self._out += octets

    async def flush(self) -> None:
        """Send all replies; waits while the client does not read. Raises ConnectionError when it is gone."""
        if not self._out:
            return
        octets = bytes(self._out)
        self._out.clear()
        if self.is_gone:
            return
        self._writer.write(octets)
        self._writing = True
        try:
            await self._writer.drain()
        finally:
            self._writing = False

    async def is_heard(self) -> bool:
        """Whether the client is there to read what was sent.

        A client that has closed its sending half may still read, or be gone for good: only its system tells, by
        acknowledging what we sent or by a reset. All others are taken to read.
        """
        until = self.loop.time() + self.door.options.timeouts.closing_s
        while not self.is_gone and self.loop.time() < until:
            state, unread = _tcp_state(self._writer.get_extra_info("socket"))
            if state == _TCP_CLOSED:
                return False
            if state != _TCP_CLIENT_HAS_CLOSED or not unread:
                return True
            await asyncio.sleep(_LOOK_AGAIN_S)
        return False

    # --- TLS ----------------------------------------------------------------------------------------------------------

    async def start_tls(self, handshake: bytes) -> bool:
        """Put TLS under the dialog; `handshake` is what the client has sent of it. False when that failed."""
        assert self.tls_context is not None
        assert isinstance(self.transport, asyncio.Transport)
        await self.flush()
        if self.is_gone:
            return False
        waiter: asyncio.Future[None] = self.loop.create_future()
        limit_s = self.door.options.timeouts.handshake_s
        self._reset_timeout(limit_s + self.door.options.timeouts.closing_s)
        tls = sslproto.SSLProtocol(
            self.loop,
            self,
            self.tls_context,
            waiter,
            server_side=True,
            ssl_handshake_timeout=limit_s,  # type: ignore[arg-type]  # the stubs say int
        )
        self._tls_protocol = tls
        self._original_transport = self.transport
        self.transport.set_protocol(tls)
        self.transport = tls._app_transport  # noqa: SLF001 - as aiosmtpd does
        tls.connection_made(self._original_transport)
        while handshake:
            room = tls.get_buffer(len(handshake))
            size = min(len(room), len(handshake))
            room[:size] = handshake[:size]
            tls.buffer_updated(size)
            handshake = handshake[size:]
        try:
            await waiter
        except OSError:  # ssl.SSLError and a lost connection alike
            pass
        finally:
            if not self.secure:
                # asyncio does not report the loss of a connection that never finished its handshake.
                self.connection_lost(None)
        return self.secure

    def pause_reading(self) -> None:
        """Leave what the client does next unread: so a TLS client may close its side and still read the answer."""
        if isinstance(self._original_transport, asyncio.Transport):
            self._original_transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if isinstance(self._original_transport, asyncio.Transport) and not self._original_transport.is_closing():
            self._original_transport.resume_reading()

    # --- the end ------------------------------------------------------------------------------------------------------

    def end(self, *, lingers: bool = False) -> None:
        """Make what was answered the last word; with `lingers` to a client that is still sending."""
        self._over = True
        self._lingers = lingers

    def data_received(self, data: bytes) -> None:
        """Keep what came for the dialog; throw it away when that is over, up to a measure."""
        if not self._over:
            self.inbox.feed_data(data)
            return
        self._ignored_bytes += len(data)
        if self._ignored_bytes > _IGNORED_BYTES:
            self.cut()

    def _hang_up(self) -> None:
        """Send what was answered and close; a client that does not read it is cut off after a while."""
        self._over = True
        if self.transport is None:
            return
        unreadable = self.door.options.tls == "implicit" and not self.secure
        if self._out and not self.is_gone and not unreadable:
            self._writer.write(bytes(self._out))
        self._out.clear()
        if self._lingers and not self.is_gone and self._writer.can_write_eof():
            # Closing with octets unread would reset the connection, and the client might never see why.
            self._writer.write_eof()
        else:
            self.transport.close()
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
            self._timeout_handle = None
        self._reset_timeout(self.door.options.timeouts.closing_s)


def _tcp_state(sock: socket.socket | None) -> tuple[int, int]:
    """Return the state of a TCP connection and how many segments sent are not acknowledged; zeroes if not known."""
    if sock is None or sys.platform != "linux":
        return 0, 0
    try:
        state, unacknowledged = _UNACKNOWLEDGED.unpack(
            sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _UNACKNOWLEDGED.size)
        )
    except OSError:  # no TCP
        return 0, 0
    return state, unacknowledged
