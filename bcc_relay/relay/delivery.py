"""Delivery of stored mail: claim what is due, try the upstream, record each recipient's outcome, plan the next step."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from bcc_relay.core import replies
from bcc_relay.core.actions.leave import dispatches, prepare
from bcc_relay.core.errors import NotRewritableError, StoreError
from bcc_relay.core.events import Failed, Moved
from bcc_relay.core.model import OUTCOME_NAMES, Deferred, Delivered, OutcomeName, Refused, Reply, Submission
from bcc_relay.core.record import State
from bcc_relay.core.retry import next_step
from bcc_relay.relay.ports import Move
from bcc_relay.relay.reports import NO_OCTETS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from bcc_relay.core.model import Dispatch, Message, Outcome, Sent
    from bcc_relay.core.record import NewRecord, Record
    from bcc_relay.core.retry import Step
    from bcc_relay.relay.attempt import Attempts
    from bcc_relay.relay.learning import Learning
    from bcc_relay.relay.options import Current
    from bcc_relay.relay.ports import Clock, NewId, Observe, Store
    from bcc_relay.relay.reports import Reports
    from bcc_relay.relay.under_way import UnderWay

    Result = TypeVar("Result")

LEASE = timedelta(hours=1)
"""How long a claim lasts; what a dead relay had claimed comes back at the next start."""
TURN = LEASE / 2
"""A message with very many transactions gives way after this, so that its claim never ends under it."""
LARGE_HEADER_BYTES = 32768
"""A larger header is prepared in a thread, so that other mail does not wait for it."""
BATCH = 20
POLL_S = 1.0
"""Longest wait before looking for due mail: releases may come from another process."""
STORE_AGAIN_S = 1.0
"""Wait before something is told to the store once more, after it failed."""
DELAY_WARNING = timedelta(hours=4)
"""The sender hears once of a message that waits longer than this (RFC 3461 6.2)."""


@dataclass(slots=True)
class _Sent:
    """How far one claimed message came. `outcomes` by the recipient's position."""

    outcomes: dict[int, Outcome]
    is_cut_short: bool = False


