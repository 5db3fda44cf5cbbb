"""What the SQLite store promises beyond the contract: its file and its schema."""

from __future__ import annotations

import asyncio
import mmap
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bcc_relay.core.errors import ConfigurationError, StoreError
from bcc_relay.core.model import OutcomeName
from bcc_relay.core.record import State
from bcc_relay.relay.ports import Move
from bcc_relay.store import open_store, schema, tables
from tests import build
from tests.contracts.steps import large, listening

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from tests.contracts.conftest import Open

NOW = build.NOW
MINUTE = timedelta(minutes=1)


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


async def test_a_folder_that_cannot_be_made_is_a_store_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=f"{tmp_path}/file/relay.db cannot be made .*make its folder"):
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
    with closing(sqlite3.connect(database)) as file, file:
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
    with closing(sqlite3.connect(database)) as file, file:
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
