"""Each coverage-guided harness runs for a few seconds: it starts, its seeds hold, and so does what comes of them."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
HARNESSES = sorted(path.stem for path in Path(__file__).parent.glob("atheris_*.py"))
SECONDS = 2
SEEDS = 40
LIMIT_S = 120

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="needs atheris, which has wheels for CPython on x86-64 Linux"
)


@pytest.mark.parametrize("harness", HARNESSES)
def test_a_harness_finds_nothing_in_a_few_seconds(harness: str, tmp_path: Path) -> None:
    options = [f"--seconds={SECONDS}", f"--seeds={SEEDS}", f"--corpus={tmp_path}"]
    command = [sys.executable, "-m", f"tests.fuzz.{harness}", *options]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    crashes = [path.name for path in (tmp_path / "crashes").glob("*")]
    told = f"exit code {done.returncode}, crashes {crashes}\n{done.stderr[-8000:]}"
    assert done.returncode == 0, told
    assert not crashes, told
    runs = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    assert runs, told
    assert int(runs[1]) > 0


def test_there_is_a_harness_for_each_way_in() -> None:
    assert HARNESSES == ["atheris_contents", "atheris_envelope", "atheris_judge", "atheris_readers"]
