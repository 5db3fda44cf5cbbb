"""One transaction against a server that answers by script: what is said, and what becomes of each recipient."""

from __future__ import annotations

import pytest

from bcc_relay.core import replies
from bcc_relay.core.model import Body, Deferred, Delivered, InDoubt, Message, Refused, Reply
from tests.build import header
from tests.doors.forwarder.made import (
    HASTY_S,
    SHORT,
    dispatch,
    dispatch_to,
    forwarding,
    kinds,
    recipient,
    whole,
)
from tests.doors.forwarder.scripted import OFFERS, Do, running

PLAIN = ("8BITMIME",)
BOTH = pytest.mark.parametrize("offers", [OFFERS, PLAIN], ids=["pipelined", "one by one"])


def hasty(**limits: float):
    return {"limits": type(SHORT)(**{f: getattr(SHORT, f) for f in SHORT.__slots__} | limits)}


@BOTH
async def test_delivers_with_the_servers_own_answer(offers) -> None:
    mail = dispatch("family1@mail.example", "family2@mail.example", body=b"Hello\r\n.dot\r\n")
    async with (
        running({".": b"250-2.0.0 Taken\r\n250 2.0.0 as 4711\r\n"}, offers=offers) as server,
        forwarding(server.port) as forwarder,
    ):
        sent = await forwarder.send(mail)
    answer = Reply(250, "2.0.0 Taken\n2.0.0 as 4711")
    assert sent.reply == answer
    assert sent.outcomes == (Delivered(answer, dsn_offered="DSN" in offers),) * 2
    (received,) = server.mails
    assert received.octets == whole(mail.message)
    assert received.rcpts == (b"RCPT TO:<family1@mail.example>\r\n", b"RCPT TO:<family2@mail.example>\r\n")


async def test_one_write_holds_mail_rcpt_and_data_when_the_server_offers_pipelining() -> None:
    # A server that reads all three before it answers any of them would wait for ever otherwise.
    async with (
        running({"MAIL": b"", "RCPT": b"", "DATA": b"250 ok\r\n250 ok\r\n354 go\r\n"}) as server,
        forwarding(server.port) as forwarder,
    ):
        sent = await forwarder.send(dispatch())
    assert kinds(sent.outcomes) == ["Delivered"]


async def test_one_command_at_a_time_without_pipelining() -> None:
    early: list[bytes] = []

    def answer(line: bytes, session) -> bytes:
        early.append(bytes(session.octets).partition(line)[2])
        return b"250 ok\r\n"

    async with running({"MAIL": answer, "RCPT": answer}, offers=()) as server, forwarding(server.port) as forwarder:
        await forwarder.send(dispatch("a@mail.example", "b@mail.example"))
    assert early == [b"", b"", b""]


@BOTH
async def test_each_recipient_has_its_own_outcome(offers) -> None:
    said: dict[bytes, bytes] = {b"no": b"550 5.1.1 Unknown\r\n", b"la": b"450 4.2.1 Later\r\n", b"ye": b"250 ok\r\n"}
    script = {"RCPT": lambda line, _: said[line[9:11]]}
    async with running(script, offers=offers) as server, forwarding(server.port) as forwarder:
        sent = await forwarder.send(dispatch("yes@a.example", "no@a.example", "later@a.example", "ye2@a.example"))
    assert kinds(sent.outcomes) == ["Delivered", "Refused", "Deferred", "Delivered"]
    assert sent.outcomes[1] == Refused(Reply(550, "5.1.1 Unknown"))
    assert sent.outcomes[2] == Deferred(Reply(450, "4.2.1 Later"))
    assert len(server.mails[0].rcpts) == 2


