"""Stores under test: the one in memory and each real one, opened the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bcc_relay.store import open_store
from tests import build
from tests.fakes import MemoryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from bcc_relay.relay.ports import Memory
    from bcc_relay.store import SqlStore

    Open = Callable[[], Awaitable[SqlStore]]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "relay.db"


@pytest.fixture
async def open_sqlite(database: Path) -> AsyncIterator[Open]:
    """Opens the SQLite file, as often as wanted; everything is closed in the end."""
    opened: list[SqlStore] = []

    async def open_it() -> SqlStore:
        opened.append(await open_store(f"sqlite://{database}", clock=lambda: build.NOW))
        return opened[-1]

    yield open_it
    for one in opened:
        await one.close()


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, open_sqlite: Open) -> MemoryStore | SqlStore:
    return MemoryStore() if request.param == "memory" else await open_sqlite()


@pytest.fixture
def memory(store: MemoryStore | SqlStore) -> Memory:
    """The memory of earlier mail that belongs to the store."""
    return store.memory


@pytest.fixture
def rows_key(store: MemoryStore | SqlStore) -> bytes:
    """The key of the store's audit chain."""
    return store.keys.audit
