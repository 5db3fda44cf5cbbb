"""Writes PDF (ISO 32000) with compressed streams: text, links, form fields, metadata, attached files, pictures."""

from __future__ import annotations

import hashlib
import zlib

_PAD = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")


def pdf(
    lines: list[str],
    *,
    links: list[str] | None = None,
    fields: list[str] | None = None,
    metadata: str = "",
    files: dict[str, bytes] | None = None,
    picture: bool = False,
    password: str = "",
) -> bytes:
    """A document of one page."""
    objects: list[bytes] = [b""] * 5
    key = _key(password) if password else b""

    def add(octets: bytes) -> int:
        objects.append(octets)
        return len(objects)

    def stream(data: bytes, more: str = "", number: int = 0) -> bytes:
        packed = zlib.compress(data)
        packed = (
            _rc4(hashlib.md5(key + number.to_bytes(3, "little") + b"\0\0").digest()[:10], packed) if key else packed
        )
        return f"<< /Length {len(packed)} /Filter /FlateDecode {more}>>\nstream\n".encode() + packed + b"\nendstream"

    text = "BT /F1 10 Tf 40 800 Td 14 TL " + " ".join(f"({_escaped(line)}) Tj T*" for line in lines) + " ET"
    annotations = [
        add(
            f"<< /Type /Annot /Subtype /Link /Rect [40 {n} 200 {n + 9}] /A << /S /URI /URI (mailto:{one}) >> >>".encode()
        )
        for n, one in enumerate(links or [], 40)
    ]
    widgets = [
        add(f"<< /Type /Annot /Subtype /Widget /FT /Tx /T (mail{n}) /V ({one}) /Rect [40 {n} 200 {n + 9}] >>".encode())
        for n, one in enumerate(fields or [], 40)
    ]
    catalog = "/Type /Catalog /Pages 2 0 R"
    if widgets:
        catalog += f" /AcroForm << /Fields [{' '.join(f'{n} 0 R' for n in widgets)}] >>"
    if metadata:
        # Not compressed, so that any program finds it (ISO 16684-1 6.2).
        octets = metadata.encode()
        plain = (
            f"<< /Type /Metadata /Subtype /XML /Length {len(octets)} >>\nstream\n".encode() + octets + b"\nendstream"
        )
        catalog += f" /Metadata {add(plain)} 0 R"
    if files:
        names = ""
        for name, data in files.items():
            held = add(stream(data, "/Type /EmbeddedFile "))
            names += f" ({name}) << /Type /Filespec /F ({name}) /EF << /F {held} 0 R >> >>"
        catalog += f" /Names << /EmbeddedFiles << /Names [{names} ] >> >>"
    resources = "/Font << /F1 4 0 R >>"
    if picture:
        shade = "/Type /XObject /Subtype /Image /Width 64 /Height 64 /ColorSpace /DeviceGray /BitsPerComponent 8 "
        resources += f" /XObject << /I1 {add(stream(bytes(n * 7 % 251 for n in range(4096)), shade))} 0 R >>"
        text += " q 500 0 0 700 40 60 cm /I1 Do Q"
    marks = " ".join(f"{n} 0 R" for n in annotations + widgets)
    objects[0] = f"<< {catalog} >>".encode()
    objects[1] = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
    objects[2] = (
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << {resources} >> /Contents 5 0 R "
        f"/Annots [{marks}] >>"
    ).encode()
    objects[3] = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
    objects[4] = stream(text.encode("cp1252"), number=5)
    trailer = f"/Root 1 0 R /ID [<{'00' * 16}> <{'00' * 16}>]"
    if key:
        trailer += f" /Encrypt {add(_encrypt_dictionary(password, key))} 0 R"
    return _assembled(objects, trailer)


def _assembled(objects: list[bytes], trailer: str) -> bytes:
    out, offsets = b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n", []
    for number, octets in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n".encode() + octets + b"\nendobj\n"
    table = "".join(f"{at:010} 00000 n \n" for at in offsets)
    end = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n<< /Size {len(objects) + 1} {trailer} >>\n"
    return out + end.encode() + f"startxref\n{len(out)}\n%%EOF\n".encode()


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


# Encryption with 40 bits (ISO 32000 7.6.3, revision 2): weak, but every reader asks for the password.


def _padded(password: str) -> bytes:
    return (password.encode() + _PAD)[:32]


def _owner(password: str) -> bytes:
    return _rc4(hashlib.md5(_padded(password)).digest()[:5], _padded(password))


def _key(password: str) -> bytes:
    rights = (-4 & 0xFFFFFFFF).to_bytes(4, "little")
    return hashlib.md5(_padded(password) + _owner(password) + rights + bytes(16)).digest()[:5]


def _encrypt_dictionary(password: str, key: bytes) -> bytes:
    user = _rc4(key, _PAD)
    return f"<< /Filter /Standard /V 1 /R 2 /O <{_owner(password).hex()}> /U <{user.hex()}> /P -4 >>".encode()


def _rc4(key: bytes, data: bytes) -> bytes:
    box = list(range(256))
    j = 0
    for i in range(256):
        j = (j + box[i] + key[i % len(key)]) % 256
        box[i], box[j] = box[j], box[i]
    out, i, j = bytearray(), 0, 0
    for octet in data:
        i = (i + 1) % 256
        j = (j + box[i]) % 256
        box[i], box[j] = box[j], box[i]
        out.append(octet ^ box[(box[i] + box[j]) % 256])
    return bytes(out)
