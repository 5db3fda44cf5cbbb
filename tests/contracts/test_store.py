"""What every store promises (relay.ports.Store)."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bcc_relay.core import audit, lifecycle
from bcc_relay.core.errors import StoreError
from bcc_relay.core.model import (
    Address,
    Body,
    Channel,
    Envelope,
    Finding,
    Form,
    Judgement,
    Message,
    NewRecord,
    Origin,
    OutcomeName,
    Recipient,
    Record,
    Reply,
    State,
    Submission,
)
from bcc_relay.relay.ports import Added, Counts, Doubt, Move
from tests import build

if TYPE_CHECKING:
    from bcc_relay.relay.ports import Store

NOW = build.NOW
MINUTE = timedelta(minutes=1)
OK = Reply(250, "2.0.0 Ok")
NO = Reply(550, "5.1.1 No such person")


def move(record: Record, state: State, **fields: object) -> Move:
    return Move(**{"id": record.id, "revision": record.revision, "state": state, "at": NOW, "event": "test", **fields})  # type: ignore[arg-type]


async def added(store: Store, *to: str, **fields: object) -> Record:
    """The record of a message just stored."""
    stored = await store.add(build.new_record(*to, **fields))  # type: ignore[arg-type]
    record = await store.get(stored.id)
    assert record is not None
    return record


async def claim(store: Store, now: object = NOW, owner: str = "relay-1", limit: int = 10) -> tuple[Record, ...]:
    return await store.claim(now=now, owner=owner, lease_until=now + 5 * MINUTE, limit=limit)  # type: ignore[operator, arg-type]


async def events(store: Store) -> list[str]:
    return [row.event for row in await store.audit_rows()]


async def octets(store: Store, message_id: str) -> bytes | None:
    message = await store.message(message_id)
    return b"".join(message.pieces()) if message else None


# --- storing and reading ----------------------------------------------------------------------------------------------


async def test_an_unknown_message_is_none(store: Store) -> None:
    assert await store.get("nobody") is None
    assert await store.message("nobody") is None
    await store.heard("nobody")
    await store.note("nobody", {0: (OutcomeName.DELIVERED, OK)})


async def test_everything_of_a_record_comes_back_exactly(store: Store) -> None:
    sender = Address("büro@council.example".encode(), "büro@council.example")
    to = (
        Recipient(Address("Grüße@BÜCHER.example".encode(), "grüsse@xn--bcher-kva.example"), ("SUCCESS", "DELAY")),
        Recipient(Address(b'"a b"@mail.example', "a b@mail.example"), ("NEVER",), b"rfc822;a+2Bb@mail.example"),
        Recipient(build.address("plain@mail.example")),
    )
    envelope = Envelope(sender, to, body_8bitmime=True, smtputf8=True, ret="HDRS", envid=b"QQ+2B\xff")
    origin = Origin(
        "0.0.0.0:587", "2001:db8::1", "h\udcff\x00", "UTF8SMTPSA", "clerk", ("clerk@council.example",), True
    )
    finding = Finding("many_visible", Channel.CALENDAR, 487, False, "Ein Kalender zeigt 487 Adressen – „alle“.")
    judgement = Judgement("hold", "families", "Zu viele", (finding, finding), 487, 61, 0.1 + 0.2, ("nul", "bare_cr"))
    raw = Message(b"Subject: \xff\x00\r\n", b"\r\n", Body(b"prefix\x00\xff\r\n", 6))
    received = NOW.replace(microsecond=7)
    new = NewRecord(
        Submission("m1", received, envelope, raw, origin),
        State.HELD,
        Form.INDIVIDUAL,
        judgement,
        subject="Gr\udcfc\x00ße",
        expires_at=NOW + 14 * 24 * 60 * MINUTE,
        next_attempt_at=NOW.replace(microsecond=999999),
        outcomes=(
            (OutcomeName.PENDING, None),
            (OutcomeName.REFUSED, Reply(550, "n\udcffo\nmore")),
            (OutcomeName.DELIVERED, OK),
        ),
    )
    assert await store.add(new) == Added("m1")
    record = await store.get("m1")
    assert record is not None
    assert (record.received_at, record.envelope, record.origin, record.judgement) == (
        received,
        envelope,
        origin,
        judgement,
    )
    assert tuple((one.outcome, one.reply) for one in record.recipients) == new.outcomes
    assert tuple(one.recipient for one in record.recipients) == to
    assert (record.subject, record.form, record.expires_at) == (new.subject, new.form, new.expires_at)
    assert record.next_attempt_at == new.next_attempt_at
    assert (record.size_bytes, record.held, record.is_notice, record.state) == (raw.size_bytes, True, False, State.HELD)
    assert (record.revision, record.attempts, record.retry_since, record.asked_by) == (1, 0, None, None)
    message = await store.message("m1")
    assert message is not None
    assert (message.header, message.separator, b"".join(message.body.pieces())) == (
        raw.header,
        b"\r\n",
        b"\x00\xff\r\n",
    )
    assert await store.find([State.HELD]) == (record,)


async def test_the_null_sender_and_a_notice_come_back(store: Store) -> None:
    await store.add(
        replace(build.new_record(is_notice=True), submission=build.submission("a@mail.example", sender=None))
    )
    record = await store.get("m1")
    assert record is not None
    assert record.envelope.sender is None
    assert record.is_notice


@pytest.mark.parametrize("size", [0, 1, 262143, 262144, 262145, 700_001])
async def test_a_body_of_any_size_comes_back_to_the_byte(store: Store, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    raw = Message(b"Subject: x\r\n", b"\r\n", Body(body[:size]))
    await store.add(build.new_record(raw=raw))
    assert await octets(store, "m1") == b"Subject: x\r\n\r\n" + body[:size]


async def test_a_message_without_a_blank_line_stays_without(store: Store) -> None:
    await store.add(build.new_record(raw=Message(b"Subject: x\r\n", b"", Body(b""))))
    assert await octets(store, "m1") == b"Subject: x\r\n"


async def test_two_messages_with_one_id_are_refused_and_the_first_stays(store: Store) -> None:
    first = await added(store, "a@mail.example")
    with pytest.raises(StoreError):
        await store.add(build.new_record("b@mail.example"))
    assert await store.get("m1") == first


async def test_notices_are_stored_with_their_message_or_not_at_all(store: Store) -> None:
    notice = build.new_record(id="n1", is_notice=True)
    await store.add(build.new_record(state=State.HELD), notices=[notice])
    assert await store.get("n1") is not None
    with pytest.raises(StoreError):
        await store.add(build.new_record(id="m2"), notices=[build.new_record(id="n2"), notice])
    assert await store.get("m2") is None
    assert await store.get("n2") is None


async def test_a_lease_that_makes_no_sense_is_a_bug_of_the_caller(store: Store) -> None:
    with pytest.raises(ValueError, match="lease"):
        await store.add(build.new_record(state=State.DELIVERING))
    with pytest.raises(ValueError, match="lease"):
        await store.add(build.new_record(lease_owner="x", lease_until=NOW))
    with pytest.raises(ValueError, match="outcome"):
        await store.add(build.new_record(outcomes=((OutcomeName.PENDING, None),) * 2))
    assert (await store.counts()).by_state == {}


async def test_find_gives_the_oldest_first_across_states(store: Store) -> None:
    for n, state in enumerate([State.QUEUED, State.HELD, State.QUEUED, State.HELD, State.DISCARDED]):
        new = build.new_record(id=f"m{n}", state=state)
        await store.add(replace(new, submission=replace(new.submission, received_at=NOW - n * MINUTE)))
    found = await store.find([State.QUEUED, State.HELD, State.HELD], limit=3)
    assert [record.id for record in found] == ["m3", "m2", "m1"]
    assert await store.find([]) == ()
    assert await store.find([State.FAILED]) == ()


# --- held items that are one decision ---------------------------------------------------------------------------------


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


# --- moves ------------------------------------------------------------------------------------------------------------


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


# --- claims -----------------------------------------------------------------------------------------------------------


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


# --- held mail, doubts, erasing, figures ------------------------------------------------------------------------------


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


# --- the audit --------------------------------------------------------------------------------------------------------


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


# --- the end ----------------------------------------------------------------------------------------------------------


async def test_an_open_store_answers_and_a_closed_one_says_so(store: Store) -> None:
    await store.ping()
    await store.close()
    with pytest.raises(StoreError):
        await store.add(build.new_record())
