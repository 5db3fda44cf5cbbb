"""Transfer encodings undone (RFC 2045 6), as leniently as any reader does: what is wrong in them ends nothing."""

from __future__ import annotations

import binascii
import re
from itertools import islice
from typing import TYPE_CHECKING

from bcc_relay.core.header import from_base64_piece

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcc_relay.core.contents.mime import Region
    from bcc_relay.core.model import Content

IDENTITY = ""
BASE64 = "base64"
QUOTED_PRINTABLE = "quoted-printable"
UUENCODE = "uuencode"
UNKNOWN = "unknown"

_NAMES = {
    **dict.fromkeys((b"", b"7bit", b"8bit", b"binary", b"7-bit", b"8-bit", b"none", b"7", b"8", b"bit"), IDENTITY),
    **dict.fromkeys((b"base64", b"base-64", b"b64"), BASE64),
    **dict.fromkeys((b"quoted-printable", b"quotedprintable", b"quoted_printable"), QUOTED_PRINTABLE),
    **dict.fromkeys((b"x-uuencode", b"uuencode", b"x-uue", b"uue"), UUENCODE),
}
_TOKEN = re.compile(rb"(?:[\s\"']++|\([^()]*+\))*([^\s;\"'(),:]*+)")
_LINE_FEED = 0x0A
_MOST_UU_FILES = 1000
_MOST_SPACED = 100_000
_MOST_PIECES = 4096
_PADDING = re.compile(rb"=+")
_BASE64_LINE = re.compile(rb"\s*[A-Za-z0-9+/]{20,}={0,2}\s*?(?:\n|\Z)")
_SPACE_BEFORE_END = re.compile(rb"=[ \t]+(?=\r?\n)")
_UU_BEGIN = re.compile(rb"begin(-base64)? [0-7]{3,4} ([^\r\n]*)\r?\n")
_UU_END = re.compile(rb"\n(?:end|====)(?=\s|\Z)")


def encoding_of(value: bytes) -> str:
    """Return the encoding that a Content-Transfer-Encoding value names: one of this module's, `UNKNOWN` for others."""
    match = _TOKEN.match(value)
    return _NAMES.get(match[1].lower() if match else b"", UNKNOWN)


def undone(content: Content, start: int, end: int, encoding: str) -> bytes:
    """Return the octets between `start` and `end` with their encoding undone; as they are where it is identity."""
    if encoding == BASE64:
        return _from_base64(content, start, end)
    if encoding == UUENCODE and (files := list(islice(_uu_files(content, start, end), _MOST_UU_FILES))):
        return b"\n".join(octets for _, octets in files)
    octets = content[start:end]
    return from_quoted_printable(octets) if encoding == QUOTED_PRINTABLE else octets


def looks_like_base64(octets: bytes) -> bool:
    """Whether the first line could be nothing else."""
    return _BASE64_LINE.match(octets) is not None


def _from_base64(content: Content, start: int, end: int) -> bytes:
    pad = content.find(b"=", start, end)
    if pad < 0 or end - pad < 8:
        try:
            # The octets may be a mapped file: they are not copied.
            with memoryview(content) as view, view[start:end] as part:
                return binascii.a2b_base64(part)
        except binascii.Error:
            pass
    pieces = _PADDING.split(content[start:end], _MOST_PIECES)
    return b"".join(map(from_base64_piece, pieces))


def from_quoted_printable(octets: bytes) -> bytes:
    """Decode quoted-printable, with white space before a soft line break allowed."""
    if b"=" not in octets:
        return octets
    if b"= " in octets or b"=\t" in octets:
        octets = octets.replace(b"= \r\n", b"=\r\n").replace(b"= \n", b"=\n")
        if octets.count(b"= ") + octets.count(b"=\t") < _MOST_SPACED:
            octets = _SPACE_BEFORE_END.sub(b"=", octets)
    return binascii.a2b_qp(octets)


def uu_files(region: Region) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and octets of each uuencoded file in a text (POSIX uuencode, both of its forms)."""
    yield from _uu_files(region.content, region.start, region.end)


def _uu_files(content: Content, start: int, stop: int) -> Iterator[tuple[bytes, bytes]]:
    at = start
    while begin := _UU_BEGIN.search(content, at, stop):
        at = begin.end()
        if begin.start() > start and content[begin.start() - 1] != _LINE_FEED:
            continue
        end = _UU_END.search(content, begin.end() - 1, stop)
        lines = content[begin.end() : end.start() + 1 if end else stop]
        at = end.start() if end else stop
        if begin[1]:
            yield begin[2], b"".join(map(from_base64_piece, _PADDING.split(lines, _MOST_PIECES)))
        else:
            yield begin[2], b"".join(map(_uu_line, lines.splitlines()))


def _uu_line(line: bytes) -> bytes:
    if not line:
        return b""
    try:
        # Careless encoders append characters that say nothing.
        return binascii.a2b_uu(line[: 1 + ((line[0] - 32 & 63) * 4 + 2) // 3])
    except binascii.Error:
        return b""
