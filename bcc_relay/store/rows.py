"""Records to rows and back, exactly: what was stored is what is read."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bcc_relay.core import lifecycle
from bcc_relay.core.model import Address, Channel, Envelope, Finding, Form, Origin, OutcomeName, Recipient, Reply
from bcc_relay.core.record import Judgement, Record, State, StoredRecipient
from bcc_relay.store import records

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Row

    from bcc_relay.core.record import NewRecord


def message_row(record: Record, new: NewRecord) -> dict[str, Any]:
    """Return the row of a record that is stored for the first time."""
    envelope = record.envelope
    return {
        "id": record.id,
        "received_at": record.received_at,
        "origin": asdict(record.origin),
        "sender": envelope.sender.octets if envelope.sender else None,
        "sender_key": envelope.sender.key if envelope.sender else None,
        "body_8bitmime": envelope.body_8bitmime,
        "smtputf8": envelope.smtputf8,
        "ret": envelope.ret,
        "envid": envelope.envid,
        "subject": record.subject,
        "size_bytes": record.size_bytes,
        "judgement": asdict(record.judgement),
        "held": record.held,
        "is_notice": record.is_notice,
        "expires_at": record.expires_at,
        "separator": new.submission.message.separator,
        "has_octets": True,
        "fingerprint": new.fingerprint,
        "content_key": new.content_key or None,
        "client_heard": new.client_heard,
        **changing(record, at=record.received_at, lease_owner=new.lease_owner, lease_until=new.lease_until),
    }


def changing(
    record: Record, *, at: datetime, lease_owner: str | None = None, lease_until: datetime | None = None
) -> dict[str, Any]:
    """Return the columns that a change may touch. `at` is when the record became final, if it did."""
    return {
        "state": record.state,
        "revision": record.revision,
        "form": record.form,
        "next_attempt_at": record.next_attempt_at,
        "retry_since": record.retry_since,
        "attempts": record.attempts,
        "released_at": record.released_at,
        "asked_by": record.asked_by,
        "delay_warned": record.delay_warned,
        "due_at": records.due_at(record, lease_until),
        "lease_owner": lease_owner if record.state is State.DELIVERING else None,
        "final_at": at if record.state in lifecycle.FINAL else None,
    }


def recipient_rows(message_id: str, recipients: Iterable[StoredRecipient], *, start: int = 0) -> list[dict[str, Any]]:
    """Return the rows of recipients from position `start` on."""
    return [
        {
            "message_id": message_id,
            "position": position,
            "octets": one.recipient.address.octets,
            "key": one.recipient.address.key,
            "notify": one.recipient.notify or None,
            "orcpt": one.recipient.orcpt,
            "outcome": one.outcome,
            "reply": reply_value(one.reply),
        }
        for position, one in enumerate(recipients, start)
    ]


def reply_value(reply: Reply | None) -> tuple[int, str] | None:
    """Return what is stored of a reply."""
    return (reply.code, reply.text) if reply else None


def record_of(row: Row[Any], recipient_rows: Sequence[Row[Any]]) -> Record:
    """Return the record that a row of `messages` and its recipients, in order, stand for."""
    recipients = tuple(_recipient_of(one) for one in recipient_rows)
    sender = None if row.sender is None else Address(row.sender, row.sender_key)
    origin = {**row.origin, "user_addresses": tuple(row.origin["user_addresses"])}
    findings = tuple(Finding(**{**one, "channel": Channel(one["channel"])}) for one in row.judgement["findings"])
    judgement = {**row.judgement, "findings": findings, "damage": tuple(row.judgement["damage"])}
    return Record(
        id=row.id,
        state=State(row.state),
        revision=row.revision,
        received_at=row.received_at,
        origin=Origin(**origin),
        envelope=Envelope(
            sender,
            tuple(one.recipient for one in recipients),
            body_8bitmime=row.body_8bitmime,
            smtputf8=row.smtputf8,
            ret=row.ret,
            envid=row.envid,
        ),
        recipients=recipients,
        subject=row.subject,
        size_bytes=row.size_bytes,
        form=Form(row.form),
        judgement=Judgement(**judgement),
        held=row.held,
        is_notice=row.is_notice,
        expires_at=row.expires_at,
        next_attempt_at=row.next_attempt_at,
        retry_since=row.retry_since,
        attempts=row.attempts,
        released_at=row.released_at,
        asked_by=row.asked_by,
        delay_warned=row.delay_warned,
    )


def _recipient_of(row: Row[Any]) -> StoredRecipient:
    recipient = Recipient(Address(row.octets, row.key), tuple(row.notify or ()), row.orcpt)
    return StoredRecipient(recipient, OutcomeName(row.outcome), Reply(*row.reply) if row.reply else None)
