"""What looks like an address in octets of which nothing else is known."""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCAL_OCTETS = (string.ascii_letters + string.digits + "._+-'!#$%&*/=?^`{|}~").encode() + bytes(range(0x80, 0x100))
_ASCII_LOCAL = re.compile(r"[A-Za-z0-9._+\-'!#$%&*/=?^`{|}~]{1,64}")
_ANY_LOCAL = re.compile(r"[^\W_]?[\w.+\-'!#$%&*/=?^`{|}~]{0,64}")
_DOMAIN_OCTETS = re.compile(
    rb"@((?:[A-Za-z0-9\x80-\xff][A-Za-z0-9\-\x80-\xff]{0,62}+\.){1,20}[A-Za-z\x80-\xff][A-Za-z0-9\-\x80-\xff]{1,62})"
)
_ASCII_DOMAIN = re.compile(
    r"(?:[A-Za-z0-9][A-Za-z0-9\-]{0,62}+\.){1,20}(?:[Xx][Nn]--[A-Za-z0-9\-]{1,59}|[A-Za-z]{2,63})"
)
_ANY_DOMAIN = re.compile(r"(?:[^\W_][\w\-]{0,62}+\.){1,20}[^\W\d_][\w\-]{1,62}")
# Begins with the sign itself, for which the search is fast.
_WIDE_SIGN = re.compile(rb"@(?:(?<=\0@)|(?=\0))(?=\0{0,2}[^@\0])")


def spelt_in(octets: bytes) -> Iterator[str]:
    """Yield every `local@domain` in ASCII, UTF-8 and UTF-16 at any place, and the part of it that is ASCII.

    The domain has a dot, and a top level of two or more letters.
    """
    for match in _DOMAIN_OCTETS.finditer(octets):
        at = match.start()
        before = octets[max(0, at - 64) : at]
        local = before[len(before.rstrip(_LOCAL_OCTETS)) :]
        yield from _readings(local.decode("utf-8", "replace"), match[1].decode("utf-8", "replace"))
    for match in _WIDE_SIGN.finditer(octets):
        found = [reading for sign in _wide_signs(octets, match.start()) for reading in _wide_readings(octets, *sign)]
        # Where there is a zero on both sides, one of two readings begins or ends within a character.
        yield from sorted(filter(str.isascii, found), key=len)[-1:]
        yield from (reading for reading in found if not reading.isascii())


def _wide_signs(octets: bytes, at: int) -> Iterator[tuple[int, str]]:
    """Yield where a sign of two octets begins, and in which order they are read."""
    if octets[at - 1 : at] == b"\0":
        yield at - 1, "utf_16_be"
    if octets[at + 1 : at + 2] == b"\0":
        yield at, "utf_16_le"


def _wide_readings(octets: bytes, at: int, codec: str) -> Iterator[str]:
    right = octets[at + 2 : at + 512]
    if b"." in right:
        left = octets[max(0, at - 128) : at]
        before = left[len(left) % 2 :].decode(codec, "replace").rpartition("@")[2]
        yield from _readings(before, right.decode(codec, "replace").partition("@")[0])


def _readings(before: str, after: str) -> Iterator[str]:
    backwards = before[::-1]
    for local_pattern, domain_pattern in ((_ASCII_LOCAL, _ASCII_DOMAIN), (_ANY_LOCAL, _ANY_DOMAIN)):
        local, domain = local_pattern.match(backwards), domain_pattern.match(after)
        if local and local[0] and domain:
            yield f"{local[0][::-1]}@{domain[0]}"
