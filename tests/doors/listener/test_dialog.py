"""The everyday dialog: greeting, commands in and out of order, several messages, what the relay is handed."""

from __future__ import annotations

import asyncio
import smtplib

import pytest

from bcc_relay.core.events import Answered, ConnectionClosed, ConnectionOpened, Failed, SmtpRefused, StageTimed
from bcc_relay.core.model import Reply, Submission
from tests.build import NOW
from tests.doors.listener.script import Taker, house

MESSAGE = b"From: clerk@council.example\r\nTo: family@mail.example\r\n\r\nHello\r\n"


async def test_a_message_reaches_the_relay_as_it_was_sent() -> None:
    async with house() as home:
        client = await home.connect()
        await client.greet()
        await client.envelope("family@mail.example", "Other@Mail.Example")
        await client.data(MESSAGE + b".\r\n", "250 2.0.0 Taken")
        await client.say("QUIT", "221 2.0.0")
        assert await client.ends() == b""

        submission = home.intake.taken[0]
        assert home.intake.content == MESSAGE
        assert submission.envelope.sender_octets == b"clerk@council.example"
        assert home.intake.recipients == [b"family@mail.example", b"Other@Mail.Example"]
        assert submission.received_at == NOW
        assert submission.origin.client == "127.0.0.1"
        assert submission.origin.helo == "client.example"
        assert submission.origin.protocol == "ESMTP"
        assert submission.origin.listener == "127.0.0.1:0"
        assert submission.origin.user is None
        assert submission.message.header == MESSAGE.partition(b"\r\n\r\n")[0] + b"\r\n"


async def test_events_tell_of_the_connection_and_the_answer() -> None:
    async with house() as home:
        client = await home.greeted()
        await client.envelope()
        await client.data(MESSAGE + b".\r\n")
        await client.say("QUIT", "221")
        await client.ends()
        await home.until(lambda: bool(home.of(ConnectionClosed)))
        assert home.of(ConnectionOpened) == [ConnectionOpened("127.0.0.1:0", "127.0.0.1")]
        assert [event.stage for event in home.of(StageTimed)] == ["receive"]
        assert home.of(Answered) == [Answered("id1", 250, "2.0.0 Taken")]
        assert home.connections.open == 0


async def test_what_is_offered_comes_in_one_reply() -> None:
    async with house(message_bytes=1000, recipients=7) as home:
        client = await home.connect()
        offered = (await client.greet()).splitlines()
        assert offered == [
            "250-relay.council.example",
            "250-PIPELINING",
            "250-SIZE 1000",
            "250-8BITMIME",
            "250-SMTPUTF8",
            "250-DSN",
            "250-ENHANCEDSTATUSCODES",
            "250 LIMITS RCPTMAX=7",
        ]


async def test_helo_alone_is_enough() -> None:
    async with house() as home:
        client = await home.connect()
        await client.hear()
        assert await client.say("HELO scanner") == "250 relay.council.example"
        await client.envelope()
        await client.data(MESSAGE + b".\r\n")
        assert home.intake.taken[0].origin.protocol == "SMTP"
        assert home.intake.taken[0].origin.helo == "scanner"


async def test_verbs_and_keywords_in_any_case() -> None:
    async with house() as home:
        client = await home.connect()
        await client.hear()
        await client.says(
            ("ehlo client.example", "250"),
            ("mail from: <clerk@council.example> body=8bitmime", "250"),
            ("rcpt to: <family@mail.example>", "250"),
            ("data", "354"),
            (".", "250"),
        )


async def test_several_messages_on_one_connection() -> None:
    async with house() as home:
        client = await home.greeted()
        for number in range(3):
            await client.envelope(f"family{number}@mail.example")
            await client.data(MESSAGE + b".\r\n")
        assert [s.envelope.recipients[0].address.octets for s in home.intake.taken] == [
            b"family0@mail.example",
            b"family1@mail.example",
            b"family2@mail.example",
        ]
        assert len({s.id for s in home.intake.taken}) == 3


async def test_the_null_sender_is_taken() -> None:
    async with house() as home:
        client = await home.greeted()
        await client.says(("MAIL FROM:<>", "250"), ("RCPT TO:<family@mail.example>", "250"))
        await client.data(b".\r\n")
        assert home.intake.taken[0].envelope.sender is None
        assert home.intake.content == b""


async def test_commands_out_of_order_are_refused() -> None:
    async with house() as home:
        client = await home.connect()
        await client.hear()
        await client.says(
            ("MAIL FROM:<clerk@council.example>", "503 5.5.1"),
            ("RCPT TO:<family@mail.example>", "503 5.5.1"),
            ("DATA", "503 5.5.1"),
            ("EHLO", "501 5.5.4"),
            ("EHLO client.example", "250"),
            ("DATA", "503 5.5.1"),
            ("RCPT TO:<family@mail.example>", "503 5.5.1"),
            ("MAIL FROM:<clerk@council.example>", "250"),
            ("MAIL FROM:<clerk@council.example>", "503 5.5.1"),
            ("DATA", "503 5.5.1"),
            ("STARTTLS", "502 5.5.1"),
            ("AUTH PLAIN", "502 5.5.1"),
            ("BDAT 5 LAST", "500 5.5.1"),
        )


