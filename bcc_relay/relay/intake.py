"""Takes what a listener received: judge it, then send it live, store it, or refuse it. The reply is for the client.

Every doubt leads to holding, and a hold that cannot be stored to 451: nothing is passed because something went wrong.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bcc_relay.core import replies
from bcc_relay.core.actions.leave import dispatches, is_own_mark
from bcc_relay.core.address import parse_mailbox
from bcc_relay.core.errors import ReadersBusyError, StoreError, StoreFullError
from bcc_relay.core.events import Decided, Failed, SmtpRefused, StageTimed
from bcc_relay.core.header import split_fields
from bcc_relay.core.model import Form, Hold, Reject
from bcc_relay.core.record import Judgement, NewRecord, State
from bcc_relay.core.wording import Case
from bcc_relay.relay.parts import Parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bcc_relay.core.judge import Judged
    from bcc_relay.core.model import Reply, Submission
    from bcc_relay.relay.delivery import Delivery
    from bcc_relay.relay.judging import Judging
    from bcc_relay.relay.live import Live
    from bcc_relay.relay.options import Current, RelayOptions
    from bcc_relay.relay.ports import Clock, NewId, Observe, Store
    from bcc_relay.relay.post import Post
    from bcc_relay.relay.resubmissions import Resubmissions

MAX_RECEIVED = 50
"""RFC 5321 6.3: so many Received fields mean a loop."""
MOST_HEADERS = 2
"""A header beyond the limit is damage; one beyond so many times the limit is refused: only an attack is so large."""
COULD_NOT_DECIDE = "could-not-decide"
"""Stands for the rule when judging failed in a way nobody foresaw."""


class Intake:
    """Implements `relay.ports.Intake`."""

    def __init__(
        self,
        current: Current,
        store: Store,
        live: Live,
        delivery: Delivery,
        post: Post,
        judging: Judging,
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
        self._judging = judging
        self._clock = clock
        self._new_id = new_id
        self._observe = observe
        self._resubmissions = resubmissions
        self._counted = Parts(clock)
        self._told = Parts(clock)

    async def take(self, submission: Submission) -> Reply:
        """Decide about a submission and act (see the port)."""
        try:
            reply = await self._take(submission)
        except StoreFullError as error:
            self._failed(submission, "store", error)
            self._refused(submission, "store")
            reply = replies.DISK_FULL
        except StoreError as error:
            self._refused(submission, "store")
            reply = replies.internal(self._failed(submission, "store", error))
        except Exception as error:  # noqa: BLE001 - top of a request: unknown means temporary, and the client keeps it
            self._refused(submission, "internal")
            reply = replies.internal(self._failed(submission, "intake", error))
        return reply

    async def unheard(self, submission: Submission, reply: Reply) -> None:
        """Note that the client was gone before it heard `reply`: it may send the same again within 24 hours."""
        if reply.code // 100 != replies.OK_CODE // 100:
            return
        try:
            if not replies.is_held_elsewhere(reply, submission.id):
                await self._resubmissions.unheard(submission)
        except StoreError as error:
            self._failed(submission, "store", error)
        except Exception as error:  # noqa: BLE001 - top of a request
            self._failed(submission, "intake", error)

    def _failed(self, submission: Submission, where: str, error: Exception) -> str:
        reference = self._new_id()
        self._observe(Failed(reference, where, f"{type(error).__name__}: {error}", submission.id))
        return reference

    async def _take(self, submission: Submission) -> Reply:
        # A reload in the middle must not have a message judged by one policy and sent by another.
        options = self._current.options
        if reply := self._too_large(submission, options) or await self._resubmissions.answer(submission):
            return reply
        judged = await self._judge(submission, options)
        if judged is None:
            return await self._hold_unjudged(submission, options)
        if refusal := self._refusal(submission, judged, options):
            return refusal
        await self._tell(submission, judged.judgement, options, judged.monitored)
        match judged.verdict:
            case Reject(sentence=sentence) if not options.policy.monitor:
                self._refused(submission, "policy")
                return replies.refused_by_rule(sentence)
            case Hold() if not options.policy.monitor:
                return await self._hold(submission, judged, options)
            case _:
                return await self._send(submission, judged, options)

    async def _judge(self, submission: Submission, options: RelayOptions) -> Judged | None:
        """Judge; None when that failed in a way nobody foresaw: the message is held then, never passed."""
        try:
            return await self._judging.judge(submission, options)
        except (StoreError, ReadersBusyError):
            raise
        except Exception as error:  # noqa: BLE001 - strangers' octets never raise past the door, and never pass by it
            self._failed(submission, "intake.judge", error)
            return None

    def _too_large(self, submission: Submission, options: RelayOptions) -> Reply | None:
        if len(submission.message.header) <= MOST_HEADERS * options.leaving.header_bytes:
            return None
        self._refused(submission, "size")
        return replies.HEADER_TOO_LARGE

    def _refusal(self, submission: Submission, judged: Judged, options: RelayOptions) -> Reply | None:
        """Refuse loops, and authors that are not the login's own (RFC 6409 6.1)."""
        facts, leaving, origin = judged.facts, options.leaving, submission.origin
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

    async def _tell(
        self, submission: Submission, judgement: Judgement, options: RelayOptions, monitored: tuple[str, ...] = ()
    ) -> None:
        enforced = not options.policy.monitor
        is_stopped = enforced and judgement.verdict != "pass"
        # A message that the client split by recipients protects the same people once.
        counts = is_stopped and self._counted.is_first(await self._resubmissions.content_key(submission))
        sender = submission.envelope.sender
        self._observe(
            Decided(
                message_id=submission.id,
                listener=submission.origin.listener,
                verdict=judgement.verdict,
                rule=judgement.rule,
                detectors=tuple(finding.detector for finding in judgement.findings),
                sender=sender.text if sender else "",
                recipients=len(submission.envelope.recipients),
                visible_outsiders=judgement.visible_outsiders,
                protected=judgement.visible_outsiders if counts else 0,
                damage=judgement.damage,
                size_bytes=submission.message.size_bytes,
                enforced=enforced,
                monitored_rules=monitored,
            )
        )

    # --- carrying it out ---------------------------------------------------------------------------------------------

    async def _send(self, submission: Submission, judged: Judged, options: RelayOptions) -> Reply:
        """Send a message in the form it leaves in, and tell its sender when that is not the one it came in."""
        is_told = judged.form is not Form.AS_IS and self._post.addressee(submission, judged.facts.fields) is not None
        key = await self._resubmissions.content_key(submission) if is_told else ""
        if not is_told or not self._told.is_first(key):
            return await self._send_with(submission, judged, (), options)
        reply: Reply | None = None
        try:
            case = self._case(submission, judged.judgement, judged.facts.subject, options, safe_release=True)
            notices = self._post.rewritten(submission, judged.facts.fields, case)
            reply = await self._send_with(submission, judged, notices, options)
        finally:
            if reply is None or reply.code // 100 != replies.OK_CODE // 100:
                self._told.forget(key)  # it did not leave, so nobody was told
        return reply

    async def _send_with(
        self, submission: Submission, judged: Judged, notices: Sequence[NewRecord], options: RelayOptions
    ) -> Reply:
        assert judged.header is not None
        leaving = dispatches(submission, judged.form, judged.header, submission.envelope.recipients, options.leaving)
        first, second = next(leaving), next(leaving, None)
        if options.live and second is None:
            reply = await self._live.send(submission, judged, first, notices, options)
            if reply.code // 100 != replies.OK_CODE // 100:
                self._refused(submission, "upstream")
            return reply
        record = NewRecord(
            submission,
            State.QUEUED,
            judged.form,
            judged.judgement,
            judged.facts.subject,
            next_attempt_at=self._clock(),
            fingerprint=await self._resubmissions.fingerprint(submission),
        )
        await self._add(record, notices)
        self._delivery.wake()
        return replies.queued(submission.id)

    async def _hold(self, submission: Submission, judged: Judged, options: RelayOptions) -> Reply:
        facts = judged.facts
        case = self._case(submission, judged.judgement, facts.subject, options, safe_release=judged.safe_release)
        notices = self._post.held(submission, facts.fields, case)
        return await self._store_held(submission, judged.judgement, facts.subject, notices, options)

    async def _hold_unjudged(self, submission: Submission, options: RelayOptions) -> Reply:
        judgement = Judgement("hold", COULD_NOT_DECIDE, "This message could not be read with certainty.")
        await self._tell(submission, judgement, options)
        case = self._case(submission, judgement, "", options, safe_release=False)
        fields = split_fields(submission.message.header)
        return await self._store_held(submission, judgement, "", self._post.held(submission, fields, case), options)

    async def _store_held(
        self,
        submission: Submission,
        judgement: Judgement,
        subject: str,
        notices: Sequence[NewRecord],
        options: RelayOptions,
    ) -> Reply:
        record = NewRecord(
            submission,
            State.HELD,
            Form.AS_IS,
            judgement,
            subject,
            expires_at=submission.received_at + options.expire_after,
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

    def _case(
        self, submission: Submission, judgement: Judgement, subject: str, options: RelayOptions, *, safe_release: bool
    ) -> Case:
        return Case(
            id=submission.id,
            subject=subject,
            received_at=submission.received_at,
            recipients=len(submission.envelope.recipients),
            judgement=judgement,
            expires_at=submission.received_at + options.expire_after,
            reviewers=options.reviewers,
            safe_release=safe_release,
            second_person=options.second_person_as_is,
        )


def _keys(addresses: Sequence[str]) -> frozenset[str]:
    parsed = (parse_mailbox(text.encode(), smtputf8=True) for text in addresses)
    return frozenset(address.key for address in parsed if address)
