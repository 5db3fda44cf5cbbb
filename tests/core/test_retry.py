"""What follows an attempt: waiting times, their bounds, the last attempt, and giving up."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcc_relay.core.model import Form, OutcomeName
from bcc_relay.core.record import Judgement, Record, State, StoredRecipient
from bcc_relay.core.retry import JITTER, Schedule, Step, next_attempt, next_step
from tests import build

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SCHEDULE = Schedule((MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR), 2 * DAY)
SINCE = build.NOW


@pytest.mark.parametrize(
    ("attempts", "delay"),
    [(0, MINUTE), (1, MINUTE), (2, 5 * MINUTE), (3, 15 * MINUTE), (4, 30 * MINUTE), (5, HOUR), (6, HOUR), (99, HOUR)],
)
def test_waiting_times_follow_the_schedule_and_the_last_repeats(attempts: int, delay: timedelta) -> None:
    assert next_attempt(SCHEDULE, attempts, SINCE, SINCE, 0.0) == SINCE + delay
    assert next_attempt(SCHEDULE, attempts, SINCE, SINCE, 1.0) == SINCE + delay * (1 + JITTER)


@pytest.mark.parametrize(
    ("elapsed", "after"),
    [
        (2 * DAY - HOUR, HOUR),
        (2 * DAY - 40 * MINUTE, 40 * MINUTE),
        (2 * DAY - 31 * MINUTE, 31 * MINUTE),
        (2 * DAY - 30 * MINUTE, 30 * MINUTE),
        (2 * DAY - 1 * MINUTE, 30 * MINUTE),
        (2 * DAY, None),
        (3 * DAY, None),
    ],
)
def test_the_last_attempt_comes_at_the_end_of_the_time_given(elapsed: timedelta, after: timedelta | None) -> None:
    now = SINCE + elapsed
    assert next_attempt(SCHEDULE, 50, now, SINCE, 0.0) == (None if after is None else now + after)


@settings(deadline=None, max_examples=200)
@given(
    st.integers(0, 1000),
    st.timedeltas(min_value=timedelta(0), max_value=4 * DAY),
    st.floats(0, 1),
    st.lists(st.timedeltas(min_value=timedelta(seconds=1), max_value=3 * DAY), min_size=1, max_size=6),
)
def test_an_attempt_is_always_in_the_future_and_never_later_than_its_delay_allows(
    attempts: int, elapsed: timedelta, chance: float, delays: list[timedelta]
) -> None:
    schedule = Schedule(tuple(delays), 2 * DAY)
    now = SINCE + elapsed
    at = next_attempt(schedule, attempts, now, SINCE, chance)
    assert (at is None) is (elapsed >= 2 * DAY)
    if at is not None:
        delay = delays[min(max(attempts, 1), len(delays)) - 1]
        assert now + delay / 2 <= at <= now + delay * (1 + JITTER)
        assert at <= max(SINCE + 2 * DAY, now + delay / 2)


@settings(deadline=None, max_examples=50)
@given(st.floats(0, 1))
def test_mail_that_is_never_taken_is_given_up_after_a_last_attempt_at_the_end(chance: float) -> None:
    now, attempts = SINCE, 0
    times = []
    while (at := next_attempt(SCHEDULE, attempts, now, SINCE, chance)) is not None:
        times.append(at)
        now, attempts = at, attempts + 1
        assert attempts < 100
    assert SINCE + 2 * DAY <= times[-1] < SINCE + 2 * DAY + HOUR


# --- the next step ---------------------------------------------------------------------------------------------------

PENDING, DELIVERED, DEFERRED = OutcomeName.PENDING, OutcomeName.DELIVERED, OutcomeName.DEFERRED
REFUSED, IN_DOUBT = OutcomeName.REFUSED, OutcomeName.IN_DOUBT


def record(**fields: object) -> Record:
    return Record(
        **{
            "id": "m1",
            "state": State.DELIVERING,
            "revision": 1,
            "received_at": SINCE,
            "origin": build.origin(),
            "envelope": build.envelope("a@x.example"),
            "recipients": tuple(StoredRecipient(one) for one in build.recipients("a@x.example")),
            "subject": "",
            "size_bytes": 1,
            "form": Form.AS_IS,
            "judgement": Judgement("pass", "", ""),
            "held": False,
            "is_notice": False,
            **fields,
        }  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("outcomes", "state", "again"),
    [
        ([DELIVERED], State.DELIVERED, False),
        ([DELIVERED, DELIVERED], State.DELIVERED, False),
        ([REFUSED], State.FAILED, False),
        ([DELIVERED, REFUSED], State.FAILED, False),
        ([DEFERRED], State.QUEUED, True),
        ([DELIVERED, DEFERRED], State.QUEUED, True),
        ([REFUSED, DEFERRED], State.QUEUED, True),
        ([IN_DOUBT], State.QUEUED, True),
        ([DELIVERED, IN_DOUBT], State.QUEUED, True),
        ([PENDING], State.QUEUED, True),
        ([REFUSED, DELIVERED, PENDING], State.QUEUED, True),
    ],
)
def test_the_step_follows_from_all_outcomes(outcomes: list[OutcomeName], state: State, again: bool) -> None:
    step = next_step(record(), outcomes, SCHEDULE, SINCE, 0.0)
    assert step == Step(state, SINCE + MINUTE if again else None)


@pytest.mark.parametrize("waiting", [PENDING, DEFERRED, IN_DOUBT])
def test_when_the_time_is_over_the_rest_has_failed(waiting: OutcomeName) -> None:
    step = next_step(record(), [DELIVERED, waiting], SCHEDULE, SINCE + 2 * DAY, 0.5)
    assert step == Step(State.FAILED, None, gave_up=True)
    assert next_step(record(), [DELIVERED, REFUSED], SCHEDULE, SINCE + 2 * DAY, 0.5) == Step(State.FAILED, None)
    assert next_step(record(), [DELIVERED], SCHEDULE, SINCE + 9 * DAY, 0.5) == Step(State.DELIVERED, None)


def test_mail_that_was_held_waits_as_released() -> None:
    assert next_step(record(held=True), [DEFERRED], SCHEDULE, SINCE, 0.0).state is State.RELEASED


def test_the_clock_of_released_mail_starts_at_its_release() -> None:
    late: datetime = SINCE + 10 * DAY
    held = record(held=True, retry_since=late)
    assert next_step(held, [DEFERRED], SCHEDULE, late + HOUR, 0.0).next_attempt_at == late + HOUR + MINUTE
    assert next_step(replace(held, retry_since=None), [DEFERRED], SCHEDULE, late, 0.0).gave_up


def test_earlier_attempts_lengthen_the_wait() -> None:
    assert next_step(record(attempts=3), [DEFERRED], SCHEDULE, SINCE, 0.0).next_attempt_at == SINCE + 30 * MINUTE
