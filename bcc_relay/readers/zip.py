"""Zip files: archives, and the documents that are made of one (OOXML, ODF). Nothing is written to disk."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from lzma import LZMAError
from typing import TYPE_CHECKING

from bcc_relay.core.contents.found import Part
from bcc_relay.core.contents.kinds import Kind, kind_of
from bcc_relay.core.damage import Closed
from bcc_relay.core.model import Channel
from bcc_relay.readers.office import is_ascii_xml, may_show, xml_text
from bcc_relay.readers.opened import Opened, channel_within
from bcc_relay.readers.sheets import cells
from bcc_relay.readers.unpacking import Unpacking

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcc_relay.core.contents.budget import Budget

_IS_ENCRYPTED = 0x1
"""General purpose bit 0 (APPNOTE 4.4.4)."""
_BROKEN = (zipfile.BadZipFile, zlib.error, LZMAError, struct.error, OSError, EOFError, ValueError, IndexError)
_XML = (".xml", ".rels", ".vml", ".rdf", ".xhtml", ".opf", ".ncx", ".svg")
_MANIFEST = "META-INF/manifest.xml"
# Members are encrypted each for itself, and the zip does not know of it (ODF 1.3 part 2, 3.4.1).
_ENCRYPTION = b"encryption-data"
_DOCUMENT_MARKS = frozenset({"[Content_Types].xml", _MANIFEST, "mimetype"})
_BINARY_WORKBOOK = "xl/workbook.bin"
_MOST_MEMBERS = 50_000
_HEAD_BYTES = 256


class _Walk:
    """What one pass over the members collects."""

    def __init__(self, part: Part, budget: Budget) -> None:
        self.part = part
        self.budget = budget
        self.unpacking = Unpacking(budget, len(part.octets))
        self.is_document = False
        self.texts: list[str] = []
        self.octets: list[bytes] = []
        self.parts: list[Part] = []
        self.closed: set[Closed] = set()

    @property
    def channel(self) -> Channel:
        """Where what is found counts."""
        return channel_within(self.part, Channel.ATTACHED_LIST) if self.is_document else Channel.ARCHIVE


class _Content:
    """A member piece by piece, and the checksum of what was read of it."""

    def __init__(self, read: Callable[[int], bytes], head: bytes) -> None:
        """`head` was read already."""
        self._read = read
        self._head = head
        self.checksum = 0

    def __call__(self, size_bytes: int) -> bytes:
        """Return the next octets, at most so many; none at the end."""
        piece, self._head = self._head or self._read(size_bytes), b""
        self.checksum = zlib.crc32(piece, self.checksum)
        return piece


def read_zip(part: Part, budget: Budget) -> Opened:
    """Read every member as far as the budget goes. A document's XML is searched here; all else goes on as parts."""
    walk = _Walk(part, budget)
    try:
        with zipfile.ZipFile(io.BytesIO(part.octets)) as archive:
            _read_members(archive, walk)
    except (*_BROKEN, NotImplementedError):
        walk.closed.add(Closed.BROKEN)
        walk.octets.append(part.octets)
    if walk.unpacking.is_over:
        walk.closed.add(Closed.OVER_BUDGET)
    return Opened(
        walk.channel, tuple(walk.texts), tuple(walk.octets), parts=tuple(walk.parts), closed=frozenset(walk.closed)
    )


def _read_members(archive: zipfile.ZipFile, walk: _Walk) -> None:
    members = archive.infolist()
    names = [member.filename for member in members]
    walk.is_document = not _DOCUMENT_MARKS.isdisjoint(names)
    walk.texts.append("\n".join(names))
    walk.octets += [note for note in (archive.comment, *(member.comment for member in members)) if note]
    for place, member in enumerate(members):
        if walk.unpacking.is_over or place >= _MOST_MEMBERS:
            walk.closed.add(Closed.OVER_BUDGET)
            return
        if not member.is_dir():
            _read_member(archive, member, walk)
    if _BINARY_WORKBOOK in names and not walk.closed:
        # Its members were read within the budget, so the library unpacks no more than that.
        text, closed = cells(walk.part.octets)
        walk.texts.append(text)
        walk.closed |= closed


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, walk: _Walk) -> None:
    name = member.filename
    if member.flag_bits & _IS_ENCRYPTED:
        walk.closed.add(Closed.ENCRYPTED)
        return
    is_xml = walk.is_document and name.lower().endswith(_XML)
    if not is_xml and not walk.budget.take_part():
        walk.closed.add(Closed.OVER_BUDGET)
        return
    try:
        with archive.open(member) as file:
            # The library would keep to itself what it read before it found the checksum wrong.
            file._expected_crc = None  # type: ignore[attr-defined]  # noqa: SLF001
            head = file.read(_HEAD_BYTES)
            if kind_of(head, "", name) is Kind.PICTURE and not is_xml:
                return
            content = _Content(file.read, head)
            is_sieved = is_xml and name != _MANIFEST and is_ascii_xml(head)
            octets, is_sound = walk.unpacking.read(content, _BROKEN, may_show if is_sieved else None)
    except NotImplementedError:
        walk.closed.add(Closed.UNKNOWN_FORMAT)
        return
    except _BROKEN:
        walk.closed.add(Closed.BROKEN)
        return
    if not is_sound or (not walk.unpacking.is_over and content.checksum != member.CRC):
        walk.closed.add(Closed.BROKEN)
    if name == _MANIFEST and _ENCRYPTION in octets:
        walk.closed.add(Closed.ENCRYPTED)
    if is_xml:
        walk.texts.append(xml_text(octets))
    elif octets:
        kind = kind_of(octets, "", name)
        walk.parts.append(Part(walk.channel, kind, name, octets, walk.part.depth + 1))
