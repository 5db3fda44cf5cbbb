"""The readers as the relay has them: small messages are looked into at once, all others by a few worker processes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from bcc_relay.core.address import known
from bcc_relay.core.contents.budget import Budget
from bcc_relay.core.contents.found import NOTHING, Contents, merged
from bcc_relay.core.contents.look import look
from bcc_relay.core.damage import Closed
from bcc_relay.core.errors import ReadersBusyError, ReadingFailedError
from bcc_relay.core.events import ReaderStopped
from bcc_relay.readers.child import Child, WorkerLimits, WorkerLostError
from bcc_relay.readers.wire import Answer

if TYPE_CHECKING:
    from bcc_relay.core.events import Event
    from bcc_relay.core.model import Body, Message
    from bcc_relay.relay.ports import Observe

INLINE_BYTES = 16 * 1024
"""A body up to this size is first looked at without a worker: reading it takes less than handing it over."""
PLAIN_BYTES = 64 * 1024
"""The same for one that is plain: nothing in it takes long to read."""
MOST_SIGNS = 300
MOST_BRACKETS = 2000
MOST_PARTS = 100
"""Signs, brackets and parts of what is read without a worker, signs once more when all encodings are undone."""
_SIGNS = (b"@", b"%40", b"=40", b"&#", b"\n--", b"\0")
_BRACKETS = (b"(", b"[", b"{")


def nobody_observes(event: Event) -> None:
    """Take no note."""
    del event


class Readers:
    """Implements `relay.ports.Look`. `close` it before the loop ends."""

    def __init__(
        self,
        *,
        workers: int = 2,
        wait_limit_s: float = 60.0,
        limits: WorkerLimits | None = None,
        observe: Observe = nobody_observes,
    ) -> None:
        """At most `workers` processes, started when first needed. `wait_limit_s` bounds the wait for a free one."""
        self._limits = limits or WorkerLimits()
        contents = self._limits.contents
        # Of what is read beside the dialogs; what goes beyond is for a worker.
        self._limits_beside = replace(contents, signs=MOST_SIGNS, readings=2, parts=min(MOST_PARTS, contents.parts))
        self._wait_limit_s = wait_limit_s
        self._observe = observe
        self._workers = workers
        self._places = asyncio.Semaphore(workers)
        self._idle: list[Child] = []
        """The one used last stands last."""
        self._alive: set[Child] = set()
        self._is_closed = False

    async def __call__(self, message: Message, names: frozenset[str]) -> Contents:
        """Return what the body shows (see the port)."""
        seen = NOTHING
        if _is_quickly_read(message.body):
            looked = look(message, known(names), Budget(self._limits_beside))
            if not looked.unopened and Closed.OVER_BUDGET not in looked.contents.closed:
                return looked.contents
            seen = looked.contents
        try:
            async with asyncio.timeout(self._wait_limit_s):
                await self._places.acquire()
        except TimeoutError:
            raise ReadersBusyError("no reader became free in time") from None
        try:
            return await self._asked(message, names, seen)
        finally:
            self._places.release()

    async def _asked(self, message: Message, names: frozenset[str], seen: Contents) -> Contents:
        answer = Answer()
        try:
            try:
                await self._answered(await self._child(), message, names, answer)
            except WorkerLostError:
                if answer.has_begun:
                    raise
                # It was gone before it had read the message.
                await self._answered(await self._child(), message, names, answer)
        except (TimeoutError, WorkerLostError) as error:
            if self._is_closed:
                raise ReadersBusyError("the readers were closed") from error
            self._observe(ReaderStopped("too_slow" if isinstance(error, TimeoutError) else "crashed"))
            return _given_up(seen, answer)
        if answer.has_failed:
            raise ReadingFailedError("a reader failed")
        return answer.contents()

    async def _answered(self, child: Child, message: Message, names: frozenset[str], answer: Answer) -> None:
        """Have one worker look. It is used again only when it answered in full."""
        try:
            async with asyncio.timeout(self._limits.time_limit_s):
                await child.ask(message, names, answer)
        finally:
            self._take_back(child, answer)

    async def _child(self) -> Child:
        """Return a worker that is ready. Raises ReadersBusyError."""
        if self._is_closed:
            raise ReadersBusyError("the readers are closed")
        self._alive = {child for child in self._alive if not child.has_ended}
        while self._idle:
            if not (child := self._idle.pop()).is_lost:
                return child
            child.kill()
        try:
            return await self._started()
        except (TimeoutError, WorkerLostError) as error:
            if self._is_closed:
                raise ReadersBusyError("the readers were closed") from error
            self._observe(ReaderStopped("not_started"))
            raise ReadersBusyError("a reader could not be started") from error

    async def _started(self) -> Child:
        child = await Child.start(self._limits)
        self._alive.add(child)
        is_ready = False
        try:
            async with asyncio.timeout(self._limits.start_limit_s):
                await child.ready()
            is_ready = not self._is_closed
        finally:
            if not is_ready:
                child.kill()
        return child

    def _take_back(self, child: Child, answer: Answer) -> None:
        if answer.is_whole and answer.goes_on and not self._is_closed:
            self._idle.append(child)
        else:
            # Whatever it is doing still, nobody waits for that.
            child.kill()

    async def close(self) -> None:
        """End all workers and wait until they are gone. Whoever still waits for one hears that it gave up."""
        self._is_closed = True
        self._idle.clear()
        for child in self._alive:
            child.kill()
        # Those who were asked let go of their places now; nobody gets one any more.
        for _ in range(self._workers):
            await self._places.acquire()
        for child in self._alive:
            child.kill()
            await child.gone()
        self._alive.clear()
        for _ in range(self._workers):
            self._places.release()


def _is_quickly_read(body: Body) -> bool:
    """Whether looking into a body keeps nobody waiting: it is short, or has little that could stand for addresses."""
    if len(body) <= INLINE_BYTES:
        return True
    if len(body) > PLAIN_BYTES:
        return False
    octets = bytes(body.content[body.start :])
    if b"base64" in octets.lower():
        return False
    return sum(map(octets.count, _SIGNS)) <= MOST_SIGNS and sum(map(octets.count, _BRACKETS)) <= MOST_BRACKETS


def _given_up(seen: Contents, answer: Answer) -> Contents:
    told = answer.contents()
    both = merged((told, seen, Contents(closed=frozenset({Closed.TOO_SLOW}))))
    # The worker began with what was seen already.
    return replace(both, named_keys=max(told.named_keys, seen.named_keys))
