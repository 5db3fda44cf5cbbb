"""The audit chain in the database: rows are put at its end and read, never changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select

from bcc_relay.core.audit import START, AuditRow, Head
from bcc_relay.store.tables import audit, instant_text, reasons

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bcc_relay.store.keys import Keys
    from bcc_relay.store.trail import Entry


@dataclass(frozen=True, slots=True)
class Reason:
    """What somebody wrote about a message: when (UTC, ISO 8601), at which event of the audit, in which words."""

    at: str
    event: str
    text: str


async def append(connection: AsyncConnection, entry: Entry, keys: Keys) -> None:
    """Chain an entry to the end; its reason is kept beside it."""
    newest = (await connection.execute(select(audit).order_by(audit.c.seq.desc()).limit(1))).first()
    head = Head(newest.seq, newest.digest) if newest else START
    row = entry.chained(head, keys, instant_text(entry.at))
    await connection.execute(
        insert(audit),
        {
            "seq": row.seq,
            "at": row.at,
            "event": row.event,
            "message_id": row.message_id,
            "detail": row.detail,
            "previous": row.previous,
            "digest": row.digest,
        },
    )
    if entry.reason is not None:
        reason = {"seq": row.seq, "message_id": entry.message_id, "reason": entry.reason}
        await connection.execute(insert(reasons), reason)


async def newest_seq(connection: AsyncConnection) -> int:
    """Return the number of the newest row; 0 when there is none."""
    return (await connection.execute(select(func.max(audit.c.seq)))).scalar() or 0


async def read(connection: AsyncConnection, *, after: int, limit: int) -> tuple[AuditRow, ...]:
    """Return rows with `seq` greater than `after`, in order."""
    query = select(audit).where(audit.c.seq > after).order_by(audit.c.seq).limit(limit)
    return tuple(
        AuditRow(row.seq, row.at, row.event, row.message_id, row.detail, row.previous, row.digest)
        for row in await connection.execute(query)
    )


async def reasons_of(connection: AsyncConnection, message_id: str) -> tuple[Reason, ...]:
    """Return the reasons given for what was done with a message, oldest first, as far as they are still kept."""
    query = (
        select(audit.c.at, audit.c.event, reasons.c.reason)
        .join(reasons, reasons.c.seq == audit.c.seq)
        .where(reasons.c.message_id == message_id)
        .order_by(audit.c.seq)
    )
    return tuple(Reason(row.at, row.event, row.reason) for row in await connection.execute(query))
