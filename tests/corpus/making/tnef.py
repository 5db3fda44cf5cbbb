"""Writes TNEF (MS-OXTNEF), which Outlook sends as winmail.dat."""

from __future__ import annotations

import struct

DISPLAY_TO, TRANSPORT_HEADERS, BODY, SMTP_ADDRESS, EMAIL_ADDRESS, DISPLAY_NAME = (
    0x0E04, 0x007D, 0x1000, 0x39FE, 0x3003, 0x3001,
)  # fmt: skip


def tnef(
    subject: str,
    properties: dict[int, str] | None = None,
    recipients: list[str] | None = None,
    attachments: dict[str, bytes] | None = None,
) -> bytes:
    """One item: message properties, a recipient table, and files."""
    octets = struct.pack("<IH", 0x223E9F78, 1)
    octets += _attribute(1, 0x00089006, struct.pack("<I", 0x00010000))
    octets += _attribute(1, 0x00069007, struct.pack("<II", 1252, 0))
    octets += _attribute(1, 0x00078008, b"IPM.Microsoft Mail.Note\0")
    octets += _attribute(1, 0x00018004, subject.encode("cp1252") + b"\0")
    if recipients:
        rows = b"".join(
            _properties({DISPLAY_NAME: one.partition("@")[0], EMAIL_ADDRESS: one, SMTP_ADDRESS: one})
            for one in recipients
        )
        octets += _attribute(1, 0x00069004, struct.pack("<I", len(recipients)) + rows)
    if properties:
        octets += _attribute(1, 0x00069003, _properties(properties))
    for name, data in (attachments or {}).items():
        octets += _attribute(2, 0x00069002, struct.pack("<HIHHI", 1, 0xFFFFFFFF, 0, 0, 0))
        octets += _attribute(2, 0x00018010, name.encode("cp1252") + b"\0")
        octets += _attribute(2, 0x0006800F, data)
    return octets


def _attribute(level: int, number: int, data: bytes) -> bytes:
    return struct.pack("<BII", level, number, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)


def _properties(texts: dict[int, str]) -> bytes:
    """MAPI properties of type PT_UNICODE."""
    octets = struct.pack("<I", len(texts))
    for tag, text in texts.items():
        value = text.encode("utf-16le") + b"\0\0"
        octets += struct.pack("<HHII", 0x1F, tag, 1, len(value)) + value + bytes(-len(value) % 4)
    return octets
