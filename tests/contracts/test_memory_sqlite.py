"""What the memory in a database promises beyond the contract: what is on the disk, and what a question costs."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from bcc_relay.core.history import NO_HISTORY, Ask
from bcc_relay.core.record import State
from bcc_relay.relay.ports import Forgotten
from bcc_relay.store import keys as store_keys
from bcc_relay.store import messages, questions, schema
from bcc_relay.store.engine import Database
from tests import build
from tests.contracts.circles import CLERK, DAY, EVERYTHING, MINUTE, NOW, asked, circle, keys, learned, noted, stopped
from tests.contracts.steps import listening

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from bcc_relay.store import SqlStore
    from tests.contracts.conftest import Open

ROOT = b"<root@council.example>"


def rows(database: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database)) as file:
        return file.execute(query).fetchall()


# --- what is kept -----------------------------------------------------------------------------------------------------


async def test_no_address_subject_or_identifier_is_on_the_disk(open_sqlite: Open, database: Path) -> None:
    store = await open_sqlite()
    one = replace(
        circle("m1", "ab", blind="c", body="d", subject="term dates", gist=b"digest of the text"),
        own_id=b"<own-identifier@council.example>",
        thread_ids=(b"<thread-identifier@council.example>",),
    )
    await stopped(store.memory, one)
    await learned(store.memory, replace(one, message_id="m2"))
    octets = b"".join(file.read_bytes() for file in database.parent.glob("relay.db*") if file.suffix != ".key")
    for secret in (b"family-mail", b"council", b"clerk", b"term dates", b"digest of", b"identifier"):
        assert secret not in octets, secret
    # Nor anything that somebody without the key could try out.
    for address in keys("a"):
        for name in ("md5", "sha1", "sha256", "sha512"):
            assert hashlib.new(name, address.encode()).digest()[:16] not in octets
    assert store_keys.hashed(store.keys.memory, "address", b"a@family-mail.example") in octets


def test_the_hashes_stay_what_they_were() -> None:
    """Others would make every memory in use worthless. HMAC-SHA-256, RFC 2104."""
    assert store_keys.hashed(bytes(32), "id", b"<1@x.example>").hex() == "66d1b1649ec7674e973a35c7cd8c02de"
    assert store_keys.hashed(bytes(32), "sender", b"x") != store_keys.hashed(bytes(32), "address", b"x")


async def test_a_circle_is_a_row_for_each_member_and_no_pairs(open_sqlite: Open, database: Path) -> None:
    store = await open_sqlite()
    names = [f"family{n}" for n in range(500)]
    families = replace(circle("m1", ""), shown=keys(*names), visible=keys(*names), readers=keys(*names))
    await noted(store.memory, families, families)
    tables = ("circles", "circle_members", "circle_ids")
    assert [rows(database, f"SELECT count(*) FROM {table}") for table in tables] == [[(1,)], [(500,)], [(1,)]]


async def test_what_is_erased_leaves_no_rows_behind(open_sqlite: Open, database: Path) -> None:
    store = await open_sqlite()
    await learned(store.memory, circle("m1", "abc", thread_ids=(ROOT,)))
    await store.memory.erase_memory(NOW + MINUTE)
    for table in ("circles", "circle_members", "circle_ids"):
        assert rows(database, f"SELECT count(*) FROM {table}") == [(0,)]


# --- what it costs ----------------------------------------------------------------------------------------------------


async def statements(store: SqlStore, work: object) -> list[str]:
    """What the database is asked while `work` is done."""
    seen: list[str] = []

    def collect(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    with listening(store, "before_cursor_execute", collect):
        await work  # type: ignore[misc]
    return seen


async def test_mail_that_shows_nobody_to_another_costs_nothing(open_sqlite: Open) -> None:
    store = await open_sqlite()
    for harmless in (circle("m1", "a"), circle("m2", "a", blind="bcd"), circle("m3", "")):
        assert await statements(store, store.memory.consider(harmless, Ask())) == []
        asked_of = await statements(store, store.memory.consider(harmless, EVERYTHING))
        assert {one.split()[0] for one in asked_of} <= {"BEGIN", "SELECT"}
    # Learning of a message that was never noted does not write either.
    assert {one.split()[0] for one in await statements(store, store.memory.learn("m1"))} == {"BEGIN", "SELECT"}


async def test_a_note_is_one_transaction_whatever_is_asked(open_sqlite: Open) -> None:
    store = await open_sqlite()
    for ask in (Ask(), EVERYTHING):
        seen = await statements(store, store.memory.consider(circle("m1", "abc"), ask))
        assert [one for one in seen if one.startswith("BEGIN IMM")] == ["BEGIN IMMEDIATE"]


async def test_many_notes_at_once_share_their_flushes(open_sqlite: Open) -> None:
    store = await open_sqlite()
    some = (noted(store.memory, circle(f"m{n}", "abc")) for n in range(30))
    seen = await statements(store, asyncio.gather(*some))
    assert len([one for one in seen if one.startswith("BEGIN IMM")]) <= 3


async def test_every_question_is_an_index_lookup(open_sqlite: Open) -> None:
    store = await open_sqlite()
    await learned(store.memory, circle("m1", "abc", own_id=ROOT))
    await stopped(store.memory, circle("m2", "abc"))
    one = circle("m3", "abcd", thread_ids=(ROOT,), subject="s", gist=b"g")
    seen: dict[str, object] = {}

    def collect(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        if not statement.startswith(("BEGIN", "INSERT")):
            seen[statement] = parameters

    with listening(store, "before_cursor_execute", collect):
        answer = await store.memory.consider(one, EVERYTHING)
        assert (answer.gained, answer.strangers) == (1, 1)
        assert answer.stopped
        await store.memory.decided("m3", "hold", "families")
        await store.memory.learn("m3")
        assert await store.memory.erase_memory(NOW + MINUTE) == 3
    assert len(seen) > 10
    async with store._database.writing.connect() as connection:
        for statement, parameters in seen.items():
            plan = [
                row.detail for row in await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            ]
            assert plan, statement
            # What was found is grouped and counted; whole tables are never read.
            assert not [step for step in plan if step.startswith("SCAN c")], (statement, plan)


async def test_the_time_of_a_question_limits_what_it_reads(open_sqlite: Open) -> None:
    """Members of old circles are not looked at to find what was stopped lately: numbers of circles grow with time."""
    store = await open_sqlite()
    await learned(store.memory, *(circle(f"old{n}", "abc", minute=-99) for n in range(5)))
    await stopped(store.memory, circle("stopped", "abc"))
    seen: list[object] = []

    def collect(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        if "circle >= ?" in statement:
            seen.append(parameters)

    with listening(store, "before_cursor_execute", collect):
        assert (await asked(store.memory, circle("m1", "abc"), stopped_within=10 * MINUTE)).stopped
    assert [parameters[-1] for parameters in seen] == [6]  # type: ignore[index]


async def test_of_people_in_very_many_circles_nothing_is_claimed(
    open_sqlite: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await open_sqlite()
    await learned(store.memory, *(circle(f"m{n}", "ax") for n in range(3)), *(circle(f"n{n}", "by") for n in range(3)))
    monkeypatch.setattr(questions, "MOST_MEETINGS", 7)
    assert (await asked(store.memory, circle("q1", "abc"), strangers=True)).strangers == 3
    monkeypatch.setattr(questions, "MOST_MEETINGS", 6)
    assert (await asked(store.memory, circle("q2", "abc"), strangers=True)).strangers == 0


async def test_a_thread_of_very_many_messages_is_known_by_its_newest(
    open_sqlite: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await open_sqlite()
    await learned(store.memory, circle("root", "abc", own_id=ROOT))
    await learned(store.memory, *(circle(f"m{n}", "ab", thread_ids=(ROOT,)) for n in range(3)))
    for bound in ("NEWEST_OF_THREAD", "NEWEST_CIRCLES"):
        with monkeypatch.context() as patch:
            patch.setattr(questions, bound, 3)
            answer = await asked(store.memory, circle("q1", "ab", thread_ids=(ROOT,)), thread=True)
            assert (answer.known_thread, answer.gained) == (True, 0)
            answer = await asked(store.memory, circle("q2", "ac", thread_ids=(ROOT,)), thread=True)
            assert (answer.known_thread, answer.gained) == (False, 1)
    assert (await asked(store.memory, circle("q3", "ac", thread_ids=(ROOT,)), thread=True)).known_thread


async def test_a_thread_beyond_all_bounds_is_not_taken_for_known(
    open_sqlite: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await open_sqlite()
    await learned(store.memory, circle("root", "abcd", own_id=ROOT), circle("m1", "ab", thread_ids=(ROOT,)))
    answer_all = circle("m2", "abcd", thread_ids=(ROOT,))
    monkeypatch.setattr(questions, "MOST_PLACES", 5)
    answer = await asked(store.memory, answer_all, thread=True)
    assert (answer.known_thread, answer.gained) == (False, 2)
    monkeypatch.setattr(questions, "MOST_PLACES", 6)
    answer = await asked(store.memory, replace(answer_all, message_id="m3"), thread=True)
    assert (answer.known_thread, answer.gained) == (True, 0)


# --- a database from before there was a memory ------------------------------------------------------------------------


async def test_a_database_of_the_first_version_opens_and_remembers(open_sqlite: Open, database: Path) -> None:
    old = Database(database)
    subkeys = store_keys.load(None, database, may_make=True)
    held = build.new_record("held@mail.example", id="held", state=State.HELD)
    done = build.new_record("done@mail.example", id="done", state=State.DELIVERED)
    await old.write(lambda connection: connection.run_sync(schema.migrate, "0001"))
    await old.write(lambda connection: schema.put_meta(connection, schema.KEY_IDENTITY, subkeys.identity))
    for new in (held, done):
        await old.write(lambda connection, new=new: messages.add(connection, new, subkeys))
    await old.close()
    assert rows(database, "SELECT version_num FROM alembic_version") == [("0001",)]

    store = await open_sqlite()
    assert [record.id for record in await store.find(list(State))] == ["done", "held"]
    assert len(await store.audit_rows()) == 1
    await learned(store.memory, circle("m1", "abc", sender=CLERK))
    assert (await asked(store.memory, circle("m2", "abc"), strangers=True, windows=(DAY,))).strangers == 0
    assert await store.forget("done@mail.example") == Forgotten(0, 1)
    assert rows(database, "SELECT version_num FROM alembic_version") == [(schema.HEAD,)]
    assert await store.memory.consider(circle("m3", ""), Ask()) == NO_HISTORY