class Delivery:
    """Delivers what waits in the store until it is drained."""

    def __init__(
        self,
        current: Current,
        store: Store,
        attempts: Attempts,
        reports: Reports,
        under_way: UnderWay,
        learning: Learning,
        *,
        clock: Clock,
        new_id: NewId,
        observe: Observe,
        owner: str,
        chance: Callable[[], float] = random.random,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Claims are made in the name of `owner`. `pause` waits that many seconds before the store is tried again."""
        self._current = current
        self._store = store
        self._attempts = attempts
        self._reports = reports
        self._under_way = under_way
        self._learning = learning
        self._clock = clock
        self._new_id = new_id
        self._observe = observe
        self.owner = owner
        self._chance = chance
        self._pause = pause
        self._wake = asyncio.Event()
        self._active = 0
        self._draining = False
        self._over = asyncio.Event()
        self._over.set()

    def wake(self) -> None:
        """Look for due mail at once."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver until drained. Trouble is reported and tried again."""
        self._over.clear()
        try:
            while not self._draining:
                await self._turn()
        finally:
            self._over.set()

    async def _turn(self) -> None:
        self._wake.clear()
        claimed: tuple[Record, ...] = ()
        try:
            claimed = await self._claim()
        except Exception as error:  # noqa: BLE001 - top of a task: delivery must not end for one error
            self._failed(error)
        if self._draining:
            return  # what was just claimed is given back
        for record in claimed:
            self._active += 1
            self._under_way.start(self._deliver_one(record))
        if not claimed or self._active >= BATCH:
            # Not wait_for, which before Python 3.12 loses a cancellation that comes together with the event.
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._wake.wait()

    async def drain(self, limit_s: float) -> int:
        """Claim nothing more, finish what is under way, break off what takes longer, and give back what is left.

        Returns how many sends were broken off. Raises StoreError; then the next start gives back what is left.
        """
        self._draining = True
        self._wake.set()
        await self._over.wait()
        broken_off = await self._under_way.finish(limit_s)
        await self._store.reclaim(owner=self.owner)
        return broken_off

    async def _claim(self) -> tuple[Record, ...]:
        room = BATCH - self._active
        if room <= 0:
            return ()
        now = self._clock()
        return await self._store.claim(now=now, owner=self.owner, lease_until=now + LEASE, limit=room)

    async def _deliver_one(self, record: Record) -> None:
        try:
            await self._deliver(record)
        except Exception as error:  # noqa: BLE001 - top of a task: one message must not stop the others
            self._failed(error, record.id)
            await self._put_off(record)
        finally:
            self._active -= 1
            self._wake.set()

    async def _put_off(self, claimed: Record) -> None:
        """Have a message tried again later, after something of ours went wrong. What is noted of it stays."""
        try:
            record = await self.insist(partial(self._store.get, claimed.id))
            if record is not None and record.revision == claimed.revision:
                await self.settle(record, await self.insist(partial(self._store.message, record.id)), {})
        except Exception as error:  # noqa: BLE001 - top of a task; the end of the lease brings it back
            self._failed(error, claimed.id)

    def _failed(self, error: Exception, message_id: str | None = None) -> None:
        self._observe(Failed(self._new_id(), "delivery", f"{type(error).__name__}: {error}", message_id))

    async def insist(self, operation: Callable[[], Awaitable[Result]]) -> Result:
        """Ask the store until it answers, or until it is time to stop: what was sent must not be sent again."""
        while True:
            try:
                return await operation()
            except StoreError as error:
                if self._draining:
                    raise
                self._failed(error)
                await self._pause(STORE_AGAIN_S)

    # --- one message -------------------------------------------------------------------------------------------------

    async def _deliver(self, record: Record) -> None:
        message = await self._store.message(record.id)
        if message is None:
            await self._refuse(record, None, replies.CONTENT_GONE)
            return
        submission = Submission(record.id, record.received_at, record.envelope, message, record.origin)
        leaving = self._current.options.leaving
        try:
            if len(message.header) > LARGE_HEADER_BYTES:
                header = await asyncio.to_thread(prepare, submission, record.form, leaving)
            else:
                header = prepare(submission, record.form, leaving)
        except NotRewritableError:
            # What was decided cannot be done any more, say after a change of settings. Never the original octets.
            await self._refuse(record, message, replies.NOT_REWRITABLE)
            return
        due = record.due
        done = await self._send(record, dispatches(submission, record.form, header, due, leaving), len(due))
        await self.settle(record, message, done.outcomes, is_cut_short=done.is_cut_short)

    async def _refuse(self, record: Record, message: Message | None, why: Reply) -> None:
        due = {id(recipient) for recipient in record.due}
        waiting = [position for position, r in enumerate(record.recipients) if id(r.recipient) in due]
        await self.settle(record, message, dict.fromkeys(waiting, Refused(why)))

    async def _send(self, record: Record, transactions: Iterable[Dispatch], due: int) -> _Sent:
        """Send until all `due` recipients are tried, the upstream is gone, or it is time to give way."""
        position_of = {id(r.recipient): position for position, r in enumerate(record.recipients)}
        until = self._clock() + TURN
        done = _Sent({})
        for dispatch in transactions:
            positions = [position_of[id(recipient)] for recipient in dispatch.envelope.recipients]
            sent = await self._attempt(record, dispatch, positions)
            outcomes = dict(zip(positions, sent.outcomes, strict=True))
            done.outcomes |= outcomes
            if len(done.outcomes) == due:
                break
            done.is_cut_short = self._draining or self._clock() >= until or not await self._noted(record, outcomes)
            if done.is_cut_short or any(isinstance(o, Deferred) and o.unreachable for o in sent.outcomes):
                break
        return done

    async def _attempt(self, record: Record, dispatch: Dispatch, positions: Sequence[int]) -> Sent:
        try:
            return await self._attempts.make(dispatch, live=False)
        except asyncio.CancelledError:
            # Broken off: whether the final dot had gone is not known (ports.Upstream).
            unknown = (OutcomeName.IN_DOUBT, replies.CONNECTION_LOST)
            await self._store.note(record.id, dict.fromkeys(positions, unknown))
            raise

    async def _noted(self, record: Record, outcomes: Mapping[int, Outcome]) -> bool:
        """Note what must survive a crash; whether the store took it.

        A refusal is not noted: after a crash it is met again, and then it is reported.
        """
        worth_noting = {at: outcome for at, outcome in outcomes.items() if not isinstance(outcome, Refused | Deferred)}
        if not worth_noting:
            return True
        try:
            await self._store.note(record.id, _pairs(worth_noting))
        except StoreError as error:
            self._failed(error, record.id)
            return False
        return True

    # --- what follows ------------------------------------------------------------------------------------------------

    async def settle(
        self,
        record: Record,
        message: Message | None,
        outcomes: Mapping[int, Outcome],
        *,
        is_cut_short: bool = False,
        client_retries: bool = False,
        notices: Sequence[NewRecord] = (),
    ) -> None:
        """Record the outcomes of an attempt at a claimed record, with the reports that are due.

        `is_cut_short`: who is missing in `outcomes` is due at once. `client_retries`: the client was told to try again,
        so the relay neither retries nor reports. `notices` go out with it unless the client tries again. Raises
        StoreError while draining; otherwise it insists.
        """
        now = self._clock()
        pairs = _pairs(outcomes)
        after = [pairs.get(position, (r.outcome, r.reply))[0] for position, r in enumerate(record.recipients)]
        step = next_step(record, after, self._current.options.schedule, now, self._chance())
        state, next_at, attempts = step.state, step.next_attempt_at, record.attempts + 1
        if is_cut_short and next_at:
            next_at, attempts = now, record.attempts
        if client_retries and state is not State.DELIVERED:
            state, next_at = State.FAILED, None
            notices = ()
        warns = self._warns(record, step)
        own = () if client_retries else self._reports_of(record, message, outcomes, step, warns=warns)
        move = Move(
            id=record.id,
            revision=record.revision,
            state=state,
            at=now,
            event="deferred" if next_at else state.value,
            outcomes=pairs,
            next_attempt_at=next_at,
            attempts=attempts,
            delay_warned=True if warns else None,
            notices=(*notices, *own),
        )
        if await self.insist(partial(self._store.move, move)) is None:
            self._observe(Failed(self._new_id(), "delivery", "someone else moved it meanwhile", record.id))
            return
        self._observe(Moved(record.id, record.state.value, state.value))
        if any(isinstance(outcome, Delivered) for outcome in outcomes.values()):
            self._learning.delivered(record)
        if move.notices:
            self.wake()

    def _warns(self, record: Record, step: Step) -> bool:
        waited = self._clock() - (record.retry_since or record.received_at)
        return step.next_attempt_at is not None and not record.delay_warned and waited >= DELAY_WARNING

    def _reports_of(
        self, record: Record, message: Message | None, outcomes: Mapping[int, Outcome], step: Step, *, warns: bool
    ) -> tuple[NewRecord, ...]:
        if record.is_notice:
            return ()
        submission = Submission(record.id, record.received_at, record.envelope, message or NO_OCTETS, record.origin)
        since = record.retry_since or record.received_at
        fates = [(stored, outcomes.get(position)) for position, stored in enumerate(record.recipients)]
        return self._reports.of(
            submission,
            record.subject,
            fates,
            gave_up=step.gave_up,
            delayed_until=since + self._current.options.schedule.give_up_after if warns else None,
        ).all


def _pairs(outcomes: Mapping[int, Outcome]) -> dict[int, tuple[OutcomeName, Reply | None]]:
    return {position: (OUTCOME_NAMES[type(outcome)], outcome.reply) for position, outcome in outcomes.items()}
