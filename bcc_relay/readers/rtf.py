"""Rich text as Outlook packs it, unpacked (MS-OXRTFCP)."""

from __future__ import annotations

import struct

_HEADER = struct.Struct("<IIII")
_PACKED = 0x75465A4C
_PLAIN = 0x414C454D
_WINDOW = 4096
# MS-OXRTFCP 3.1.1.1.1.1: what the dictionary holds before anything was read.
_FIRST_WORDS = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans Serif"
    rb"SymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)


class NotRichTextError(ValueError):
    """The octets are no compressed rich text."""


def unpack(octets: bytes, most_bytes: int) -> bytes:
    """Return the rich text in PidTagRtfCompressed, at most so many octets (MS-OXRTFCP 2.2.1). Raises NotRichTextError.

    What is cut off gives what came before.
    """
    if len(octets) < _HEADER.size:
        raise NotRichTextError("too short")
    _, raw_bytes, kind, _ = _HEADER.unpack_from(octets)
    if kind == _PLAIN:
        return octets[_HEADER.size : _HEADER.size + min(raw_bytes, most_bytes)]
    if kind != _PACKED:
        raise NotRichTextError("not packed rich text")
    # What was read is its own dictionary: a place in the window is the last octet written there.
    written = bytearray(_FIRST_WORDS)
    most = len(_FIRST_WORDS) + most_bytes
    at = _HEADER.size
    while at < len(octets) and len(written) < most:
        control, at = octets[at], at + 1
        if not control:
            written += octets[at : at + 8]
            at += 8
            continue
        for bit in range(8):
            if not control >> bit & 1:
                written += octets[at : at + 1]
                at += 1
                continue
            reference = int.from_bytes(octets[at : at + 2], "big")
            at += 2
            # A reference to where the next octet goes is the end mark.
            back = (len(written) - (reference >> 4)) % _WINDOW
            if not back or at > len(octets):
                return bytes(written[len(_FIRST_WORDS) :])
            _copy(written, back, (reference & 15) + 2)
    return bytes(written[len(_FIRST_WORDS) :])


def _copy(written: bytearray, back: int, length: int) -> None:
    """Append what a reference means; it may reach into what it writes itself, and before the beginning are zeros."""
    start = len(written) - back
    if start >= 0 and length <= back:
        written += written[start : start + length]
        return
    for at in range(start, start + length):
        written.append(written[at] if at >= 0 else 0)
