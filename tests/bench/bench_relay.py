"""The whole relay between load and sink, against the same load straight to the sink, in turns in one run.

Run it with `python -m tests.bench.bench_relay`. It needs smtp-source and smtp-sink (Debian's package postfix). Absolute
figures differ between machines and moments; the ratios and the CPU per message are what it guards.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 3
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    name: str
    sessions: int
    messages: int
    octets: int


LOADS = (
    Load("2 kB, kept connections, 20 at once", 20, 2000, 2_000),
    Load("25 MB, 4 at once", 4, 8, 25_000_000),
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()


def until_ready(metrics_port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/readyz", timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError("the relay did not start")


def seconds(load: Load, port: int) -> float:
    started = time.monotonic()
    subprocess.run(
        [
            *("smtp-source", "-c", "-d", "-s", str(load.sessions), "-m", str(load.messages), "-l", str(load.octets)),
            *("-f", "clerk@council.example", "-t", "you@family-mail.example", f"127.0.0.1:{port}"),
        ],
        check=True,
        capture_output=True,
        timeout=300,
    )
    return time.monotonic() - started


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_mb(pid: int) -> float:
    """Memory of its own: pages of mapped spool files are the kernel's to drop."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def main() -> None:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, sink, port, metrics = Path(name), free_port(), free_port(), free_port()
        config = folder / "config.yaml"
        config.write_text(
            f"organisation: {{domains: [council.example]}}\nupstream: {{servers: ['127.0.0.1:{sink}']}}\n"
            f"listeners: [{{bind: '127.0.0.1:{port}'}}]\nstore: {{url: 'sqlite://{folder}/relay.db'}}\n"
            f"metrics: {{bind: '127.0.0.1:{metrics}'}}\n"
        )
        stack.enter_context(running("smtp-sink", "-u", "nobody", "-m", "200", f"127.0.0.1:{sink}", "200"))
        relay = stack.enter_context(running(sys.executable, "-m", "bcc_relay", "serve", "--config", str(config)))
        until_ready(metrics)
        for load in LOADS:
            seconds(load, port)  # warm-up, not counted
            ratios, costs = [], []
            for _ in range(ROUNDS):
                direct = seconds(load, sink)
                before = cpu_s(relay.pid)
                through = seconds(load, port)
                costs.append((cpu_s(relay.pid) - before) / load.messages)
                ratios.append(direct / through)
            rate = load.messages / through
            print(
                f"{load.name}: {statistics.median(ratios):.2f} of the direct rate, "
                f"{statistics.median(costs) * 1000:.2f} ms CPU a message, {peak_mb(relay.pid):.0f} MB of its own "
                f"(last round {rate:.0f}/s)"
            )


if __name__ == "__main__":
    main()
