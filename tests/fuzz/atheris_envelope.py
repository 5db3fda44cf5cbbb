"""The listener's dialog and what stands in its envelopes: every answer is an SMTP reply, however the octets come in.

Each input is all that one client sends. It is sent twice, in one piece and in small ones; the answers must be the same.
"""

from __future__ import annotations

import asyncio
import re
from itertools import count
from typing import TYPE_CHECKING, Any

from tests.fuzz.driver import atheris, run

with atheris.instrument_imports(include=["bcc_relay"]):
    from bcc_relay.core.address import find_addresses, known, parse_mailbox, transport_octets
    from bcc_relay.core.events import Failed, SmtpRefused
    from bcc_relay.core.model import Address, Recipient, Reply
    from bcc_relay.listener.dialog import Dialog
    from bcc_relay.listener.limits import Connections, FailedLogins
    from bcc_relay.listener.networks import read_networks
    from bcc_relay.listener.options import ListenerOptions
    from bcc_relay.listener.parameters import names_a_recipient, read_mail, read_rcpt, without_foreign_names
    from bcc_relay.listener.server import Door

from tests import build
from tests.doors.listener.script import GOOD_LOGIN, Taker, one_account

if TYPE_CHECKING:
    from collections.abc import Iterator

OPTIONS = ListenerOptions("127.0.0.1:2525", auth="optional", message_bytes=20_000, recipients=5)
NETWORKS = read_networks(OPTIONS.networks, "networks")
REPLIES = re.compile(rb"(?:[2-5][0-5][0-9]-[\t\x20-\x7e]{0,500}\r\n)*[2-5][0-5][0-9] [\t\x20-\x7e\x80-\xff]{0,500}\r\n")
MARKS = re.compile("[\u00ab\u00bb\u2000-\u206f\u3000-\u303f\ufffd]")
PIECE_OCTETS = 7


class _Wire(asyncio.Transport):
    """The way back to a client that reads at once."""

    def __init__(self, dialog: Dialog) -> None:
        super().__init__({"peername": ("127.0.0.1", 40_000)})
        self._dialog = dialog
        self.said = bytearray()
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.said += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        """There is nobody to wait for."""

    def resume_reading(self) -> None:
        """The same."""

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            asyncio.get_running_loop().call_soon(self._dialog.connection_lost, None)

    abort = close


async def _not_waiting(_: float) -> None:
    """Be patient at once."""


async def converse(pieces: list[bytes]) -> tuple[bytes, list[object]]:
    """Hold one dialog; return all that was answered, and what observers heard."""
    numbers, heard = count(1), []
    door = Door(
        OPTIONS, Taker(), one_account, heard.append, lambda: build.NOW, lambda: f"m{next(numbers)}", Connections(),
        FailedLogins(lambda: 0.0), None, None, lambda: 0.0, _not_waiting, NETWORKS,
    )  # fmt: skip
    dialog = Dialog(door, asyncio.get_running_loop())
    wire = _Wire(dialog)
    dialog.connection_made(wire)
    for piece in pieces:
        if not wire.is_closed:
            dialog.data_received(piece)
        await asyncio.sleep(0)
    if not wire.is_closed:
        dialog.eof_received()
    async with asyncio.timeout(10):
        await dialog.closed
        while unfinished := {*door.tasks, *door.submissions}:
            await asyncio.wait(unfinished)
    return bytes(wire.said), heard


def talk(octets: bytes) -> None:
    said, heard = LOOP.run_until_complete(converse([octets]))
    check_answers(said)
    for event in heard:
        assert not isinstance(event, Failed), event
        assert not (isinstance(event, SmtpRefused) and event.reason == "internal"), event
    pieces = [octets[at : at + PIECE_OCTETS] for at in range(0, len(octets), PIECE_OCTETS)]
    again, _ = LOOP.run_until_complete(converse(pieces))
    assert again == said, "the answers depend on how the octets were cut"
    for line in octets.split(b"\n")[:20]:
        read_line(line.rstrip(b"\r"))


def check_answers(said: bytes) -> None:
    """Every answer is a reply of RFC 5321 4.2, and the greeting comes first."""
    at = 0
    while at < len(said):
        reply = REPLIES.match(said, at)
        assert reply, said[at : at + 200]
        assert len({line[:3] for line in reply[0].splitlines()}) == 1, reply[0]
        at = reply.end()
    assert said.startswith(b"220 "), said[:200]


