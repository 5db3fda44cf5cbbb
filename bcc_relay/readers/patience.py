"""How long a worker reads one message: by the time its processor took, so that a busy machine closes nothing."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

Item = TypeVar("Item")

_AGAIN_S = 0.25
"""A library may have taken the first interruption for an error of its file."""


class TooSlowError(BaseException):
    """The time is up. No reader takes it for an error of its file, as it is no `Exception`."""


class Patience:
    """Interrupts what takes too long, in the main thread. What is not in Python is interrupted when it returns."""

    def __init__(self, seconds: float) -> None:
        """`seconds` of processor time for each message."""
        self._seconds = seconds
        self._is_over = False
        self._may_interrupt = False
        signal.signal(signal.SIGPROF, self._expired)

    def _expired(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._is_over = True
        if self._may_interrupt:
            raise TooSlowError

    def each(self, items: Iterator[Item]) -> Iterator[Item]:
        """Yield the items as they are made. Raises TooSlowError when the time is up, never while one is used."""
        self._is_over = False
        signal.setitimer(signal.ITIMER_PROF, self._seconds, _AGAIN_S)
        try:
            while True:
                self._may_interrupt = True
                try:
                    item = next(items)
                except StopIteration:
                    break
                finally:
                    self._may_interrupt = False
                yield item
                if self._is_over:
                    break
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        if self._is_over:
            raise TooSlowError
