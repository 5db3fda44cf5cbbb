"""What every store promises (relay.ports.Store): storing and reading."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bcc_relay.core.errors import StoreError
from bcc_relay.core.model import (
    Address,
    Body,
    Channel,
    Envelope,
    Finding,
    Form,
    Message,
    Origin,
    OutcomeName,
    Recipient,
    Reply,
    Submission,
)
from bcc_relay.core.record import Judgement, NewRecord, State
from bcc_relay.relay.ports import Added
from tests import build
from tests.contracts.steps import MINUTE, NOW, OK, added, octets

if TYPE_CHECKING:
    from bcc_relay.relay.ports import Store


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


async def test_an_open_store_answers_and_a_closed_one_says_so(store: Store) -> None:
    await store.ping()
    await store.close()
    with pytest.raises(StoreError):
        await store.add(build.new_record())