@BOTH
async def test_all_or_nothing_sends_no_data_when_one_recipient_is_refused(offers) -> None:
    script = {"RCPT": [b"250 ok\r\n", b"450 4.2.1 Later\r\n", b"550 5.1.1 Unknown\r\n"]}
    async with running(script, offers=offers) as server, forwarding(server.port) as forwarder:
        sent = await forwarder.send(dispatch("a@a.example", "b@a.example", "c@a.example"), all_or_nothing=True)
        assert server.verbs() == ["EHLO", "MAIL", "RCPT", "RCPT", "RCPT", "RSET"]
        again = await forwarder.send(dispatch("a@a.example", "b@a.example"), all_or_nothing=True)
        assert len(server.sessions) == 1
    assert sent.outcomes == (
        Deferred(replies.NOT_SENT),
        Deferred(Reply(450, "4.2.1 Later")),
        Refused(Reply(550, "5.1.1 Unknown")),
    )
    assert sent.reply == Reply(550, "5.1.1 Unknown")
    assert kinds(again.outcomes) == ["Delivered", "Delivered"]
    assert len(server.mails) == 1


@BOTH
async def test_mail_refused_decides_for_all_and_keeps_the_connection(offers) -> None:
    async with (
        running({"MAIL": [b"550 5.7.1 Not you\r\n"]}, offers=offers) as server,
        forwarding(server.port) as forwarder,
    ):
        sent = await forwarder.send(dispatch("a@a.example", "b@a.example"))
        again = await forwarder.send(dispatch())
        assert len(server.sessions) == 1
    assert sent.outcomes == (Refused(Reply(550, "5.7.1 Not you")),) * 2
    assert kinds(again.outcomes) == ["Delivered"]


@BOTH
@pytest.mark.parametrize(("code", "kind"), [(450, "Deferred"), (550, "Refused")])
async def test_data_refused_decides_for_all(offers, code, kind) -> None:
    script = {"DATA": [f"{code} 4.0.0 No data\r\n".encode()]}
    async with running(script, offers=offers) as server, forwarding(server.port) as forwarder:
        sent = await forwarder.send(dispatch())
        again = await forwarder.send(dispatch())
        assert len(server.sessions) == 1
    assert kinds(sent.outcomes) == [kind]
    assert sent.reply == Reply(code, "4.0.0 No data")
    assert kinds(again.outcomes) == ["Delivered"]


async def test_a_server_that_wants_data_without_recipients_gets_a_lone_dot() -> None:
    script = {"RCPT": [b"550 5.1.1 Unknown\r\n"], "DATA": [b"354 go\r\n"], ".": [b"554 5.5.1 No recipients\r\n"]}
    async with running(script) as server, forwarding(server.port) as forwarder:
        sent = await forwarder.send(dispatch())
        assert server.mails[0].octets == b""
        assert server.mails[0].rcpts == ()
        again = await forwarder.send(dispatch())
        assert len(server.sessions) == 1
    assert sent.outcomes == (Refused(Reply(550, "5.1.1 Unknown")),)
    assert kinds(again.outcomes) == ["Delivered"]


@pytest.mark.parametrize(("answer", "kind"), [(b"452 4.3.1 Full\r\n", "Deferred"), (b"554 5.7.1 Spam\r\n", "Refused")])
async def test_the_answer_to_the_dot_decides(answer, kind) -> None:
    async with running({".": [answer]}) as server, forwarding(server.port) as forwarder:
        sent = await forwarder.send(dispatch())
        await forwarder.send(dispatch())
        assert len(server.sessions) == 1
    assert kinds(sent.outcomes) == [kind]
    assert str(sent.reply).encode() + b"\r\n" == answer


@BOTH
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("step", [Do.DROP, Do.SILENCE, b"421 4.3.2 Closing\r\n", b"25x what\r\n", b"300 eh\r\n"])
async def test_what_goes_wrong_before_the_dot_is_deferred_for_all(offers, verb, step) -> None:
    limits = hasty(mail_s=HASTY_S, rcpt_s=HASTY_S, data_start_s=HASTY_S) if step is Do.SILENCE else {}
    async with running({verb: [step]}, offers=offers) as server, forwarding(server.port, **limits) as forwarder:
        sent = await forwarder.send(dispatch("a@a.example", "b@a.example"))
        again = await forwarder.send(dispatch())
        assert len(server.sessions) == 2
    assert kinds(sent.outcomes) == ["Deferred", "Deferred"]
    expected = {
        Do.DROP: {replies.CONNECTION_LOST},
        Do.SILENCE: {replies.NO_ANSWER},
        b"421 4.3.2 Closing\r\n": {Reply(421, "4.3.2 Closing")},
    }.get(step, {replies.CONNECTION_LOST})
    assert {outcome.reply for outcome in sent.outcomes} <= expected
    assert kinds(again.outcomes) == ["Delivered"]
    assert len(server.mails) == 1


