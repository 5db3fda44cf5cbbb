"""The live way: one transaction is tried upstream while the client waits, and the client hears the upstream's answer.

The message is stored only when that answer does not settle it for every recipient.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from bcc_relay.core import replies
from bcc_relay.core.errors import StoreError
from bcc_relay.core.events import Failed
from bcc_relay.core.model import OUTCOME_NAMES, Deferred, Delivered, InDoubt, Refused, Reply, Sent
from bcc_relay.core.record import NewRecord, State, StoredRecipient
from bcc_relay.core.retry import next_attempt
from bcc_relay.relay.delivery import LEASE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bcc_relay.core.judge import Judged
    from bcc_relay.core.model import Dispatch, Outcome, Recipient, Submission
    from bcc_relay.relay.attempt import Attempts
    from bcc_relay.relay.delivery import Delivery
    from bcc_relay.relay.learning import Learning
    from bcc_relay.relay.options import RelayOptions
    from bcc_relay.relay.ports import Clock, NewId, Observe, Store
    from bcc_relay.relay.reports import Reports, Written
    from bcc_relay.relay.resubmissions import Resubmissions
    from bcc_relay.relay.under_way import UnderWay

CLOSING = 421


class Live:
    """Sends one dispatch while the client waits."""

    def __init__(
        self,
        store: Store,
        attempts: Attempts,
        reports: Reports,
        delivery: Delivery,
        under_way: UnderWay,
        *,
        clock: Clock,
        new_id: NewId,
        observe: Observe,
        resubmissions: Resubmissions,
        learning: Learning,
        chance: Callable[[], float],
    ) -> None:
        """What is begun upstream outlives its client: it belongs to `under_way`."""
        self._store = store
        self._attempts = attempts
        self._reports = reports
        self._delivery = delivery
        self._under_way = under_way
        self._clock = clock
        self._new_id = new_id
        self._observe = observe
        self._resubmissions = resubmissions
        self._learning = learning
        self._chance = chance

    async def send(
        self,
        submission: Submission,
        judged: Judged,
        dispatch: Dispatch,
        notices: Sequence[NewRecord],
        options: RelayOptions,
    ) -> Reply:
        """Try upstream and return what the client hears. `notices` go out once the message is on its way.

        Raises StoreError when something had to be stored and could not be.
        """
        authenticated = submission.origin.authenticated_listener
        refuse_all = options.refuse_all_authenticated if authenticated else options.refuse_all
        sending = self._under_way.start(self._attempts.make(dispatch, live=True, all_or_nothing=refuse_all))
        await asyncio.wait({sending}, timeout=options.live_deadline_s)
        if not sending.done():
            return await self._late(submission, judged, sending, notices, options)
        sent = _result(sending, dispatch)
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
        fates = tuple(zip(submission.envelope.recipients, sent.outcomes, strict=True))
        if refuse_all and (reply := _first_refusal(fates)):
            return reply
        waiting = tuple((r, outcome) for r, outcome in fates if isinstance(outcome, Deferred | InDoubt))
        is_delivered = any(isinstance(outcome, Delivered) for outcome in sent.outcomes)
        if not is_delivered and not waiting:
            return sent.outcomes[0].reply
        if is_delivered and judged.is_noted:
            self._learning.passed(submission.id, judged.judgement.verdict, judged.form)
        if not is_delivered and not options.queue_when_unavailable:
            return await self._tempfail(submission, judged, waiting)
        settled = [(StoredRecipient(r), outcome) for r, outcome in fates if isinstance(outcome, Delivered | Refused)]
        reports = self._reports.of(submission, judged.facts.subject, settled)
        if waiting:
            record = await self._waiting_record(submission, judged, waiting, options)
            await self._store.add(record, notices=(*notices, *reports.all))
            self._delivery.wake()
        else:
            await self._add_own(submission, reports, notices)
        return sent.reply if is_delivered else replies.queued(submission.id)

    async def _add_own(self, submission: Submission, reports: Written, notices: Sequence[NewRecord]) -> None:
        """Store what the relay itself has to say about a message that is settled.

        Raises StoreError only where somebody gets no mail and the sender would never know. Else the mail is on its way,
        and an error would have the client send it again.
        """
        own = (*notices, *reports.all)
        if not own:
            return
        try:
            await self._store.add(own[0], notices=own[1:])
        except StoreError as error:
            if reports.failed:
                raise
            self._observe(Failed(self._new_id(), "store", f"{type(error).__name__}: {error}", submission.id))
        self._delivery.wake()

    async def _tempfail(
        self, submission: Submission, judged: Judged, waiting: Sequence[tuple[Recipient, Outcome]]
    ) -> Reply:
        """Leave it to the client to try again; what is in doubt is recorded, so that the reviewer sees it."""
        if any(isinstance(outcome, InDoubt) for _, outcome in waiting):
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
        sending: asyncio.Task[Sent],
        notices: Sequence[NewRecord],
        options: RelayOptions,
    ) -> Reply:
        """The upstream has not answered in time: in doubt. Store it, answer, and wait for the late answer."""
        queue = options.queue_when_unavailable
        unknown = InDoubt(replies.NO_ANSWER)
        waiting = tuple((recipient, unknown) for recipient in submission.envelope.recipients)
        record = await self._record(submission, judged, waiting, State.DELIVERING, client_heard=queue)
        record = replace(record, lease_owner=self._delivery.owner, lease_until=self._clock() + LEASE)
        await self._store.add(record, notices=notices if queue else ())
        if not queue:
            self._resubmissions.expect_retry(record.fingerprint, submission)
        finish = self._finish_late(submission, sending, client_retries=not queue, notices=() if queue else notices)
        self._under_way.start(finish)
        return replies.queued(submission.id) if queue else replies.NO_ANSWER

    async def _finish_late(
        self,
        submission: Submission,
        sending: asyncio.Task[Sent],
        *,
        client_retries: bool,
        notices: Sequence[NewRecord],
    ) -> None:
        try:
            await asyncio.wait({sending})
            record = await self._delivery.insist(partial(self._store.get, submission.id))
            # Nobody else moves it before its lease ends, unless the relay stops meanwhile.
            if sending.cancelled() or record is None or record.state is not State.DELIVERING:
                return
            sent = sending.result()
            # Once some have it, the client must not send it to all of them again: the relay sees to the others.
            none_has_it = not any(isinstance(outcome, Delivered) for outcome in sent.outcomes)
            await self._delivery.settle(
                record,
                submission.message,
                dict(enumerate(sent.outcomes)),
                client_retries=client_retries and none_has_it,
                notices=notices,
            )
        except Exception as error:  # noqa: BLE001 - top of a task; the end of the lease brings the message back
            detail = f"{type(error).__name__}: {error}"
            self._observe(Failed(self._new_id(), "delivery", detail, submission.id))

    # --- records -----------------------------------------------------------------------------------------------------

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
        return replace(record, next_attempt_at=again or now, attempts=1)

    async def _record(
        self,
        submission: Submission,
        judged: Judged,
        waiting: Sequence[tuple[Recipient, Outcome]],
        state: State,
        *,
        client_heard: bool,
    ) -> NewRecord:
        envelope = replace(submission.envelope, recipients=tuple(r for r, _ in waiting))
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


def _result(sending: asyncio.Task[Sent], dispatch: Dispatch) -> Sent:
    if sending.cancelled():  # the relay stops, and waits no longer
        return Sent((InDoubt(replies.NO_ANSWER),) * len(dispatch.envelope.recipients), replies.NO_ANSWER)
    return sending.result()


def _first_refusal(fates: Sequence[tuple[Recipient, Outcome]]) -> Reply | None:
    """Return the first 5xx, else the first 4xx, with its address; None when all recipients fared alike."""
    if len({outcome.reply for _, outcome in fates}) == 1:
        return None
    for recipient, outcome in fates:
        if isinstance(outcome, Refused):
            return replies.recipient_refused(recipient.address.text, outcome.reply)
    if not any(outcome.reply == replies.NOT_SENT for _, outcome in fates):
        return None  # put off for everybody, each with a text of its own
    for recipient, outcome in fates:
        if isinstance(outcome, Deferred) and outcome.reply != replies.NOT_SENT:
            return replies.recipient_refused(recipient.address.text, outcome.reply)
    return None
