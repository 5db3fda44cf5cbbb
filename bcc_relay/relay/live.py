"""The live way: one transaction is tried upstream while the client waits, and the client hears the upstream's answer.

The message is stored only when that answer does not settle it for every recipient.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from bcc_relay.core import replies
from bcc_relay.core.errors import StoreError
from bcc_relay.core.events import Failed
from bcc_relay.core.model import (
    OUTCOME_NAMES,
    Deferred,
    Delivered,
    Envelope,
    Form,
    InDoubt,
    Judgement,
    NewRecord,
    OutcomeName,
    Refused,
    Reply,
    State,
)
from bcc_relay.core.report import Kind
from bcc_relay.core.retry import next_attempt
from bcc_relay.relay.delivery import LEASE, attempt, fate_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from bcc_relay.core.judge import Judged
    from bcc_relay.core.model import Dispatch, Outcome, Recipient, Sent, Submission
    from bcc_relay.relay.delivery import Delivery
    from bcc_relay.relay.options import Current, RelayOptions
    from bcc_relay.relay.ports import Clock, NewId, Observe, Store, Upstream
    from bcc_relay.relay.post import Post
    from bcc_relay.relay.resubmissions import Resubmissions

    Spawn = Callable[[Coroutine[object, object, Sent | None]], asyncio.Task[Sent | None]]


CLOSING = 421


class Live:
    """Sends one dispatch while the client waits."""

    def __init__(
        self,
        current: Current,
        store: Store,
        upstream: Upstream,
        delivery: Delivery,
        post: Post,
        *,
        clock: Clock,
        new_id: NewId,
        observe: Observe,
        resubmissions: Resubmissions,
        spawn: Spawn,
        chance: Callable[[], float],
    ) -> None:
        """`spawn` starts a task in a group that waits for it; what is begun upstream outlives its client."""
        self._current = current
        self._store = store
        self._upstream = upstream
        self._delivery = delivery
        self._post = post
        self._clock = clock
        self._new_id = new_id
        self._observe = observe
        self._resubmissions = resubmissions
        self._spawn = spawn
        self._chance = chance

    async def send(
        self, submission: Submission, judged: Judged, dispatch: Dispatch, notices: Sequence[NewRecord]
    ) -> Reply:
        """Try upstream and return what the client hears. `notices` go out once the message is on its way.

        Raises StoreError when something had to be stored and could not be.
        """
        options = self._current.options
        refuse_all = (
            options.refuse_all_authenticated if submission.origin.authenticated_listener else options.refuse_all
        )
        sending = self._spawn(attempt(self._upstream, dispatch, self._observe, live=True, all_or_nothing=refuse_all))
        await asyncio.wait({sending}, timeout=options.live_deadline_s)
        if not sending.done():
            return await self._late(submission, judged, sending, notices, options)
        sent = sending.result()
        assert sent is not None
        reply = await self._settled(submission, judged, sent, notices, options, refuse_all=refuse_all)
        # 421 speaks of the upstream's connection; to the client it would mean that ours closes (RFC 5321 3.8).
        return Reply(451, reply.text) if reply.code == CLOSING else reply

    async def _settled(
        self,
        submission: Submission,
        judged: Judged,
        sent: Sent,
        notices: Sequence[NewRecord],
        options: RelayOptions,
        *,
        refuse_all: bool,
    ) -> Reply:
        recipients = submission.envelope.recipients
        fates = tuple(zip(recipients, sent.outcomes, strict=True))
        if all(isinstance(outcome, Delivered) for outcome in sent.outcomes):
            await self._add_own(submission, judged, fates, notices)
            return sent.reply
        if refuse_all and (reply := _first_refusal(fates)):
            return reply
        waiting = tuple((r, outcome) for r, outcome in fates if isinstance(outcome, Deferred | InDoubt))
        if not waiting and not any(isinstance(outcome, Delivered) for outcome in sent.outcomes):
            return sent.outcomes[0].reply
        delivered_some = any(isinstance(outcome, Delivered) for outcome in sent.outcomes)
        if not delivered_some and not options.queue_when_unavailable:
            return await self._tempfail(submission, judged, waiting)
        own = (*notices, *self._reports(submission, judged, fates))
        if waiting:
            await self._store.add(await self._waiting_record(submission, judged, waiting, options), notices=own)
            self._delivery.wake()
        else:
            await self._add_own(submission, judged, fates, notices)
        return sent.reply if delivered_some else replies.queued(submission.id)

    async def _tempfail(
        self, submission: Submission, judged: Judged, waiting: Sequence[tuple[Recipient, Outcome]]
    ) -> Reply:
        """Leave it to the client to try again; what is in doubt is recorded, so that the reviewer sees it."""
        in_doubt = [outcome for _, outcome in waiting if isinstance(outcome, InDoubt)]
        if in_doubt:
            record = await self._record(submission, judged, waiting, State.FAILED, client_heard=False)
            await self._store.add(record)
            return replies.NO_ANSWER
        outcome = waiting[0][1]
        assert isinstance(outcome, Deferred)
        return replies.UPSTREAM_DOWN if outcome.unreachable else outcome.reply

    async def _late(
        self,
        submission: Submission,
        judged: Judged,
        sending: asyncio.Task[Sent | None],
        notices: Sequence[NewRecord],
        options: RelayOptions,
    ) -> Reply:
        """The upstream has not answered in time: in doubt. Store it, answer, and wait for the late answer."""
        queue = options.queue_when_unavailable
        unknown = InDoubt(replies.NO_ANSWER)
        waiting = tuple((recipient, unknown) for recipient in submission.envelope.recipients)
        now = self._clock()
        record = await self._record(submission, judged, waiting, State.DELIVERING, client_heard=queue)
        record = replace(record, lease_owner=self._delivery.owner, lease_until=now + LEASE)
        await self._store.add(record, notices=notices if queue else ())
        if not queue:
            self._resubmissions.remember(record.fingerprint, submission.id)
        self._spawn(self._finish_late(submission, sending, client_retries=not queue))
        return replies.queued(submission.id) if queue else replies.NO_ANSWER

    async def _finish_late(
        self, submission: Submission, sending: asyncio.Task[Sent | None], *, client_retries: bool
    ) -> None:
        await asyncio.wait({sending})
        try:
            sent = None if sending.cancelled() else sending.result()
            record = await self._store.get(submission.id)
            if sent is None or record is None:
                return
            outcomes = dict(enumerate(sent.outcomes))
            await self._delivery.settle(record, submission.message, outcomes, client_retries=client_retries)
        except StoreError as error:
            self._observe(Failed(self._new_id(), "delivery", str(error), submission.id))

    # --- records -----------------------------------------------------------------------------------------------------

    def already_delivered(self, submission: Submission, key: str) -> NewRecord:
        """Return the record of a message that was delivered while its client was gone."""
        outcomes = ((OutcomeName.DELIVERED, None),) * len(submission.envelope.recipients)
        return NewRecord(
            submission,
            State.DELIVERED,
            Form.AS_IS,
            Judgement("pass", "", ""),
            fingerprint=key,
            client_heard=False,
            outcomes=outcomes,
        )

    async def _waiting_record(
        self,
        submission: Submission,
        judged: Judged,
        waiting: Sequence[tuple[Recipient, Outcome]],
        options: RelayOptions,
    ) -> NewRecord:
        now = self._clock()
        record = await self._record(submission, judged, waiting, State.QUEUED, client_heard=True)
        again = next_attempt(options.schedule, 1, now, submission.received_at, self._chance())
        return replace(record, next_attempt_at=again or now)

    async def _record(
        self,
        submission: Submission,
        judged: Judged,
        waiting: Sequence[tuple[Recipient, Outcome]],
        state: State,
        *,
        client_heard: bool,
    ) -> NewRecord:
        envelope: Envelope = replace(submission.envelope, recipients=tuple(r for r, _ in waiting))
        return NewRecord(
            replace(submission, envelope=envelope),
            state,
            judged.form,
            judged.judgement,
            judged.facts.subject,
            fingerprint=await self._resubmissions.fingerprint(submission),
            client_heard=client_heard,
            outcomes=tuple((OUTCOME_NAMES[type(outcome)], outcome.reply) for _, outcome in waiting),
        )

    async def _add_own(
        self,
        submission: Submission,
        judged: Judged,
        fates: Sequence[tuple[Recipient, Outcome]],
        notices: Sequence[NewRecord],
    ) -> None:
        """Store what the relay itself has to say about a message that is settled."""
        own = (*notices, *self._reports(submission, judged, fates))
        for record in own:
            await self._store.add(record)
        if own:
            self._delivery.wake()

    def _reports(
        self, submission: Submission, judged: Judged, fates: Sequence[tuple[Recipient, Outcome]]
    ) -> tuple[NewRecord, ...]:
        failed = [fate_of(r, outcome) for r, outcome in fates if isinstance(outcome, Refused)]
        relayed = [fate_of(r, o) for r, o in fates if isinstance(o, Delivered) and not o.dsn_offered]
        subject = judged.facts.subject
        return (
            *self._post.reports(submission, subject, failed, Kind.FAILED),
            *self._post.reports(submission, subject, relayed, Kind.RELAYED),
        )


def _first_refusal(fates: Sequence[tuple[Recipient, Outcome]]) -> Reply | None:
    """Return the first 5xx, else the first 4xx, with its address; None when all recipients fared alike."""
    if len({outcome.reply for _, outcome in fates}) == 1:
        return None
    for kind in (Refused, Deferred):
        for recipient, outcome in fates:
            if isinstance(outcome, kind) and outcome.reply != replies.NOT_SENT:
                return replies.recipient_refused(recipient.address.text, outcome.reply)
    return None
