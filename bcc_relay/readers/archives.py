"""Compressed files (gzip, bzip2, xz) and tar archives: what is in them goes on as parts. Nothing is written to disk."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from typing import TYPE_CHECKING

from bcc_relay.core.contents.found import Part
from bcc_relay.core.contents.kinds import Kind, kind_of
from bcc_relay.core.damage import Closed
from bcc_relay.core.model import Channel
from bcc_relay.readers.opened import Opened
from bcc_relay.readers.unpacking import Unpacking

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcc_relay.core.contents.budget import Budget

_XZ_MEMORY_BYTES = 128 * 1024 * 1024
"""Enough for the dictionary of `xz -9`."""
_XZ_STREAMS = 64
_BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError)
_TAR_BROKEN = (tarfile.TarError, OSError, EOFError, ValueError, IndexError, RecursionError)


def read_compressed(part: Part, budget: Budget) -> Opened:
    """Unpack the one file in a gzip (RFC 1952), bzip2 or xz file."""
    unpacking = Unpacking(budget, len(part.octets))
    if not budget.take_part():
        return Opened(Channel.ARCHIVE, closed=frozenset({Closed.OVER_BUDGET}))
    octets, is_sound = unpacking.read(_DECOMPRESSORS[part.kind](part.octets), _BROKEN)
    closed = {Closed.OVER_BUDGET} if unpacking.is_over else set()
    if not is_sound:
        closed.add(Closed.BROKEN)
    name = part.name.rpartition(".")[0] if "." in part.name else part.name
    return Opened(Channel.ARCHIVE, parts=(_member(part, name, octets),) if octets else (), closed=frozenset(closed))


def read_tar(part: Part, budget: Budget) -> Opened:
    """Unpack the files of a tar archive, and look at the names in it."""
    unpacking = Unpacking(budget, len(part.octets))
    names: list[str] = []
    parts: list[Part] = []
    closed: set[Closed] = set()
    try:
        with tarfile.open(fileobj=io.BytesIO(part.octets), mode="r:") as archive:
            for member in archive:
                if unpacking.is_over or not budget.take_part():
                    closed.add(Closed.OVER_BUDGET)
                    break
                names += (member.name, member.linkname, member.uname, *map(str, member.pax_headers.values()))
                if member.isfile() and (file := archive.extractfile(member)) is not None:
                    octets, is_sound = unpacking.read(file.read, _TAR_BROKEN)
                    if not is_sound:
                        closed.add(Closed.BROKEN)
                    parts.append(_member(part, member.name, octets))
    except _TAR_BROKEN:
        closed.add(Closed.BROKEN)
    searched = (part.octets,) if closed else ()
    if unpacking.is_over:
        closed.add(Closed.OVER_BUDGET)
    return Opened(Channel.ARCHIVE, ("\n".join(names),), searched, tuple(parts), frozenset(closed))


def _member(archive: Part, name: str, octets: bytes) -> Part:
    return Part(Channel.ARCHIVE, kind_of(octets, "", name), name, octets, archive.depth + 1)


class _Xz:
    """Reads xz and lzma streams one after the other, in bounded memory, which `lzma.LZMAFile` has no setting for."""

    def __init__(self, octets: bytes) -> None:
        self._rest = octets
        self._streams = 0
        self._open()

    def _open(self) -> None:
        self._streams += 1
        if self._streams > _XZ_STREAMS:
            raise lzma.LZMAError("too many streams")
        self._stream = lzma.LZMADecompressor(memlimit=_XZ_MEMORY_BYTES)

    def read(self, size_bytes: int) -> bytes:
        """Return the next octets, at most so many; none at the end. Raises LZMAError and EOFError."""
        while True:
            if self._stream.eof:
                # Streams are padded with zeros to four octets (The .xz File Format 2.2).
                self._rest = self._stream.unused_data.lstrip(b"\x00")
                if not self._rest:
                    return b""
                self._open()
            piece = self._stream.decompress(self._rest, size_bytes)
            self._rest = b""
            if piece:
                return piece
            if not self._stream.eof and self._stream.needs_input:
                raise EOFError("cut off")


def _gzip(octets: bytes) -> Callable[[int], bytes]:
    return gzip.GzipFile(fileobj=io.BytesIO(octets)).read


def _bzip2(octets: bytes) -> Callable[[int], bytes]:
    return bz2.BZ2File(io.BytesIO(octets)).read


_DECOMPRESSORS: dict[Kind, Callable[[bytes], Callable[[int], bytes]]] = {
    Kind.GZIP: _gzip,
    Kind.BZIP2: _bzip2,
    Kind.XZ: lambda octets: _Xz(octets).read,
}
