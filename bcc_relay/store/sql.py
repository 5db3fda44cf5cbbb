"""The store of held and queued mail and the audit in an SQL database, as `relay.ports.Store` promises."""

from __future__ import annotations

import asyncio
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import select

from bcc_relay.core.model import Body, Message
from bcc_relay.relay.spool import MEMORY_BYTES, Spool
from bcc_relay.store import audit, claims, forget, keys, messages, moves, schema
from bcc_relay.store.engine import Database, sqlite_path
from bcc_relay.store.memory import SqlMemory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bcc_relay.core.audit import AuditRow
    from bcc_relay.core.model import OutcomeName, Reply
    from bcc_relay.core.record import NewRecord, Record, State
    from bcc_relay.relay.ports import Added, Clock, Counts, Doubt, Forgotten, Move


async def open_store(
    url: str, *, clock: Clock, secret_file: Path | None = None, spool_folder: Path | None = None
) -> SqlStore:
    """Open the store at `url` (`sqlite://` and an absolute path), made or brought up to date if need be.

    `secret_file` holds the master key; None keeps it beside the database. Large bodies are read into unlinked files
    below `spool_folder` (None: the system's temporary folder). Raises ConfigurationError for a wrong URL, key or
    schema, StoreError when the database does not answer.
    """
    path = sqlite_path(url)
    database = Database(path)

    async def prepare(connection: AsyncConnection) -> keys.Keys:
        await schema.upgrade(connection)
        known = await schema.get_meta(connection, schema.KEY_IDENTITY)
        subkeys = await asyncio.to_thread(keys.load, secret_file, path, may_make=known is None)
        if known is None:
            await schema.put_meta(connection, schema.KEY_IDENTITY, subkeys.identity)
        elif known != subkeys.identity:
            raise keys.another_key(secret_file, path)
        return subkeys

    try:
        return SqlStore(database, await database.write(prepare), clock, spool_folder)
    except BaseException:
        await database.close()
        raise


class SqlStore:
    """Implements `relay.ports.Store`. `keys` are the subkeys of the master key that belongs to this store.

    `memory` is what earlier mail tells, in the same database.
    """

    def __init__(self, database: Database, subkeys: keys.Keys, clock: Clock, spool_folder: Path | None = None) -> None:
        self.keys = subkeys
        self.memory = SqlMemory(database, subkeys)
        self._database = database
        self._clock = clock
        self._spool_folder = spool_folder

    async def add(self, record: NewRecord, *, notices: Sequence[NewRecord] = ()) -> Added:
        """Store a message with the relay's own notices in one transaction (see the port)."""

        async def operation(connection: AsyncConnection) -> Added:
            added = await messages.add(connection, record, self.keys)
            if not added.merged:
                for notice in notices:
                    await messages.add(connection, notice, self.keys)
            return added

        size_bytes = sum(one.submission.message.size_bytes for one in (record, *notices))
        return await self._database.write(operation, size_bytes=size_bytes)

    async def get(self, message_id: str) -> Record | None:
        """Return one record, or None."""
        async with self._database.read() as connection:
            return await messages.get(connection, message_id)

    async def message(self, message_id: str) -> Message | None:
        """Return the octets as they were submitted; None when erased. A large body is a mapped unlinked file."""
        async with self._database.read() as connection:
            separator = await messages.separator(connection, message_id)
            if separator is None:
                return None
            header = b""
            with closing(Spool(self._spool_folder, MEMORY_BYTES)) as spool:
                async for position, piece in messages.pieces(connection, message_id):
                    if position == 0:
                        header = piece
                    else:
                        # A large piece goes to a file.
                        await asyncio.to_thread(spool.write, piece)
                return Message(header, separator, Body(spool.content()))

    async def find(self, states: Sequence[State], *, limit: int = 1000) -> tuple[Record, ...]:
        """Return records in these states, oldest first."""
        async with self._database.read() as connection:
            return await messages.find(connection, states, limit)

    async def move(self, move: Move) -> Record | None:
        """Carry out a move; None when the record is gone or its revision is another (see the port)."""
        operation = partial(moves.carry_out, move=move, keys=self.keys)
        size_bytes = sum(one.submission.message.size_bytes for one in move.notices)
        return await self._database.write(operation, size_bytes=size_bytes)

    async def claim(self, *, now: datetime, owner: str, lease_until: datetime, limit: int) -> tuple[Record, ...]:
        """Move up to `limit` due messages to DELIVERING for `owner`, the longest due first, and return them."""
        operation = partial(claims.claim, now=now, owner=owner, lease_until=lease_until, limit=limit, keys=self.keys)
        return await self._database.write(operation)

    async def note(self, message_id: str, outcomes: Mapping[int, tuple[OutcomeName, Reply | None]]) -> None:
        """Record outcomes of a message that stays DELIVERING."""
        await self._database.write(partial(claims.note, message_id=message_id, outcomes=outcomes))

    async def reclaim(self, *, owner: str) -> int:
        """Give back what `owner` had claimed (or, with an empty owner, everybody)."""
        return await self._database.write(partial(claims.reclaim, owner=owner, now=self._clock(), keys=self.keys))

    async def hold_expired(self, now: datetime) -> tuple[Record, ...]:
        """Return held messages whose time is over."""
        async with self._database.read() as connection:
            return await messages.hold_expired(connection, now)

    async def doubts(self, since: datetime) -> tuple[Doubt, ...]:
        """Return messages received after `since` whose client never heard 250."""
        async with self._database.read() as connection:
            return await messages.doubts(connection, since)

    async def heard(self, message_id: str, *, heard: bool = True) -> None:
        """The client of this message has heard 250 after all, or was gone before it could (see the port)."""
        await self._database.write(partial(messages.heard, message_id=message_id, heard=heard))

    async def erase(self, *, bodies_before: datetime, records_before: datetime) -> int:
        """Drop octets, then whole records, of messages that became final before these times; return how many messages.

        It goes a few at a time, so that others get their turn.
        """
        erased: set[str] = set()
        for operation in (
            partial(messages.erase_octets, before=bodies_before),
            partial(messages.erase_records, before=records_before),
        ):
            while some := await self._database.write(operation):
                erased |= some
        return len(erased)

    async def forget(self, key: str) -> Forgotten:
        """Erase an address (comparing form) from the memory and with it finished messages (see the port).

        It goes a few at a time: after a StoreError some may be erased, and giving it again does the rest.
        """
        return await forget.forget(self._database, self.keys, key, self._clock())

    async def counts(self) -> Counts:
        """Figures for the gauges."""
        async with self._database.read() as connection:
            return await messages.counts(connection)

    async def audit_seq(self) -> int:
        """Return the number of the newest audit row; 0 when there is none."""
        async with self._database.read() as connection:
            return await audit.newest_seq(connection)

    async def audit_rows(self, *, after: int = 0, limit: int = 1000) -> tuple[AuditRow, ...]:
        """Return audit rows with `seq` greater than `after`, in order."""
        async with self._database.read() as connection:
            return await audit.read(connection, after=after, limit=limit)

    async def reasons(self, message_id: str) -> tuple[audit.Reason, ...]:
        """Return the reasons that people gave for what they did with a message, oldest first."""
        async with self._database.read() as connection:
            return await audit.reasons_of(connection, message_id)

    async def ping(self) -> None:
        """Raise StoreError unless the store answers."""
        async with self._database.read() as connection:
            await connection.execute(select(1))

    async def close(self) -> None:
        """Finish the changes under way and let go of the file."""
        await self._database.close()
