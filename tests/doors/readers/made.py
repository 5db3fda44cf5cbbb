"""Files for the readers, made octet by octet: documents, archives, Outlook items, PDF, and what hides in them."""

from __future__ import annotations

import base64
import io
import shutil
import struct
import subprocess
import tarfile
import zipfile
import zlib
from typing import TYPE_CHECKING

from bcc_relay.core.contents.budget import Limits
from bcc_relay.core.contents.found import Contents, Part
from bcc_relay.core.contents.kinds import Kind, kind_of
from bcc_relay.core.model import Channel
from bcc_relay.readers.look_into import look_into
from tests.build import header, message

if TYPE_CHECKING:
    from pathlib import Path

    from bcc_relay.core.model import Message

LIMITS = Limits()
OPENSSL = shutil.which("openssl")


def part(octets: bytes, name: str = "", *, channel: Channel = Channel.ATTACHED_LIST, kind: Kind | None = None) -> Part:
    return Part(channel, kind or kind_of(octets, "", name), name, octets, 1)


def mail(octets: bytes, name: str, media_type: str = "application/octet-stream", *, text: bytes = b"Hello") -> Message:
    """A message with one attachment."""
    more = b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n'
    disposition = f'Content-Type: {media_type}\r\nContent-Disposition: attachment; filename="{name}"'.encode()
    content = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    body = (
        b"--b\r\nContent-Type: text/plain\r\n\r\n" + text + b"\r\n--b\r\n" + disposition
        + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + content + b"--b--\r\n"
    )  # fmt: skip
    return message(header("a@family-mail.example", more=more), body)


def seen(octets: bytes, name: str, *names: str, limits: Limits = LIMITS) -> Contents:
    """What a message with this attachment shows."""
    return look_into(mail(octets, name), frozenset(names), limits)


def shown(contents: Contents) -> dict[str, set[str]]:
    """Addresses by channel."""
    return {channel.value: set(keys) for channel, keys in contents.shown if keys}


# --- zip -------------------------------------------------------------------------------------------------------------


def zipped(members: dict[str, bytes], *, comment: bytes = b"") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, octets in members.items():
            archive.writestr(name, octets)
        archive.comment = comment
    return file.getvalue()


def encrypted_zip() -> bytes:
    """An archive whose member says that it is encrypted, in both of its headers."""
    octets = bytearray(zipped({"list.csv": b"family1@mail1.example\r\n"}))
    octets[6] |= 1
    octets[octets.index(b"PK\x01\x02") + 8] |= 1
    return bytes(octets)


_TYPES = b'<?xml version="1.0" encoding="UTF-8"?><Types/>'


def xlsx(strings: tuple[str, ...], *, more: dict[str, bytes] | None = None) -> bytes:
    shared = "".join(f"<si><t>{string}</t></si>" for string in strings)
    return zipped(
        {
            "[Content_Types].xml": _TYPES,
            "xl/workbook.xml": b'<workbook><sheets><sheet name="Kept" state="veryHidden"/></sheets></workbook>',
            "xl/sharedStrings.xml": f"<sst>{shared}</sst>".encode(),
            **(more or {}),
        }
    )


def docx(document: str, *, more: dict[str, bytes] | None = None) -> bytes:
    return zipped(
        {"[Content_Types].xml": _TYPES, "word/document.xml": f"<w:document>{document}</w:document>".encode()}
        | (more or {})
    )


def ods(rows: str) -> bytes:
    content = f"<office:document-content><table:table>{rows}</table:table></office:document-content>"
    return zipped({"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": content.encode()})


