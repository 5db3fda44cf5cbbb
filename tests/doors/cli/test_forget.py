"""`forget` on a real store, as whoever answers a request for erasure meets it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from bcc_relay.cli.app import run
from bcc_relay.core.history import Ask
from bcc_relay.core.record import State
from bcc_relay.settings import Settings, load
from bcc_relay.wiring import open_store
from tests import build
from tests.contracts.circles import circle

if TYPE_CHECKING:
    from pathlib import Path

A = "a@family-mail.example"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(
        "organisation: {domains: [council.example]}\n"
        'upstream: {servers: ["127.0.0.1:25"]}\n'
        f'store: {{url: "sqlite://{tmp_path}/relay.db"}}\n'
    )
    asyncio.run(fill(load(path, {}).settings))
    return path


async def fill(settings: Settings) -> None:
    """The address in two circles, in a held message and in a delivered one."""
    async with open_store(settings) as store:
        for one in (circle("m1", "abc"), circle("m2", "ad")):
            await store.memory.consider(one, Ask())
        await store.add(build.new_record(A, id="held1", state=State.HELD))
        await store.add(build.new_record(A, id="done1", state=State.DELIVERED))


@pytest.fixture
def cli(config: Path, capsys: pytest.CaptureFixture[str]):
    def call(*arguments: str) -> tuple[int, str, str]:
        return run([*arguments, "--config", str(config)]), *capsys.readouterr()

    return call


def test_it_says_what_was_erased_and_how_to_look_at_what_is_held(cli) -> None:
    assert cli("forget", A) == (
        0,
        (
            "Erased the address from 2 remembered circles, and 1 finished message.\n"
            "Held messages with this address are kept until someone decides; then give this command again:\n"
            "  bcc-relay quarantine show held1\n"
        ),
        "",
    )
    assert cli("queue", "show", "done1")[0] == 65
    assert cli("quarantine", "show", "held1")[0] == 0
    assert cli("audit", "verify")[0] == 0


@pytest.mark.parametrize("written", [A, " A@Family-Mail.EXAMPLE "])
def test_machines_get_numbers_whatever_way_the_address_is_written(cli, written: str) -> None:
    code, out, err = cli("forget", written, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {"address": A, "circles": 2, "messages": 1, "held": ["held1"]}


def test_to_forget_again_finds_nothing(cli) -> None:
    cli("forget", A)
    code, out, _ = cli("forget", A)
    assert code == 0
    assert out.startswith("Nothing remembered and no finished message had this address.\n")
    assert json.loads(cli("forget", "nobody@mail.example", "--json")[1]) == {
        "address": "nobody@mail.example",
        "circles": 0,
        "messages": 0,
        "held": [],
    }


@pytest.mark.parametrize("arguments", [("nobody",), ("",), ("a@b@",), (), (A, "b@mail.example")])
def test_what_is_no_address_exits_64_and_erases_nothing(cli, arguments: tuple[str, ...]) -> None:
    assert cli("forget", *arguments)[:2] == (64, "")
    assert json.loads(cli("forget", A, "--json")[1])["circles"] == 2
