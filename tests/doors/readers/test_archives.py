"""Compressed files and tar archives: opened within the budget, closed when broken."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from typing import TYPE_CHECKING

import pytest

from bcc_relay.core.damage import Closed
from tests.doors.readers.made import seen, shown, tarred, zipped

if TYPE_CHECKING:
    from collections.abc import Callable

WHO = "family1@mail1.example"
OTHER = "family2@mail2.example"
PACKERS: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
each_packer = pytest.mark.parametrize(("ending", "pack"), PACKERS.items(), ids=PACKERS)


@each_packer
def test_a_compressed_list_is_read(ending: str, pack: Callable[[bytes], bytes]) -> None:
    contents = seen(pack(f"{WHO}\r\n{OTHER}\r\n".encode()), f"list.csv.{ending}")
    assert shown(contents) == {"archive": {WHO, OTHER}}
    assert not contents.closed


@each_packer
def test_a_compressed_tar_is_opened(ending: str, pack: Callable[[bytes], bytes]) -> None:
    octets = pack(tarred({"a/list.csv": WHO.encode(), f"{OTHER}.txt": b"-"}))
    assert shown(seen(octets, f"lists.tar.{ending}", OTHER)) == {"archive": {WHO, OTHER}}


@each_packer
def test_several_streams_after_each_other_are_read(ending: str, pack: Callable[[bytes], bytes]) -> None:
    contents = seen(pack(f"{WHO}\r\n".encode()) + pack(f"{OTHER}\r\n".encode()), f"list.csv.{ending}")
    assert shown(contents) == {"archive": {WHO, OTHER}}


@each_packer
def test_a_cut_off_file_is_closed_and_its_beginning_is_read(ending: str, pack: Callable[[bytes], bytes]) -> None:
    lines = b"".join(b"family%d@mail1.example\r\n" % n for n in range(100_000))
    octets = pack(lines)
    contents = seen(octets[: len(octets) // 2 + 10], f"list.csv.{ending}")
    assert contents.closed == {Closed.BROKEN}
    assert WHO in shown(contents)["archive"]


@each_packer
def test_zeros_without_end_are_over_the_budget(ending: str, pack: Callable[[bytes], bytes]) -> None:
    contents = seen(pack(bytes(100 * 1024 * 1024)), f"zeros.{ending}")
    assert contents.closed == {Closed.OVER_BUDGET}


@each_packer
def test_compressed_again_and_again_ends_at_the_depth(ending: str, pack: Callable[[bytes], bytes]) -> None:
    octets = WHO.encode()
    for _ in range(20):
        octets = pack(octets)
    assert seen(octets, f"a.{ending}").closed == {Closed.OVER_BUDGET}


def test_names_within_a_tar_are_read() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, WHO
        archive.addfile(info)
        info = tarfile.TarInfo("x" * 150)
        info.pax_headers = {"comment": OTHER}
        archive.addfile(info)
    assert shown(seen(file.getvalue(), "a.tar")) == {"archive": {WHO, OTHER}}


def test_a_cut_off_tar_is_closed_and_searched() -> None:
    octets = tarred({"a.csv": WHO.encode() + bytes(2000), "b.csv": f"{OTHER}\r\n".encode() + b"-" * 2000})
    contents = seen(octets[: octets.index(OTHER.encode()) + 100], "a.tar")
    assert contents.closed == {Closed.BROKEN}
    assert shown(contents)["archive"] >= {WHO, OTHER}


def test_ten_thousand_files_in_a_tar_end_at_the_number_of_parts() -> None:
    contents = seen(gzip.compress(tarred({f"{n}": b"-" for n in range(10_000)})), "a.tgz")
    assert contents.closed == {Closed.OVER_BUDGET}


def test_a_sparse_file_that_says_it_is_huge_is_over_the_budget() -> None:
    info = tarfile.TarInfo("huge")
    info.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,0"}
    info.pax_headers |= {"GNU.sparse.size": str(1 << 40), "GNU.sparse.numblocks": "1", "GNU.sparse.name": "huge"}
    octets = info.tobuf(tarfile.PAX_FORMAT) + bytes(1024)
    assert seen(octets, "a.tar").closed == {Closed.OVER_BUDGET}


def test_an_archive_in_a_compressed_file_in_an_archive_is_opened() -> None:
    octets = zipped({"a.tar.xz": lzma.compress(tarred({"b.zip": zipped({"c.csv": WHO.encode()})}))})
    assert shown(seen(octets, "a.zip")) == {"archive": {WHO}}
