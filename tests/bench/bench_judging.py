"""What reading and deciding cost beside forwarding, and what a hostile message does to others.

`python -m tests.bench.bench_judging` prints, from one run:

* reading and deciding a 10 kB message against handing it to a real Postfix and to smtp-sink, in turns;
* for each hostile or large message: seconds to its verdict, the memory it takes beyond that of usual mail in the relay
  and in its workers, and the longest that the event loop kept anybody else waiting.

Exits 1 when a message takes more than `LIMIT_S`, `LIMIT_MB` (an honest one besides: its own size) or `LIMIT_LAG_MS`, or
an honest one is not read whole. `--hostile` leaves the first out; `--only WORDS` measures the messages of such names.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bcc_relay.core.model import Dispatch
from bcc_relay.core.retry import Schedule
from bcc_relay.forwarder import Forwarder, Options, Server, Tls
from bcc_relay.readers.pool import Readers
from bcc_relay.relay.judging import Judging
from bcc_relay.relay.options import RelayOptions
from bcc_relay.store.sql import open_store
from bcc_relay.wiring import now
from tests import build
from tests.bench.messages import ANNA, HONEST, HOSTILE
from tests.e2e.postfix import Postfix
from tests.e2e.sink import running_sink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from bcc_relay.core.model import Submission

LIMIT_S = 2.0
LIMIT_MB = 100.0
LIMIT_LAG_MS = 100.0
ROUNDS = 5
MESSAGES = 100
TICK_S = 0.002

SENTENCE = b"The meeting is on Tuesday at ten in the large room, and the papers are on the shelf by the door as usual."


def usual(size_bytes: int = 10_000) -> Submission:
    """A message as mail programs write it: the same text twice, plain and as HTML."""
    plain = b"".join(SENTENCE + b"\r\n" for _ in range(size_bytes // 230)) + b"Clerk, clerk@council.example\r\n"
    html = b"".join(b'<p style=3D"margin:0">' + SENTENCE + b"</p>\r\n" for _ in range(size_bytes // 280))
    parts = (("plain", plain), ("html", b"<html><body>" + html + b"</body></html>\r\n"))
    body = b"".join(
        b"--b\r\nContent-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n%s\r\n"
        % (name.encode(), text)
        for name, text in parts
    )
    lines = (
        b"To: Anna <%s>" % ANNA.encode(),
        b"Subject: Minutes",
        b'Content-Type: multipart/alternative; boundary="b"',
    )
    return build.mail(*lines, to=(ANNA,), body=body + b"--b--\r\n")


# --- measuring -------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def judging() -> AsyncIterator[Callable[[Submission], Awaitable[object]]]:
    """Judge as the running relay does: with workers, and with a memory on disk."""
    options = RelayOptions(
        leaving=build.leaving(header_bytes=2_000_000), schedule=Schedule((), now() - now()), notices_from="a@b.example"
    )
    readers = Readers()
    with tempfile.TemporaryDirectory(prefix="bcc-relay-bench-") as folder:
        store = await open_store(f"sqlite://{folder}/relay.db", clock=now)
        try:
            judges = Judging(readers, store.memory, observe=lambda _: None)
            yield lambda submission: judges.judge(submission, options)
        finally:
            await readers.close()
            await store.close()


async def seconds(work: Callable[[], Awaitable[object]], times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        await work()
    return (time.perf_counter() - started) / times


async def beside_forwarding() -> None:
    given = usual()
    dispatch = Dispatch("m1", given.envelope, given.message)
    with tempfile.TemporaryDirectory(prefix="bcc-relay-bench-") as folder, running_sink() as sink:
        Path(folder).chmod(0o755)
        postfix = Postfix(Path(folder))
        postfix.start()
        async with judging() as judge:
            ways: dict[str, Callable[[], Awaitable[object]]] = {"read and decide": lambda: judge(given)}
            forwarders = []
            for name, port in (("Postfix", postfix.port), ("smtp-sink", sink.port)):
                options = Options((Server("127.0.0.1", port),), "relay.council.example", tls=Tls.NONE, connections=1)
                forwarder = Forwarder(options, lambda _: None)
                forwarders.append(forwarder)
                ways[name] = partial(forwarder.send, dispatch)
            results: dict[str, list[float]] = {name: [] for name in ways}
            for round_ in range(ROUNDS + 1):
                for name, work in ways.items():
                    took = await seconds(work, MESSAGES)
                    if round_:  # the first one warms up
                        results[name].append(took)
            for forwarder in forwarders:
                await forwarder.close()
        postfix.stop()
    print(f"10 kB message ({given.message.size_bytes} octets), one at a time, medians of {ROUNDS} rounds:")
    for name, took in results.items():
        print(f"  {name:18} {statistics.median(took) * 1e6:8.0f} us")
    for name in ("Postfix", "smtp-sink"):
        share = statistics.median(a / b for a, b in zip(results["read and decide"], results[name], strict=True))
        print(f"  read and decide / forward to {name}: {share:.3f}")


def children() -> list[int]:
    return [int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]


def peak_mb(pid: int) -> float:
    """Return the largest resident size that a process ever had; nothing of one that has ended."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int((re.findall(r"^VmHWM:\s+(\d+)", status, re.MULTILINE) or "0")[0]) / 1024


