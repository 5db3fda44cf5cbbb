"""What the client has sent and nobody has read yet: whole command lines, or whatever there is.

The only place that knows the inner parts of asyncio's stream reader; aiosmtpd leans on the same ones.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

_LIMIT_BYTES = 65536
"""Above twice this much unread data the client is made to wait."""


class LineTooLongError(Exception):
    """No line end within the limit; what was read of the line is gone."""


class Inbox(asyncio.StreamReader):
    """A stream reader that gives command lines with a limit of their own, and data in the pieces that came."""

    if TYPE_CHECKING:
        _buffer: bytearray
        _eof: bool
        _exception: BaseException | None
        _loop: asyncio.AbstractEventLoop

        async def _wait_for_data(self, func_name: str) -> None: ...
        def _maybe_resume_transport(self) -> None: ...

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=_LIMIT_BYTES, loop=loop)

    @property
    def has_line(self) -> bool:
        """Whether a whole line is there already."""
        return b"\n" in self._buffer

    async def line(self, limit_bytes: int) -> bytes:
        """Return the next line up to and with its LF.

        Raises LineTooLongError, EOFError when the client has closed its side, and whatever the reader was told
        to raise (`set_exception`).
        """
        looked_at = 0
        while True:
            end = self._buffer.find(b"\n", looked_at)
            if end >= 0:
                line = bytes(self._buffer[: end + 1])
                del self._buffer[: end + 1]
                self._maybe_resume_transport()
                if len(line) > limit_bytes:
                    raise LineTooLongError
                return line
            looked_at = len(self._buffer)
            if looked_at > limit_bytes:
                await self._drop_line()
                raise LineTooLongError
            await self._more()

    async def piece(self) -> bytes:
        """Return all that is there, at least one octet. Raises EOFError and what the reader was told to raise."""
        while not self._buffer:
            await self._more()
        return self.take()

    def take(self) -> bytes:
        """Return all that is there."""
        taken = bytes(self._buffer)
        self._buffer.clear()
        self._maybe_resume_transport()
        return taken

    def give_back(self, octets: bytes) -> None:
        """Put octets back to the front."""
        self._buffer[:0] = octets

    async def _drop_line(self) -> None:
        while True:
            end = self._buffer.find(b"\n")
            if end >= 0:
                del self._buffer[: end + 1]
                return
            self._buffer.clear()
            await self._more()

    async def _more(self) -> None:
        if self._exception is not None:
            raise self._exception
        if self._eof:
            raise EOFError
        await self._wait_for_data("line")
