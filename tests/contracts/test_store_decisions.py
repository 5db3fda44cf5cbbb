"""What every store promises about held items and about moves."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bcc_relay.core import lifecycle
from bcc_relay.core.errors import StoreError
from bcc_relay.core.model import Form, OutcomeName
from bcc_relay.core.record import State
from bcc_relay.relay.ports import Added, Move
from tests import build
from tests.contracts.steps import MINUTE, NO, NOW, OK, added, claim, events, move

if TYPE_CHECKING:
    from bcc_relay.relay.ports import Store


async def test_the_same_content_held_again_only_adds_its_recipients(store: Store) -> None:
    await store.add(build.new_record("a@mail.example", state=State.HELD, content_key="k", expires_at=NOW + MINUTE))
    again = build.new_record(
        "b@mail.example",
        "A@mail.example",
        "a@MAIL.example",
        id="m2",
        state=State.HELD,
        content_key="k",
        expires_at=NOW + 9 * MINUTE,
    )
    notice = build.new_record(id="n1", is_notice=True)
    assert await store.add(again, notices=[notice]) == Added("m1", merged=True)
    record = await store.get("m1")
    assert record is not None
    # The local part may be another person's in another case; the domain's case says nothing.
    assert [one.recipient.address.octets for one in record.recipients] == [
        b"a@mail.example",
        b"b@mail.example",
        b"A@mail.example",
    ]
    assert record.envelope.recipients == tuple(one.recipient for one in record.recipients)
    assert (record.revision, record.expires_at) == (2, NOW + MINUTE)
    assert await store.get("m2") is None
    assert await store.get("n1") is None
    assert await events(store) == ["held", "merged"]
    assert json.loads((await store.audit_rows(after=1))[0].detail)["recipients_added"] == 2


async def test_an_identical_resubmission_changes_nothing_but_the_audit(store: Store) -> None:
    await added(store, "a@mail.example", state=State.HELD, content_key="k")
    first = await store.get("m1")
    await store.add(build.new_record("a@mail.example", id="m2", state=State.HELD, content_key="k"))
    assert await store.get("m1") == first
    assert await events(store) == ["held", "merged"]


@pytest.mark.parametrize(("key", "other"), [("", ""), ("k", "l")])
async def test_different_or_no_content_keys_do_not_merge(store: Store, key: str, other: str) -> None:
    await store.add(build.new_record(state=State.HELD, content_key=key))
    assert await store.add(build.new_record(id="m2", state=State.HELD, content_key=other)) == Added("m2")


async def test_nothing_is_merged_into_a_message_that_is_decided(store: Store) -> None:
    record = await added(store, state=State.HELD, content_key="k")
    await store.move(move(record, State.DISCARDED))
    assert await store.add(build.new_record(id="m2", state=State.HELD, content_key="k")) == Added("m2")


async def test_queued_mail_with_the_same_content_is_never_merged(store: Store) -> None:
    await store.add(build.new_record(content_key="k"))
    assert await store.add(build.new_record(id="m2", content_key="k")) == Added("m2")
    assert await store.add(build.new_record(id="m3", state=State.HELD, content_key="k")) == Added("m3")


async def test_twenty_at_once_with_the_same_content_make_one_held_item(store: Store) -> None:
    news = [build.new_record(f"f{n}@mail.example", id=f"m{n}", state=State.HELD, content_key="k") for n in range(20)]
    answers = await asyncio.gather(*(store.add(new) for new in news))
    assert sum(not answer.merged for answer in answers) == 1
    (held,) = await store.find([State.HELD])
    assert {answer.id for answer in answers} == {held.id}
    assert len(held.recipients) == 20


async def test_fifty_releases_at_once_release_once(store: Store) -> None:
    record = await added(store, state=State.HELD)
    answers = await asyncio.gather(*(store.move(move(record, State.RELEASED, event="released")) for _ in range(50)))
    (won,) = [answer for answer in answers if answer]
    assert won.state is State.RELEASED
    assert await store.get("m1") == won
    assert await events(store) == ["held", "released"]


async def test_of_release_and_discard_at_once_one_wins(store: Store) -> None:
    record = await added(store, state=State.HELD)
    moves = [move(record, state) for state in (State.RELEASED, State.DISCARDED) * 5]
    answers = await asyncio.gather(*map(store.move, moves))
    assert sum(answer is not None for answer in answers) == 1


async def test_a_release_starts_the_retry_clock_and_is_due_at_once(store: Store) -> None:
    record = await added(store, state=State.HELD)
    at = NOW + 60 * MINUTE
    released = await store.move(move(record, State.RELEASED, at=at, form=Form.UNDISCLOSED))
    assert released is not None
    assert (released.retry_since, released.released_at, released.form, released.revision) == (
        at,
        at,
        Form.UNDISCLOSED,
        2,
    )
    assert [one.id for one in await claim(store, at)] == ["m1"]


async def test_a_move_changes_what_it_names_and_nothing_else(store: Store) -> None:
    record = await added(store, "a@mail.example", "b@mail.example", state=State.HELD)
    asked = await store.move(move(record, State.HELD, event="asked", asked_by="eve\udcff"))
    assert asked == replace(record, revision=2, asked_by="eve\udcff")
    released = await store.move(move(asked, State.RELEASED, next_attempt_at=NOW + MINUTE, attempts=1))  # type: ignore[arg-type]
    assert released == replace(
        asked,  # type: ignore[arg-type]
        revision=3,
        state=State.RELEASED,
        retry_since=NOW,
        released_at=NOW,
        next_attempt_at=NOW + MINUTE,
        attempts=1,
    )
    again = await store.move(
        move(released, State.RELEASED, delay_warned=True, outcomes={1: (OutcomeName.REFUSED, NO)})  # type: ignore[arg-type]
    )
    expected = (released.recipients[0], replace(released.recipients[1], outcome=OutcomeName.REFUSED, reply=NO))  # type: ignore[union-attr]
    assert again == replace(released, revision=4, delay_warned=True, recipients=expected)  # type: ignore[type-var]
    assert again.due == (released.recipients[0].recipient,)  # type: ignore[union-attr]
    assert await store.get("m1") == again


async def test_a_move_of_a_message_that_is_gone_or_changed_is_none(store: Store) -> None:
    record = await added(store, state=State.HELD)
    assert await store.move(move(replace(record, id="nobody"), State.RELEASED)) is None
    assert await store.move(move(replace(record, revision=2), State.DELIVERED)) is None
    assert await store.get("m1") == record


@pytest.mark.parametrize("old", [State.HELD, State.QUEUED, *lifecycle.FINAL])
async def test_a_move_that_the_table_does_not_allow_is_a_bug_and_changes_nothing(store: Store, old: State) -> None:
    record = await added(store, state=old)
    rows = await store.audit_rows()
    for state in State:
        if state is State.DELIVERING or not lifecycle.allowed(old, state):
            with pytest.raises(ValueError, match="no move"):
                await store.move(move(record, state))
    with pytest.raises(ValueError, match="recipient"):
        await store.move(move(await added(store, id="m2"), State.QUEUED, outcomes={1: (OutcomeName.DELIVERED, OK)}))
    assert await store.get("m1") == record
    assert await store.audit_rows() == rows


async def test_every_move_of_the_table_is_possible(store: Store) -> None:
    for n, (old, new) in enumerate((start, end) for start in State for end in lifecycle.MOVES[start]):
        if new is State.DELIVERING:
            continue
        lease = {"lease_owner": "x", "lease_until": NOW} if old is State.DELIVERING else {}
        record = await added(store, id=f"m{n}", state=old, **lease)
        moved = await store.move(move(record, new))
        assert moved is not None
        assert moved.state is new


async def test_notices_of_a_move_are_stored_with_it_or_not_at_all(store: Store) -> None:
    record = await added(store, state=State.HELD)
    notices = (build.new_record(id="n1", is_notice=True), build.new_record(id="n2", is_notice=True))
    moved = await store.move(move(record, State.DISCARDED, notices=notices))
    assert moved is not None
    assert {one.id for one in await store.find([State.QUEUED])} == {"n1", "n2"}
    other = await added(store, id="m2", state=State.HELD)
    with pytest.raises(StoreError):
        await store.move(move(other, State.DISCARDED, notices=notices))
    assert await store.get("m2") == other
    lost = move(replace(other, revision=9), State.DISCARDED, notices=(build.new_record(id="n3"),))
    assert await store.move(lost) is None
    assert await store.get("n3") is None


async def test_a_person_who_deletes_waiting_mail_stands_in_the_audit_with_the_reason(store: Store) -> None:
    await store.add(build.new_record())
    await store.move(Move("m1", 1, State.DISCARDED, NOW, "deleted", "reviewer", "anna", "wrong list"))
    (row,) = await store.audit_rows()
    assert (row.event, row.message_id) == ("deleted", "m1")
    assert "anna" not in row.detail
    assert "wrong list" not in row.detail
    assert json.loads(row.detail)["reason"] is not None


async def test_delivery_of_mail_that_was_never_held_leaves_no_audit(store: Store) -> None:
    await store.add(build.new_record())
    await store.claim(now=NOW, owner="a", lease_until=NOW + MINUTE, limit=1)
    await store.move(Move("m1", 2, State.DELIVERED, NOW, "delivered"))
    assert await store.audit_rows() == ()
