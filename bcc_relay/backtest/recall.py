"""The relay's memory for one backtest: the same questions over the same tables, in a file that one task has to itself.

Nobody else writes there, and what is lost with the machine's power is decided anew. So statements run in place, without
the thread and the flushes that a relay needs; most of them take less time than handing them to a thread would.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy import URL, create_engine, event

from bcc_relay.store.engine import translated
from bcc_relay.store.keys import derive
from bcc_relay.store.memory import SqlMemory
from bcc_relay.store.schema import migrate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sqlalchemy import Connection, CursorResult, ScalarResult
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.pool import ConnectionPoolEntry

    from bcc_relay.relay.ports import Memory
    from bcc_relay.store.engine import Database
    from bcc_relay.store.writer import Operation

    T = TypeVar("T")

_PRAGMAS = ("journal_mode = WAL", "synchronous = OFF", "foreign_keys = ON")


@asynccontextmanager
async def open_memory(file: Path, key: bytes) -> AsyncIterator[Memory]:
    """Open the memory in `file`, made if missing. `key`, 32 octets, must be the one it was made with.

    Raises StoreError when the file fails.
    """
    with translated():
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        engine = create_engine(
            URL.create("sqlite", database=str(file)), connect_args={"isolation_level": None}, hide_parameters=True
        )
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)
        try:
            with engine.connect() as connection:
                with connection.begin():
                    migrate(connection)
                # It does what is asked of a database, and that is all that a memory knows of it.
                yield SqlMemory(cast("Database", _OneTask(connection)), derive(key))
        finally:
            engine.dispose()


def _on_connect(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor: Any = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


class _InPlace:
    """The methods of an AsyncConnection that the memory uses, each done before it is awaited."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def execute(self, *arguments: Any) -> CursorResult[Any]:
        """Run a statement."""
        return self._connection.execute(*arguments)

    async def scalar(self, *arguments: Any) -> Any:
        """Run a statement and return the first value of its first row."""
        return self._connection.scalar(*arguments)

    async def scalars(self, *arguments: Any) -> ScalarResult[Any]:
        """Run a statement and return the first value of each row."""
        return self._connection.scalars(*arguments)


class _OneTask:
    """`store.engine.Database` for one task that does one thing after another."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection within a transaction."""
        with translated(), self._connection.begin():
            yield cast("AsyncConnection", _InPlace(self._connection))

    async def write(self, operation: Operation[T], *, size_bytes: int = 0) -> T:
        """Carry out `operation` in a transaction."""
        del size_bytes
        with translated(), self._connection.begin():
            return await operation(cast("AsyncConnection", _InPlace(self._connection)))
