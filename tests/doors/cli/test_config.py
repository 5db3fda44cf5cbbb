"""`config`, the global options and the exit codes, as an administrator meets them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from bcc_relay.cli import shell
from bcc_relay.cli.app import run

if TYPE_CHECKING:
    from pathlib import Path

SMALLEST = 'organisation: {domains: [council.example]}\nupstream: {servers: ["smtp.council.example:25"]}\n'


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("BCC_RELAY_")]:
        monkeypatch.delenv(name)
    path = tmp_path / "config.yaml"
    path.write_text(SMALLEST)
    return path


def test_a_valid_configuration_is_said_to_be_valid(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "check", "--config", str(config)]) == 0
    out, err = capsys.readouterr()
    assert out == f"The settings are valid ({config}).\n"
    assert err == ""


def test_complaints_stand_on_standard_error_one_a_line_and_exit_78(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(SMALLEST + "delivery: {retry: [5], live_deadline: x}\n")
    assert run(["config", "check", "--config", str(config)]) == 78
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split(" (")[0] for line in err.splitlines()] == [
        f"{config}, line 3: delivery.live_deadline",
        f"{config}, line 3: delivery.retry[1]",
    ]


def test_complaints_are_one_json_document_with_json(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text("organisation: {}\n")
    assert run(["config", "check", "--config", str(config), "--json"]) == 78
    document = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == 78
    assert len(document["complaints"]) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["--config", "FILE", "--json", "config", "check"],
        ["config", "check", "--config", "FILE", "--json"],
        ["--json", "config", "check", "--config", "FILE"],
        ["--config", "/nowhere", "config", "check", "--config=FILE", "--json"],
    ],
)
def test_the_global_options_stand_before_or_after_the_command(
    config: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run([argument.replace("FILE", str(config)) for argument in arguments]) == 0
    assert json.loads(capsys.readouterr().out) == {"files": [str(config)], "notes": [], "complaints": []}


def test_the_variable_names_the_configuration_too(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BCC_RELAY_CONFIG", str(config))
    assert run(["config", "check"]) == 0
    assert str(config) in capsys.readouterr().out


def test_a_key_that_is_not_built_is_named_and_one_that_people_rely_on_is_refused(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(SMALLEST + "workers: 4\n")
    assert run(["config", "check", "--config", str(config)]) == 0
    assert capsys.readouterr().err == "workers is not built yet above 1; one process runs\n"
    config.write_text(SMALLEST + "auth: {backend: ldap}\n")
    assert run(["config", "check", "--config", str(config)]) == 78
    assert capsys.readouterr().err.startswith("auth.backend is not built yet except for file")


def test_the_effective_settings_are_yaml_with_every_default_and_stars_for_secrets(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BCC_RELAY_UPSTREAM__USERNAME", "relay")
    monkeypatch.setenv("BCC_RELAY_UPSTREAM__PASSWORD", "hunter2")
    assert run(["config", "show", "--effective", "--config", str(config)]) == 0
    text = capsys.readouterr().out
    tree = yaml.safe_load(text)
    assert tree["upstream"]["password"] == "********"
    assert tree["delivery"]["retry"] == ["1m", "5m", "15m", "30m", "1h"]
    assert "hunter2" not in text
    assert run(["config", "show", "--effective", "--config", str(config), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["upstream"] == tree["upstream"]


def test_the_schema_needs_no_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "schema", "--config", "/nowhere"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"]["organisation"]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["config", "chek"],
        ["config", "check", "--nonsense"],
        ["quarantine", "show"],
        ["--config"],
        ["quarantine", "list", "one too many"],
    ],
)
def test_wrong_usage_exits_64_and_says_so_on_standard_error_only(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(arguments) == 64
    if arguments:
        out, err = capsys.readouterr()
        assert out == ""
        assert "Error" in err


def test_help_and_version_exit_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    assert "quarantine" in capsys.readouterr().out
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("bcc-relay ")


def test_the_real_process_exits_with_the_code_and_knows_no_colour_in_a_pipe(config: Path) -> None:
    config.write_text(SMALLEST + "workers: many\n")
    done = subprocess.run(
        [sys.executable, "-m", "bcc_relay", "config", "check", "--config", str(config)],
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 78
    assert done.stdout == b""
    assert done.stderr.startswith(f"{config}, line 3: workers ('many')".encode())
    assert b"\x1b" not in done.stderr


def test_text_of_strangers_cannot_steer_a_terminal() -> None:
    assert shell.printable("a\x1b[2J\u202eb\r\nc\x9b") == "a\ufffd[2J\ufffdb\ufffd c\ufffd"


@pytest.mark.parametrize(("patience_s", "is_shown"), [(-1.0, True), (60.0, False)])
def test_a_bar_shows_progress_on_a_terminal_once_patience_is_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], patience_s: float, is_shown: bool
) -> None:
    monkeypatch.setattr(shell, "PATIENCE_S", patience_s)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with shell.progress("Checking", 3) as advance:
        for _ in range(3):
            advance(1)
    out, err = capsys.readouterr()
    assert out == ""
    assert ("Checking" in err) is is_shown


def test_without_a_terminal_no_bar_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shell, "PATIENCE_S", -1.0)
    with shell.progress("Checking", 3) as advance:
        advance(3)
    assert capsys.readouterr() == ("", "")
