"""Claims: delivery takes due messages for a limited time, notes what it learns, gives back what it cannot finish."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.model import State
from bcc_relay.store import audit, messages, records, trail
from bcc_relay.store.tables import messages as table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bcc_relay.core.model import OutcomeName, Record, Reply
    from bcc_relay.store.keys import Keys


async def claim(
    connection: AsyncConnection, *, now: datetime, owner: str, lease_until: datetime, limit: int, keys: Keys
) -> tuple[Record, ...]:
    """Take up to `limit` due messages, the longest due first."""
    # One index serves what waits and what has lost its lease, however long the queue is.
    due = await messages.read(
        connection, table.c.due_at <= now, order=(table.c.due_at, table.c.id), limit=limit, locked=True
    )
    taken = []
    for record in due:
        waiting = record
        if record.state is State.DELIVERING:
            waiting = records.returned(record)
            await _say(connection, record, waiting, "lease_lost", now, keys)
        claimed = records.claimed(waiting)
        await messages.save(connection, record, claimed, at=now, lease_owner=owner, lease_until=lease_until)
        await _say(connection, waiting, claimed, "claimed", now, keys)
        taken.append(claimed)
    return tuple(taken)


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
    for record in taken:
        returned = records.returned(record)
        await messages.save(connection, record, returned, at=now)
        await _say(connection, record, returned, "returned", now, keys)
    return len(taken)


async def _say(connection: AsyncConnection, old: Record, new: Record, event: str, at: datetime, keys: Keys) -> None:
    if new.held:
        await audit.append(connection, trail.of_delivery(old, new, event, at), keys)
