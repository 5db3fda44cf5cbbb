"""What follows an attempt: outcomes and the time given, and out comes the next state and the next time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcc_relay.core.model import OutcomeName
from bcc_relay.core.record import State

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from bcc_relay.core.record import Record

JITTER = 0.1
"""Share of a waiting time by which attempts are spread."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Waiting times between attempts, the last of which repeats, and when to give up."""

    delays: tuple[timedelta, ...]
    give_up_after: timedelta


@dataclass(frozen=True, slots=True)
class Step:
    """The next step. `next_attempt_at` is None when the state is final; `gave_up`: time ran out for some recipient."""

    state: State
    next_attempt_at: datetime | None
    gave_up: bool = False


def next_attempt(schedule: Schedule, attempts: int, now: datetime, since: datetime, chance: float) -> datetime | None:
    """Return when to try again after `attempts` failed attempts; None when the time since `since` is over.

    `chance` in 0..1 spreads the attempts of many messages.
    """
    if now - since >= schedule.give_up_after:
        return None
    delay = schedule.delays[min(max(attempts, 1), len(schedule.delays)) - 1]
    # The last attempt comes at the very end of the time given, not before it.
    return min(now + delay * (1 + JITTER * chance), max(now + delay / 2, since + schedule.give_up_after))


def next_step(
    record: Record, outcomes: Iterable[OutcomeName], schedule: Schedule, now: datetime, chance: float
) -> Step:
    """Return the step after an attempt; `outcomes` are those of all recipients of the record, old and new."""
    names = set(outcomes)
    waiting = names & {OutcomeName.PENDING, OutcomeName.DEFERRED, OutcomeName.IN_DOUBT}
    if waiting:
        again = next_attempt(schedule, record.attempts + 1, now, record.retry_since or record.received_at, chance)
        if again is not None:
            return Step(State.RELEASED if record.held else State.QUEUED, again)
        return Step(State.FAILED, None, gave_up=True)
    return Step(State.FAILED if OutcomeName.REFUSED in names else State.DELIVERED, None)
