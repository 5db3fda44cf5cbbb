"""What the use cases need from the world. Each door implements one of these; tests run one contract suite per port."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from bcc_relay.core.audit import AuditRow
    from bcc_relay.core.contents.found import Contents
    from bcc_relay.core.events import Event
    from bcc_relay.core.history import Ask, Circle, History
    from bcc_relay.core.model import Dispatch, Form, Message, OutcomeName, Reply, Sent, Submission
    from bcc_relay.core.record import NewRecord, Record, State


class Clock(Protocol):
    """The time of day."""

    def __call__(self) -> datetime:
        """Now, aware, UTC."""


class NewId(Protocol):
    """Source of identifiers."""

    def __call__(self) -> str:
        """A fresh identifier: short, printable, unguessable, safe in a header and on a command line."""


class Observe(Protocol):
    """Where events go. Never raises and never blocks."""

    def __call__(self, event: Event) -> None:
        """Take note of `event`."""


class Upstream(Protocol):
    """The next mail server."""

    async def send(self, dispatch: Dispatch, *, all_or_nothing: bool = False) -> Sent:
        """Try one transaction and say what became of each recipient; never raises but for cancellation.

        `all_or_nothing`: wait for every RCPT reply and, if any is refused or deferred, send no data (`refuse_all`).
        The mail may have been sent only where the outcome is Delivered or InDoubt.
        """


@dataclass(frozen=True, slots=True)
class Login:
    """An account that gave the right password. `addresses` are those it may send as, the first gets its notices."""

    name: str
    addresses: tuple[str, ...] = ()
    roles: frozenset[str] = frozenset()


class Authenticate(Protocol):
    """Checks a password."""

    async def __call__(self, name: str, password: str) -> Login | None:
        """Return the login, or None for an unknown name and a wrong password alike, after the same time.

        Raises AuthUnavailableError when the accounts cannot be read now.
        """


class Intake(Protocol):
    """Takes what a listener received."""

    async def take(self, submission: Submission) -> Reply:
        """Decide about a submission and act; the reply is for the client. Never raises but for cancellation.

        Cancelling the caller does not undo or stop what was begun: the message was received.
        """

    async def unheard(self, submission: Submission, reply: Reply) -> None:
        """Note that the client was gone before it heard `reply`. Never raises but for cancellation."""


@dataclass(frozen=True, slots=True)
class Move:
    """One change of a stored message: a compare-and-set on `revision`, one transaction with its audit row.

    `state` must be reachable from the record's state by `lifecycle.MOVES`. `outcomes` maps the recipient's position to
    its new outcome and reply. `reason` is kept beside the audit, its hash inside. Fields left at None stay as they are.
    """

    id: str
    revision: int
    state: State
    at: datetime
    event: str
    """Word for the audit row: released, discarded, expired, asked, delivered, failed, deferred …"""
    by: str = "relay"
    """sender, reviewer, expiry or relay."""
    person: str | None = None
    reason: str | None = None
    form: Form | None = None
    outcomes: Mapping[int, tuple[OutcomeName, Reply | None]] = field(default_factory=dict)
    next_attempt_at: datetime | None = None
    attempts: int | None = None
    asked_by: str | None = None
    delay_warned: bool | None = None
    notices: tuple[NewRecord, ...] = ()
    """Mail of the relay's own, stored in the same transaction."""


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a new record: its id, or that of the held item that took its recipients in."""

    id: str
    merged: bool = False


@dataclass(frozen=True, slots=True)
class Doubt:
    """A message whose client never heard 250 and that may have been sent; recognises its resubmission."""

    id: str
    fingerprint: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Counts:
    """Figures for gauges: messages by state, and the oldest of the held and of the waiting ones."""

    by_state: Mapping[State, int]
    oldest_held: datetime | None
    oldest_waiting: datetime | None


class Look(Protocol):
    """Looks into the body of a message."""

    async def __call__(self, message: Message, names: frozenset[str]) -> Contents:
        """Return what the body shows. Raises ReadersBusyError, and whatever reading strangers' octets may raise.

        `names` are the keys of recipients and sender: they are recognised also where other text is glued to them. What
        takes too long, is too large or cannot be parsed is closed or damaged in the answer.
        """


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was erased about one address."""

    circles: int
    """Remembered messages that had the address among their members, or as their sender."""
    messages: int = 0
    """Finished messages erased with everything that was kept of them."""
    held: tuple[str, ...] = ()
    """Held messages with the address, which wait for a decision."""


