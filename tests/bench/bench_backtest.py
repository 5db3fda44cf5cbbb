"""A backtest over many messages, whole and killed on the way: `python -m tests.bench.bench_backtest [MESSAGES]`.

Prints the time, the processor time over all cores, and the most memory that any of its processes had. Exits 1 when a run
that was killed and went on comes to other totals, or when memory grows with the number of messages.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

MESSAGES = 20_000
KILLED_AT = (0.2, 0.3, 0.4)
"""When a run is killed, each as a share of the time that the whole one took, counted from its own start."""
LIMIT_MB = 250
FIRST_S = 1_700_000_000


def write_mailbox(folder: Path, messages: int) -> None:
    """Four mbox files and a Maildir: one in five shows outsiders to each other, one in a thousand is a large circle."""
    chance = random.Random(7)
    homes = [*(["mail.example"] * 5), *(f"firm{n}.example" for n in range(40))]
    people = [f"person{n}@{chance.choice(homes)}" for n in range(5000)]
    for name in ("cur", "new", "tmp"):
        (folder / "sent" / name).mkdir(parents=True)
    boxes = [(folder / f"box{n}").open("wb") for n in range(4)]
    for n in range(messages):
        octets = message(n, chance, people)
        if n % 5 == 4:
            (folder / "sent" / "cur" / f"{n}.host:2,S").write_bytes(octets)
        else:
            boxes[n % 5].write(b"From x Sun Nov 22 10:00:00 2026\n" + octets + b"\n")
    for box in boxes:
        box.close()


def message(n: int, chance: random.Random, people: list[str]) -> bytes:
    count = chance.choice([1] * 15 + [2] * 3 + [3, 8]) if n % 1000 != 7 else 40
    sender = f"desk{n % 40}@council.example" if n % 10 else people[n % len(people)]
    text = "\n".join("A line of an ordinary message, and nothing more." for _ in range(chance.randrange(5, 60)))
    answers = f"References: <{chance.randrange(n + 1)}@council.example>\n" if chance.random() < 0.2 else ""
    return (
        f"From: Somebody <{sender}>\nTo: {', '.join(chance.sample(people, count))}\nSubject: Matter {n % 3000}\n"
        f"Date: {formatdate(FIRST_S + n * 400)}\nMessage-ID: <{n}@council.example>\n{answers}\n{text}\n"
    ).encode()


class Run:
    """One run, watched."""

    def __init__(self, folder: Path, config: Path, state: str) -> None:
        command = [sys.executable, "-m", "bcc_relay", "backtest", str(folder / "mails"), "--json"]
        self.answer = folder / f"{state}.json"
        self.begun = time.monotonic()
        with self.answer.open("wb") as out:
            self.process = subprocess.Popen(
                [*command, "--config", str(config), "--state", str(folder / state)], stdout=out
            )
        self.peak_mb: dict[int, float] = {}

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begun

    def watch(self, until_s: float) -> bool:
        """Watch memory until it ends, or for so long; whether it ended."""
        while self.process.poll() is None and self.seconds < until_s:
            for pid in (self.process.pid, *children(self.process.pid)):
                self.peak_mb[pid] = max(self.peak_mb.get(pid, 0.0), peak_mb(pid))
            time.sleep(0.1)
        return self.process.poll() is not None

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def children(pid: int) -> list[int]:
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def peak_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def totals(run: Run) -> dict[str, Any]:
    answer = json.loads(run.answer.read_text())
    return {name: value for name, value in answer.items() if name != "seconds"}


def main() -> int:
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "config.yaml"
        config.write_text("organisation: {domains: [council.example]}\nupstream: {servers: ['127.0.0.1:25']}\n")
        (folder / "mails").mkdir()
        write_mailbox(folder / "mails", messages)
        whole = Run(folder, config, "whole")
        whole.watch(float("inf"))
        took_s = whole.seconds
        print(f"{messages} messages in {took_s:.1f} s, {messages / took_s:.0f} a second")
        print(
            f"largest process {max(whole.peak_mb.values()):.0f} MB, all together {sum(whole.peak_mb.values()):.0f} MB"
        )
        for share in KILLED_AT:
            run = Run(folder, config, "killed")
            if not run.watch(share * took_s):
                run.kill()
                print(f"killed after {run.seconds:.1f} s")
        last = Run(folder, config, "killed")
        last.watch(float("inf"))
        is_same = totals(last) == totals(whole)
        print(f"went on for {last.seconds:.1f} s, {'the same' if is_same else 'OTHER'} totals")
        verdicts = totals(whole)["verdicts"]
        print(", ".join(f"{verdict} {count}" for verdict, count in verdicts.items()))
        return 0 if is_same and max(whole.peak_mb.values()) < LIMIT_MB else 1


if __name__ == "__main__":
    sys.exit(main())
