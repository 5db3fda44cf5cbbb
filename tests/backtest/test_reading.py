"""Reading one saved message: whose it is, when it was written, what is kept of it, and a worker that does not return."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcc_relay.backtest import workers
from bcc_relay.backtest.reading import Kind, Place, Read, Rules, packed, read, unpacked
from bcc_relay.backtest.workers import read_all
from bcc_relay.core.contents.found import NOTHING, Contents
from bcc_relay.core.damage import Closed, Damage
from bcc_relay.core.model import Channel, Message
from tests import build

if TYPE_CHECKING:
    from pathlib import Path

RULES = Rules(build.organisation())
MOMENT = 1795341600  # Sun, 22 Nov 2026 10:00:00 +0000


async def nothing(_: Message, __: frozenset[str]) -> Contents:
    return NOTHING


def place(file: Path, octets: bytes, mail: int = 1) -> Place:
    file.write_bytes(octets)
    return Place(mail, os.fsencode(file), 0, len(octets), is_mbox=False)


async def kept(tmp_path: Path, octets: bytes, rules: Rules = RULES) -> Read:
    return await read(place(tmp_path / "m", octets), rules, nothing)


@pytest.mark.parametrize(
    ("fields", "kind", "author"),
    [
        (b"From: Clerk <clerk@council.example>\n", Kind.OUTGOING, "clerk@council.example"),
        (b"From: Clerk <Clerk@Schools.COUNCIL.example>\n", Kind.OUTGOING, "clerk@schools.council.example"),
        (b"From: family@mail.example\n", Kind.INCOMING, "family@mail.example"),
        (
            b"From: a@mail.example, b@mail.example\nSender: desk@council.example\n",
            Kind.OUTGOING,
            "desk@council.example",
        ),
        (b"To: family@mail.example\n", Kind.INCOMING, ""),
    ],
)
async def test_the_author_says_whether_a_message_went_out(
    tmp_path: Path, fields: bytes, kind: Kind, author: str
) -> None:
    one = await kept(tmp_path, fields + b"Subject: x\n\nHello\n")
    assert (one.kind, one.author) == (kind, author)


@pytest.mark.parametrize(
    ("fields", "moment"),
    [
        (b"Date: Sun, 22 Nov 2026 11:00:00 +0100\n", MOMENT),
        (b"Date: some day\nReceived: by a; Sun, 22 Nov 2026 10:00:00 +0000\n", MOMENT),
        (b"Date: Sun, 22 Nov 0026 10:00:00 +0000 (\nReceived: x; Sun, 22 Nov 2026 10:00:00 +0000\n", MOMENT),
        (b"", 12345),
        (b"Date: Sun, 22 Nov 2926 10:00:00 +0000\n", 12345),
        (b"Date: " + b"9" * 5000 + b"\n", 12345),
    ],
)
async def test_a_message_without_a_date_has_that_of_its_way_or_its_file(
    tmp_path: Path, fields: bytes, moment: int
) -> None:
    at = place(tmp_path / "m", b"From: clerk@council.example\n" + fields + b"\nHello\n")
    os.utime(tmp_path / "m", (12345, 12345))
    assert (await read(at, RULES, nothing)).date_s == moment


async def test_copies_of_one_message_are_the_same_and_others_are_not(tmp_path: Path) -> None:
    block = b"From: clerk@council.example\nMessage-ID: <1@council.example>\n"
    sent = await kept(tmp_path, block + b"Bcc: a@mail.example\n\nHello\n")
    received = await kept(tmp_path, (b"Received: by mail.example\n" + block + b"\nHello\n\n").replace(b"\n", b"\r\n"))
    other = await kept(tmp_path, block + b"\nHello again\n")
    assert sent.identity == received.identity != other.identity


async def test_a_message_that_the_relay_would_not_take_is_not_judged(tmp_path: Path) -> None:
    one = await kept(tmp_path, b"From: clerk@council.example\n\n" + b"x" * 100, Rules(build.organisation(), False, 50))
    assert (one.kind, one.why) == (Kind.UNUSABLE, "is larger than limits.message_bytes")


CONTENTS = st.builds(
    Contents,
    shown=st.dictionaries(st.sampled_from(Channel), st.frozensets(st.text(), min_size=1), max_size=3).map(
        lambda shown: tuple(shown.items())
    ),
    closed=st.frozensets(st.sampled_from(Closed)),
    damage=st.frozensets(st.sampled_from(Damage)),
    named_keys=st.integers(0, 9),
    gist=st.binary(max_size=8),
)


@given(CONTENTS)
def test_contents_come_back_as_they_were(contents: Contents) -> None:
    assert unpacked(packed(contents)) == contents


def test_workers_read_everything(tmp_path: Path) -> None:
    block = build.header("family@mail.example") + b"\r\nWrite to other@mail.example\r\n"
    places = [place(tmp_path / str(mail), block, mail) for mail in range(100)]
    reads = {one.mail: one for one in read_all(iter(places), RULES, workers=2)}
    assert set(reads) == set(range(100))
    assert {unpacked(one.contents).shown for one in reads.values()} == {
        ((Channel.BODY, frozenset({"other@mail.example"})),)
    }


def test_a_message_that_stops_a_worker_twice_is_unusable_and_the_others_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "never")
    block = build.header("family@mail.example") + b"\r\nHello\r\n"
    hanging = Place(0, os.fsencode(tmp_path / "never"), 0, 100, is_mbox=False)
    places = [hanging, *(place(tmp_path / str(mail), block, mail) for mail in range(1, 60))]
    reads = {one.mail: one for one in read_all(iter(places), RULES, workers=1, patience_s=2.0)}
    assert reads.pop(0) == Read(0, Kind.UNUSABLE, why="cannot be read in reasonable time")
    assert {one.kind for one in reads.values()} == {Kind.OUTGOING}
    assert len(reads) == 59


def test_the_body_of_a_message_that_stops_a_worker_once_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "slow"
    os.mkfifo(path)
    block = build.header("family@mail.example") + b"\r\nWrite to other@mail.example\r\n"
    worker = workers._Worker(RULES, patience_s=60)
    try:
        worker.give(workers._Job(Place(1, os.fsencode(path), 0, len(block), is_mbox=False)))
        path.unlink()
        path.write_bytes(block)
        assert list(worker.replace(Closed.TOO_SLOW)) == []
        assert worker.connection.poll(60)
        (one,) = worker.collect()
    finally:
        worker.end()
    assert (one.kind, unpacked(one.contents)) == (Kind.OUTGOING, Contents(closed=frozenset({Closed.TOO_SLOW})))


def test_a_worker_that_dies_is_replaced_and_nothing_is_lost(tmp_path: Path) -> None:
    block = build.header("family@mail.example") + b"\r\nHello\r\n"
    worker = workers._Worker(RULES, patience_s=60)
    try:
        worker.process.kill()
        worker.process.join()
        for mail in (1, 2):
            worker.give(workers._Job(place(tmp_path / str(mail), block, mail)))
        reads = []
        while worker.jobs:
            assert worker.connection.poll(60)
            reads.extend(worker.collect())
    finally:
        worker.end()
    closed = {one.mail: unpacked(one.contents).closed for one in reads}
    assert closed == {1: {Closed.BROKEN}, 2: set()}
