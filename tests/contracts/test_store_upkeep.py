"""What every store promises about expiry, doubts, erasing, figures and the audit."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bcc_relay.core import audit, lifecycle
from bcc_relay.core.model import Form, OutcomeName
from bcc_relay.core.record import Judgement, State
from bcc_relay.relay.ports import Counts, Doubt
from tests import build
from tests.contracts.steps import MINUTE, NOW, added, claim, move

if TYPE_CHECKING:
    from bcc_relay.relay.ports import Store


async def test_holds_expire_when_their_time_is_over(store: Store) -> None:
    for n, expires in enumerate([NOW + MINUTE, NOW, NOW - MINUTE, None]):
        await store.add(build.new_record(id=f"m{n}", state=State.HELD, expires_at=expires))
    decided = await added(store, id="decided", state=State.HELD, expires_at=NOW - MINUTE)
    await store.move(move(decided, State.DISCARDED))
    assert [record.id for record in await store.hold_expired(NOW)] == ["m2", "m1"]


async def test_doubts_are_what_the_client_never_heard_of(store: Store) -> None:
    await store.add(build.new_record(id="heard", fingerprint="f0"))
    for n in range(3):
        new = build.new_record(id=f"m{n}", fingerprint=f"f{n}", client_heard=False)
        await store.add(replace(new, submission=replace(new.submission, received_at=NOW - n * MINUTE)))
    await store.heard("m1")
    assert await store.doubts(NOW - 2 * MINUTE) == (Doubt("m0", "f0", NOW),)
    assert await store.doubts(NOW - 3 * MINUTE) == (Doubt("m2", "f2", NOW - 2 * MINUTE), Doubt("m0", "f0", NOW))
    assert await store.doubts(NOW) == ()


async def test_erasing_takes_octets_then_records_and_leaves_the_audit_whole(store: Store, rows_key: bytes) -> None:
    for n in range(4):
        record = await added(store, id=f"m{n}", state=State.HELD)
        if n < 3:
            await store.move(move(record, State.DISCARDED, at=NOW + n * MINUTE, reason=f"reason {n}"))
    rows = await store.audit_rows()
    assert await store.erase(bodies_before=NOW + 2 * MINUTE, records_before=NOW + MINUTE) == 2
    assert await store.get("m0") is None
    assert await store.message("m0") is None
    assert await store.get("m1") is not None
    assert await store.message("m1") is None
    for kept in ("m2", "m3"):
        assert await store.get(kept) is not None
        assert await store.message(kept) is not None
    assert await store.erase(bodies_before=NOW + 2 * MINUTE, records_before=NOW + MINUTE) == 0
    assert await store.erase(bodies_before=NOW + 99 * MINUTE, records_before=NOW + 99 * MINUTE) == 2
    # What is not final is never erased.
    assert [one.id for one in await store.find(list(State))] == ["m3"]
    assert await store.audit_rows() == rows
    assert audit.verify(rows, rows_key) is None


async def test_what_is_final_when_it_is_stored_counts_from_its_receipt(store: Store) -> None:
    await store.add(build.new_record(state=State.DELIVERED))
    assert await store.erase(bodies_before=NOW, records_before=NOW) == 0
    assert await store.erase(bodies_before=NOW + MINUTE, records_before=NOW) == 1


async def test_hundreds_of_messages_are_erased_in_one_go(store: Store) -> None:
    await asyncio.gather(*(store.add(build.new_record(id=f"m{n}", state=State.DELIVERED)) for n in range(450)))
    assert await store.erase(bodies_before=NOW + MINUTE, records_before=NOW + MINUTE) == 450
    assert await store.find([State.DELIVERED]) == ()


async def test_counts_tell_what_waits_and_since_when(store: Store) -> None:
    assert await store.counts() == Counts({}, None, None)
    for n, state in enumerate([State.QUEUED, State.HELD, State.HELD, State.QUEUED, State.FAILED]):
        new = build.new_record(id=f"m{n}", state=state)
        await store.add(replace(new, submission=replace(new.submission, received_at=NOW + n * MINUTE)))
    by_state = {State.QUEUED: 2, State.HELD: 2, State.FAILED: 1}
    assert await store.counts() == Counts(by_state, NOW + MINUTE, NOW)
    (taken,) = await claim(store, limit=1)
    await store.move(move(taken, State.DELIVERED))
    old = await store.get("m1")
    assert old is not None
    # Released mail waits since its release, not since its receipt.
    await store.move(move(old, State.RELEASED, at=NOW + 2 * MINUTE))
    counts = await store.counts()
    assert (counts.oldest_held, counts.oldest_waiting) == (NOW + 2 * MINUTE, NOW + 2 * MINUTE)


async def test_the_audit_tells_the_whole_life_of_a_held_message_without_personal_data(
    store: Store, rows_key: bytes
) -> None:
    record = await added(
        store,
        *build.families(12),
        state=State.HELD,
        subject="Secret subject",
        judgement=Judgement("hold", "large-circle", "s", (), 36, 4, 0.25),
    )
    person, reason = "Eve.Reviewer", "The clerk asked me to, eve@council.example"
    asked = await store.move(
        move(record, State.HELD, event="asked", by="sender", person=person, reason=reason, asked_by=person)
    )
    await store.move(move(asked, State.RELEASED, event="released", by="reviewer", person="Bob", form=Form.INDIVIDUAL))  # type: ignore[arg-type]
    await claim(store)
    await store.reclaim(owner="")
    await claim(store)
    (taken,) = await claim(store, NOW + 5 * MINUTE)
    refused = {n: (OutcomeName.REFUSED if n else OutcomeName.DELIVERED, None) for n in range(12)}
    await store.move(move(taken, State.FAILED, event="failed", outcomes=refused))
    rows = await store.audit_rows()
    assert [(row.seq, row.event) for row in rows] == list(
        enumerate(["held", "asked", "released", "claimed", "returned", "claimed", "lease_lost", "claimed", "failed"], 1)
    )
    details = [json.loads(row.detail) for row in rows]
    assert [(one.get("from"), one["to"]) for one in details[:3]] == [
        (None, "held"),
        ("held", "held"),
        ("held", "released"),
    ]
    assert details[0] == {
        "to": "held",
        "by": "relay",
        "verdict": "hold",
        "rule": "large-circle",
        "visible_outsiders": 36,
        "outsider_domains": 4,
        "personal_share": 0.25,
        "recipients": 12,
        "sender": details[0]["sender"],
    }
    assert (details[1]["by"], details[2]["by"], details[2]["form"]) == ("sender", "reviewer", "individual")
    assert details[1]["reason"] == audit.text_digest(rows_key, reason)
    assert details[1]["person"] != details[2]["person"]
    assert details[-1]["outcomes"] == {"delivered": 1, "refused": 11}
    text = " ".join(row.detail for row in rows).lower()
    assert not [word for word in ("@", "eve", "bob", "clerk", "secret", "family") if word in text]
    assert audit.verify(rows, rows_key) is None


async def test_mail_that_was_never_held_leaves_no_audit(store: Store) -> None:
    await store.add(build.new_record())
    (taken,) = await claim(store)
    await store.move(move(taken, State.DELIVERED))
    assert await store.audit_rows() == ()


async def test_the_audit_is_read_page_by_page(store: Store, rows_key: bytes) -> None:
    await asyncio.gather(*(store.add(build.new_record(id=f"m{n}", state=State.HELD)) for n in range(25)))
    head, rows = audit.START, 0
    while page := await store.audit_rows(after=head.seq, limit=10):
        assert audit.verify(page, rows_key, after=head) is None
        head, rows = audit.head_of(page[-1]), rows + len(page)
    assert rows == 25


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(State), st.integers(0, 3)), max_size=25))
async def test_no_order_of_moves_breaks_the_chain_or_the_table(
    store: Store, rows_key: bytes, steps: list[tuple[int, State, int]]
) -> None:
    """Whatever is tried, only moves of the table happen, each raises the revision by one, and the chain stays whole."""
    run = len(await store.find([*State], limit=10_000))
    ids = [f"m{run + n}" for n in range(3)]
    for one in ids:
        await store.add(build.new_record(id=one, state=State.HELD))
    for which, state, behind in steps:
        record = await store.get(ids[which])
        assert record is not None
        try:
            moved = await store.move(replace(move(record, state), revision=record.revision - behind))
        except ValueError:
            moved = None
        if moved:
            assert behind == 0
            assert lifecycle.allowed(record.state, moved.state)
            assert moved.revision == record.revision + 1
        assert await store.get(ids[which]) == (moved or record)
    assert audit.verify(await store.audit_rows(limit=10_000), rows_key) is None
