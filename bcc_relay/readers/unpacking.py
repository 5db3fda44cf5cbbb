"""How far one packed part may be unpacked: by what really comes out of it, never by what it says of itself."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcc_relay.core.contents.budget import Budget

_PIECE_BYTES = 64 * 1024
_FREE_BYTES = 1024 * 1024
"""An archive may become so large whatever its size is."""


class Unpacking:
    """Counts what comes out of one packed part, against its ratio and the message's budget."""

    def __init__(self, budget: Budget, packed_bytes: int) -> None:
        """Begin with nothing taken. `packed_bytes`: size of the part."""
        self._budget = budget
        self._left_bytes = _FREE_BYTES + budget.limits.ratio * packed_bytes
        self.is_over = False
        """More came out than may be looked into."""

    def take(self, count: int) -> bool:
        """Count octets that came out; whether more may follow."""
        self._left_bytes -= count
        if self._left_bytes < 0 or not self._budget.take_bytes(count):
            self.is_over = True
        return not self.is_over

    def read(self, pieces: Callable[[int], bytes], broken: tuple[type[Exception], ...]) -> tuple[bytes, bool]:
        """Read to the end or as far as is allowed; return what came out, and whether it is sound.

        `pieces` gives at most so many octets, none at the end. `broken`: what it raises for unsound data; what came out
        before is kept.
        """
        collected: list[bytes] = []
        try:
            while not self.is_over and (piece := pieces(_PIECE_BYTES)):
                collected.append(piece)
                self.take(len(piece))
        except broken:
            return b"".join(collected), False
        return b"".join(collected), True


def zlib_pieces(octets: bytes) -> Callable[[int], bytes]:
    """Return what gives the content of a zlib stream (RFC 1950) piece by piece; it raises zlib.error, also at a cut."""
    stream = zlib.decompressobj()
    rest = octets

    def piece(size_bytes: int) -> bytes:
        nonlocal rest
        got = stream.decompress(rest, size_bytes)
        rest = stream.unconsumed_tail
        if not got and not stream.eof:
            raise zlib.error("cut off")
        return got

    return piece
