"""What people do with held and waiting mail: each act once, by the right person, and the sender told."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bcc_relay.core.errors import StoreError
from bcc_relay.core.events import Moved
from bcc_relay.core.model import Form
from bcc_relay.core.policy.rule import Policy
from bcc_relay.core.record import State
from bcc_relay.relay.review import Done, NeedsSecondPerson, NotFound, Refused
from tests import build
from tests.contracts.steps import events
from tests.fakes_upstream import all_are, deferred, unreachable
from tests.relay.house import CLERK, DPO, FIRMS, MINUTE, OPTIONS, House, house, plain, to_firms

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

WIDE = replace(OPTIONS, leaving=replace(OPTIONS.leaving, recipients_per_transaction=100))


async def held(home: House, **fields: object) -> None:
    """One held message, its notices delivered."""
    await home.take(to_firms(**fields))
    await home.deliver()
    home.upstream.dispatches.clear()
    home.upstream.copies.clear()


def kinds(home: House) -> list[str]:
    return [letter.kind for letter in home.letters]


@pytest.mark.parametrize(
    ("form", "leaves_as", "transactions", "shown"),
    [
        (None, Form.SENDER, 1, b"To: Clerk <clerk@council.example>\r\n"),
        (Form.UNDISCLOSED, Form.UNDISCLOSED, 1, b"To: undisclosed-recipients:;\r\n"),
        (Form.INDIVIDUAL, Form.INDIVIDUAL, 32, b"To: office@firm31.example\r\n"),
    ],
)
async def test_a_safe_release_needs_no_reason_and_shows_nobody_to_anybody(
    form: Form | None, leaves_as: Form, transactions: int, shown: bytes
) -> None:
    async with house(WIDE) as home:
        await held(home)
        result = await home.review.release("m1", form, person="dpo")
        assert isinstance(result, Done)
        assert (result.record.state, result.record.form) == (State.RELEASED, leaves_as)
        await home.deliver()
        assert len(home.upstream.dispatches) == transactions
        assert home.upstream.copies == dict.fromkeys(FIRMS, 1)
        assert shown in home.upstream.last
        assert home.upstream.last.count(b"@firm") == (form is Form.INDIVIDUAL)
        assert home.records(State.DELIVERED)


async def test_as_bcc_is_never_a_copy_for_each() -> None:
    async with house(replace(WIDE, policy=Policy(form=Form.INDIVIDUAL))) as home:
        await held(home)
        await home.review.release("m1", None, person="dpo")
        assert home.records(State.RELEASED)[0].form is Form.SENDER


async def test_as_it_is_needs_a_reason_and_a_second_person() -> None:
    async with house(WIDE) as home:
        await held(home)
        release = home.review.release
        assert isinstance(await release("m1", Form.AS_IS, person="dpo", reason=" "), Refused)
        assert await release("m1", Form.AS_IS, person="dpo", reason="They know") == NeedsSecondPerson("dpo")
        assert await release("m1", Form.AS_IS, person="dpo", reason="They know") == NeedsSecondPerson("dpo")
        assert home.records(State.HELD)
        assert home.upstream.dispatches == []
        assert isinstance(await release("m1", Form.AS_IS, person="head", reason=""), Refused)
        assert isinstance(await release("m1", Form.AS_IS, person="head", reason="They know"), Done)
        await home.deliver()
        assert home.upstream.last.count(b"@firm") == 32
        assert await events(home.store) == ["held", "asked", "released", "claimed", "delivered"]


async def test_a_second_person_may_be_switched_off_but_not_the_reason() -> None:
    async with house(replace(WIDE, second_person_as_is=False)) as home:
        await held(home)
        assert isinstance(await home.review.release("m1", Form.AS_IS, person="dpo"), Refused)
        assert isinstance(await home.review.release("m1", Form.AS_IS, person="dpo", reason="They know"), Done)


async def test_one_who_asked_for_it_as_it_is_may_still_release_it_safely() -> None:
    async with house(WIDE) as home:
        await held(home)
        await home.review.release("m1", Form.AS_IS, person="dpo", reason="They know")
        assert isinstance(await home.review.release("m1", None, person="dpo"), Done)


async def test_a_release_whose_rewrite_would_leak_moves_nothing() -> None:
    """The Subject shows whom the mail goes to, and is never changed."""
    async with house(WIDE) as home:
        subject = b"Subject: for " + ", ".join(FIRMS).encode() + b"\r\n"
        await held(home, more=subject)
        for form in (None, Form.INDIVIDUAL):
            result = await home.review.release("m1", form, person="dpo")
            assert isinstance(result, Refused)
            assert "firm" not in result.why
        (record,) = home.records(State.HELD)
        assert record.revision == 1
        assert await events(home.store) == ["held"]


async def test_nothing_of_an_erased_message_is_released() -> None:
    async with house() as home:
        await held(home)
        home.store._entries["m1"].message = None
        assert isinstance(await home.review.release("m1", None, person="dpo"), Refused)
        assert home.records(State.HELD)


async def test_fifty_releases_at_once_release_once() -> None:
    async with house(WIDE) as home:
        await held(home)
        get = home.store.get

        async def slow(message_id: str) -> object:
            record = await get(message_id)
            await asyncio.sleep(0)  # so that all of them have read before the first has moved
            return record

        home.store.get = slow
        results = await asyncio.gather(*(home.review.release("m1", None, person=f"p{n}") for n in range(50)))
        assert sum(isinstance(result, Done) for result in results) == 1
        assert sum(isinstance(result, Refused) for result in results) == 49
        await home.deliver()
        assert home.upstream.copies == dict.fromkeys(FIRMS, 1)
        assert (await events(home.store)).count("released") == 1


async def test_the_retry_clock_starts_at_release() -> None:
    async with house(WIDE) as home:
        await held(home)
        home.clock.forward(timedelta(days=13))
        home.upstream.otherwise = all_are(unreachable)
        await home.review.release("m1", None, person="dpo")
        await home.deliver()
        (record,) = home.records(State.RELEASED)
        assert record.retry_since == record.released_at == home.clock()
        home.clock.forward(timedelta(days=2))
        await home.deliver()
        assert home.records(State.FAILED)
        assert len(home.letters[-1].actions()) == 32


@pytest.mark.parametrize(("by", "words"), [("reviewer", "dropped by a reviewer"), ("sender", "dropped as you asked")])
async def test_a_discarded_message_goes_nowhere_and_its_sender_is_told_by_whom_and_why(by: str, words: str) -> None:
    async with house() as home:
        await held(home)
        result = await home.review.discard("m1", person="dpo", reason="Wrong list, ask ann@mail0.example", by=by)
        assert isinstance(result, Done)
        await home.deliver()
        assert home.upstream.copies == {CLERK: 1}
        letter = home.letters[-1]
        assert (letter.to, letter.kind) == (CLERK, "Dropped")
        text = " ".join(letter.text.split())
        assert words in text
        assert "Wrong list" in text
        assert "ann@" not in text
        assert home.records(State.DISCARDED)


async def test_nobody_is_told_that_automatic_mail_was_dropped() -> None:
    async with house() as home:
        await held(home, more=b"Auto-Submitted: auto-generated\r\n")
        await home.review.discard("m1", person="dpo")
        assert [letter.to for letter in home.letters] == [DPO]


async def test_the_logins_address_is_told_what_became_of_its_message() -> None:
    login = {"user": "pat", "user_addresses": ("pat@council.example", CLERK)}
    async with house() as home:
        await held(home, **login)
        await home.review.discard("m1", person="dpo")
        assert home.letters[-1].to == "pat@council.example"


async def test_retry_makes_waiting_mail_due_now_without_a_new_clock() -> None:
    async with house() as home:
        home.upstream.otherwise = all_are(deferred)
        await home.take(plain())
        home.clock.forward(MINUTE / 2)
        result = await home.review.retry("m1", person="admin")
        assert isinstance(result, Done)
        assert (result.record.next_attempt_at, result.record.retry_since) == (home.clock(), build.NOW)
        home.upstream.otherwise = all_are(unreachable)
        await home.deliver()
        assert home.records(State.QUEUED)[0].attempts == 2


async def test_delete_takes_waiting_mail_out_for_good_and_needs_a_reason() -> None:
    async with house() as home:
        home.upstream.otherwise = all_are(deferred)
        await home.take(plain())
        assert isinstance(await home.review.delete("m1", person="admin", reason=" "), Refused)
        assert isinstance(await home.review.delete("m1", person="admin", reason="Wrong file"), Done)
        home.clock.forward(timedelta(days=1))
        await home.deliver()
        assert len(home.upstream.dispatches) == 1
        assert home.letters == []
        assert home.records(State.DISCARDED)


def acts(home: House) -> dict[str, Callable[[str], Awaitable[object]]]:
    review = home.review
    return {
        "release": lambda name: review.release(name, None, person="dpo"),
        "as is": lambda name: review.release(name, Form.AS_IS, person="dpo", reason="why"),
        "discard": lambda name: review.discard(name, person="dpo"),
        "retry": lambda name: review.retry(name, person="dpo"),
        "delete": lambda name: review.delete(name, person="dpo", reason="why"),
    }


@pytest.mark.parametrize("act", ["release", "as is", "discard", "retry", "delete"])
async def test_what_is_not_there_or_not_in_that_state_is_left_alone(act: str) -> None:
    fits = {State.HELD} if act in ("release", "as is", "discard") else {State.QUEUED, State.RELEASED}
    async with house() as home:
        assert await acts(home)[act]("nothing") == NotFound()
        for state in set(State) - fits - {State.DELIVERING}:
            await home.store.add(build.new_record(id=state.value, state=state))
            before = await home.store.get(state.value)
            result = await acts(home)[act](state.value)
            assert isinstance(result, Refused)
            assert await home.store.get(state.value) == before


@pytest.mark.parametrize("act", ["release", "as is", "discard"])
async def test_a_store_that_is_out_is_told_as_such(act: str) -> None:
    async with house() as home:
        await held(home)
        home.store.failing = StoreError("out")
        with pytest.raises(StoreError):
            await acts(home)[act]("m1")


async def test_decisions_reach_observers_whoever_made_them() -> None:
    async with house(WIDE) as home:
        await home.upkeep.round()
        for name, form in (("m1", None), ("m2", Form.INDIVIDUAL), ("m3", Form.AS_IS), ("m4", None), ("m5", None)):
            subject = f"Subject: {name}\r\n".encode()
            await home.take(to_firms(id=name, more=subject))
            home.clock.forward(timedelta(seconds=10))
            if form is Form.AS_IS:
                await home.review.release(name, form, person="dpo", reason="why")
            if name == "m4":
                await home.review.discard(name, person="clerk", by="sender")
            elif name != "m5":
                await home.review.release(name, form, person="head", reason="why")
        home.clock.forward(OPTIONS.expire_after)
        await home.upkeep.round()
        decided = [event for event in home.of(Moved) if event.decision]
        assert [(event.message_id, event.decision, event.by) for event in decided] == [
            ("m1", "release_as_bcc", "reviewer"),
            ("m2", "release_individually", "reviewer"),
            ("m3", "release_as_is", "reviewer"),
            ("m4", "discard", "sender"),
            ("m5", "expire", "expiry"),
        ]
        assert decided[0].waited_s == 10
