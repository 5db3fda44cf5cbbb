"""A crash, or a store that fails, after every single step of a busy hour: nothing acknowledged is ever missing.

What may arrive twice is only what was on its way when the relay died.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from bcc_relay.core.errors import StoreError
from bcc_relay.core.model import Deferred, Form, OutcomeName, Sent
from bcc_relay.core.policy.rule import Action, Policy, Rule, When
from bcc_relay.core.record import State
from bcc_relay.relay.review import NotFound
from tests import build
from tests.fakes import MemoryStore
from tests.fakes_upstream import LATER, FakeUpstream, by_address, refused
from tests.relay.house import OPTIONS, QUEUE, TEMPFAIL, Clock, House, again, house

if TYPE_CHECKING:
    from bcc_relay.core.model import Dispatch, Submission
    from bcc_relay.relay.options import RelayOptions

POLICY = Policy(
    rules=(
        Rule("clinic", When(sender=("clinic@council.example",)), Action.REWRITE, rewrite=Form.INDIVIDUAL),
        Rule("wait", When(sender=("hold@council.example",)), Action.HOLD),
    )
)
MAIL = {
    "live": ("clerk", ("a1",)),
    "partly": ("clerk", ("b1", "b2")),
    "later": ("clerk", ("c1", "c2")),
    "clinic": ("clinic", ("d1", "d2", "d3")),
    "held": ("hold", ("e1", "e2")),
}
REFUSED = {"b2", "d2"}
NEVER = 10**6


class Mortality:
    """Counts the steps of one process. At the given step it dies, or the store fails once."""

    def __init__(self, last_step: int, *, fails: bool = False) -> None:
        self.steps = 0
        self.is_dead = False
        self.has_failed = False
        self._last_step = last_step
        self._fails = fails
        self._grave: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def step(self, *, store: bool = True) -> None:
        if self._grave.done():
            raise asyncio.CancelledError
        self.steps += 1
        if self._fails:
            if store and self.steps >= self._last_step and not self.has_failed:
                self.has_failed = True
                raise StoreError("this once")
            return
        if self.is_dead or self.steps >= self._last_step:
            self.is_dead = True
            await self._grave

    def bury(self) -> None:
        """Let the tasks of the dead process end; they can do no more."""
        self._grave.cancel()


class MortalStore:
    """A store that takes part in the life of one process; what it holds outlives it."""

    def __init__(self, store: MemoryStore, life: Mortality) -> None:
        self._store = store
        self._life = life

    def __getattr__(self, name: str) -> Any:
        thing = getattr(self._store, name)
        if name.startswith("_") or not asyncio.iscoroutinefunction(thing):
            return thing

        async def call(*values: object, **named: object) -> object:
            await self._life.step()
            result = await thing(*values, **named)
            if not self._life._fails:
                await self._life.step()  # done, but the caller never hears of it
            return result

        return call


@dataclass
class MortalUpstream:
    """The next server as one process sees it."""

    upstream: FakeUpstream
    life: Mortality
    sent: list[Dispatch] = field(default_factory=list)

    async def send(self, dispatch: Dispatch, *, all_or_nothing: bool = False) -> Sent:
        await self.life.step(store=False)
        self.sent.append(dispatch)
        sent = await self.upstream.send(dispatch, all_or_nothing=all_or_nothing)
        await self.life.step(store=False)
        return sent

    @property
    def gate(self) -> asyncio.Event:
        return self.upstream.gate


@dataclass
class World:
    """What outlives a crash: the store, the next server, the clients and what they heard."""

    options: RelayOptions
    clock: Clock = field(default_factory=Clock)
    heard: dict[str, int] = field(default_factory=dict)
    may_repeat: set[str] = field(default_factory=set)
    lives: int = 0
    deferred: bool = False

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.clock)
        self.upstream = FakeUpstream(otherwise=self._answer)

    def _answer(self, dispatch: Dispatch) -> Sent:
        if _names(dispatch)[0] == "c1" and not self.deferred:
            self.deferred = True
            return Sent((Deferred(LATER),) * len(dispatch.envelope.recipients), LATER)
        return by_address(**dict.fromkeys(REFUSED, refused))(dispatch)

    async def live(self, life: Mortality) -> None:
        """One life of a relay, from its start to its death, or until there is nothing left to do."""
        self.lives += 1
        store, upstream = MortalStore(self.store, life), MortalUpstream(self.upstream, life)
        async with house(
            self.options, store=store, upstream=upstream, clock=self.clock, name=f"relay-{self.lives}"
        ) as home:
            working = home.group.create_task(self._work(home))
            await home.until(lambda: life.is_dead or working.done())
            if life.is_dead:
                self._note_what_is_in_doubt(upstream.sent)
                life.bury()
                working.cancel()
                await home.under_way.finish(0)
            else:
                working.result()
            with suppress(asyncio.CancelledError):
                await working

    async def _work(self, home: House) -> None:
        await self._insist(home.resubmissions.recall)
        await self._insist(lambda: home.store.reclaim(owner=""))
        running = home.group.create_task(home.delivery.run())
        try:
            for name in MAIL:
                for attempt in range(4):
                    if self.heard.get(name, 451) // 100 != 4:
                        break
                    reply = await home.intake.take(again(_mail(name), f"{name}-{self.lives}-{attempt}"))
                    self.heard[name] = reply.code
                    if reply.code != 250:
                        self._note_what_is_in_doubt(home.upstream.sent)
                        await self._settle(home)
            await self._settle(home)
            await self._decide(home)
            for _ in range(5):
                await self._settle(home)
                self.clock.forward(timedelta(minutes=20))
        finally:
            running.cancel()

    async def _settle(self, home: House) -> None:
        """Wait until nothing is due and nothing under way."""
        home.delivery.wake()
        due = (State.QUEUED, State.RELEASED)
        async with asyncio.timeout(5):
            while any(
                entry.record.state is State.DELIVERING or (entry.record.state in due and entry.due_at <= self.clock())
                for entry in self.store._entries.values()
            ):
                home.delivery.wake()
                await asyncio.sleep(0)

    async def _decide(self, home: House) -> None:
        for record in [record for record in home.records(State.HELD)]:  # noqa: C416
            result = await self._insist(lambda: home.review.release(record.id, None, person="dpo"))  # noqa: B023
            assert not isinstance(result, NotFound)

    async def _insist(self, operation: Any) -> Any:
        """Do as an administrator does: try again."""
        try:
            return await operation()
        except StoreError:
            return await operation()

    def _note_what_is_in_doubt(self, dispatches: list[Dispatch]) -> None:
        """Note whom the next server got mail for without anybody having noted it, and what no client heard 250 for.

        Held mail is never the latter: what comes again is merged.
        """
        noted = {
            _local(one.recipient.address.text)
            for entry in self.store._entries.values()
            for one in entry.record.recipients
            if one.outcome is OutcomeName.DELIVERED
        }
        settled = {key for key in MAIL if self.heard.get(key) == 250 and not self._is_stored(key)}
        known = noted.union(*(MAIL[key][1] for key in settled))
        got = {_local(address) for address in self.upstream.copies}
        sent = {name for dispatch in dispatches for name in _names(dispatch)} & got
        unheard = {name for key in MAIL if self.heard.get(key) != 250 and key != "held" for name in MAIL[key][1]}
        self.may_repeat |= (sent - known) | (unheard & (got | self._stored_names()))

    def _stored_names(self) -> set[str]:
        entries = self.store._entries.values()
        return {_local(one.recipient.address.text) for entry in entries for one in entry.record.recipients}

    def _is_stored(self, key: str) -> bool:
        return any(name.startswith(f"{key}-") for name in self.store._entries)

    def check(self) -> None:
        """Count what everybody got."""
        copies = {_local(address): number for address, number in self.upstream.copies.items()}
        reported = {
            _local(address)
            for entry in self.store._entries.values()
            if entry.record.is_notice
            for address in House.letter_of(entry).actions()
        }
        assert self.heard == dict.fromkeys(MAIL, 250)
        everybody = {name for _, names in MAIL.values() for name in names}
        assert everybody - set(copies) - reported == set(), "acknowledged, and missing"
        assert reported & everybody == REFUSED, "whoever gets no mail is reported, and nobody else"
        twice = {name for name in everybody if copies.get(name, 0) > 1}
        assert twice <= self.may_repeat, "sent twice, though it was known to be delivered"
        open_states = {State.QUEUED, State.RELEASED, State.DELIVERING, State.HELD}
        assert not [e.record for e in self.store._entries.values() if e.record.state in open_states]


def _local(address: str) -> str:
    return address.partition("@")[0]


def _names(dispatch: Dispatch) -> list[str]:
    return [_local(recipient.address.text) for recipient in dispatch.envelope.recipients]


def _mail(name: str) -> Submission:
    sender, people = MAIL[name]
    sender = f"{sender}@council.example"
    header = build.header(f"{sender}", sender=sender, more=f"X-Mail: {name}\r\n".encode())
    return build.submission(*(f"{one}@mail0.example" for one in people), sender=sender, raw=build.message(header))


SETTINGS = {
    "live": OPTIONS,
    "live, tempfail": TEMPFAIL,
    "queue": QUEUE,
    "upstream too slow": replace(OPTIONS, live_deadline_s=0),
    "upstream too slow, tempfail": replace(TEMPFAIL, live_deadline_s=0),
}


@pytest.fixture(params=SETTINGS.values(), ids=SETTINGS)
def options(request: pytest.FixtureRequest) -> RelayOptions:
    return replace(request.param, policy=POLICY)


async def test_without_any_trouble_everybody_gets_one_copy(options: RelayOptions) -> None:
    world = World(options)
    await world.live(Mortality(NEVER))
    world.check()
    assert world.may_repeat == set()


async def test_a_crash_after_any_step_loses_nothing(options: RelayOptions) -> None:
    steps = 0
    while True:
        steps += 1
        world = World(options)
        life = Mortality(steps)
        await world.live(life)
        if not life.is_dead:
            break
        await world.live(Mortality(NEVER))
        try:
            world.check()
        except AssertionError as error:
            raise AssertionError(f"after a crash at step {steps}: {error}") from error
    assert steps > 40


async def test_two_crashes_in_a_row_lose_nothing(options: RelayOptions) -> None:
    for first in range(5, 80, 7):
        for second in range(1, 40, 5):
            world = World(options)
            await world.live(Mortality(first))
            await world.live(Mortality(second))
            await world.live(Mortality(NEVER))
            world.check()


async def test_a_store_that_fails_once_at_any_step_loses_nothing(options: RelayOptions) -> None:
    steps = 0
    while True:
        steps += 1
        world = World(options)
        life = Mortality(steps, fails=True)
        await world.live(life)
        if not life.has_failed:
            break
        try:
            world.check()
        except AssertionError as error:
            raise AssertionError(f"after the store failed at step {steps}: {error}") from error
    assert steps > 20
