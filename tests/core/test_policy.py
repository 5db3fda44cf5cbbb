"""Rules: every condition, the order, the built-in ones at their borders, and what monitor mode changes."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from ipaddress import ip_network

import pytest

from bcc_relay.core.detectors import detect
from bcc_relay.core.history import NO_HISTORY
from bcc_relay.core.model import Channel, Form, Hold, Pass, Reject, Rewrite, Submission
from bcc_relay.core.policy.builtin import BUILTIN, EVERYTHING_ELSE
from bcc_relay.core.policy.conditions import holds
from bcc_relay.core.policy.decide import Decision, decide
from bcc_relay.core.policy.evidence import Evidence
from bcc_relay.core.policy.rule import (
    Action,
    BeyondRewriting,
    Damaged,
    Families,
    LargeCircle,
    Policy,
    Range,
    Rule,
    Thresholds,
    Unreadable,
    When,
    Window,
)
from tests import build

ANNA, BEN, CEM = "anna@family-mail.example", "ben@family-mail.example", "cem@gov.example"
TO = (ANNA, BEN, CEM)
PLAIN = build.mail(f"To: {ANNA}, {BEN}, {CEM}, d@council.example".encode(), to=TO)


def evidence(given: Submission, *, today: date = date(2026, 11, 22)) -> Evidence:
    facts = build.facts(given)
    return Evidence(facts, NO_HISTORY, detect(facts, NO_HISTORY), given.origin, today)


def decided(given: Submission, *rules: Rule, builtin: Thresholds | None = None, **policy: object) -> Decision:
    plain = Policy(rules, builtin or Thresholds(), **policy)  # type: ignore[arg-type]
    return decide(evidence(given), plain, build.organisation())


def pattern(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.IGNORECASE)


def at_least(number: float) -> Range:
    return Range(at_least=number)


def at_most(number: float) -> Range:
    return Range(at_most=number)


# --- conditions ------------------------------------------------------------------------------------------------------

REPLY = build.mail(b"To: " + ANNA.encode(), b"References: <0@x.example>", to=TO)
NO_FIELD = build.mail(b"no field", to=TO)
SECRET = build.mail(b"Content-Type: multipart/encrypted", to=TO)
PARTIAL = build.mail(b"Content-Type: message/partial", to=TO)
BOUNCE = build.mail(to=TO, sender=None)
SUBJECT = build.mail(b"Subject: =?utf-8?q?Termine_f=C3=BCr_M=C3=A4rz?=", b"X-Tag:  =?utf-8?q?Caf=C3=A9?= one", to=TO)
TWICE = build.mail(b"X-Tag: one", b"X-Tag: two", to=TO)
HANNA = build.mail(to=TO, user="Hanna", client="192.0.2.7", listener="0.0.0.0:587")
SIX = build.mail(to=TO, client="2001:db8::7")
NOWHERE = build.mail(to=TO, client="")
WORDS = build.mail(f"Subject: {ANNA}".encode(), f"To: {BEN}, {CEM}".encode(), to=TO)
MIXED = build.mail(f"Organization: {ANNA} {BEN}".encode(), f"X-Any: {BEN} {CEM}".encode(), to=TO)

HOLD = [
    ("empty", When(), PLAIN),
    ("sender", When(sender=("x@x.example", "clerk@council.example")), PLAIN),
    ("sender-domain", When(sender=("@council.example",)), PLAIN),
    ("sender-subdomain", When(sender=("@example",)), PLAIN),
    ("sender-null", When(sender=("",)), BOUNCE),
    ("user", When(user=("otto", "hanna")), HANNA),
    ("network", When(network=(ip_network("198.51.100.0/24"), ip_network("192.0.2.0/24"))), HANNA),
    ("network-6", When(network=(ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))), SIX),
    ("listener", When(listener=("0.0.0.0:587",)), HANNA),
    ("subject", When(subject=pattern("^termine für märz$")), SUBJECT),
    ("header", When(header=(("x-tag", pattern("^café")),)), SUBJECT),
    ("header-any-of-a-name", When(header=(("x-tag", pattern("two")),)), TWICE),
    ("header-all-names", When(header=(("x-tag", pattern("one")), ("subject", pattern("märz")))), SUBJECT),
    ("visible-recipients", When(visible_recipients=Range(4, 4)), PLAIN),
    ("visible-outsiders", When(visible_outsiders=Range(3, 3)), PLAIN),
    ("outsider-domains", When(outsider_domains=Range(2, 2)), PLAIN),
    ("personal-share", When(personal_share=Range(0.6, 0.7)), PLAIN),
    ("channel", When(channel=(Channel.CC, Channel.TO)), PLAIN),
    ("channel-by-hand", When(channel=(Channel.SUBJECT,)), WORDS),
    ("channel-addresses", When(channel=(Channel.SUBJECT,), channel_addresses=Range(1, 1)), WORDS),
    ("channel-addresses-fullest", When(channel_addresses=Range(2, 2)), WORDS),
    ("channel-addresses-of-curable-and-other-fields", When(channel_addresses=Range(3, 3)), MIXED),
    ("is-reply", When(is_reply=True), REPLY),
    ("is-not-reply", When(is_reply=False), PLAIN),
    ("finding", When(finding=("damaged", "many_visible")), PLAIN),
    ("damaged", When(damaged=True), NO_FIELD),
    ("not-damaged", When(damaged=False), PLAIN),
    ("unreadable", When(unreadable=True), PARTIAL),
    ("encrypted", When(encrypted=True), SECRET),
    ("size", When(size=Range(100, 1000)), PLAIN),
    ("until-its-last-day", When(until=date(2026, 11, 22)), PLAIN),
    ("all-together", When(sender=("@council.example",), visible_outsiders=at_least(3), is_reply=False), PLAIN),
]
DO_NOT_HOLD = [
    ("sender", When(sender=("x@x.example", "@council.example.org", "@cil.example")), PLAIN),
    ("sender-null", When(sender=("@council.example",)), BOUNCE),
    ("user", When(user=("otto",)), HANNA),
    ("user-without-login", When(user=("otto",)), PLAIN),
    ("network", When(network=(ip_network("198.51.100.0/24"),)), HANNA),
    ("network-6", When(network=(ip_network("192.0.2.0/24"),)), SIX),
    ("network-nowhere", When(network=(ip_network("0.0.0.0/0"),)), NOWHERE),
    ("listener", When(listener=("0.0.0.0:465",)), HANNA),
    ("subject", When(subject=pattern("april")), SUBJECT),
    ("subject-missing", When(subject=pattern("april")), PLAIN),
    ("header", When(header=(("x-tag", pattern("two")),)), SUBJECT),
    ("header-missing", When(header=(("x-tag", pattern("")),)), PLAIN),
    ("header-one-of-two", When(header=(("x-tag", pattern("one")), ("subject", pattern("april")))), SUBJECT),
    ("visible-recipients", When(visible_recipients=at_least(5)), PLAIN),
    ("visible-outsiders", When(visible_outsiders=at_most(2)), PLAIN),
    ("outsider-domains", When(outsider_domains=at_least(3)), PLAIN),
    ("personal-share", When(personal_share=at_least(0.7)), PLAIN),
    ("channel", When(channel=(Channel.CC,)), PLAIN),
    ("channel-addresses", When(channel=(Channel.SUBJECT,), channel_addresses=at_least(2)), WORDS),
    ("channel-addresses-fullest", When(channel_addresses=at_least(3)), WORDS),
    ("is-reply", When(is_reply=True), PLAIN),
    ("is-not-reply", When(is_reply=False), REPLY),
    ("finding", When(finding=("damaged",)), PLAIN),
    ("damaged", When(damaged=True), PLAIN),
    ("not-damaged", When(damaged=False), NO_FIELD),
    ("unreadable", When(unreadable=True), PLAIN),
    ("encrypted", When(encrypted=True), PARTIAL),
    ("size", When(size=at_least(100000)), PLAIN),
    ("until-the-day-before", When(until=date(2026, 11, 21)), PLAIN),
    ("one-of-many", When(sender=("@council.example",), is_reply=True), PLAIN),
    ("known-thread-without-memory", When(known_thread=True), PLAIN),
    ("window-without-memory", When(window_outsiders=Window(at_least(1), timedelta(hours=1))), PLAIN),
]


@pytest.mark.parametrize(("when", "given"), [row[1:] for row in HOLD], ids=[row[0] for row in HOLD])
def test_a_condition_holds(when: When, given: Submission) -> None:
    assert holds(when, evidence(given))


@pytest.mark.parametrize(("when", "given"), [row[1:] for row in DO_NOT_HOLD], ids=[row[0] for row in DO_NOT_HOLD])
def test_a_condition_does_not_hold(when: When, given: Submission) -> None:
    assert not holds(when, evidence(given))


@pytest.mark.parametrize(
    ("range_", "number", "expected"),
    [
        (Range(), 7, True),
        (Range(at_least=10), 9, False),
        (Range(at_least=10), 10, True),
        (Range(at_most=10), 10, True),
        (Range(at_most=10), 11, False),
        (Range(3, 5), 4, True),
        (Range(3, 5), 2, False),
        (Range(0.5), 0.49, False),
        (Range(0.5), 0.5, True),
    ],
)
def test_both_ends_of_a_range_are_included(range_: Range, number: float, expected: bool) -> None:
    assert range_.holds(number) is expected


# --- the built-in rules at their borders -----------------------------------------------------------------------------


def people(personal: int, others: int = 0, *, domains: int = 1) -> tuple[str, ...]:
    """Outsiders: so many with personal mail, so many others in `domains` domains."""
    return (
        *(f"family{n}@{build.PERSONAL}" for n in range(personal)),
        *(f"person{n}@firm{n % domains}.example" for n in range(others)),
    )


def to(*addresses: str, more: bytes = b"") -> Submission:
    return build.mail(b"To: " + b",\r\n ".join(a.encode() for a in addresses), more, to=addresses)


def bcc(*addresses: str, more: bytes) -> Submission:
    return build.mail(more, to=addresses)


CLOSED = b"Content-Type: message/partial"


def words(*addresses: str) -> bytes:
    return b"Subject: " + " ".join(addresses).encode()


BORDERS = [
    ("damaged-1", bcc(*people(1), more=b"no field"), EVERYTHING_ELSE),
    ("damaged-2", bcc(*people(2), more=b"no field"), "damaged"),
    ("damaged-own-do-not-count", bcc(ANNA, "d@council.example", more=b"no field"), EVERYTHING_ELSE),
    ("unreadable-9", bcc(*people(9), more=CLOSED), EVERYTHING_ELSE),
    ("unreadable-10", bcc(*people(10), more=CLOSED), "unreadable"),
    ("beyond-9", bcc(*people(10), more=words(*people(9))), EVERYTHING_ELSE),
    ("beyond-10", bcc(*people(10), more=words(*people(10))), "beyond-rewriting"),
    ("beyond-4-of-10-personal", bcc(*people(4, 6), more=words(*people(4, 6))), EVERYTHING_ELSE),
    ("beyond-5-of-10-personal", bcc(*people(5, 5), more=words(*people(5, 5))), "beyond-rewriting"),
    ("beyond-29-of-any-kind", bcc(ANNA, BEN, more=words(*people(0, 29))), EVERYTHING_ELSE),
    ("beyond-30-of-any-kind", bcc(ANNA, BEN, more=words(*people(0, 30))), "beyond-rewriting"),
    ("beyond-10-who-do-not-receive-it", bcc(ANNA, BEN, more=words(*people(10))), EVERYTHING_ELSE),
    ("families-9", to(*people(9)), EVERYTHING_ELSE),
    ("families-10", to(*people(10)), "families"),
    ("families-share-49", to(*people(49, 51)), EVERYTHING_ELSE),
    ("families-share-50", to(*people(50, 50)), "families"),
    ("large-circle-29-in-3", to(*people(0, 29, domains=3)), EVERYTHING_ELSE),
    ("large-circle-30-in-2", to(*people(0, 30, domains=2)), EVERYTHING_ELSE),
    ("large-circle-30-in-3", to(*people(0, 30, domains=3)), "large-circle"),
    ("damaged-before-unreadable", bcc(*people(10), more=CLOSED + b"\r\nno field"), "damaged"),
    ("unreadable-before-beyond", to(*people(10), more=CLOSED + b"\r\n" + words(*people(10))), "unreadable"),
    ("beyond-before-families", to(*people(10), more=words(*people(10))), "beyond-rewriting"),
    ("families-before-large-circle", to(*people(20, 20, domains=3)), "families"),
]
ACTIONS = {
    "damaged": Hold,
    "unreadable": Hold,
    "beyond-rewriting": Hold,
    "families": Rewrite,
    "large-circle": Hold,
    EVERYTHING_ELSE: Pass,
}


@pytest.mark.parametrize(("given", "rule"), [row[1:] for row in BORDERS], ids=[row[0] for row in BORDERS])
def test_the_built_in_rules_decide_at_their_borders(given: Submission, rule: str) -> None:
    verdict = decided(given).verdict
    assert verdict.rule == rule
    assert type(verdict) is ACTIONS[rule]


def test_the_built_in_rules_stand_in_the_order_of_the_contract() -> None:
    assert list(BUILTIN) == [
        "damaged",
        "unreadable",
        "correction",
        "known-thread",
        "beyond-rewriting",
        "families",
        "usual-bcc",
        "large-circle",
        "in-pieces",
    ]


SWITCHES = {
    "damaged": (bcc(*people(2), more=b"no field"), {"damaged": None}, {"damaged": Damaged(3)}),
    "unreadable": (bcc(*people(10), more=CLOSED), {"unreadable": None}, {"unreadable": Unreadable(11)}),
    "beyond-rewriting": (
        bcc(*people(10), more=words(*people(10))),
        {"beyond_rewriting": None},
        {"beyond_rewriting": BeyondRewriting(own_recipients=11)},
    ),
    "families": (to(*people(10)), {"families": None}, {"families": Families(visible_outsiders=11)}),
    "large-circle": (
        to(*people(0, 30, domains=3)),
        {"large_circle": None},
        {"large_circle": LargeCircle(outsider_domains=4)},
    ),
}


@pytest.mark.parametrize("name", SWITCHES)
def test_each_built_in_rule_can_be_switched_off_or_given_another_threshold(name: str) -> None:
    given, off, higher = SWITCHES[name]
    assert decided(given).verdict.rule == name
    assert decided(given, builtin=replace(Thresholds(), **off)).verdict.rule != name
    assert decided(given, builtin=replace(Thresholds(), **higher)).verdict.rule != name


def test_mail_that_discloses_nobody_is_nobody_s_business() -> None:
    inbound = build.mail(
        b"To: " + ", ".join(people(40)).encode(),
        to=("clerk@council.example",),
        sender=CEM,
        author=b"From: cem@gov.example",
    )
    assert decided(inbound).verdict == Pass(EVERYTHING_ELSE, "", ())


# --- the organisation's own rules ------------------------------------------------------------------------------------

FAMILIES = to(*people(12))


def rule(name: str, then: Action, when: When | None = None, **fields: object) -> Rule:
    return Rule(name, when or When(), then, **fields)  # type: ignore[arg-type]


def test_the_first_own_rule_that_matches_decides_before_the_built_in_ones() -> None:
    first = rule("not-this", Action.REJECT, When(is_reply=True))
    second, third = rule("governors", Action.PASS), rule("never-reached", Action.HOLD)
    assert decided(FAMILIES, first, second, third).verdict.rule == "governors"
    assert decided(FAMILIES, first).verdict.rule == "families"


@pytest.mark.parametrize(
    ("action", "kind"),
    [(Action.PASS, Pass), (Action.REWRITE, Rewrite), (Action.HOLD, Hold), (Action.REJECT, Reject)],
)
def test_a_rule_does_what_it_says(action: Action, kind: type) -> None:
    verdict = decided(FAMILIES, rule("mine", action, sentence="Because.")).verdict
    assert type(verdict) is kind
    assert (verdict.rule, verdict.sentence) == ("mine", "Because.")
    assert verdict.findings


def test_a_rule_has_its_own_form_or_the_configured_one() -> None:
    own = rule("clinic", Action.REWRITE, rewrite=Form.INDIVIDUAL)
    assert decided(FAMILIES, own).verdict.form is Form.INDIVIDUAL
    assert decided(FAMILIES, rule("any", Action.REWRITE), form=Form.UNDISCLOSED).verdict.form is Form.UNDISCLOSED
    assert decided(FAMILIES, form=Form.UNDISCLOSED).verdict.form is Form.UNDISCLOSED
    assert decided(FAMILIES).verdict.form is Form.SENDER


def test_people_are_told_something_where_a_rule_has_no_sentence() -> None:
    assert "12 outside addresses" in decided(FAMILIES, rule("mine", Action.HOLD)).verdict.sentence
    assert decided(build.mail(to=(ANNA,)), rule("mine", Action.REJECT)).verdict.sentence
    assert decided(build.mail(to=(ANNA,)), rule("mine", Action.PASS)).verdict.sentence == ""


def test_a_rule_in_monitor_mode_is_counted_and_the_next_decides() -> None:
    watched = rule("watched", Action.REJECT, monitor=True)
    other = rule("other", Action.HOLD, When(is_reply=True), monitor=True)
    decision = decided(FAMILIES, watched, other, rule("last", Action.PASS))
    assert decision.verdict.rule == "last"
    assert decision.monitored == ("watched",)
    decision = decided(FAMILIES, watched)
    assert (decision.verdict.rule, decision.monitored) == ("families", ("watched",))


def test_a_rule_that_has_ended_lets_the_next_decide() -> None:
    ended = rule("governors", Action.PASS, When(until=date(2026, 11, 21)))
    assert decided(FAMILIES, ended).verdict.rule == "families"
    assert decided(FAMILIES, replace(ended, when=When(until=date(2026, 11, 22)))).verdict.rule == "governors"


@pytest.mark.parametrize(("given", "rule"), [row[1:] for row in BORDERS], ids=[row[0] for row in BORDERS])
def test_what_people_are_told_holds_no_address(given: Submission, rule: str) -> None:
    assert "@" not in decided(given).verdict.sentence
