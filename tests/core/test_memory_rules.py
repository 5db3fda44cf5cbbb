"""The rules and conditions that go by earlier mail: at their borders, in their order, switched off, and in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bcc_relay.core.contents.found import NOTHING, Contents
from bcc_relay.core.damage import Closed
from bcc_relay.core.detectors import detect
from bcc_relay.core.history import NO_HISTORY, History, Stopped
from bcc_relay.core.judge import judge
from bcc_relay.core.model import Channel, Form, Hold, Pass, Reject, Rewrite, Submission, Verdict
from bcc_relay.core.policy.conditions import holds
from bcc_relay.core.policy.decide import decide
from bcc_relay.core.policy.evidence import Evidence
from bcc_relay.core.policy.rule import (
    Action,
    Correction,
    InPieces,
    Policy,
    Range,
    Rule,
    Thresholds,
    UsualBcc,
    When,
    Window,
)
from tests import build

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def families(count: int) -> tuple[str, ...]:
    return tuple(f"family{n}@{build.PERSONAL}" for n in range(count))


def firms(count: int, *, domains: int = 1) -> tuple[str, ...]:
    return tuple(f"person{n}@firm{n % domains}.example" for n in range(count))


def to(*people: str, more: bytes = b"") -> Submission:
    return build.mail(b"To: " + ",\r\n ".join(people).encode(), more, to=people)


def hidden(*people: str, more: bytes = b"") -> Submission:
    return build.mail(b"To: clerk@council.example", more, to=people)


def stopped(verdict: str = "hold", share: float = 1.0, rule: str = "large-circle") -> History:
    return History(stopped=Stopped("m0", verdict, rule, share))


def evidence(given: Submission, history: History, contents: Contents = NOTHING) -> Evidence:
    facts = build.facts(given, contents=contents)
    return Evidence(facts, history, detect(facts, history), given.origin, given.received_at.date())


def decided(
    given: Submission,
    history: History,
    *rules: Rule,
    contents: Contents = NOTHING,
    builtin: Thresholds | None = None,
    form: Form = Form.SENDER,
) -> Verdict:
    policy = Policy(rules, builtin or Thresholds(), form)
    return decide(evidence(given, history, contents), policy, build.organisation()).verdict


TEN = to(*firms(10))
FIVE = to(*firms(5))
PIECE = to(*firms(8))
IN_BODY = Contents(shown=((Channel.BODY, frozenset(firms(4))),))
ELSE = "everything-else"

BORDERS = [
    ("correction-share-below", FIVE, stopped(share=0.79), ELSE),
    ("correction-share-at", FIVE, stopped(share=0.8), "correction"),
    ("correction-share-above", FIVE, stopped(share=1.0), "correction"),
    ("correction-4-visible", to(*firms(4)), stopped(), ELSE),
    ("correction-5-visible", FIVE, stopped(), "correction"),
    ("correction-6-visible", to(*firms(6)), stopped(), "correction"),
    ("correction-by-bcc", hidden(*firms(9)), stopped(), ELSE),
    ("correction-of-what-was-not-stopped", FIVE, stopped("pass"), ELSE),
    ("known-thread-nobody-shown", hidden(*firms(40)), History(known_thread=True), ELSE),
    ("known-thread-unknown", to(*families(12)), History(gained=0), "families"),
    ("known-thread", to(*families(12)), History(known_thread=True), "known-thread"),
    ("usual-bcc-9", TEN, History(usually_blind=9), ELSE),
    ("usual-bcc-10", TEN, History(usually_blind=10), "usual-bcc"),
    ("usual-bcc-11", to(*firms(11)), History(usually_blind=11), "usual-bcc"),
    ("in-pieces-29", PIECE, History(pieces=29), ELSE),
    ("in-pieces-30", PIECE, History(pieces=30), "in-pieces"),
    ("in-pieces-31", PIECE, History(pieces=31), "in-pieces"),
    ("in-pieces-but-this-one-discloses-nobody", hidden(*firms(8)), History(pieces=60), ELSE),
    ("in-pieces-but-there-is-one-piece-only", to(*firms(35)), History(pieces=35), ELSE),
    ("in-pieces-and-this-one-adds-to-it", to(*firms(35)), History(pieces=36), "in-pieces"),
]
VERDICTS = {"correction": Hold, "known-thread": Pass, "usual-bcc": Rewrite, "in-pieces": Hold, "families": Rewrite}


@pytest.mark.parametrize(("given", "history", "rule"), [row[1:] for row in BORDERS], ids=[row[0] for row in BORDERS])
def test_the_rules_that_remember_decide_at_their_borders(given: Submission, history: History, rule: str) -> None:
    verdict = decided(given, history)
    assert verdict.rule == rule
    assert type(verdict) is VERDICTS.get(rule, Pass)
    assert "@" not in verdict.sentence


def test_a_disclosure_by_the_body_alone_counts_for_threads_and_pieces() -> None:
    given = hidden(*firms(2))
    assert decided(given, History(known_thread=True), contents=IN_BODY).rule == "known-thread"
    assert decided(given, History(pieces=30), contents=IN_BODY).rule == "in-pieces"
    assert decided(given, History(pieces=4), contents=IN_BODY, builtin=Thresholds(in_pieces=InPieces(4))).rule == ELSE


# Each message matches two rules; the first of them decides, and with it switched off the second.
ALL_SHOWN = History(known_thread=True, usually_blind=40, pieces=90, stopped=Stopped("m0", "reject", "x", 1.0))
SECRET = Contents(closed=frozenset({Closed.ENCRYPTED}))
LISTED = Contents(shown=((Channel.ATTACHED_LIST, frozenset(families(30))),))
PAIRS = [
    ("damaged", "unreadable", to(*families(12), more=b"no field"), NO_HISTORY, SECRET),
    ("unreadable", "correction", to(*families(12)), stopped(), SECRET),
    ("correction", "known-thread", to(*families(12)), ALL_SHOWN, NOTHING),
    ("known-thread", "beyond-rewriting", to(*families(12)), replace(ALL_SHOWN, stopped=None), LISTED),
    ("beyond-rewriting", "families", to(*families(12)), NO_HISTORY, LISTED),
    ("families", "usual-bcc", to(*families(12)), History(usually_blind=12), NOTHING),
    ("usual-bcc", "large-circle", to(*firms(30, domains=3)), History(usually_blind=12), NOTHING),
    ("large-circle", "in-pieces", to(*firms(30, domains=3)), History(pieces=36), NOTHING),
    ("in-pieces", ELSE, PIECE, History(pieces=36), NOTHING),
]


@pytest.mark.parametrize(
    ("first", "second", "given", "history", "contents"), PAIRS, ids=[f"{row[0]}-before-{row[1]}" for row in PAIRS]
)
def test_where_two_rules_match_the_first_decides_and_the_second_when_it_is_off(
    first: str, second: str, given: Submission, history: History, contents: Contents
) -> None:
    assert decided(given, history, contents=contents).rule == first
    off = replace(Thresholds(), **{first.replace("-", "_"): None})
    assert decided(given, history, contents=contents, builtin=off).rule == second


@pytest.mark.parametrize(
    ("given", "history", "higher"),
    [
        (FIVE, stopped(share=0.8), {"correction": Correction(share=0.81)}),
        (FIVE, stopped(), {"correction": Correction(visible_outsiders=6)}),
        (TEN, History(usually_blind=10), {"usual_bcc": UsualBcc(11)}),
        (PIECE, History(pieces=30), {"in_pieces": InPieces(disclosed=31)}),
    ],
)
def test_each_threshold_can_be_raised(given: Submission, history: History, higher: dict[str, object]) -> None:
    assert decided(given, history).rule != ELSE
    assert decided(given, history, builtin=replace(Thresholds(), **higher)).rule == ELSE


@pytest.mark.parametrize(("verdict", "kind"), [("rewrite", Rewrite), ("hold", Hold), ("reject", Reject)])
def test_a_correction_gets_the_verdict_of_what_it_corrects(verdict: str, kind: type) -> None:
    made = decided(FIVE, stopped(verdict))
    assert type(made) is kind
    assert made.sentence
    assert len(made.sentence) <= 200


def test_a_correction_is_rewritten_in_the_form_of_the_rule_that_stopped_the_first() -> None:
    clinic = Rule("clinic", When(is_reply=True), Action.REWRITE, Form.INDIVIDUAL)
    for rule, form in (("clinic", Form.INDIVIDUAL), ("families", Form.UNDISCLOSED)):
        verdict = decided(FIVE, stopped("rewrite", rule=rule), clinic, form=Form.UNDISCLOSED)
        assert isinstance(verdict, Rewrite)
        assert verdict.form is form


def test_the_organisation_s_own_rules_come_before_what_is_remembered() -> None:
    own = Rule("governors", When(), Action.PASS)
    assert decided(FIVE, stopped("reject"), own).rule == "governors"


@pytest.mark.parametrize(
    ("given", "history", "sentence"),
    [
        (
            to(*firms(10)),
            stopped("rewrite", 0.9, "families"),
            "This message shows 10 people, and 9 of them stood in one whose addresses were hidden lately.",
        ),
        (
            FIVE,
            stopped("hold"),
            "This message shows the same 5 people as one that was held lately.",
        ),
        (
            FIVE,
            stopped("reject"),
            (
                "Not sent. This message shows the same 5 people as one that was refused lately."
                " Please ask your mail administrator."
            ),
        ),
        (
            FIVE,
            History(known_thread=True),
            "The 5 outside addresses that this message shows were visible to all its recipients in this thread before.",
        ),
        (
            build.mail(b"To: a@firm.example", to=("a@firm.example", "b@firm.example")),
            History(known_thread=True),
            "The outside address it shows was visible to all its recipients in this thread before.",
        ),
        (
            to(*firms(14)),
            History(usually_blind=12),
            "This message shows 14 outside addresses, and its sender normally writes to 12 by Bcc.",
        ),
        (
            PIECE,
            History(pieces=36),
            (
                "Together with messages like it, sent just before, this one shows 36 outside addresses to other people."
                " Those before it have left."
            ),
        ),
        (
            to(*families(12)),
            History(strangers=12),
            (
                "Sending this as written would have shown 12 people's addresses to each other. These 12 people have never"
                " seen each other's addresses."
            ),
        ),
        (
            to(*families(12)),
            History(strangers=11),
            "Sending this as written would have shown 12 people's addresses to each other.",
        ),
        (
            to(*firms(30, domains=3)),
            History(strangers=30),
            (
                "Sending this as written would show 30 outside addresses from 3 organisations to each other. These 30"
                " people have never seen each other's addresses."
            ),
        ),
    ],
)
def test_people_are_told_in_plain_words(given: Submission, history: History, sentence: str) -> None:
    assert decided(given, history).sentence == sentence


# --- conditions ------------------------------------------------------------------------------------------------------

KNOWN = History(known_thread=True, windows=((HOUR, 60), (DAY, 90)))


@pytest.mark.parametrize(
    ("when", "history", "expected"),
    [
        (When(known_thread=True), KNOWN, True),
        (When(known_thread=True), NO_HISTORY, False),
        (When(known_thread=False), KNOWN, False),
        (When(known_thread=False), NO_HISTORY, True),
        (When(window_outsiders=Window(Range(60), HOUR)), KNOWN, True),
        (When(window_outsiders=Window(Range(61), HOUR)), KNOWN, False),
        (When(window_outsiders=Window(Range(61), DAY)), KNOWN, True),
        (When(window_outsiders=Window(Range(1), timedelta(minutes=1))), KNOWN, False),
        (When(window_outsiders=Window(Range(60), HOUR), known_thread=False), KNOWN, False),
    ],
)
def test_conditions_go_by_what_is_remembered(when: When, history: History, expected: bool) -> None:
    assert holds(when, evidence(FIVE, history)) is expected


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (When(channel=(Channel.BODY,)), True),
        (When(channel=(Channel.CALENDAR,)), False),
        (When(channel=(Channel.BODY,), channel_addresses=Range(4)), True),
        (When(channel=(Channel.BODY,), channel_addresses=Range(5)), False),
        (When(channel_addresses=Range(5, 5)), True),
        (When(unreadable=True), True),
        (When(encrypted=True), False),
        (When(finding=("shown_in_body",)), True),
        (When(finding=("closed_part",)), True),
    ],
)
def test_conditions_go_by_what_the_body_shows(when: When, expected: bool) -> None:
    contents = replace(IN_BODY, closed=frozenset({Closed.OVER_BUDGET}))
    assert holds(when, evidence(FIVE, NO_HISTORY, contents)) is expected


# --- the second reading ----------------------------------------------------------------------------------------------

MERGED = Contents(shown=((Channel.BODY, frozenset(firms(50))),))
NEARLY = Contents(shown=((Channel.BODY, frozenset(firms(49))),))
OWN_RULE = Rule("clinic", When(), Action.REWRITE, Form.INDIVIDUAL)
BEFORE_IT = [
    ("correction", FIVE, stopped("rewrite", rule="families"), ()),
    ("clinic", FIVE, NO_HISTORY, (OWN_RULE,)),
]


@pytest.mark.parametrize(("name", "given", "history", "rules"), BEFORE_IT, ids=[row[0] for row in BEFORE_IT])
def test_a_rewrite_is_held_where_the_body_shows_as_many_as_is_held(
    name: str, given: Submission, history: History, rules: tuple[Rule, ...]
) -> None:
    for contents, kind in ((NEARLY, Rewrite), (MERGED, Hold)):
        judged = judge(given, Policy(rules), build.leaving(), contents=contents, history=history)
        assert (judged.verdict.rule, type(judged.verdict)) == (name, kind)
        assert (judged.header is None) is (kind is Hold)


def test_a_usual_bcc_is_held_where_the_relay_holds_sooner_than_the_rule() -> None:
    """The second reading goes by the thresholds of the relay, also where the rule itself is switched off."""
    policy = Policy(builtin=Thresholds(beyond_rewriting=None))
    history = History(usually_blind=10)
    for contents, kind in ((NEARLY, Rewrite), (MERGED, Hold)):
        judged = judge(TEN, policy, build.leaving(), contents=contents, history=history)
        assert (judged.verdict.rule, type(judged.verdict)) == ("usual-bcc", kind)


@pytest.mark.parametrize(("given", "history"), [(FIVE, stopped("reject")), (PIECE, History(pieces=36))])
def test_in_monitor_mode_the_verdict_is_kept_and_the_message_leaves_as_it_came(
    given: Submission, history: History
) -> None:
    enforced = judge(given, Policy(), build.leaving(), history=history)
    watched = judge(given, Policy(monitor=True), build.leaving(), history=history)
    assert watched.judgement == enforced.judgement
    assert (watched.form, watched.header, enforced.header) == (Form.AS_IS, given.message.header, None)
