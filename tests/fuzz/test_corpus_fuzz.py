"""Every message of the labelled set, damaged at random, and wrapped in others: through readers, memory and rules."""

from __future__ import annotations

import asyncio
import base64
import bz2
import io
import re
import tarfile
import zipfile
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bcc_relay.core.address import known
from bcc_relay.core.contents.budget import Budget
from bcc_relay.core.contents.look import look
from bcc_relay.core.damage import Closed
from bcc_relay.core.header import split_message
from bcc_relay.core.model import Submission
from bcc_relay.core.policy.rule import Policy
from bcc_relay.core.retry import Schedule
from bcc_relay.readers.pool import Readers
from bcc_relay.relay.judging import Judging
from bcc_relay.relay.options import RelayOptions
from tests import build
from tests.corpus.labels import labels
from tests.fakes_memory import MemoryOfMail
from tests.fuzz.mutations import mutated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bcc_relay.core.contents.found import Contents

NAMES = sorted(labels())
VERDICTS = {"pass", "rewrite", "hold", "reject"}
SCHEDULE = Schedule((timedelta(minutes=5),), timedelta(days=2))
OPTIONS = RelayOptions(build.leaving(), SCHEDULE, f"postmaster@{build.OWN}", policy=Policy())
few = settings(deadline=None, max_examples=2, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


class Path:
    """From octets to a judgement, as in the relay: the readers' workers, a memory that goes on, and the rules."""

    def __init__(self, runner: asyncio.Runner, readers: Readers) -> None:
        self._runner = runner
        self._readers = readers
        self._judging = Judging(readers, MemoryOfMail(), observe=lambda _: None)

    def judge(self, given: Submission):
        return self._runner.run(self._judging.judge(given, OPTIONS))

    def contents(self, octets: bytes, names: frozenset[str]) -> Contents:
        return self._runner.run(self._readers(split_message(octets), names))


@pytest.fixture(scope="module")
def path() -> Iterator[Path]:
    with asyncio.Runner() as runner:
        readers = Readers()
        yield Path(runner, readers)
        runner.run(readers.close())


def submission(name: str, octets: bytes) -> Submission:
    whole = labels()[name].submission()
    return Submission(whole.id, whole.received_at, whole.envelope, split_message(octets), whole.origin)


def names_of(given: Submission) -> frozenset[str]:
    return frozenset(recipient.address.key for recipient in given.envelope.recipients)


# --- damage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@few
@given(random=st.randoms(use_true_random=False), other=st.sampled_from(NAMES))
def test_a_damaged_message_always_ends_in_a_verdict(path: Path, name: str, random, other: str) -> None:
    given = submission(name, mutated(labels()[name].octets, labels()[other].octets, random))
    # The readers close a part over what a parser of ours raises: here it would be seen.
    look(given.message, known(names_of(given)), Budget())
    judged = path.judge(given)
    told = judged.judgement
    assert told.verdict in VERDICTS
    assert (judged.header is not None) is (told.verdict in ("pass", "rewrite"))
    assert told.rule
    assert told.sentence or told.verdict == "pass"
    assert "@" not in repr(told)
    assert Closed.TOO_SLOW not in judged.facts.closed, "a reader was lost, or took too long"


# --- wrapping --------------------------------------------------------------------------------------------------------

_CONTENT_FIELD = re.compile(rb"(?im)^(?:content-[^\n]*|mime-version[^\n]*)\n(?:[ \t][^\n]*\n)*")
_HEAD = b"From: Clerk <clerk@council.example>\r\nSubject: Look\r\n"


def _entity(octets: bytes) -> bytes:
    """Return a message as a part: what its header says about its body, and the body."""
    header, _, body = (b"\r\n" + octets).partition(b"\r\n\r\n")
    return b"".join(_CONTENT_FIELD.findall(header + b"\r\n")) + b"\r\n" + body


def _attached(octets: bytes, media_type: str, name: str) -> bytes:
    coded = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    head = f'Content-Type: {media_type}\r\nContent-Disposition: attachment; filename="{name}"\r\n'
    return head.encode() + b"Content-Transfer-Encoding: base64\r\n\r\n" + coded


def _mixed(*parts: bytes) -> bytes:
    head = _HEAD + b"Content-Type: multipart/mixed; boundary=_outermost\r\n\r\nPreamble\r\n"
    return head + b"".join(b"--_outermost\r\n" + part + b"\r\n" for part in parts) + b"--_outermost--\r\n"


def _zip(octets: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("mail.eml", octets)
    return packed.getvalue()


def _tar(octets: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("mail.eml")
        member.size = len(octets)
        archive.addfile(member, io.BytesIO(octets))
    return packed.getvalue()


WAYS: dict[str, Callable[[bytes], bytes]] = {
    "a part beside others": lambda octets: _mixed(b"\r\nHello", _entity(octets), b"\r\nGoodbye"),
    "message/rfc822": lambda octets: _mixed(b"Content-Type: message/rfc822\r\n\r\n" + octets),
    "base64": lambda octets: _mixed(_attached(octets, "message/rfc822", "mail.eml")),
    "zip": lambda octets: _mixed(_attached(_zip(octets), "application/zip", "mail.zip")),
    "tar.gz": lambda octets: _mixed(_attached(_tar(octets), "application/gzip", "mail.tar.gz")),
    "bz2": lambda octets: _mixed(_attached(bz2.compress(octets), "application/x-bzip2", "mail.eml.bz2")),
}


def found(contents: Contents) -> frozenset[str]:
    return frozenset[str]().union(*(keys for _, keys in contents.shown))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("folder", sorted({name.partition("/")[0] for name in NAMES}))
def test_wrapping_a_message_loses_no_address_and_opens_nothing_that_was_closed(
    path: Path, way: str, folder: str
) -> None:
    for name in NAMES:
        if not name.startswith(f"{folder}/"):
            continue
        octets = labels()[name].octets
        names = names_of(labels()[name].submission())
        before = path.contents(octets, names)
        after = path.contents(WAYS[way](octets), names)
        assert found(before) <= found(after), name
        assert before.closed <= after.closed, name
        assert before.named_keys <= after.named_keys, name


@settings(few, max_examples=40)
@given(random=st.randoms(use_true_random=False), folder=st.sampled_from(["attached", "body", "crypto", "tricks"]))
def test_junk_beside_a_message_hides_nobody(path: Path, folder: str, random) -> None:
    name = random.choice([name for name in NAMES if name.startswith(folder)])
    octets = labels()[name].octets
    junk = mutated(labels()[random.choice(NAMES)].octets, octets, random)
    names = names_of(labels()[name].submission())
    before = path.contents(octets, names)
    after = path.contents(_mixed(b"\r\n" + junk, junk, _entity(octets), junk), names)
    assert found(before) <= found(after)
    assert before.closed <= after.closed
