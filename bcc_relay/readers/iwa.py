"""Tables and texts of iWork (.iwa): blocks packed with Snappy, unpacked for the search of addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.damage import Closed
from bcc_relay.core.model import Channel
from bcc_relay.readers.opened import Opened, channel_within
from bcc_relay.readers.unpacking import Unpacking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bcc_relay.core.contents.budget import Budget
    from bcc_relay.core.contents.found import Part

_HEAD_BYTES = 4
_MOST_BLOCK_BYTES = 65536
_LITERAL, _SHORT_COPY, _COPY = 0, 1, 2
_LONG_LITERAL = 60


def read_iwa(part: Part, budget: Budget) -> Opened:
    """Unpack every block of one file. What does not unpack is searched as it lies there, and closed."""
    channel = channel_within(part, Channel.ATTACHED_LIST)
    unpacking = Unpacking(budget, len(part.octets))
    octets, is_sound = unpacking.read(_pieces(part.octets), (ValueError, IndexError))
    if unpacking.is_over:
        return Opened(channel, octets=(octets,), closed=frozenset({Closed.OVER_BUDGET}))
    if not is_sound:
        return Opened(channel, octets=(octets, part.octets), closed=frozenset({Closed.BROKEN}))
    return Opened(channel, octets=(octets,))


def _pieces(octets: bytes) -> Callable[[int], bytes]:
    blocks = _blocks(octets)
    return lambda _: next(blocks, b"")


def _blocks(octets: bytes) -> Iterator[bytes]:
    """Yield each block unpacked: a zero octet, three of its length, and Snappy without a name of its stream."""
    at = 0
    while at < len(octets):
        if octets[at]:
            raise ValueError("no block")
        end = at + _HEAD_BYTES + int.from_bytes(octets[at + 1 : at + _HEAD_BYTES], "little")
        if end > len(octets):
            raise ValueError("cut off")
        yield unsnapped(octets[at + _HEAD_BYTES : end])
        at = end


def unsnapped(octets: bytes) -> bytes:
    """Return what was packed (Snappy, format description of 2011), at most 64 KiB. Raises ValueError and IndexError."""
    at = 0
    # Its length, seven bits an octet; we see for ourselves how long it is.
    while octets[at] & 0x80:
        at += 1
    at += 1
    out = bytearray()
    while at < len(octets) and len(out) <= _MOST_BLOCK_BYTES:
        tag = octets[at]
        at += 1
        kind, length = tag & 3, (tag >> 2) + 1
        if kind == _LITERAL:
            if length > _LONG_LITERAL:
                size = length - _LONG_LITERAL
                length = int.from_bytes(octets[at : at + size], "little") + 1
                at += size
            out += octets[at : at + length]
            at += length
            continue
        if kind == _SHORT_COPY:
            length, back = (tag >> 2 & 7) + 4, tag >> 5 << 8 | octets[at]
            at += 1
        else:
            size = 2 if kind == _COPY else 4
            back = int.from_bytes(octets[at : at + size], "little")
            at += size
        if not 0 < back <= len(out):
            raise ValueError("a copy of nothing")
        piece = out[len(out) - back :][:length]
        # A copy may reach into what it writes itself.
        out += (piece * (length // back + 1))[:length]
    if at > len(octets) or len(out) > _MOST_BLOCK_BYTES:
        raise ValueError("too long")
    return bytes(out)
