"""The walk through a body: every part, in every reading of its structure, and the addresses that each part shows.

What only a library opens is handed back. Nothing recurses, and nothing is read twice but where readers differ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import islice
from typing import TYPE_CHECKING

from bcc_relay.core.contents.files import CHANNELS, File, read_file
from bcc_relay.core.contents.headers import in_message_header, in_part_header
from bcc_relay.core.contents.kinds import HEAD_OCTETS, Kind, kind_of
from bcc_relay.core.contents.mime import Region, crlf, divided, entities, guessed_boundary, mails_of, mime_lines
from bcc_relay.core.contents.parameters import NO_TYPE, ContentType, content_type, parameters, text_parameter
from bcc_relay.core.contents.seen import Seen
from bcc_relay.core.contents.text import decode_text
from bcc_relay.core.contents.transfer import (
    BASE64,
    IDENTITY,
    QUOTED_PRINTABLE,
    UNKNOWN,
    UUENCODE,
    encoding_of,
    looks_like_base64,
    undone,
    uu_files,
)
from bcc_relay.core.damage import Closed, Damage
from bcc_relay.core.header import codec_of, text_of
from bcc_relay.core.model import Channel

if TYPE_CHECKING:
    from bcc_relay.core.address import Known
    from bcc_relay.core.contents.budget import Budget
    from bcc_relay.core.contents.found import Looked, Part
    from bcc_relay.core.contents.mime import Divided
    from bcc_relay.core.model import Message

_STAYS = (Channel.ARCHIVE, Channel.TNEF, Channel.ATTACHED_MESSAGE, Channel.PROTECTED_HEADER)
"""Whatever is within one of these counts there."""


def look(message: Message, names: Known, budget: Budget) -> Looked:
    """Look into the body of a message. Never raises.

    `names`: addresses to recognise also where other text is glued to them. What goes beyond the budget is closed. The
    message's own header is for `facts`; here it only tells how to read the body.
    """
    walk = _Walk(names, budget)
    body = message.body
    walk.entity(message.header, Region(body.content, body.start, len(body.content)), _Place(0, _Header.READ_ELSEWHERE))
    return walk.looked()


def look_at(part: Part, names: Known, budget: Budget) -> Looked:
    """Look into one file that came out of another one, and into the parts within it. Never raises.

    The file itself was taken from the budget by whoever unpacked it. A part of kind `MESSAGE` in the channel `BODY` is
    what a message was wrapped in (RFC 8551 3.1 and 3.5.2): its header is a protected one, and its body stands in the
    place of the message's own.
    """
    walk = _Walk(names, budget)
    region = Region(part.octets, 0, len(part.octets))
    place = _Place(part.depth, within=part.channel if part.channel in _STAYS else None)
    walk.seen.show(part.channel, walk.seen.in_text(part.name))
    if part.depth > budget.limits.depth:
        walk.over_budget(region, place)
    elif part.channel is Channel.BODY and part.kind is Kind.MESSAGE:
        walk.entities(region, replace(place, header=_Header.PROTECTED))
    else:
        walk.file(File(part.kind, region, part.name, part.channel, part.depth), place)
    return walk.looked()


class _Header(Enum):
    """Whose header stands before a body."""

    PART = auto()
    MESSAGE = auto()
    PROTECTED = auto()
    """The message's own, once more."""
    READ_ELSEWHERE = auto()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a region stands."""

    depth: int
    header: _Header = _Header.PART
    within: Channel | None = None
    """Where everything counts, whatever it is."""
    default_type: str = "text/plain"

    def inside(self, header: _Header = _Header.PART, default_type: str = "text/plain") -> _Place:
        """Return the place of what stands within."""
        return _Place(self.depth + 1, header, self.within, default_type)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One way to read a body: what its header says about it, where it says one thing only."""

    media_type: str
    type: ContentType
    encoding: str
    name: str
    is_attached: bool

    @property
    def is_inline(self) -> bool:
        """Whether readers show it at once."""
        return not (self.name or self.is_attached)


_INLINE = {"text/plain": Kind.TEXT, "text/html": Kind.HTML, "text": Kind.TEXT}
_REPORTS = frozenset(
    {
        "message/delivery-status",
        "message/disposition-notification",
        "message/global-delivery-status",
        "message/global-disposition-notification",
        "message/feedback-report",
        "message/global-headers",
        "text/rfc822-headers",
    }
)
"""Made of blocks of fields (RFC 3464, RFC 8098, RFC 5965, RFC 6522, RFC 6533)."""
_NOT_HERE = {
    "message/partial": Closed.PARTIAL,
    "message/external-body": Closed.ELSEWHERE,
    "multipart/encrypted": Closed.ENCRYPTED,
}
_READ_HERE = (Kind.TEXT, Kind.HTML, Kind.CALENDAR, Kind.LIST, Kind.MESSAGE, Kind.PGP)