@pytest.mark.parametrize("step", [Do.DROP, Do.SILENCE, b"2 nonsense\r\n", b"354 again\r\n"])
async def test_no_clear_answer_after_the_dot_is_in_doubt_for_those_accepted(step) -> None:
    script = {"RCPT": [b"250 ok\r\n", b"550 5.1.1 Unknown\r\n"], ".": [step]}
    async with running(script) as server, forwarding(server.port, **hasty(data_end_s=HASTY_S)) as forwarder:
        sent = await forwarder.send(dispatch("a@a.example", "b@a.example"))
        assert kinds((await forwarder.send(dispatch())).outcomes) == ["Delivered"]
        assert len(server.sessions) == 2
    assert sent.outcomes == (InDoubt(replies.NO_ANSWER), Refused(Reply(550, "5.1.1 Unknown")))
    assert sent.reply == replies.NO_ANSWER


async def test_421_at_the_dot_defers_and_gives_the_connection_up() -> None:
    async with running({".": [b"421 4.3.2 Shutting down\r\n"]}) as server, forwarding(server.port) as forwarder:
        sent = await forwarder.send(dispatch())
        await forwarder.send(dispatch())
        assert len(server.sessions) == 2
    assert sent.outcomes == (Deferred(Reply(421, "4.3.2 Shutting down")),)


