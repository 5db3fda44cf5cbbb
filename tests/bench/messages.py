"""Messages that cost more than usual ones: those that somebody made to cost much, and honest ones that are large."""

from __future__ import annotations

import base64
import random
import struct
import zlib
from typing import TYPE_CHECKING

from tests import build
from tests.doors.readers import made

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcc_relay.core.model import Submission

ANNA = "anna@family-mail.example"
KIB, MIB = 1024, 1024 * 1024
HTML = b"Content-Type: text/html"
SENTENCE = (
    b"The meeting is on Tuesday at ten in the large room, and the papers are on the shelf by the door as usual.\r\n"
)


def mail(*lines: bytes, body: bytes = b"Hello\r\n") -> Submission:
    return build.mail(*lines, to=build.families(20, domains=10), body=body)


def filled(piece: bytes, size_bytes: int) -> bytes:
    return piece * (size_bytes // len(piece)) + b"\r\n"


def attached(*files: tuple[bytes, bytes], media_type: bytes = b"application/octet-stream") -> Submission:
    """A message with these files, each a name and octets."""
    head = b"--b\r\nContent-Type: " + media_type + b"; name=%s\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    body = b"".join(head % name + base64.encodebytes(octets) for name, octets in files)
    return mail(b"Content-Type: multipart/mixed; boundary=b", body=body + b"--b--\r\n")


def noise(size_bytes: int) -> bytes:
    return random.Random(1).randbytes(size_bytes)


def gzip_of_noughts(megabytes: int) -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    piece = b"0" * 1_000_000
    return b"".join(packer.compress(piece) for _ in range(megabytes)) + packer.flush()


def zip_of(members: int, size_bytes: int) -> bytes:
    return made.zipped({f"list{n}.csv": b"0" * size_bytes for n in range(members)})


def zip_in_zip(levels: int, width: int) -> bytes:
    layer = made.zipped({"zeros": bytes(4 * MIB)})
    for _ in range(levels):
        layer = made.zipped({f"{n}.zip": layer for n in range(width)})
    return layer


def nested(levels: int) -> Submission:
    opening = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(levels))
    first, _, rest = opening.partition(b"\r\n\r\n")
    return mail(first, body=rest + b"\r\nHello\r\n")


def messages_within(levels: int) -> Submission:
    return mail(
        b"Content-Type: message/rfc822", body=b"Content-Type: message/rfc822\r\n\r\n" * levels + b"\r\nHello\r\n"
    )


def people(count: int, end: str = "\r\n") -> bytes:
    return "".join(f"family{n}@mail{n % 9}.example{end}" for n in range(count)).encode()


def in_other_letters(count: int) -> bytes:
    """Addresses at domains in another script, each of which is encoded to be compared."""
    letters = [chr(0x4E00 + (n * 7919) % 20000) for n in range(20)]
    return "".join(f"a@{''.join(letters[n % 7 :])}{n}.de " for n in range(count)).encode()


def sheet(rows: int, columns: int = 20) -> bytes:
    """A workbook of figures, as a program writes them: numbers differ, and some cells are formulas."""
    given = random.Random(1)
    lines = []
    for row in range(1, rows + 1):
        cells = (f'<c r="{chr(65 + n)}{row}" s="3"><v>{given.random() * 10_000:.4f}</v></c>' for n in range(columns))
        total = f'<c r="U{row}"><f>SUM(A{row}:T{row})</f><v>{row}</v></c>'
        lines.append(f'<row r="{row}" spans="1:20">{"".join(cells)}{total}</row>')
    return made.xlsx((), more={"xl/worksheets/sheet1.xml": f"<sheetData>{''.join(lines)}</sheetData>".encode()})


def document(paragraphs: int) -> bytes:
    run = '<w:p><w:pPr><w:jc w:val="left"/></w:pPr><w:r><w:rPr><w:b/></w:rPr><w:t>{}</w:t></w:r></w:p>'
    text = run.format(SENTENCE.decode().strip())
    return made.docx(text * paragraphs, more={"word/media/image1.png": b"\x89PNG\r\n\x1a\n" + noise(500_000)})


