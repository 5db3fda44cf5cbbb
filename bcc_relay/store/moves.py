"""One move of a stored message: compare, set, audit row and the relay's own mail, in the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.store import audit, messages, records, trail

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bcc_relay.core.record import Record
    from bcc_relay.relay.ports import Move
    from bcc_relay.store.keys import Keys


async def carry_out(connection: AsyncConnection, move: Move, keys: Keys) -> Record | None:
    """Carry out a move; None when the record is gone or someone else was first. Raises as `records.moved`."""
    old = await messages.get(connection, move.id)
    if old is None or old.revision != move.revision:
        return None
    record = records.moved(old, move)
    if not await messages.save(connection, old, record, at=move.at):
        return None
    if trail.is_audited(record, move):
        await audit.append(connection, trail.of_move(old, record, move, keys), keys)
    for notice in move.notices:
        await messages.add(connection, notice, keys)
    return record
