"""A whole relay on a store in memory, with a clock that is set by hand and a next server that answers by script."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, TypeVar

from bcc_relay.core.actions.leave import Leaving
from bcc_relay.core.address import known
from bcc_relay.core.contents.budget import Budget
from bcc_relay.core.contents.look import look as look_into
from bcc_relay.core.model import Body, Message, Submission
from bcc_relay.core.organisation import Organisation
from bcc_relay.core.policy.rule import Policy
from bcc_relay.core.record import State
from bcc_relay.core.retry import Schedule
from bcc_relay.relay.attempt import Attempts
from bcc_relay.relay.decisions import Decisions
from bcc_relay.relay.delivery import Delivery
from bcc_relay.relay.intake import Intake
from bcc_relay.relay.judging import Judging
from bcc_relay.relay.learning import Learning
from bcc_relay.relay.live import Live
from bcc_relay.relay.options import Current, RelayOptions
from bcc_relay.relay.post import Post
from bcc_relay.relay.reports import Reports
from bcc_relay.relay.resubmissions import Resubmissions
from bcc_relay.relay.review import Review
from bcc_relay.relay.under_way import UnderWay
from bcc_relay.relay.upkeep import Upkeep
from tests import build
from tests.fakes import MemoryStore
from tests.fakes_memory import MemoryOfMail
from tests.fakes_upstream import FakeUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from datetime import datetime

    from bcc_relay.core.contents.found import Contents
    from bcc_relay.core.events import Event
    from bcc_relay.core.model import Reply
    from bcc_relay.core.record import Record
    from bcc_relay.relay.ports import Counts, Look, Memory

    Kind = TypeVar("Kind")

WAIT_S = 5.0
MINUTE = timedelta(minutes=1)
DPO = "dpo@council.example"
CLERK = "clerk@council.example"
ALL_STATES = tuple(State)

LEAVING = Leaving(
    organisation=Organisation(frozenset({"council.example"}), personal=frozenset({"mail0.example"})),
    hostname="relay.council.example",
    mark_key=b"m" * 32,
    recipients_per_transaction=20,
)
OPTIONS = RelayOptions(
    leaving=LEAVING,
    schedule=Schedule((MINUTE, 5 * MINUTE, 15 * MINUTE), timedelta(days=2)),
    notices_from="postmaster@council.example",
    reviewers=(DPO,),
    live_deadline_s=WAIT_S,
)
TEMPFAIL = replace(OPTIONS, queue_when_unavailable=False)
QUEUE = replace(OPTIONS, live=False)
MONITOR = replace(OPTIONS, policy=Policy(monitor=True))


async def look(message: Message, names: frozenset[str]) -> Contents:
    """`relay.ports.Look`, as far as core can see by itself."""
    return look_into(message, known(names), Budget()).contents


@dataclass
class Clock:
    """`relay.ports.Clock`, set by hand."""

    now: datetime = build.NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, by: timedelta) -> None:
        self.now += by


@dataclass
class House:
    """One relay process. `store` and `upstream` may outlive it: hand them to the next one."""

    group: asyncio.TaskGroup
    clock: Clock
    store: MemoryStore
    upstream: FakeUpstream
    options: RelayOptions
    events: list[Event] = field(default_factory=list)
    counts: list[Counts] = field(default_factory=list)
    pauses: int = 0
    name: str = "relay-1"
    look: Look = look
    memory: Memory | None = None

    def __post_init__(self) -> None:
        ids = count(1)

        def new_id() -> str:
            return f"{self.name}-{next(ids)}"

        tell = self.events.append
        self.memory = self.memory or MemoryOfMail()
        self.current = Current(self.options)
        self.post = Post(self.current, self.clock, new_id)
        self.under_way = UnderWay(self.group)
        self.resubmissions = Resubmissions(self.store, self.clock, b"f" * 32)
        self.judging = Judging(self.look, self.memory, observe=tell)
        attempts = Attempts(self.upstream, new_id=new_id, observe=tell)
        reports = Reports(self.post, new_id=new_id, observe=tell)
        learning = Learning(self.current, self.memory, self.under_way, new_id=new_id, observe=tell)
        common = {"clock": self.clock, "new_id": new_id, "observe": tell}
        self.delivery = Delivery(
            self.current,
            self.store,
            attempts,
            reports,
            self.under_way,
            learning,
            **common,
            owner=self.name,
            chance=lambda: 0.0,
            pause=self._pause,
        )
        live = Live(
            self.store,
            attempts,
            reports,
            self.delivery,
            self.under_way,
            **common,
            resubmissions=self.resubmissions,
            learning=learning,
            chance=lambda: 0.0,
        )
        self.intake = Intake(
            self.current,
            self.store,
            live,
            self.delivery,
            self.post,
            self.judging,
            **common,
            resubmissions=self.resubmissions,
        )
        self.review = Review(
            self.current, self.store, self.post, self.judging, clock=self.clock, wake=self.delivery.wake
        )
        self.upkeep = Upkeep(
            self.current,
            self.store,
            self.memory,
            self.review,
            Decisions(self.store, tell),
            **common,
            show_counts=self.counts.append,
        )

    async def _pause(self, _: float) -> None:
        self.pauses += 1
        await asyncio.sleep(0)

    def of(self, kind: type[Kind]) -> list[Kind]:
        """Events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not condition():
                await asyncio.sleep(0)

    async def take(self, submission: Submission) -> Reply:
        async with asyncio.timeout(WAIT_S):
            return await self.intake.take(submission)

    async def deliver(self) -> None:
        """Deliver what is due, with all that follows from it at once."""
        async with asyncio.TaskGroup() as group:
            running = group.create_task(self.delivery.run())
            await self.until(lambda: not self.due and not self.records(State.DELIVERING))
            running.cancel()

    @property
    def due(self) -> list[Record]:
        """Records that a claim would take now."""
        now = self.clock()
        waiting = (State.QUEUED, State.RELEASED)
        return [entry.record for entry in self._entries if entry.due_at <= now and entry.record.state in waiting]

    @property
    def _entries(self) -> list:
        return [entry for entry in self.store._entries.values() if entry.due_at]

    def records(self, *states: State) -> list[Record]:
        """Everything stored in these states (none named: all), the relay's own mail apart."""
        entries = self.store._entries.values()
        return [e.record for e in entries if e.record.state in (states or ALL_STATES) and not e.record.is_notice]

    @property
    def letters(self) -> list[Letter]:
        """The relay's own mail, in order."""
        return [self.letter_of(entry) for entry in self.store._entries.values() if entry.record.is_notice]

    @staticmethod
    def letter_of(entry: object) -> Letter:
        return Letter.of(entry.record, entry.new.submission.message)

    def fates(self, message_id: str = "m1") -> dict[str, str]:
        """Outcome by the local part of the recipient."""
        record = self.store._entries[message_id].record
        return {r.recipient.address.text.partition("@")[0]: r.outcome.value for r in record.recipients}