class _Walk:
    """What is still to be looked at."""

    def __init__(self, names: Known, budget: Budget) -> None:
        self.seen = Seen(names, budget)
        self._budget = budget
        self._waiting: list[tuple[Region | File, _Place]] = []

    def looked(self) -> Looked:
        """Look at all that waits, in the order of the message; return what was seen."""
        while self._waiting:
            what, place = self._waiting.pop()
            if place.depth > self._budget.limits.depth or not self._budget.take_part():
                self.over_budget(what if isinstance(what, Region) else what.region, place)
            elif isinstance(what, Region):
                self.entities(what, place)
            else:
                self.file(what, place)
        return self.seen.looked()

    def over_budget(self, region: Region, place: _Place) -> None:
        """Close what is too much. Addresses that can be read in it all the same count."""
        self.seen.closed.add(Closed.OVER_BUDGET)
        self._outside(region, place)

    def entities(self, region: Region, place: _Place) -> None:
        """Read header and body, in both ways where it is not clear which is which."""
        for header, body in entities(region):
            self.entity(header, body, place)

    def entity(self, header: bytes, body: Region, place: _Place) -> None:
        """Read a body in each way that its header allows."""
        readings, is_ambiguous = _readings(header, place.default_type)
        if is_ambiguous:
            self.seen.damage.add(Damage.AMBIGUOUS_MIME)
        if place.header is not _Header.READ_ELSEWHERE and self.seen.affords(header):
            self._read_header(header, readings, place)
        if len(readings) > self._budget.limits.readings:
            self.seen.closed.add(Closed.OVER_BUDGET)
        for reading in readings[: self._budget.limits.readings]:
            self._read_body(reading, body, place)

    def _read_header(self, header: bytes, readings: list[_Reading], place: _Place) -> None:
        if place.header is _Header.MESSAGE:
            self.seen.show(place.within or Channel.ATTACHED_MESSAGE, in_message_header(header, self.seen.names))
            return
        protected = place.header is _Header.PROTECTED or any(
            name in reading.type.parameters for reading in readings for name in ("hp", "protected-headers")
        )
        for is_protected, keys in in_part_header(header, self.seen.names, protected):
            own = Channel.PROTECTED_HEADER if is_protected else _claimed(readings[0])
            self.seen.show(place.within or own, keys)

    def _read_body(self, reading: _Reading, body: Region, place: _Place) -> None:
        media_type, encoding = reading.media_type, reading.encoding
        if media_type in _NOT_HERE:
            self.seen.closed.add(_NOT_HERE[media_type])
        is_multipart = media_type.startswith("multipart")
        if (is_multipart or "/" not in media_type) and self._read_parts(reading, body, place):
            return
        if is_multipart:
            reading = replace(reading, media_type="text/plain")  # what has no parts is shown as it is
        if encoding != UNKNOWN:
            self._leaf(reading, body, place)
            return
        for possible in (IDENTITY, QUOTED_PRINTABLE, BASE64):
            if possible != BASE64 or looks_like_base64(body.octets(HEAD_OCTETS)):
                self._leaf(replace(reading, encoding=possible), body, place)

    # --- parts -------------------------------------------------------------------------------------------------------

    def _read_parts(self, reading: _Reading, body: Region, place: _Place) -> bool:
        """Part a body at each boundary that its type may name; return whether any of them is there."""
        ways = self._divided(reading.type.boundaries, body)
        if not ways and reading.encoding not in (IDENTITY, UNKNOWN):
            body = _decoded(body, reading.encoding)
            ways = self._divided(reading.type.boundaries, body)
        if not ways and (guess := guessed_boundary(body)):
            ways = self._divided((guess,), body)
        if sum(1 for way in ways if way.parts) > 1:
            self.seen.damage.add(Damage.AMBIGUOUS_MIME)
        is_digest = reading.media_type == "multipart/digest"
        inside = place.inside(default_type="message/rfc822" if is_digest else "text/plain")
        for way in ways:
            for outside in way.outside:
                self._outside(outside, place)
            if way.rest:
                self.over_budget(way.rest, place)
            self._waiting.extend((part, inside) for part in reversed(way.parts))
        return bool(ways)

    def _divided(self, boundaries: tuple[bytes, ...], body: Region) -> list[Divided]:
        most = max(self._budget.parts, 0) + 1
        return [way for boundary in boundaries if (way := divided(body, boundary, most))]

    def _outside(self, region: Region, place: _Place) -> None:
        """Look at text that belongs to no part."""
        octets = self.seen.bounded(region.octets())
        if octets and not octets.isspace():
            self.seen.show(place.within or Channel.BODY, self.seen.in_text(decode_text(octets, "")))

    def _leaf(self, reading: _Reading, body: Region, place: _Place) -> None:
        media_type, encoding = reading.media_type, reading.encoding
        if media_type in _REPORTS:
            fields = crlf(self.seen.bounded(_decoded(body, encoding).octets()))
            keys = in_message_header(fields, self.seen.names) if self.seen.affords(fields) else ()
            self.seen.show(place.within or Channel.ATTACHED_MESSAGE, keys)
            return
        kind = _INLINE.get(media_type) if reading.is_inline else None
        if kind is None:
            # Of pictures, no more is decoded than tells that they are pictures.
            head = undone(body.content, body.start, min(body.end, body.start + 2 * HEAD_OCTETS), encoding)
            kind = kind_of(head, media_type, reading.name)
        if kind is Kind.PICTURE:
            return
        is_body = reading.is_inline and kind in (Kind.TEXT, Kind.HTML) and media_type.startswith("text")
        channel = Channel.BODY if is_body else Channel.ATTACHED_LIST
        file = File(kind, _decoded(body, encoding), reading.name, channel, place.depth, reading.type)
        self.file(file, place)
        if encoding in (BASE64, UUENCODE) and kind in _READ_HERE and body.content.find(b"@", body.start, body.end) >= 0:
            # Text that somebody put behind it, or that was never encoded.
            self.file(replace(file, region=body), place)

    def file(self, file: File, place: _Place) -> None:
        """Look at one file, and later at what it is made of."""
        if file.kind is Kind.MESSAGE:
            self._read_messages(file, place)
            return
        read_file(file, place.within, self.seen)
        if file.kind is Kind.TEXT:
            most = max(self._budget.parts, 0) + 1
            for name, octets in islice(uu_files(file.region), most):
                inner = Region(octets, 0, len(octets))
                text = text_of(name)
                kind = kind_of(octets, "", text)
                self._waiting.append((File(kind, inner, text, Channel.ATTACHED_LIST, place.depth + 1), place.inside()))

    def _read_messages(self, file: File, place: _Place) -> None:
        mails, rest = mails_of(file.region, max(self._budget.parts, 0) + 1)
        if rest:
            self.over_budget(rest, place)
        if file.type.parameters.get("forwarded", "").lower() == "no":
            inside = place.inside(_Header.PROTECTED)  # RFC 8551 3.1
        else:
            within = place.within or Channel.ATTACHED_MESSAGE
            inside = replace(place, within=within).inside(_Header.MESSAGE)
        self._waiting.extend((mail, inside) for mail in reversed(mails))


