"""Outlook's winmail.dat (TNEF, MS-OXTNEF): its recipient table, its properties, its attachments.

tnefparse reads the attributes one by one here. Its own walk over a file stops at the first oddity, and copies the rest
of the file for each attribute.
"""

from __future__ import annotations

import logging
import struct
from typing import TYPE_CHECKING, Any

from tnefparse import properties
from tnefparse.codepage import Codepage
from tnefparse.mapi import IMESSAGE_SIG, SZMAPI_STRING, SZMAPI_UNICODE_STRING, decode_mapi
from tnefparse.tnef import TNEF, TNEFObject

from bcc_relay.core.contents.found import Part
from bcc_relay.core.contents.kinds import Kind, kind_of
from bcc_relay.core.contents.rtf import words
from bcc_relay.core.damage import Closed, Damage
from bcc_relay.core.header import decode_words, text_of, unfold
from bcc_relay.core.model import Channel
from bcc_relay.readers.opened import Opened, channel_within
from bcc_relay.readers.rtf import NotRichTextError, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcc_relay.core.contents.budget import Budget

# What it logs about strangers' octets is in our answer, as damage.
logging.getLogger("tnefparse").addHandler(logging.NullHandler())
logging.getLogger("tnefparse").propagate = False

_SIGNATURE_BYTES = 6
_HEAD_BYTES = 9
_CHECKSUM_BYTES = 2
_SMALLEST_PROPERTY = 4
_PADDING_BYTES = 3
_FALLBACK_CODEPAGE = "cp1252"
_TEXT_TYPES = (0, 1, 2)
"""atpTriples, atpString, atpText (MS-OXTNEF 2.1.3.2)."""
_MOST_RICH_TEXT = 4 * 1024 * 1024
_BROKEN = (struct.error, ValueError, TypeError, IndexError, LookupError, OverflowError)


class _Walk:
    """What one pass over the attributes collects."""

    def __init__(self, part: Part, budget: Budget) -> None:
        self.part = part
        self.budget = budget
        self.codepage = _FALLBACK_CODEPAGE
        self.texts: list[str] = []
        self.octets: list[bytes] = []
        self.parts: list[Part] = []
        self.name = ""
        """Of the attachment under way; it may stand behind its octets."""
        self.data: bytes | None = None
        self.closed: set[Closed] = set()
        self.is_broken = False

    def end_attachment(self) -> None:
        """The attachment under way is complete."""
        if self.data:
            self.add(self.name, self.data)
        self.name, self.data = "", None

    def add(self, name: str, octets: bytes, kind: Kind | None = None) -> None:
        """Take note of a file, or of a body in a form of its own."""
        if not self.budget.take_part():
            self.closed.add(Closed.OVER_BUDGET)
            return
        kind = kind or kind_of(octets, "", name)
        channel = channel_within(self.part, Channel.TNEF)
        self.parts.append(Part(channel, kind, name, octets, self.part.depth + 1))


def read_tnef(part: Part, budget: Budget) -> Opened:
    """Read every attribute; what does not parse is damage, and what stands around it is read all the same."""
    walk = _Walk(part, budget)
    if part.octets[:4] != TNEF.TNEF_SIGNATURE.to_bytes(4, "little"):
        walk.is_broken = True
    else:
        for attribute in _attributes(part.octets, walk):
            try:
                _read(attribute, walk)
            except _BROKEN:
                walk.is_broken = True
        walk.end_attachment()
    if walk.is_broken:
        walk.octets.append(part.octets)
    damage = frozenset({Damage.BROKEN_OUTLOOK_ITEM}) if walk.is_broken else frozenset()
    channel = channel_within(part, Channel.TNEF)
    return Opened(
        channel, tuple(walk.texts), tuple(walk.octets), tuple(walk.parts), closed=frozenset(walk.closed), damage=damage
    )


def _attributes(octets: bytes, walk: _Walk) -> Iterator[TNEFObject]:
    at = _SIGNATURE_BYTES
    while at + _HEAD_BYTES + _CHECKSUM_BYTES <= len(octets):
        end = at + _HEAD_BYTES + int.from_bytes(octets[at + 5 : at + 9], "little") + _CHECKSUM_BYTES
        yield TNEFObject(octets[at:end])
        at = end
    # A line end may stand behind the last one; no attribute is so small.
    walk.is_broken = walk.is_broken or at > len(octets)