def tarred(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, octets in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(octets)
            archive.addfile(info, io.BytesIO(octets))
    return file.getvalue()


# --- TNEF (MS-OXTNEF) ------------------------------------------------------------------------------------------------


def attribute(level: int, name: int, kind: int, data: bytes) -> bytes:
    head = struct.pack("<BHHI", level, name, kind, len(data))
    return head + data + struct.pack("<H", sum(data) & 0xFFFF)


def properties(*pairs: tuple[int, int, bytes]) -> bytes:
    """A list of MAPI properties, each a type, a name and octets: strings and binaries with their length."""
    made = struct.pack("<I", len(pairs))
    for kind, name, octets in pairs:
        made += struct.pack("<HHII", kind, name, 1, len(octets)) + octets + bytes(-len(octets) % 4)
    return made


def wide(text: str) -> bytes:
    return text.encode("utf-16-le") + b"\0\0"


def tnef(*attributes: bytes) -> bytes:
    codepage = attribute(1, 0x9007, 6, struct.pack("<II", 1252, 0))
    return b"\x78\x9f\x3e\x22\x01\x00" + attribute(1, 0x9006, 8, b"\0\0\1\0") + codepage + b"".join(attributes)


def recipient_table(*addresses: str) -> bytes:
    rows = b"".join(properties((0x1F, 0x3001, wide("Family")), (0x1F, 0x39FE, wide(one))) for one in addresses)
    return attribute(1, 0x9004, 6, struct.pack("<I", len(addresses)) + rows)


def rich_text(rich: bytes) -> bytes:
    """Rich text in compressed form, without a single reference (MS-OXRTFCP 2.2)."""
    packed = b"".join(b"\0" + rich[at : at + 8] for at in range(0, len(rich), 8))
    return struct.pack("<IIII", len(packed) + 12, len(rich), 0x75465A4C, 0) + packed


# --- compound files (MS-CFB) -----------------------------------------------------------------------------------------

_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_SECTOR, _MINI = 512, 64


def compound(streams: dict[str, bytes]) -> bytes:
    """A compound file. Names are paths with slashes; the storages in them are made."""
    entries: list[dict[str, object]] = [{"name": "Root Entry", "kind": 5, "kids": []}]
    by_path = {"": 0}
    for path in streams:
        steps = path.split("/")
        for depth in range(1, len(steps) + 1):
            here, above = "/".join(steps[:depth]), "/".join(steps[: depth - 1])
            if here not in by_path:
                by_path[here] = len(entries)
                entries.append({"name": steps[depth - 1], "kind": 2 if depth == len(steps) else 1, "kids": []})
                entries[by_path[above]]["kids"].append(by_path[here])  # type: ignore[attr-defined]
    fat: list[int] = []
    mini_fat: list[int] = []
    mini, sectors = b"", b""

    def chained(table: list[int], octets: bytes, size: int) -> int:
        count = -(-len(octets) // size)
        start = len(table)
        table += [*range(start + 1, start + count), _END] if count else []
        return start if count else _END

    for path, octets in streams.items():
        entry = entries[by_path[path]]
        if len(octets) < 4096:
            entry["start"] = chained(mini_fat, octets, _MINI)
            mini += octets + bytes(-len(octets) % _MINI)
        else:
            entry["start"] = chained(fat, octets, _SECTOR)
            sectors += octets + bytes(-len(octets) % _SECTOR)
        entry["size"] = len(octets)
    entries[0]["start"], entries[0]["size"] = chained(fat, mini, _SECTOR), len(mini)
    sectors += mini + bytes(-len(mini) % _SECTOR)
    table = b"".join(struct.pack("<I", one) for one in mini_fat)
    table += b"\xff" * (-len(table) % _SECTOR)
    mini_fat_at = chained(fat, table, _SECTOR)
    directory = _directory(entries)
    directory_at = chained(fat, directory, _SECTOR)
    sectors += table + directory
    needed = next(n for n in range(1, 110) if n * 128 >= len(fat) + n)
    fat_at = len(fat)
    fat += [_FAT] * needed
    fat += [_FREE] * (needed * 128 - len(fat))
    sectors += struct.pack(f"<{len(fat)}I", *fat)
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    head += struct.pack("<IIIIIII", 0, needed, directory_at, 0, 4096, mini_fat_at, len(table) // _SECTOR)
    head += struct.pack("<II", _END, 0)
    places = [*range(fat_at, fat_at + needed)]
    return head + struct.pack("<109I", *places, *([_FREE] * (109 - needed))) + sectors


def _directory(entries: list[dict[str, object]]) -> bytes:
    left, right, child = ({}, {}, {})

    def tree(kids: list[int]) -> int:
        if not kids:
            return _FREE
        middle = len(kids) // 2
        left[kids[middle]], right[kids[middle]] = tree(kids[:middle]), tree(kids[middle + 1 :])
        return kids[middle]

    made = b""
    for place, entry in enumerate(entries):
        names = sorted(
            entry["kids"], key=lambda kid: (len(str(entries[kid]["name"])), str(entries[kid]["name"]).upper())
        )  # type: ignore[call-overload]
        child[place] = tree(names)
    for place, entry in enumerate(entries):
        name = str(entry["name"]).encode("utf-16-le") + b"\0\0"
        made += name.ljust(64, b"\0") + struct.pack("<HBB", len(name), entry["kind"], 1)
        made += struct.pack("<III", left.get(place, _FREE), right.get(place, _FREE), child[place])
        made += bytes(36) + struct.pack("<IQ", entry.get("start", 0), entry.get("size", 0))
    empty = bytes(64) + bytes(4) + struct.pack("<III", _FREE, _FREE, _FREE) + bytes(48)
    return made + empty * (-len(entries) % 4)


def msg(recipients: tuple[str, ...], *, more: dict[str, bytes] | None = None) -> bytes:
    """An Outlook message with a recipient table (MS-OXMSG)."""
    streams = {"__properties_version1.0": bytes(32), "__substg1.0_0037001F": "Trip".encode("utf-16-le")}
    for number, address in enumerate(recipients):
        storage = f"__recip_version1.0_#{number:08X}"
        streams[f"{storage}/__properties_version1.0"] = bytes(8)
        streams[f"{storage}/__substg1.0_39FE001F"] = address.encode("utf-16-le")
    return compound(streams | (more or {}))


# --- BIFF (MS-XLS) ---------------------------------------------------------------------------------------------------


def record(kind: int, data: bytes) -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def xls(text: str, *, encrypted: bool = False) -> bytes:
    """A workbook with a veryHidden sheet of one cell. Its text goes on in a CONTINUE record: a plain search misses it."""
    half = len(text) // 2
    table = struct.pack("<IIHB", 1, 1, len(text), 0) + text[:half].encode()
    begins = record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0, 0, 0, 0))
    begins += record(0x002F, bytes(6)) if encrypted else b""
    begins += record(0x0042, struct.pack("<H", 1200))
    strings = record(0x00FC, table) + record(0x003C, b"\0" + text[half:].encode()) + record(0x000A, b"")
    name = b"Kept"
    sheet_at = len(begins) + 12 + len(name) + len(strings)
    bound = record(0x0085, struct.pack("<IBBBB", sheet_at, 2, 0, len(name), 0) + name)
    sheet = record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0, 0, 0, 0))
    sheet += record(0x0200, struct.pack("<IIHHH", 0, 1, 0, 1, 0)) + record(0x00FD, struct.pack("<HHHI", 0, 0, 0, 0))
    return compound({"Workbook": begins + bound + strings + sheet + record(0x000A, b"")})


