"""What a backtest has found, read and decided so far, in an SQLite file: it survives being killed, and goes on.

Messages are few octets here, whatever their size; only the addresses that they show are kept besides.
"""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bcc_relay.backtest.reading import Kind, Place
from bcc_relay.core.errors import BccRelayError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from bcc_relay.backtest.reading import Read
    from bcc_relay.backtest.sources import File, NotUsed

_FORMAT = "2"
_TABLES = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS files (
    id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE, size INTEGER NOT NULL, changed INTEGER NOT NULL,
    is_mbox INTEGER NOT NULL, run INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS not_used (path BLOB PRIMARY KEY, why TEXT NOT NULL, is_draft INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS mails (
    id INTEGER PRIMARY KEY, file INTEGER NOT NULL REFERENCES files (id) ON DELETE CASCADE, start INTEGER NOT NULL,
    length INTEGER NOT NULL, kind TEXT, date INTEGER, author TEXT, identity BLOB, recipients INTEGER, contents TEXT,
    why TEXT, UNIQUE (file, start));
CREATE INDEX IF NOT EXISTS mails_to_read ON mails (id) WHERE kind IS NULL;
CREATE TABLE IF NOT EXISTS turns (number INTEGER PRIMARY KEY, mail INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS decided (
    number INTEGER PRIMARY KEY, verdict TEXT NOT NULL, rule TEXT NOT NULL, visible INTEGER NOT NULL,
    is_closed INTEGER NOT NULL, is_noted INTEGER NOT NULL, detail TEXT);
CREATE TABLE IF NOT EXISTS people (
    digest BLOB PRIMARY KEY, disclosed INTEGER NOT NULL, protected INTEGER NOT NULL) WITHOUT ROWID;
"""
_DECIDED_BY = "decided by"
_DERIVED = ("turns", "decided", "people")
# One message of several copies: that which names most of its recipients, as the sender's own copy does.
_TURNS = """
INSERT INTO turns (mail)
SELECT id FROM (
    SELECT mails.id, date, path, start, row_number() OVER (
        PARTITION BY identity ORDER BY recipients DESC, path, start) AS copy
    FROM mails JOIN files ON files.id = mails.file WHERE kind = ?)
WHERE copy = 1 ORDER BY date, path, start
"""
_PLACE = "SELECT mails.id, path, start, length, is_mbox"


class StateError(BccRelayError):
    """The state file cannot be used; `sentence` says why and what to do."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        super().__init__(sentence)


@dataclass(frozen=True, slots=True)
class Turn:
    """A message to decide about."""

    number: int
    place: Place
    date_s: int
    author: str
    contents: str | None


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided about one message."""

    number: int
    verdict: str
    rule: str
    visible: int
    is_closed: bool
    is_noted: bool
    """The memory took note of it and has yet to be told what became of it."""
    detail: dict[str, Any] | None = None
    """More about messages that are stopped or show many people; JSON."""
    disclosed: tuple[bytes, ...] = ()
    """Digests of the outsiders whom it shows to another and that pass."""
    protected: tuple[bytes, ...] = ()
    """The same, kept from being shown."""


class State:
    """An open state file. Every method raises StateError when the file fails."""

    def __init__(self, file: Path) -> None:
        """Open the file, made with mode 0600 if missing. Raises StateError when it is not one of ours, or in use."""
        self.file = file
        with _told(file):
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._db = sqlite3.connect(file, isolation_level=None, timeout=0)
        try:
            with _told(file):
                self._open()
        except BaseException:
            self._db.close()
            raise

    def _open(self) -> None:
        # Nobody else works on it; a process that is killed loses nothing, and a power failure means to begin anew.
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = OFF", "foreign_keys = ON"):
            self._db.execute(f"PRAGMA {pragma}")
        known = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if known and "about" not in known:
            raise _foreign(self.file)
        self._db.executescript(_TABLES)
        if self.about("format") not in (None, _FORMAT):
            raise _foreign(self.file)
        self.note("format", _FORMAT)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make one transaction of what is changed within."""
        with _told(self.file):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        with _told(self.file):
            return self._db.execute(sql, values).fetchall()

    def about(self, name: str) -> str | None:
        """Return what was noted by that name."""
        row = self._db.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def note(self, name: str, value: str) -> None:
        """Note something."""
        self._db.execute("INSERT OR REPLACE INTO about (name, value) VALUES (?, ?)", (name, value))

    # --- finding -------------------------------------------------------------------------------------------------

    def has(self, file: File) -> bool:
        """Whether all messages of this file are listed, and it has not changed since."""
        sql = "SELECT 1 FROM files WHERE path = ? AND size = ? AND changed = ?"
        return bool(self.query(sql, file.path, file.size_bytes, file.changed_ns))

    def seen(self, file: File, run: int) -> None:
        """Note that a file that is listed is still there."""
        self._db.execute("UPDATE files SET run = ? WHERE path = ?", (run, file.path))

    def list_file(self, file: File, places: Iterable[tuple[int, int]], run: int) -> None:
        """List a file with its messages, in place of what was known of it. Raises what `places` raises."""
        self._begin_anew()
        self._db.execute("DELETE FROM files WHERE path = ?", (file.path,))
        row = self._db.execute(
            "INSERT INTO files (path, size, changed, is_mbox, run) VALUES (?, ?, ?, ?, ?)",
            (file.path, file.size_bytes, file.changed_ns, file.is_mbox, run),
        )
        found = ((row.lastrowid, start, length) for start, length in places)
        self._db.executemany("INSERT INTO mails (file, start, length) VALUES (?, ?, ?)", found)

    def list_not_used(self, one: NotUsed) -> None:
        """List a file that holds no mail to judge."""
        sql = "INSERT OR REPLACE INTO not_used (path, why, is_draft) VALUES (?, ?, ?)"
        self._db.execute(sql, (one.path, one.why, one.is_draft))

    def forget_missing(self, run: int) -> None:
        """Drop the files that this run did not find."""
        if self._db.execute("DELETE FROM files WHERE run <> ?", (run,)).rowcount:
            self._begin_anew()

    def _begin_anew(self) -> None:
        """Have all be decided anew: the messages are others now."""
        self._db.execute("DELETE FROM about WHERE name = ?", (_DECIDED_BY,))

    def forget_not_used(self) -> None:
        """Forget which files hold no mail to judge: they are looked at again."""
        self._db.execute("DELETE FROM not_used")

    # --- reading -------------------------------------------------------------------------------------------------

    def unread(self) -> int:
        """Return how many messages nobody has read yet."""
        return int(self.query("SELECT count(*) FROM mails WHERE kind IS NULL")[0][0])

    def to_read(self) -> Iterator[Place]:
        """Yield messages that nobody has read yet, in order. They may be stored meanwhile."""
        after = 0
        sql = f"{_PLACE} FROM mails JOIN files ON files.id = mails.file WHERE kind IS NULL AND mails.id > ? LIMIT 1000"
        while rows := self.query(sql, after):
            for mail, path, start, length, is_mbox in rows:
                yield Place(mail, path, start, length, bool(is_mbox))
            after = rows[-1][0]

    def store(self, several: Iterable[Read]) -> None:
        """Keep what was read."""
        rows = (
            (one.kind.value, one.date_s, one.author, one.identity, one.recipients, one.contents, one.why, one.mail)
            for one in several
        )
        self._db.executemany(
            "UPDATE mails SET kind = ?, date = ?, author = ?, identity = ?, recipients = ?, contents = ?, why = ?"
            " WHERE id = ?",
            rows,
        )

    # --- deciding ------------------------------------------------------------------------------------------------

    def is_decided_by(self, settings: str) -> bool:
        """Whether what is decided was decided by these settings about these messages."""
        return self.about(_DECIDED_BY) == settings

    def begin_turns(self, settings: str) -> None:
        """Put the messages in order anew, copies aside, and forget what was decided."""
        self.note(_DECIDED_BY, settings)
        for table in _DERIVED:
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own
        self._db.execute(_TURNS, (Kind.OUTGOING.value,))

    def count(self, table: str) -> int:
        """Return how many rows a table has."""
        return int(self.query(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 - names of our own

    def last_decided(self) -> Decided | None:
        """Return the last decision, without its details."""
        rows = self.query(
            "SELECT number, verdict, rule, visible, is_closed, is_noted FROM decided ORDER BY number DESC LIMIT 1"
        )
        return Decided(*rows[0]) if rows else None

    def turns_after(self, number: int) -> Iterator[Turn]:
        """Yield the messages to decide about, in order."""
        sql = (
            f"{_PLACE}, turns.number, date, author, contents FROM turns JOIN mails ON mails.id = turns.mail"
            " JOIN files ON files.id = mails.file WHERE turns.number > ? ORDER BY turns.number LIMIT 200"
        )
        while rows := self.query(sql, number):
            for mail, path, start, length, is_mbox, turn, date, author, contents in rows:
                yield Turn(turn, Place(mail, path, start, length, bool(is_mbox)), date, author, contents)
                number = turn

    def date_of(self, number: int) -> int:
        """Return the date of a turn, in seconds since 1970."""
        rows = self.query("SELECT date FROM turns JOIN mails ON mails.id = turns.mail WHERE number = ?", number)
        return int(rows[0][0]) if rows else 0

    def decide(self, one: Decided) -> None:
        """Keep a decision, in a transaction of its own."""
        detail = None if one.detail is None else json.dumps(one.detail)
        people = [(digest, True, False) for digest in one.disclosed]
        people += [(digest, False, True) for digest in one.protected]
        with self.together():
            self._db.execute(
                "INSERT INTO decided (number, verdict, rule, visible, is_closed, is_noted, detail)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (one.number, one.verdict, one.rule, one.visible, one.is_closed, one.is_noted, detail),
            )
            self._db.executemany(
                "INSERT INTO people (digest, disclosed, protected) VALUES (?, ?, ?) ON CONFLICT (digest) DO UPDATE SET"
                " disclosed = max(disclosed, excluded.disclosed), protected = max(protected, excluded.protected)",
                people,
            )


@contextmanager
def _told(file: Path) -> Iterator[None]:
    """Turn what goes wrong with the file into a sentence."""
    try:
        yield
    except sqlite3.Error as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            raise _foreign(file) from error
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise StateError(f"{file} is in use by another backtest; wait for it, or name another file") from error
        raise StateError(
            f"{file} cannot be used ({error.sqlite_errorname}); delete it, or name another file"
        ) from error
    except OSError as error:
        raise StateError(f"{file} cannot be written ({error.strerror}); name another file with --state") from error


def _foreign(file: Path) -> StateError:
    return StateError(f"{file} is not the state of a backtest by this version; name another file with --state")


def remove(file: Path) -> None:
    """Delete an SQLite file with what stands beside it."""
    for suffix in ("", "-wal", "-shm", "-journal", ".key"):
        with suppress(FileNotFoundError):
            file.with_name(file.name + suffix).unlink()