@pytest.mark.parametrize("again", ["RSET", "EHLO client.example", "HELO client.example"])
async def test_a_transaction_is_forgotten_by(again: str) -> None:
    async with house() as home:
        client = await home.greeted()
        await client.envelope()
        await client.say(again, "250")
        await client.say("DATA", "503")
        await client.say("MAIL FROM:<clerk@council.example>", "250")


async def test_harmless_commands_repeat_nothing_of_what_the_client_said() -> None:
    async with house() as home:
        client = await home.greeted()
        for line, code in (
            ("NOOP attack", "250 2.0.0"),
            ("VRFY attack", "252 2.0.0"),
            ("EXPN attack", "502 5.5.1"),
            ("HELP attack", "214 2.0.0"),
            ("ATTACK", "500 5.5.1"),
            ("MAIL attack", "501 5.5.4"),
            ("MAIL FROM:<attack>", "553 5.1.3"),
            ("RSET attack", "501 5.5.4"),
        ):
            assert "attack" not in (await client.say(line, code)).lower()


async def test_pipelined_commands_are_answered_in_order_and_together() -> None:
    async with house() as home:
        client = await home.greeted()
        await client.send(
            b"MAIL FROM:<clerk@council.example>\r\nRCPT TO:<a@mail.example>\r\nRCPT TO:<wrong>\r\n"
            b"RCPT TO:<b@mail.example>\r\nDATA\r\n"
        )
        codes = [(await client.hear())[:9] for _ in range(5)]
        assert codes == ["250 2.1.0", "250 2.1.5", "553 5.1.3", "250 2.1.5", "354 End t"]
        await client.send(MESSAGE + b".\r\nNOOP\r\nQUIT\r\n")
        assert [(await client.hear())[:3] for _ in range(3)] == ["250", "250", "221"]
        assert home.intake.recipients == [b"a@mail.example", b"b@mail.example"]


async def test_half_a_pipelined_command_does_not_hold_back_replies() -> None:
    async with house() as home:
        client = await home.greeted()
        await client.send(b"NOOP\r\nNO")
        assert (await client.hear()).startswith("250")
        await client.send(b"OP\r\n")
        assert (await client.hear()).startswith("250")


async def test_the_upstreams_answer_is_given_in_its_own_words_with_a_status_code() -> None:
    for reply, heard in (
        (Reply(550, "5.1.1 No such user"), "550 5.1.1 No such user"),
        (Reply(250, "Ok: queued"), "250 2.0.0 Ok: queued"),
        (Reply(451, "4.3.0 One\nTwo"), "451-4.3.0 One\n451 4.3.0 Two"),
        (Reply(250, "2.0.0 Fine\r\n250 forged"), "250-2.0.0 Fine \n250 2.0.0 250 forged"),
        (Reply(550, "5.7.1 Für später"), "550 5.7.1 Fur spater"),
    ):
        async with house(intake=Taker(reply)) as home:
            client = await home.greeted()
            await client.envelope()
            assert await client.data(MESSAGE + b".\r\n", "") == heard
            await client.say("NOOP", "250")


async def test_a_421_from_the_relay_ends_the_dialog() -> None:
    async with house(intake=Taker(Reply(421, "4.3.2 Shutting down"))) as home:
        client = await home.greeted()
        await client.envelope()
        await client.data(MESSAGE + b".\r\n", "421")
        assert await client.ends() == b""


async def test_an_intake_that_breaks_its_promise_costs_a_temporary_failure() -> None:
    async def breaks(submission: Submission) -> Reply:
        raise FileNotFoundError(2, "secret", "/var/spool/secret")

    async with house(intake=Taker(answers=breaks)) as home:
        client = await home.greeted()
        await client.envelope()
        heard = await client.data(MESSAGE + b".\r\n", "451 4.3.0")
        assert "secret" not in heard
        failed = home.of(Failed)[0]
        assert failed.reference in heard
        assert "FileNotFoundError" in failed.detail
        await client.envelope()


async def test_smtplib_sends_mail_through_it() -> None:
    async with house() as home:

        def send() -> dict[str, tuple[int, bytes]]:
            with smtplib.SMTP("127.0.0.1", home.listener.port, timeout=5) as smtp:
                return smtp.sendmail(
                    "clerk@council.example",
                    ["a@mail.example", "b@mail.example"],
                    b"Subject: Dots\r\n\r\n.first\r\n..second\r\n.\r\nlast",
                    mail_options=["BODY=8BITMIME", "RET=HDRS", "ENVID=abc"],
                    rcpt_options=["NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;a@mail.example"],
                )

        assert await asyncio.to_thread(send) == {}
        assert home.intake.content == b"Subject: Dots\r\n\r\n.first\r\n..second\r\n.\r\nlast\r\n"
        envelope = home.intake.taken[0].envelope
        assert (envelope.ret, envelope.envid, envelope.body_8bitmime) == ("HDRS", b"abc", True)
        assert envelope.recipients[0].notify == ("FAILURE", "DELAY")


async def test_refusals_are_told_to_observers() -> None:
    async with house(networks=("192.0.2.0/24",)) as home:
        client = await home.greeted()
        await client.say("MAIL FROM:<clerk@council.example>", "550 5.7.1")
        assert home.of(SmtpRefused) == [SmtpRefused("127.0.0.1:0", "127.0.0.1", "foreign_network")]
