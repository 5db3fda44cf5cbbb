"""Mail damaged as it is on its way, by chance: bits, cuts, splices, repetitions and line ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

MOST_OCTETS = 64 * 1024
_ENDS = (b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\r\n", b"\r\n ", b"", b"\x0b", b"\x00")
_LONGEST_PIECE = 400


def mutated(octets: bytes, other: bytes, random: Random) -> bytes:
    """Return `octets` with one to four kinds of damage; `other` is a message to splice in."""
    for _ in range(random.randint(1, 4)):
        octets = random.choice(_KINDS)(octets, other, random)
    return octets[:MOST_OCTETS]


def _place(octets: bytes, random: Random) -> int:
    """Return a place in the first kilobytes, where the structure is, or anywhere."""
    return random.randint(0, min(len(octets), random.choice([300, 2000, MOST_OCTETS])))


def _piece(octets: bytes, random: Random) -> tuple[int, int]:
    start = _place(octets, random)
    return start, min(len(octets), start + random.randint(1, _LONGEST_PIECE))


def _flip(octets: bytes, _: bytes, random: Random) -> bytes:
    changed = bytearray(octets)
    for _ in range(random.randint(1, 8)):
        at = _place(octets, random)
        if at < len(changed):
            changed[at] ^= 1 << random.randint(0, 7)
    return bytes(changed)


def _cut_off(octets: bytes, _: bytes, random: Random) -> bytes:
    return octets[: random.randint(0, len(octets))]


def _cut_out(octets: bytes, _: bytes, random: Random) -> bytes:
    start, end = _piece(octets, random)
    return octets[:start] + octets[end:]


def _repeat(octets: bytes, _: bytes, random: Random) -> bytes:
    start, end = _piece(octets, random)
    return octets[:end] + octets[start:end] * random.randint(1, 5) + octets[end:]


def _splice(octets: bytes, other: bytes, random: Random) -> bytes:
    start, end = _piece(other, random)
    at = _place(octets, random)
    return octets[:at] + other[start:end] + octets[at:]


def _cross_over(octets: bytes, other: bytes, random: Random) -> bytes:
    return octets[: random.randint(0, len(octets))] + other[random.randint(0, len(other)) :]


def _change_line_ends(octets: bytes, _: bytes, random: Random) -> bytes:
    end = random.choice(_ENDS)
    first = random.randint(0, octets.count(b"\r\n"))
    lines = octets.split(b"\r\n")
    last = min(len(lines), first + random.choice([1, 2, 10, len(lines)]))
    return b"\r\n".join((*lines[:first], end.join(lines[first:last]), *lines[last:]))


def _put_octet(octets: bytes, _: bytes, random: Random) -> bytes:
    at = _place(octets, random)
    return octets[:at] + bytes((random.randint(0, 255),)) * random.choice([1, 1, 2, 1000]) + octets[at:]


_KINDS: tuple[Callable[[bytes, bytes, Random], bytes], ...] = (
    _flip,
    _cut_off,
    _cut_out,
    _repeat,
    _splice,
    _cross_over,
    _change_line_ends,
    _put_octet,
)
