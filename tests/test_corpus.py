"""Every message of the labelled set gets its verdict, and leaves with the octets that its label says."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from bcc_relay.core.actions.leave import dispatches
from bcc_relay.core.policy.rule import Policy
from bcc_relay.core.retry import Schedule
from bcc_relay.readers.pool import Readers
from bcc_relay.relay.judging import Judging
from bcc_relay.relay.options import RelayOptions
from tests import build
from tests.corpus.labels import HERE, Label, Leaves, labels
from tests.fakes_memory import MemoryOfMail
from tests.figures import every_file, labelled
from tests.reader import seen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from bcc_relay.core.judge import Judged
    from bcc_relay.core.model import Dispatch, Submission

NAMES = sorted(labels())
ROWS = {f"{part}{n}" for part, last in (("A", 23), ("B", 12), ("C", 15), ("D", 15)) for n in range(1, last + 1)}
SCHEDULE = Schedule((timedelta(minutes=5),), timedelta(days=2))
OPTIONS = RelayOptions(build.leaving(), SCHEDULE, f"postmaster@{build.OWN}", policy=Policy())
OURS = (f"@{build.OWN}", f".{build.OWN}", f"@{build.PARTNER}")
HEADER_CHANNELS = ("to", "cc", "reply_to", "resent", "other_header", "subject", "from")

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def readers() -> AsyncIterator[Readers]:
    opened = Readers()
    yield opened
    await opened.close()


async def judged(label: Label, readers: Readers) -> tuple[Submission, Judged]:
    """Judge a message after those that went before it, each with what became of it."""
    memory = MemoryOfMail()
    judging = Judging(readers, memory, observe=lambda _: None)
    for number, earlier in enumerate(label.before, 1):
        before = labels()[earlier.message].submission(earlier.minutes_ago, number)
        result = await judging.judge(before, OPTIONS)
        passed = result.judgement.verdict == "pass"
        assert passed == (labels()[earlier.message].verdict == "pass"), earlier.message
        if earlier.then == "released" or (passed and earlier.then == "sent"):
            await memory.learn(before.id)
    submission = label.submission()
    return submission, await judging.judge(submission, OPTIONS)


@pytest.mark.parametrize("name", NAMES)
async def test_a_message_gets_its_verdict_and_leaves_as_its_label_says(name: str, readers: Readers) -> None:
    label = labels()[name]
    submission, result = await judged(label, readers)
    facts, told = result.facts, result.judgement
    assert (told.verdict, told.rule) == (label.verdict, label.rule)
    assert shown_by_channel(result) == label.channels
    assert tuple(map(str, facts.damage)) == label.damage
    assert tuple(map(str, facts.closed)) == label.closed
    copies = leaving(submission, result)
    assert bool(copies) == (label.verdict in ("pass", "rewrite"))
    served = [one for copy in copies for one in copy.envelope.recipients]
    assert served == (list(submission.envelope.recipients) if copies else []), (
        "each recipient once, with its parameters"
    )
    for copy in copies:
        check_octets(copy, label)
        check_disclosure(copy, label)


def shown_by_channel(result: Judged) -> dict[str, int]:
    """How many outsiders each channel shows to another outsider."""
    channels: dict[str, set[str]] = {}
    for one in (result.facts.outsiders_by_channel(), result.facts.beyond_rewriting()):
        for channel, keys in one.items():
            channels.setdefault(channel.value, set()).update(keys)
    return {channel: len(keys) for channel, keys in channels.items() if keys}


def leaving(submission: Submission, result: Judged) -> list[Dispatch]:
    if result.header is None:
        return []
    return list(dispatches(submission, result.form, result.header, submission.envelope.recipients, OPTIONS.leaving))


# --- the octets ------------------------------------------------------------------------------------------------------


def check_octets(copy: Dispatch, label: Label) -> None:
    """The mark and Received on top, the header as the label says, and the body to the byte."""
    mark, received, rest = re.split(rb"\r\n(?![ \t])", copy.message.header, maxsplit=2)
    word = b"passed" if label.verdict == "pass" else b"rewritten"
    assert mark.startswith(b"X-BCC-Relay: " + word + b"; id=")
    assert received.startswith(b"Received: ")
    assert b" for " not in received
    header, blank, body = label.octets.partition(b"\r\n\r\n")
    added = rest.removeprefix(expected(header + b"\r\n", label.leaves))
    assert re.sub(rb"(?m)^(Date|Message-ID): .*\r\n", b"", added) == b"", "another header than the label says"
    assert copy.message.separator == b"\r\n"
    assert b"".join(copy.message.body.pieces()) == (body if blank else b"")


def expected(header: bytes, leaves: Leaves) -> bytes:
    """The header with the fields taken out that the label names, and its To in the place of the first To or Cc."""
    lines: list[bytes] = []
    new = [f"To: {leaves.to}\r\n".encode()] if leaves.to else []
    for raw in re.findall(rb"(?s).+?\r\n(?![ \t])", header):
        name = raw.partition(b":")[0].strip().lower().decode("latin-1")
        if new and name in ("to", "cc"):
            lines.append(new.pop())
        if name not in leaves.gone:
            lines.append(raw)
    octets = b"".join([*lines, *new])
    for text in leaves.cut:
        assert text.encode() in octets
        octets = octets.replace(text.encode(), b"")
    return octets


# --- who sees whom, by a reader of its own ---------------------------------------------------------------------------


def check_disclosure(copy: Dispatch, label: Label) -> None:
    """No outsider sees another in a rewritten copy; in a passed one, no more of them than the label admits."""
    outsiders = {one for one in label.recipients if not one.endswith(OURS)} - {label.mail_from}
    if label.verdict == "rewrite":
        stated = {one.lower() for one in label.in_header() if not one.endswith(OURS)} - {label.mail_from}
        assert seen(copy.message.header, outsiders | stated) == set()
        return
    shown = seen(copy.message.header, outsiders)
    admitted = sum(count for channel, count in label.channels.items() if channel in HEADER_CHANNELS)
    # Who alone receives it sees nobody else in it.
    assert len(shown) <= admitted or len(outsiders) == 1


# --- the set itself --------------------------------------------------------------------------------------------------


async def test_the_set_is_large_enough_and_covers_every_channel_and_trick() -> None:
    table = labels().values()
    assert len(table) >= 150
    assert sum(label.is_innocent and label.verdict == "pass" for label in table) >= 60
    assert {row for label in table for row in label.covers} >= ROWS
    assert all(label.note.endswith((".", "?")) for label in table)


async def test_every_file_has_its_label_and_every_label_its_file() -> None:
    files = {str(path.relative_to(HERE).with_suffix("")) for path in HERE.rglob("*.eml")}
    assert files == {label.file or label.name for label in labels().values()}


@pytest.mark.parametrize("name", NAMES)
async def test_a_message_is_written_as_mail_travels(name: str) -> None:
    octets = labels()[name].octets
    assert not re.search(rb"(?<!\r)\n", octets)


async def test_the_whole_set_stays_small() -> None:
    assert sum(path.stat().st_size for path in HERE.rglob("*") if path.is_file()) < 3_000_000


async def test_each_builtin_rule_decides_some_message() -> None:
    rules = Counter(label.rule for label in labels().values())
    wanted: Iterable[str] = (
        "damaged", "unreadable", "correction", "known-thread", "beyond-rewriting", "families", "usual-bcc",
        "large-circle", "in-pieces", "everything-else",
    )  # fmt: skip
    assert not [rule for rule in wanted if not rules[rule]]


async def test_the_page_gives_the_figures_of_this_set(capsys: pytest.CaptureFixture[str]) -> None:
    labelled()
    assert capsys.readouterr().out in (Path(__file__).parents[1] / "docs" / "detection.md").read_text("utf-8")


async def test_the_figures_for_files_are_made_without_an_exception(capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(__file__).parent / "corpus" / "damaged"
    assert await every_file(folder, names=False)
    assert f"{len(list(folder.iterdir()))} files judged, 0 raised an exception." in capsys.readouterr().out