def _readings(header: bytes, default_type: str) -> tuple[list[_Reading], bool]:
    """Return in which ways a header allows to read its body, and whether readers differ about that."""
    lines = mime_lines(header)
    types = [content_type(value) for value in lines.types] or [NO_TYPE]
    encodings = sorted({encoding_of(value) for value in lines.encodings}) or [IDENTITY]
    if len(types) > 1:
        types = list({(one.media_type, one.boundaries, _shifted(one.charset)): one for one in types}.values())
    name, is_attached = "", False
    for value in lines.dispositions:
        text = value.decode("latin-1")
        is_attached = is_attached or text[:10].lower() == "attachment"
        if ";" in text:
            name = name or text_parameter(parameters(text).get("filename", ""))
    name = name or next((text_parameter(one.parameters["name"]) for one in types if "name" in one.parameters), "")
    readings = [
        _Reading(one.media_type or default_type, one, encoding, name, is_attached)
        for one in types
        for encoding in encodings
    ]
    return readings, len(readings) > 1


def _shifted(charset: str) -> str:
    """Return the character set when it may write an address in other octets than ASCII does."""
    codec = codec_of(charset) or ""
    return codec if codec.startswith(("utf_7", "utf_16", "utf_32", "cp037", "cp5", "cp1026", "cp1140", "cp273")) else ""


def _decoded(region: Region, encoding: str) -> Region:
    if encoding == IDENTITY:
        return region
    octets = undone(region.content, region.start, region.end, encoding)
    return Region(octets, 0, len(octets))


def _claimed(reading: _Reading) -> Channel:
    """Return the channel of a part by what its header says."""
    kind = kind_of(b"", reading.media_type, reading.name)
    if reading.is_inline and (kind in (Kind.TEXT, Kind.HTML) or reading.media_type.startswith("multipart")):
        return Channel.BODY
    return CHANNELS.get(kind, Channel.ATTACHED_LIST)
