"""Keeps the rate of messages below what the next server allows."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW_S = 60.0


class Pace:
    """Lets at most `per_minute` messages start within any 60 seconds, first come first served; 0 is no limit.

    A bucket that refills while it is drained would let nearly twice as many through in its first minute, and servers
    that count (Exchange Online) count every minute.
    """

    def __init__(self, per_minute: int, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._starts: deque[float] | None = deque(maxlen=per_minute) if per_minute else None

    def wait_s(self) -> float:
        """Seconds until the next message may start; 0 means now."""
        starts = self._starts
        if starts is None or len(starts) < (starts.maxlen or 0):
            return 0.0
        return max(0.0, starts[0] + WINDOW_S - self._monotonic())

    async def turn(self, limit_s: float) -> bool:
        """Wait for this message's turn. False, without waiting and without taking a turn, when it is farther off."""
        if self._starts is None:
            return True
        wait_s = self.wait_s()
        if wait_s > limit_s:
            return False
        # The turn is taken before the pause, so those who come later queue behind it.
        self._starts.append(self._monotonic() + wait_s)
        if wait_s:
            await asyncio.sleep(wait_s)
        return True
