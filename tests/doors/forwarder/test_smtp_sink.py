"""Against Debian's smtp-sink (package postfix), told to misbehave in every way it knows."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bcc_relay.core import replies
from bcc_relay.core.model import Body, Deferred, InDoubt, Message, Refused, Reply
from tests.build import header
from tests.doors.forwarder.made import dispatch, forwarding, kinds, whole
from tests.doors.forwarder.test_transaction import hasty

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SMTP_SINK = shutil.which("smtp-sink") or shutil.which("smtp-sink", path="/usr/sbin")

pytestmark = pytest.mark.skipif(SMTP_SINK is None, reason="smtp-sink is not installed (Debian package postfix)")


@contextlib.asynccontextmanager
async def sink(*arguments: str) -> AsyncIterator[int]:
    """Run smtp-sink on a free port of 127.0.0.1 and give the port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    user = ("-u", "nobody") if os.geteuid() == 0 else ()
    assert SMTP_SINK is not None
    process = await asyncio.create_subprocess_exec(SMTP_SINK, *user, *arguments, f"127.0.0.1:{port}", "100")
    try:
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.transport.abort()
                    break
                await asyncio.sleep(0.01)
        yield port
    finally:
        process.terminate()
        await process.wait()


HARD = Reply(500, "5.3.0 Error: command failed")
SOFT = Reply(450, "4.3.0 Error: command failed")
CLOSING = Reply(421, "4.0.0 Server closing connection")
DOWN = Deferred(replies.UPSTREAM_DOWN, unreachable=True)


@pytest.mark.parametrize(
    ("arguments", "outcome"),
    [
        (("-q", "."), InDoubt(replies.NO_ANSWER)),
        (("-W", ".:10"), InDoubt(replies.NO_ANSWER)),
        (("-Q", "."), Deferred),
        (("-r", "."), Deferred(SOFT)),
        (("-f", "."), Refused(HARD)),
        (("-r", "rcpt"), Deferred(SOFT)),
        (("-f", "rcpt"), Refused(HARD)),
        (("-r", "data"), Deferred(SOFT)),
        (("-f", "data"), Refused(HARD)),
        (("-r", "mail"), Deferred(SOFT)),
        (("-f", "mail"), Refused(HARD)),
        (("-Q", "mail"), Deferred),
        (("-Q", "rcpt"), Deferred),
        (("-Q", "data"), Deferred),
        (("-q", "mail"), Deferred(replies.CONNECTION_LOST, unreachable=True)),
        (("-q", "rcpt"), Deferred(replies.CONNECTION_LOST)),
        (("-q", "data"), Deferred(replies.CONNECTION_LOST)),
        (("-f", "connect"), DOWN),
        (("-Q", "connect"), DOWN),
        (("-q", "connect"), DOWN),
        (("-f", "ehlo"), DOWN),
        (("-q", "ehlo"), DOWN),
    ],
    ids=str,
)
async def test_fault(arguments, outcome) -> None:
    async with sink(*arguments) as port, forwarding(port, **hasty(data_end_s=0.5)) as forwarder:
        sent = await forwarder.send(dispatch("a@a.example", "b@a.example"))
        again = await forwarder.send(dispatch("a@a.example", "b@a.example"))
    for outcomes in (sent.outcomes, again.outcomes):
        if outcome is Deferred:
            assert {(type(got), got.reply.code) for got in outcomes} == {(Deferred, 421)}
        else:
            assert outcomes == (outcome, outcome)


async def test_a_refusal_while_the_data_is_still_going_out_is_heard_and_passed_on() -> None:
    big = dispatch(body=b"0123456789abcdef\r\n" * 500_000)
    async with sink("-A", "1") as port, forwarding(port) as forwarder:
        sent = await forwarder.send(big)
    assert kinds(sent.outcomes) == ["Refused"]
    assert sent.reply.code == 550


async def test_a_reset_in_the_middle_of_the_data_is_at_worst_deferred() -> None:
    """The refusal may be lost with the connection; that nothing was accepted is certain all the same."""
    big = dispatch(body=b"0123456789abcdef\r\n" * 500_000)
    async with sink("-A", "0") as port, forwarding(port) as forwarder:
        sent = await forwarder.send(big)
    assert sent.reply.code == 550 or sent.outcomes == (Deferred(replies.CONNECTION_LOST),)


async def test_a_server_without_esmtp_is_not_used() -> None:
    async with sink("-e") as port, forwarding(port) as forwarder:
        sent = await forwarder.send(dispatch(body="Grüße\r\n".encode()))
    assert kinds(sent.outcomes)[0] in {"Deferred", "Refused"}


async def test_8bit_content_is_refused_for_a_server_without_8bitmime_and_ascii_declared_8bit_passes() -> None:
    async with sink("-8") as port, forwarding(port) as forwarder:
        eightbit = await forwarder.send(dispatch(body="Grüße\r\n".encode()))
        declared = await forwarder.send(dispatch(body_8bitmime=True))
    assert eightbit.outcomes == (Refused(replies.NO_8BITMIME),)
    assert kinds(declared.outcomes) == ["Delivered"]


async def test_a_hundred_recipients_without_pipelining_and_with_it() -> None:
    many = dispatch(*(f"family{n}@mail.example" for n in range(100)))
    for arguments in ((), ("-p",)):
        async with sink(*arguments) as port, forwarding(port) as forwarder:
            assert kinds((await forwarder.send(many)).outcomes) == ["Delivered"] * 100


async def test_what_the_sink_dumps_is_the_message() -> None:
    content = b".lead\r\n..two\r\n\r\n.\r\nlast" + b"." * 2000 + b"\r\n"
    mail = dispatch(raw=Message(header(to="x@y.example"), b"\r\n", Body(content)))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        async with sink("-d", f"{folder}/mail.") as port, forwarding(port) as forwarder:
            assert kinds((await forwarder.send(mail)).outcomes) == ["Delivered"]
        (dump,) = Path(folder).iterdir()
        dumped = dump.read_bytes()
    assert dumped.endswith(b"\n" + whole(mail.message).replace(b"\r\n", b"\n") + b"\n")
