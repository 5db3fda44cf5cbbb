"""The audit chain in a real SQLite file: whatever is done to the file behind the relay's back shows."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from bcc_relay.core import audit
from bcc_relay.core.record import State
from bcc_relay.relay.ports import Move
from tests import build

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contracts.conftest import Open


async def written(open_sqlite: Open) -> tuple[bytes, audit.Head]:
    """Write six rows, close the file, and return the chain's key and head."""
    store = await open_sqlite()
    for n in range(3):
        await store.add(build.new_record(id=f"m{n}", state=State.HELD))
        await store.move(Move(f"m{n}", 1, State.DISCARDED, build.NOW, "discarded", reason=f"reason {n}", person="eve"))
    rows = await store.audit_rows()
    assert audit.verify(rows, store.keys.audit) is None
    await store.close()
    return store.keys.audit, audit.head_of(rows[-1])


def tamper(database: Path, *statements: str) -> None:
    file = sqlite3.connect(database)
    for statement in statements:
        assert file.execute(statement).rowcount > 0, statement
    file.commit()
    file.close()


async def verified(open_sqlite: Open, key: bytes, exported: audit.Head | None = None) -> audit.Broken | None:
    store = await open_sqlite()
    try:
        return audit.verify(await store.audit_rows(), key, exported=exported)
    finally:
        await store.close()


@pytest.mark.parametrize(
    ("statement", "seq", "words"),
    [
        ("UPDATE audit SET event = 'released' WHERE seq = 4", 4, "the row was changed"),
        ("UPDATE audit SET at = replace(at, '2026', '2025') WHERE seq = 4", 4, "the row was changed"),
        ("UPDATE audit SET message_id = 'm0' WHERE seq = 3", 3, "the row was changed"),
        ("UPDATE audit SET detail = replace(detail, 'relay', 'reviewer') WHERE seq = 1", 1, "the row was changed"),
        ("UPDATE audit SET digest = upper(digest) WHERE seq = 6", 6, "the row was changed"),
        ("UPDATE audit SET previous = 'x' WHERE seq = 2", 2, "the row was changed"),
        ("DELETE FROM audit WHERE seq = 3", 3, "row 3 is missing"),
        ("DELETE FROM audit WHERE seq IN (2, 3, 4)", 2, "rows 2 to 4 are missing"),
        ("DELETE FROM audit WHERE seq = 1", 1, "row 1 is missing"),
        ("UPDATE audit SET digest = 'x'", 1, "no row fits this key"),
    ],
)
async def test_a_changed_or_missing_row_is_named(
    open_sqlite: Open, database: Path, statement: str, seq: int, words: str
) -> None:
    key, _ = await written(open_sqlite)
    tamper(database, statement)
    broken = await verified(open_sqlite, key)
    assert broken is not None
    assert broken.seq == seq
    assert words in broken.sentence


async def test_two_rows_that_changed_places_are_found(open_sqlite: Open, database: Path) -> None:
    key, _ = await written(open_sqlite)
    tamper(
        database,
        "UPDATE audit SET seq = 99 WHERE seq = 2",
        "UPDATE audit SET seq = 2 WHERE seq = 5",
        "UPDATE audit SET seq = 5 WHERE seq = 99",
    )
    broken = await verified(open_sqlite, key)
    assert broken is not None
    assert broken.seq == 2


async def test_rows_closed_up_after_a_deletion_are_found(open_sqlite: Open, database: Path) -> None:
    key, _ = await written(open_sqlite)
    tamper(database, "DELETE FROM audit WHERE seq = 3", "UPDATE audit SET seq = seq - 1 WHERE seq > 3")
    broken = await verified(open_sqlite, key)
    assert broken is not None
    assert broken.seq == 3


async def test_rows_cut_off_at_the_end_show_only_against_an_exported_head(open_sqlite: Open, database: Path) -> None:
    key, head = await written(open_sqlite)
    assert await verified(open_sqlite, key, head) is None
    tamper(database, "DELETE FROM audit WHERE seq > 4")
    assert await verified(open_sqlite, key) is None
    broken = await verified(open_sqlite, key, head)
    assert broken is not None
    assert broken.seq == 5
    assert "row 6" in broken.sentence


async def test_the_chain_goes_on_after_the_file_is_opened_again(open_sqlite: Open) -> None:
    key, head = await written(open_sqlite)
    store = await open_sqlite()
    await store.add(build.new_record(id="later", state=State.HELD))
    rows = await store.audit_rows()
    assert len(rows) == 7
    assert audit.verify(rows, key, exported=head) is None


async def test_reasons_stand_beside_the_chain_and_may_go_without_breaking_it(open_sqlite: Open, database: Path) -> None:
    key, _ = await written(open_sqlite)
    file = sqlite3.connect(database)
    assert file.execute("SELECT seq, message_id, reason FROM reasons ORDER BY seq").fetchall() == [
        (2, "m0", '"reason 0"'),
        (4, "m1", '"reason 1"'),
        (6, "m2", '"reason 2"'),
    ]
    (detail,) = file.execute("SELECT detail FROM audit WHERE seq = 2").fetchone()
    file.close()
    assert audit.text_digest(key, "reason 0") in detail
    tamper(database, "DELETE FROM reasons")
    assert await verified(open_sqlite, key) is None
