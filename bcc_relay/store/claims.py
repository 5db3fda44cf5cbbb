"""Claims: delivery takes due messages for a limited time, notes what it learns, gives back what it cannot finish."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, update

from bcc_relay.core.record import State
from bcc_relay.store import audit, messages, records, rows, trail
from bcc_relay.store.tables import messages as table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bcc_relay.core.model import OutcomeName, Reply
    from bcc_relay.core.record import Record
    from bcc_relay.store.keys import Keys


async def claim(
    connection: AsyncConnection, *, now: datetime, owner: str, lease_until: datetime, limit: int, keys: Keys
) -> tuple[Record, ...]:
    """Take up to `limit` due messages, the longest due first."""
    # One index serves what waits and what has lost its lease, however long the queue is.
    due = await messages.read(
        connection, table.c.due_at <= now, order=(table.c.due_at, table.c.id), limit=limit, locked=True
    )
    changes: list[tuple[Record, Record]] = []
    for record in due:
        waiting = record
        if record.state is State.DELIVERING:
            waiting = records.returned(record)
            await _say(connection, record, waiting, "lease_lost", now, keys)
        claimed = records.claimed(waiting)
        await _say(connection, waiting, claimed, "claimed", now, keys)
        changes.append((record, claimed))
    await _save(connection, changes, now, owner, lease_until)
    return tuple(claimed for _, claimed in changes)


async def note(
    connection: AsyncConnection, message_id: str, outcomes: Mapping[int, tuple[OutcomeName, Reply | None]]
) -> None:
    """Record outcomes of a message that is being delivered; its revision stays."""
    record = await messages.get(connection, message_id)
    if record is None:
        return
    noted = records.noted(record, outcomes)
    changed = {
        position: (new.outcome, new.reply)
        for position, (old, new) in enumerate(zip(record.recipients, noted.recipients, strict=True))
        if old != new
    }
    await messages.save_outcomes(connection, message_id, changed)


async def reclaim(connection: AsyncConnection, *, owner: str, now: datetime, keys: Keys) -> int:
    """Give back what `owner` (when empty: everybody) had taken; return how many."""
    where = [table.c.state == State.DELIVERING]
    if owner:
        where.append(table.c.lease_owner == owner)
    taken = await messages.read(connection, *where, locked=True)
    changes = [(record, records.returned(record)) for record in taken]
    for record, returned in changes:
        await _say(connection, record, returned, "returned", now, keys)
    await _save(connection, changes, now)
    return len(taken)


async def _save(
    connection: AsyncConnection,
    changes: Sequence[tuple[Record, Record]],
    at: datetime,
    lease_owner: str | None = None,
    lease_until: datetime | None = None,
) -> None:
    """Write changes that leave the recipients alone, all in one statement. Nobody else can have been first."""
    if not changes:
        return
    await connection.execute(
        update(table).where(table.c.id == bindparam("old_id"), table.c.revision == bindparam("old_revision")),
        [
            {
                "old_id": old.id,
                "old_revision": old.revision,
                **rows.changing(new, at=at, lease_owner=lease_owner, lease_until=lease_until),
            }
            for old, new in changes
        ],
    )


async def _say(connection: AsyncConnection, old: Record, new: Record, event: str, at: datetime, keys: Keys) -> None:
    if new.held:
        await audit.append(connection, trail.of_delivery(old, new, event, at), keys)
