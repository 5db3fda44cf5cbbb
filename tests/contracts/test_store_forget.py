"""What every store promises when an address is to be forgotten."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bcc_relay.core import audit, pseudonym
from bcc_relay.core.errors import StoreError
from bcc_relay.core.history import Ask
from bcc_relay.core.record import State
from bcc_relay.relay.ports import Forgotten
from tests import build
from tests.contracts.circles import CLERK, DAY, asked, circle, learned, noted, stopped
from tests.contracts.steps import NOW, added, events, move

if TYPE_CHECKING:
    from pathlib import Path

    from bcc_relay.relay.ports import Store
    from tests.contracts.conftest import Open

ANNA = "anna@family-mail.example"
A = "a@family-mail.example"


async def test_an_address_is_erased_from_every_circle(store) -> None:
    memory = store.memory
    await learned(memory, circle("m1", "ab"), circle("m2", "", blind="aklmnopqrst"), circle("m3", "bc"))
    await stopped(memory, circle("m4", "acd"))
    assert await store.forget(A) == Forgotten(circles=3)
    assert (await asked(memory, circle("m5", "ab"), strangers=True)).strangers == 2
    # The others still know each other.
    assert (await asked(memory, circle("m6", "bc"), strangers=True)).strangers == 0
    answer = await asked(memory, circle("m7", "acd"), stopped_within=DAY, usual=True)
    assert answer.stopped is not None
    assert answer.stopped.share == pytest.approx(2 / 3)
    # m5 and m7 are new.
    assert await store.forget(A) == Forgotten(circles=2)
    assert await store.forget(A) == Forgotten(circles=0)


async def test_the_circles_of_a_sender_go_with_her_address(store) -> None:
    memory = store.memory
    await noted(memory, circle("m1", "ab"), circle("m2", "cd"), circle("m3", "ef", sender="other@council.example"))
    assert await store.forget(CLERK) == Forgotten(circles=2)
    assert (await asked(memory, circle("m4", "gh"), windows=(DAY,))).within(DAY) == 2
    other = circle("m5", "gh", sender="other@council.example")
    assert (await asked(memory, other, windows=(DAY,))).within(DAY) == 4


async def test_more_circles_than_one_transaction_takes_are_forgotten(store) -> None:
    for n in range(230):
        await store.memory.consider(circle(f"m{n}", "ab"), Ask())
    assert await store.forget(A) == Forgotten(circles=230)
    assert await store.forget(CLERK) == Forgotten(circles=230)


async def test_finished_messages_go_with_all_that_was_kept_of_them(store: Store, rows_key: bytes) -> None:
    to_anna = await added(store, "other@mail.example", ANNA, id="to-anna", state=State.HELD)
    await store.move(move(to_anna, State.DISCARDED, reason="anna asked for it", person="eve"))
    from_anna = build.submission("b@mail.example", id="from-anna", sender=ANNA)
    await store.add(replace(build.new_record(state=State.DELIVERED), submission=from_anna))
    kept = await added(store, "other@mail.example", id="kept", state=State.HELD)
    await store.move(move(kept, State.DISCARDED, reason="another reason"))
    rows = await store.audit_rows()
    assert await store.forget(ANNA) == Forgotten(circles=0, messages=2)
    for gone in ("to-anna", "from-anna"):
        assert await store.get(gone) is None
        assert await store.message(gone) is None
    assert await store.get("kept") is not None
    assert await store.message("kept") is not None
    after = await store.audit_rows()
    assert after[:-1] == rows
    assert audit.verify(after, rows_key) is None


async def test_what_waits_for_a_decision_is_named_and_what_is_under_way_stays(store: Store) -> None:
    for n, state in enumerate((State.HELD, State.QUEUED, State.HELD, State.RELEASED)):
        await store.add(build.new_record(ANNA, id=f"m{n}", state=state, content_key=f"k{n}"))
    await store.add(build.new_record("other@mail.example", id="m4", state=State.HELD))
    assert await store.forget(ANNA) == Forgotten(0, 0, held=("m0", "m2"))
    assert len(await store.find(list(State))) == 5
    # Nothing was erased, so nothing is to be told.
    assert "forgotten" not in await events(store)


async def test_the_audit_says_that_an_address_was_forgotten_and_not_which(store, rows_key: bytes) -> None:
    await store.add(build.new_record(ANNA, id="done", state=State.DELIVERED))
    await store.add(build.new_record(ANNA, id="held", state=State.HELD))
    await noted(store.memory, circle("m1", "", blind="klmnopqrstu", sender=ANNA))
    assert await store.forget(ANNA) == Forgotten(1, 1, ("held",))
    row = (await store.audit_rows())[-1]
    assert (row.event, row.message_id, row.at) == ("forgotten", "", "2026-11-22T10:00:00.000000Z")
    assert json.loads(row.detail) == {
        "address": pseudonym.digits(store.keys.pseudonym, ANNA),
        "circles": 1,
        "messages": 1,
        "held": 1,
    }
    assert "anna" not in row.detail
    assert audit.verify(await store.audit_rows(), rows_key) is None


async def test_nothing_is_known_of_a_stranger(store: Store) -> None:
    await added(store, id="m1", state=State.DELIVERED)
    assert await store.forget("nobody@mail.example") == Forgotten(0)
    assert await store.get("m1") is not None
    assert await store.audit_rows() == ()


async def test_what_is_forgotten_is_gone_from_the_disk(open_sqlite: Open, database: Path) -> None:
    store = await open_sqlite()
    record = await added(store, ANNA, id="m1", state=State.HELD)
    await store.move(move(record, State.DISCARDED, reason="anna-s reason"))
    assert await store.forget(ANNA) == Forgotten(0, 1)
    await store.close()
    assert b"anna" not in database.read_bytes()
    assert not database.with_name("relay.db-wal").exists()


async def test_a_store_that_fails_says_so(open_sqlite: Open) -> None:
    store = await open_sqlite()
    await learned(store.memory, circle("m1", "ab"))
    await store.close()
    for attempt in (store.forget(A), store.memory.consider(circle("m2", "ab"), Ask()), store.memory.erase_memory(NOW)):
        with pytest.raises(StoreError):
            await attempt
    with pytest.raises(StoreError):
        await store.memory.decided("m1", "hold", "families")
