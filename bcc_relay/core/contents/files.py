"""One file of a body by its kind: texts, lists, calendars, keys and signatures, and octets of whatever format.

Attached messages are for the walk (`look`), and what only a library opens is put aside.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, assert_never

from bcc_relay.core.contents.escapes import ESCAPED_SIGN
from bcc_relay.core.contents.found import Part
from bcc_relay.core.contents.gist import gist_of
from bcc_relay.core.contents.html import shown_and_hidden
from bcc_relay.core.contents.kinds import OPENED_BY_LIBRARY, Kind, kind_of
from bcc_relay.core.contents.lists import calendar_text, list_text
from bcc_relay.core.contents.openpgp import look_into_pgp
from bcc_relay.core.contents.parameters import NO_TYPE, ContentType
from bcc_relay.core.contents.quoted import split_quoted
from bcc_relay.core.contents.rtf import is_rich_text, objects, words
from bcc_relay.core.contents.seen import MOST_SIGNS_OF_OCTETS
from bcc_relay.core.contents.text import decode_text
from bcc_relay.core.damage import Closed
from bcc_relay.core.header import from_base64_piece, text_of
from bcc_relay.core.model import Channel

if TYPE_CHECKING:
    from bcc_relay.core.contents.mime import Region
    from bcc_relay.core.contents.seen import Seen

CHANNELS = {
    Kind.CALENDAR: Channel.CALENDAR,
    Kind.MESSAGE: Channel.ATTACHED_MESSAGE,
    Kind.TNEF: Channel.TNEF,
    Kind.CMS: Channel.BODY,
}
"""Kinds that have a channel of their own; all other files are lists, as far as we are concerned."""


@dataclass(frozen=True, slots=True, eq=False)
class File:
    """One part that is not made of others; its transfer encoding is undone."""

    kind: Kind
    region: Region
    name: str
    channel: Channel
    """Where it counts, save where its kind says otherwise. `BODY`: a reader sees it at once."""
    depth: int
    type: ContentType = NO_TYPE


def read_file(file: File, within: Channel | None, seen: Seen) -> None:
    """Note what a file shows that is no message. `within`: where it counts, whatever it is."""
    channel = within or CHANNELS.get(file.kind, file.channel)
    match file.kind:
        case Kind.TEXT | Kind.HTML:
            _read_text(file, channel, seen)
        case Kind.CALENDAR | Kind.LIST:
            _read_list(file, channel, seen)
        case Kind.PGP:
            if file.region.octets(1) >= b"\x80":
                _read_pgp(file.region.octets(), file, channel, seen)
            else:
                _read_text(file, channel, seen)
        case Kind.OTHER | Kind.CONTAINER:
            _read_octets(file, channel, seen)
        case (
            Kind.TNEF
            | Kind.OLE
            | Kind.ZIP
            | Kind.PDF
            | Kind.IWA
            | Kind.TAR
            | Kind.GZIP
            | Kind.BZIP2
            | Kind.XZ
            | Kind.CMS
        ):
            if file.kind is Kind.CMS and _is_encrypted(file):
                seen.closed.add(Closed.ENCRYPTED)
            seen.unopened.append(Part(channel, file.kind, file.name, file.region.octets(), file.depth))
        case Kind.PICTURE | Kind.MESSAGE:
            pass
        case _:
            assert_never(file.kind)


# --- texts -----------------------------------------------------------------------------------------------------------

# What may stand for an "@" in the source of HTML. Looking for it is cheaper than making text of what shows nobody.
_WIDE_SIGN = re.compile("[\uff20\ufe6b\uff08\uff3b\uff5b]")
_NUMBER = re.compile(r"#(?:0*(?:64|65312|65131)(?![0-9])|[xX]0*(?:40|[fF]{2}20|[fF][eE]6[bB]))")
_ESCAPED = re.compile(ESCAPED_SIGN)
_SPELT = re.compile(r".(?:\s|<[^<>]*+>|&nbsp;)*[aA](?:<[^<>]*+>)*[tT]")
_ARMOUR = b"-----BEGIN PGP "


def _read_text(file: File, channel: Channel, seen: Seen) -> None:
    octets = seen.bounded(file.region.octets())
    if _ARMOUR in octets:
        _read_pgp(octets, file, channel, seen)
    is_body = channel is Channel.BODY
    text, hidden = _text_of(file, octets, channel, seen)
    if is_body and not seen.gist:
        seen.gist = gist_of(text)
    keys = seen.in_text(text)
    quoted = _without_quoted(text, keys, seen) if keys and is_body else frozenset[str]()
    if hidden:
        # The links of a quoted header belong to it.
        keys |= seen.in_text(hidden) - quoted
    if "\0" in text:
        keys |= seen.in_octets(octets)  # it was no text in any one character set
    seen.show(channel, keys)


def _text_of(file: File, octets: bytes, channel: Channel, seen: Seen) -> tuple[str, str]:
    """Return the text that is shown and that which is not, and look at the files that it holds.

    Neither where the text shows nobody and is not needed for anything else.
    """
    if is_rich_text(octets):
        for document in islice(objects(octets), _MOST_HELD):
            _read_held(document, "", file, channel, seen)
        return words(octets), ""
    text = decode_text(octets, file.type.charset)
    if file.kind is Kind.HTML:
        if ";base64," in text:
            _read_base64(_LINKED, text, file, channel, seen)
        if not _may_show(text) and (seen.gist or channel is not Channel.BODY):
            return "", ""
        return shown_and_hidden(text)
    if file.type.parameters.get("delsp", "").lower() == "yes":
        # RFC 3676 4.1: a line end takes the space before it along.
        text += "\n" + text.replace(" \r\n", "").replace(" \n", "")
    return text, ""


def _without_quoted(text: str, keys: set[str], seen: Seen) -> frozenset[str]:
    """Note who stands in quoted header blocks, take out of `keys` who stands nowhere else, and return the former."""
    outside, blocks = split_quoted(text)
    quoted: set[str] = set()
    for block in blocks:
        people = seen.in_text(block.text)
        seen.quote(seen.in_text(block.author) if people else people, people)
        quoted |= people
    if quoted:
        keys -= quoted
        keys |= seen.in_text(outside)
    return frozenset(quoted)


def _may_show(html: str) -> bool:
    if "@" in html or "=40" in html or (not html.isascii() and _WIDE_SIGN.search(html)):
        return True
    if "%" in html and ("%40" in html or "%EF%" in html or "%ef%" in html):
        return True
    if "&" in html and ("commat" in html or _NUMBER.search(html)):
        return True
    if "\\" in html and _ESCAPED.search(html):
        return True
    for bracket in "([{":
        at = html.find(bracket)
        while at >= 0:
            if _SPELT.match(html, at):
                return True
            at = html.find(bracket, at + 1)
    return False


# A calendar's identifiers look like addresses (RFC 5545 3.8.4.7, 3.8.4.5), and so may those of a card.
_IDENTIFIER = re.compile(r"^(?:UID|RELATED-TO|X-[A-Z0-9\-]{0,60}UID)[ \t]*[;:][^\n]*", re.MULTILINE | re.IGNORECASE)


def _read_list(file: File, channel: Channel, seen: Seen) -> None:
    octets, charset = seen.bounded(file.region.octets()), file.type.charset
    if file.kind is Kind.CALENDAR:
        text = calendar_text(decode_text(octets, charset))
        if "BASE64" in text:
            _read_base64(_ATTACHED, text, file, channel, seen)
    else:
        text = list_text(octets, charset, file.name)
    seen.show(channel, seen.in_text(_IDENTIFIER.sub("", text)))


# --- files within --------------------------------------------------------------------------------------------------

_MOST_HELD = 100
"""So many files within one text are opened."""
# RFC 2397; pictures and fonts show nobody.
_LINKED = re.compile(r"data:(?!image/|font/|audio/|video/)[\w/+.;=\-]{0,100};base64,([A-Za-z0-9+/=]+)", re.IGNORECASE)
# RFC 5545 3.8.1.1
_ATTACHED = re.compile(r"^ATTACH[^:\r\n]{0,400}BASE64[^:\r\n]{0,400}:([A-Za-z0-9+/=]+)", re.MULTILINE | re.IGNORECASE)


def _read_base64(pattern: re.Pattern[str], text: str, file: File, channel: Channel, seen: Seen) -> None:
    """Read the files that stand in a text in base64."""
    for match in islice(pattern.finditer(text), _MOST_HELD):
        _read_held(from_base64_piece(match[1].rstrip("=").encode("ascii")), "", file, channel, seen)


def _read_held(octets: bytes, name: str, file: File, channel: Channel, seen: Seen) -> None:
    """Read a file that stood in another one, or hand it back."""
    kind = kind_of(octets, "", name)
    if kind in OPENED_BY_LIBRARY:
        seen.unopened.append(Part(channel, kind, name, octets, file.depth + 1))
    elif kind is not Kind.PICTURE:
        seen.show(channel, seen.in_octets(seen.bounded(octets)))


# --- what is signed or encrypted -------------------------------------------------------------------------------------

_KEYS = re.compile(rb"-----BEGIN PGP PUBLIC KEY BLOCK-----[^\n]*\n([^-]*)")
_DETACHED = ("application/pkcs7-signature", "application/x-pkcs7-signature")
# RFC 5652 5.1 and 6.1, RFC 5083 2: what the octets are is said near their beginning.
_SIGNED_DATA = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
_ENVELOPED_DATA = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03"
_CMS_HEAD_OCTETS = 32
_OPEN = ("signed-data", "certs-only", "compressed-data")


def _read_pgp(octets: bytes, file: File, channel: Channel, seen: Seen) -> None:
    """Note what an OpenPGP message tells everybody: keys, and what is signed but not encrypted."""
    found = look_into_pgp(octets)
    seen.named_keys += found.named_keys
    if found.is_encrypted:
        seen.closed.add(Closed.ENCRYPTED)
    if not found.is_whole:
        seen.closed.add(Closed.UNKNOWN_FORMAT)
    for name, signed in found.files:
        _read_held(signed, text_of(name), file, channel, seen)
    keys = b"\n".join(from_base64_piece(armoured) for armoured in _KEYS.findall(octets))
    seen.show(channel, seen.in_octets(keys))


def _is_encrypted(file: File) -> bool:
    """Whether CMS is: by its octets, else by its type (RFC 8551 3.2.2); what says neither may be."""
    head = file.region.octets(_CMS_HEAD_OCTETS)
    said_open = file.type.parameters.get("smime-type", "").lower() in _OPEN
    return _ENVELOPED_DATA in head or not (_SIGNED_DATA in head or said_open)


def _read_octets(file: File, channel: Channel, seen: Seen) -> None:
    if file.kind is Kind.CONTAINER:
        seen.closed.add(Closed.UNKNOWN_FORMAT)
    # Chance makes many signs in what is no text, and they are passed over fast.
    keys = seen.in_octets(seen.bounded(file.region.octets(), MOST_SIGNS_OF_OCTETS))
    # Certificates name their makers, whom nobody here writes to.
    seen.show(channel, keys & seen.names.keys if file.type.media_type in _DETACHED else keys)
