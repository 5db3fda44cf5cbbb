"""Work by the clock: held mail expires, what has been kept long enough is erased, and errors end nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from bcc_relay.core.errors import StoreError
from bcc_relay.core.events import Failed
from bcc_relay.core.record import State
from bcc_relay.relay import upkeep as upkeep_module
from tests import build
from tests.relay.house import CLERK, DPO, FIRMS, OPTIONS, QUEUE, house, plain, to_firms

if TYPE_CHECKING:
    import pytest

DAY = timedelta(days=1)


async def test_held_mail_expires_in_time_and_its_sender_is_told() -> None:
    async with house() as home:
        await home.take(to_firms())
        home.clock.forward(OPTIONS.expire_after - timedelta(seconds=1))
        await home.upkeep.round()
        assert home.records(State.HELD)
        home.clock.forward(timedelta(seconds=1))
        await home.upkeep.round()
        (record,) = home.records(State.EXPIRED)
        assert (home.letters[-1].to, home.letters[-1].kind) == (CLERK, "Time ran out")
        await home.upkeep.round()
        assert len(home.letters) == 3
        await home.deliver()
        assert home.upstream.copies == {CLERK: 2, DPO: 1}
        assert record.id == "m1"


async def test_expiry_acts_within_a_minute() -> None:
    assert upkeep_module.EVERY_S < 60


async def test_content_goes_when_a_message_is_final_and_its_record_later() -> None:
    async with house(replace(QUEUE, keep_records=90 * DAY)) as home:
        await home.take(plain())
        await home.upkeep.round()
        assert await home.store.message("m1") is not None
        await home.deliver()
        home.clock.forward(timedelta(seconds=1))
        await home.upkeep.round()
        assert await home.store.message("m1") is None
        home.clock.forward(90 * DAY - timedelta(seconds=1))
        await home.upkeep.round()
        assert home.records(State.DELIVERED)
        home.clock.forward(timedelta(seconds=1))
        await home.upkeep.round()
        assert home.records() == []


async def test_content_is_kept_as_long_as_configured() -> None:
    async with house(replace(QUEUE, keep_bodies=7 * DAY)) as home:
        await home.take(plain())
        await home.deliver()
        home.clock.forward(7 * DAY)
        await home.upkeep.round()
        assert await home.store.message("m1") is not None
        home.clock.forward(timedelta(seconds=1))
        await home.upkeep.round()
        assert await home.store.message("m1") is None


async def test_held_and_waiting_mail_is_never_erased() -> None:
    async with house(replace(QUEUE, expire_after=1000 * DAY)) as home:
        await home.take(to_firms())
        await home.take(plain(id="m2"))
        home.clock.forward(999 * DAY)
        await home.upkeep.round()
        assert {record.id for record in home.records()} == {"m1", "m2"}
        assert await home.store.message("m1") is not None
        assert await home.store.message("m2") is not None


async def test_the_gauges_are_fed() -> None:
    async with house(QUEUE) as home:
        await home.take(to_firms())
        await home.upkeep.round()
        assert home.counts[-1].by_state == {State.HELD: 1, State.QUEUED: 2}
        assert home.counts[-1].oldest_held == build.NOW


async def test_errors_do_not_end_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep_module, "EVERY_S", 0.001)
    async with house() as home, asyncio.TaskGroup() as group:
        running = group.create_task(home.upkeep.run())
        for error in (StoreError("out"), RuntimeError("a fault of ours")):
            home.store.failing = error
            before = len(home.of(Failed))
            await home.until(lambda: len(home.of(Failed)) > before)  # noqa: B023
        home.store.failing = None
        await home.until(lambda: home.counts)
        home.upkeep.stop()
        await running
        assert {event.where for event in home.of(Failed)} == {"upkeep"}


async def test_one_message_that_cannot_expire_does_not_keep_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    async with house() as home:
        await home.take(to_firms())
        await home.take(to_firms(FIRMS[0], FIRMS[1], id="m2", more=b"X-Other: 1\r\n"))
        dropped = home.post.dropped

        def breaks_for_one(origin: object, sender: object, original: object, case: object, *, expired: bool) -> object:
            if case.id == "m1":
                raise ValueError("unwritable")
            return dropped(origin, sender, original, case, expired=expired)

        monkeypatch.setattr(home.post, "dropped", breaks_for_one)
        home.clock.forward(OPTIONS.expire_after)
        await home.upkeep.round()
        assert [record.id for record in home.records(State.EXPIRED)] == ["m2"]
        assert [event.message_id for event in home.of(Failed)] == ["m1"]
        assert home.counts


async def test_a_client_that_was_gone_is_known_for_a_day_though_content_goes_at_once() -> None:
    async with house() as home:
        await home.intake.unheard(plain(), await home.take(plain()))
        home.clock.forward(timedelta(hours=23))
        await home.upkeep.round()
        await home.resubmissions.recall()
        assert (await home.take(replace(plain(), id="m2", received_at=home.clock()))).text == "2.0.0 Queued as m1"
        assert home.upstream.copies == {"ann@mail0.example": 1}
