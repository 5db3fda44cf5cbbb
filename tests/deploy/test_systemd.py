"""The unit file fits the program: its command, its exit codes, its folder and its patience."""

from __future__ import annotations

import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

from bcc_relay.cli.app import run
from bcc_relay.cli.shell import Exit
from bcc_relay.settings import load

UNIT = Path(__file__).parents[2] / "config" / "bcc-relay.service"
SMALLEST = 'organisation: {domains: [council.example]}\nupstream: {servers: ["smtp.council.example:25"]}\n'


@pytest.fixture
def service() -> dict[str, str]:
    unit = RawConfigParser()
    unit.optionxform = str  # type: ignore[assignment]
    unit.read(UNIT)
    return dict(unit["Service"])


def test_it_starts_a_command_that_there_is(service: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    program, *arguments = service["ExecStart"].split()
    assert program == "/usr/local/bin/bcc-relay"
    assert run([*arguments, "--help"]) == 0
    assert "SIGHUP reads the settings again" in " ".join(capsys.readouterr().out.split())


def test_its_folder_and_times_are_those_of_the_settings(service: dict[str, str], tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(SMALLEST)
    settings = load(config, {}).settings
    assert settings.store.sqlite_path is not None
    assert settings.store.sqlite_path.parent == Path("/var/lib") / service["StateDirectory"]
    assert int(service["TimeoutStopSec"]) > settings.delivery.live_deadline.total_seconds()
    assert int(service["RestartPreventExitStatus"]) == Exit.CONFIGURATION


def test_systemd_knows_every_line_of_it(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("needs systemd-analyze, of the Debian package systemd")
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/usr/local/bin/bcc-relay", "/bin/true"))
    verified = subprocess.run([program, "verify", str(copy)], capture_output=True, text=True, timeout=60, check=False)
    assert [line for line in verified.stderr.splitlines() if UNIT.name in line] == []
