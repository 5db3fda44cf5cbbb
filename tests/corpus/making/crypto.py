"""Writes the outside of encrypted and signed mail: CMS (RFC 5652) and OpenPGP (RFC 9580). Nothing in it can be opened."""

from __future__ import annotations

import base64
import hashlib

_DATA, _SIGNED, _ENVELOPED = "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.2", "1.2.840.113549.1.7.3"
_RSA, _AES, _SHA256 = "1.2.840.113549.1.1.1", "2.16.840.1.101.3.4.1.42", "2.16.840.1.101.3.4.2.1"


def noise(seed: str, count: int) -> bytes:
    """Octets that look like a cipher text."""
    out, digest = b"", seed.encode()
    while len(out) < count:
        digest = hashlib.sha256(digest).digest()
        out += digest
    return out[:count]


def _tlv(tag: int, *contents: bytes) -> bytes:
    data = b"".join(contents)
    if len(data) < 128:
        return bytes([tag, len(data)]) + data
    size = len(data).to_bytes(-(-len(data).bit_length() // 8), "big")
    return bytes([tag, 0x80 | len(size)]) + size + data


def _oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    octets = bytes([first * 40 + second])
    for number in rest:
        pieces = [number & 0x7F]
        while number := number >> 7:
            pieces.insert(0, number & 0x7F | 0x80)
        octets += bytes(pieces)
    return _tlv(6, octets)


def _number(value: int) -> bytes:
    return _tlv(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _algorithm(dotted: str, parameters: bytes = b"\x05\x00") -> bytes:
    return _tlv(0x30, _oid(dotted), parameters)


def _issuer() -> bytes:
    return _tlv(0x30, _tlv(0x31, _tlv(0x30, _oid("2.5.4.10"), _tlv(0x0C, b"Council test authority"))))


def enveloped(recipients: int) -> bytes:
    """EnvelopedData that names so many keys by issuer and serial number."""
    infos = b"".join(
        _tlv(
            0x30, _number(0), _tlv(0x30, _issuer(), _number(1000 + n)), _algorithm(_RSA), _tlv(4, noise(f"key{n}", 256))
        )
        for n in range(recipients)
    )
    content = _tlv(0x30, _oid(_DATA), _algorithm(_AES, _tlv(4, noise("iv", 16))), _tlv(0x80, noise("content", 480)))
    return _tlv(0x30, _oid(_ENVELOPED), _tlv(0xA0, _tlv(0x30, _number(0), _tlv(0x31, infos), content)))


def signed(content: bytes | None) -> bytes:
    """SignedData around a MIME entity; None is a detached signature."""
    inside = _tlv(0x30, _oid(_DATA), *([_tlv(0xA0, _tlv(4, content))] if content is not None else []))
    signer = _tlv(
        0x30,
        _number(1),
        _tlv(0x30, _issuer(), _number(7)),
        _algorithm(_SHA256),
        _algorithm(_RSA),
        _tlv(4, noise("sig", 256)),
    )
    whole = _tlv(0x30, _number(1), _tlv(0x31, _algorithm(_SHA256)), inside, _tlv(0x31, signer))
    return _tlv(0x30, _oid(_SIGNED), _tlv(0xA0, whole))


def pgp(recipients: int, *, hidden: bool = False) -> str:
    """An armoured OpenPGP message that names so many keys, or hides them (`throw-keyids`)."""
    packets = b""
    for number in range(recipients):
        name = bytes(8) if hidden else noise(f"id{number}", 8)
        packets += _packet(1, b"\x03" + name + b"\x01" + b"\x08\x00" + noise(f"session{number}", 256))
    return armoured("MESSAGE", packets + _packet(18, b"\x01" + noise("text", 600)))


def armoured(kind: str, octets: bytes) -> str:
    """The octets in ASCII armour (RFC 9580 6)."""
    crc = 0xB704CE
    for octet in octets:
        crc ^= octet << 16
        for _ in range(8):
            crc = (crc << 1) ^ (0x1864CFB if crc & 0x800000 else 0)
    check = base64.b64encode((crc & 0xFFFFFF).to_bytes(3, "big")).decode()
    text = base64.encodebytes(octets).decode()
    return f"-----BEGIN PGP {kind}-----\n\n{text}={check}\n-----END PGP {kind}-----\n"


def _packet(tag: int, body: bytes) -> bytes:
    size = len(body)
    length = bytes([size]) if size < 192 else bytes([(size - 192 >> 8) + 192, (size - 192) & 0xFF])
    return bytes([0xC0 | tag]) + length + body