class Memory(Protocol):
    """What earlier mail tells, kept as keyed hashes only. Every method raises StoreError and then changed nothing."""

    async def consider(self, circle: Circle, ask: Ask) -> History:
        """Answer what is asked about a message, and note the message.

        Noted is a circle that shows two or more outsiders, or that hides ten or more; others write nothing. What is
        noted counts for the windows at once and until it is stopped, and for nothing else before it is learned. Pieces
        that come at the same time see each other.
        """

    async def decided(self, message_id: str, verdict: str, rule: str) -> None:
        """Remember that a noted message was stopped, or would have been in monitor mode."""

    async def learn(self, message_id: str) -> None:
        """Learn the circle of a noted message that was delivered as it is: its people know each other now.

        One that had been stopped guards no longer. Nothing happens for a message that was not noted.
        """

    async def erase_memory(self, before: datetime) -> int:
        """Drop circles noted before this time, a few at a time; return how many."""


class Store(Protocol):
    """Held and queued mail and the audit. Every method raises StoreError (or StoreFullError) and then changed nothing.

    A method that changes something returns only after the change is flushed to disk.
    """

    async def add(self, record: NewRecord, *, notices: Sequence[NewRecord] = ()) -> Added:
        """Store a message with the relay's own notices in one transaction; a HELD one with its audit row.

        A HELD record whose `content_key` equals that of a message still held is merged into it: recipients it does not
        have yet are added, `notices` are dropped, the expiry stays, and the audit says so.
        """

    async def get(self, message_id: str) -> Record | None:
        """Return one record, or None."""

    async def message(self, message_id: str) -> Message | None:
        """Return the octets as they were submitted; None when erased. A large body is a mapped unlinked file."""

    async def find(self, states: Sequence[State], *, limit: int = 1000) -> tuple[Record, ...]:
        """Return records in these states, oldest first."""

    async def move(self, move: Move) -> Record | None:
        """Carry out a move; None when the record is gone or its revision is another (someone else was first).

        Raises ValueError for a move that `lifecycle` does not allow: a bug of the caller.
        """

    async def claim(self, *, now: datetime, owner: str, lease_until: datetime, limit: int) -> tuple[Record, ...]:
        """Move up to `limit` due messages to DELIVERING for `owner`, the longest due first, and return them.

        Due are QUEUED and RELEASED ones whose `next_attempt_at` is not after `now`, and DELIVERING ones whose lease is
        over.
        """

    async def note(self, message_id: str, outcomes: Mapping[int, tuple[OutcomeName, Reply | None]]) -> None:
        """Record outcomes of a message that stays DELIVERING, so that a crash does not send those parts again."""

    async def reclaim(self, *, owner: str) -> int:
        """Give back what `owner` had claimed (or, with an empty owner, everybody): at start and at drain."""

    async def hold_expired(self, now: datetime) -> tuple[Record, ...]:
        """Return held messages whose time is over."""

    async def doubts(self, since: datetime) -> tuple[Doubt, ...]:
        """Return messages received after `since` whose client never heard 250."""

    async def heard(self, message_id: str, *, heard: bool = True) -> None:
        """The client of this message has heard 250 after all, or was gone before it could (`heard=False`)."""

    async def erase(self, *, bodies_before: datetime, records_before: datetime) -> int:
        """Drop octets, then whole records, of messages that became final before these times. The audit stays."""

    async def forget(self, key: str) -> Forgotten:
        """Erase an address (comparing form) from the memory, and finished messages with it as sender or recipient.

        The audit stays. Held and waiting messages stay too; the held ones are named.
        """

    async def counts(self) -> Counts:
        """Figures for the gauges."""

    async def audit_seq(self) -> int:
        """Return the number of the newest audit row; 0 when there is none."""

    async def audit_rows(self, *, after: int = 0, limit: int = 1000) -> tuple[AuditRow, ...]:
        """Return audit rows with `seq` greater than `after`, in order."""

    async def ping(self) -> None:
        """Raise StoreError unless the store answers."""

    async def close(self) -> None:
        """Let go of everything."""
