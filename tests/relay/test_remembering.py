"""What the relay learns from mail that went out, and what that changes for the next message."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from bcc_relay.core import replies
from bcc_relay.core.errors import ReadersBusyError, ReadingFailedError, StoreError
from bcc_relay.core.events import Decided, Failed
from bcc_relay.core.history import NO_HISTORY, Ask, Circle, History
from bcc_relay.core.model import Channel, Form, Message, Submission
from bcc_relay.core.policy.rule import Action, Policy, Range, Rule, When, Window
from bcc_relay.core.record import State
from bcc_relay.relay.review import Done, Refused
from tests import build
from tests.fakes_upstream import all_are, deferred
from tests.relay.house import CLERK, FAMILIES, FIRMS, MONITOR, OPTIONS, QUEUE, House, house

if TYPE_CHECKING:
    from datetime import datetime

    from bcc_relay.core.contents.found import Contents

NINE = FAMILIES[:9]
PEOPLE = tuple(f"person{n}@firm{n}.example" for n in range(40))


def mail(
    *shown: str,
    id: str,
    to: tuple[str, ...] = (),
    answers: str = "",
    subject: str = "Term dates",
    body: bytes = b"Hello\r\n",
    at: datetime = build.NOW,
) -> Submission:
    """A message from the clerk that shows these people and goes to them (or to `to`), with its own Message-ID."""
    lines = [
        f"From: Clerk <{CLERK}>",
        *([f"To: {', '.join(shown)}"] if shown else []),
        f"Subject: {subject}",
        f"Message-ID: <{id}@council.example>",
        *([f"In-Reply-To: <{answers}@council.example>"] if answers else []),
    ]
    header = "".join(f"{line}\r\n" for line in lines).encode()
    given = build.submission(*(to or shown), id=id, raw=build.message(header, body))
    return replace(given, received_at=at)


def rule_of(home: House, id: str) -> str:
    return next(event.rule for event in home.of(Decided) if event.message_id == id)


async def settled(home: House) -> None:
    """Wait for what goes on behind the answers."""
    await home.under_way.finish(5.0)


# --- known threads ---------------------------------------------------------------------------------------------------


async def released_as_it_is(home: House, id: str) -> None:
    await home.review.release(id, Form.AS_IS, person="anna", reason="One committee")
    assert isinstance(await home.review.release(id, Form.AS_IS, person="ben", reason="One committee"), Done)
    await home.deliver()
    await settled(home)


async def test_a_reply_among_people_who_saw_each_other_in_the_thread_passes() -> None:
    async with house() as home:
        assert await home.take(mail(*FIRMS, id="m1")) == replies.held("m1")
        await released_as_it_is(home, "m1")
        await home.take(mail(*FIRMS, id="m2", answers="m1"))
        assert rule_of(home, "m2") == "known-thread"
        assert home.records(State.HELD) == []


async def test_a_thread_that_was_never_delivered_is_not_known() -> None:
    async with house() as home:
        await home.take(mail(*FIRMS, id="m1"))
        await home.take(mail(*FIRMS, id="m2", answers="m1"))
        assert rule_of(home, "m2") == "correction"
        assert len(home.records(State.HELD)) == 2


async def test_a_reply_that_shows_somebody_new_is_no_known_thread() -> None:
    async with house() as home:
        await home.take(mail(*FIRMS, id="m1"))
        await released_as_it_is(home, "m1")
        await home.take(mail(*FIRMS, "new@firm99.example", id="m2", answers="m1"))
        assert rule_of(home, "m2") == "large-circle"


async def test_a_hidden_newcomer_would_read_the_others_so_the_thread_is_not_known() -> None:
    async with house() as home:
        await home.take(mail(*FIRMS, id="m1"))
        await released_as_it_is(home, "m1")
        await home.take(mail(*FIRMS, id="m2", answers="m1", to=(*FIRMS, "new@firm99.example")))
        assert rule_of(home, "m2") == "large-circle"


async def test_a_rewritten_message_teaches_nothing_because_nobody_saw_anybody() -> None:
    async with house() as home:
        await home.take(mail(*FAMILIES, id="m1"))
        await settled(home)
        home.clock.forward(timedelta(days=8))
        await home.take(mail(*FAMILIES, id="m2", answers="m1", at=home.clock()))
        assert rule_of(home, "m2") == "families"


async def test_nothing_is_learned_in_monitor_mode() -> None:
    async with house(MONITOR) as home:
        await home.take(mail(*NINE, id="m1"))
        await settled(home)
        home.current.options = OPTIONS
        home.clock.forward(timedelta(days=8))
        await home.take(mail(*NINE, id="m2", answers="m1", at=home.clock()))
        assert rule_of(home, "m2") == "everything-else"


async def test_what_was_queued_is_learned_once_it_is_delivered_and_not_before() -> None:
    async with house(QUEUE) as home:
        home.upstream.script.append(all_are(deferred))
        await home.take(mail(*NINE, id="m1"))
        await home.deliver()
        await settled(home)
        await home.take(mail(*NINE, id="m2", answers="m1"))
        assert rule_of(home, "m2") == "everything-else"
        home.clock.forward(timedelta(hours=1))
        await home.deliver()
        await settled(home)
        await home.take(mail(*NINE, id="m3", answers="m1"))
        assert rule_of(home, "m3") == "known-thread"


# --- corrections -----------------------------------------------------------------------------------------------------


async def test_the_apology_to_a_circle_that_was_stopped_meets_the_same_verdict() -> None:
    async with house() as home:
        await home.take(mail(*FAMILIES, id="m1"))
        await home.take(mail(*NINE, id="m2", subject="Sorry for my message"))
        assert rule_of(home, "m2") == "correction"
        assert b"family" not in home.upstream.last


async def test_in_monitor_mode_a_circle_that_would_have_been_stopped_is_remembered_as_such() -> None:
    async with house(MONITOR) as home:
        await home.take(mail(*FAMILIES, id="m1"))
        await home.take(mail(*NINE, id="m2", subject="Sorry"))
        assert rule_of(home, "m2") == "correction"
        assert b"family" in home.upstream.last


async def test_after_a_week_the_guard_is_over() -> None:
    async with house() as home:
        await home.take(mail(*FAMILIES, id="m1"))
        home.clock.forward(timedelta(days=7, seconds=1))
        await home.take(mail(*NINE, id="m2", subject="Something else", at=home.clock()))
        assert rule_of(home, "m2") == "everything-else"


async def test_parts_of_one_message_that_a_client_split_are_no_corrections_of_each_other() -> None:
    async with house() as home:
        whole = mail(*FAMILIES, id="m1")
        parts = [
            replace(whole, id=f"m{n}", envelope=build.envelope(*FAMILIES[at : at + 6])) for n, at in ((1, 0), (2, 6))
        ]
        for part in parts:
            await home.take(part)
        assert [rule_of(home, part.id) for part in parts] == ["families", "families"]


# --- in pieces, windows, usual Bcc -----------------------------------------------------------------------------------


async def test_a_list_sent_in_pieces_is_held_when_it_adds_up() -> None:
    async with house() as home:
        for n in range(4):
            await home.take(mail(*PEOPLE[n * 9 : n * 9 + 9], id=f"m{n}"))
        assert [rule_of(home, f"m{n}") for n in range(4)] == [*["everything-else"] * 3, "in-pieces"]


async def test_a_mail_merge_discloses_nobody_and_is_no_list_in_pieces() -> None:
    async with house() as home:
        for n, person in enumerate(PEOPLE):
            await home.take(mail(person, id=f"m{n}"))
        assert {event.rule for event in home.of(Decided)} == {"everything-else"}


async def test_a_rule_may_ask_how_many_were_shown_within_a_time() -> None:
    hour = timedelta(hours=1)
    busy = Rule("busy", When(window_outsiders=Window(Range(at_least=15), hour)), Action.HOLD)
    async with house(replace(OPTIONS, policy=Policy((busy,)))) as home:
        await home.take(mail(*PEOPLE[:9], id="m1", subject="Budget"))
        await home.take(mail(*PEOPLE[9:18], id="m2", subject="Holidays"))
        home.clock.forward(2 * hour)
        await home.take(mail(*PEOPLE[18:27], id="m3", subject="Parking", at=home.clock()))
        assert [rule_of(home, f"m{n}") for n in (1, 2, 3)] == ["everything-else", "busy", "everything-else"]


async def test_people_whom_the_sender_reaches_by_bcc_are_hidden_when_she_forgets_it() -> None:
    async with house() as home:
        people = PEOPLE[:12]
        await home.take(mail(CLERK, id="m1", to=people))
        await settled(home)
        await home.take(mail(*people, id="m2", subject="Summer fair"))
        assert rule_of(home, "m2") == "usual-bcc"
        assert b"person" not in home.upstream.last


# --- when something fails --------------------------------------------------------------------------------------------


class Unanswering:
    """A memory that is down."""

    async def consider(self, circle: Circle, ask: Ask) -> History:
        raise StoreError("the database is gone")

    async def decided(self, message_id: str, verdict: str, rule: str) -> None:
        raise StoreError("the database is gone")

    async def learn(self, message_id: str) -> None:
        raise StoreError("the database is gone")

    async def erase_memory(self, before: object) -> int:
        raise StoreError("the database is gone")


class Forgetful(Unanswering):
    """A memory that answers and cannot learn."""

    async def consider(self, circle: Circle, ask: Ask) -> History:
        return NO_HISTORY


async def test_a_memory_that_does_not_answer_means_try_again_later_and_nothing_is_sent() -> None:
    async with house(memory=Unanswering()) as home:
        assert (await home.take(mail(*NINE, id="m1"))).code == 451
        assert home.upstream.dispatches == []


async def test_a_message_that_asks_the_memory_nothing_does_not_depend_on_it() -> None:
    async with house(memory=Unanswering()) as home:
        assert (await home.take(mail(NINE[0], id="m1"))).code == 250


async def test_a_memory_that_cannot_learn_harms_no_mail() -> None:
    async with house(memory=Forgetful()) as home:
        assert (await home.take(mail(*NINE, id="m1"))).code == 250
        await settled(home)
        assert [event.where for event in home.of(Failed)] == ["memory"]


async def test_a_body_that_cannot_be_looked_into_for_an_unforeseen_reason_holds_the_message() -> None:
    async def broken(message: Message, names: frozenset[str]) -> Contents:
        raise RuntimeError("a fault of ours")

    async with house(look=broken) as home:
        assert await home.take(mail(NINE[0], id="m1")) == replies.held("m1")
        assert home.upstream.dispatches == []


async def test_when_no_reader_is_free_the_client_tries_again() -> None:
    async def busy(message: Message, names: frozenset[str]) -> Contents:
        raise ReadersBusyError("no reader became free in time")

    async with house(look=busy) as home:
        assert (await home.take(mail(NINE[0], id="m1"))).code == 451
        assert home.upstream.dispatches == []
        assert home.records() == []


async def test_nothing_is_released_as_bcc_while_its_body_cannot_be_looked_into() -> None:
    async with house() as home:
        await home.take(mail(*FIRMS, id="m1"))

        async def fails(message: Message, names: frozenset[str]) -> Contents:
            raise ReadingFailedError("a reader failed")

        home.judging._look = fails
        assert isinstance(await home.review.release("m1", None, person="anna"), Refused)
        assert len(home.records(State.HELD)) == 1


# --- what the body shows, and releases -------------------------------------------------------------------------------


async def test_a_list_in_the_body_is_held_and_cannot_be_released_as_bcc() -> None:
    async with house() as home:
        pasted = "\r\n".join(FAMILIES).encode() + b"\r\n"
        assert await home.take(mail(CLERK, id="m1", to=FAMILIES, body=pasted)) == replies.held("m1")
        (record,) = home.records(State.HELD)
        assert record.judgement.rule == "beyond-rewriting"
        assert [(one.channel, one.addresses) for one in record.judgement.findings][:1] == [(Channel.BODY, 12)]
        assert isinstance(await home.review.release("m1", None, person="anna"), Refused)
        assert home.records(State.HELD) == [record]
