"""How many keys an OpenPGP message names, and whether it is encrypted. Nothing is decrypted or checked."""

from __future__ import annotations

import binascii
import re

_ARMOUR = re.compile(rb"-----BEGIN PGP MESSAGE(?:, PART [0-9/]{1,20})?-----[ \t]*\r?\n")
_ARMOUR_END = b"-----END PGP"
_ARMOUR_FIELD = re.compile(rb"[A-Za-z][A-Za-z0-9\-]{0,40}: [^\r\n]*\r?\n")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_CHECKSUM = re.compile(rb"\r?\n=[A-Za-z0-9+/]{4}\s*\Z")

_SESSION_KEY = 1
_ENCRYPTED = (9, 18, 20)
_MOST_PACKETS = 100_000


def look_into_pgp(octets: bytes) -> tuple[int, bool]:
    """Return how many session keys name the key of a reader, and whether there is encrypted data; never raises.

    `octets`: packets (RFC 9580 4.2), or text with armour (RFC 9580 6) in it. Counted are packets of versions 3 and 6
    (RFC 9580 5.1); an identifier of zeros or an empty fingerprint names nobody. Armour with content that is no
    packets counts as encrypted.
    """
    if octets[:1] >= b"\x80":
        return _look_into_packets(octets)
    named, encrypted = 0, False
    for content in _dearmoured(octets):
        found = _look_into_packets(content)
        named += found[0]
        encrypted = encrypted or found[1] or (bool(content) and content[0] < 0x80)
    return named, encrypted


def _dearmoured(octets: bytes) -> list[bytes]:
    contents = []
    begin = _ARMOUR.search(octets)
    while begin:
        start = begin.end()
        while field := _ARMOUR_FIELD.match(octets, start):
            start = field.end()
        end = octets.find(_ARMOUR_END, start)
        end = len(octets) if end < 0 else end
        base64 = _NOT_BASE64.sub(b"", _CHECKSUM.sub(b"", octets[start:end]))
        base64 = base64[: len(base64) - (len(base64) % 4 == 1)]
        contents.append(binascii.a2b_base64(base64 + b"=" * (-len(base64) % 4)))
        begin = _ARMOUR.search(octets, end)
    return contents


def _look_into_packets(octets: bytes) -> tuple[int, bool]:
    named, encrypted, at = 0, False, 0
    for _ in range(_MOST_PACKETS):
        if at >= len(octets) or octets[at] < 0x80:
            break
        tag, start, length = _packet_header(octets, at)
        if tag == _SESSION_KEY:
            named += _names_a_key(octets[start : start + min(length, 64)])
        encrypted = encrypted or tag in _ENCRYPTED
        at = start + length
    return named, encrypted


def _packet_header(octets: bytes, at: int) -> tuple[int, int, int]:
    """Return the tag, the place and the length of a packet's body; all that is left when the length is partial."""
    first = octets[at]
    following = octets[at + 1 : at + 6]
    rest = len(octets) - at
    if not first & 0x40:
        size = (1, 2, 4, 0)[first & 3]
        length = int.from_bytes(following[:size], "big") if size else rest
        return first >> 2 & 15, at + 1 + size, length
    tag = first & 63
    if not following:
        return tag, at + 1, rest
    if following[0] < 192:
        return tag, at + 2, following[0]
    if following[0] < 224:
        return tag, at + 3, (following[0] - 192 << 8) + int.from_bytes(following[1:2], "big") + 192
    if following[0] == 255:
        return tag, at + 6, int.from_bytes(following[1:5], "big")
    return tag, at + 2, rest


def _names_a_key(body: bytes) -> bool:
    if body[:1] == b"\x03":
        return any(body[1:9])
    if body[:1] == b"\x06":
        return any(body[2 : 2 + body[1]]) if len(body) > 1 else False
    return False
