"""How fast the store stores and claims: `python -m tests.bench.bench_store [FOLDER]`.

Ratios guard the promises: submissions that come together share their flushes, and a claim costs the same whatever the
length of the queue. Give a folder on the disk that is meant; a file system in memory has no flushes to save.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import statistics
import tempfile
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from bcc_relay.core.model import Body, Message
from bcc_relay.core.record import NewRecord, State
from bcc_relay.relay.ports import Move
from bcc_relay.store import SqlStore, open_store
from tests import build

BODY = Message(build.header("family@mail.example"), b"\r\n", Body(b"Term begins on Monday.\r\n" * 80))
ADDS = 300
TOGETHER = 20
SHORT, LONG = 1_000, 100_000
CLAIMS = 60
CLAIMED = 10


def new(name: str) -> NewRecord:
    return build.new_record(id=name, raw=BODY)


async def adds_per_second(store: SqlStore, prefix: str, together: int) -> float:
    names = iter([f"{prefix}{n}" for n in range(ADDS)])

    async def one_client() -> None:
        for name in names:
            await store.add(new(name))

    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(together):
            group.create_task(one_client())
    return ADDS / (time.perf_counter() - start)


def fill(database: Path, count: int) -> None:
    """Copy the one message of the file until `count` are queued; far quicker than to add them one by one."""
    with closing(sqlite3.connect(database)) as file, file:
        for table, key in (("messages", "id"), ("recipients", "message_id"), ("octets", "message_id")):
            columns = [row[1] for row in file.execute(f"PRAGMA table_info({table})")]
            copied = [f"printf('m%06d', n) AS {key}" if name == key else name for name in columns]
            file.execute(
                f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count - 1})"
                f" INSERT INTO {table} SELECT {', '.join(copied)} FROM {table}, numbers"
            )
    file.close()


async def claim_milliseconds(folder: Path, count: int) -> float:
    """Median time of a claim of ten, with `count` messages queued; what was claimed is put back, so the length stays."""
    database = folder / f"queue{count}.db"
    url = f"sqlite://{database}"
    store = await open_store(url, clock=lambda: build.NOW)
    await store.add(new("first"))
    await store.close()
    fill(database, count)
    store = await open_store(url, clock=lambda: build.NOW)
    times = []
    for _ in range(CLAIMS):
        start = time.perf_counter()
        lease_until = build.NOW + timedelta(minutes=5)
        taken = await store.claim(now=build.NOW, owner="relay-1", lease_until=lease_until, limit=CLAIMED)
        times.append(time.perf_counter() - start)
        assert len(taken) == CLAIMED
        later = build.NOW + timedelta(hours=1)
        back = [Move(one.id, one.revision, State.QUEUED, build.NOW, "deferred", next_attempt_at=later) for one in taken]
        await asyncio.gather(*map(store.move, back))
    await store.close()
    return statistics.median(times) * 1000


async def measure(folder: Path) -> None:
    store = await open_store(f"sqlite://{folder}/adds.db", clock=lambda: build.NOW)
    serial, together = [], []
    for run in range(3):
        serial.append(await adds_per_second(store, f"s{run}-", 1))
        together.append(await adds_per_second(store, f"t{run}-", TOGETHER))
    await store.close()
    one, many = statistics.median(serial), statistics.median(together)
    print(f"adds, 2 kB: {one:.0f}/s one at a time, {many:.0f}/s with {TOGETHER} at once, ratio {many / one:.2f}")
    short, long = await claim_milliseconds(folder, SHORT), await claim_milliseconds(folder, LONG)
    print(
        f"claim of {CLAIMED}: {short:.1f} ms of {SHORT:,} queued, {long:.1f} ms of {LONG:,}, ratio {long / short:.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="where to put the databases (default: a temporary folder)")
    with tempfile.TemporaryDirectory(dir=parser.parse_args().folder) as folder:
        asyncio.run(measure(Path(folder)))


if __name__ == "__main__":
    main()
