"""Damaged mail over real SMTP: every answer is an SMTP reply in plain words, and the relay goes on as if nothing was."""

from __future__ import annotations

import re
import socket
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.corpus.labels import labels
from tests.e2e.relay_process import USER
from tests.e2e.sink import running_sink
from tests.fuzz.mutations import mutated

if TYPE_CHECKING:
    from collections.abc import Iterator

MESSAGES = 200
NAMES = sorted(labels())
RECIPIENTS = ("anna@family-mail.example", "ben@mail1.example", "carys@mail2.example")
REPLY = re.compile(rb"[2-5][0-5][0-9] [\x20-\x7e]{3,400}\r\n")
# What an exception would say of itself; and our own word for one.
NOT_FOR_CLIENTS = re.compile(rb"Traceback|Error\b|Exception|\.py\b|File \"|/site-packages|<class|Something went wrong")


class Client:
    """A client that looks at each octet of an answer."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._lines = self._socket.makefile("rb")
        self.replies: list[bytes] = []
        self.hear()
        self.say(b"EHLO client.example\r\n")

    def hear(self) -> bytes:
        """Return the next line of a reply; of the answer to EHLO, which has several, the last one."""
        line = self._lines.readline(2000)
        while len(self.replies) == 1 and line[3:4] == b"-":
            line = self._lines.readline(2000)
        self.replies.append(line)
        return line

    def say(self, octets: bytes) -> bytes:
        self._socket.sendall(octets)
        return self.hear()

    def send(self, message: bytes) -> bytes:
        """Do one transaction; the answer to the final dot."""
        assert self.say(b"MAIL FROM:<%s>\r\n" % USER.encode()).startswith(b"250 ")
        for one in RECIPIENTS:
            assert self.say(b"RCPT TO:<%s>\r\n" % one.encode()).startswith(b"250 ")
        assert self.say(b"DATA\r\n").startswith(b"354 ")
        return self.say(stuffed(message))

    def close(self) -> None:
        self.say(b"QUIT\r\n")
        self._lines.close()
        self._socket.close()


def stuffed(message: bytes) -> bytes:
    """Return a message as it follows DATA (RFC 5321 4.5.2), whatever its line ends are."""
    octets = (b"\r\n" + message).replace(b"\r\n.", b"\r\n..")[2:]
    return octets + (b".\r\n" if octets.endswith(b"\r\n") or not octets else b"\r\n.\r\n")


@pytest.fixture
def sink() -> Iterator[int]:
    with running_sink() as running:
        yield running.port


def test_damaged_mail_gets_plain_replies_and_leaves_the_relay_as_it_was(new_relay, sink: int) -> None:
    relay = new_relay(sink)
    relay.start()
    random = Random(8)
    client = Client(relay.port)
    ends = []
    for _ in range(MESSAGES):
        message = mutated(labels()[random.choice(NAMES)].octets, labels()[random.choice(NAMES)].octets, random)
        ends.append(client.send(message))
        assert REPLY.fullmatch(ends[-1]), (ends[-1], message)
    client.close()
    for reply in client.replies:
        assert REPLY.fullmatch(reply), reply
        assert not NOT_FOR_CLIENTS.search(reply), reply
    codes = {reply[:3] for reply in ends}
    assert codes <= {b"250", b"550", b"554"}, codes
    assert sum(reply.startswith(b"250 2.0.0 Held") for reply in ends) > 10
    assert sum(reply.startswith(b"250 2.0.0 Ok") for reply in ends) > 10
    assert relay.process.poll() is None
    assert relay.get("/livez")[0] == 200
    refused = re.findall(r'smtp_refusals_total\{.*reason="(\w+)".*\} [1-9]', relay.get("/metrics")[1])
    assert set(refused) == {"data"}, "bare carriage returns and NULs alone are refused"
    assert not [line for line in relay.log() if line["level"] == "error"]
    assert relay.stop() == 0