def _read(attribute: Any, walk: _Walk) -> None:
    name, data = attribute.name, attribute.data
    if name == TNEF.ATTOEMCODEPAGE:
        walk.codepage = _codec(Codepage(int.from_bytes(data[:4], "little")).codepage())
    elif name in (TNEF.ATTMAPIPROPS, TNEF.ATTATTACHMENT):
        found, end = _properties(data, 0, walk)
        walk.is_broken = walk.is_broken or not len(data) - _PADDING_BYTES <= end <= len(data)
        _take(found, walk)
    elif name == TNEF.ATTRECIPTABLE:
        _recipients(data, walk)
    elif name == TNEF.ATTATTACHRENDDATA:
        walk.end_attachment()
    elif name == TNEF.ATTATTACHDATA:
        walk.data = data
    elif attribute.type in _TEXT_TYPES:
        text = data.decode(walk.codepage, "replace")
        if name == TNEF.ATTATTACHTITLE:
            walk.name = text.strip("\x00")
        walk.texts.append(text.replace("\x00", "\n"))


def _codec(name: str) -> str:
    try:
        "".encode(name)
    except LookupError:
        return _FALLBACK_CODEPAGE
    return name


def _recipients(data: bytes, walk: _Walk) -> None:
    """Read attRecipTable: a count, and as many lists of properties (MS-OXTNEF 2.1.3.5.1)."""
    (rows,) = struct.unpack_from("<I", data)
    at = 4
    for _ in range(min(rows, len(data) // _SMALLEST_PROPERTY)):
        found, at = _properties(data, at, walk)
        _take(found, walk)
    walk.is_broken = walk.is_broken or not len(data) - _PADDING_BYTES <= at <= len(data)


def _properties(data: bytes, at: int, walk: _Walk) -> tuple[list[Any], int]:
    """Return a list of MAPI properties and where it ends. The library stops at the first that it cannot read."""
    (count,) = struct.unpack_from("<I", data, at)
    if count > (len(data) - at) // _SMALLEST_PROPERTY:
        raise ValueError("more properties than octets")
    end, found = decode_mapi(data, walk.codepage, starting_offset=at)
    if len(found) < count:
        # A text that is none in its code page; an address is ASCII in all of them.
        end, found = decode_mapi(data, "latin_1", starting_offset=at)
    if len(found) < count:
        walk.is_broken = True
    return found, end


def _take(found: list[Any], walk: _Walk) -> None:
    named = {one.name: one.data for one in found if _is_text(one)}
    long_name = named.get(properties.MAPI_ATTACH_LONG_FILENAME, named.get(properties.MAPI_ATTACH_FILENAME))
    walk.name = str(long_name) if long_name else walk.name
    for one in found:
        if _is_text(one):
            text = str(one.data)
            if one.name == properties.MAPI_TRANSPORT_MESSAGE_HEADERS:
                text = header_text(text)
            if one.name == properties.MAPI_BODY_HTML:
                walk.add("", text.encode("utf-8", "replace"), Kind.HTML)
            walk.texts.append(text.replace("\x00", "\n"))
        elif isinstance(one.raw_data, list):
            for octets in one.raw_data:
                _take_octets(one.name, octets, walk)


def _take_octets(which: int, octets: bytes, walk: _Walk) -> None:
    if which == properties.MAPI_ATTACH_DATA_OBJ:
        if octets.startswith(IMESSAGE_SIG):
            walk.add(walk.name, octets[len(IMESSAGE_SIG) :], Kind.TNEF)
        else:
            walk.data = octets
    elif which == properties.MAPI_BODY_HTML:
        walk.add("", octets, Kind.HTML)
    elif which == properties.MAPI_RTF_COMPRESSED and octets:
        try:
            rich = unpack(octets, _MOST_RICH_TEXT)
            if len(rich) >= _MOST_RICH_TEXT:
                walk.closed.add(Closed.OVER_BUDGET)
            walk.texts.append(words(rich))
        except NotRichTextError:
            walk.is_broken = True
    else:
        # Entry identifiers, of those to reply to for one, hold addresses in several encodings.
        walk.octets.append(octets)


def _is_text(one: Any) -> bool:
    return one.attr_type in (SZMAPI_STRING, SZMAPI_UNICODE_STRING)


def header_text(text: str) -> str:
    """Return the header of a message, as Outlook keeps it, decoded (RFC 2047)."""
    lines = text.replace("\r\n", "\n").replace("\n", "\r\n")
    return decode_words(text_of(unfold(lines.encode("utf-8", "replace")))).text
