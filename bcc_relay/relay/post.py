"""Mail of the relay's own: notices and delivery reports as records that wait in the queue like other mail."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bcc_relay.core import notice, report
from bcc_relay.core.actions.leave import message_id_of
from bcc_relay.core.address import parse_mailbox
from bcc_relay.core.header import split_fields
from bcc_relay.core.model import Envelope, Form, Origin, Recipient, Submission
from bcc_relay.core.notice import Letter, is_automatic
from bcc_relay.core.record import Judgement, NewRecord, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from bcc_relay.core.header import Field
    from bcc_relay.core.model import Address, Message
    from bcc_relay.core.report import Fate
    from bcc_relay.core.wording import Case
    from bcc_relay.relay.options import Current
    from bcc_relay.relay.ports import Clock, NewId

OWN_LISTENER = "relay"
"""Stands for the listener in the origin of the relay's own mail."""


class Post:
    """Writes the relay's own mail. Nothing is sent here: the records go into the store with what they tell about."""

    def __init__(self, current: Current, clock: Clock, new_id: NewId) -> None:
        """Take addresses and names from the options in force."""
        self._current = current
        self._clock = clock
        self._new_id = new_id

    def held(self, submission: Submission, fields: Iterable[Field], case: Case) -> tuple[NewRecord, ...]:
        """Tell the sender and ask the reviewers about a message just held."""
        sender = self._addressee(submission.origin, submission.envelope.sender, _pairs(fields))
        return (
            *self._notices(sender, submission.message.header, notice.held_notice, case),
            *self._review_notices(submission, sender, case),
        )

    def rewritten(self, submission: Submission, fields: Iterable[Field], case: Case) -> tuple[NewRecord, ...]:
        """Tell the sender of a message that leaves rewritten."""
        sender = self._addressee(submission.origin, submission.envelope.sender, _pairs(fields))
        return self._notices(sender, submission.message.header, notice.rewritten_notice, case)

    def dropped(
        self, origin: Origin, sender: Address | None, original: Message | None, case: Case, *, expired: bool
    ) -> tuple[NewRecord, ...]:
        """Tell the sender of a held message that was discarded or has expired."""
        header = original.header if original else b""
        addressee = self._addressee(origin, sender, _pairs(split_fields(header)))
        return self._notices(addressee, header, notice.expired_notice if expired else notice.discarded_notice, case)

    def reports(
        self,
        submission: Submission,
        subject: str,
        fates: Sequence[Fate],
        kind: report.Kind,
        retry_until: datetime | None = None,
    ) -> tuple[NewRecord, ...]:
        """Report on recipients to the envelope sender, as far as the sender asked for it (RFC 3461 5.2, 6).

        An empty message in `submission` stands for one whose octets are erased.
        """
        sender = submission.envelope.sender
        told = report.reported(kind, sender, fates)
        if not told or sender is None:
            return ()
        now = self._clock()
        letter = self._letter(sender.text, submission.message.header, now)
        message = report.delivery_report(
            report.Report(
                kind=kind,
                letter=letter,
                reporting_mta=self._current.options.leaving.hostname,
                subject=subject,
                received_at=submission.received_at,
                original=submission.message if submission.message.size_bytes else None,
                fates=told,
                ret=submission.envelope.ret,
                envid=submission.envelope.envid,
                retry_until=retry_until,
            )
        )
        return (self._record(message, sender, now),)

    def addressee(self, submission: Submission, fields: Iterable[Field]) -> Address | None:
        """Return who is told about a submission; None when nobody is."""
        return self._addressee(submission.origin, submission.envelope.sender, _pairs(fields))

    def _addressee(self, origin: Origin, sender: Address | None, pairs: Iterable[tuple[str, bytes]]) -> Address | None:
        """The login's registered address, else an own envelope sender; nobody for automatic mail (RFC 3834 2)."""
        if is_automatic(pairs, sender):
            return None
        registered = parse_mailbox(origin.user_addresses[0].encode(), smtputf8=True) if origin.user_addresses else None
        if registered is not None:
            return registered
        own = sender is not None and self._current.options.leaving.organisation.is_own(sender.key)
        return sender if own else None

    def _review_notices(self, submission: Submission, sender: Address | None, case: Case) -> tuple[NewRecord, ...]:
        own = submission.envelope.sender
        is_own = own is not None and self._current.options.leaving.organisation.is_own(own.key)
        told = replace(case, sender=own.text if own and is_own else "", sender_told=sender is not None)
        addresses = (parse_mailbox(text.encode(), smtputf8=True) for text in self._current.options.reviewers)
        return tuple(
            record
            for address in addresses
            for record in self._notices(address, submission.message.header, notice.review_notice, told)
        )

    def _notices(
        self, to: Address | None, about: bytes, write: Callable[[Letter, Case], Message], case: Case
    ) -> tuple[NewRecord, ...]:
        if to is None:
            return ()
        now = self._clock()
        letter = self._letter(to.text, about, now)
        reviewers = self._current.options.reviewers
        if reviewers and to.text not in reviewers:
            # Whoever has a question presses Reply: it goes to who can answer it.
            letter = replace(letter, reply_to=reviewers[0])
        return (self._record(write(letter, case), to, now),)

    def _letter(self, to: str, about: bytes, now: datetime) -> Letter:
        options = self._current.options
        answers = message_id_of(about).decode("ascii", "replace") or None
        identifier = f"<{self._new_id()}@{options.leaving.hostname}>"
        return Letter(options.notices_from, to, identifier, now, answers)

    def _record(self, message: Message, to: Address, now: datetime) -> NewRecord:
        envelope = Envelope(None, (Recipient(to),), smtputf8=not to.octets.isascii())
        submission = Submission(self._new_id(), now, envelope, message, Origin(OWN_LISTENER, protocol="ESMTP"))
        judgement = Judgement("pass", "notice", "")
        return NewRecord(submission, State.QUEUED, Form.AS_IS, judgement, is_notice=True, next_attempt_at=now)


def _pairs(fields: Iterable[Field]) -> Iterable[tuple[str, bytes]]:
    return ((field.name, field.value) for field in fields)
