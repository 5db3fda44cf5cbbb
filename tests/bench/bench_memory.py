"""What the memory of earlier mail costs: `python -m tests.bench.bench_memory [FOLDER]`.

Ratios guard the promises: what is asked about a message costs about the same whatever the number of remembered circles, also
about people who are in very many of them, and a note costs as much as its members. Everybody is in 25 circles of the larger
memory, and hardly in one of the smaller. Give a folder on the disk that is meant; a file system in memory has no flushes.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sqlite3
import statistics
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from bcc_relay.core.acquaintance import Place, have_seen
from bcc_relay.core.history import Ask, Circle, History
from bcc_relay.store import SqlStore, open_store
from bcc_relay.store.keys import hashed
from tests import build

FEW, MANY = 1_000, 100_000
MEMBERS = 5
SENDERS = 100
OUTSIDERS = 20_000
RUNS = 40
SMALL, LARGE = 2, 500
HOUR = timedelta(hours=1)
ASK = Ask(True, True, True, 7 * 24 * HOUR, timedelta(minutes=10), (HOUR, 24 * HOUR))
REGULAR = 0
"""This outsider is in every twentieth circle."""


def outsider(n: int) -> str:
    return f"family{n}@mail{n % 10}.example"


def sender(n: int) -> str:
    return f"clerk{n % SENDERS}@council.example"


def fill(database: Path, key: bytes, count: int) -> None:
    """Write a year of circles, every hundredth stopped; far quicker than to note them one by one."""
    chance = random.Random(count)
    members = [hashed(key, "address", outsider(n).encode()) for n in range(OUTSIDERS)]
    senders = [hashed(key, "sender", sender(n).encode()) for n in range(SENDERS)]
    step = timedelta(days=365) / count
    circles, places, ids = [], [], []
    for number in range(1, count + 1):
        at = (build.NOW - step * (count - number + 1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        is_stopped = number % 100 == 0
        own_id, root = (hashed(key, "id", b"<%d@council.example>" % n) for n in (number, number - number % 10))
        row = (
            number,
            f"m{number}",
            at,
            senders[number % SENDERS],
            own_id,
            members[number % 50],
            None,
            MEMBERS,
            MEMBERS,
        )
        circles.append((*row, "hold", "families", is_stopped, not is_stopped))
        people = set(chance.sample(range(1, OUTSIDERS), MEMBERS - 1))
        people.add(REGULAR if number % 20 == 0 else chance.randrange(1, OUTSIDERS))
        places += [(number, members[n], True, True) for n in people]
        ids += [(number, one) for one in {own_id, root}]
    with closing(sqlite3.connect(database)) as file, file:
        file.executemany(f"INSERT INTO circles VALUES ({', '.join('?' * 13)})", circles)
        file.executemany("INSERT INTO circle_members VALUES (?, ?, ?, ?)", places)
        file.executemany("INSERT INTO circle_ids VALUES (?, ?)", ids)


def circle(name: str, people: list[int], at_circle: int = 0) -> Circle:
    keys = frozenset(map(outsider, people))
    ids = tuple(b"<%d@council.example>" % (at_circle - n) for n in range(8)) if at_circle else ()
    own_id = f"<{name}@council.example>".encode()
    return Circle(name, build.NOW, sender(at_circle), keys, keys, keys, own_id, ids, "term dates")


async def milliseconds(store: SqlStore, circles: list[Circle], ask: Ask) -> tuple[float, History]:
    """Median time of a `consider`, and the last answer."""
    times, answer = [], None
    for one in circles:
        start = time.perf_counter()
        answer = await store.memory.consider(one, ask)
        times.append(time.perf_counter() - start)
    assert answer is not None
    return statistics.median(times) * 1000, answer


async def questions(store: SqlStore, count: int, size: int, *, regular: bool) -> float:
    chance = random.Random(size)
    some = [
        circle(
            f"q{size}-{regular}-{run}",
            [*([REGULAR] if regular else []), *chance.sample(range(1, OUTSIDERS), size)],
            count - run,
        )
        for run in range(RUNS)
    ]
    taken, answer = await milliseconds(store, some, ASK)
    assert answer.gained is not None
    assert answer.pieces >= size
    return taken


async def filled(folder: Path, count: int) -> SqlStore:
    database = folder / f"circles{count}.db"
    store = await open_store(f"sqlite://{database}", clock=lambda: build.NOW)
    fill(database, store.keys.memory, count)
    return store


async def measure(folder: Path) -> None:
    stores = {count: await filled(folder, count) for count in (FEW, MANY)}
    for size, regular, what in (
        (10, False, "10 outsiders"),
        (10, True, "10 outsiders and one of every twentieth circle"),
        (LARGE, False, f"{LARGE} outsiders"),
    ):
        few, many = [await questions(stores[count], count, size, regular=regular) for count in (FEW, MANY)]
        print(
            f"everything asked and noted, {what}: {few:.1f} ms with {FEW:,} circles, {many:.1f} ms with {MANY:,},"
            f" ratio {many / few:.2f}"
        )
    notes: dict[int, list[float]] = {SMALL: [], LARGE: []}
    nothing: list[float] = []
    chance = random.Random(1)
    for run in range(5):
        for size, taken in notes.items():
            some = [circle(f"n{run}-{size}-{n}", chance.sample(range(OUTSIDERS), size)) for n in range(10)]
            taken.append((await milliseconds(stores[MANY], some, Ask()))[0])
        one = replace(circle("harmless", [1]), readers=frozenset())
        nothing.append((await milliseconds(stores[MANY], [one] * 10, Ask()))[0])
    small, large = (statistics.median(taken) for taken in notes.values())
    print(f"a note: {small:.1f} ms with {SMALL} outsiders, {large:.1f} ms with {LARGE}, ratio {large / small:.1f}")
    print(f"mail that shows nobody: {statistics.median(nothing) * 1000:.1f} microseconds")
    for store in stores.values():
        await store.close()


def sets() -> None:
    """Known threads of many people in many different circles: the time grows with the places, not with the pairs."""
    taken = []
    for people in (500, 2_000):
        places = [Place(0, one, is_shown=True, is_reader=True) for one in range(people)]
        places += [Place(1 + one * 7919 % 97, one, is_shown=True, is_reader=True) for one in range(people)]
        places += [Place(98 + one * 104729 % 89, one, is_shown=True, is_reader=True) for one in range(people)]
        start = time.perf_counter()
        assert have_seen(set(range(people)), set(range(people)), places)
        taken.append((time.perf_counter() - start) * 1000)
    print(
        f"a tangled thread: {taken[0]:.1f} ms for 500 people, {taken[1]:.1f} ms for 2,000, ratio {taken[1] / taken[0]:.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="where to put the databases (default: a temporary folder)")
    sets()
    with tempfile.TemporaryDirectory(dir=parser.parse_args().folder) as folder:
        asyncio.run(measure(Path(folder)))


if __name__ == "__main__":
    main()
