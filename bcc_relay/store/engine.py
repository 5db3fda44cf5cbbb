"""What differs between database engines, and it alone: connections, how transactions begin and commit, foreign errors.

SQLite here has one writer at a time in this process and readers beside it. Writers that wait at the same time share one
flush to disk (group commit).
"""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import URL, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from bcc_relay.core.errors import ConfigurationError, StoreError, StoreFullError
from bcc_relay.store.writer import Writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy import Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
    from sqlalchemy.pool import ConnectionPoolEntry

    from bcc_relay.store.writer import Operation

T = TypeVar("T")

SQLITE_PREFIX = "sqlite://"
BUSY_TIMEOUT_S = 10.0
"""How long to wait for another process that is writing."""
READERS = 3
WAL = "PRAGMA journal_mode = WAL"
WAL_KEPT_BYTES = 64 * 1024 * 1024
"""The write-ahead log is cut back to this size after a checkpoint."""


def sqlite_path(url: str) -> Path:
    """Return the file that `store.url` names: what follows `sqlite://` is an absolute path.

    Raises ConfigurationError for anything else.
    """
    path = Path(url.removeprefix(SQLITE_PREFIX))
    if not url.startswith(SQLITE_PREFIX) or not path.is_absolute():
        raise ConfigurationError(
            f"store.url: cannot open {url.partition(':')[0]}: here; write sqlite:// and the absolute path of a file"
        )
    return path


class Database:
    """An open database: `read` for queries, `write` for changes. Its errors are StoreError and StoreFullError."""

    def __init__(self, path: Path) -> None:
        """Open `path`, made with mode 0600 if missing, its folder with 0700. Raises StoreError when that fails."""
        with translated():
            try:
                _make_database(path)
            except OSError as error:
                if _is_full(error):
                    raise
                place = f"{path} cannot be made ({error.strerror})"
                raise StoreError(f"{place}; make its folder and give it to the relay's user") from error
        if not os.access(path, os.R_OK | os.W_OK):
            raise StoreError(f"{path} may not be read and written by this user; correct its owner or rights")
        self.writing = _engine(path, begin="BEGIN IMMEDIATE", connections=1)
        self.reading = _engine(path, begin="BEGIN", connections=READERS, pragmas=("PRAGMA query_only = ON",))
        self._writer = Writer(self._transaction)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection that sees one state of the database and cannot change it."""
        with translated():
            async with self.reading.connect() as connection:
                yield connection

    async def write(self, operation: Operation[T], *, size_bytes: int = 0) -> T:
        """Carry out `operation` in a transaction; return its result once the change is flushed to disk.

        It may share the transaction with others, and may be run again in one of its own when a neighbour fails: it must
        have no effect but on the database, and must not change anything before it raises an error of its own.
        `size_bytes` is about how much it writes. Raises what the operation raises, StoreError or StoreFullError; then
        nothing is changed. A caller that is cancelled does not know whether the change was made.
        """
        return await self._writer.write(operation, size_bytes)

    async def close(self) -> None:
        """Finish the writes that wait, then let go of the file."""
        await self._writer.close()
        await self.reading.dispose()
        # The last connection to close empties the write-ahead log into the file.
        await self.writing.dispose()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        with translated():
            async with self.writing.begin() as connection:
                yield connection


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors of the database and the file system into StoreError or StoreFullError, the cause kept."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        if _is_full(error):
            raise StoreFullError("no room left on the store's disk") from error
        raise StoreError(f"the store failed: {_kind(error)}") from error


def _is_full(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    # The shared-memory file of the write-ahead log cannot grow: SQLite calls that an input/output error.
    full = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
    return getattr(_original(error), "sqlite_errorcode", None) in full


def _kind(error: Exception) -> str:
    """Name an error without the statement and its values, which are personal data."""
    original = _original(error)
    return getattr(original, "sqlite_errorname", None) or type(original).__name__


def _original(error: Exception) -> BaseException:
    return error.orig or error if isinstance(error, DBAPIError) else error


def _make_database(path: Path) -> None:
    """Make an empty database with its folder, so that nobody else can ever read them.

    It is in WAL mode before it gets its name: two processes that switch the mode at once would find it locked.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        with new_file(path) as draft, closing(sqlite3.connect(draft)) as connection:
            connection.execute(WAL)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give an empty file with mode 0600 to fill, then flush it and name it `path`, whole or not at all.

    A file that has this name by then stays: of two who make it at once both find the same one. Raises OSError.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    try:
        yield draft
        os.fsync(descriptor)
        # Unlike a rename, a link never replaces a file.
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        os.close(descriptor)
        draft.unlink()
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Flush a folder to disk, so that the name of a new file in it survives a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _engine(path: Path, *, begin: str, connections: int, pragmas: tuple[str, ...] = ()) -> AsyncEngine:
    """Return an engine whose transactions start with `begin`.

    The driver's own transaction control is switched off: it begins late, and not at all before DDL and SELECT.
    """
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        pool_size=connections,
        max_overflow=0,
        connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT_S},
        # Values are personal data and must not stand in the text of an error.
        hide_parameters=True,
    )
    settings = (
        WAL,
        # With WAL, FULL flushes the log at every commit: what was stored survives a power failure.
        "PRAGMA synchronous = FULL",
        "PRAGMA foreign_keys = ON",
        # What is erased is overwritten.
        "PRAGMA secure_delete = ON",
        f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}",
        *pragmas,
    )

    def on_connect(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor: Any = connection.cursor()
        for setting in settings:
            cursor.execute(setting)
        cursor.close()

    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine.sync_engine, "connect", on_connect)
    event.listen(engine.sync_engine, "begin", on_begin)
    return engine
