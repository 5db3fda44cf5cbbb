"""Group commit: one task carries out all waiting changes in one transaction, flushes once and then answers them all."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from bcc_relay.core.errors import StoreError

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

T = TypeVar("T")
Operation: TypeAlias = Callable[[AsyncConnection], Awaitable[T]]

GROUP_JOBS = 64
GROUP_BYTES = 8 * 1024 * 1024
"""No more is put into one transaction: the first in it waits for the last."""


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    operation: Operation[Any]
    size_bytes: int
    answer: asyncio.Future[Any]


class Writer:
    """Takes changes from many callers and makes them one group after another. Owns its task; `close` waits for it."""

    def __init__(self, transaction: Callable[[], AbstractAsyncContextManager[AsyncConnection]]) -> None:
        """`transaction` begins one, and commits on leaving or rolls back on an error. Needs a running loop."""
        self._transaction = transaction
        self._waiting: deque[_Job] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        # Owned here and awaited in `close`.
        self._task = asyncio.get_running_loop().create_task(self._run(), name="store-writer")

    async def write(self, operation: Operation[T], size_bytes: int) -> T:
        """Have `operation` carried out and return its result after the flush (see Database.write)."""
        if self._closing or self._task.done():
            raise StoreError("the store is closed")
        job = _Job(operation, size_bytes, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        self._wake.set()
        result: T = await job.answer
        return result

    async def close(self) -> None:
        """Carry out what waits and end. More writes are refused."""
        self._closing = True
        self._wake.set()
        await asyncio.wait((self._task,))

    async def _run(self) -> None:
        try:
            while True:
                if group := self._next_group():
                    await self._carry_out(group)
                elif self._closing:
                    return
                else:
                    self._wake.clear()
                    await self._wake.wait()
        finally:
            self._closing = True
            for job in self._waiting:
                _fail(job, StoreError("the store was closed before the change was made"))

    def _next_group(self) -> list[_Job]:
        group: list[_Job] = []
        size_bytes = 0
        while self._waiting and len(group) < GROUP_JOBS:
            if group and size_bytes + self._waiting[0].size_bytes > GROUP_BYTES:
                break
            job = self._waiting.popleft()
            if not job.answer.cancelled():
                group.append(job)
                size_bytes += job.size_bytes
        return group

    async def _carry_out(self, group: list[_Job]) -> None:
        """Make a group's changes together, or, when that fails, each in a transaction of its own.

        Savepoints would not do: on a full disk or an input/output error SQLite may roll the whole transaction back.
        """
        try:
            async with self._transaction() as connection:
                results = [await job.operation(connection) for job in group]
        except Exception as error:  # noqa: BLE001 the top of the task: the error belongs to the caller, who is told
            if len(group) == 1:
                _fail(group[0], error)
                return
        except BaseException:
            for job in group:
                _fail(job, StoreError("the store was closed while the change was made"))
            raise
        else:
            for job, result in zip(group, results, strict=True):
                if not job.answer.done():
                    job.answer.set_result(result)
            return
        for job in group:
            await self._carry_out([job])


def _fail(job: _Job, error: Exception) -> None:
    if not job.answer.done():
        job.answer.set_exception(error)
