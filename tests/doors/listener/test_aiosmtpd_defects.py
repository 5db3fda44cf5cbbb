"""Known defects of aiosmtpd 1.4.6, one or more tests each, named for the defect: none may come back through the base."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import tracemalloc

import pytest
from aiosmtpd.smtp import SMTP

from bcc_relay.core.events import Answered, Failed, SmtpRefused
from bcc_relay.core.model import Reply, Submission
from bcc_relay.listener.limits import Connections
from bcc_relay.listener.options import Timeouts
from tests.doors.listener.script import BAD_LOGIN, GOOD_LOGIN, Client, Taker, house, plain

MESSAGE = b"Subject: Term dates\r\n\r\nHello\r\n"


# --- 1: encoded-words and other liberties in envelope addresses -------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "<=?utf-8?q?a=0d=0aRCPT=20TO:=3cv=40w.test=3e?=@x.test>",
        "<u@=?utf-8?q?evil.test=0d=0a?=>",
        "<=?utf-8?q?evil=40attacker.test?=@x.test>",
        "<=?utf-8?b?ZXZpbEBhdHRhY2tlci50ZXN0?=@x.test>",
    ],
)
@pytest.mark.parametrize("smtputf8", ["", " SMTPUTF8"])
async def test_defect_01_encoded_word_in_an_envelope_address_is_refused(path: str, smtputf8: str) -> None:
    async with house() as home:
        client = await home.greeted()
        await client.say(f"MAIL FROM:{path}{smtputf8}", "553 5.1.3")
        await client.say(f"MAIL FROM:<clerk@council.example>{smtputf8}", "250")
        await client.say(f"RCPT TO:{path}", "553 5.1.3")
        await client.say("DATA", "503")


@pytest.mark.parametrize(
    "path",
    [
        b"<u@x.test",
        b"u@x.test",
        b"u@x.test>",
        b"<u(comment)@x.test>",
        b"<u@x.test(comment)>",
        b"< u@x.test >",
        b"<u @x.test>",
        b"<.u@x.test>",
        b"<u.@x.test>",
        b"<u..v@x.test>",
        b"<u\0v@x.test>",
        b"<u\x0bv@x.test>",
        b"<u\tv@x.test>",
        b"<u\r@x.test>",
        b"<@a.test,@b.test:u@x.test>",
        b"<u@x.test>junk",
        b"<u>",
        b"<@x.test>",
        b"<u@>",
        b"<u@x@y.test>",
        b"<u@-x.test>",
        b"<u@x_y.test>",
        b"<\xe9@x.test>",
        b"Clerk <u@x.test>",
    ],
)
async def test_defect_01_what_is_no_mailbox_is_refused(path: bytes) -> None:
    async with house() as home:
        client = await home.greeted()
        reply = await client.say(b"MAIL FROM:" + path)
        assert reply[:3] in ("500", "501", "553"), reply
        await client.say("MAIL FROM:<clerk@council.example>", "250")
        reply = await client.say(b"RCPT TO:" + path)
        assert reply[:3] in ("500", "501", "553"), reply
        await client.say("DATA", "503")


# --- 2, 3: memory and patience in DATA --------------------------------------------------------------------------------


async def flood(client: Client, octets: bytes, times: int) -> None:
    """Send until done, or until the server has had enough."""
    try:
        for _ in range(times):
            await client.send(octets)
    except OSError:
        pass


async def test_defect_02_data_without_a_line_end_takes_no_memory_above_the_limit() -> None:
    async with house(message_bytes=1_000_000) as home:
        client = await home.greeted()
        await client.envelope()
        await client.say("DATA", "354")
        tracemalloc.start()
        try:
            await flood(client, b"x" * 65536, 400)
            assert tracemalloc.get_traced_memory()[1] < 6_000_000
        finally:
            tracemalloc.stop()
        await home.until(lambda: home.connections.open == 0)
        assert home.intake.taken == []
        assert [event.reason for event in home.of(SmtpRefused)] == ["size"]


async def test_defect_03_data_far_above_the_limit_is_not_read_to_its_end() -> None:
    async with house(message_bytes=100_000) as home:
        client = await home.greeted()
        await client.envelope()
        await client.say("DATA", "354")
        await client.send((b"x" * 98 + b"\r\n") * 2500)
        assert (await client.hear()).startswith("552 5.3.4")
        assert await client.ends() == b""


async def test_defect_03_data_a_little_above_the_limit_is_answered_and_the_dialog_goes_on() -> None:
    async with house(message_bytes=100_000) as home:
        client = await home.greeted()
        await client.envelope()
        await client.data((b"x" * 98 + b"\r\n") * 1100 + b".\r\n", "552 5.3.4")
        await client.envelope()
        await client.data((b"x" * 98 + b"\r\n") * 1000 + b".\r\n", "250")
        await client.say("MAIL FROM:<clerk@council.example> SIZE=100001", "552 5.3.4")
        await client.say("MAIL FROM:<clerk@council.example> SIZE=100000", "250")


# --- 4: one table of line lengths for all connections -----------------------------------------------------------------


async def test_defect_04_line_limits_are_not_changed_by_other_connections() -> None:
    async with house() as home:
        client = await home.greeted()
        long_mail = "MAIL FROM:<clerk@council.example> ENVID=" + "x" * 100 + " AUTH=" + "y" * 480
        before = dict(SMTP.command_size_limits)
        await client.say(long_mail, "250")
        for _ in range(5):
            other = await home.connect()
            await other.greet()
            await other.say("EHLO again.example", "250")
        await client.say("RSET", "250")
        await client.say(long_mail, "250")
        await client.say("RSET", "250")
        for _ in range(30):
            await client.say("EHLO client.example", "250")
        await client.say("MAIL FROM:<clerk@council.example> AUTH=" + "y" * 1200, "500 5.5.2")
        await client.say("NOOP " + "x" * 510, "500 5.5.2")
        assert dict(SMTP.command_size_limits) == before


async def test_defect_04_long_rcpt_with_dsn_parameters_is_taken() -> None:
    async with house() as home:
        client = await home.greeted()
        await client.say("MAIL FROM:<clerk@council.example>", "250")
        orcpt = "rfc822;" + "x" * 490
        await client.say(f"RCPT TO:<family@mail.example> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT={orcpt}", "250")


async def test_a_command_line_without_end_takes_no_memory() -> None:
    async with house() as home:
        client = await home.greeted()
        await client.send(b"NOOP ")
        for _ in range(50):
            await client.send(b"x" * 65536)
        assert (await client.say("", "500 5.5.2")) != ""
        await client.say("NOOP", "250")


# --- 5: AUTH ----------------------------------------------------------------------------------------------------------


async def test_defect_05_long_tokens_are_taken_inline_and_as_continuation() -> None:
    secret = "s" * 9100
    seen: list[str] = []

    async def long_password(name: str, password: str) -> None:
        seen.append(password)

    async with house(auth="required", authenticate=long_password) as home:
        client = await home.greeted()
        token = plain("clerk", secret)
        assert 11_900 < len(token) < 12_288
        await client.say("AUTH PLAIN " + token, "535 5.7.8")
        await client.say("AUTH PLAIN", "334")
        await client.say(token, "535 5.7.8")
        assert seen == [secret, secret]


async def test_defect_05_auth_inside_a_transaction_is_refused() -> None:
    async with house(auth="optional") as home:
        client = await home.greeted()
        await client.says(
            ("MAIL FROM:<clerk@council.example>", "250"),
            (GOOD_LOGIN, "503 5.5.1"),
            ("RSET", "250"),
            (GOOD_LOGIN, "235 2.7.0"),
        )


async def test_defect_05_failed_logins_are_slowed_down_and_stopped() -> None:
    async with house(auth="required") as home:
        client = await home.greeted()
        heard = [await client.say(BAD_LOGIN) for _ in range(6)]
        assert [reply[:9] for reply in heard] == ["535 5.7.8"] * 5 + ["454 4.7.0"]
        assert home.pauses == [1.0, 2.0, 4.0, 8.0, 8.0]


async def test_defect_05_checking_a_password_does_not_hold_up_others() -> None:
    asked = asyncio.Event()
    answer = asyncio.Event()

    async def slow(name: str, password: str) -> None:
        asked.set()
        await answer.wait()

    async with house(auth="required", authenticate=slow) as home:
        client, other = await home.greeted(), await home.greeted()
        await client.send(GOOD_LOGIN.encode() + b"\r\n")
        await asked.wait()
        await other.say("NOOP", "250")
        answer.set()
        assert (await client.hear()).startswith("535")


async def test_defect_05_a_login_is_remembered_and_another_identity_refused() -> None:
    async with house(auth="required") as home:
        client = await home.greeted()
        await client.say(
            "AUTH PLAIN " + plain("clerk@council.example", "correct horse", "mayor@council.example"), "535"
        )
        await client.say("AUTH PLAIN =", "501 5.5.2")
        await client.say(GOOD_LOGIN, "235 2.7.0")
        await client.say("MAIL FROM:<clerk@council.example>", "250")


# --- 6: exceptions ----------------------------------------------------------------------------------------------------


async def test_defect_06_an_internal_error_is_temporary_and_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No such file\r\n250 2.0.0 accepted", "/var/spool/secret/key")

    monkeypatch.setattr("bcc_relay.listener.data.split_message", broken)
    async with house() as home:
        client = await home.greeted()
        await client.envelope()
        heard = await client.data(MESSAGE + b".\r\n", "451 4.3.0")
        assert "secret" not in heard
        assert "accepted" not in heard
        failed = home.of(Failed)[0]
        assert failed.reference in heard
        assert "FileNotFoundError" in failed.detail
        await client.say("NOOP", "250")
        await client.say("MAIL FROM:<clerk@council.example>", "250 2.1.0")


async def test_defect_06_a_reply_beyond_ascii_does_not_hang_the_client() -> None:
    async with house(intake=Taker(Reply(550, "5.7.1 Zu viele Empfänger – bitte Bcc"))) as home:
        client = await home.greeted()
        await client.envelope()
        assert (await client.data(MESSAGE + b".\r\n", "550 5.7.1")) == "550 5.7.1 Zu viele Empfanger ? bitte Bcc"
        await client.says(("MAIL FROM:<clerk@council.example> SMTPUTF8", "250"), ("RCPT TO:<a@mail.example>", "250"))
        assert "Empfänger" in await client.data(MESSAGE + b".\r\n", "550 5.7.1")


# --- 7, 8: what the client said is neither repeated nor logged --------------------------------------------------------


async def test_defect_07_vrfy_and_help_do_not_echo() -> None:
    async with house() as home:
        client = await home.greeted()
        assert "family" not in await client.say("VRFY <family@mail.example", "252")
        assert "MAIL" not in await client.say("HELP MAIL", "214")


async def test_defect_08_neither_data_nor_addresses_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="mail.log")
    caplog.set_level(logging.DEBUG)
    async with house(auth="optional") as home:
        client = await home.greeted()
        await client.say(GOOD_LOGIN, "235")
        await client.envelope("family@mail.example")
        await client.data(b"Subject: private\r\n\r\nvery private\r\n.\r\n")
    for word in ("private", "family", "clerk", "AUTH", "correct horse", GOOD_LOGIN.split()[-1]):
        assert word not in caplog.text


# --- 9: X-RcptTo ------------------------------------------------------------------------------------------------------


async def test_defect_09_no_header_field_is_added() -> None:
    async with house() as home:
        client = await home.greeted()
        await client.envelope("one@mail.example", "two@mail.example")
        await client.data(MESSAGE + b".\r\n")
        assert home.intake.content == MESSAGE


# --- 10: the client that goes away ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["half_close", "close", "reset"])
async def test_defect_10_a_client_that_goes_away_after_the_dot_stops_nothing(how: str) -> None:
    may_answer = asyncio.Event()

    async def answers(submission: Submission) -> Reply:
        await may_answer.wait()
        return Reply(250, "2.0.0 Taken")

    async with house(intake=Taker(answers=answers)) as home:
        client = await home.greeted()
        await client.envelope()
        await client.say("DATA", "354")
        await client.send(MESSAGE + b".\r\n")
        await home.intake.arrived.wait()
        if how == "half_close":
            client.writer.write_eof()
        elif how == "close":
            await client.close()
        else:
            sock = client.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.writer.transport.abort()
        if how != "half_close":
            await home.until(lambda: home.listener.open_dialogs == 0 or how == "close")
        may_answer.set()
        async with asyncio.timeout(5):
            await home.intake.finished.wait()
        if how == "half_close":
            assert (await client.hear()) == "250 2.0.0 Taken"
            assert await client.ends() == b""
        await home.until(lambda: bool(home.of(Answered)))
        assert home.of(Answered)[0].client_gone is (how != "half_close")
        assert home.intake.content == MESSAGE


async def test_defect_10_the_dot_and_the_half_close_in_one_packet() -> None:
    async with house() as home:
        client = await home.greeted()
        await client.envelope()
        await client.say("DATA", "354")
        client.writer.write(MESSAGE + b".\r\nQUIT\r\n")
        client.writer.write_eof()
        assert (await client.hear()).startswith("250 2.0.0 Taken")
        assert (await client.hear()).startswith("221")
        assert await client.ends() == b""


async def test_defect_10_over_tls_too_the_answer_comes_after_the_clients_close_notify(
    tls: dict[str, ssl.SSLContext],
) -> None:
    may_answer = asyncio.Event()

    async def answers(submission: Submission) -> Reply:
        await may_answer.wait()
        return Reply(250, "2.0.0 Taken")

    async with house(intake=Taker(answers=answers), tls="implicit", **tls) as home:
        client = TlsByHand(tls["client_tls"], await home.connect())
        await client.handshake()
        for line in (b"EHLO c.example", b"MAIL FROM:<clerk@council.example>", b"RCPT TO:<a@mail.example>", b"DATA"):
            await client.read_until(b"\r\n")
            await client.write(line + b"\r\n")
        await client.read_until(b"354")
        await client.write(MESSAGE + b".\r\n")
        await home.intake.arrived.wait()
        await client.close_notify()
        may_answer.set()
        await client.read_until(b"250 2.0.0 Taken\r\n")


class TlsByHand:
    """A TLS client that can close its side and go on reading, which asyncio's cannot."""

    def __init__(self, context: ssl.SSLContext, raw: Client) -> None:
        self.raw = raw
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.heard = b""

    async def _exchange(self) -> None:
        if self.outgoing.pending:
            await self.raw.send(self.outgoing.read())
        async with asyncio.timeout(5):
            octets = await self.raw.reader.read(65536)
        assert octets, "the connection ended"
        self.incoming.write(octets)

    async def handshake(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._exchange()
            else:
                await self.raw.send(self.outgoing.read())
                return

    async def write(self, octets: bytes) -> None:
        self.tls.write(octets)
        await self.raw.send(self.outgoing.read())

    async def close_notify(self) -> None:
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.unwrap()
        await self.raw.send(self.outgoing.read())
        self.raw.writer.write_eof()

    async def read_until(self, end: bytes) -> None:
        while end not in self.heard:
            try:
                self.heard += self.tls.read(65536)
            except ssl.SSLWantReadError:
                await self._exchange()
        self.heard = b""


async def test_an_unfinished_message_is_dropped_when_the_client_goes_away() -> None:
    async with house() as home:
        client = await home.greeted()
        await client.envelope()
        await client.say("DATA", "354")
        await client.send(MESSAGE + b".\r")
        client.writer.write_eof()
        assert await client.ends() == b""
        assert home.intake.taken == []


# --- 11: timers -------------------------------------------------------------------------------------------------------


async def test_defect_11_the_relay_may_take_longer_than_the_idle_timer() -> None:
    may_answer = asyncio.Event()

    async def answers(submission: Submission) -> Reply:
        await may_answer.wait()
        return Reply(250, "2.0.0 Taken")

    times = Timeouts(command_s=0.1, chunk_s=0.1)
    async with house(intake=Taker(answers=answers), timeouts=times) as home:
        client = await home.greeted()
        await client.envelope()
        await client.say("DATA", "354")
        await client.send(MESSAGE + b".\r\n")
        loop = asyncio.get_running_loop()
        passed = asyncio.Event()
        loop.call_later(0.4, passed.set)
        await passed.wait()
        may_answer.set()
        assert (await client.hear()).startswith("250 2.0.0 Taken")


async def test_defect_11_a_slow_but_steady_upload_is_not_cut() -> None:
    async with house(timeouts=Timeouts(command_s=0.15, chunk_s=0.15)) as home:
        client = await home.greeted()
        await client.envelope()
        await client.say("DATA", "354")
        loop = asyncio.get_running_loop()
        for number in range(12):
            await client.send(b"%d\r\n" % number)
            step = asyncio.Event()
            loop.call_later(0.04, step.set)
            await step.wait()
        await client.send(b".\r\n")
        assert (await client.hear()).startswith("250")


async def test_defect_11_an_idle_client_hears_421() -> None:
    async with house(timeouts=Timeouts(command_s=0.05)) as home:
        client = await home.greeted()
        assert (await client.hear()).startswith("421 4.4.2")
        assert await client.ends() == b""
        assert home.of(SmtpRefused)[0].reason == "timeout"


async def test_defect_11_a_client_that_stops_within_its_data_hears_421() -> None:
    async with house(timeouts=Timeouts(chunk_s=0.05)) as home:
        client = await home.greeted()
        await client.envelope()
        await client.say("DATA", "354")
        await client.send(MESSAGE)
        assert (await client.hear()).startswith("421 4.4.2")
        assert home.intake.taken == []


async def test_defect_11_no_answer_from_the_relay_is_a_temporary_failure() -> None:
    may_answer = asyncio.Event()

    async def answers(submission: Submission) -> Reply:
        await may_answer.wait()
        return Reply(250, "2.0.0 Taken")

    async with house(intake=Taker(answers=answers), timeouts=Timeouts(answer_s=0.05)) as home:
        client = await home.greeted()
        await client.envelope()
        await client.data(MESSAGE + b".\r\n", "451 4.4.2")
        may_answer.set()
        async with asyncio.timeout(5):
            await home.intake.finished.wait()


# --- 12, 13: long lines, memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [998, 999, 1000, 1001, 2048, 65536, 300_000])
async def test_defect_12_long_lines_are_taken(length: int) -> None:
    async with house() as home:
        client = await home.greeted()
        await client.envelope()
        message = b"Subject: long\r\n\r\n" + b"x" * length + b"\r\n"
        await client.data(message + b".\r\n")
        assert home.intake.content == message


async def test_defect_13_a_large_message_is_not_held_in_memory() -> None:
    message = b"Subject: large\r\n\r\n" + (b"y" * 76 + b"\r\n") * 150_000
    pieces = [message[at : at + 65536] for at in range(0, len(message), 65536)]
    async with house() as home:
        client = await home.greeted()
        await client.envelope()
        await client.say("DATA", "354")
        tracemalloc.start()
        try:
            for piece in pieces:
                await client.send(piece)
            await client.send(b".\r\n")
            assert (await client.hear()).startswith("250")
            assert tracemalloc.get_traced_memory()[1] < 4_000_000
        finally:
            tracemalloc.stop()
        assert home.intake.content == message


# --- 14: limits -------------------------------------------------------------------------------------------------------


async def test_defect_14_connections_are_limited() -> None:
    async with house(connections=Connections(2, 10)) as home:
        first, _ = await home.greeted(), await home.greeted()
        third = await home.connect()
        assert (await third.hear()).startswith("421 4.7.0")
        assert await third.ends() == b""
        await first.say("QUIT", "221")
        await first.ends()
        await home.until(lambda: home.connections.open == 1)
        await (await home.connect()).greet()


async def test_defect_14_connections_of_one_client_are_limited() -> None:
    async with house(connections=Connections(10, 1), host="0.0.0.0") as home:
        home.host = "127.0.0.1"
        await (await home.connect(source="127.0.0.1")).greet()
        second = await home.connect(source="127.0.0.1")
        assert (await second.hear()).startswith("421 4.7.0")
        await (await home.connect(source="127.0.0.2")).greet()
        assert home.of(SmtpRefused)[0].reason == "connections"


async def test_defect_14_recipients_are_limited() -> None:
    async with house(recipients=3) as home:
        client = await home.greeted()
        await client.envelope("a@mail.example", "b@mail.example", "c@mail.example")
        await client.say("RCPT TO:<d@mail.example>", "452 4.5.3")
        await client.say("RCPT TO:<a@MAIL.example>", "250 2.1.5")
        await client.data(MESSAGE + b".\r\n")
        assert len(home.intake.recipients) == 3


async def test_defect_14_data_slower_than_the_least_rate_is_cut() -> None:
    times = Timeouts(data_grace_s=0.2, data_bytes_per_s=1_000_000.0)
    async with house(timeouts=times) as home:
        client = await home.greeted()
        await client.envelope()
        await client.say("DATA", "354")
        loop = asyncio.get_running_loop()

        async def trickle() -> None:
            try:
                while True:
                    await client.send(b"x")
                    step = asyncio.Event()
                    loop.call_later(0.02, step.set)
                    await step.wait()
            except OSError:
                pass

        async with asyncio.TaskGroup() as group:
            trickling = group.create_task(trickle())
            assert (await client.hear()).startswith("421 4.4.2")
            trickling.cancel()


async def test_defect_14_a_client_that_does_not_read_is_cut_off() -> None:
    async with house(timeouts=Timeouts(command_s=0.2, closing_s=0.1)) as home:
        client = await home.greeted()
        sock = client.writer.get_extra_info("socket")
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        try:
            async with asyncio.timeout(5):
                while True:
                    client.writer.write(b"HELP\r\n" * 5000)
                    await client.writer.drain()
        except (OSError, TimeoutError):
            pass
        await home.until(lambda: home.connections.open == 0)


async def test_too_many_errors_end_the_dialog() -> None:
    async with house() as home:
        client = await home.greeted()
        for _ in range(19):
            await client.say("NONSENSE", "500 5.5.1")
        await client.say("NONSENSE", "421 4.7.0")
        assert await client.ends() == b""


async def test_wrong_addresses_in_a_long_list_do_not_end_the_dialog() -> None:
    async with house() as home:
        client = await home.greeted()
        await client.envelope()
        for _ in range(40):
            await client.say("RCPT TO:<nobody>", "553 5.1.3")
        await client.data(MESSAGE + b".\r\n")


# --- 15: shutting down ------------------------------------------------------------------------------------------------


async def test_defect_15_draining_says_421_to_idle_dialogs_and_finishes_the_others() -> None:
    may_answer = asyncio.Event()

    async def answers(submission: Submission) -> Reply:
        await may_answer.wait()
        return Reply(250, "2.0.0 Taken")

    async with house(intake=Taker(answers=answers)) as home:
        idle, between, sending, waiting = [await home.greeted() for _ in range(4)]
        await between.envelope()
        await sending.envelope("sending@mail.example")
        await sending.say("DATA", "354")
        await sending.send(b"Subject: half\r\n")
        await waiting.envelope("waiting@mail.example")
        await waiting.say("DATA", "354")
        await waiting.send(MESSAGE + b".\r\n")
        await home.intake.arrived.wait()

        async with asyncio.TaskGroup() as group:
            draining = group.create_task(home.listener.drain(5))
            assert (await idle.hear()).startswith("421 4.3.2")
            assert await idle.ends() == b""
            assert (await between.hear()).startswith("421 4.3.2")
            with pytest.raises(OSError):
                await home.connect()
            assert not draining.done()
            may_answer.set()
            assert (await waiting.hear()).startswith("250 2.0.0 Taken")
            assert (await waiting.hear()).startswith("421 4.3.2")
            await sending.send(b"\r\nrest\r\n.\r\n")
            assert (await sending.hear()).startswith("250 2.0.0 Taken")
            assert (await sending.hear()).startswith("421 4.3.2")
        assert home.connections.open == 0
        assert len(home.intake.taken) == 2


async def test_defect_15_draining_waits_no_longer_than_told_and_closing_keeps_what_was_received() -> None:
    may_answer = asyncio.Event()

    async def answers(submission: Submission) -> Reply:
        await may_answer.wait()
        return Reply(250, "2.0.0 Taken")

    async with house(intake=Taker(answers=answers)) as home:
        client = await home.greeted()
        await client.envelope()
        await client.say("DATA", "354")
        await client.send(MESSAGE + b".\r\n")
        await home.intake.arrived.wait()
        await home.listener.drain(0.05)
        async with asyncio.TaskGroup() as group:
            group.create_task(home.listener.close())
            await client.ends()
            assert not home.intake.finished.is_set()
            may_answer.set()
        assert home.intake.finished.is_set()


# --- 16: the name of the client ---------------------------------------------------------------------------------------


async def test_defect_16_mail_is_possible_after_every_greeting() -> None:
    async with house() as home:
        for greeting in ("HELO client.example", "EHLO [192.0.2.1]", "EHLO FRONT_DESK-7", "EHLO ["):
            client = await home.connect()
            await client.hear()
            await client.say(greeting, "250")
            await client.say("MAIL FROM:<clerk@council.example>", "250")


async def test_the_clients_name_holds_nothing_that_could_break_a_header() -> None:
    async with house() as home:
        client = await home.connect()
        await client.hear()
        await client.say("EHLO desk (comment); for <x@y.example> \xfcber" + "z" * 300, "250")
        await client.envelope()
        await client.data(MESSAGE + b".\r\n")
        helo = home.intake.taken[0].origin.helo
        assert helo.startswith("desk??comment???for??x?y.example???")
        assert len(helo) == 255


# --- 17: TLS handshakes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
async def test_defect_17_a_stalled_or_broken_handshake_is_closed(tls: dict[str, ssl.SSLContext], mode: str) -> None:
    async with house(tls=mode, timeouts=Timeouts(handshake_s=0.1, closing_s=0.1), **tls) as home:
        for garbage in (b"", b"GET / HTTP/1.1\r\n\r\n" * 20, b"\x16\x03\x01\x00\x05"):
            client = await home.connect()
            if mode == "starttls":
                await client.greet()
                await client.say("STARTTLS", "220")
            if garbage:
                await client.send(garbage)
            await client.ends()
        await home.until(lambda: home.connections.open == 0)
        assert home.of(Failed) == []


# --- 18: EHLO in one piece --------------------------------------------------------------------------------------------


async def test_defect_18_the_reply_to_ehlo_is_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[bytes] = []
    write = asyncio.StreamWriter.write

    def noting(self: asyncio.StreamWriter, octets: bytes) -> None:
        if octets.startswith(b"250-"):
            writes.append(octets)
        write(self, octets)

    monkeypatch.setattr(asyncio.StreamWriter, "write", noting)
    async with house() as home:
        await home.greeted()
        assert len(writes) == 1
        assert writes[0].endswith(b"RCPTMAX=2000\r\n")


# --- smuggling --------------------------------------------------------------------------------------------------------

SMUGGLED = b"MAIL FROM:<evil@attacker.example>\r\nRCPT TO:<victim@mail.example>\r\nDATA\r\nSubject: smuggled\r\n"


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n"])
async def test_smuggling_bare_line_feeds_never_end_the_data_and_are_made_crlf(end: bytes) -> None:
    async with house() as home:
        client = await home.greeted()
        await client.envelope()
        await client.data(b"Subject: one" + end + SMUGGLED + b".\r\n", "250")
        await client.say("NOOP", "250")
        assert len(home.intake.taken) == 1
        content = home.intake.content
        assert b"Subject: smuggled" in content
        assert content.count(b"\r") == content.count(b"\n") == content.count(b"\r\n")


@pytest.mark.parametrize("end", [b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\r\r\n.\r\r\n", b"\r\n\0.\r\n", b"\r\n.\0\r\n"])
async def test_smuggling_bare_carriage_returns_and_nul_are_refused_at_the_end(end: bytes) -> None:
    async with house() as home:
        client = await home.greeted()
        await client.envelope()
        await client.data(b"Subject: one" + end + SMUGGLED + b"\r\n.\r\n", "550 5.6.0")
        await client.say("NOOP", "250")
        assert home.intake.taken == []
        assert [event.reason for event in home.of(SmtpRefused)] == ["data"]


async def test_smuggling_a_bare_line_feed_among_commands_ends_the_dialog() -> None:
    async with house() as home:
        client = await home.greeted()
        await client.send(b"NOOP\nMAIL FROM:<evil@attacker.example>\r\n")
        assert (await client.hear()).startswith("500 5.5.2")
        assert await client.ends() == b""
        client = await home.greeted()
        await client.send(b"RCPT TO:<a@mail.example>\rDATA\r\n")
        assert (await client.hear()).startswith("500 5.5.2")
        await client.say("NOOP", "250")


@pytest.mark.parametrize(
    "opening", [b"GET / HTTP/1.1", b"POST /x HTTP/1.1", b"SSH-2.0-client", b"\x16\x03\x01junk", b'{"a":1}', b""]
)
async def test_other_protocols_are_turned_away_at_once(opening: bytes) -> None:
    async with house() as home:
        client = await home.connect()
        await client.hear()
        await client.say(opening, "502 5.5.1")
        assert await client.ends() == b""


async def test_http_is_turned_away_later_too() -> None:
    async with house() as home:
        client = await home.greeted()
        await client.say("POST / HTTP/1.1", "502 5.5.1")
        assert await client.ends() == b""
