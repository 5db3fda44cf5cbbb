"""The memory of earlier mail in an SQL database, as `relay.ports.Memory` promises. Only keyed hashes are kept."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from bcc_relay.core.history import NO_HISTORY, Ask, History
from bcc_relay.store import circles, questions

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bcc_relay.core.history import Circle
    from bcc_relay.store.circles import Hashed
    from bcc_relay.store.engine import Database
    from bcc_relay.store.keys import Keys

NOTHING_ASKED = Ask()
ROW_BYTES = 100


class SqlMemory:
    """Implements `relay.ports.Memory` in the database of a store, with its keys."""

    def __init__(self, database: Database, subkeys: Keys) -> None:
        self._database = database
        self._keys = subkeys

    async def consider(self, circle: Circle, ask: Ask) -> History:
        """Answer what is asked about a message, and note the message (see the port).

        What other messages under way may change (pieces, windows) is counted in the transaction that notes this one;
        the rest is read before, beside the one that writes.
        """
        if circle.is_too_large or (ask == NOTHING_ASKED and not circle.is_noteworthy):
            return NO_HISTORY
        one = circles.hash_circle(circle, self._keys)
        history = NO_HISTORY
        if replace(ask, pieces_within=None, windows=()) != NOTHING_ASKED:
            async with self._database.read() as connection:
                history = await _acquaintance(connection, one, ask)
        if circle.is_noteworthy:
            operation = partial(_note_and_count, circle=one, ask=ask, history=history)
            return await self._database.write(operation, size_bytes=ROW_BYTES * len(one.members))
        if ask.pieces_within is None and not ask.windows:
            return history
        async with self._database.read() as connection:
            return await _counted(connection, one, ask, history)

    async def decided(self, message_id: str, verdict: str, rule: str) -> None:
        """Remember that a noted message was stopped, or would have been in monitor mode."""
        await self._database.write(partial(circles.decided, message_id=message_id, verdict=verdict, rule=rule))

    async def learn(self, message_id: str) -> None:
        """Learn the circle of a noted message that was delivered as it is (see the port)."""
        async with self._database.read() as connection:
            is_noted = await circles.is_noted(connection, message_id)
        # Most mail is never noted, and reading is quick beside a flush to disk.
        if is_noted:
            await self._database.write(partial(circles.learn, message_id=message_id))

    async def erase_memory(self, before: datetime) -> int:
        """Drop circles noted before this time, a few at a time; return how many."""
        erased = 0
        while some := await self._database.write(partial(circles.erase_before, before=before)):
            erased += some
        return erased


async def _acquaintance(connection: AsyncConnection, circle: Hashed, ask: Ask) -> History:
    history = NO_HISTORY
    if ask.thread:
        known_thread, gained = await questions.thread(connection, circle)
        history = replace(history, known_thread=known_thread, gained=gained)
    if ask.strangers:
        history = replace(history, strangers=await questions.strangers(connection, circle))
    if ask.usual:
        history = replace(history, usually_blind=await questions.usually_blind(connection, circle))
    if ask.stopped_within is not None:
        history = replace(history, stopped=await questions.stopped(connection, circle, ask.stopped_within))
    return history


async def _note_and_count(connection: AsyncConnection, circle: Hashed, ask: Ask, history: History) -> History:
    await circles.note(connection, circle)
    return await _counted(connection, circle, ask, history)


async def _counted(connection: AsyncConnection, circle: Hashed, ask: Ask, history: History) -> History:
    pieces, counts = await questions.disclosed(connection, circle, ask.pieces_within, ask.windows)
    return replace(history, pieces=pieces, windows=tuple(zip(ask.windows, counts, strict=True)))
