"""Queries about messages: storing, reading, counting and erasing them. Each runs in the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, literal_column, or_, select, text, update

from bcc_relay.core.record import State
from bcc_relay.relay.ports import Added, Counts, Doubt
from bcc_relay.store import audit, records, rows, trail
from bcc_relay.store.batches import batches, insert_rows
from bcc_relay.store.tables import OCTETS_PER_ROW, messages, octets, reasons, recipients

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bcc_relay.core.model import Message, OutcomeName, Reply
    from bcc_relay.core.record import NewRecord, Record
    from bcc_relay.store.keys import Keys

PIECES_PER_STATEMENT = 4
ERASED_PER_STATEMENT = 200


async def add(connection: AsyncConnection, new: NewRecord, keys: Keys) -> Added:
    """Store a message, or merge it into the held one with the same content."""
    record = records.first(new)
    if record.held and new.content_key and (held := await _held_twin(connection, new.content_key)):
        await _merge(connection, held, new, keys)
        return Added(held.id, merged=True)
    await connection.execute(insert(messages), rows.message_row(record, new))
    await insert_rows(connection, recipients, rows.recipient_rows(record.id, record.recipients))
    await insert_rows(connection, octets, _octet_rows(record.id, new.submission.message), PIECES_PER_STATEMENT)
    if record.held:
        await audit.append(connection, trail.of_hold(record, keys), keys)
    return Added(record.id)


async def _held_twin(connection: AsyncConnection, content_key: str) -> Record | None:
    # The state is written out so that the index over held messages alone can be used.
    found = await read(connection, messages.c.content_key == content_key, literal_column("state = 'held'"))
    return found[0] if found else None


async def _merge(connection: AsyncConnection, held: Record, new: NewRecord, keys: Keys) -> None:
    at = new.submission.received_at
    merged = records.merged(held, new)
    if merged is not held:
        await save(connection, held, merged, at=at)
    await audit.append(connection, trail.of_merge(held, merged, at), keys)


async def save(connection: AsyncConnection, old: Record, record: Record, *, at: datetime) -> bool:
    """Write what changed from `old` to `record`; False, and nothing written, when the stored revision is another."""
    changed = await connection.execute(
        update(messages).where(messages.c.id == old.id, messages.c.revision == old.revision),
        rows.changing(record, at=at),
    )
    if changed.rowcount != 1:
        return False
    outcomes = {
        position: (new.outcome, new.reply)
        for position, (was, new) in enumerate(zip(old.recipients, record.recipients, strict=False))
        if was != new
    }
    await save_outcomes(connection, old.id, outcomes)
    start = len(old.recipients)
    added = rows.recipient_rows(old.id, record.recipients[start:], start=start)
    await insert_rows(connection, recipients, added)
    return True


async def save_outcomes(
    connection: AsyncConnection, message_id: str, outcomes: Mapping[int, tuple[OutcomeName, Reply | None]]
) -> None:
    """Write the outcomes of some recipients."""
    by_value: dict[tuple[OutcomeName, Reply | None], list[int]] = {}
    for position, one in outcomes.items():
        by_value.setdefault(one, []).append(position)
    for (outcome, reply), positions in by_value.items():
        for some in batches(positions):
            await connection.execute(
                update(recipients).where(recipients.c.message_id == message_id, recipients.c.position.in_(some)),
                {"outcome": outcome, "reply": rows.reply_value(reply)},
            )


async def get(connection: AsyncConnection, message_id: str) -> Record | None:
    """Return one record, or None."""
    found = await read(connection, messages.c.id == message_id)
    return found[0] if found else None


async def read(
    connection: AsyncConnection,
    *where: ColumnElement[Any],
    order: Sequence[ColumnElement[Any]] = (),
    limit: int | None = None,
    locked: bool = False,
) -> list[Record]:
    """Return the records that fit `where`. `locked` leaves out those that another transaction is taking."""
    query = select(messages).where(*where).order_by(*order).limit(limit)
    if locked:
        # Engines with one writer at a time leave this away by themselves.
        query = query.with_for_update(skip_locked=True)
    found = (await connection.execute(query)).all()
    their: dict[str, list[Any]] = {row.id: [] for row in found}
    for ids in batches(their):
        selected = select(recipients).where(recipients.c.message_id.in_(ids))
        for one in await connection.execute(selected.order_by(recipients.c.message_id, recipients.c.position)):
            their[one.message_id].append(one)
    return [rows.record_of(row, their[row.id]) for row in found]


async def find(connection: AsyncConnection, states: Sequence[State], limit: int) -> tuple[Record, ...]:
    """Return records in these states, oldest first."""
    found: list[Record] = []
    # State by state, because an index gives each in order; all at once would sort the whole queue.
    for state in dict.fromkeys(states):
        order = (messages.c.received_at, messages.c.id)
        found += await read(connection, messages.c.state == state, order=order, limit=limit)
    return tuple(sorted(found, key=lambda record: (record.received_at, record.id))[:limit])


async def hold_expired(connection: AsyncConnection, now: datetime) -> tuple[Record, ...]:
    """Return held messages whose time is over, the longest over first."""
    where = (messages.c.state == State.HELD, messages.c.expires_at <= now)
    return tuple(await read(connection, *where, order=(messages.c.expires_at, messages.c.id)))


async def separator(connection: AsyncConnection, message_id: str) -> bytes | None:
    """Return the blank line of a message whose octets are there, None when they are not."""
    query = select(messages.c.separator).where(messages.c.id == message_id, messages.c.has_octets)
    found: bytes | None = await connection.scalar(query)
    return found


async def pieces(connection: AsyncConnection, message_id: str) -> AsyncIterator[tuple[int, bytes]]:
    """Yield the header at position 0, then the body piece by piece."""
    position = 0
    query = select(octets.c.piece).where(octets.c.message_id == message_id)
    while (piece := await connection.scalar(query.where(octets.c.position == position))) is not None:
        yield position, piece
        position += 1


async def doubts(connection: AsyncConnection, since: datetime) -> tuple[Doubt, ...]:
    """Return messages received after `since` whose client never heard 250."""
    query = (
        select(messages.c.id, messages.c.fingerprint, messages.c.received_at)
        # Word for word the condition of the index.
        .where(text("NOT client_heard"), messages.c.received_at > since)
        .order_by(messages.c.received_at, messages.c.id)
    )
    return tuple(Doubt(row.id, row.fingerprint, row.received_at) for row in await connection.execute(query))


async def heard(connection: AsyncConnection, message_id: str, *, heard: bool) -> None:
    """Whether the client of this message has heard 250."""
    await connection.execute(update(messages).where(messages.c.id == message_id), {"client_heard": heard})


async def erase_octets(connection: AsyncConnection, before: datetime) -> set[str]:
    """Drop octets of some messages that became final before this time; return their ids, none when all is done."""
    ids = await _final(connection, before, messages.c.has_octets.is_(True))
    if ids:
        await connection.execute(delete(octets).where(octets.c.message_id.in_(ids)))
        await connection.execute(update(messages).where(messages.c.id.in_(ids)), {"has_octets": False})
    return set(ids)


async def erase_records(connection: AsyncConnection, before: datetime) -> set[str]:
    """Drop some records that became final before this time with all that hangs on them; return their ids."""
    # Both values, because the index begins with this column.
    ids = await _final(connection, before, messages.c.has_octets.in_((True, False)))
    if ids:
        await connection.execute(delete(messages).where(messages.c.id.in_(ids)))
    return set(ids)


async def finished_of(connection: AsyncConnection, key: str) -> Sequence[str]:
    """Return the ids of messages in a final state with this address (comparing form) as sender or recipient."""
    return (await connection.scalars(select(messages.c.id).where(messages.c.final_at.is_not(None), _has(key)))).all()


async def held_of(connection: AsyncConnection, key: str) -> tuple[str, ...]:
    """Return the ids of held messages with this address as sender or recipient, oldest first."""
    query = select(messages.c.id).where(messages.c.state == State.HELD, _has(key))
    return tuple(await connection.scalars(query.order_by(messages.c.received_at, messages.c.id)))


def _has(key: str) -> ColumnElement[bool]:
    # No index for it: it is asked by a person, once in a while, and beside those who write.
    return or_(
        messages.c.sender_key == key,
        messages.c.id.in_(select(recipients.c.message_id).where(recipients.c.key == key)),
    )


async def erase_finished(connection: AsyncConnection, ids: Sequence[str]) -> int:
    """Drop those of these messages that are final, with the reasons given about them too; return how many."""
    final = (
        await connection.scalars(select(messages.c.id).where(messages.c.id.in_(ids), messages.c.final_at.is_not(None)))
    ).all()
    await connection.execute(delete(reasons).where(reasons.c.message_id.in_(final)))
    await connection.execute(delete(messages).where(messages.c.id.in_(final)))
    return len(final)


async def _final(connection: AsyncConnection, before: datetime, octets_there: ColumnElement[bool]) -> Sequence[str]:
    query = select(messages.c.id).where(octets_there, messages.c.final_at < before).limit(ERASED_PER_STATEMENT)
    return (await connection.scalars(query)).all()


async def counts(connection: AsyncConnection) -> Counts:
    """Return messages by state, when the oldest held one came, and since when the oldest in the queue waits."""
    by_state = await connection.execute(select(messages.c.state, func.count()).group_by(messages.c.state))
    oldest = select(func.min(messages.c.received_at))
    # Queued mail waits since its receipt, which an index knows. What was released, or is being delivered, is little.
    under_way = or_(messages.c.state == State.RELEASED, messages.c.state == State.DELIVERING)
    since = (
        await connection.scalar(oldest.where(messages.c.state == State.QUEUED)),
        await connection.scalar(select(func.min(messages.c.retry_since)).where(under_way)),
    )
    return Counts(
        by_state={State(state): count for state, count in by_state},
        oldest_held=await connection.scalar(oldest.where(messages.c.state == State.HELD)),
        oldest_waiting=min((one for one in since if one is not None), default=None),
    )


def _octet_rows(message_id: str, message: Message) -> Iterator[dict[str, Any]]:
    yield {"message_id": message_id, "position": 0, "piece": message.header}
    for position, piece in enumerate(message.body.pieces(OCTETS_PER_ROW), 1):
        yield {"message_id": message_id, "position": position, "piece": piece}
