"""`users`: accounts from the command line, in the file that the relay reads."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import pytest

from bcc_relay.auth.password_file import PasswordFile
from bcc_relay.cli.app import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text('organisation: {domains: [council.example]}\nupstream: {servers: ["smtp.council.example:25"]}\n')
    return path


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch):
    """Puts text on standard input."""

    def put(text: str | bytes) -> None:
        octets = text.encode() if isinstance(text, str) else text
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(octets)))

    return put


def users(config: Path, *arguments: str) -> int:
    return run(["users", *arguments, "--config", str(config)])


async def test_an_added_account_can_log_in_until_its_password_changes(config: Path, typed, capsys) -> None:
    typed("correct horse\r\nnot this line\n")
    assert users(config, "add", "clerk@council.example", "--address", "office@council.example", "--password-stdin") == 0
    file = PasswordFile(config.parent / "users.yaml")
    login = await file("clerk@council.example", "correct horse")
    assert login
    assert login.addresses == ("clerk@council.example", "office@council.example")

    typed("battery staple")
    assert users(config, "passwd", "CLERK@council.example", "--password-stdin") == 0
    assert await file("clerk@council.example", "correct horse") is None
    assert await file("clerk@council.example", "battery staple")

    assert users(config, "remove", "clerk@council.example") == 0
    assert await file("clerk@council.example", "battery staple") is None
    assert "staple" not in capsys.readouterr().out


def test_the_list_is_json_for_machines_and_a_table_for_people(config: Path, typed, capsys) -> None:
    assert users(config, "list", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []
    typed("p\n")
    added = users(
        config, "add", "dpo", "--address", "dpo@council.example", "--role", "reviewer", "--password-stdin", "--json"
    )
    assert added == 0
    entry = {"name": "dpo", "addresses": ["dpo@council.example"], "roles": ["reviewer"]}
    assert json.loads(capsys.readouterr().out) == entry
    assert users(config, "list", "--json") == 0
    assert json.loads(capsys.readouterr().out) == [entry]
    assert users(config, "list") == 0
    table = capsys.readouterr().out
    assert all(word in table for word in ("Name", "dpo@council.example", "reviewer"))
    assert "\x1b" not in table


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["passwd", "nobody"], "There is no account nobody"),
        (["remove", "nobody"], "There is no account nobody"),
        (["add", "x", "--role", "king"], '"king" of account x is not a role'),
        (["add", "x", "--address", "no address"], '"no address" of account x is not a mail address'),
        (["add", "there@council.example"], "There is an account there@council.example already"),
    ],
)
def test_what_cannot_be_exits_65_before_a_password_is_asked(
    config: Path, typed, capsys, arguments: list[str], sentence: str
) -> None:
    typed("p\n")
    assert users(config, "add", "there@council.example", "--password-stdin") == 0
    before = (config.parent / "users.yaml").read_bytes()
    capsys.readouterr()
    typed("")
    assert users(config, *arguments) == 65
    assert sentence in capsys.readouterr().err
    assert (config.parent / "users.yaml").read_bytes() == before


@pytest.mark.parametrize("octets", [b"", b"\n", b"\xff\xfe\n", b"x" * 5000])
def test_a_password_that_is_none_exits_65_and_adds_nobody(config: Path, typed, capsys, octets: bytes) -> None:
    typed(octets)
    assert users(config, "add", "x@council.example", "--password-stdin") == 65
    assert capsys.readouterr().err.startswith("The password is")
    assert not (config.parent / "users.yaml").exists()


def test_without_a_terminal_the_way_to_give_a_password_is_named(config: Path, typed, capsys) -> None:
    typed("p\n")
    assert users(config, "add", "x@council.example") == 64
    assert "--password-stdin" in capsys.readouterr().err


def test_an_account_that_may_send_as_nobody_is_pointed_out(config: Path, typed, capsys) -> None:
    typed("p\n")
    assert users(config, "add", "scanner", "--password-stdin") == 0
    assert "add it with --address" in capsys.readouterr().err


def test_a_folder_that_is_not_there_exits_69_and_names_the_key(config: Path, typed, capsys) -> None:
    config.write_text(config.read_text() + "auth: {file: nowhere/users.yaml}\n")
    typed("p\n")
    assert users(config, "add", "x@council.example", "--password-stdin") == 69
    assert "auth.file" in capsys.readouterr().err


def test_a_broken_file_of_accounts_exits_78_and_stays(config: Path, typed, capsys) -> None:
    (config.parent / "users.yaml").write_text("accounts: nonsense\n")
    typed("p\n")
    assert users(config, "add", "x@council.example", "--password-stdin") == 78
    assert "users.yaml" in capsys.readouterr().err
    assert (config.parent / "users.yaml").read_text() == "accounts: nonsense\n"
