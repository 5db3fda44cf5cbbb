"""Bad luck and bad clients: a full disk, random dialogs, replies that could break out of their line."""

from __future__ import annotations

import asyncio
import errno
import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bcc_relay.core.events import Failed, SmtpRefused
from bcc_relay.core.model import Reply
from bcc_relay.listener.reply_octets import reply_octets
from bcc_relay.relay.spool import Spool
from tests.doors.listener.script import house

LARGE = b"Subject: large\r\n\r\n" + (b"z" * 76 + b"\r\n") * 10_000 + b".\r\n"


@pytest.mark.parametrize(
    ("number", "reply", "reason"),
    [
        (errno.ENOSPC, "452 4.3.1", "store"),
        (errno.EDQUOT, "452 4.3.1", "store"),
        (errno.EIO, "451 4.3.0", "internal"),
    ],
)
async def test_a_disk_that_fails_costs_a_temporary_refusal(
    monkeypatch: pytest.MonkeyPatch, number: int, reply: str, reason: str
) -> None:
    def full(self: Spool, piece: bytes) -> None:
        raise OSError(number, "no room in /var/secret")

    monkeypatch.setattr(Spool, "_write_all", full)
    async with house() as home:
        client = await home.greeted()
        await client.envelope()
        assert "secret" not in await client.data(LARGE, reply)
        assert home.intake.taken == []
        assert home.of(SmtpRefused)[0].reason == reason
        assert home.of(Failed)[0].detail == errno.errorcode[number]
        await client.envelope()
        await client.data(b"Subject: small\r\n\r\n.\r\n", "250")


COMMAND = st.one_of(
    st.sampled_from(
        [
            b"EHLO x",
            b"HELO x",
            b"MAIL FROM:<a@b.example>",
            b"MAIL FROM:<a@b.example> SIZE=1 BODY=8BITMIME",
            b"RCPT TO:<c@d.example>",
            b"RCPT TO:<c@d.example> NOTIFY=NEVER",
            b"DATA\r\n.",
            b"DATA\r\nx\r\n..",
            b"RSET",
            b"NOOP",
            b"VRFY x",
            b"AUTH PLAIN AAAA",
            b"AUTH LOGIN\r\n*",
            b"STARTTLS",
            b"HELP",
            b".",
        ]
    ),
    st.binary(max_size=20),
    st.tuples(st.sampled_from([b"MAIL FROM:", b"RCPT TO:", b"AUTH ", b"EHLO ", b"DATA "]), st.binary(max_size=30)).map(
        b"".join
    ),
)
REPLY = re.compile(rb"(?:[2345]\d\d-[^\r\n]*\r\n)*[2345]\d\d [^\r\n]*\r\n")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(commands=st.lists(COMMAND, max_size=30))
def test_a_random_dialog_is_answered_in_whole_replies_and_ends(commands: list[bytes]) -> None:
    async def play() -> None:
        async with house(auth="optional", message_bytes=1000) as home:
            client = await home.connect()
            client.writer.write(b"\r\n".join(commands) + b"\r\n.\r\nQUIT\r\n")
            client.writer.write_eof()
            heard = await client.ends()
            assert REPLY.sub(b"", heard) == b""
            assert [event for event in home.of(Failed) if event.where == "listener"] == []
            await home.until(lambda: home.connections.open == 0)

    asyncio.run(play())


@given(code=st.sampled_from([250, 354, 421, 550]), text=st.text(max_size=1500), utf8=st.booleans())
@example(code=250, text="5.1.1 not of its class\n2.1.5 of its class\n4.0.0", utf8=False)
def test_a_reply_stays_within_its_lines(code: int, text: str, utf8: bool) -> None:
    octets = reply_octets(Reply(code, text), utf8=utf8)
    lines = octets.split(b"\r\n")
    assert lines.pop() == b""
    assert len(lines) == text.count("\n") + 1
    for number, line in enumerate(lines, 1):
        assert line.startswith(b"%d%s" % (code, b" " if number == len(lines) else b"-"))
        assert len(line) <= 510
        assert not re.search(rb"[\x00-\x1f\x7f]", line)
        if code != 354:
            assert re.match(rb"\d{3}[ -]%d\.\d{1,3}\.\d{1,3}( |$)" % (code // 100), line)
        line.decode("utf-8" if utf8 else "ascii")
