"""From a submission to what is done with it: verdict and form fit, and nothing unsafe ever leaves."""

from __future__ import annotations

import pytest

from bcc_relay.core.actions.leave import prepare
from bcc_relay.core.actions.pass_through import passed_header
from bcc_relay.core.errors import NotRewritableError
from bcc_relay.core.judge import Judged, can_be_rewritten, judge
from bcc_relay.core.model import Form, Hold, Pass, Reject, Rewrite, Submission
from bcc_relay.core.policy.rule import Action, Policy, Rule, Thresholds, When
from tests import build
from tests.reader import seen

FAMILIES = tuple(f"family{n}@{build.PERSONAL}" for n in range(12))
LINE = b"To: " + ", ".join(FAMILIES).encode()
ALL = build.mail(LINE, to=FAMILIES)
QUIET = build.mail(b"To: clerk@council.example", b"Bcc: x@club.example", to=FAMILIES)
SPOILT = b"Subject: for " + FAMILIES[0].encode()


def judged(given: Submission, action: Action | None = None, *, form: Form | None = None, **policy: object) -> Judged:
    rules = (Rule("mine", When(), action, form, "Because."),) if action else ()
    return judge(given, Policy(rules, **policy), build.leaving())  # type: ignore[arg-type]


def test_quiet_mail_passes_with_its_header_as_it_came_but_for_bcc() -> None:
    result = judged(QUIET)
    assert result.verdict == Pass("everything-else", "", ())
    assert (result.form, result.header) == (Form.AS_IS, passed_header(QUIET.message.header))
    assert b"x@club.example" not in result.header


def test_many_families_are_rewritten_and_the_judgement_holds_no_address() -> None:
    result = judged(ALL)
    assert isinstance(result.verdict, Rewrite)
    assert result.form is Form.SENDER
    assert result.header is not None
    assert seen(result.header, FAMILIES) == set()
    kept = result.judgement
    assert (kept.verdict, kept.rule, kept.visible_outsiders) == ("rewrite", "families", 12)
    assert (kept.outsider_domains, kept.personal_share, kept.damage) == (1, 1.0, ())
    assert "@" not in repr(kept)


@pytest.mark.parametrize("form", [Form.SENDER, Form.UNDISCLOSED, Form.INDIVIDUAL])
def test_a_rewrite_that_would_leak_is_held_whatever_the_form_and_nothing_leaves(form: Form) -> None:
    given = build.mail(LINE, SPOILT, to=FAMILIES)
    for result in (judged(given, form=form), judged(given, Action.REWRITE, form=form)):
        assert isinstance(result.verdict, Hold)
        assert result.verdict.rule in ("families", "mine")
        assert (result.form, result.header, result.safe_release) == (Form.AS_IS, None, False)
        assert "@" not in result.verdict.sentence


@pytest.mark.parametrize(
    "given",
    [
        build.mail(LINE, b"DKIM-Signature: d=club.example; h=To", to=FAMILIES),
        build.mail(LINE, to=FAMILIES, sender=None, author=b"From: nobody"),
        build.mail(LINE, b"no field", to=FAMILIES),
    ],
)
def test_what_cannot_be_rewritten_is_held(given: Submission) -> None:
    result = judged(given, Action.REWRITE)
    assert isinstance(result.verdict, Hold)
    assert result.header is None


def test_a_rewrite_rule_rewrites_in_its_own_form() -> None:
    result = judged(ALL, Action.REWRITE, form=Form.INDIVIDUAL)
    assert result.form is Form.INDIVIDUAL
    assert result.header is not None
    assert b"\r\nTo:" not in result.header


@pytest.mark.parametrize(("given", "offered"), [(ALL, True), (build.mail(LINE, SPOILT, to=FAMILIES), False)])
def test_held_mail_is_offered_for_release_only_when_it_can_be_rewritten(given: Submission, offered: bool) -> None:
    result = judged(given, Action.HOLD)
    assert isinstance(result.verdict, Hold)
    assert (result.header, result.form, result.safe_release) == (None, Form.AS_IS, offered)
    assert can_be_rewritten(given, Form.SENDER, build.leaving()) is offered


def test_refused_mail_does_not_leave() -> None:
    result = judged(ALL, Action.REJECT)
    assert result.verdict == Reject("mine", "Because.", result.findings)
    assert (result.header, result.safe_release) == (None, False)


def test_a_rule_that_passes_lets_the_message_go_as_it_came() -> None:
    result = judged(ALL, Action.PASS)
    assert (result.form, result.header) == (Form.AS_IS, ALL.message.header)


@pytest.mark.parametrize("action", Action)
def test_in_monitor_mode_everything_leaves_as_it_came_and_the_verdict_is_kept(action: Action) -> None:
    result = judged(ALL, action, monitor=True)
    assert result.judgement.verdict == action.value
    assert (result.form, result.header, result.safe_release) == (Form.AS_IS, ALL.message.header, False)


def test_in_monitor_mode_the_verdict_is_that_of_the_second_reading() -> None:
    result = judged(build.mail(LINE, SPOILT, to=FAMILIES), monitor=True)
    assert result.judgement.verdict == "hold"
    assert result.header is not None


def test_monitored_rules_are_reported_with_any_verdict() -> None:
    watched = Rule("watched", When(), Action.HOLD, monitor=True)
    for given in (ALL, QUIET):
        assert judge(given, Policy((watched,)), build.leaving()).monitored == ("watched",)


def test_each_stage_is_timed_once() -> None:
    laps: list[str] = []
    judge(ALL, Policy(), build.leaving(), lap=laps.append)
    assert laps == ["read", "decide", "rewrite"]


def test_the_second_reading_goes_by_the_thresholds_of_the_relay() -> None:
    given = build.mail(LINE, b"Subject: " + b" ".join(b"p%d@club.example" % n for n in range(30)), to=FAMILIES)
    with_rule = build.leaving()
    without = build.leaving(limits=Thresholds(beyond_rewriting=None))
    assert not can_be_rewritten(given, Form.SENDER, with_rule)
    assert can_be_rewritten(given, Form.SENDER, without)


def test_the_reason_for_a_hold_names_no_address() -> None:
    for line in (SPOILT, b"no field", b"DKIM-Signature: d=club.example; h=To"):
        with pytest.raises(NotRewritableError) as error:
            prepare(build.mail(LINE, line, to=FAMILIES), Form.SENDER, build.leaving())
        assert "@" not in error.value.why
        assert error.value.why.endswith(".")
