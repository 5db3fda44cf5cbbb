"""What the SQLite store promises beyond the contract: its file, its schema, durability, group commit, a full disk."""

from __future__ import annotations

import asyncio
import mmap
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event

from bcc_relay.core.errors import ConfigurationError, StoreError, StoreFullError
from bcc_relay.core.model import Body, Message, OutcomeName, State
from bcc_relay.relay.ports import Move
from bcc_relay.store import open_store, schema, tables
from tests import build

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from bcc_relay.store import SqlStore
    from tests.contracts.conftest import Open

NOW = build.NOW
MINUTE = timedelta(minutes=1)


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


# --- the file ---------------------------------------------------------------------------------------------------------


async def test_nobody_else_can_read_the_files(tmp_path: Path) -> None:
    database = tmp_path / "mail" / "relay.db"
    store = await open_store(f"sqlite://{database}", clock=lambda: NOW)
    try:
        await store.add(build.new_record())
        assert database.parent.stat().st_mode & 0o777 == 0o700
        names = {file.name: file.stat().st_mode & 0o777 for file in database.parent.iterdir()}
        assert names == dict.fromkeys(["relay.db", "relay.db-wal", "relay.db-shm", "relay.db.key"], 0o600)
    finally:
        await store.close()


@pytest.mark.parametrize("url", ["sqlite://relay.db", "sqlite:relay.db", "postgresql://db/relay", "", "/var/relay.db"])
async def test_a_url_that_is_not_an_absolute_sqlite_path_is_a_setting_to_mend(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"store\.url"):
        await open_store(url, clock=lambda: NOW)


async def test_what_is_no_database_is_a_store_error_and_stays_as_it_is(open_sqlite: Open, database: Path) -> None:
    database.write_bytes(b"Dear families, " * 1000)
    with pytest.raises(StoreError, match="SQLITE_NOTADB"):
        await open_sqlite()
    assert database.read_bytes() == b"Dear families, " * 1000


async def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        await open_store(f"sqlite://{tmp_path}/file/relay.db", clock=lambda: NOW)


async def test_each_connection_is_durable_and_keeps_foreign_keys(open_sqlite: Open) -> None:
    store = await open_sqlite()
    for engine, query_only in ((store._database.writing, 0), (store._database.reading, 1)):
        async with engine.connect() as connection:
            for pragma, value in {
                "journal_mode": "wal",
                "synchronous": 2,
                "foreign_keys": 1,
                "secure_delete": 1,
                "busy_timeout": 10000,
                "query_only": query_only,
            }.items():
                assert (await connection.exec_driver_sql(f"PRAGMA {pragma}")).scalar() == value, pragma


async def test_a_large_body_is_a_mapped_file(open_sqlite: Open) -> None:
    store = await open_sqlite()
    await store.add(build.new_record(raw=large(1_000_000)))
    message = await store.message("m1")
    assert message is not None
    assert isinstance(message.body.content, mmap.mmap)
    assert b"".join(message.body.pieces()) == large(1_000_000).body.content


async def test_no_body_is_one_large_value(open_sqlite: Open, database: Path) -> None:
    store = await open_sqlite()
    await store.add(build.new_record(raw=large(1_000_000)))
    with sqlite3.connect(database) as file:
        assert file.execute("SELECT max(length(piece)), count(*) FROM octets").fetchone() == (262144, 5)
    file.close()


async def test_what_is_erased_is_gone_from_the_disk(open_sqlite: Open, database: Path) -> None:
    store = await open_sqlite()
    await store.add(build.new_record("erased-recipient@mail.example", raw=large(600_000), state=State.DELIVERED))
    later = NOW + timedelta(days=1)
    await store.erase(bodies_before=later, records_before=later)
    await store.close()
    octets = database.read_bytes()
    assert b"a family's address" not in octets
    assert b"erased-recipient" not in octets
    assert not database.with_name("relay.db-wal").exists()


async def test_an_error_does_not_show_personal_data(open_sqlite: Open) -> None:
    store = await open_sqlite()
    new = build.new_record("family@mail.example")
    await store.add(new)
    with pytest.raises(StoreError) as caught:
        await store.add(new)
    texts = [str(caught.value), str(caught.value.__cause__)]
    assert texts[0] == "the store failed: SQLITE_CONSTRAINT_PRIMARYKEY"
    assert not [text for text in texts if "family" in text or "clerk" in text]


