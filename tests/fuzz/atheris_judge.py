"""Deciding and rewriting: nothing is raised, and a copy that leaves rewritten shows no outsider to another.

Who can be seen in a copy is told by `tests/reader.py`, which shares no code with the product.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.fuzz.driver import atheris, run

with atheris.instrument_imports(include=["bcc_relay"]):
    from bcc_relay.core.actions.leave import dispatches, prepare
    from bcc_relay.core.address import known
    from bcc_relay.core.contents.budget import Budget
    from bcc_relay.core.contents.look import look
    from bcc_relay.core.errors import NotRewritableError
    from bcc_relay.core.header import split_message
    from bcc_relay.core.judge import judge
    from bcc_relay.core.model import Form, Submission
    from bcc_relay.core.policy.rule import Policy

from tests import build
from tests.corpus.people import families, offices
from tests.fuzz.seeds import WORDS, messages
from tests.reader import seen

if TYPE_CHECKING:
    from bcc_relay.core.judge import Judged
    from bcc_relay.core.model import Dispatch

RECIPIENTS = (*families(4), *offices(1), "clerk@council.example")
ENVELOPE = build.envelope(*RECIPIENTS)
OUTSIDERS = frozenset(RECIPIENTS[:-1])
NAMES = known(frozenset(RECIPIENTS))
WRITTEN_TO = frozenset(families(60) + offices(60))
LEAVING = build.leaving()
POLICY = Policy()
REWRITTEN = (Form.SENDER, Form.UNDISCLOSED, Form.INDIVIDUAL)
_DESTINATION = re.compile(r"(?im)^(?:to|cc)[ \t]*:(.*(?:\r?\n[ \t].*)*)")
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


def judge_it(octets: bytes) -> None:
    given = Submission("m1", build.NOW, ENVELOPE, split_message(octets), build.origin())
    contents = look(given.message, NAMES, Budget()).contents
    judged = judge(given, POLICY, LEAVING, contents=contents)
    leaves = judged.judgement.verdict in ("pass", "rewrite")
    assert (judged.header is not None) is leaves
    assert "@" not in repr(judged.judgement)
    headers: dict[Form, bytes] = {}
    for form in REWRITTEN:
        with suppress(NotRewritableError):
            headers[form] = prepare(given, form, LEAVING, judged.facts)
    if judged.judgement.verdict == "rewrite":
        assert headers[judged.form] == judged.header
    for form, header in headers.items():
        check(next(dispatches(given, form, header, ENVELOPE.recipients, LEAVING)), form, judged)


def check(copy: Dispatch, form: Form, judged: Judged) -> None:
    """Read a copy with other eyes: whoever receives it, or was written to, may not stand in it."""
    authors = judged.facts.authors
    assert len(authors) <= 2
    text = b"".join(field.raw for field in judged.facts.fields).decode("utf-8", "replace")
    stated = {one.lower() for value in _DESTINATION.findall(text) for one in _ADDRESS.findall(value)}
    own = {copy.envelope.recipients[0].address.key} if form is Form.INDIVIDUAL else set()
    visible = seen(copy.message.header, (OUTSIDERS | (stated & WRITTEN_TO)) - authors - own)
    assert not visible, f"{form} shows {sorted(visible)} in {copy.message.header!r}"


if __name__ == "__main__":
    run(judge_it, seeds=messages(), words=WORDS)
