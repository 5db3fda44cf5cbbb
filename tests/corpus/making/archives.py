"""Writes archives: zip (also with a password), gzip, tar. Times are fixed, so that the same files give the same octets."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
import zlib

_WHEN = (2026, 11, 12, 9, 14, 0)


def zipped(files: dict[str, bytes], *, stored: tuple[str, ...] = ()) -> bytes:
    """A zip archive, compressed but for the names in `stored`."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, _WHEN)
            info.compress_type = zipfile.ZIP_STORED if name in stored else zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return out.getvalue()


def zipped_with_password(name: str, data: bytes, password: bytes) -> bytes:
    """A zip archive of one file, encrypted the traditional way (APPNOTE 6.1)."""
    check = zlib.crc32(data)
    keys = [0x12345678, 0x23456789, 0x34567890]

    def update(octet: int) -> None:
        keys[0] = ~zlib.crc32(bytes([octet]), ~keys[0] & 0xFFFFFFFF) & 0xFFFFFFFF
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = ~zlib.crc32(bytes([keys[1] >> 24]), ~keys[2] & 0xFFFFFFFF) & 0xFFFFFFFF

    for octet in password:
        update(octet)
    hidden = bytearray()
    for octet in bytes(range(11)) + bytes([check >> 24]) + data:
        mask = (keys[2] & 0xFFFF) | 2
        hidden.append(octet ^ ((mask * (mask ^ 1) >> 8) & 0xFF))
        update(octet)
    common = struct.pack("<HHHHHIIIHH", 20, 1, 0, 0x49C0, 0x5D6C, check, len(hidden), len(data), len(name), 0)
    local = b"PK\3\4" + common + name.encode() + bytes(hidden)
    entry = b"PK\1\2" + struct.pack("<H", 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name.encode()
    return local + entry + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, len(entry), len(local), 0)


def gzipped(data: bytes) -> bytes:
    """The octets in gzip."""
    return gzip.compress(data, mtime=0)


def tarred(files: dict[str, bytes]) -> bytes:
    """A tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()
