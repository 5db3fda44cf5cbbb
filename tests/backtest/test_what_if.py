"""What other thresholds would have done is what the policy does with those thresholds."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bcc_relay.backtest.what_if import Margins, margins_of, trials, verdict_at
from bcc_relay.core.contents.found import Contents
from bcc_relay.core.history import History
from bcc_relay.core.judge import can_be_rewritten, conclude, examine
from bcc_relay.core.model import VERDICT_NAMES, Channel, Submission
from bcc_relay.core.policy.evidence import Evidence
from bcc_relay.core.policy.rule import (
    Action,
    BeyondRewriting,
    Families,
    LargeCircle,
    Policy,
    Range,
    Rule,
    Thresholds,
    When,
)
from tests import build

NUMBERS = st.integers(0, 45)
RULES = st.sampled_from(
    [
        (),
        (Rule("never", When(visible_outsiders=Range(at_least=20)), Action.REJECT),),
        (Rule("always", When(visible_outsiders=Range(at_least=8)), Action.PASS),),
        (Rule("safely", When(visible_outsiders=Range(at_least=15)), Action.REWRITE),),
    ]
)
HISTORIES = st.builds(
    History,
    known_thread=st.booleans(),
    usually_blind=st.sampled_from([0, 12]),
    pieces=st.sampled_from([0, 80]),
)
CONTENTS = st.builds(
    lambda body, quoted, closed: Contents(
        tuple(
            (channel, frozenset(f"listed{n}@mail{n % 3}.example" for n in range(count)))
            for channel, count in ((Channel.BODY, body), (Channel.QUOTED_HEADER, quoted))
            if count
        )
    ),
    NUMBERS,
    NUMBERS,
    st.booleans(),
)
THRESHOLDS = st.integers(5, 60)


def mailing(personal: int, business: int, *, is_odd: bool) -> Submission:
    to = (*build.families(personal, domains=3), *(f"desk@firm{n}.example" for n in range(business)))
    # An address in the subject is one that no rewrite takes away.
    more = f"Subject: about {to[0]} and {to[-1]}\r\n".encode() if is_odd and len(to) > 1 else b""
    return build.submission(*to, raw=build.message(build.header(", ".join(to), more=more)))


def margins(submission: Submission, policy: Policy, contents: Contents, history: History) -> tuple[Margins, str]:
    """What is kept of a message, and its verdict."""
    leaving = build.leaving()
    facts = examine(submission, leaving, contents)
    judged = conclude(submission, policy, leaving, facts, history)
    evidence = Evidence(facts, history, judged.findings, submission.origin, submission.received_at.date())
    is_rewritable = can_be_rewritten(submission, policy.form, leaving, facts)
    kept = margins_of(evidence, policy, leaving.organisation, is_rewritable=is_rewritable)
    return kept, VERDICT_NAMES[type(judged.verdict)]


@given(NUMBERS, NUMBERS, st.booleans(), RULES, CONTENTS, HISTORIES, st.tuples(*[THRESHOLDS] * 5))
def test_a_verdict_by_other_thresholds_is_that_of_a_policy_with_them(
    personal: int,
    business: int,
    is_odd: bool,
    rules: tuple[Rule, ...],
    contents: Contents,
    history: History,
    other: tuple[int, int, int, int, int],
) -> None:
    submission = mailing(personal, business, is_odd=is_odd)
    policy = Policy(rules)
    kept, verdict = margins(submission, policy, contents, history)
    assert verdict_at(kept, policy.builtin) == verdict
    limits = replace(
        Thresholds(),
        families=Families(visible_outsiders=other[0]),
        large_circle=LargeCircle(visible_outsiders=other[1]),
        beyond_rewriting=BeyondRewriting(outsiders=other[2], body=other[3], own_recipients=other[4]),
    )
    leaving = replace(build.leaving(), limits=policy.builtin)
    facts = examine(submission, leaving, contents)
    judged = conclude(submission, Policy(rules, limits), leaving, facts, history)
    assert verdict_at(kept, limits) == VERDICT_NAMES[type(judged.verdict)]


def test_each_threshold_is_tried_alone_and_the_one_in_force_is_among_them() -> None:
    kept, _ = margins(mailing(8, 0, is_odd=False), Policy(), Contents(), History())
    limits = Thresholds(families=Families(visible_outsiders=11), large_circle=None)
    found = {(trial.rule, trial.key): trial for trial in trials([kept, kept], limits, Counter({"pass": 5, "hold": 1}))}
    assert set(found) == {
        ("families", "visible_outsiders"),
        ("beyond-rewriting", "own_recipients"),
        ("beyond-rewriting", "outsiders"),
        ("beyond-rewriting", "body"),
    }
    tried = {one.threshold: one for one in found["families", "visible_outsiders"].tried}
    assert [one.threshold for one in tried.values() if one.is_current] == [11]
    assert (tried[8].verdicts, tried[8].stopped) == ({"pass": 5, "hold": 1, "rewrite": 2}, 3)
    assert (tried[9].verdicts["pass"], tried[9].stopped) == (7, 1)
