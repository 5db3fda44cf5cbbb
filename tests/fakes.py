"""Small fakes of the ports. The store in memory passes the same contract suite as the real one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcc_relay.core import lifecycle
from bcc_relay.core.audit import AuditRow, head_of
from bcc_relay.core.errors import StoreError
from bcc_relay.core.record import NewRecord, Record, State
from bcc_relay.relay.ports import Added, Clock, Counts, Doubt, Forgotten, Move
from bcc_relay.store import keys, records, trail
from bcc_relay.store.tables import instant_text
from tests import build
from tests.fakes_memory import MemoryOfMail

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from bcc_relay.core.model import Message, OutcomeName, Reply


@dataclass
class _Entry:
    record: Record
    new: NewRecord
    message: Message | None
    lease_owner: str | None
    lease_until: datetime | None
    final_at: datetime | None
    client_heard: bool

    @property
    def due_at(self) -> datetime | None:
        return records.due_at(self.record, self.lease_until)


class MemoryStore:
    """`relay.ports.Store` in memory. Set `failing` to an error (StoreFullError …) to have every call raise it."""

    def __init__(self, clock: Clock = lambda: build.NOW) -> None:
        self.keys = keys.derive(b"k" * 32)
        self.memory = MemoryOfMail()
        self.failing: StoreError | None = None
        self.reasons: dict[int, str] = {}
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._audit: list[AuditRow] = []

    async def add(self, record: NewRecord, *, notices: Sequence[NewRecord] = ()) -> Added:
        self._check()
        if record.state is State.HELD and record.content_key and (held := self._twin(record.content_key)):
            merged = records.merged(held.record, record)
            at = record.submission.received_at
            self._say(trail.of_merge(held.record, merged, at))
            held.record = merged
            return Added(merged.id, merged=True)
        self._insert(self._prepare([record, *notices]))
        return Added(record.submission.id)

    async def get(self, message_id: str) -> Record | None:
        self._check()
        entry = self._entries.get(message_id)
        return entry.record if entry else None

    async def message(self, message_id: str) -> Message | None:
        self._check()
        entry = self._entries.get(message_id)
        return entry.message if entry else None

    async def find(self, states: Sequence[State], *, limit: int = 1000) -> tuple[Record, ...]:
        self._check()
        found = [entry.record for entry in self._entries.values() if entry.record.state in states]
        return tuple(sorted(found, key=lambda record: (record.received_at, record.id))[:limit])

    async def move(self, move: Move) -> Record | None:
        self._check()
        entry = self._entries.get(move.id)
        if entry is None or entry.record.revision != move.revision:
            return None
        old, notices = entry.record, self._prepare(move.notices)
        record = records.moved(old, move)
        self._change(entry, record, at=move.at)
        if trail.is_audited(record, move):
            self._say(trail.of_move(old, record, move, self.keys))
        self._insert(notices)
        return record

    async def claim(self, *, now: datetime, owner: str, lease_until: datetime, limit: int) -> tuple[Record, ...]:
        self._check()
        due = [(entry.due_at, name) for name, entry in self._entries.items() if entry.due_at and entry.due_at <= now]
        taken = []
        for _, name in sorted(due)[:limit]:
            entry = self._entries[name]
            waiting = entry.record
            if waiting.state is State.DELIVERING:
                waiting = records.returned(entry.record)
                self._say_delivery(entry.record, waiting, "lease_lost", now)
            record = records.claimed(waiting)
            self._change(entry, record, at=now, lease_owner=owner, lease_until=lease_until)
            self._say_delivery(waiting, record, "claimed", now)
            taken.append(record)
        return tuple(taken)

    async def note(self, message_id: str, outcomes: Mapping[int, tuple[OutcomeName, Reply | None]]) -> None:
        self._check()
        if entry := self._entries.get(message_id):
            entry.record = records.noted(entry.record, outcomes)

    async def reclaim(self, *, owner: str) -> int:
        self._check()
        taken = [
            entry
            for entry in self._entries.values()
            if entry.record.state is State.DELIVERING and (not owner or entry.lease_owner == owner)
        ]
        for entry in taken:
            old, now = entry.record, self._clock()
            self._change(entry, records.returned(old), at=now)
            self._say_delivery(old, entry.record, "returned", now)
        return len(taken)

    async def hold_expired(self, now: datetime) -> tuple[Record, ...]:
        self._check()
        over = [
            (entry.record.expires_at, entry.record.id, entry.record)
            for entry in self._entries.values()
            if entry.record.state is State.HELD and entry.record.expires_at and entry.record.expires_at <= now
        ]
        return tuple(record for _, _, record in sorted(over, key=lambda one: one[:2]))

    async def doubts(self, since: datetime) -> tuple[Doubt, ...]:
        self._check()
        found = [
            Doubt(name, entry.new.fingerprint, entry.record.received_at)
            for name, entry in self._entries.items()
            if not entry.client_heard and entry.record.received_at > since
        ]
        return tuple(sorted(found, key=lambda doubt: (doubt.received_at, doubt.id)))

    async def heard(self, message_id: str, *, heard: bool = True) -> None:
        self._check()
        if entry := self._entries.get(message_id):
            entry.client_heard = heard

    async def erase(self, *, bodies_before: datetime, records_before: datetime) -> int:
        self._check()
        erased = set()
        for name, entry in list(self._entries.items()):
            if entry.final_at and entry.final_at < bodies_before and entry.message:
                entry.message = None
                erased.add(name)
            if entry.final_at and entry.final_at < records_before:
                del self._entries[name]
                erased.add(name)
        return len(erased)

    async def forget(self, key: str) -> Forgotten:
        self._check()
        circles = self.memory.forget(key)
        having = {name: entry for name, entry in self._entries.items() if key in _addresses(entry.record)}
        finished = [name for name, entry in having.items() if entry.final_at]
        for name in finished:
            del self._entries[name]
        self.reasons = {
            row.seq: text
            for row in self._audit
            if (text := self.reasons.get(row.seq)) and row.message_id not in finished
        }
        held = sorted(
            (e.record for e in having.values() if e.record.state is State.HELD), key=lambda r: (r.received_at, r.id)
        )
        forgotten = Forgotten(circles, len(finished), tuple(record.id for record in held))
        if circles or finished:
            self._say(trail.of_forgetting(key, forgotten, self._clock(), self.keys))
        return forgotten

    async def counts(self) -> Counts:
        self._check()
        found = [entry.record for entry in self._entries.values()]
        queue = (State.QUEUED, State.RELEASED, State.DELIVERING)
        return Counts(
            by_state={state: n for state in State if (n := sum(record.state is state for record in found))},
            oldest_held=min((r.received_at for r in found if r.state is State.HELD), default=None),
            oldest_waiting=min((r.retry_since for r in found if r.state in queue and r.retry_since), default=None),
        )

    async def audit_seq(self) -> int:
        self._check()
        return self._audit[-1].seq if self._audit else 0

    async def audit_rows(self, *, after: int = 0, limit: int = 1000) -> tuple[AuditRow, ...]:
        self._check()
        return tuple(self._audit[after : after + limit])

    async def ping(self) -> None:
        self._check()

    async def close(self) -> None:
        self.failing = StoreError("the store is closed")

    def _check(self) -> None:
        if self.failing:
            raise self.failing

    def _twin(self, content_key: str) -> _Entry | None:
        held = (entry for entry in self._entries.values() if entry.record.state is State.HELD)
        return next((entry for entry in held if entry.new.content_key == content_key), None)

    def _prepare(self, news: Sequence[NewRecord]) -> list[_Entry]:
        """Entries that are not kept yet; raises before anything is changed."""
        entries = []
        for new in news:
            record = records.first(new)
            if record.id in self._entries:
                raise StoreError("two messages with one id")
            final_at = record.received_at if record.state in lifecycle.FINAL else None
            entries.append(
                _Entry(
                    record,
                    new,
                    new.submission.message,
                    new.lease_owner,
                    new.lease_until,
                    final_at,
                    new.client_heard,
                )
            )
        return entries

    def _insert(self, entries: Sequence[_Entry]) -> None:
        for entry in entries:
            self._entries[entry.record.id] = entry
            if entry.record.held:
                self._say(trail.of_hold(entry.record, self.keys))

    def _change(
        self,
        entry: _Entry,
        record: Record,
        *,
        at: datetime,
        lease_owner: str | None = None,
        lease_until: datetime | None = None,
    ) -> None:
        entry.record, entry.lease_owner, entry.lease_until = record, lease_owner, lease_until
        entry.final_at = at if record.state in lifecycle.FINAL else None

    def _say_delivery(self, old: Record, new: Record, event: str, at: datetime) -> None:
        if new.held:
            self._say(trail.of_delivery(old, new, event, at))

    def _say(self, entry: trail.Entry) -> None:
        head = head_of(self._audit[-1] if self._audit else None)
        row = entry.chained(head, self.keys, instant_text(entry.at))
        self._audit.append(row)
        if entry.reason is not None:
            self.reasons[row.seq] = entry.reason


def _addresses(record: Record) -> set[str]:
    sender = record.envelope.sender
    return {one.recipient.address.key for one in record.recipients} | ({sender.key} if sender else set())