def pdf(pages: int) -> bytes:
    """A document of so many pages of text, each with a picture."""
    lines = b" ".join(b"(%s) Tj T*" % SENTENCE.strip() for _ in range(40))
    text = made.stream(b"BT /F1 12 Tf 14 TL 72 700 Td " + lines + b" ET")
    entries = b"/Type /XObject /Subtype /Image /Width 200 /Height 200 /ColorSpace /DeviceRGB /BitsPerComponent 8 "
    picture = made.stream(noise(120_000), entries)
    kids = b" ".join(b"%d 0 R" % (4 + 3 * n) for n in range(pages))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [" + kids + b"] /Count %d >>" % pages,
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for n in range(pages):
        resources = b"<< /Font << /F1 3 0 R >> /XObject << /I %d 0 R >> >>" % (6 + 3 * n)
        head = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R /Resources " % (5 + 3 * n)
        objects += [head + resources + b" >>", text, picture]
    return made.pdf(*objects)


def outlook_item(attributes: int) -> bytes:
    return made.tnef(*(made.attribute(1, 0x8004, 1, b"a\0") for _ in range(attributes)))


def recipients_of_outlook(count: int) -> bytes:
    return made.tnef(made.recipient_table(*people(count).decode().split()))


def packed_rich_text(size_bytes: int) -> bytes:
    """Rich text in which each reference stands for the most octets that one may (MS-OXRTFCP 2.2)."""
    packed = b"\xff" + struct.pack(">8H", *[0x000F] * 8)
    packed *= size_bytes // len(packed)
    rich = struct.pack("<IIII", len(packed) + 12, 1 << 28, 0x75465A4C, 0) + packed
    return made.tnef(made.attribute(1, 0x9003, 6, made.properties((0x0102, 0x1009, rich))))


def page(drawing: bytes) -> bytes:
    return made.page_of(b"-", more=(made.stream(drawing),), drawing=6)


def many_types() -> tuple[bytes, ...]:
    """A header that says sixteen things about its body, and each of them in five encodings."""
    types = [b"Content-Type: text/%s; charset=utf-%d" % (name, n) for name in (b"plain", b"html") for n in range(8)]
    encodings = (b"7bit", b"base64", b"quoted-printable", b"x-uuencode", b"unknown")
    return (*types, *(b"Content-Transfer-Encoding: " + name for name in encodings))


