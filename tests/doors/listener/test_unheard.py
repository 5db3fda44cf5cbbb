"""Clients that never hear what became of their mail: the relay is told, so that the same mail is not sent twice."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from bcc_relay.core import replies
from bcc_relay.core.events import Answered, Failed
from bcc_relay.core.model import Reply
from bcc_relay.listener.options import Timeouts
from tests.doors.listener.script import Client, Taker, house

if TYPE_CHECKING:
    import ssl

    from bcc_relay.core.model import Submission

MESSAGE = b"From: clerk@council.example\r\n\r\nHello\r\n.\r\n"
TAKEN = Reply(250, "2.0.0 Taken")


@dataclass
class SlowTaker(Taker):
    """Answers when it is let."""

    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.answers = self._when_let

    async def _when_let(self, _: Submission) -> Reply:
        await self.may_answer.wait()
        return TAKEN


async def sends(client: Client, intake: SlowTaker) -> None:
    """Send a message up to its final dot."""
    await client.envelope()
    await client.say("DATA", "354")
    await client.send(MESSAGE)
    await intake.arrived.wait()


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_a_client_that_disconnects_during_the_wait_is_recorded(
    secure: bool, tls: dict[str, ssl.SSLContext]
) -> None:
    intake = SlowTaker()
    options = {"tls": "implicit", "auth": "none", **tls} if secure else {}
    async with house(intake=intake, **options) as home:
        client = await home.connect(tls=secure)
        await client.greet()
        await sends(client, intake)
        client.writer.transport.abort()
        intake.may_answer.set()
        await home.until(lambda: bool(intake.unheard_answers))
        assert intake.unheard_answers == [("id1", TAKEN)]
        assert [event.client_gone for event in home.of(Answered)] == [True]


async def test_a_client_that_hears_the_answer_is_not_recorded_even_if_it_has_said_its_last() -> None:
    intake = SlowTaker()
    async with house(intake=intake) as home:
        for half_closes in (False, True):
            client = await home.greeted()
            intake.arrived.clear()
            await sends(client, intake)
            if half_closes:
                client.writer.write_eof()
            intake.may_answer.set()
            assert (await client.hear()) == "250 2.0.0 Taken"
            await client.close()
        await home.until(lambda: home.listener.open_dialogs == 0)
        assert [event.client_gone for event in home.of(Answered)] == [False, False]
    assert intake.unheard_answers == []


async def test_a_client_that_was_told_to_try_again_did_not_hear_what_came_of_it_later() -> None:
    intake = SlowTaker()
    async with house(intake=intake, timeouts=Timeouts(answer_s=0.01)) as home:
        client = await home.greeted()
        await sends(client, intake)
        assert (await client.hear()).startswith("451 4.4.2")
        assert intake.unheard_answers == []
        intake.may_answer.set()
        await home.until(lambda: bool(intake.unheard_answers))
        assert intake.unheard_answers == [("id1", TAKEN)]
        assert [event.code for event in home.of(Answered)] == [replies.NO_ANSWER.code]


async def test_a_dialog_that_is_cut_when_the_listener_closes_is_recorded_before_closing_is_done() -> None:
    intake = SlowTaker()
    async with house(intake=intake) as home:
        client = await home.greeted()
        await sends(client, intake)
        closing = asyncio.get_running_loop().create_task(home.listener.close())
        assert await client.ends() == b""
        intake.may_answer.set()
        await closing
        assert intake.unheard_answers == [("id1", TAKEN)]


async def test_a_relay_that_fails_at_this_harms_nobody() -> None:
    class Failing(SlowTaker):
        async def unheard(self, submission: Submission, reply: Reply) -> None:
            raise RuntimeError("a fault of ours")

    intake = Failing()
    async with house(intake=intake) as home:
        client = await home.greeted()
        await sends(client, intake)
        await client.close()
        intake.may_answer.set()
        await home.until(lambda: bool(home.of(Failed)))
        other = await home.greeted()
        await other.envelope()
        await other.data(MESSAGE, "250 2.0.0 Taken")
