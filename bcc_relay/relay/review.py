"""What people do with stored mail: release, discard, retry. Each is one move, so that fifty clicks do it once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from bcc_relay.core.errors import ReadersBusyError, ReadingFailedError
from bcc_relay.core.judge import can_be_rewritten
from bcc_relay.core.model import Form, Submission
from bcc_relay.core.record import State
from bcc_relay.core.wording import Case
from bcc_relay.relay.ports import Move

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcc_relay.core.record import Record
    from bcc_relay.relay.judging import Judging
    from bcc_relay.relay.options import Current
    from bcc_relay.relay.ports import Clock, Store
    from bcc_relay.relay.post import Post

By = Literal["sender", "reviewer", "expiry", "relay"]


@dataclass(frozen=True, slots=True)
class Done:
    """It was carried out; `record` is the message afterwards."""

    record: Record


@dataclass(frozen=True, slots=True)
class NotFound:
    """There is no such message."""


@dataclass(frozen=True, slots=True)
class Refused:
    """It cannot be done, and nothing moved; `why` is a plain sentence."""

    why: str


@dataclass(frozen=True, slots=True)
class NeedsSecondPerson:
    """The request is noted and waits for another person than `asked_by`."""

    asked_by: str


Result: TypeAlias = Done | NotFound | Refused | NeedsSecondPerson

_WAITING = (State.QUEUED, State.RELEASED)


class Review:
    """The powers of reviewers and administrators over stored mail."""

    def __init__(
        self, current: Current, store: Store, post: Post, judging: Judging, *, clock: Clock, wake: Callable[[], None]
    ) -> None:
        """`wake` makes delivery look for due mail at once."""
        self._current = current
        self._store = store
        self._post = post
        self._judging = judging
        self._clock = clock
        self._wake = wake

    async def release(
        self, message_id: str, form: Form | None, *, person: str, reason: str = "", by: By = "reviewer"
    ) -> Result:
        """Let a held message go in `form` (None: as Bcc, in the configured form). Raises StoreError.

        A rewritten form must pass the second reading. `as_is` needs a reason and, unless configured otherwise, a second
        person: the first request waits, and only somebody else completes it.
        """
        record = await self._store.get(message_id)
        if record is None:
            return NotFound()
        if record.state is not State.HELD:
            return Refused(f"This message is not held any more: it is {record.state.value}.")
        options = self._current.options
        form = form or options.policy.bcc_form
        if form is Form.AS_IS:
            if not reason.strip():
                return Refused("Sending it as it is needs a reason in writing.")
            if options.second_person_as_is and record.asked_by in (None, person):
                return await self._ask(record, person, reason, by)
        elif (why := await self._not_rewritable(record, form)) is not None:
            return Refused(why)
        now = self._clock()
        move = Move(
            id=record.id,
            revision=record.revision,
            state=State.RELEASED,
            at=now,
            event="released",
            by=by,
            person=person,
            reason=reason or None,
            form=form,
            next_attempt_at=now,
        )
        return await self._moved(move)

    async def discard(self, message_id: str, *, person: str, reason: str = "", by: By = "reviewer") -> Result:
        """Drop a held message and tell its sender. Raises StoreError."""
        record = await self._store.get(message_id)
        if record is None:
            return NotFound()
        if record.state is not State.HELD:
            return Refused(f"This message is not held any more: it is {record.state.value}.")
        return await self._drop(record, State.DISCARDED, by=by, person=person, reason=reason)

    async def expire(self, record: Record) -> Result:
        """Drop a held message because nobody decided in time, and tell its sender. Raises StoreError."""
        return await self._drop(record, State.EXPIRED, by="expiry", person=None, reason="")

    async def retry(self, message_id: str, *, person: str) -> Result:
        """Try a waiting message now. Raises StoreError."""
        record = await self._store.get(message_id)
        if record is None:
            return NotFound()
        if record.state not in _WAITING:
            return Refused(f"This message does not wait for delivery: it is {record.state.value}.")
        now = self._clock()
        move = Move(record.id, record.revision, record.state, now, "retried", "reviewer", person, next_attempt_at=now)
        return await self._moved(move)

    async def delete(self, message_id: str, *, person: str, reason: str) -> Result:
        """Take a waiting message out of the queue for good; nobody is told but the audit and the log."""
        record = await self._store.get(message_id)
        if record is None:
            return NotFound()
        if record.state not in _WAITING:
            return Refused(f"This message does not wait for delivery: it is {record.state.value}.")
        if not reason.strip():
            return Refused("Deleting it needs a reason in writing.")
        move = Move(record.id, record.revision, State.DISCARDED, self._clock(), "deleted", "reviewer", person, reason)
        return await self._moved(move)

    async def _ask(self, record: Record, person: str, reason: str, by: By) -> Result:
        if record.asked_by == person:
            return NeedsSecondPerson(person)
        move = Move(record.id, record.revision, State.HELD, self._clock(), "asked", by, person, reason, asked_by=person)
        asked = await self._moved(move)
        return NeedsSecondPerson(person) if isinstance(asked, Done) else asked

    async def _not_rewritable(self, record: Record, form: Form) -> str | None:
        message = await self._store.message(record.id)
        if message is None:
            return "The content of this message has been erased."
        submission = Submission(record.id, record.received_at, record.envelope, message, record.origin)
        options = self._current.options
        try:
            facts = await self._judging.facts(submission, options)
        except (ReadersBusyError, ReadingFailedError):
            return "The content of this message could not be looked into just now, so it stays held."
        if can_be_rewritten(submission, form, options.leaving, facts):
            return None
        return "Hiding the recipients is not enough: addresses would stay visible where nothing can be changed safely."

    async def _drop(self, record: Record, state: State, *, by: By, person: str | None, reason: str) -> Result:
        options = self._current.options
        case = Case(
            id=record.id,
            subject=record.subject,
            received_at=record.received_at,
            recipients=len(record.recipients),
            judgement=record.judgement,
            expires_at=record.expires_at,
            reviewers=options.reviewers,
            reason=reason,
            dropped_by_sender=by == "sender",
        )
        message = await self._store.message(record.id)
        notices = self._post.dropped(
            record.origin, record.envelope.sender, message, case, expired=state is State.EXPIRED
        )
        move = Move(
            id=record.id,
            revision=record.revision,
            state=state,
            at=self._clock(),
            event=state.value,
            by=by,
            person=person,
            reason=reason or None,
            notices=notices,
        )
        return await self._moved(move)

    async def _moved(self, move: Move) -> Result:
        after = await self._store.move(move)
        if after is None:
            return Refused("Somebody else decided about this message just now.")
        self._wake()
        return Done(after)
