"""Sending while the client waits: what it hears, what is stored, and who is told, for every way it can end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bcc_relay.core import replies
from bcc_relay.core.errors import StoreError, StoreFullError
from bcc_relay.core.events import Attempted, Failed
from bcc_relay.core.model import Deferred, Delivered, Refused, Reply
from bcc_relay.core.record import State
from tests import build
from tests.fakes_upstream import (
    LATER,
    NO,
    OK,
    all_are,
    breaks,
    by_address,
    deferred,
    delivered,
    in_doubt,
    refused,
    they_are,
    unreachable,
)
from tests.relay.house import (
    CLERK,
    FAMILIES,
    MINUTE,
    OPTIONS,
    TEMPFAIL,
    TWO,
    again,
    house,
    plain,
    to_families,
    with_notify,
)

ANN, BEA = TWO
QUEUED = replies.queued("m1")
STRICT = {"authenticated_listener": True}
SHORT = replace(OPTIONS, live_deadline_s=0.01)
SHORT_TEMPFAIL = replace(TEMPFAIL, live_deadline_s=0.01)


def named(address: str, reply: Reply) -> Reply:
    return replies.recipient_refused(address, reply)


# The outcome(s); what the client hears with `queue` and with `tempfail`; what is stored then, as outcome by recipient
# (with `queue`, with `tempfail`); whom a report names (with `queue`, with `tempfail`).
ONE_RECIPIENT = [
    (delivered, OK, OK, {}, {}),
    (refused, NO, NO, {}, {}),
    (deferred, QUEUED, LATER, {"ann": "deferred"}, {}),
    (unreachable, QUEUED, replies.UPSTREAM_DOWN, {"ann": "deferred"}, {}),
    (in_doubt, QUEUED, replies.NO_ANSWER, {"ann": "in_doubt"}, {"ann": "in_doubt"}),
]


@pytest.mark.parametrize("refuse_all", [False, True])
@pytest.mark.parametrize("case", ONE_RECIPIENT, ids=lambda case: type(case[0]).__name__)
async def test_one_recipient(case: tuple, refuse_all: bool) -> None:
    outcome, hears_queue, hears_tempfail, stored_queue, stored_tempfail = case
    for options, hears, stored in ((OPTIONS, hears_queue, stored_queue), (TEMPFAIL, hears_tempfail, stored_tempfail)):
        async with house(options) as home:
            home.upstream.otherwise = all_are(outcome)
            assert await home.take(plain(authenticated_listener=refuse_all)) == hears
            assert (home.fates() if home.records() else {}) == stored
            state = State.QUEUED if options is OPTIONS else State.FAILED
            assert [record.state for record in home.records()] == [state] * bool(stored)
            assert home.letters == []
            assert len(home.of(Attempted)) == 1


two_deferred = (Deferred(Reply(450, "4.2.0 ann is greylisted")), Deferred(Reply(450, "4.2.0 bea is greylisted")))
BOUNCE = [
    # outcomes, heard (queue, tempfail), stored (queue, tempfail), reported (queue, tempfail)
    ((delivered, delivered), (OK, OK), ({}, {}), ([], [])),
    ((delivered, refused), (OK, OK), ({}, {}), ([BEA], [BEA])),
    ((delivered, deferred), (OK, OK), ({"bea": "deferred"}, {"bea": "deferred"}), ([], [])),
    ((refused, refused), (NO, NO), ({}, {}), ([], [])),
    ((refused, deferred), (QUEUED, LATER), ({"bea": "deferred"}, {}), ([ANN], [])),
    ((deferred, deferred), (QUEUED, LATER), ({"ann": "deferred", "bea": "deferred"}, {}), ([], [])),
    (two_deferred, (QUEUED, two_deferred[0].reply), ({"ann": "deferred", "bea": "deferred"}, {}), ([], [])),
    ((unreachable,) * 2, (QUEUED, replies.UPSTREAM_DOWN), ({"ann": "deferred", "bea": "deferred"}, {}), ([], [])),
    (
        (in_doubt, in_doubt),
        (QUEUED, replies.NO_ANSWER),
        ({"ann": "in_doubt", "bea": "in_doubt"}, {"ann": "in_doubt", "bea": "in_doubt"}),
        ([], []),
    ),
    (
        (refused, in_doubt),
        (QUEUED, replies.NO_ANSWER),
        ({"bea": "in_doubt"}, {"bea": "in_doubt"}),
        ([ANN], []),
    ),
]
REFUSE_ALL = [
    ((delivered, delivered), (OK, OK), ({}, {})),
    ((delivered, refused), (named(BEA, NO), named(BEA, NO)), ({}, {})),
    ((delivered, deferred), (named(BEA, LATER), named(BEA, LATER)), ({}, {})),
    ((deferred, refused), (named(BEA, NO), named(BEA, NO)), ({}, {})),
    ((refused, refused), (NO, NO), ({}, {})),
    ((deferred, deferred), (QUEUED, LATER), ({"ann": "deferred", "bea": "deferred"}, {})),
    (two_deferred, (QUEUED, two_deferred[0].reply), ({"ann": "deferred", "bea": "deferred"}, {})),
    ((unreachable,) * 2, (QUEUED, replies.UPSTREAM_DOWN), ({"ann": "deferred", "bea": "deferred"}, {})),
    (
        (in_doubt, in_doubt),
        (QUEUED, replies.NO_ANSWER),
        ({"ann": "in_doubt", "bea": "in_doubt"}, {"ann": "in_doubt", "bea": "in_doubt"}),
    ),
]


def _names(case: tuple) -> str:
    return "+".join(type(outcome).__name__ for outcome in case[0])


@pytest.mark.parametrize("case", BOUNCE, ids=_names)
async def test_two_recipients_with_partial_refusal_bounce(case: tuple) -> None:
    outcomes, heard, stored, reported = case
    for position, options in enumerate((OPTIONS, TEMPFAIL)):
        async with house(options) as home:
            home.upstream.script.append(they_are(*outcomes))
            assert await home.take(plain(*TWO)) == heard[position]
            assert (home.fates() if home.records() else {}) == stored[position]
            assert [name for letter in home.letters for name in letter.actions()] == reported[position]
            assert all(letter.to == CLERK for letter in home.letters)


@pytest.mark.parametrize("case", REFUSE_ALL, ids=_names)
async def test_two_recipients_with_partial_refusal_refuse_all(case: tuple) -> None:
    outcomes, heard, stored = case
    for position, options in enumerate((OPTIONS, TEMPFAIL)):
        async with house(options) as home:
            home.upstream.script.append(they_are(*outcomes))
            assert await home.take(plain(*TWO, **STRICT)) == heard[position]
            assert (home.fates() if home.records() else {}) == stored[position]
            assert home.letters == []
            if heard[position].code >= 400 and not stored[position]:
                assert home.upstream.copies == {}


async def test_partial_refusal_is_chosen_by_the_kind_of_listener() -> None:
    for options, strict, reply in (
        (OPTIONS, False, OK),
        (OPTIONS, True, named(BEA, NO)),
        (replace(OPTIONS, refuse_all=True), False, named(BEA, NO)),
        (replace(OPTIONS, refuse_all_authenticated=False), True, OK),
    ):
        async with house(options) as home:
            home.upstream.script.append(they_are(delivered, refused))
            assert await home.take(plain(*TWO, authenticated_listener=strict)) == reply


async def test_what_was_deferred_live_is_retried_as_its_second_attempt() -> None:
    async with house() as home:
        home.upstream.otherwise = by_address(bea=deferred)
        assert await home.take(plain(*TWO)) == OK
        (record,) = home.records()
        assert (record.next_attempt_at, record.attempts) == (build.NOW + MINUTE, 1)
        home.clock.forward(MINUTE)
        await home.deliver()
        (record,) = home.records()
        assert (record.next_attempt_at, record.attempts) == (home.clock() + 5 * MINUTE, 2)
        home.upstream.otherwise = all_are(delivered)
        home.clock.forward(5 * MINUTE)
        await home.deliver()
        assert home.upstream.copies == {ANN: 1, BEA: 1}


@pytest.mark.parametrize("outcome", [Deferred, Refused])
async def test_421_from_the_next_server_becomes_451(outcome: type) -> None:
    closing = Reply(421, "4.3.2 Shutting down")
    async with house(TEMPFAIL) as home:
        home.upstream.otherwise = all_are(outcome(closing))
        assert await home.take(plain()) == Reply(451, closing.text)


async def test_a_fault_while_sending_leaves_the_message_in_doubt_and_the_relay_alive() -> None:
    async with house() as home:
        home.upstream.script.append(breaks)
        assert await home.take(plain()) == QUEUED
        assert home.fates() == {"ann": "in_doubt"}
        assert [event.where for event in home.of(Failed)] == ["forwarder"]
        home.clock.forward(MINUTE)
        await home.deliver()
        assert home.fates() == {"ann": "delivered"}


# --- the deadline ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "state", "fate", "reported"),
    [
        (delivered, State.DELIVERED, "delivered", {}),
        (refused, State.FAILED, "refused", {ANN: "failed"}),
        (deferred, State.QUEUED, "deferred", {}),
        (in_doubt, State.QUEUED, "in_doubt", {}),
    ],
)
async def test_past_the_deadline_a_message_is_queued_and_the_late_answer_settles_it(
    outcome: object, state: State, fate: str, reported: dict[str, str]
) -> None:
    async with house(SHORT) as home:
        home.upstream.gate.clear()
        home.upstream.script.append(all_are(outcome))
        assert await home.take(plain()) == QUEUED
        assert home.fates() == {"ann": "in_doubt"}
        assert home.records(State.DELIVERING)
        home.upstream.gate.set()
        await home.until(lambda: not home.records(State.DELIVERING))
        assert home.fates() == {"ann": fate}
        (record,) = home.records(state)
        assert [letter.actions() for letter in home.letters] == ([reported] if reported else [])
        if state is State.QUEUED:
            assert record.next_attempt_at == build.NOW + MINUTE
        assert len(home.upstream.dispatches) == 1


async def test_a_store_outage_at_the_late_answer_does_not_send_twice() -> None:
    async with house(SHORT) as home:
        home.upstream.gate.clear()
        await home.take(plain())
        home.store.failing = StoreError("out for a moment")
        home.upstream.gate.set()
        await home.until(lambda: home.pauses)
        home.store.failing = None
        await home.until(lambda: home.records(State.DELIVERED))
        assert home.upstream.copies == {ANN: 1}


async def test_with_tempfail_a_late_delivery_is_not_repeated_when_the_client_tries_again() -> None:
    async with house(SHORT_TEMPFAIL) as home:
        home.upstream.gate.clear()
        assert await home.take(to_families()) == replies.NO_ANSWER
        # The first attempt is still open: neither sent again nor acknowledged.
        assert await home.take(again(to_families(), "m2")) == replies.NO_ANSWER
        assert len(home.upstream.dispatches) == 1
        assert home.letters == []
        home.upstream.gate.set()
        await home.until(lambda: home.records(State.DELIVERED))
        assert await home.take(again(to_families(), "m3")) == QUEUED
        assert home.upstream.copies == dict.fromkeys(FAMILIES, 1)
        assert [letter.kind for letter in home.letters] == ["Sent with the addresses hidden"]
        # From here on the client has heard 250: the same once more is meant.
        assert await home.take(again(to_families(), "m4")) == OK
        assert home.upstream.copies == dict.fromkeys(FAMILIES, 2)


@pytest.mark.parametrize("outcome", [refused, deferred, in_doubt])
async def test_with_tempfail_a_late_failure_leaves_the_next_try_to_the_client(outcome: object) -> None:
    async with house(SHORT_TEMPFAIL) as home:
        home.upstream.gate.clear()
        home.upstream.script.append(all_are(outcome))
        await home.take(plain())
        home.upstream.gate.set()
        await home.until(lambda: home.records(State.FAILED))
        assert home.letters == []
        home.clock.forward(timedelta(days=1) - MINUTE)
        await home.deliver()
        assert len(home.upstream.dispatches) == 1
        home.current.options = TEMPFAIL
        assert await home.take(again(plain(), "m2", at=home.clock())) == OK


async def test_with_tempfail_a_late_delivery_to_some_is_finished_by_the_relay() -> None:
    async with house(SHORT_TEMPFAIL) as home:
        home.upstream.gate.clear()
        home.upstream.script.append(they_are(delivered, deferred))
        assert await home.take(plain(*TWO)) == replies.NO_ANSWER
        home.upstream.gate.set()
        await home.until(lambda: home.records(State.QUEUED))
        assert await home.take(again(plain(*TWO), "m2")) == QUEUED
        home.clock.forward(MINUTE)
        await home.deliver()
        assert home.upstream.copies == {ANN: 1, BEA: 1}


async def test_after_a_restart_the_relay_finishes_what_was_in_doubt_and_knows_its_resubmission() -> None:
    for options, reply in ((SHORT, QUEUED), (SHORT_TEMPFAIL, replies.NO_ANSWER)):
        async with house(options) as before:
            before.upstream.gate.clear()
            assert await before.take(plain()) == reply
            await before.delivery.drain(0)
        async with house(options, store=before.store, clock=before.clock, name="relay-2") as after:
            await after.resubmissions.recall()
            await after.store.reclaim(owner="")
            if options is SHORT_TEMPFAIL:
                assert await after.take(again(plain(), "m2")) == QUEUED
            await after.deliver()
            assert after.fates() == {"ann": "delivered"}
            assert after.upstream.copies == {ANN: 1}


# --- the client is gone ----------------------------------------------------------------------------------------------


async def test_what_a_client_never_heard_of_is_not_sent_again() -> None:
    async with house() as home:
        reply = await home.take(plain())
        await home.intake.unheard(plain(), reply)
        assert await home.take(again(plain(), "m2")) == QUEUED
        assert home.upstream.copies == {ANN: 1}
        (record,) = home.records()
        assert record.state is State.DELIVERED
        message = await home.store.message("m1")
        assert message is not None
        assert message.size_bytes == 0  # the message itself is not stored


@pytest.mark.parametrize(
    ("other", "later"),
    [
        (plain(BEA), timedelta(0)),
        (plain(raw=build.message(build.header(ANN), b"Other words\r\n")), timedelta(0)),
        (plain(sender="office@council.example"), timedelta(0)),
        (plain(), timedelta(hours=24, seconds=1)),
    ],
    ids=["recipients", "octets", "sender", "a day later"],
)
async def test_a_message_that_differs_or_comes_a_day_later_is_sent(other: object, later: timedelta) -> None:
    async with house() as home:
        await home.intake.unheard(plain(), await home.take(plain()))
        home.clock.forward(later)
        assert await home.take(again(other, "m2", at=home.clock())) == OK
        assert sum(home.upstream.copies.values()) == 2


async def test_a_client_that_was_gone_is_remembered_over_a_restart() -> None:
    async with house() as before:
        await before.intake.unheard(plain(), await before.take(plain()))
    async with house(store=before.store, name="relay-2") as after:
        await after.resubmissions.recall()
        assert await after.take(again(plain(), "m2")) == QUEUED
        assert after.upstream.dispatches == []


async def test_a_client_that_was_gone_twice_is_still_known() -> None:
    async with house() as home:
        await home.intake.unheard(plain(), await home.take(plain()))
        second = again(plain(), "m2")
        await home.intake.unheard(second, await home.take(second))
        assert await home.take(again(plain(), "m3")) == replies.queued("m2")
        assert home.upstream.copies == {ANN: 1}


async def test_a_queued_message_whose_client_was_gone_is_not_taken_twice() -> None:
    async with house() as home:
        home.upstream.script.append(all_are(deferred))
        await home.intake.unheard(plain(), await home.take(plain()))
        assert await home.take(again(plain(), "m2")) == QUEUED
        assert len(home.records()) == 1
        home.clock.forward(MINUTE)
        await home.deliver()
        assert home.upstream.copies == {ANN: 1}


@pytest.mark.parametrize("reply", [NO, LATER, replies.NO_ANSWER])
async def test_an_unheard_refusal_is_not_remembered(reply: Reply) -> None:
    async with house() as home:
        await home.intake.unheard(plain(), reply)
        assert home.records() == []
        assert await home.take(again(plain(), "m2")) == OK


async def test_an_unheard_answer_while_the_store_is_out_is_reported_and_nothing_else() -> None:
    async with house() as home:
        reply = await home.take(plain())
        home.store.failing = StoreError("out")
        await home.intake.unheard(plain(), reply)
        assert [event.where for event in home.of(Failed)] == ["store"]


# --- the store fails -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("error", "code"), [(StoreError("out"), 451), (StoreFullError("full"), 452)])
@pytest.mark.parametrize(
    "answer",
    [
        all_are(deferred),
        all_are(unreachable),
        all_are(in_doubt),
        they_are(delivered, deferred),
        they_are(delivered, refused),
    ],
)
@pytest.mark.parametrize("options", [OPTIONS, TEMPFAIL])
async def test_what_had_to_be_stored_and_could_not_is_never_acknowledged(
    error: StoreError, code: int, answer: object, options: object
) -> None:
    async with house(options) as home:
        home.store.failing = error
        home.upstream.script.append(answer)
        reply = await home.take(plain(*TWO))
        stored_nothing_needed = options is TEMPFAIL and reply in (LATER, replies.UPSTREAM_DOWN)
        assert reply.code == code or stored_nothing_needed


@pytest.mark.parametrize("submission", [to_families(), with_notify(plain(), "SUCCESS")], ids=["notice", "relayed"])
async def test_a_delivered_message_is_acknowledged_though_its_notice_cannot_be_stored(submission: object) -> None:
    """451 would have the client send it to everybody again."""
    async with house() as home:
        home.upstream.otherwise = all_are(Delivered(OK))
        home.store.failing = StoreError("out")
        assert await home.take(submission) == OK
        assert [event.where for event in home.of(Failed)] == ["store"]


async def test_past_the_deadline_a_message_that_cannot_be_stored_is_not_acknowledged() -> None:
    async with house(SHORT) as home:
        home.upstream.gate.clear()
        home.store.failing = StoreError("out")
        reply = await home.take(plain())
        assert reply.code == 451
        home.store.failing = None
        assert home.records() == []


# --- delivery reports ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("notify", "dsn_offered", "outcome", "actions"),
    [
        (("NEVER",), True, refused, None),
        ((), True, refused, "failed"),
        (("FAILURE",), True, refused, "failed"),
        (("SUCCESS",), True, refused, None),
        (("SUCCESS",), False, delivered, "relayed"),
        (("SUCCESS", "FAILURE"), False, delivered, "relayed"),
        (("SUCCESS",), True, delivered, None),
        (("NEVER",), False, delivered, None),
        ((), False, delivered, None),
    ],
)
async def test_who_asked_for_what_report(
    notify: tuple[str, ...], dsn_offered: bool, outcome: object, actions: str | None
) -> None:
    fate = Delivered(OK, dsn_offered=dsn_offered) if outcome is delivered else outcome
    async with house() as home:
        home.upstream.otherwise = they_are(Delivered(OK, dsn_offered=True), fate)
        assert await home.take(with_notify(plain(*TWO), *notify, only=[BEA])) == OK
        assert [letter.actions() for letter in home.letters] == ([{BEA: actions}] if actions else [])


async def test_ret_and_envid_are_honoured() -> None:
    for ret, returned in (("FULL", True), ("HDRS", False), (None, False)):
        submission = plain(*TWO)
        submission = replace(submission, envelope=replace(submission.envelope, ret=ret, envid=b"batch+2B7"))
        async with house() as home:
            home.upstream.otherwise = they_are(delivered, refused)
            await home.take(submission)
            (letter,) = home.letters
            assert ("\r\nHello\r\n" in letter.text) == returned
            assert "Original-Envelope-Id: batch+7\r\n" in letter.text
            assert home.upstream.dispatches[0].envelope.envid == b"batch+2B7"


async def test_nothing_is_ever_reported_to_the_null_sender() -> None:
    async with house() as home:
        home.upstream.otherwise = they_are(delivered, refused)
        assert await home.take(plain(*TWO, sender=None)) == OK
        assert home.letters == []


async def test_outcomes_are_told_to_observers() -> None:
    async with house() as home:
        home.upstream.otherwise = they_are(delivered, refused)
        await home.take(plain(*TWO))
        assert home.of(Attempted) == [Attempted("m1", {"delivered": 1, "refused": 1}, OK.code, OK.text, live=True)]
