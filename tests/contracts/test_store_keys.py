"""The master key of a store: made once, kept, recognised."""

from __future__ import annotations

import os
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from bcc_relay.core.errors import ConfigurationError
from bcc_relay.core.record import State
from bcc_relay.store import open_store
from bcc_relay.store.keys import Keys, derive
from tests import build

if TYPE_CHECKING:
    from pathlib import Path

    from bcc_relay.store import SqlStore
    from tests.contracts.conftest import Open


async def opened_with(database: Path, secret_file: Path | None) -> SqlStore:
    store = await open_store(f"sqlite://{database}", clock=lambda: build.NOW, secret_file=secret_file)
    await store.close()
    return store


def test_each_use_has_a_key_of_its_own_and_none_is_shown() -> None:
    keys = derive(b"m" * 32)
    subkeys = [getattr(keys, one.name) for one in fields(Keys) if one.name != "identity"]
    assert len({*subkeys, keys.identity}) == 7
    assert {len(key) for key in subkeys} == {32}
    assert derive(b"m" * 32) == keys
    assert derive(b"n" * 32).identity != keys.identity
    assert repr(keys) == f"Keys(identity={keys.identity!r})"


def test_the_derivation_stays_what_it_was() -> None:
    """Another derivation would make every store in use unreadable. HKDF-SHA-256, RFC 5869."""
    keys = derive(bytes(range(32)))
    assert keys.audit.hex() == "e1a61a8b408e4f2f74fa9e1d2680b9513d37ccb46cccc3f7779ac59d13e3611a"
    assert keys.identity == "2f42dbfc07f59454f0c8295619cb5765"


async def test_a_key_is_made_once_beside_the_database(open_sqlite: Open, database: Path) -> None:
    first = await open_sqlite()
    file = database.with_name("relay.db.key")
    octets = file.read_bytes()
    assert len(octets) == 32
    assert file.stat().st_mode & 0o777 == 0o600
    assert (await open_sqlite()).keys == first.keys == derive(octets)
    assert file.read_bytes() == octets
    # No draft is left behind.
    assert {name.split(".db")[-1] for name in os.listdir(database.parent)} <= {"", "-wal", "-shm", ".key"}


async def test_a_secret_file_is_used_instead_and_a_line_end_is_none_of_it(database: Path, tmp_path: Path) -> None:
    text, line = tmp_path / "text", tmp_path / "line"
    text.write_bytes(b"s" * 44)
    line.write_bytes(b"s" * 44 + b"\r\n")
    assert (await opened_with(database, text)).keys == (await opened_with(database, line)).keys == derive(b"s" * 44)
    assert not database.with_name("relay.db.key").exists()


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
async def test_a_key_of_32_octets_may_end_like_a_line(database: Path, tmp_path: Path, end: bytes) -> None:
    (tmp_path / "key").write_bytes(bytes(32 - len(end)) + end)
    assert (await opened_with(database, tmp_path / "key")).keys == derive(bytes(32 - len(end)) + end)


async def test_another_key_does_not_open_the_store_and_names_file_and_remedy(open_sqlite: Open, database: Path) -> None:
    store = await open_sqlite()
    await store.add(build.new_record(state=State.HELD))
    await store.close()
    file = database.with_name("relay.db.key")
    kept = file.read_bytes()
    file.write_bytes(bytes(32))
    with pytest.raises(
        ConfigurationError, match=rf"secret_file: {file} is not the master key.*{database}.*put that key back"
    ):
        await open_sqlite()
    (database.parent / "secret").write_bytes(bytes(40))
    with pytest.raises(ConfigurationError, match="secret is not the master key"):
        await opened_with(database, database.parent / "secret")
    file.write_bytes(kept)
    assert (await (await open_sqlite()).get("m1")) is not None


async def test_a_lost_key_is_never_replaced_by_a_new_one(open_sqlite: Open, database: Path) -> None:
    await (await open_sqlite()).close()
    file = database.with_name("relay.db.key")
    file.unlink()
    with pytest.raises(ConfigurationError, match=rf"cannot read the master key {file}"):
        await open_sqlite()
    assert not file.exists()


async def test_a_key_file_that_is_missing_or_too_short_is_a_setting_to_mend(database: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read the master key .*nowhere"):
        await opened_with(database, tmp_path / "nowhere")
    (tmp_path / "short").write_bytes(b"s" * 31)
    with pytest.raises(ConfigurationError, match="shorter than 32 octets"):
        await opened_with(database, tmp_path / "short")


async def test_a_start_that_failed_for_the_key_can_be_repeated_with_another(database: Path, tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"s")
    with pytest.raises(ConfigurationError):
        await opened_with(database, tmp_path / "short")
    (tmp_path / "long").write_bytes(b"s" * 32)
    assert (await opened_with(database, tmp_path / "long")).keys == derive(b"s" * 32)