# --- the schema -------------------------------------------------------------------------------------------------------


async def test_a_migrated_database_has_the_tables_of_the_code(open_sqlite: Open) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    store = await open_sqlite()

    def differences(connection: Connection) -> list[object]:
        return compare_metadata(MigrationContext.configure(connection), tables.metadata)

    async with store._database.writing.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_a_migrated_database_equals_one_made_from_the_code(open_sqlite: Open, tmp_path: Path) -> None:
    """Alembic does not compare conditions of indexes, keys and foreign keys of SQLite: the text of the schema does."""
    from sqlalchemy import create_engine

    await open_sqlite()
    engine = create_engine(f"sqlite:///{tmp_path}/direct.db")
    tables.metadata.create_all(engine)
    engine.dispose()
    schemas = []
    for name in ("relay.db", "direct.db"):
        file = sqlite3.connect(tmp_path / name)
        rows = file.execute("SELECT name, sql FROM sqlite_master WHERE name != 'alembic_version' ORDER BY name")
        schemas.append({name: " ".join((sql or "").split()) for name, sql in rows if "alembic" not in name})
        file.close()
    assert schemas[0] == schemas[1]


def test_the_newest_migration_is_the_one_the_code_expects() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [schema.HEAD]


async def test_a_database_of_a_newer_version_is_left_alone(open_sqlite: Open, database: Path) -> None:
    await (await open_sqlite()).close()
    with sqlite3.connect(database) as file:
        file.execute("UPDATE alembic_version SET version_num = '0999'")
    file.close()
    with pytest.raises(ConfigurationError, match=r"store\.url.*0999.*newer"):
        await open_sqlite()


async def test_a_start_that_is_cut_off_leaves_no_half_schema(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(schema, "get_meta", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await open_store(f"sqlite://{database}", clock=lambda: NOW)
    file = sqlite3.connect(database)
    assert file.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    file.close()


async def test_two_processes_may_start_at_once_on_a_new_file(database: Path) -> None:
    stores = await asyncio.gather(*(open_store(f"sqlite://{database}", clock=lambda: NOW) for _ in range(4)))
    try:
        assert len({store.keys.identity for store in stores}) == 1
    finally:
        for store in stores:
            await store.close()


async def test_nothing_scans_what_may_be_long(open_sqlite: Open) -> None:
    """Each query of the mail path goes through an index and sorts nothing."""
    store = await open_sqlite()
    await store.add(build.new_record(state=State.HELD, content_key="k"))
    seen: dict[str, object] = {}

    def collect(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            seen[statement] = parameters

    with listening(store, "before_cursor_execute", collect):
        await store.add(build.new_record(id="m2", state=State.HELD, content_key="k"))
        (record,) = await store.find([State.HELD], limit=5)
        await store.move(Move(record.id, record.revision, State.RELEASED, NOW, "released"))
        await store.claim(now=NOW, owner="relay-1", lease_until=NOW, limit=5)
        await store.note("m1", {0: (OutcomeName.DELIVERED, None)})
        await store.reclaim(owner="relay-1")
        await store.hold_expired(NOW)
        await store.doubts(NOW)
        await store.add(build.new_record(id="m3", state=State.DELIVERED))
        assert await store.erase(bodies_before=NOW + MINUTE, records_before=NOW + MINUTE) == 1
        await store.audit_rows()
        await store.message("m1")
    assert len(seen) > 12
    async with store._database.writing.connect() as connection:
        for statement, parameters in seen.items():
            one = parameters[0] if isinstance(parameters, list) else parameters
            plan = [row.detail for row in await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", one)]
            assert plan, statement
            # Walking along an index up to the limit is what is wanted of the newest row of the audit.
            bad = [
                step
                for step in plan
                if "TEMP B-TREE" in step or (step.startswith("SCAN") and "USING INDEX" not in step)
            ]
            assert not bad, (statement, plan)


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
from bcc_relay.core.model import State
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
