"""Work by the clock: expire held mail, erase what has been kept long enough, refresh the gauges."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from bcc_relay.core.errors import StoreError
from bcc_relay.core.events import Failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcc_relay.core.record import Record
    from bcc_relay.relay.decisions import Decisions
    from bcc_relay.relay.options import Current
    from bcc_relay.relay.ports import Clock, Counts, Memory, NewId, Observe, Store
    from bcc_relay.relay.review import Review

EVERY_S = 15.0
"""Expiry acts within a minute."""


class Upkeep:
    """Does the timed work until it is stopped."""

    def __init__(
        self,
        current: Current,
        store: Store,
        memory: Memory,
        review: Review,
        decisions: Decisions,
        *,
        clock: Clock,
        new_id: NewId,
        observe: Observe,
        show_counts: Callable[[Counts], None],
    ) -> None:
        """`show_counts` takes the figures for the gauges."""
        self._current = current
        self._store = store
        self._memory = memory
        self._review = review
        self._decisions = decisions
        self._clock = clock
        self._new_id = new_id
        self._observe = observe
        self._show_counts = show_counts
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        """Work every few seconds until stopped. Trouble is reported and the next round tries again."""
        while not self._stopped.is_set():
            try:
                await self.round()
            except Exception as error:  # noqa: BLE001 - top of a task: timed work must not end for one error
                self._failed(error)
            # Not wait_for, which before Python 3.12 loses a cancellation that comes together with the event.
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await self._stopped.wait()

    def stop(self) -> None:
        """End after the round under way."""
        self._stopped.set()

    async def round(self) -> None:
        """Do everything once. Raises StoreError."""
        now = self._clock()
        for record in await self._store.hold_expired(now):
            await self._expire(record)
        await self._decisions.follow()
        options = self._current.options
        await self._store.erase(bodies_before=now - options.keep_bodies, records_before=now - options.keep_records)
        await self._memory.erase_memory(now - options.keep_memory)
        await self.refresh()

    async def _expire(self, record: Record) -> None:
        try:
            await self._review.expire(record)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - one message must not keep the others from their time
            self._failed(error, record.id)

    def _failed(self, error: Exception, message_id: str | None = None) -> None:
        self._observe(Failed(self._new_id(), "upkeep", f"{type(error).__name__}: {error}", message_id))

    async def refresh(self) -> None:
        """Read the figures for the gauges. Raises StoreError."""
        self._show_counts(await self._store.counts())
