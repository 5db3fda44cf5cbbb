"""What an OpenPGP message says to everybody: how many keys it names, whether it is encrypted, and what is only signed.

Nothing is decrypted or checked.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, NamedTuple

from bcc_relay.core.header import from_base64_piece

if TYPE_CHECKING:
    from collections.abc import Iterator

_ARMOUR = re.compile(rb"-----BEGIN PGP MESSAGE(?:, PART [0-9/]{1,20})?-----[ \t]*\r?\n")
_ARMOUR_END = b"-----END PGP"
_ARMOUR_FIELD = re.compile(rb"[A-Za-z][A-Za-z0-9\-]{0,40}: [^\r\n]*\r?\n")
_CHECKSUM = re.compile(rb"\r?\n=[A-Za-z0-9+/]{4}\s*\Z")

_SESSION_KEY, _COMPRESSED, _LITERAL = 1, 8, 11
_ENCRYPTED = (9, 18, 20)
_MOST_PACKETS = 100_000
_MOST_MESSAGES = 100
"""So many of one text are looked into."""
_MOST_UNPACKED = 1024 * 1024
_DEPTH = 4
"""A signed message is compressed once; more packings within each other are not undone."""
_RAW_DEFLATE = 1


class File(NamedTuple):
    """What a message holds that is signed and not encrypted (RFC 9580 5.9)."""

    name: bytes
    octets: bytes


class Pgp(NamedTuple):
    """What was seen in one OpenPGP message."""

    named_keys: int = 0
    is_encrypted: bool = False
    files: tuple[File, ...] = ()
    is_whole: bool = True
    """All that is compressed could be unpacked."""


def look_into_pgp(octets: bytes) -> Pgp:
    """Return how many session keys name the key of a reader, whether there is encrypted data, and what is not.

    Never raises. No more than 1 MiB is unpacked, and of one text, 100 messages are looked into.

    `octets`: packets (RFC 9580 4.2), or text with armour (RFC 9580 6) in it. Counted are packets of versions 3 and 6
    (RFC 9580 5.1); an identifier of zeros or an empty fingerprint names nobody. Armour with content that is no
    packets counts as encrypted.
    """
    if octets[:1] >= b"\x80":
        return _look_into_packets(octets, _MOST_UNPACKED)
    named, is_encrypted, is_whole = 0, False, True
    files: list[File] = []
    for place, content in enumerate(_dearmoured(octets)):
        if place >= _MOST_MESSAGES:
            is_whole = False
            break
        one = _look_into_packets(content, _MOST_UNPACKED - sum(len(file.octets) for file in files))
        named += one.named_keys
        is_encrypted = is_encrypted or one.is_encrypted or (bool(content) and content[0] < 0x80)
        is_whole = is_whole and one.is_whole
        files += one.files
    return Pgp(named, is_encrypted, tuple(files), is_whole)


def _dearmoured(octets: bytes) -> Iterator[bytes]:
    begin = _ARMOUR.search(octets)
    while begin:
        start = begin.end()
        while field := _ARMOUR_FIELD.match(octets, start):
            start = field.end()
        end = octets.find(_ARMOUR_END, start)
        end = len(octets) if end < 0 else end
        yield from_base64_piece(_CHECKSUM.sub(b"", octets[start:end]))
        begin = _ARMOUR.search(octets, end)


def _look_into_packets(octets: bytes, left: int) -> Pgp:
    """Look into packets, of which so many octets may be unpacked."""
    named, encrypted, is_whole = 0, False, True
    files: list[File] = []
    waiting = [(octets, 0)]
    while waiting:
        packets, depth = waiting.pop()
        for tag, body in _packets(packets):
            if tag == _SESSION_KEY:
                named += _names_a_key(body[:64])
            elif tag == _LITERAL:
                files.append(_literal(body))
            elif tag == _COMPRESSED:
                unpacked, is_complete = _unpacked(body, left)
                left -= len(unpacked)
                is_whole = is_whole and is_complete and depth < _DEPTH
                if depth < _DEPTH:
                    waiting.append((unpacked, depth + 1))
            encrypted = encrypted or tag in _ENCRYPTED
    return Pgp(named, encrypted, tuple(files), is_whole)


def _packets(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and body of each packet, whose pieces are put together (RFC 9580 4.2.1.4)."""
    at = 0
    for _ in range(_MOST_PACKETS):
        if at >= len(octets) or octets[at] < 0x80:
            return
        tag, start, length, is_partial = _packet_header(octets, at)
        pieces = [octets[start : start + length]]
        at = start + length
        while is_partial and at < len(octets):
            start, length, is_partial = _length(octets, at)
            pieces.append(octets[start : start + length])
            at = start + length
        yield tag, b"".join(pieces)


def _packet_header(octets: bytes, at: int) -> tuple[int, int, int, bool]:
    """Return the tag, the place and the length of a packet's body, and whether more pieces follow."""
    first = octets[at]
    if first & 0x40:
        return first & 63, *_length(octets, at + 1)
    size = (1, 2, 4, 0)[first & 3]
    length = int.from_bytes(octets[at + 1 : at + 1 + size], "big") if size else len(octets) - at
    return first >> 2 & 15, at + 1 + size, length, False


def _length(octets: bytes, at: int) -> tuple[int, int, bool]:
    """Return where a body or a piece of it begins, how long it is, and whether more pieces follow."""
    following = octets[at : at + 5]
    if not following or following[0] < 192:
        return at + 1, following[0] if following else 0, False
    if following[0] < 224:
        return at + 2, (following[0] - 192 << 8) + int.from_bytes(following[1:2], "big") + 192, False
    if following[0] == 255:
        return at + 5, int.from_bytes(following[1:5], "big"), False
    return at + 1, 1 << (following[0] & 31), True


def _literal(body: bytes) -> File:
    """Read literal data: its form, its name, a date, and the octets."""
    end = 2 + int.from_bytes(body[1:2], "big")
    return File(body[2:end], body[end + 4 :])


def _unpacked(body: bytes, most_bytes: int) -> tuple[bytes, bool]:
    """Unpack compressed data (RFC 9580 5.6), and say whether that is all of it."""
    if body[:1] == b"\x00":
        return body[1 : 1 + most_bytes], len(body) <= most_bytes
    if body[:1] not in (b"\x01", b"\x02") or most_bytes <= 0:
        return b"", False
    stream = zlib.decompressobj(-zlib.MAX_WBITS if body[0] == _RAW_DEFLATE else zlib.MAX_WBITS)
    try:
        unpacked = stream.decompress(body[1:], most_bytes)
    except zlib.error:
        return b"", False
    return unpacked, stream.eof


def _names_a_key(body: bytes) -> bool:
    if body[:1] == b"\x03":
        return any(body[1:9])
    if body[:1] == b"\x06":
        return any(body[2 : 2 + body[1]]) if len(body) > 1 else False
    return False
