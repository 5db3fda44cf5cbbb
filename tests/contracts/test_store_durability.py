"""What the SQLite store promises about flushes: group commit, kills, a full disk."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bcc_relay.core.errors import StoreFullError
from bcc_relay.core.record import State
from bcc_relay.relay.ports import Move
from bcc_relay.store import open_store
from tests import build
from tests.contracts.steps import large, listening

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from tests.contracts.conftest import Open

NOW = build.NOW
MINUTE = timedelta(minutes=1)


# --- group commit -----------------------------------------------------------------------------------------------------


async def test_many_at_once_share_a_few_flushes(open_sqlite: Open) -> None:
    store = await open_sqlite()
    commits: list[object] = []
    with listening(store, "commit", commits.append):
        await asyncio.gather(*(store.add(build.new_record(id=f"m{n}")) for n in range(40)))
    assert len(await store.find([State.QUEUED])) == 40
    assert len(commits) <= 3


async def test_one_that_fails_does_not_spoil_its_neighbours(open_sqlite: Open) -> None:
    store = await open_sqlite()
    await store.add(build.new_record(id="taken"))
    held = build.new_record(id="held", state=State.HELD)
    await store.add(held)
    illegal = Move("held", 1, State.DELIVERED, NOW, "test")
    names = ["m0", "taken", "m1", "m1", "m2"]
    answers = await asyncio.gather(
        *(store.add(build.new_record(id=name)) for name in names), store.move(illegal), return_exceptions=True
    )
    assert [type(answer).__name__ for answer in answers] == [
        "Added",
        "StoreError",
        "Added",
        "StoreError",
        "Added",
        "ValueError",
    ]
    assert {record.id for record in await store.find([State.QUEUED])} == {"taken", "m0", "m1", "m2"}


async def test_a_caller_that_gives_up_spoils_nothing(open_sqlite: Open) -> None:
    store = await open_sqlite()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(store.add(build.new_record(id=f"m{n}"))) for n in range(20)]
        readers = [group.create_task(store.find([State.QUEUED])) for _ in range(5)]
        await asyncio.sleep(0)
        for task in (*tasks[::2], *readers):
            task.cancel()
    assert all(task.cancelled() for task in tasks[::2])
    stored = {record.id for record in await store.find([State.QUEUED])}
    assert stored >= {f"m{n}" for n in range(1, 20, 2)}
    await store.add(build.new_record(id="after"))


async def test_closing_finishes_what_waits(open_sqlite: Open) -> None:
    store = await open_sqlite()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(store.add(build.new_record(id=f"m{n}"))) for n in range(200)]
        await asyncio.sleep(0)
        await store.close()
    assert all(task.result() for task in tasks)
    assert len(await (await open_sqlite()).find([State.QUEUED])) == 200


async def test_a_large_message_does_not_share_with_others_without_end(open_sqlite: Open) -> None:
    store = await open_sqlite()
    commits: list[object] = []
    with listening(store, "commit", commits.append):
        await asyncio.gather(*(store.add(build.new_record(id=f"m{n}", raw=large(5_000_000))) for n in range(4)))
    assert len(commits) == 4


async def test_two_processes_release_once(open_sqlite: Open) -> None:
    one, other = await open_sqlite(), await open_sqlite()
    await one.add(build.new_record(state=State.HELD))
    release = Move("m1", 1, State.RELEASED, NOW, "released")
    answers = await asyncio.gather(*(store.move(release) for store in (one, other) * 10))
    assert sum(answer is not None for answer in answers) == 1
    assert len(await other.audit_rows()) == 2


# --- durability -------------------------------------------------------------------------------------------------------

CRASH = """
import asyncio, os, sys
from bcc_relay.core.record import State
from bcc_relay.store import open_store
from tests import build

async def main():
    store = await open_store("sqlite://" + sys.argv[1], clock=lambda: build.NOW)
    for n in range(5):
        await store.add(build.new_record(id=f"m{n}", state=State.HELD))
    await store.claim(now=build.NOW, owner="relay-1", lease_until=build.NOW, limit=1)
    os.write(1, b"STORED")
    await asyncio.gather(*(store.add(build.new_record(id=f"late{n}")) for n in range(int(sys.argv[2]))))

