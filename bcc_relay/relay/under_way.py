"""Work that outlives whoever asked for it: sends and deliveries in progress, waited for when the relay stops."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

    Result = TypeVar("Result")


class UnderWay:
    """Owns tasks until they are done."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        """Tasks are started in `group`, which waits for them in the end."""
        self._group = group
        self._tasks: set[asyncio.Task[object]] = set()

    def start(self, work: Coroutine[object, object, Result]) -> asyncio.Task[Result]:
        """Begin `work`, which must not raise: an error in a group ends all of it."""
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def finish(self, limit_s: float) -> int:
        """Wait up to `limit_s` seconds for everything in progress, then break off what is left; return how many."""
        loop = asyncio.get_running_loop()
        until = loop.time() + limit_s
        # What is in progress may begin more.
        while (tasks := self._unfinished()) and (left_s := until - loop.time()) > 0:
            await asyncio.wait(tasks, timeout=left_s)
        broken_off = len(self._unfinished())
        while tasks := self._unfinished():
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        return broken_off

    def _unfinished(self) -> set[asyncio.Task[object]]:
        return {task for task in self._tasks if not task.done()}
