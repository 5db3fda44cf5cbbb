"""One test for each defect of aiosmtplib 5.1.3 that would lose, double, alter or disclose mail here."""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import re
import socket
import tempfile
import tracemalloc

import pytest

from bcc_relay.core import replies
from bcc_relay.core.model import Body, Deferred, InDoubt, Message, Refused, Reply
from bcc_relay.forwarder import Tls
from tests.build import header
from tests.doors.forwarder.made import HASTY_S, dispatch, dispatch_to, forwarding, kinds, recipient, whole
from tests.doors.forwarder.scripted import Do, running
from tests.doors.forwarder.test_transaction import hasty

END = b"\r\n.\r\n"


async def read_late(listener: socket.socket, wake: asyncio.Event) -> bytes:
    """Be a server that says 354, reads nothing until `wake`, then reads what can still be read."""
    loop = asyncio.get_running_loop()
    peer, _ = await loop.sock_accept(listener)
    with peer:
        peer.setblocking(False)
        await loop.sock_sendall(peer, b"220 up.example\r\n")
        await loop.sock_recv(peer, 1000)
        await loop.sock_sendall(peer, b"250 PIPELINING\r\n".replace(b"250 ", b"250-up.example\r\n250 "))
        await loop.sock_recv(peer, 1000)
        await loop.sock_sendall(peer, b"250 ok\r\n250 ok\r\n354 go\r\n")
        await wake.wait()
        octets = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := await loop.sock_recv(peer, 2**20):
                octets += piece
        return octets