def note_peaks(peaks: dict[int, float]) -> None:
    for pid in children():
        with suppress(OSError):
            peaks[pid] = max(peaks.get(pid, 0.0), peak_mb(pid))


async def one(name: str) -> None:
    """Judge one hostile message in this process and print the figures as JSON."""
    given = (HOSTILE | HONEST)[name]()
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    lags = [0.0]
    peaks: dict[int, float] = {}
    over = asyncio.Event()

    async def tick() -> None:
        while not over.is_set():
            at = time.perf_counter()
            await asyncio.sleep(TICK_S)
            lags.append(time.perf_counter() - at - TICK_S)
            # A worker that stopped by itself is gone when the answer is there.
            note_peaks(peaks)

    async with judging() as judge:
        for warm_up in ("nothing special", "a list in a zip"):
            await judge(HOSTILE[warm_up]())
        note_peaks(peaks)
        idle_mb = dict(peaks)
        async with asyncio.TaskGroup() as group:
            group.create_task(tick())
            await asyncio.sleep(0.05)
            started = time.perf_counter()
            judged = await judge(given)
            took = time.perf_counter() - started
            over.set()
            note_peaks(peaks)
            workers_mb = sum(peak - idle_mb.get(pid, 0.0) for pid, peak in peaks.items())
    own_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before_mb
    verdict = judged.judgement  # type: ignore[attr-defined]
    closed = [str(reason) for reason in judged.facts.closed]  # type: ignore[attr-defined]
    print(json.dumps({
        "s": took, "lag_ms": max(lags) * 1000, "own_mb": own_mb, "workers_mb": workers_mb,
        "limit_mb": LIMIT_MB + (given.message.size_bytes / 1e6 if name in HONEST else 0), "closed": closed,
        "verdict": f"{verdict.verdict} {verdict.rule} {' '.join(closed)}",
    }))  # fmt: skip


def hostile(names: list[str]) -> bool:
    print("\nhostile or large message                     seconds  lag ms   relay MB  worker MB  verdict")
    fine = True
    for name in names:
        command = [sys.executable, "-m", "tests.bench.bench_judging", "--one", name]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=300, cwd=Path(__file__).parents[2], check=True
        )
        got = json.loads(done.stdout)
        bad = got["s"] > LIMIT_S or got["lag_ms"] > LIMIT_LAG_MS or got["own_mb"] + got["workers_mb"] > got["limit_mb"]
        bad = bad or (name in HONEST and got["closed"])
        fine = fine and not bad
        print(
            f"{name:43} {got['s']:8.2f} {got['lag_ms']:7.0f} {got['own_mb']:9.0f} {got['workers_mb']:10.0f}  {got['verdict']}"
            f"{'   NOT WHOLE' if name in HONEST and got['closed'] else '   TOO MUCH' if bad else ''}",
            flush=True,
        )
    return fine


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--one")
    parser.add_argument("--hostile", action="store_true", help="only the hostile and large messages")
    parser.add_argument("--only", help="a part of their names")
    arguments = parser.parse_args()
    if arguments.one:
        asyncio.run(one(arguments.one))
        sys.exit()
    if not (arguments.hostile or arguments.only):
        asyncio.run(beside_forwarding())
    sys.exit(0 if hostile([name for name in HOSTILE | HONEST if (arguments.only or "") in name]) else 1)