@dataclass(frozen=True)
class Letter:
    """One mail of the relay's own, as a test looks at it."""

    to: str
    subject: str
    text: str
    sender: bytes

    @classmethod
    def of(cls, record: Record, message: Message) -> Letter:
        text = b"".join(message.pieces()).decode()
        subject = re.search(r"^Subject: (.*)", text, re.MULTILINE)
        assert subject is not None
        return cls(record.recipients[0].recipient.address.text, subject[1].strip(), text, record.envelope.sender_octets)

    @property
    def kind(self) -> str:
        return self.subject.partition(":")[0].partition(",")[0]

    def actions(self) -> dict[str, str]:
        """What a delivery report says: action by recipient."""
        pairs = re.findall(r"^Final-Recipient: rfc822; (\S+)\r\nAction: (\S+)", self.text, re.MULTILINE)
        return dict(pairs)


@asynccontextmanager
async def house(
    options: RelayOptions = OPTIONS,
    *,
    store: MemoryStore | None = None,
    upstream: FakeUpstream | None = None,
    clock: Clock | None = None,
    name: str = "relay-1",
    look: Look = look,
    memory: Memory | None = None,
) -> AsyncIterator[House]:
    """A relay that ends, at the latest, with the test."""
    clock = clock or Clock()
    async with asyncio.TaskGroup() as group:
        home = House(
            group,
            clock,
            store or MemoryStore(clock),
            upstream or FakeUpstream(),
            options,
            name=name,
            look=look,
            memory=memory,
        )
        yield home
        home.upstream.gate.set()
        await home.under_way.finish(WAIT_S)


# --- messages --------------------------------------------------------------------------------------------------------

FAMILIES = build.families(12)
FIRMS = tuple(f"office@firm{n}.example" for n in range(32))
ONE = ("ann@mail0.example",)
TWO = ("ann@mail0.example", "bea@mail0.example")


def plain(*to: str, **fields: object) -> Submission:
    """A message that passes."""
    return build.submission(*(to or ONE), **fields)


def to_families(*to: str, id: str = "m1", **fields: object) -> Submission:
    """A message that is rewritten: its header shows all families, whatever part of them it goes to."""
    raw = build.message(build.header(", ".join(FAMILIES)))
    return build.submission(*(to or FAMILIES), raw=raw, id=id, **fields)


def to_firms(*to: str, id: str = "m1", more: bytes = b"", **fields: object) -> Submission:
    """A message that is held: its header shows all firms, whatever part of them it goes to."""
    raw = build.message(build.header(", ".join(FIRMS), more=more))
    return build.submission(*(to or FIRMS), raw=raw, id=id, **fields)


def again(submission: Submission, id: str, *, at: datetime | None = None) -> Submission:
    """The same message, submitted once more."""
    message = submission.message
    copy = Message(message.header, message.separator, Body(b"".join(message.body.pieces())))
    return replace(submission, id=id, received_at=at or submission.received_at, message=copy)


def with_notify(submission: Submission, *notify: str, only: Sequence[str] = ()) -> Submission:
    """Ask for delivery reports as NOTIFY says, for all recipients or only for those named."""
    recipients = tuple(
        replace(one, notify=notify) if not only or one.address.text in only else one
        for one in submission.envelope.recipients
    )
    return replace(submission, envelope=replace(submission.envelope, recipients=recipients))
