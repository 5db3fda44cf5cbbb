"""Reads messages in worker processes, one a core. A message that stops a worker stops nothing else."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import deque
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from bcc_relay.backtest.reading import Kind, Read, read
from bcc_relay.core.contents.found import Contents
from bcc_relay.core.damage import Closed
from bcc_relay.readers.pool import Readers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from bcc_relay.backtest.reading import Place, Rules
    from bcc_relay.core.model import Message

PATIENCE_S = 60.0
"""How long a worker may take for one message; the readers have shorter limits of their own."""
_AHEAD = 32
"""Messages given to a worker before it asks. They fit into its pipe."""
_LOOK_S = 1.0


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def read_all(places: Iterator[Place], rules: Rules, *, workers: int, patience_s: float = PATIENCE_S) -> Iterator[Read]:
    """Yield each message read, in whatever order they come.

    A worker that takes longer than `patience_s`, or dies, is replaced. The body of the message it had is closed then,
    and a message that stops a second worker is unusable.
    """
    crew = [_Worker(rules, patience_s) for _ in range(workers)]
    try:
        is_over = False
        while True:
            for worker in crew:
                while not is_over and worker.has_room:
                    if (place := next(places, None)) is None:
                        is_over = True
                    else:
                        worker.give(_Job(place))
            if not any(worker.jobs for worker in crew):
                return
            ready = wait([worker.connection for worker in crew if worker.jobs], timeout=_LOOK_S)
            for worker in crew:
                if worker.connection in ready:
                    yield from worker.collect()
                elif worker.is_late():
                    yield from worker.replace(Closed.TOO_SLOW)
    finally:
        for worker in crew:
            worker.end()


@dataclass(frozen=True, slots=True)
class _Job:
    """A message to read. `closed`: its body stopped a worker before and is not looked into."""

    place: Place
    closed: Closed | None = None


@dataclass
class _Worker:
    """One worker process as the parent sees it."""

    rules: Rules
    patience_s: float
    jobs: deque[_Job] = field(default_factory=deque)
    """Given and not answered yet, in order."""
    connection: Connection = field(init=False)
    process: SpawnProcess = field(init=False)
    _heard: float = field(init=False)

    def __post_init__(self) -> None:
        self._start()

    def _start(self) -> None:
        # A fresh interpreter: it inherits no other worker's pipe, so that it ends when this process is killed.
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, self.rules), daemon=True)
        self.process.start()
        theirs.close()
        self._heard = time.monotonic()

    @property
    def has_room(self) -> bool:
        return len(self.jobs) < _AHEAD

    def give(self, job: _Job) -> None:
        if not self.jobs:
            self._heard = time.monotonic()
        self.jobs.append(job)
        try:
            self.connection.send(job)
        except OSError:
            return  # it is dead, as its next answer will tell

    def is_late(self) -> bool:
        return bool(self.jobs) and time.monotonic() - self._heard > self.patience_s

    def collect(self) -> Iterator[Read]:
        """Yield the answers that are there."""
        try:
            while self.jobs and self.connection.poll():
                answer: Read = self.connection.recv()
                self.jobs.popleft()
                self._heard = time.monotonic()
                yield answer
        except (EOFError, OSError):
            yield from self.replace(Closed.BROKEN)

    def replace(self, why: Closed) -> Iterator[Read]:
        """Start a new worker in place of this one, whose first message is at fault."""
        jobs, self.jobs = self.jobs, deque()
        self._stop()
        self._start()
        culprit = jobs.popleft()
        if culprit.closed:
            yield Read(culprit.place.mail, Kind.UNUSABLE, why="cannot be read in reasonable time")
        else:
            self.give(_Job(culprit.place, why))
        for job in jobs:
            self.give(job)

    def _stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()
        self.process.close()

    def end(self) -> None:
        """End the process."""
        self._stop()


def _work(connection: Connection, rules: Rules) -> None:
    """Read what is asked for, until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its workers
    asyncio.run(_answer(connection, rules))


async def _answer(connection: Connection, rules: Rules) -> None:
    readers = Readers(workers=1)
    try:
        while True:
            try:
                job: _Job = connection.recv()
                connection.send(await read(job.place, rules, _Closed(job.closed) if job.closed else readers))
            except (EOFError, ConnectionError):
                return  # the parent is gone
    finally:
        await readers.close()


@dataclass(frozen=True, slots=True)
class _Closed:
    """Looks into nothing: the body stopped a worker before."""

    why: Closed

    async def __call__(self, message: Message, names: frozenset[str]) -> Contents:
        del message, names
        return Contents(closed=frozenset({self.why}))
