"""Delivery of what waits in the store: outcomes, retries, giving up, and the order in which things end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from bcc_relay.core import replies
from bcc_relay.core.errors import NotRewritableError, StoreError
from bcc_relay.core.events import Attempted, Failed, Moved
from bcc_relay.core.model import Delivered, Form, Reply
from bcc_relay.core.record import State
from bcc_relay.relay import delivery as delivery_module
from tests import build
from tests.fakes_upstream import (
    LATER,
    NO,
    OK,
    FakeUpstream,
    all_are,
    by_address,
    deferred,
    delivered,
    in_doubt,
    refused,
    unreachable,
)
from tests.relay.house import (
    CLERK,
    FAMILIES,
    LEAVING,
    MINUTE,
    QUEUE,
    TWO,
    House,
    house,
    plain,
    to_families,
    with_notify,
)

if TYPE_CHECKING:
    import pytest

ANN, BEA = TWO
HOUR = timedelta(hours=1)
INDIVIDUAL = {"form": Form.INDIVIDUAL, "next_attempt_at": build.NOW}
SMALL = replace(QUEUE, leaving=replace(LEAVING, recipients_per_transaction=1))


async def stored(home: House, *to: str, **fields: object) -> None:
    await home.store.add(build.new_record(*to, **fields))


async def test_each_recipient_has_an_outcome_of_its_own() -> None:
    async with house(QUEUE) as home:
        await home.take(plain(*TWO, "cid@mail0.example"))
        home.upstream.otherwise = by_address(bea=refused, cid=deferred)
        await home.deliver()
        assert home.fates() == {"ann": "delivered", "bea": "refused", "cid": "deferred"}
        (record,) = home.records(State.QUEUED)
        assert [r.reply for r in record.recipients] == [OK, NO, LATER]
        assert [letter.actions() for letter in home.letters] == [{BEA: "failed"}]
        home.upstream.otherwise = all_are(delivered)
        home.clock.forward(MINUTE)
        await home.deliver()
        # A refusal makes the message failed, whatever became of the others. It is reported once.
        assert home.records(State.FAILED)
        assert home.upstream.copies == {ANN: 1, "cid@mail0.example": 1, CLERK: 1}
        assert len(home.letters) == 1
        assert home.of(Attempted)[0] == Attempted(
            "m1", {"delivered": 1, "refused": 1, "deferred": 1}, OK.code, OK.text, live=False
        )
        assert [(event.message_id, event.old, event.new) for event in home.of(Moved) if event.message_id == "m1"] == [
            ("m1", "delivering", "queued"),
            ("m1", "delivering", "failed"),
        ]


async def test_retries_follow_the_schedule_and_end_with_a_report_that_names_all_undelivered() -> None:
    async with house(QUEUE) as home:
        home.upstream.otherwise = by_address(ann=deferred, bea=in_doubt, clerk=delivered)
        await home.take(plain(*TWO, "cid@mail0.example"))
        start, times = home.clock(), []
        while not home.records(State.FAILED):
            await home.deliver()
            (record,) = home.records()
            if record.state is State.QUEUED:
                home.clock.now = record.next_attempt_at
                times.append(home.clock() - start)
        quarter = 15 * MINUTE
        assert times[:4] == [MINUTE, 6 * MINUTE, 6 * MINUTE + quarter, 6 * MINUTE + 2 * quarter]
        assert times[-1] == timedelta(days=2)
        assert home.fates() == {"ann": "deferred", "bea": "in_doubt", "cid": "delivered"}
        delayed, failed = home.letters
        assert delayed.actions() == {ANN: "delayed", BEA: "delayed"}
        assert failed.actions() == {ANN: "failed", BEA: "failed"}
        assert "The message may have arrived" in failed.text


async def test_a_delay_is_told_once_after_four_hours_and_not_against_the_senders_wish() -> None:
    for notify, told in (((), 1), (("DELAY",), 1), (("FAILURE",), 0), (("NEVER",), 0)):
        async with house(QUEUE) as home:
            home.upstream.otherwise = by_address(ann=deferred)
            await home.take(with_notify(plain(), *notify))
            for hours in range(6):
                await home.deliver()
                if hours < 4:
                    assert home.letters == []
                home.clock.forward(HOUR)
            assert [letter.actions() for letter in home.letters] == [{ANN: "delayed"}] * told


async def test_a_message_that_was_released_has_its_full_time_from_the_release() -> None:
    async with house(QUEUE) as home:
        await stored(home, state=State.HELD, expires_at=build.NOW + timedelta(days=14))
        home.clock.forward(timedelta(days=5))
        await home.review.release("m1", Form.SENDER, person="dpo")
        home.upstream.otherwise = all_are(deferred)
        await home.deliver()
        (record,) = home.records(State.RELEASED)
        assert record.next_attempt_at == home.clock() + MINUTE


async def test_each_recipient_of_an_individual_message_gets_one_copy_with_their_own_address_alone() -> None:
    async with house(QUEUE) as home:
        await stored(home, *FAMILIES, raw=to_families().message, **INDIVIDUAL)
        await home.deliver()
        assert home.upstream.copies == dict.fromkeys(FAMILIES, 1)
        for dispatch, family in zip(home.upstream.dispatches, FAMILIES, strict=True):
            (recipient,) = dispatch.envelope.recipients
            assert recipient.address.text == family
            octets = b"".join(dispatch.message.pieces())
            assert f"To: {family}\r\n".encode() in octets
            assert octets.count(b"@mail0.example") == 1


async def test_an_unreachable_server_is_asked_once_and_not_for_every_recipient() -> None:
    async with house(QUEUE) as home:
        await stored(home, *FAMILIES, **INDIVIDUAL)
        home.upstream.script.extend([all_are(delivered), all_are(unreachable)])
        await home.deliver()
        assert len(home.upstream.dispatches) == 2
        (record,) = home.records(State.QUEUED)
        assert record.next_attempt_at == home.clock() + MINUTE
        home.clock.forward(MINUTE)
        await home.deliver()
        assert home.upstream.copies == dict.fromkeys(FAMILIES, 1)


async def test_a_message_with_very_many_transactions_gives_way_before_its_claim_ends() -> None:
    """Else a second claim would send the rest beside the first one."""
    async with house(QUEUE) as home:

        def slowly(dispatch: object) -> object:
            home.clock.forward(timedelta(minutes=16))
            return all_are(delivered)(dispatch)

        home.upstream.otherwise = slowly
        await stored(home, *FAMILIES[:6], **INDIVIDUAL)
        await home.deliver()
        assert home.upstream.copies == dict.fromkeys(FAMILIES[:6], 1)
        assert [(event.old, event.new) for event in home.of(Moved)] == [
            ("delivering", "queued"),
            ("delivering", "queued"),
            ("delivering", "delivered"),
        ]
        assert home.records(State.DELIVERED)[0].attempts == 1  # giving way is no failed attempt


async def test_what_cannot_be_rewritten_any_more_is_reported_and_never_sent_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuses(*_: object) -> bytes:
        raise NotRewritableError("The settings have changed.")

    async with house(QUEUE) as home:
        await home.take(to_families())
        monkeypatch.setattr("bcc_relay.relay.delivery.prepare", refuses)
        monkeypatch.setattr(home.upstream, "otherwise", all_are(delivered))
        (record,) = await home.store.claim(now=home.clock(), owner="relay-1", lease_until=home.clock() + HOUR, limit=1)
        await home.delivery._deliver(record)
        assert home.upstream.dispatches == []
        assert home.records(State.FAILED)
        failed = home.letters[-1]
        assert failed.actions() == dict.fromkeys(FAMILIES, "failed")
        assert failed.to == CLERK


async def test_a_message_whose_content_is_gone_is_reported() -> None:
    async with house(QUEUE) as home:
        await home.take(plain())
        home.store._entries["m1"].message = None
        await home.deliver()
        assert home.fates() == {"ann": "refused"}
        assert [letter.actions() for letter in home.letters] == [{ANN: "failed"}]
        assert "erased" in home.letters[0].text


async def test_a_stored_message_is_relayed_with_a_report_where_the_next_server_gives_none() -> None:
    async with house(QUEUE) as home:
        home.upstream.otherwise = all_are(Delivered(OK))
        await home.take(with_notify(plain(), "SUCCESS"))
        await home.deliver()
        assert [letter.actions() for letter in home.letters] == [{ANN: "relayed"}]


# --- many at a time --------------------------------------------------------------------------------------------------


async def test_many_messages_are_delivered_at_a_time_but_never_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_module, "POLL_S", 3600)  # each that is done makes room for the next at once
    async with house(QUEUE) as home:
        for number in range(100):
            await stored(home, id=f"q{number:03}")
        await home.deliver()
        assert len(home.records(State.DELIVERED)) == 100
        assert home.upstream.busiest == delivery_module.BATCH


async def test_a_slow_message_does_not_hold_up_the_others() -> None:
    async with house(QUEUE) as home, asyncio.TaskGroup() as group:
        home.upstream.gate.clear()
        running = group.create_task(home.delivery.run())
        await stored(home, id="slow")
        home.delivery.wake()
        await home.until(lambda: home.upstream.busy)
        quick = FakeUpstream()
        home.delivery._attempts._upstream = quick
        await stored(home, id="quick")
        home.delivery.wake()
        await home.until(lambda: home.records(State.DELIVERED))
        assert home.records(State.DELIVERED)[0].id == "quick"
        home.upstream.gate.set()
        await home.until(lambda: len(home.records(State.DELIVERED)) == 2)
        running.cancel()


async def test_new_mail_wakes_delivery_and_an_empty_queue_lets_it_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_module, "POLL_S", 3600)
    claims = 0

    async with house(QUEUE) as home, asyncio.TaskGroup() as group:
        claim = home.store.claim

        async def counted(**fields: object) -> object:
            nonlocal claims
            claims += 1
            await asyncio.sleep(0)
            return await claim(**fields)

        monkeypatch.setattr(home.store, "claim", counted)
        running = group.create_task(home.delivery.run())
        for number in range(30):
            # Whatever delivery is doing at this moment, it finds the message without waiting for its poll.
            for _ in range(number % 7):
                await asyncio.sleep(0)
            await home.take(plain(id=f"q{number}"))
        await home.until(lambda: len(home.records(State.DELIVERED)) == 30)
        for _ in range(20):
            await asyncio.sleep(0)
        before = claims
        for _ in range(200):
            await asyncio.sleep(0)
        assert claims == before
        running.cancel()


# --- trouble ---------------------------------------------------------------------------------------------------------


async def test_a_store_outage_after_sending_is_waited_out_and_nothing_is_sent_twice() -> None:
    async with house(QUEUE) as home:

        def and_then_the_store_is_out(dispatch: object) -> object:
            home.store.failing = StoreError("out")
            return all_are(delivered)(dispatch)

        home.upstream.script.append(and_then_the_store_is_out)
        await stored(home, *TWO)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(home.delivery.run())
            await home.until(lambda: home.pauses > 3)
            home.store.failing = None
            await home.until(lambda: home.records(State.DELIVERED))
            running.cancel()
        assert home.upstream.copies == {ANN: 1, BEA: 1}
        assert {event.where for event in home.of(Failed)} == {"delivery"}


async def test_a_store_outage_at_the_claim_or_before_sending_delays_the_message_a_little(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery_module, "POLL_S", 0.001)
    async with house(QUEUE) as home:
        await stored(home)
        message, failures = home.store.message, [StoreError("out"), StoreError("out")]

        async def sometimes(message_id: str) -> object:
            if failures:
                raise failures.pop()
            return await message(message_id)

        monkeypatch.setattr(home.store, "message", sometimes)
        home.store.failing = StoreError("out")
        async with asyncio.TaskGroup() as group:
            running = group.create_task(home.delivery.run())
            await home.until(lambda: len(home.of(Failed)) > 3)
            home.store.failing = None
            await home.until(lambda: home.records(State.QUEUED) and home.records()[0].attempts == 1)
            running.cancel()
        home.clock.forward(MINUTE)
        await home.deliver()
        assert home.records(State.DELIVERED)


async def test_an_error_in_one_message_puts_it_off_and_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepare = delivery_module.prepare

    def breaks_for_one(submission: object, *rest: object) -> bytes:
        if submission.id == "bad":
            raise RecursionError("too deep")
        return prepare(submission, *rest)

    async with house(QUEUE) as home:
        await stored(home, id="bad")
        await stored(home, id="good")
        monkeypatch.setattr(delivery_module, "prepare", breaks_for_one)
        await home.deliver()
        assert [record.id for record in home.records(State.DELIVERED)] == ["good"]
        (bad,) = home.records(State.QUEUED)
        assert bad.next_attempt_at == home.clock() + MINUTE
        assert "bad" in {event.message_id for event in home.of(Failed)}
        # It is given up in the end, and its sender hears of it.
        home.clock.forward(timedelta(days=3))
        await home.deliver()
        assert home.records(State.FAILED)
        assert [letter.to for letter in home.letters] == [CLERK]


async def test_a_report_that_cannot_be_written_does_not_send_the_message_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def breaks(*_: object) -> object:
        raise ValueError("unwritable")

    monkeypatch.setattr("bcc_relay.core.report.delivery_report", breaks)
    async with house(QUEUE) as home:
        await stored(home, *TWO)
        home.upstream.otherwise = by_address(bea=refused)
        await home.deliver()
        home.clock.forward(timedelta(days=1))
        await home.deliver()
        assert home.upstream.copies == {ANN: 1}
        assert [event.where for event in home.of(Failed)] == ["delivery.report"]


async def test_what_somebody_else_has_moved_meanwhile_is_left_alone() -> None:
    async with house(QUEUE) as home:

        def while_another_takes_over(dispatch: object) -> object:
            entry = home.store._entries["m1"]
            entry.record = replace(entry.record, revision=entry.record.revision + 5)
            return all_are(delivered)(dispatch)

        home.upstream.script.append(while_another_takes_over)
        await stored(home)
        (record,) = await home.store.claim(now=home.clock(), owner="relay-1", lease_until=home.clock() + HOUR, limit=1)
        await home.delivery._deliver_one(record)
        assert home.records(State.DELIVERING)
        assert home.of(Moved) == []


# --- stopping --------------------------------------------------------------------------------------------------------


async def test_draining_finishes_what_is_under_way_and_leaves_the_rest_due_at_once() -> None:
    async with house(SMALL) as home, asyncio.TaskGroup() as group:
        home.upstream.gate.clear()
        await stored(home, *FAMILIES)
        running = group.create_task(home.delivery.run())
        await home.until(lambda: home.upstream.busy)
        draining = group.create_task(home.delivery.drain(5))
        await asyncio.sleep(0)
        home.upstream.gate.set()
        assert await draining == 0
        await running
        assert home.upstream.copies == {FAMILIES[0]: 1}
        (record,) = home.records(State.QUEUED)
        assert (record.next_attempt_at, record.attempts) == (home.clock(), 0)
    async with house(QUEUE, store=home.store, upstream=home.upstream, name="relay-2") as after:
        await after.deliver()
        assert after.upstream.copies == dict.fromkeys(FAMILIES, 1)


async def test_draining_gives_back_what_was_claimed_in_the_last_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with house(QUEUE) as home, asyncio.TaskGroup() as group:
        await stored(home)
        claim, may_claim = home.store.claim, asyncio.Event()

        async def slow(**fields: object) -> object:
            claimed = await claim(**fields)
            await may_claim.wait()
            return claimed

        monkeypatch.setattr(home.store, "claim", slow)
        running = group.create_task(home.delivery.run())
        await home.until(lambda: home.records(State.DELIVERING))
        draining = group.create_task(home.delivery.drain(5))
        for _ in range(10):
            await asyncio.sleep(0)
        may_claim.set()
        await draining
        await running
        assert home.upstream.dispatches == []
        assert home.records(State.QUEUED)


async def test_draining_breaks_off_what_takes_too_long_as_in_doubt() -> None:
    async with house(QUEUE) as home, asyncio.TaskGroup() as group:
        home.upstream.gate.clear()
        await stored(home)
        running = group.create_task(home.delivery.run())
        await home.until(lambda: home.upstream.busy)
        assert await home.delivery.drain(0) == 1
        await running
        assert home.records(State.QUEUED)
        assert home.fates() == {"family": "in_doubt"}


async def test_draining_waits_for_late_answers() -> None:
    async with house(replace(QUEUE, live=True, live_deadline_s=0.001)) as home, asyncio.TaskGroup() as group:
        home.upstream.gate.clear()
        await home.take(plain())
        draining = group.create_task(home.delivery.drain(5))
        await asyncio.sleep(0)
        home.upstream.gate.set()
        await draining
        assert home.records(State.DELIVERED)


async def test_a_live_send_that_is_broken_off_is_stored_as_in_doubt() -> None:
    async with house() as home, asyncio.TaskGroup() as group:
        home.upstream.gate.clear()
        taking = group.create_task(home.take(plain()))
        await home.until(lambda: home.upstream.busy)
        assert await home.delivery.drain(0) == 1
        assert await taking == replies.queued("m1")
        assert home.fates() == {"ann": "in_doubt"}
        assert isinstance(home.records(State.QUEUED)[0].recipients[0].reply, Reply)
