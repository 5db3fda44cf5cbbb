"""Files that are embedded in documents of compound files: as packages, and as PowerPoint packs them."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

from bcc_relay.core.contents.found import Part
from bcc_relay.core.contents.kinds import OPENED_BY_LIBRARY, Kind, kind_of
from bcc_relay.core.damage import Closed
from bcc_relay.readers.unpacking import Unpacking, zlib_pieces

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bcc_relay.core.contents.budget import Budget
    from bcc_relay.core.model import Channel

_NATIVE = "\x01Ole10Native"
_SLIDES = "powerpoint document"
# A signature may stand in a stream, and says nothing.
_FILES = OPENED_BY_LIBRARY - {Kind.CMS}
_LABEL_AT = 6
_MARK_BYTES = 4
# An ExOleObjStg record whose content is compressed (MS-PPT 2.10.34): its length, and the length unpacked.
_PACKED = re.compile(rb"\x10\x00\x11\x10(.{4}).{4}", re.DOTALL)


def files_in(
    streams: Iterable[tuple[tuple[str, ...], bytes]], part: Part, channel: Channel, budget: Budget
) -> tuple[list[Part], set[Closed]]:
    """Return the files in these streams (path and octets) of `part` as parts, and why some may be missing.

    A stream without a name is the whole document.
    """
    parts: list[Part] = []
    closed: set[Closed] = set()
    unpacking = Unpacking(budget, len(part.octets))
    for path, octets in streams:
        for name, file in _in_stream(path[-1], octets, unpacking, closed):
            if not budget.take_part():
                return parts, closed | {Closed.OVER_BUDGET}
            parts.append(Part(channel, kind_of(file, "", name), name, file, part.depth + 1))
    if unpacking.is_over:
        closed.add(Closed.OVER_BUDGET)
    return parts, closed


def _in_stream(name: str, octets: bytes, unpacking: Unpacking, closed: set[Closed]) -> Iterator[tuple[str, bytes]]:
    if name == _NATIVE:
        yield _native(octets)
    elif name.lower() == _SLIDES:
        for match in _PACKED.finditer(octets):
            packed = octets[match.end() : match.start() + 8 + int.from_bytes(match[1], "little")]
            unpacked, is_sound = unpacking.read(zlib_pieces(packed), (zlib.error,))
            if not is_sound:
                closed.add(Closed.BROKEN)
            if unpacked:
                yield "", unpacked
    elif name and kind_of(octets, "", "") in _FILES and unpacking.take(len(octets)):
        yield "", octets


def _native(octets: bytes) -> tuple[str, bytes]:
    """Return name and octets of a packaged file: size, label, path, marks, path, and the file with its size.

    Where these do not stand so, all of it.
    """
    label_end = octets.find(b"\0", _LABEL_AT)
    path_end = octets.find(b"\0", label_end + 1)
    at = path_end + 1 + _MARK_BYTES
    at += 4 + int.from_bytes(octets[at : at + 4], "little")
    size = int.from_bytes(octets[at : at + 4], "little")
    if label_end < 0 or path_end < 0 or not 0 < size <= len(octets) - at - 4:
        return "", octets
    return octets[_LABEL_AT:label_end].decode("cp1252", "replace"), octets[at + 4 : at + 4 + size]
