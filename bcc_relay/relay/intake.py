"""Takes what a listener received: judge it, then send it live, store it, or refuse it. The reply is for the client.

Every doubt leads to holding, and a hold that cannot be stored to 451: nothing is passed because something went wrong.
"""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from bcc_relay.core import replies
from bcc_relay.core.actions.leave import dispatches, is_own_mark
from bcc_relay.core.address import parse_mailbox
from bcc_relay.core.errors import StoreError, StoreFullError
from bcc_relay.core.events import Decided, Failed, SmtpRefused, StageTimed
from bcc_relay.core.judge import judge
from bcc_relay.core.model import Form, Hold, Judgement, NewRecord, Pass, Reject, Rewrite, State
from bcc_relay.core.wording import Case

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from bcc_relay.core.judge import Judged
    from bcc_relay.core.model import Reply, Submission
    from bcc_relay.relay.delivery import Delivery
    from bcc_relay.relay.live import Live
    from bcc_relay.relay.options import Current
    from bcc_relay.relay.ports import Clock, NewId, Observe, Store
    from bcc_relay.relay.post import Post
    from bcc_relay.relay.resubmissions import Resubmissions

MAX_RECEIVED = 50
"""RFC 5321 6.3: so many Received fields mean a loop."""
LARGE_HEADER_BYTES = 32768
"""A larger header is judged in a thread, so that other mail does not wait for it."""
COULD_NOT_DECIDE = "could-not-decide"
"""Stands for the rule when judging failed in a way nobody foresaw."""
NOTICE_WINDOW = timedelta(minutes=10)
"""The parts of one message that a client split by recipients make one notice."""


