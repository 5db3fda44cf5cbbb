"""Short ways to do what tests of a store do all the time."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import event

from bcc_relay.core.model import Body, Message, Reply
from bcc_relay.relay.ports import Move
from tests import build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcc_relay.core.record import Record, State
    from bcc_relay.relay.ports import Store
    from bcc_relay.store import SqlStore

NOW = build.NOW
MINUTE = timedelta(minutes=1)
OK = Reply(250, "2.0.0 Ok")
NO = Reply(550, "5.1.1 No such person")


def move(record: Record, state: State, **fields: object) -> Move:
    return Move(**{"id": record.id, "revision": record.revision, "state": state, "at": NOW, "event": "test", **fields})  # type: ignore[arg-type]


async def added(store: Store, *to: str, **fields: object) -> Record:
    """The record of a message just stored."""
    stored = await store.add(build.new_record(*to, **fields))  # type: ignore[arg-type]
    record = await store.get(stored.id)
    assert record is not None
    return record


async def claim(store: Store, now: object = NOW, owner: str = "relay-1", limit: int = 10) -> tuple[Record, ...]:
    return await store.claim(now=now, owner=owner, lease_until=now + 5 * MINUTE, limit=limit)  # type: ignore[operator, arg-type]


async def events(store: Store) -> list[str]:
    return [row.event for row in await store.audit_rows()]


async def octets(store: Store, message_id: str) -> bytes | None:
    message = await store.message(message_id)
    return b"".join(message.pieces()) if message else None


def large(size: int) -> Message:
    return Message(b"Subject: large\r\n", b"\r\n", Body(b"a family's address " * (size // 19 + 1)))


@contextmanager
def listening(store: SqlStore, name: str, function: object) -> Iterator[None]:
    """Call `function` at an event of both engines."""
    engines = [engine.sync_engine for engine in (store._database.writing, store._database.reading)]
    for engine in engines:
        event.listen(engine, name, function)
    yield
    for engine in engines:
        event.remove(engine, name, function)