@pytest.mark.parametrize("size", [2, 20_000_000])
async def test_a_refusal_before_the_dot_counts_and_no_dot_follows(size) -> None:
    async with (
        running({"DATA": b"354 go\r\n552 5.3.4 Too large\r\n"}) as server,
        forwarding(server.port) as forwarder,
    ):
        sent = await forwarder.send(dispatch(body=b"x\r\n" * (size // 3)))
        await server.sessions[0].ended.wait()
    assert sent.outcomes == (Refused(Reply(552, "5.3.4 Too large")),)
    assert server.mails == []


async def test_an_acceptance_before_the_dot_is_believed_by_nobody() -> None:
    async with running({"DATA": b"354 go\r\n250 2.0.0 Taken\r\n"}) as server, forwarding(server.port) as forwarder:
        sent = await forwarder.send(dispatch())
        await server.sessions[0].ended.wait()
    assert sent.outcomes == (Deferred(replies.CONNECTION_LOST),)
    assert server.mails == []


async def test_a_message_with_a_bare_line_end_or_nul_is_never_completed() -> None:
    for bad in (b"a\nb\r\n", b"a\rb\r\n", b"a\0b\r\n", b"a\r\n.\n.\r\nMAIL FROM:<>\r\n", b"end\r"):
        async with running() as server, forwarding(server.port) as forwarder:
            sent = await forwarder.send(dispatch(body=bad))
            assert sent.outcomes == (Refused(replies.BAD_LINE_ENDS),), bad
            await server.sessions[0].ended.wait()
        assert server.mails == []
        assert server.sessions[0].commands[-1] == b"DATA\r\n"


async def test_a_missing_last_line_end_is_added() -> None:
    async with running() as server, forwarding(server.port) as forwarder:
        await forwarder.send(dispatch(body=b"no end"))
        await forwarder.send(dispatch(raw=Message(b"", b"", Body(b""))))
    assert server.mails[0].octets.endswith(b"\r\n\r\nno end\r\n")
    assert server.mails[1].octets == b""


async def test_mail_carries_size_and_the_dsn_parameters_as_given() -> None:
    mail = dispatch_to(
        recipient(b"a@a.example", notify=("SUCCESS", "DELAY"), orcpt=b"rfc822;A+2Bb@a.example"),
        recipient(b"b@a.example", notify=("NEVER",)),
        ret="HDRS",
        envid=b"QQ+3D314159",
    )
    async with running() as server, forwarding(server.port) as forwarder:
        sent = await forwarder.send(mail)
    assert server.sessions[0].commands[1:4] == [
        b"MAIL FROM:<clerk@council.example> SIZE=%d RET=HDRS ENVID=QQ+3D314159\r\n" % mail.message.size_bytes,
        b"RCPT TO:<a@a.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;A+2Bb@a.example\r\n",
        b"RCPT TO:<b@a.example> NOTIFY=NEVER\r\n",
    ]
    assert [outcome.dsn_offered for outcome in sent.outcomes] == [True, True]


async def test_a_server_without_dsn_or_size_gets_no_such_parameter_and_the_outcome_says_so() -> None:
    mail = dispatch_to(
        recipient(b"a@a.example", notify=("SUCCESS",), orcpt=b"rfc822;a@a.example"), ret="FULL", envid=b"x"
    )
    async with running(offers=()) as server, forwarding(server.port) as forwarder:
        sent = await forwarder.send(mail)
    assert server.sessions[0].commands[1:3] == [b"MAIL FROM:<clerk@council.example>\r\n", b"RCPT TO:<a@a.example>\r\n"]
    assert sent.outcomes[0] == Delivered(sent.reply, dsn_offered=False)


async def test_body_8bitmime_is_said_when_declared_or_needed_and_not_otherwise() -> None:
    async with running() as server, forwarding(server.port) as forwarder:
        await forwarder.send(dispatch())
        await forwarder.send(dispatch(body_8bitmime=True))
        await forwarder.send(dispatch(body="Grüße\r\n".encode()))
    mails = [command for command in server.sessions[0].commands if command.startswith(b"MAIL")]
    assert [b" BODY=8BITMIME" in command for command in mails] == [False, True, True]


async def test_utf8_is_asked_for_only_when_an_address_or_a_declared_header_needs_it() -> None:
    raw = Message(header(more="X-Ort: Köln\r\n".encode()), b"\r\n", Body(b"Hello\r\n"))
    async with running() as server, forwarding(server.port) as forwarder:
        await forwarder.send(dispatch(smtputf8=True))
        await forwarder.send(dispatch(raw=raw))
        await forwarder.send(dispatch(raw=raw, smtputf8=True))
        await forwarder.send(dispatch_to(recipient("jürgen@mail.example".encode())))
    mails = [command for command in server.sessions[0].commands if command.startswith(b"MAIL")]
    assert [b" SMTPUTF8" in command for command in mails] == [False, False, True, True]
    assert server.mails[3].rcpts == ("RCPT TO:<jürgen@mail.example>\r\n".encode(),)


async def test_a_server_without_smtputf8_misses_only_the_recipient_that_needs_it() -> None:
    mail = dispatch_to(recipient("jürgen@mail.example".encode()), recipient(b"b@mail.example"), smtputf8=True)
    async with running(offers=PLAIN) as server, forwarding(server.port) as forwarder:
        sent = await forwarder.send(mail)
        together = await forwarder.send(mail, all_or_nothing=True)
    assert sent.outcomes == (Refused(replies.NO_SMTPUTF8), Delivered(sent.reply))
    assert b"SMTPUTF8" not in server.mails[0].mail
    assert together.outcomes == (Refused(replies.NO_SMTPUTF8), Deferred(replies.NOT_SENT))
    assert len(server.mails) == 1


async def test_nothing_reaches_the_recipient_line_but_the_addresss_octets() -> None:
    mail = dispatch_to(recipient(b'"a\r\nRCPT TO:<v@w.example>"@x.example'), recipient(b"b@mail.example"))
    async with running() as server, forwarding(server.port) as forwarder:
        sent = await forwarder.send(mail)
    assert sent.outcomes[0] == Refused(replies.BAD_ADDRESS)
    assert server.mails[0].rcpts == (b"RCPT TO:<b@mail.example>\r\n",)


async def test_replies_keep_their_text_without_control_characters() -> None:
    said = "550-5.7.1 Nein\x1b[31m, Grüße\r\n550 5.7.1 \xff\tEnde\x07\r\n".encode("latin-1")
    async with running({".": [said]}) as server, forwarding(server.port) as forwarder:
        sent = await forwarder.send(dispatch())
    assert sent.reply == Reply(550, "5.7.1 Nein[31m, Gr��e\n5.7.1 �Ende")