# --- PDF -------------------------------------------------------------------------------------------------------------


def pdf(*objects: bytes, trailer: bytes = b"") -> bytes:
    """A PDF file of these objects, numbered from 1; the first is the catalogue."""
    made = bytearray(b"%PDF-1.7\n")
    places = []
    for number, octets in enumerate(objects, 1):
        places.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (number, octets)
    start = len(made)
    made += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    made += b"".join(b"%010d 00000 n \n" % place for place in places)
    return bytes(made) + b"trailer\n<< /Size %d /Root 1 0 R %s>>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        trailer,
        start,
    )


def stream(octets: bytes, entries: bytes = b"") -> bytes:
    packed = zlib.compress(octets)
    return b"<< /Length %d /Filter /FlateDecode %s>>\nstream\n%s\nendstream" % (len(packed), entries, packed)


def page_of(
    text: bytes, *, catalogue: bytes = b"", page: bytes = b"", more: tuple[bytes, ...] = (), drawing: int = 4
) -> bytes:
    """A PDF file of one page with this text; `more` are objects from number 6 on, and `drawing` is what is drawn."""
    return pdf(
        b"<< /Type /Catalog /Pages 2 0 R %s>>" % catalogue,
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> %s>>" % (drawing, page),
        stream(b"BT /F1 12 Tf 72 700 Td (" + text + b") Tj ET"),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        *more,
    )


# --- CMS -------------------------------------------------------------------------------------------------------------


def openssl(folder: Path, *arguments: str, given: bytes = b"") -> bytes:
    assert OPENSSL is not None
    return subprocess.run(
        [OPENSSL, *arguments], cwd=folder, input=given, capture_output=True, check=True, timeout=60
    ).stdout


def certificate(folder: Path, name: str, *, kind: str = "rsa:2048") -> str:
    """Make a key and a certificate; return its file name."""
    key = ["-newkey", kind] if ":" in kind else ["-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{kind}"]
    subject = f"/CN={name}/emailAddress={name}@mail1.example"
    openssl(folder, "req", "-x509", *key, "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", subject)
    return f"{name}.pem"