def read_line(line: bytes) -> None:
    """Read a line as an address, and as what follows MAIL FROM and RCPT TO."""
    argument = line.partition(b":")[2] or line
    mail = read_mail(argument)
    assert isinstance(mail, Reply) or 0 <= mail.size_bytes < 10**20
    for smtputf8 in (False, True):
        address = parse_mailbox(argument.strip(b"<> "), smtputf8=smtputf8)
        if address is not None:
            assert address.octets == argument.strip(b"<> ")
            assert parse_mailbox(transport_octets(address), smtputf8=True) is not None
            check_search(address)
        asked = read_rcpt(argument, smtputf8=smtputf8)
        if isinstance(asked, Recipient):
            several = (asked, Recipient(build.address("anna@family-mail.example")))
            without_foreign_names(several)
            names_a_recipient(asked.orcpt, several)


def check_search(address: Address) -> None:
    """What the envelope takes, the search finds. Typographic marks in a mailbox are a gap that is known.

    A mailbox without a name (`""@x`) tells nothing about anybody.
    """
    text = address.octets.decode()
    if not (MARKS.search(text) or address.key.startswith("@")):
        shown = find_addresses(f"<{text}>", known(frozenset({address.key})))
        assert address.key in shown, f"the search does not find {address}"


def seeds() -> Iterator[bytes]:
    mail = "MAIL FROM:<clerk@council.example>"
    to = "RCPT TO:<anna@family-mail.example>"
    hello = "EHLO client.example"
    for lines in (
        (hello, mail, to, "DATA", "Subject: x\r\n\r\n..\r\nHello", ".", "QUIT"),
        (hello, f"{mail} SIZE=100 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+40b AUTH=<>", "RSET", "NOOP x"),
        (hello, mail, f"{to} NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+40b.example", "DATA", "x\n.\r\nMAIL", ".", "QUIT"),
        (hello, f"{mail} SMTPUTF8", "RCPT TO:<jörg@bücher.example> ORCPT=utf-8;j\\x{F6}rg@x.example", "VRFY x", "HELP"),
        (
            hello,
            'MAIL FROM:<"a b"@club.example>',
            "RCPT TO:<@a.example,@b.example:c@d.example>",
            "RCPT TO:<a@[1.2.3.4]>",
        ),
        (hello, GOOD_LOGIN, mail, to, "DATA", "", "."),
        (hello, "AUTH LOGIN", "Y2xlcmtAY291bmNpbC5leGFtcGxl", "Y29ycmVjdCBob3JzZQ==", mail),
        (hello, "AUTH PLAIN", "*", "AUTH LOGIN =", "AUTH X", "STARTTLS", "EXPN x", "XYZ"),
        ("HELO client.example", mail, *(to.replace("anna", f"p{n}") for n in range(7)), "DATA", "\0", ".", "QUIT"),
        ("GET / HTTP/1.1", "Host: x"),
    ):
        yield "".join(f"{line}\r\n" for line in lines).encode()


WORDS = (
    b"\r\n", b"\n", b"\r", b"\r\n.\r\n", b"\n.\n", b"EHLO ", b"HELO x\r\n", b"MAIL FROM:<", b"RCPT TO:<", b"DATA\r\n",
    b"RSET\r\n", b"QUIT\r\n", b"NOOP\r\n", b"AUTH PLAIN ", b"AUTH LOGIN ", b"STARTTLS\r\n", b"VRFY ", b" SIZE=", b" BODY=8BITMIME",
    b" SMTPUTF8", b" RET=FULL", b" ENVID=", b" NOTIFY=NEVER", b" ORCPT=rfc822;", b" ORCPT=utf-8;", b"\\x{", b"+40",
    b"@council.example>", b"@[IPv6:::1]>", b"<>", b'"', b"\\", b"xn--", "bücher".encode(), "用户".encode(), b"\x00",
    b"clerk@council.example", b"\xe2\x80\xa8", b"\xff",
)  # fmt: skip

if __name__ == "__main__":
    LOOP = asyncio.new_event_loop()
    run(talk, seeds=seeds(), words=WORDS, longest_bytes=4096)
