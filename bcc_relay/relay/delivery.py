"""Delivery of stored mail: claim what is due, try the upstream, record each recipient's outcome, plan the next step."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from bcc_relay.core import replies
from bcc_relay.core.actions.leave import dispatches, prepare
from bcc_relay.core.errors import NotRewritableError, StoreError
from bcc_relay.core.events import Attempted, Failed, Moved, StageTimed
from bcc_relay.core.model import (
    OUTCOME_NAMES,
    Deferred,
    Delivered,
    InDoubt,
    OutcomeName,
    Refused,
    Reply,
    Sent,
    State,
    Submission,
)
from bcc_relay.core.report import Fate, Kind
from bcc_relay.core.retry import next_step
from bcc_relay.relay.ports import Move

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from bcc_relay.core.model import Dispatch, Message, NewRecord, Outcome, Recipient, Record
    from bcc_relay.relay.options import Current
    from bcc_relay.relay.ports import Clock, NewId, Observe, Store, Upstream
    from bcc_relay.relay.post import Post

    Spawn = Callable[[Coroutine[object, object, None]], object]

LEASE = timedelta(hours=1)
"""Longer than one message can take; what a dead relay had claimed comes back at its next start."""
BATCH = 20
POLL_S = 1.0
"""Longest wait before looking for due mail: releases may come from another process."""


async def attempt(
    upstream: Upstream, dispatch: Dispatch, observe: Observe, *, live: bool, all_or_nothing: bool = False
) -> Sent:
    """Try one transaction and tell observers what became of it."""
    started = time.perf_counter()
    sent = await upstream.send(dispatch, all_or_nothing=all_or_nothing)
    observe(StageTimed("forward", time.perf_counter() - started))
    names = [OUTCOME_NAMES[type(outcome)].value for outcome in sent.outcomes]
    counted = {name: names.count(name) for name in set(names)}
    observe(Attempted(dispatch.message_id, counted, sent.reply.code, sent.reply.text, live))
    return sent


class Delivery:
    """Delivers what waits in the store until it is drained."""

    def __init__(
        self,
        current: Current,
        store: Store,
        upstream: Upstream,
        post: Post,
        *,
        clock: Clock,
        new_id: NewId,
        observe: Observe,
        owner: str,
        spawn: Spawn,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Claims are made in the name of `owner`; `spawn` starts a task in a group that waits for it."""
        self._current = current
        self._store = store
        self._upstream = upstream
        self._post = post
        self._clock = clock
        self._new_id = new_id
        self._observe = observe
        self.owner = owner
        self._spawn = spawn
        self._chance = chance
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._active = 0
        self._draining = False

    def wake(self) -> None:
        """Look for due mail at once."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver until drained. Trouble with the store is reported and tried again."""
        while not self._draining:
            self._wake.clear()
            try:
                claimed = await self._claim()
            except StoreError as error:
                self._observe(Failed(self._new_id(), "delivery", str(error)))
                claimed = ()
            for record in claimed:
                self._active += 1
                self._idle.clear()
                self._spawn(self._deliver_one(record))
            if not claimed or self._active >= BATCH:
                try:
                    await asyncio.wait_for(self._wake.wait(), POLL_S)
                except TimeoutError:
                    continue

    async def drain(self) -> None:
        """Claim nothing more, finish what is under way, and give back what is left."""
        self._draining = True
        self._wake.set()
        await self._idle.wait()
        await self._store.reclaim(owner=self.owner)

    async def _claim(self) -> tuple[Record, ...]:
        room = BATCH - self._active
        if room <= 0:
            return ()
        now = self._clock()
        return await self._store.claim(now=now, owner=self.owner, lease_until=now + LEASE, limit=room)

    async def _deliver_one(self, record: Record) -> None:
        try:
            await self._deliver(record)
        except StoreError as error:
            # What was sent is noted as far as the store took it; the lease brings the rest back.
            self._observe(Failed(self._new_id(), "delivery", str(error), record.id))
        except Exception as error:  # noqa: BLE001 - top of a task: one message must not stop the others
            self._observe(Failed(self._new_id(), "delivery", f"{type(error).__name__}: {error}", record.id))
        finally:
            self._active -= 1
            self._wake.set()
            if not self._active:
                self._idle.set()

    async def _deliver(self, record: Record) -> None:
        message = await self._store.message(record.id)
        if message is None:
            gone = Refused(replies.CONTENT_GONE)
            await self.settle(record, None, dict.fromkeys(self._due(record), gone))
            return
        submission = Submission(record.id, record.received_at, record.envelope, message, record.origin)
        leaving = self._current.options.leaving
        try:
            header = prepare(submission, record.form, leaving)
        except NotRewritableError:
            # What was decided cannot be done any more, say after a change of settings. Never the original octets.
            refused = Refused(replies.NOT_REWRITABLE)
            await self.settle(record, message, dict.fromkeys(self._due(record), refused))
            return
        position_of = {id(r.recipient): position for position, r in enumerate(record.recipients)}
        outcomes: dict[int, Outcome] = {}
        for dispatch in dispatches(submission, record.form, header, record.due, leaving):
            sent = await attempt(self._upstream, dispatch, self._observe, live=False)
            now_known = {
                position_of[id(recipient)]: outcome
                for recipient, outcome in zip(dispatch.envelope.recipients, sent.outcomes, strict=True)
            }
            outcomes |= now_known
            if len(outcomes) < len(record.due):
                await self._store.note(record.id, _pairs(now_known))
            if self._draining or any(isinstance(o, Deferred) and o.unreachable for o in sent.outcomes):
                break
        await self.settle(record, message, outcomes)

    def _due(self, record: Record) -> tuple[int, ...]:
        due = {id(recipient) for recipient in record.due}
        return tuple(position for position, r in enumerate(record.recipients) if id(r.recipient) in due)

    async def settle(
        self, record: Record, message: Message | None, outcomes: Mapping[int, Outcome], *, client_retries: bool = False
    ) -> None:
        """Record the outcomes of an attempt at a claimed record, with the reports that are due.

        `client_retries`: the client was told to try again, so the relay neither retries nor reports.
        """
        now = self._clock()
        pairs = _pairs(outcomes)
        after = [pairs.get(position, (r.outcome, r.reply))[0] for position, r in enumerate(record.recipients)]
        step = next_step(record, after, self._current.options.schedule, now, self._chance())
        state, next_at = step.state, step.next_attempt_at
        if client_retries and state is not State.DELIVERED:
            state, next_at = State.FAILED, None
        notices: tuple[NewRecord, ...] = ()
        if message is not None and not record.is_notice and not client_retries:
            notices = self._reports(record, message, outcomes, step.gave_up)
        moved = await self._store.move(
            Move(
                id=record.id,
                revision=record.revision,
                state=state,
                at=now,
                event="deferred" if next_at else state.value,
                outcomes=pairs,
                next_attempt_at=next_at,
                attempts=record.attempts + 1,
                notices=notices,
            )
        )
        if moved is None:
            self._observe(Failed(self._new_id(), "delivery", "someone else moved it meanwhile", record.id))
            return
        self._observe(Moved(record.id, record.state.value, state.value))
        if notices:
            self.wake()

    def _reports(
        self, record: Record, message: Message, outcomes: Mapping[int, Outcome], gave_up: bool
    ) -> tuple[NewRecord, ...]:
        submission = Submission(record.id, record.received_at, record.envelope, message, record.origin)
        failed: list[Fate] = []
        relayed: list[Fate] = []
        for position, stored in enumerate(record.recipients):
            outcome = outcomes.get(position)
            fate = fate_of(stored.recipient, outcome, stored.reply)
            waits = outcome is None and stored.outcome not in (OutcomeName.DELIVERED, OutcomeName.REFUSED)
            undelivered = waits or isinstance(outcome, Deferred | InDoubt)
            if isinstance(outcome, Refused) or (gave_up and undelivered):
                failed.append(fate)
            elif isinstance(outcome, Delivered) and not outcome.dsn_offered:
                relayed.append(fate)
        return (
            *self._post.reports(submission, record.subject, failed, Kind.FAILED),
            *self._post.reports(submission, record.subject, relayed, Kind.RELAYED),
        )


def fate_of(recipient: Recipient, outcome: Outcome | None, known: Reply | None = None) -> Fate:
    """Return what a report says of one recipient; `known` is the last answer when this attempt gave none."""
    return Fate(recipient, outcome.reply if outcome else known, in_doubt=isinstance(outcome, InDoubt))


def _pairs(outcomes: Mapping[int, Outcome]) -> dict[int, tuple[OutcomeName, Reply | None]]:
    return {position: (OUTCOME_NAMES[type(outcome)], outcome.reply) for position, outcome in outcomes.items()}
