"""How records change, as values: what is stored first, and what each move, claim, note and merge makes of it.

Whoever keeps records (tables or memory) applies these, so that all keep the same rules.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bcc_relay.core import lifecycle
from bcc_relay.core.address import transport_octets
from bcc_relay.core.model import OutcomeName
from bcc_relay.core.record import Record, State, StoredRecipient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from bcc_relay.core.model import Recipient, Reply
    from bcc_relay.core.record import NewRecord
    from bcc_relay.relay.ports import Move

FIRST_REVISION = 1


def first(new: NewRecord) -> Record:
    """Return the record as which `new` is stored. Raises ValueError for one that makes no sense."""
    submission = new.submission
    if (new.state is State.DELIVERING) != (new.lease_until is not None and new.lease_owner is not None):
        raise ValueError("a lease belongs to a DELIVERING record, and to no other")
    if new.outcomes and len(new.outcomes) != len(submission.envelope.recipients):
        raise ValueError("one outcome a recipient, or none at all")
    outcomes = new.outcomes or ((OutcomeName.PENDING, None),) * len(submission.envelope.recipients)
    return Record(
        id=submission.id,
        state=new.state,
        revision=FIRST_REVISION,
        received_at=submission.received_at,
        origin=submission.origin,
        envelope=submission.envelope,
        recipients=tuple(
            StoredRecipient(recipient, outcome, reply)
            for recipient, (outcome, reply) in zip(submission.envelope.recipients, outcomes, strict=True)
        ),
        subject=new.subject,
        size_bytes=submission.message.size_bytes,
        form=new.form,
        judgement=new.judgement,
        held=new.state is State.HELD,
        is_notice=new.is_notice,
        expires_at=new.expires_at,
        next_attempt_at=new.next_attempt_at,
        retry_since=None if new.state is State.HELD else submission.received_at,
        attempts=new.attempts,
    )


def merged(record: Record, new: NewRecord) -> Record:
    """Return the held `record` with the recipients of `new` that it does not have yet; itself when there are none."""
    known = {transport_octets(r.recipient.address) for r in record.recipients}
    added: list[Recipient] = []
    for recipient in new.submission.envelope.recipients:
        if (octets := transport_octets(recipient.address)) not in known:
            known.add(octets)
            added.append(recipient)
    if not added:
        return record
    return replace(
        record,
        revision=record.revision + 1,
        envelope=replace(record.envelope, recipients=(*record.envelope.recipients, *added)),
        recipients=(*record.recipients, *(StoredRecipient(recipient) for recipient in added)),
    )


def moved(record: Record, move: Move) -> Record:
    """Return the record after `move`, whose revision fits.

    Raises ValueError when `lifecycle` does not allow it, and for DELIVERING, which only a claim gives, with a lease.
    """
    if move.state is State.DELIVERING or not lifecycle.allowed(record.state, move.state):
        raise ValueError(f"no move leads from {record.state} to {move.state}")
    if any(not 0 <= position < len(record.recipients) for position in move.outcomes):
        raise ValueError("an outcome for a recipient that the message does not have")
    is_release = record.state is State.HELD and move.state is State.RELEASED
    return replace(
        record,
        state=move.state,
        revision=record.revision + 1,
        recipients=_with_outcomes(record.recipients, move.outcomes),
        form=move.form or record.form,
        next_attempt_at=move.next_attempt_at or record.next_attempt_at,
        attempts=record.attempts if move.attempts is None else move.attempts,
        asked_by=record.asked_by if move.asked_by is None else move.asked_by,
        delay_warned=record.delay_warned if move.delay_warned is None else move.delay_warned,
        released_at=move.at if is_release else record.released_at,
        retry_since=move.at if is_release else record.retry_since,
    )


def noted(record: Record, outcomes: Mapping[int, tuple[OutcomeName, Reply | None]]) -> Record:
    """Return the record with these outcomes. Its revision stays: whoever delivers it goes on with what it has read.

    What is delivered already stays delivered, and a final record stays as it is: a late note changes neither.
    """
    if record.state in lifecycle.FINAL:
        return record
    late = {
        position: outcome
        for position, outcome in outcomes.items()
        if 0 <= position < len(record.recipients) and record.recipients[position].outcome is not OutcomeName.DELIVERED
    }
    return replace(record, recipients=_with_outcomes(record.recipients, late))


def claimed(record: Record) -> Record:
    """Return the record as delivery takes it."""
    return replace(record, state=State.DELIVERING, revision=record.revision + 1)


def returned(record: Record) -> Record:
    """Return a DELIVERING record as it waits again, unsent: where it came from."""
    state = State.RELEASED if record.held else State.QUEUED
    return replace(record, state=state, revision=record.revision + 1)


def due_at(record: Record, lease_until: datetime | None) -> datetime | None:
    """When delivery may take the record: while it waits, while it is delivered (the lease's end), or never."""
    if record.state in lifecycle.WAITING:
        return record.next_attempt_at or record.retry_since or record.received_at
    return lease_until if record.state is State.DELIVERING else None


def _with_outcomes(
    recipients: Sequence[StoredRecipient], outcomes: Mapping[int, tuple[OutcomeName, Reply | None]]
) -> tuple[StoredRecipient, ...]:
    return tuple(
        StoredRecipient(one.recipient, *outcomes[position]) if position in outcomes else one
        for position, one in enumerate(recipients)
    )
