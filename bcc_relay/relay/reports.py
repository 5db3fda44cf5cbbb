"""Which delivery reports an attempt calls for, live or from the store alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bcc_relay.core.events import Failed
from bcc_relay.core.model import Body, Delivered, InDoubt, Message, OutcomeName, Refused
from bcc_relay.core.report import Fate, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from bcc_relay.core.model import Outcome, Submission
    from bcc_relay.core.record import NewRecord, StoredRecipient
    from bcc_relay.relay.ports import NewId, Observe
    from bcc_relay.relay.post import Post

NO_OCTETS = Message(b"", b"", Body(b""))
"""Stands for a message whose octets are erased or need not be kept."""


@dataclass(frozen=True, slots=True)
class Written:
    """The reports of one attempt. Whoever gets no mail must be told of; the other reports are a courtesy."""

    failed: tuple[NewRecord, ...] = ()
    others: tuple[NewRecord, ...] = ()

    @property
    def all(self) -> tuple[NewRecord, ...]:
        """Every report."""
        return self.failed + self.others


class Reports:
    """Writes the reports that outcomes call for."""

    def __init__(self, post: Post, *, new_id: NewId, observe: Observe) -> None:
        """Have `post` write them."""
        self._post = post
        self._new_id = new_id
        self._observe = observe

    def of(
        self,
        submission: Submission,
        subject: str,
        fates: Iterable[tuple[StoredRecipient, Outcome | None]],
        *,
        gave_up: bool = False,
        delayed_until: datetime | None = None,
    ) -> Written:
        """Return the reports about `fates`: each recipient as it was before the attempt, and its outcome, if any.

        `gave_up`: nobody who is still waiting is tried again. `delayed_until`: those still waiting are to be told of
        as delayed, until this time at most. A report that cannot be written is left out: that must never make
        a message that was sent go out again.
        """
        failed, relayed, waiting = [], [], []
        for before, outcome in fates:
            fate = _fate_of(before, outcome)
            if isinstance(outcome, Refused) or (gave_up and _waits(before, outcome)):
                failed.append(fate)
            elif isinstance(outcome, Delivered) and not outcome.dsn_offered:
                relayed.append(fate)
            elif _waits(before, outcome):
                waiting.append(fate)
        try:
            post = self._post.reports
            return Written(
                post(submission, subject, failed, Kind.FAILED),
                post(submission, subject, relayed, Kind.RELAYED)
                + (post(submission, subject, waiting, Kind.DELAYED, delayed_until) if delayed_until else ()),
            )
        except Exception as error:  # noqa: BLE001 - see above
            self._observe(Failed(self._new_id(), "delivery.report", f"{type(error).__name__}: {error}", submission.id))
            return Written()


def _waits(before: StoredRecipient, outcome: Outcome | None) -> bool:
    if outcome is None:
        return before.outcome not in (OutcomeName.DELIVERED, OutcomeName.REFUSED)
    return not isinstance(outcome, Delivered | Refused)


def _fate_of(before: StoredRecipient, outcome: Outcome | None) -> Fate:
    """Return what a report says of one recipient; the last answer is an older one when this attempt gave none."""
    if outcome is None:
        return Fate(before.recipient, before.reply, in_doubt=before.outcome is OutcomeName.IN_DOUBT)
    return Fate(before.recipient, outcome.reply, in_doubt=isinstance(outcome, InDoubt))


def without_octets(submission: Submission) -> Submission:
    """Return the submission with an empty message in place of its own."""
    return replace(submission, message=NO_OCTETS)