class Intake:
    """Implements `relay.ports.Intake`."""

    def __init__(
        self,
        current: Current,
        store: Store,
        live: Live,
        delivery: Delivery,
        post: Post,
        *,
        clock: Clock,
        new_id: NewId,
        observe: Observe,
        resubmissions: Resubmissions,
    ) -> None:
        """Work by the options in force at each message."""
        self._current = current
        self._store = store
        self._live = live
        self._delivery = delivery
        self._post = post
        self._clock = clock
        self._new_id = new_id
        self._observe = observe
        self._resubmissions = resubmissions
        self._noticed: dict[str, datetime] = {}

    async def take(self, submission: Submission) -> Reply:
        """Decide about a submission and act (see the port)."""
        try:
            reply = await self._take(submission)
        except StoreFullError as error:
            self._failed(submission, "store", error)
            reply = replies.DISK_FULL
        except StoreError as error:
            reply = replies.internal(self._failed(submission, "store", error))
        except Exception as error:  # noqa: BLE001 - top of a request: unknown means temporary, and the client keeps it
            reply = replies.internal(self._failed(submission, "intake", error))
        return reply

    async def unheard(self, submission: Submission, reply: Reply) -> None:
        """Note that the client was gone before it heard `reply`: it may send the same again within 24 hours."""
        if reply.code != replies.OK_CODE:
            return
        key = await self._resubmissions.fingerprint(submission)
        try:
            known = await self._store.get(submission.id)
            if known is None:
                await self._store.add(self._live.already_delivered(submission, key))
            else:
                await self._store.heard(submission.id, heard=False)
            self._resubmissions.remember(key, submission.id)
        except StoreError as error:
            self._failed(submission, "store", error)

    def _failed(self, submission: Submission, where: str, error: Exception) -> str:
        reference = self._new_id()
        self._observe(Failed(reference, where, f"{type(error).__name__}: {error}", submission.id))
        return reference

    async def _take(self, submission: Submission) -> Reply:
        if reply := await self._resubmissions.answer(submission):
            return reply
        judged = await self._judge(submission)
        if judged is None:
            return await self._hold_unjudged(submission)
        if refusal := self._refusal(submission, judged):
            return refusal
        self._tell(submission, judged)
        return await self._carry_out(submission, judged)

    async def _carry_out(self, submission: Submission, judged: Judged) -> Reply:
        if self._current.options.policy.monitor:
            return await self._send(submission, judged)
        match judged.verdict:
            case Reject(sentence=sentence):
                self._refused(submission, "policy")
                return replies.refused_by_rule(sentence)
            case Hold():
                return await self._hold(submission, judged)
            case Pass() | Rewrite():
                return await self._send(submission, judged)

    async def _judge(self, submission: Submission) -> Judged | None:
        """Judge; None when that failed in a way nobody foresaw: the message is held then, never passed."""
        laps: list[tuple[str, float]] = [("", time.perf_counter())]

        def lap(stage: str) -> None:
            laps.append((stage, time.perf_counter()))

        options = self._current.options
        try:
            if len(submission.message.header) > LARGE_HEADER_BYTES:
                judged = await asyncio.to_thread(judge, submission, options.policy, options.leaving, lap=lap)
            else:
                judged = judge(submission, options.policy, options.leaving, lap=lap)
        except Exception as error:  # noqa: BLE001 - strangers' octets never raise past the door, and never pass by it
            self._failed(submission, "judge", error)
            return None
        for (_, before), (stage, after) in pairwise(laps):
            self._observe(StageTimed(stage, after - before))
        return judged

    def _refusal(self, submission: Submission, judged: Judged) -> Reply | None:
        """Refuse loops, and authors that are not the login's own (RFC 6409 6.1)."""
        facts, leaving, origin = judged.facts, self._current.options.leaving, submission.origin
        loops = facts.received_count >= MAX_RECEIVED or any(
            is_own_mark(mark, facts.message_id, submission.envelope, leaving.mark_key) for mark in facts.marks
        )
        if loops:
            self._refused(submission, "loop")
            return replies.LOOP
        if origin.user is not None and not facts.author_keys <= _keys(origin.user_addresses):
            self._refused(submission, "sender_not_allowed")
            return replies.NOT_YOUR_ADDRESS
        return None

    def _refused(self, submission: Submission, reason: str) -> None:
        origin = submission.origin
        self._observe(SmtpRefused(origin.listener, origin.client, reason, origin.user))

    def _tell(self, submission: Submission, judged: Judged) -> None:
        judgement = judged.judgement
        stopped = judgement.verdict != "pass"
        enforced = not self._current.options.policy.monitor
        sender = submission.envelope.sender
        self._observe(
            Decided(
                message_id=submission.id,
                listener=submission.origin.listener,
                verdict=judgement.verdict,
                rule=judgement.rule,
                detectors=tuple(finding.detector for finding in judged.findings),
                sender=sender.text if sender else "",
                recipients=len(submission.envelope.recipients),
                visible_outsiders=judgement.visible_outsiders,
                protected=judgement.visible_outsiders if stopped and enforced else 0,
                damage=judgement.damage,
                size_bytes=submission.message.size_bytes,
                enforced=enforced,
                monitored_rules=judged.monitored,
            )
        )

    # --- carrying it out ---------------------------------------------------------------------------------------------

    async def _send(self, submission: Submission, judged: Judged) -> Reply:
        options = self._current.options
        assert judged.header is not None
        leaving = dispatches(submission, judged.form, judged.header, submission.envelope.recipients, options.leaving)
        first, second = next(leaving), next(leaving, None)
        if options.live and second is None:
            notices = await self._rewritten_notice(submission, judged)
            return await self._live.send(submission, judged, first, notices)
        record = NewRecord(
            submission,
            State.QUEUED,
            judged.form,
            judged.judgement,
            judged.facts.subject,
            next_attempt_at=self._clock(),
            fingerprint=await self._resubmissions.fingerprint(submission),
        )
        await self._add(record, await self._rewritten_notice(submission, judged))
        self._delivery.wake()
        return replies.queued(submission.id)

    async def _hold(self, submission: Submission, judged: Judged) -> Reply:
        case = self._case(submission, judged, safe_release=judged.safe_release)
        notices = self._post.held(submission, judged.facts.fields, case)
        return await self._store_held(submission, judged.judgement, judged.facts.subject, notices)

    async def _hold_unjudged(self, submission: Submission) -> Reply:
        judgement = Judgement("hold", COULD_NOT_DECIDE, "This message could not be read with certainty.")
        case = Case(
            id=submission.id,
            subject="",
            received_at=submission.received_at,
            recipients=len(submission.envelope.recipients),
            judgement=judgement,
            expires_at=submission.received_at + self._current.options.expire_after,
            reviewers=self._current.options.reviewers,
            safe_release=False,
            second_person=self._current.options.second_person_as_is,
        )
        return await self._store_held(submission, judgement, "", self._post.held(submission, (), case))

    async def _store_held(
        self, submission: Submission, judgement: Judgement, subject: str, notices: Sequence[NewRecord]
    ) -> Reply:
        record = NewRecord(
            submission,
            State.HELD,
            Form.AS_IS,
            judgement,
            subject,
            expires_at=submission.received_at + self._current.options.expire_after,
            fingerprint=await self._resubmissions.fingerprint(submission),
            content_key=await self._resubmissions.content_key(submission),
        )
        held_as = await self._add(record, notices)
        self._delivery.wake()
        return replies.held(held_as)

    async def _add(self, record: NewRecord, notices: Sequence[NewRecord]) -> str:
        started = time.perf_counter()
        added = await self._store.add(record, notices=notices)
        self._observe(StageTimed("store", time.perf_counter() - started))
        return added.id

    async def _rewritten_notice(self, submission: Submission, judged: Judged) -> tuple[NewRecord, ...]:
        """Tell the sender, once for all parts of a message that the client split."""
        if not isinstance(judged.verdict, Rewrite) or self._post.addressee(submission, judged.facts.fields) is None:
            return ()
        key = await self._resubmissions.content_key(submission)
        now = self._clock()
        self._noticed = {old: at for old, at in self._noticed.items() if now - at < NOTICE_WINDOW}
        if key in self._noticed:
            return ()
        self._noticed[key] = now
        return self._post.rewritten(submission, judged.facts.fields, self._case(submission, judged, safe_release=True))

    def _case(self, submission: Submission, judged: Judged, *, safe_release: bool) -> Case:
        options = self._current.options
        return Case(
            id=submission.id,
            subject=judged.facts.subject,
            received_at=submission.received_at,
            recipients=len(submission.envelope.recipients),
            judgement=judged.judgement,
            expires_at=submission.received_at + options.expire_after,
            reviewers=options.reviewers,
            safe_release=safe_release,
            second_person=options.second_person_as_is,
        )


def _keys(addresses: Sequence[str]) -> frozenset[str]:
    parsed = (parse_mailbox(text.encode(), smtputf8=True) for text in addresses)
    return frozenset(address.key for address in parsed if address)
