"""The nouns of stored mail, frozen: its states, what was decided about it, and the durable record."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from bcc_relay.core.model import OutcomeName

if TYPE_CHECKING:
    from datetime import datetime

    from bcc_relay.core.model import Envelope, Finding, Form, Origin, Recipient, Reply, Submission


class State(StrEnum):
    """States of a stored message; the allowed moves stand in `lifecycle`."""

    HELD = "held"
    QUEUED = "queued"
    RELEASED = "released"
    DELIVERING = "delivering"
    DELIVERED = "delivered"
    FAILED = "failed"
    DISCARDED = "discarded"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class StoredRecipient:
    """A recipient of a stored message and what became of it so far."""

    recipient: Recipient
    outcome: OutcomeName = OutcomeName.PENDING
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was decided about a stored message and why, as people are told later. Never addresses."""

    verdict: str
    rule: str
    sentence: str
    findings: tuple[Finding, ...] = ()
    visible_outsiders: int = 0
    outsider_domains: int = 0
    personal_share: float = 0.0
    damage: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """A stored message without its octets.

    `retry_since` is when the retry clock started: receipt for queued mail, release for released mail.
    `revision` grows by one with every change and is what a compare-and-set compares.
    """

    id: str
    state: State
    revision: int
    received_at: datetime
    origin: Origin
    envelope: Envelope
    """Sender and parameters; its recipients equal those of `recipients`."""
    recipients: tuple[StoredRecipient, ...]
    subject: str
    size_bytes: int
    form: Form
    judgement: Judgement
    held: bool
    """Was held at some time: every move of it has an audit row."""
    is_notice: bool
    """Made by the relay itself (null sender)."""
    expires_at: datetime | None = None
    next_attempt_at: datetime | None = None
    retry_since: datetime | None = None
    attempts: int = 0
    released_at: datetime | None = None
    asked_by: str | None = None
    """Who asked for a release as it is and waits for a second person."""
    delay_warned: bool = False

    @property
    def due(self) -> tuple[Recipient, ...]:
        """Recipients that still wait for a final outcome, in order."""
        waiting = (OutcomeName.PENDING, OutcomeName.DEFERRED, OutcomeName.IN_DOUBT)
        return tuple(r.recipient for r in self.recipients if r.outcome in waiting)


@dataclass(frozen=True, slots=True, eq=False)
class NewRecord:
    """A message about to be stored, with its octets (the original's, whatever `form` it will leave in)."""

    submission: Submission
    state: State
    form: Form
    judgement: Judgement
    subject: str = ""
    is_notice: bool = False
    expires_at: datetime | None = None
    next_attempt_at: datetime | None = None
    attempts: int = 0
    """Attempts made before it was stored: the live one."""
    fingerprint: str = ""
    """Keyed digest of sender, recipients and octets; recognises a resubmission for 24 hours."""
    content_key: str = ""
    """Keyed digest of sender, Message-ID and octets; a held item with the same key takes the recipients in."""
    client_heard: bool = True
    """The client was told 250; False while the answer was still open."""
    outcomes: tuple[tuple[OutcomeName, Reply | None], ...] = field(default=())
    """What is known already, a pair a recipient; empty means pending for all."""
    lease_owner: str | None = None
    lease_until: datetime | None = None