HOSTILE: dict[str, Callable[[], Submission]] = {
    "nothing special": lambda: mail(b"To: " + ANNA.encode()),
    "a list in a zip": lambda: attached((b"list.zip", zip_of(1, 1000))),
    # The structure.
    "a To with 50,000 addresses": lambda: mail(
        b"To: " + b",\r\n ".join(b"person%d@mail%d.example" % (n, n % 50) for n in range(50_000))
    ),
    "200,000 parts": lambda: mail(
        b"Content-Type: multipart/mixed; boundary=b", body=b"--b\r\n\r\na\r\n" * 200_000 + b"--b--\r\n"
    ),
    "16,000 parameters": lambda: mail(
        b"Content-Type: multipart/mixed; boundary=b" + b"".join(b";\r\n a%d=b" % n for n in range(16_000)),
        body=b"--b\r\n\r\na\r\n--b--\r\n",
    ),
    "16,000 parameters of a part": lambda: mail(
        b"Content-Type: multipart/mixed; boundary=b",
        body=b"--b\r\nContent-Type: text/plain" + b"; a*0=b" * 16_000 + b"\r\n\r\na\r\n--b--\r\n",
    ),
    "1,000 levels of multipart": lambda: nested(1000),
    "1,000 attached messages within each other": lambda: messages_within(1000),
    "60 kB that says to be 80 things": lambda: mail(*many_types(), body=people(2000, "|")),
    "5 MB that says to be 80 things": lambda: mail(*many_types(), body=people(200_000, "|")),
    # Texts; what is small is read beside the dialogs.
    "60 kB of addresses": lambda: mail(body=people(2200)),
    "15 kB of glued addresses in base64": lambda: mail(
        b"Content-Transfer-Encoding: base64", body=base64.encodebytes(filled(b"=a@bc.de|", 11_000))
    ),
    "15 kB of glue": lambda: mail(body=filled(b"|/=&?!#|/=&?!#|/=&?!#a@mail1.example ", 15_000)),
    "15 kB of other letters": lambda: mail(b"Content-Type: text/plain; charset=utf-8", body=in_other_letters(200)),
    "60 kB of <a ": lambda: mail(HTML, body=filled(b"<a ", 60_000)),
    "60 kB of colons": lambda: mail(body=filled(b":", 60_000)),
    "60 kB of (at)": lambda: mail(body=filled(b"(at)", 60_000)),
    "60 kB of quoted header lines": lambda: mail(body=filled(b"> To: a\r\n> From: b\r\n", 60_000)),
    "10 MB of @": lambda: mail(body=filled(b"@", 10_000_000)),
    "5 MB of addresses": lambda: mail(body=b"".join(b"p%d@mail.example\r\n" % n for n in range(250_000))),
    "5 MB of glue": lambda: mail(body=filled(b"|/=&?!#|/=&?!#|/=&?!#a@mail1.example ", 5 * MIB)),
    "5 MB of other letters": lambda: mail(b"Content-Type: text/plain; charset=utf-8", body=in_other_letters(60_000)),
    "5 MB in one line": lambda: mail(body=filled(b"a", 5 * MIB)),
    "5 MB in one line with dots": lambda: mail(body=filled(b"a.", 5 * MIB)),
    "5 MB of (at)": lambda: mail(body=filled(b"(at)", 5 * MIB)),
    "5 MB of =40": lambda: mail(body=filled(b"=40", 5 * MIB)),
    "5 MB of =40 in quoted-printable": lambda: mail(
        b"Content-Transfer-Encoding: quoted-printable", body=filled(b"=40", 5 * MIB)
    ),
    "5 MB of %40": lambda: mail(body=filled(b"%40", 5 * MIB)),
    "5 MB of colons": lambda: mail(body=filled(b":", 5 * MIB)),
    "5 MB of backslashes": lambda: mail(body=filled(b"\\", 5 * MIB)),
    "5 MB of (": lambda: mail(body=filled(b"(", 5 * MIB)),
    "5 MB of open HTML": lambda: mail(HTML, body=filled(b"<a ", 5 * MIB)),
    "5 MB of tags, none twice": lambda: mail(HTML, body=b"".join(b"<a%d>" % n for n in range(600_000)) + b"\r\n"),
    "5 MB of comments": lambda: mail(HTML, body=filled(b"<!---->", 5 * MIB)),
    "5 MB of open comments": lambda: mail(HTML, body=filled(b"<!--@", 5 * MIB)),
    "5 MB of entities": lambda: mail(HTML, body=filled(b"&#64;", 5 * MIB)),
    "5 MB of quoted header lines": lambda: mail(body=filled(b"> To: a\r\n> From: b\r\n", 5 * MIB)),
    "5 MB of quoted headers": lambda: mail(body=filled(b"From: a@b.de\r\nTo: b@c.de\r\nSubject: x\r\n\r\n", 5 * MIB)),
    "5 MB of identifiers": lambda: mail(body=filled(b"Message-ID: <a@b.de>\r\n", 5 * MIB)),
    "5 MB of folded calendar": lambda: mail(
        b"Content-Type: text/calendar", body=filled(b"ATTENDEE:mai\r\n lto:a@x.example\r\n", 5 * MIB)
    ),
    "5 MB of cards": lambda: mail(
        b"Content-Type: text/vcard", body=filled(b"BEGIN:VCARD\r\nEMAIL;ENCODING=B:YUBiLmNj\r\nEND:VCARD\r\n", 5 * MIB)
    ),
    "5 MB of armour": lambda: mail(body=filled(b"-----BEGIN PGP MESSAGE-----\r\n\r\nhQ==\r\n", 5 * MIB)),
    "5 MB of uuencoded files": lambda: mail(body=filled(b"begin 644 a\r\n#0V%T\r\nend\r\n", 5 * MIB)),
    "5 MB of encoded combining marks": lambda: mail(
        b"Content-Type: text/plain; charset=utf-8", body=filled("e\u0301\u0302\u0303@".encode(), 5 * MIB)
    ),
    "5 MB that is no UTF-8": lambda: mail(b"Content-Type: text/plain; charset=utf-8", body=filled(b"\xff@\xfe.de", 5 * MIB)),
    "5 MB of Japanese escapes": lambda: mail(
        b"Content-Type: text/plain; charset=iso-2022-jp", body=filled(b"\x1b$B@\x1b(B@a.de ", 5 * MIB)
    ),
    "a list of 200,000": lambda: attached((b"list.csv", people(200_000))),
    "10 MB of rich text": lambda: attached((b"a.rtf", b"{\\rtf1 " + filled(b"{\\b a\\'40b.de}\\par ", 10 * MIB))),
    # Files.
    "a zip of 100 MB of noughts": lambda: attached((b"list.zip", zip_of(10, 10_000_000))),
    "a zip of 10,000 members": lambda: attached((b"list.zip", zip_of(10_000, 10))),
    "a zip in a zip, 6 deep and 8 wide": lambda: attached((b"list.zip", zip_in_zip(6, 8))),
    "a zip in a zip, 500 deep": lambda: attached((b"list.zip", zip_in_zip(500, 1))),
    "a gzip of 1 GB": lambda: attached((b"list.csv.gz", gzip_of_noughts(1000))),
    "a gzip of 38 MB": lambda: attached((b"list.csv.gz", zlib.compress(people(1_500_000), wbits=31))),
    "a tar of 10,000": lambda: attached(
        (b"a.tgz", zlib.compress(made.tarred({f"{n}": b"-" for n in range(10_000)}), wbits=31))
    ),
    "a workbook of 50,000 people": lambda: attached((b"a.xlsx", made.xlsx(tuple(people(50_000).decode().split())))),
    "a workbook of 1,000,000 cells": lambda: attached(
        (b"a.xlsx", made.xlsx((), more={"xl/worksheets/s.xml": b"<c r='A1' t='s'><v>@</v></c>" * 1_000_000}))
    ),
    "an Outlook item of 100,000 attributes": lambda: attached((b"winmail.dat", outlook_item(100_000))),
    "an Outlook item to 50,000": lambda: attached((b"winmail.dat", recipients_of_outlook(50_000))),
    "an Outlook item of packed rich text": lambda: attached((b"winmail.dat", packed_rich_text(4 * MIB))),
    "a saved message to 4,000": lambda: attached((b"a.msg", made.msg(tuple(people(4000).decode().split())))),
    "an old document of 10,000 streams": lambda: attached(
        (b"a.doc", made.compound({f"s{n}": b"some words" for n in range(10_000)}))
    ),
    "a PDF of 100,000 objects": lambda: attached((b"a.pdf", made.page_of(b"-", more=(b"<< /A /B >>",) * 100_000))),
    "a PDF of 4,000 pages": lambda: attached(
        (b"a.pdf", made.pdf(
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [" + b"3 0 R " * 4000 + b"] /Count 4000 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] >>",
        ))
    ),
    "a PDF of 1,000,000 letters on a page": lambda: attached((b"a.pdf", page(b"BT /F1 1 Tf (a) Tj ET\n" * 200_000))),
    "a PDF of 64 MB of noughts": lambda: attached((b"a.pdf", page(b"BT " + b"0 " * (32 * MIB) + b"ET"))),
    "25 MB of octets": lambda: attached((b"a.bin", noise(18_000_000))),
    "a zip of 18 MB of octets": lambda: attached((b"a.zip", made.zipped({"a.bin": noise(18_000_000)}))),
    "a PDF with 18 MB of octets": lambda: attached((b"a.pdf", made.page_of(b"-") + noise(18_000_000))),
}  # fmt: skip
"""Each is to be answered in time; what of it cannot be read is closed."""

