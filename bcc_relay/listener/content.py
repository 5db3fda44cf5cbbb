"""Reads message data from a stream of pieces: finds its end, takes off the dots, mends bare line feeds. No I/O."""

from __future__ import annotations

_END = b"\r\n.\r\n"
_STUFFED = b"\r\n."


class ContentReader:
    r"""Turns what follows DATA into message content, however the stream is cut into pieces (RFC 5321 4.1.1.4, 4.5.2).

    Only CRLF.CRLF ends the data, counting the CRLF of the DATA command itself; that CRLF is held as if it were the
    first data. `\n.\n`, `\r\n.\n`, `\n.\r\n` and the like are data: who takes one of them for the end can be made to
    read a second message in the first. Bare LF becomes CRLF afterwards; the forwarder stuffs dots anew.
    """

    def __init__(self) -> None:
        self._kept = b"\r\n"
        self._started = False
        self.ended = False
        self.rest = b""
        """What came behind the end of the data."""
        self.has_bare_cr_or_nul = False
        self.has_eight_bit = False

    def feed(self, piece: bytes) -> bytes:
        """Take the next octets from the client; return the content they add."""
        data = self._kept + piece
        dot = data.find(_STUFFED)
        end = -1 if dot < 0 else data.find(_END, dot)
        if end >= 0:
            self.ended = True
            self.rest = data[end + len(_END) :]
            return self._content(data[: end + 2], dotted=dot < end)
        kept = _start_of_end(data)
        if kept:
            data, self._kept = data[:-kept], data[-kept:]
        else:
            self._kept = b""
        return self._content(data, dotted=dot >= 0)

    def _content(self, data: bytes, *, dotted: bool) -> bytes:
        """Clean octets that are data for certain and do not end within a CRLF or a stuffed dot."""
        line_ends = data.count(b"\r\n")
        if b"\0" in data or data.count(b"\r") != line_ends:
            self.has_bare_cr_or_nul = True
        if not self.has_eight_bit and not data.isascii():
            self.has_eight_bit = True
        has_bare_lf = data.count(b"\n") != line_ends
        if dotted:
            data = data.replace(_STUFFED, b"\r\n")
        if has_bare_lf:
            data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        if data and not self._started:
            # The CRLF of the DATA command is no content.
            self._started = True
            return data[2:]
        return data


def _start_of_end(data: bytes) -> int:
    """How many octets at the end of `data` may be the beginning of the end."""
    for length in (4, 3, 2, 1):
        if data.endswith(_END[:length]):
            return length
    return 0
