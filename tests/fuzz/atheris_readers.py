"""The readers of attachments, with a file of any kind: nothing is raised, and what is found can be told.

Each input is a letter for the kind of file, then the file. Two paths are not taken here. Spreadsheets in Excel's binary
forms are read by python-calamine, which ends the process over some broken ones; only the relay's worker may do so. And
PDFium is not instrumented: its files are changed blindly.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.fuzz.driver import atheris, run

with atheris.instrument_imports(include=["bcc_relay", "asn1crypto", "olefile", "tarfile", "tnefparse", "zipfile"]):
    from bcc_relay.core.contents.budget import Limits
    from bcc_relay.core.model import Body, Message
    from bcc_relay.readers import look_into, ole, table, wire
    from bcc_relay.readers import zip as zip_reader

from tests.fuzz.seeds import attachments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bcc_relay.core.contents.budget import Budget
    from bcc_relay.core.contents.found import Part
    from bcc_relay.readers.opened import Opened

LIMITS = Limits(unpacked_bytes=4 * 1024 * 1024)
NAMES = frozenset({"amelia@mail0.example"})


def _zipped(name: str) -> Callable[[bytes], bytes]:
    """Pack octets as one member of a document, stored: what is changed is the member, not its compression."""

    def pack(octets: bytes) -> bytes:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as package:
            package.writestr("[Content_Types].xml", "<Types/>")
            package.writestr(name, octets)
        return packed.getvalue()

    return pack


@dataclass(frozen=True)
class Way:
    """How a file comes: its name and media type, what becomes of the input first, and who in the labelled set is so."""

    name: str
    media_type: str
    endings: tuple[str, ...] = ()
    pack: Callable[[bytes], bytes] = bytes


ZIPS = (".zip", ".docx", ".xlsx", ".pptx", ".odt", ".ods", ".odp")
WAYS = {
    b"T": Way("winmail.dat", "application/ms-tnef", ("winmail.dat", "application/ms-tnef")),
    b"M": Way("saved.msg", "application/vnd.ms-outlook", (".msg",)),
    b"O": Way("old.doc", "application/msword", (".doc", ".ppt", ".msg")),
    b"Z": Way("list.zip", "application/zip", ZIPS),
    b"X": Way("letter.docx", "application/zip", (".xml", ".html"), _zipped("word/document.xml")),
    b"P": Way("page.pdf", "application/pdf", (".pdf",)),
    b"G": Way("list.gz", "application/gzip", (".gz", ".tgz")),
    b"g": Way("list.csv.gz", "application/gzip", (".csv", ".vcf", ".eml"), gzip.compress),
    b"B": Way("list.csv.bz2", "application/x-bzip2", (".bz2", ".tbz2")),
    b"b": Way("list.tar.bz2", "application/x-bzip2", (".tar",), bz2.compress),
    b"L": Way("list.xz", "application/x-xz", (".xz",)),
    b"l": Way("list.zip.xz", "application/x-xz", (".zip",), lzma.compress),
    b"R": Way("list.tar", "application/x-tar", (".tar",)),
    b"C": Way("smime.p7m", "application/pkcs7-mime", (".p7m", "application/pkcs7-mime")),
}
RAISED: list[Exception] = []


def _watched(reader: Callable[[Part, Budget], Opened]) -> Callable[[Part, Budget], Opened]:
    """Note what a reader raises: `look_into` would close the part over it, and say no more."""

    def read(part: Part, budget: Budget) -> Opened:
        try:
            return reader(part, budget)
        except Exception as error:
            RAISED.append(error)
            raise

    return read


def prepare() -> None:
    """Leave Excel's binary forms out, and watch the readers."""
    ole.cells = zip_reader.cells = lambda _: ("", frozenset())
    table.READERS.update({kind: _watched(reader) for kind, reader in table.READERS.items()})


def read_it(octets: bytes) -> None:
    way = WAYS.get(octets[:1])
    if way is None:
        return
    header = f"Content-Type: {way.media_type}\r\nContent-Disposition: attachment; filename={way.name}\r\n".encode()
    message = Message(header, b"\r\n", Body(way.pack(octets[1:])))
    told, sifter = wire.Answer(), wire.Sifter(NAMES)
    RAISED.clear()
    try:
        for contents in look_into.look_steps(message, NAMES, LIMITS):
            for frame in sifter.frames(contents):
                told.take(frame[4:])
    except MemoryError:
        return
    for error in RAISED:
        raise error


def seeds() -> Iterator[bytes]:
    for letter, way in WAYS.items():
        yield letter
        for octets in attachments(*way.endings):
            if len(octets) < 60_000:
                yield letter + octets


if __name__ == "__main__":
    prepare()
    run(
        read_it,
        seeds=seeds(),
        words=(b"PK\x01\x02", b"__substg1.0_", b"@mail0.example", b"%%EOF"),
        longest_bytes=60_000,
    )
