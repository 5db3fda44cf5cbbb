"""What every store promises about claims, notes and leases."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from bcc_relay.core.model import OutcomeName
from bcc_relay.core.record import State
from tests import build
from tests.contracts.steps import MINUTE, NO, NOW, OK, added, claim, move

if TYPE_CHECKING:
    from bcc_relay.relay.ports import Store


async def test_only_what_is_due_is_claimed_the_longest_due_first(store: Store) -> None:
    for n, due in enumerate([NOW + MINUTE, NOW - MINUTE, NOW, NOW - 2 * MINUTE, None]):
        await store.add(build.new_record(id=f"m{n}", next_attempt_at=due))
    await store.add(build.new_record(id="held", state=State.HELD))
    assert [record.id for record in await claim(store, limit=2)] == ["m3", "m1"]
    taken = await claim(store)
    # Mail without a time is due since its receipt.
    assert [record.id for record in taken] == ["m2", "m4"]
    assert [(record.state, record.revision) for record in taken] == [(State.DELIVERING, 2)] * 2
    assert await store.get("m2") == taken[0]
    assert await claim(store) == ()


async def test_no_message_is_claimed_twice_by_many_at_once(store: Store) -> None:
    await asyncio.gather(*(store.add(build.new_record(id=f"m{n}")) for n in range(30)))
    taken = await asyncio.gather(*(claim(store, owner=f"relay-{n}", limit=4) for n in range(10)))
    ids = [record.id for some in taken for record in some]
    assert sorted(ids) == sorted(f"m{n}" for n in range(30))


async def test_a_lost_lease_is_claimed_by_another_and_the_loser_cannot_move(store: Store) -> None:
    await store.add(build.new_record())
    (mine,) = await claim(store, owner="relay-1")
    assert await claim(store, NOW + 4 * MINUTE, owner="relay-2") == ()
    (theirs,) = await claim(store, NOW + 5 * MINUTE, owner="relay-2")
    # Lost and claimed anew: two changes.
    assert theirs == replace(mine, revision=mine.revision + 2)
    assert await store.move(move(mine, State.DELIVERED)) is None
    assert await store.move(move(theirs, State.DELIVERED)) is not None


async def test_a_message_stored_while_it_is_sent_belongs_to_its_lease(store: Store) -> None:
    record = await added(
        store, state=State.DELIVERING, lease_owner="relay-1", lease_until=NOW + MINUTE, client_heard=False
    )
    assert record.state is State.DELIVERING
    assert record.retry_since == NOW
    assert await claim(store, owner="relay-2") == ()
    assert [one.id for one in await claim(store, NOW + MINUTE, owner="relay-2")] == ["m1"]


async def test_a_deferral_waits_for_its_time(store: Store) -> None:
    await store.add(build.new_record("a@mail.example", "b@mail.example"))
    (record,) = await claim(store)
    outcomes = {0: (OutcomeName.DELIVERED, OK), 1: (OutcomeName.DEFERRED, NO)}
    later = move(record, State.QUEUED, next_attempt_at=NOW + 5 * MINUTE, attempts=1, outcomes=outcomes)
    waiting = await store.move(later)
    assert waiting is not None
    assert waiting.retry_since == NOW
    assert await claim(store, NOW + 4 * MINUTE) == ()
    (again,) = await claim(store, NOW + 5 * MINUTE)
    assert [one.address.octets for one in again.due] == [b"b@mail.example"]
    assert again.attempts == 1


async def test_notes_survive_a_lost_lease_and_do_not_disturb_the_move(store: Store) -> None:
    await store.add(build.new_record("a@mail.example", "b@mail.example", "c@mail.example"))
    (mine,) = await claim(store)
    await store.note("m1", {0: (OutcomeName.DELIVERED, OK), 2: (OutcomeName.IN_DOUBT, NO)})
    (theirs,) = await claim(store, NOW + 5 * MINUTE, owner="relay-2")
    assert [one.outcome for one in theirs.recipients] == [
        OutcomeName.DELIVERED,
        OutcomeName.PENDING,
        OutcomeName.IN_DOUBT,
    ]
    assert theirs.recipients[0].reply == OK
    # A late note of the first is still true, but never takes a delivery back.
    await store.note(
        "m1", {0: (OutcomeName.DEFERRED, NO), 1: (OutcomeName.DELIVERED, OK), 7: (OutcomeName.REFUSED, NO)}
    )
    done = await store.move(move(theirs, State.DELIVERED, outcomes={2: (OutcomeName.DELIVERED, OK)}))
    assert done is not None
    assert {one.outcome for one in done.recipients} == {OutcomeName.DELIVERED}
    await store.note("m1", {1: (OutcomeName.REFUSED, NO)})
    assert await store.get("m1") == done
    assert mine.id == done.id


async def test_reclaim_gives_back_what_an_owner_or_everybody_had(store: Store) -> None:
    held = await added(store, id="held", state=State.HELD)
    await store.move(move(held, State.RELEASED))
    for n in range(3):
        await store.add(build.new_record(id=f"m{n}"))
    (one,) = await claim(store, owner="relay-1", limit=1)
    rest = await claim(store, owner="relay-2")
    assert await store.reclaim(owner="relay-1") == 1
    back = await store.get(one.id)
    assert back == replace(one, state=State.QUEUED if one.id != "held" else State.RELEASED, revision=one.revision + 1)
    assert await store.reclaim(owner="") == len(rest) == 3
    assert await store.reclaim(owner="") == 0
    assert {record.id for record in await store.find([State.QUEUED])} == {"m0", "m1", "m2"}
    assert [record.id for record in await store.find([State.RELEASED])] == ["held"]
    assert len(await claim(store)) == 4
