"""Connections kept, shared and given up; which server is tried first; how fast messages may follow each other."""

from __future__ import annotations

import asyncio

import pytest

from bcc_relay.core import replies
from bcc_relay.core.model import Deferred
from bcc_relay.forwarder.pace import Pace
from bcc_relay.forwarder.pool import MAX_REFUSALS
from tests.doors.forwarder.made import HASTY_S, Seen, dispatch, forwarding, kinds
from tests.doors.forwarder.scripted import Do, Scripted, running
from tests.doors.forwarder.test_transaction import hasty


async def test_messages_share_one_kept_connection() -> None:
    async with running() as server, forwarding(server.port) as forwarder:
        for _ in range(5):
            assert kinds((await forwarder.send(dispatch())).outcomes) == ["Delivered"]
        assert len(server.sessions) == 1
        assert len(server.mails) == 5


async def test_no_more_than_the_allowed_connections_are_open_and_all_mail_arrives() -> None:
    async with running() as server, forwarding(server.port, connections=3) as forwarder:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(forwarder.send(dispatch(f"r{n}@a.example"))) for n in range(40)]
        assert all(kinds(task.result().outcomes) == ["Delivered"] for task in tasks)
        assert len(server.sessions) <= 3
    assert len({mail.rcpts for mail in server.mails}) == len(server.mails) == 40


async def test_who_waits_longest_for_a_connection_gets_it_first() -> None:
    async with (
        running() as server,
        forwarding(server.port, connections=1) as forwarder,
        asyncio.TaskGroup() as group,
    ):
        for n in range(20):
            group.create_task(forwarder.send(dispatch(f"r{n:02}@a.example")))
    assert [mail.rcpts[0][9:12] for mail in server.mails] == [b"r%02d" % n for n in range(20)]


async def test_waiting_too_long_for_a_connection_defers_without_sending() -> None:
    async with (
        running({"MAIL": Do.SILENCE}) as server,
        forwarding(server.port, connections=1, **hasty(turn_s=HASTY_S)) as forwarder,
    ):
        async with asyncio.TaskGroup() as group:
            first = group.create_task(forwarder.send(dispatch()))
            await server.until(lambda: "MAIL" in server.verbs())
            second = await forwarder.send(dispatch())
            assert second.outcomes == (Deferred(replies.UPSTREAM_BUSY),)
            first.cancel()
        assert len(server.sessions) == 1


async def test_a_connection_is_left_politely_after_its_share_of_messages() -> None:
    async with running() as server, forwarding(server.port, messages_per_connection=2) as forwarder:
        for _ in range(4):
            await forwarder.send(dispatch())
        assert len(server.sessions) == 2
        await server.until(lambda: server.sessions[0].verbs().count("QUIT") == 1)


async def test_a_connection_with_many_refusals_is_left_before_the_server_slows_it_down() -> None:
    async with (
        running({"RCPT": lambda _, __: b"550 5.1.1 Unknown\r\n"}) as server,
        forwarding(server.port) as forwarder,
    ):
        for _ in range(MAX_REFUSALS + 1):
            await forwarder.send(dispatch())
        assert len(server.sessions) > 1
        assert all(session.verbs().count("RCPT") <= MAX_REFUSALS for session in server.sessions)
        await server.until(lambda: "QUIT" in server.sessions[0].verbs())


async def test_close_says_quit_on_idle_connections() -> None:
    async with running() as server:
        async with forwarding(server.port) as forwarder:
            await forwarder.send(dispatch())
        await server.until(lambda: server.verbs()[-1] == "QUIT")


async def test_close_does_not_wait_for_a_server_that_does_not_answer_quit() -> None:
    async with (
        running({"QUIT": Do.SILENCE}) as server,
        asyncio.timeout(3),
        forwarding(server.port, **hasty(quit_s=HASTY_S)) as forwarder,
    ):
        await forwarder.send(dispatch())


async def test_an_idle_connection_is_left_after_its_time_without_any_mail() -> None:
    async with running() as server, forwarding(server.port, idle_s=0.1) as forwarder:
        await forwarder.send(dispatch())
        await server.until(server.sessions[0].ended.is_set)
        assert server.verbs()[-1] == "QUIT"


@pytest.mark.parametrize("parting", [b"421 4.4.2 Idle for too long\r\n", b""])
async def test_an_idle_connection_that_the_server_ended_is_noticed_and_not_used(parting) -> None:
    writers: list[asyncio.StreamWriter] = []

    class Ending(Scripted):
        async def _serve(self, reader, writer) -> None:
            writers.append(writer)
            await super()._serve(reader, writer)

    server = Ending()
    await server.start()
    try:
        async with forwarding(server.port) as forwarder:
            await forwarder.send(dispatch())
            writers[0].write(parting)
            writers[0].close()
            # The forwarder's side has not run since: what the system holds must be enough to notice.
            sent = await forwarder.send(dispatch())
            assert kinds(sent.outcomes) == ["Delivered"]
        assert server.sessions[0].verbs().count("MAIL") == 1
    finally:
        await server.stop()


async def test_a_kept_connection_lost_before_mail_was_answered_gets_one_try_on_a_new_one() -> None:
    script = {"MAIL": [b"250 ok\r\n", Do.DROP, b"250 ok\r\n"]}
    async with running(script) as server, forwarding(server.port) as forwarder:
        await forwarder.send(dispatch("a@a.example"))
        sent = await forwarder.send(dispatch("b@a.example"))
        assert kinds(sent.outcomes) == ["Delivered"]
        assert len(server.sessions) == 2
    assert len(server.mails) == 2