asyncio.run(main())
"""


async def test_what_was_stored_is_there_after_a_kill(open_sqlite: Open, database: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CRASH, str(database), "1000"], stdout=subprocess.PIPE, cwd=os.getcwd()
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.read(6) == b"STORED"
        process.send_signal(signal.SIGKILL)
    store = await open_sqlite()
    assert [record.id for record in await store.find([State.HELD])] == [f"m{n}" for n in range(5)]
    assert len(await store.audit_rows()) == 5
    for record in await store.find([State.QUEUED], limit=2000):
        # All of a message or nothing of it.
        assert await store.message(record.id) is not None
        assert len(record.recipients) == 1


async def test_the_flush_comes_before_the_answer(database: Path, tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if not strace or subprocess.run([strace, "-o", "/dev/null", "true"], check=False, capture_output=True).returncode:
        pytest.skip("strace is not there or may not trace")
    log = tmp_path / "strace.log"
    command = [strace, "-f", "-y", "-o", str(log), "-e", "trace=pwrite64,fsync,fdatasync,write"]
    subprocess.run([*command, sys.executable, "-c", CRASH, str(database), "0"], check=True, capture_output=True)
    lines = log.read_text(errors="replace").splitlines()
    told = next(n for n, line in enumerate(lines) if "STORED" in line)
    written = max(n for n, line in enumerate(lines[:told]) if "pwrite64" in line and "relay.db-wal" in line)
    flushed = [n for n, line in enumerate(lines[:told]) if "sync(" in line and "relay.db-wal" in line]
    assert flushed
    assert written < flushed[-1] < told


# --- no room ----------------------------------------------------------------------------------------------------------


async def test_a_full_disk_changes_nothing_and_says_so(open_sqlite: Open) -> None:
    store = await open_sqlite()
    await store.add(build.new_record(id="before", state=State.HELD))
    before = await store.find([*State])

    def no_room(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 60")

    with listening(store, "begin", no_room):
        with pytest.raises(StoreFullError) as caught:
            await store.add(build.new_record(id="m1", raw=large(1_000_000)))
        assert caught.value.__cause__ is not None
        # Small ones beside it find their room.
        small = [store.add(build.new_record(id=f"s{n}")) for n in range(3)]
        answers = await asyncio.gather(
            *small, store.add(build.new_record(id="m2", raw=large(1_000_000))), return_exceptions=True
        )
        assert [type(answer).__name__ for answer in answers] == ["Added"] * 3 + ["StoreFullError"]
        assert await store.find([State.HELD]) == before
        assert await store.get("m1") is None
        await store.ping()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of one megabyte."""
    if os.geteuid() != 0:
        pytest.skip("mounting a tiny disk needs root")
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", folder], check=True)


async def test_a_disk_that_fills_up_loses_nothing_that_was_stored(tiny_disk: Path) -> None:
    store = await open_store(f"sqlite://{tiny_disk}/relay.db", clock=lambda: NOW)
    try:
        stored = 0
        with suppress(StoreFullError):
            while stored < 1000:
                await store.add(build.new_record(id=f"m{stored:03}", raw=large(20_000)))
                stored += 1
        assert stored < 1000
        assert stored > 5
        with pytest.raises(StoreFullError):
            await store.add(build.new_record(id="again", raw=large(20_000)))
        assert [record.id for record in await store.find([State.QUEUED])] == [f"m{n:03}" for n in range(stored)]
        for n in range(stored):
            message = await store.message(f"m{n:03}")
            assert message is not None
            assert len(message.body) == len(large(20_000).body)
    finally:
        await store.close()
    again = await open_store(f"sqlite://{tiny_disk}/relay.db", clock=lambda: NOW)
    try:
        assert len(await again.find([State.QUEUED])) == stored
    finally:
        await again.close()


async def test_a_store_cannot_be_made_on_a_full_disk(tiny_disk: Path) -> None:
    (tiny_disk / "filler").write_bytes(bytes(1024 * 1024 - 8192))
    with pytest.raises(StoreFullError):
        await open_store(f"sqlite://{tiny_disk}/relay.db", clock=lambda: NOW)