HONEST: dict[str, Callable[[], Submission]] = {
    "25 MB of pictures": lambda: attached(
        *((b"%d.jpg" % n, b"\xff\xd8\xff\xe0" + noise(3_600_000)) for n in range(5)), media_type=b"image/jpeg"
    ),
    "50 MB of pictures": lambda: attached(
        *((b"%d.jpg" % n, b"\xff\xd8\xff\xe0" + noise(3_600_000)) for n in range(10)), media_type=b"image/jpeg"
    ),
    "25 MB of PDF": lambda: attached(*((b"%d.pdf" % n, pdf(30)) for n in range(5))),
    "25 MB of Word documents": lambda: attached(*((b"%d.docx" % n, document(1500)) for n in range(35))),
    "PDF, Word and pictures in a zip": lambda: attached((
        b"a.zip", made.zipped({"a.pdf": pdf(40), "b.docx": document(1500), "c.jpg": b"\xff\xd8\xff\xe0" + noise(9_000_000)}),
    )),
    "a workbook of 10 MB of figures": lambda: attached((b"a.xlsx", sheet(55_000))),
    "a workbook of 500 people": lambda: attached((b"a.xlsx", made.xlsx(tuple(people(500).decode().split())))),
    "25 MB of words": lambda: mail(body=filled(SENTENCE, 25 * MIB)),
    "25 MB of HTML": lambda: mail(HTML, body=filled(b"<p style='margin:0'>" + SENTENCE + b"</p>", 25 * MIB)),
    "a film of 25 MB": lambda: attached((b"film.mp4", b"\0\0\0\x18ftypmp42" + noise(18_000_000))),
    "a program of 18 MB": lambda: attached((b"a.bin", noise(13_000_000))),
}  # fmt: skip
"""Each is to be read whole."""