async def test_that_second_try_is_the_last() -> None:
    script = {"MAIL": [b"250 ok\r\n", Do.DROP, Do.DROP, b"250 ok\r\n"]}
    async with running(script) as server, forwarding(server.port) as forwarder:
        await forwarder.send(dispatch())
        sent = await forwarder.send(dispatch())
    assert sent.outcomes == (Deferred(replies.CONNECTION_LOST, unreachable=True),)


async def test_a_new_connection_lost_at_mail_is_not_tried_again() -> None:
    async with running({"MAIL": Do.DROP}) as server, forwarding(server.port) as forwarder:
        sent = await forwarder.send(dispatch())
    assert sent.outcomes == (Deferred(replies.CONNECTION_LOST, unreachable=True),)
    assert len(server.sessions) == 1


async def test_a_kept_connection_lost_after_mail_was_answered_is_not_tried_again() -> None:
    script = {"RCPT": [b"250 ok\r\n", Do.DROP]}
    async with running(script, offers=()) as server, forwarding(server.port) as forwarder:
        await forwarder.send(dispatch())
        sent = await forwarder.send(dispatch())
    assert sent.outcomes == (Deferred(replies.CONNECTION_LOST),)
    assert len(server.sessions) == 1


async def test_the_preferred_server_is_used_again_once_its_back_off_is_over() -> None:
    now = [0.0]
    seen = Seen()
    async with running() as preferred, running() as other:
        await preferred.stop()
        async with forwarding(preferred.port, other.port, seen=seen, clock=lambda: now[0]) as forwarder:
            await forwarder.send(dispatch())
            now[0] = 4.9
            await preferred.start(preferred.port)
            await forwarder.send(dispatch())
            assert (len(preferred.mails), len(other.mails)) == (0, 2)
            now[0] = 5.1
            await forwarder.send(dispatch())
            assert (len(preferred.mails), len(other.mails)) == (1, 2)
            assert [(e.server, e.up) for e in seen.events] == [(0, False), (1, True), (0, True)]


async def test_coming_back_to_the_preferred_server_opens_no_connection_too_many() -> None:
    now = [0.0]
    async with running() as preferred, running() as other:
        await preferred.stop()
        async with forwarding(preferred.port, other.port, clock=lambda: now[0], connections=1) as forwarder:
            await forwarder.send(dispatch())
            await preferred.start(preferred.port)
            now[0] = 6
            await forwarder.send(dispatch())
            assert len(preferred.mails) == 1
            async with asyncio.timeout(2):
                await other.sessions[0].ended.wait()
        assert other.verbs()[-1] == "QUIT"


async def test_only_one_message_at_a_time_finds_out_whether_a_server_is_back() -> None:
    now = [0.0]
    async with running({"CONNECT": Do.SILENCE}) as silent, running() as other:
        async with forwarding(silent.port, other.port, clock=lambda: now[0], **hasty(greeting_s=HASTY_S)) as forwarder:
            await forwarder.send(dispatch())
            now[0] = 6
            async with asyncio.TaskGroup() as group:
                for _ in range(8):
                    group.create_task(forwarder.send(dispatch()))
        assert len(silent.sessions) == 2
        assert len(other.mails) == 9


async def test_back_off_doubles_up_to_a_minute_and_a_lone_server_is_tried_all_the_same() -> None:
    now = [0.0]
    seen = Seen()
    async with running() as down, running() as other:
        await down.stop()
        async with forwarding(down.port, other.port, seen=seen, clock=lambda: now[0], idle_s=1e9) as forwarder:
            tries = []
            while now[0] < 200:
                await forwarder.send(dispatch())
                if any(not event.up for event in seen.events):
                    tries.append(now[0])
                    seen.events.clear()
                now[0] += 1
            assert tries == [0, 5, 15, 35, 75, 135, 195]
        async with forwarding(down.port, seen=seen, clock=lambda: now[0]) as forwarder:
            for _ in range(3):
                await forwarder.send(dispatch())
            assert len(seen.events) >= 3
        await down.start()


async def test_at_most_the_allowed_number_starts_within_any_minute() -> None:
    now = [0.0]
    pace = Pace(3, lambda: now[0])
    started = []
    while now[0] < 300:
        if await pace.turn(0.0):
            started.append(now[0])
        now[0] += 0.5
    assert started[:4] == [0.0, 0.5, 1.0, 60.0]
    assert all(later - earlier >= 60 for earlier, later in zip(started, started[3:], strict=False))


async def test_a_turn_too_far_off_is_refused_at_once_and_takes_no_place() -> None:
    now = [0.0]
    pace = Pace(1, lambda: now[0])
    assert await pace.turn(10)
    assert not await pace.turn(10)
    now[0] = 60.0
    assert await pace.turn(0)


async def test_mail_beyond_the_pace_is_deferred_without_a_connection() -> None:
    async with running() as server, forwarding(server.port, messages_per_minute=2, **hasty(turn_s=0)) as forwarder:
        outcomes = [kinds((await forwarder.send(dispatch())).outcomes)[0] for _ in range(3)]
        assert outcomes == ["Delivered", "Delivered", "Deferred"]
        assert len(server.mails) == 2


async def test_a_send_after_close_leaves_no_connection_open() -> None:
    async with running() as server:
        async with forwarding(server.port) as forwarder:
            await forwarder.close()
            assert kinds((await forwarder.send(dispatch())).outcomes) == ["Delivered"]
        await server.until(server.sessions[0].ended.is_set)