@pytest.mark.parametrize("size", [300_000, 8_000_000, 60_000_000])
async def test_defect_1_a_time_limit_means_that_nothing_more_is_sent(size) -> None:
    """close() after a time limit would flush the rest, dot included, and abort() alone what the system holds."""
    body = b"x" * 98 + b"\r\n"
    with socket.socket() as listener:
        # A small window: the larger part, with the dot, waits in the sender's own system.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        wake = asyncio.Event()
        limits = hasty(data_piece_s=HASTY_S, data_end_s=HASTY_S)
        async with asyncio.TaskGroup() as group, forwarding(listener.getsockname()[1], **limits) as forwarder:
            reading = group.create_task(read_late(listener, wake))
            sent = await forwarder.send(dispatch(body=body * (size // 100)))
            wake.set()
    # Small: the dot was written before the limit. Large: it never was.
    assert sent.outcomes in {(InDoubt(replies.NO_ANSWER),), (Deferred(replies.NO_ANSWER),)}
    assert (size == 300_000) == (kinds(sent.outcomes) == ["InDoubt"])
    assert END not in reading.result()
    assert len(reading.result()) < size


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "."])
async def test_defect_2_a_cancelled_send_leaves_no_connection_that_is_out_of_step(verb) -> None:
    async with (
        running({verb: [Do.SILENCE], "RCPT": []} if verb != "RCPT" else {verb: [Do.SILENCE]}) as server,
        forwarding(server.port, connections=1) as forwarder,
        asyncio.TaskGroup() as group,
    ):
        first = group.create_task(forwarder.send(dispatch("first@a.example")))
        await server.until(lambda: bool(server.mails) if verb == "." else verb in server.verbs())
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        server.script["RCPT"] = [b"550 5.1.1 Unknown\r\n"]
        second = await forwarder.send(dispatch("second@a.example"))
        await server.sessions[0].ended.wait()
        assert len(server.sessions) == 2
    assert second.outcomes == (Refused(Reply(550, "5.1.1 Unknown")),)


@pytest.mark.parametrize("offers", [("PIPELINING",), ()], ids=["pipelined", "one by one"])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
async def test_defect_3_a_surplus_reply_is_never_taken_for_the_answer_to_the_next_command(verb, offers) -> None:
    script = {verb: [b"250 ok\r\n250 extra\r\n"], "RCPT": [b"550 5.1.1 nope\r\n", b"250 ok\r\n"]}
    if verb == "RCPT":
        script["RCPT"] = [b"250 ok\r\n250 extra\r\n", b"550 5.1.1 nope\r\n"]
    async with running(script, offers=offers) as server, forwarding(server.port) as forwarder:
        sent = await forwarder.send(dispatch("a@a.example", "b@a.example"))
        # Whose refusal the 550 was is uncertain: nobody is refused for good.
        assert kinds(sent.outcomes) == ["Deferred", "Deferred"]
        assert server.mails == []
        server.script.clear()
        assert kinds((await forwarder.send(dispatch())).outcomes) == ["Delivered"]
        assert len(server.sessions) == 2


async def test_defect_3_a_late_go_ahead_shows_that_the_refusal_was_another_commands() -> None:
    script = {"DATA": b"550 5.1.1 nope\r\n", "RSET": b"354 go\r\n"}
    async with running(script) as server, forwarding(server.port) as forwarder:
        sent = await forwarder.send(dispatch())
    assert sent.outcomes == (Deferred(replies.CONNECTION_LOST),)


async def test_defect_3_a_surplus_reply_at_the_end_costs_the_connection_only() -> None:
    async with running({".": [b"250 ok\r\n250 extra\r\n"]}) as server, forwarding(server.port) as forwarder:
        assert kinds((await forwarder.send(dispatch())).outcomes) == ["Delivered"]
        assert kinds((await forwarder.send(dispatch())).outcomes) == ["Delivered"]
        assert len(server.sessions) == 2


async def test_defect_4_envelope_addresses_are_sent_to_the_octet() -> None:
    odd = [b'"a,b"@x.example', b"a,b@x.example", b"u(comment)@x.example", b'"q\\"<>"@x.example', b"G@[192.0.2.1]"]
    async with running() as server, forwarding(server.port) as forwarder:
        sent = await forwarder.send(dispatch_to(*(recipient(octets) for octets in odd)))
    assert kinds(sent.outcomes) == ["Delivered"] * len(odd)
    assert server.mails[0].rcpts == tuple(b"RCPT TO:<%b>\r\n" % octets for octets in odd)


async def test_defect_5_the_null_sender_is_sent_as_such() -> None:
    async with running(offers=()) as server, forwarding(server.port) as forwarder:
        assert kinds((await forwarder.send(dispatch(sender=None))).outcomes) == ["Delivered"]
    assert server.mails[0].mail == b"MAIL FROM:<>\r\n"


async def test_defect_6_without_starttls_nothing_is_said_in_the_clear() -> None:
    async with (
        running(offers=("AUTH CRAM-MD5 PLAIN LOGIN",)) as server,
        forwarding(server.port, tls=Tls.STARTTLS, username="u", password="p") as forwarder,
    ):
        sent = await forwarder.send(dispatch())
    assert sent.outcomes == (Deferred(replies.UPSTREAM_DOWN, unreachable=True),)
    assert bytes(server.sessions[0].octets) == b"EHLO relay.council.example\r\n"


async def test_defect_7_a_wrong_password_is_one_attempt() -> None:
    async with (
        running({"AUTH": b"535 5.7.8 Wrong\r\n"}, offers=("AUTH CRAM-MD5 PLAIN LOGIN",)) as server,
        forwarding(server.port, username="u", password="p") as forwarder,
    ):
        await forwarder.send(dispatch())
    assert server.verbs() == ["EHLO", "AUTH"]


async def test_defect_8_the_message_is_never_made_anew() -> None:
    head = b"Bcc: kept@a.example\r\nSubject:  two  blanks\r\nX-Long: " + b"x" * 1500 + b"\r\nFrom:a@b.example\r\n"
    body = b"trailing blanks  \r\n\t\r\n" + b"y" * 5000 + b"\r\n\r\n\r\n"
    mail = dispatch(raw=Message(head, b"\r\n", Body(body)))
    async with running() as server, forwarding(server.port) as forwarder:
        await forwarder.send(mail)
    assert server.mails[0].octets == whole(mail.message)


async def test_defect_9_memory_does_not_grow_with_the_message() -> None:
    """A server that counts and forgets; the body is a mapped file of 30 MB."""
    size = 30_000_000

    class Forgetful(asyncio.Protocol):
        def connection_made(self, transport) -> None:
            self.transport, self.tail, self.in_data = transport, b"", False
            transport.write(b"220 up\r\n")

        def data_received(self, data: bytes) -> None:
            self.tail = (self.tail + data)[-4096:]
            if self.in_data:
                if self.tail.endswith(END):
                    self.in_data = False
                    self.transport.write(b"250 ok\r\n")
            elif self.tail.endswith(b"DATA\r\n"):
                self.in_data = True
                self.transport.write(b"250 ok\r\n250 ok\r\n354 go\r\n")
            elif data.startswith(b"EHLO"):
                self.transport.write(b"250-up\r\n250 PIPELINING\r\n")

    server = await asyncio.get_running_loop().create_server(Forgetful, "127.0.0.1", 0)
    with tempfile.TemporaryFile() as file:
        file.write((b".dots and " * 6 + b"\r\n") * (size // 62))
        file.flush()
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    async with server, forwarding(server.sockets[0].getsockname()[1]) as forwarder:
        await forwarder.send(dispatch())
        tracemalloc.start()
        try:
            sent = await forwarder.send(dispatch(raw=Message(header(), b"\r\n", Body(content))))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert kinds(sent.outcomes) == ["Delivered"]
    assert peak < 2_000_000


async def test_defect_10_what_the_server_cannot_take_is_refused_before_anything_is_said() -> None:
    async with running(offers=("PIPELINING",)) as server, forwarding(server.port) as forwarder:
        eightbit = await forwarder.send(dispatch(body="Grüße\r\n".encode()))
        address = await forwarder.send(dispatch_to(recipient("jürgen@mail.example".encode())))
    assert eightbit.outcomes == (Refused(replies.NO_8BITMIME),)
    assert address.outcomes == (Refused(replies.NO_SMTPUTF8),)
    assert server.verbs() == ["EHLO", "QUIT"]


async def test_defect_11_the_hello_name_is_never_looked_up(monkeypatch) -> None:
    def looked_up(*_: object) -> str:
        raise AssertionError("looked up")

    monkeypatch.setattr(socket, "getfqdn", looked_up)
    async with running() as server, forwarding(server.port, hello_name="[192.0.2.1]") as forwarder:
        assert kinds((await forwarder.send(dispatch())).outcomes) == ["Delivered"]
    assert server.sessions[0].commands[0] == b"EHLO [192.0.2.1]\r\n"


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "."])
async def test_defect_12_what_a_421_says_is_kept_and_the_connection_is_not(verb) -> None:
    async with running({verb: [b"421 4.3.2 Maintenance\r\n"]}) as server, forwarding(server.port) as forwarder:
        sent = await forwarder.send(dispatch())
        await forwarder.send(dispatch())
        assert len(server.sessions) == 2
    assert sent.outcomes == (Deferred(Reply(421, "4.3.2 Maintenance")),)


async def test_the_text_of_an_exception_never_reaches_an_outcome() -> None:
    async with running() as server:
        port = server.port
    async with forwarding(port) as forwarder:
        sent = await forwarder.send(dispatch())
    assert not re.search(r"Errno|Error|refused|\d{4,}", sent.reply.text)
