"""How far one packed part may be unpacked: by what really comes out of it, never by what it says of itself."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcc_relay.core.contents.budget import Budget

_PIECE_BYTES = 64 * 1024
_FREE_BYTES = 1024 * 1024
"""An archive may become so large whatever its size is."""
_SEARCHED_BYTES = 4 * 1024 * 1024
"""So much of what is too large is searched all the same."""
_PASSED_OVER = 8
"""So many octets that are passed over cost no more than one that is kept."""
_SIGN_BYTES = 1024
"""No longer is what stands for an "@", with formatting in it."""


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

    def read(
        self,
        pieces: Callable[[int], bytes],
        broken: tuple[type[Exception], ...],
        may_show: Callable[[bytes], bool] | None = None,
    ) -> tuple[bytes, bool]:
        """Read to the end or as far as is allowed; return what came out, and whether it is sound.

        `pieces` gives at most so many octets, none at the end. `broken`: what it raises for unsound data; what came out
        before is kept. Of what is too much, the beginning is returned. With `may_show`, what may not show an address,
        and stands next to nothing that may, is left out, and counts little.
        """
        # Its content is not copied when it is handed out.
        collected = io.BytesIO()
        is_sound, is_near, is_parted, before = True, False, False, b""
        try:
            while not self.is_over and (piece := pieces(_PIECE_BYTES)):
                # A sign may lie across two pieces.
                shows = may_show is None or may_show(before[-_SIGN_BYTES:] + piece)
                if shows or is_near:
                    collected.write(b"\n" + before + piece if is_parted else before + piece)
                    is_parted, before = False, b""
                    self.take(len(piece))
                else:
                    is_parted, before = is_parted or bool(before), piece
                    self.take(len(piece) // _PASSED_OVER)
                is_near = shows
        except broken:
            is_sound = False
        if self.is_over:
            collected.truncate(_SEARCHED_BYTES)
        return collected.getvalue(), is_sound


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
