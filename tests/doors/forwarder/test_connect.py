"""Setting a connection up: encryption is what was asked for or nothing is sent; a server at fault is never the mail's."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import trustme

from bcc_relay.core import replies
from bcc_relay.core.errors import ConfigurationError
from bcc_relay.core.events import UpstreamSeen
from bcc_relay.core.model import Deferred, InDoubt
from bcc_relay.forwarder import Tls
from tests.doors.forwarder.made import HASTY_S, Seen, dispatch, forwarding, kinds, whole
from tests.doors.forwarder.scripted import OFFERS, Do, running
from tests.doors.forwarder.test_transaction import hasty

if TYPE_CHECKING:
    from pathlib import Path

LOGIN = {"username": "relay", "password": "correct horse"}
UNREACHABLE = (Deferred(replies.UPSTREAM_DOWN, unreachable=True),)


def server_side(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@dataclass
class Authority:
    ca: trustme.CA
    ca_file: Path

    def good(self) -> ssl.SSLContext:
        return server_side(self.ca.issue_cert("127.0.0.1"))


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    ca = trustme.CA()
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(path)
    return Authority(ca, path)


def certificates(authority: Authority, which: str) -> ssl.SSLContext:
    match which:
        case "self-signed":
            return server_side(trustme.CA().issue_cert("127.0.0.1"))
        case "wrong host":
            return server_side(authority.ca.issue_cert("other.example"))
        case "expired":
            past = datetime(2020, 1, 1, tzinfo=UTC)
            return server_side(
                authority.ca.issue_cert("127.0.0.1", not_before=datetime(2019, 1, 1, tzinfo=UTC), not_after=past)
            )
        case _:
            raise AssertionError(which)


@pytest.mark.parametrize("tls", [Tls.STARTTLS, Tls.IMPLICIT])
@pytest.mark.parametrize("size", [20, 3_000_000])
async def test_mail_goes_encrypted_with_a_certificate_that_verifies(authority, tls, size) -> None:
    mail = dispatch(body=b"0123456789abcdef\r\n" * (size // 18))
    async with (
        running(tls=authority.good(), implicit=tls is Tls.IMPLICIT) as server,
        forwarding(server.port, tls=tls, ca_file=authority.ca_file, **LOGIN) as forwarder,
    ):
        first = await forwarder.send(mail)
        second = await forwarder.send(dispatch())
        (probed,) = await forwarder.probe()
    assert kinds(first.outcomes + second.outcomes) == ["Delivered", "Delivered"]
    assert server.mails[0].octets == whole(mail.message)
    assert all(session.secure for session in server.sessions)
    assert len(server.sessions) == 2
    assert probed.is_up
    assert probed.tls_version == "TLSv1.3"


@pytest.mark.parametrize("tls", [Tls.STARTTLS, Tls.IMPLICIT])
async def test_under_tls_too_a_lost_answer_is_in_doubt_and_the_connection_reset(authority, tls) -> None:
    async with (
        running({".": [Do.SILENCE]}, tls=authority.good(), implicit=tls is Tls.IMPLICIT) as server,
        forwarding(server.port, tls=tls, ca_file=authority.ca_file, **hasty(data_end_s=HASTY_S)) as forwarder,
    ):
        sent = await forwarder.send(dispatch())
        async with asyncio.timeout(2):
            await server.sessions[0].ended.wait()
        assert sent.outcomes == (InDoubt(replies.NO_ANSWER),)
        assert kinds((await forwarder.send(dispatch())).outcomes) == ["Delivered"]


@pytest.mark.parametrize("tls", [Tls.STARTTLS, Tls.IMPLICIT])
async def test_under_tls_too_an_octet_too_many_costs_the_connection(authority, tls) -> None:
    async with (
        running({".": [b"250 ok\r\n250 more\r\n"]}, tls=authority.good(), implicit=tls is Tls.IMPLICIT) as server,
        forwarding(server.port, tls=tls, ca_file=authority.ca_file) as forwarder,
    ):
        for _ in range(3):
            assert kinds((await forwarder.send(dispatch())).outcomes) == ["Delivered"]
        assert len(server.sessions) == 2


@pytest.mark.parametrize("which", ["self-signed", "wrong host", "expired"])
@pytest.mark.parametrize("tls", [Tls.STARTTLS, Tls.IMPLICIT])
async def test_a_certificate_that_does_not_verify_stops_everything(authority, which, tls) -> None:
    seen = Seen()
    context = certificates(authority, which)
    async with (
        running(tls=context, implicit=tls is Tls.IMPLICIT) as server,
        forwarding(server.port, tls=tls, ca_file=authority.ca_file, seen=seen, **LOGIN) as forwarder,
    ):
        sent = await forwarder.send(dispatch())
    assert sent.outcomes == UNREACHABLE
    assert sent.reply == replies.UPSTREAM_DOWN
    assert not {"AUTH", "MAIL", "RCPT", "DATA"} & set(server.verbs())
    (event,) = seen.events
    assert isinstance(event, UpstreamSeen)
    assert not event.up
    assert "certificate" in event.detail.lower()


async def test_stripped_starttls_sends_neither_login_nor_mail(authority) -> None:
    async with (
        running(offers=("PIPELINING", "AUTH PLAIN LOGIN CRAM-MD5")) as server,
        forwarding(server.port, tls=Tls.STARTTLS, ca_file=authority.ca_file, **LOGIN) as forwarder,
    ):
        sent = await forwarder.send(dispatch())
    assert sent.outcomes == UNREACHABLE
    assert server.verbs() == ["EHLO"]


@pytest.mark.parametrize("answer", [b"454 4.7.0 Not now\r\n", b"220 go\r\n250 and more\r\n"])
async def test_starttls_refused_or_followed_by_plain_text_sends_nothing(authority, answer) -> None:
    async with (
        running({"STARTTLS": answer}, tls=authority.good()) as server,
        forwarding(server.port, tls=Tls.STARTTLS, ca_file=authority.ca_file, **LOGIN) as forwarder,
    ):
        sent = await forwarder.send(dispatch())
    if kinds(sent.outcomes) == ["Delivered"]:
        # What was injected before TLS was thrown away with everything else that was said before TLS.
        assert server.sessions[0].secure
    else:
        assert sent.outcomes == UNREACHABLE
        assert not {"AUTH", "MAIL"} & set(server.verbs())


async def test_implicit_tls_towards_a_plain_port_sends_nothing_readable(authority) -> None:
    async with (
        running() as server,
        forwarding(server.port, tls=Tls.IMPLICIT, ca_file=authority.ca_file, **LOGIN) as forwarder,
    ):
        assert (await forwarder.send(dispatch())).outcomes == UNREACHABLE
    assert b"MAIL" not in bytes(server.sessions[0].octets)


def refused(*_: object) -> bytes:
    return b"535 5.7.8 Wrong\r\n"


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        ("PLAIN LOGIN CRAM-MD5", b"AUTH PLAIN AHJlbGF5AGNvcnJlY3QgaG9yc2U=\r\n"),
        ("LOGIN CRAM-MD5", b"AUTH LOGIN cmVsYXk=\r\n"),
        ("CRAM-MD5", b"AUTH CRAM-MD5\r\n"),
    ],
)
async def test_a_wrong_password_is_tried_once_and_the_server_left_alone_for_a_while(
    authority, offered, expected
) -> None:
    now = [100.0]
    async with (
        running({"AUTH": refused}, offers=(f"AUTH {offered}",), tls=authority.good()) as server,
        forwarding(
            server.port, tls=Tls.STARTTLS, ca_file=authority.ca_file, clock=lambda: now[0], **LOGIN
        ) as forwarder,
    ):
        assert (await forwarder.send(dispatch())).outcomes == UNREACHABLE
        assert (await forwarder.send(dispatch())).outcomes == UNREACHABLE
        assert len(server.sessions) == 1
        assert [command for command in server.sessions[0].commands if command[:4] == b"AUTH"] == [expected]
        now[0] += 5
        assert (await forwarder.send(dispatch())).outcomes == UNREACHABLE
        assert len(server.sessions) == 2


async def test_a_password_that_is_asked_for_at_each_connection_may_change(authority) -> None:
    passwords = ["one", "two"]
    async with (
        running(offers=("AUTH PLAIN",), tls=authority.good()) as server,
        forwarding(
            server.port,
            tls=Tls.STARTTLS,
            ca_file=authority.ca_file,
            username="u",
            password=lambda: passwords.pop(0),
            messages_per_connection=1,
        ) as forwarder,
    ):
        await forwarder.send(dispatch())
        await forwarder.send(dispatch())
    logins = [command for s in server.sessions for command in s.commands if command[:4] == b"AUTH"]
    assert logins == [b"AUTH PLAIN AHUAb25l\r\n", b"AUTH PLAIN AHUAdHdv\r\n"]


async def test_a_server_without_a_login_we_know_gets_no_mail() -> None:
    async with running(offers=("AUTH GSSAPI",)) as server, forwarding(server.port, **LOGIN) as forwarder:
        assert (await forwarder.send(dispatch())).outcomes == UNREACHABLE
    assert server.verbs() == ["EHLO"]


@pytest.mark.parametrize(
    "script",
    [
        {"CONNECT": b"554 5.7.1 Go away\r\n"},
        {"CONNECT": b"421 4.3.2 Busy\r\n"},
        {"CONNECT": b"nonsense\r\n"},
        {"CONNECT": Do.DROP},
        {"CONNECT": Do.STOP},
        {"EHLO": b"500 5.5.1 What?\r\n"},
        {"EHLO": Do.DROP},
        {"EHLO": Do.STOP},
        {"EHLO": b"250-up\r\n250 PIPELINING\r\n250 surplus\r\n"},
    ],
    ids=str,
)
async def test_a_server_at_fault_before_mail_is_passed_over_for_the_next(script) -> None:
    seen = Seen()
    async with (
        running(script) as bad,
        running() as good,
        forwarding(bad.port, good.port, seen=seen, **hasty(greeting_s=HASTY_S, hello_s=HASTY_S)) as forwarder,
    ):
        sent = await forwarder.send(dispatch())
        assert kinds(sent.outcomes) == ["Delivered"]
        assert not {"MAIL", "HELO"} & set(bad.verbs())
    assert [(event.server, event.up) for event in seen.events] == [(0, False), (1, True)]


async def test_nobody_listening_is_deferred_as_unreachable_in_our_own_words() -> None:
    seen = Seen()
    async with running() as server:
        port = server.port
    async with forwarding(port, seen=seen) as forwarder:
        sent = await forwarder.send(dispatch("a@a.example", "b@a.example"))
        (probed,) = await forwarder.probe()
    assert sent.outcomes == UNREACHABLE * 2
    assert sent.reply == replies.UPSTREAM_DOWN
    assert not probed.is_up
    assert probed.detail.startswith("connect: ")
    assert [event.up for event in seen.events] == [False, False]


async def test_a_name_that_does_not_exist_is_deferred_as_unreachable() -> None:
    from bcc_relay.forwarder import Server

    async with forwarding(1, servers=(Server("no-such-host.invalid", 25),)) as forwarder:
        assert (await forwarder.send(dispatch())).outcomes == UNREACHABLE


async def test_ehlo_says_the_configured_name() -> None:
    async with running() as server, forwarding(server.port, hello_name="mx.council.example") as forwarder:
        await forwarder.send(dispatch())
    assert server.sessions[0].commands[0] == b"EHLO mx.council.example\r\n"


async def test_cancelling_while_connecting_leaves_no_connection_behind() -> None:
    async with running({"EHLO": Do.SILENCE}) as server, forwarding(server.port, connections=1) as forwarder:
        sending = asyncio.get_running_loop().create_task(forwarder.send(dispatch()))
        await server.until(lambda: server.verbs() == ["EHLO"])
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await server.sessions[0].ended.wait()
        server.script.clear()
        assert kinds((await forwarder.send(dispatch())).outcomes) == ["Delivered"]


def test_an_unreadable_file_of_authorities_names_the_key(tmp_path) -> None:
    from bcc_relay.forwarder import Forwarder
    from tests.doors.forwarder.made import options

    (tmp_path / "ca.pem").write_text("no certificate")
    for name in ("absent.pem", "ca.pem"):
        with pytest.raises(ConfigurationError, match=r"upstream\.ca_file"):
            Forwarder(options(25, tls=Tls.STARTTLS, ca_file=tmp_path / name), Seen())


async def test_probe_reports_each_server_and_says_goodbye() -> None:
    async with running(offers=OFFERS) as one, running(offers=()) as two, forwarding(one.port, two.port) as forwarder:
        found = await forwarder.probe()
        await one.until(one.sessions[0].ended.is_set)
    assert [(p.server, p.port, p.is_up, p.detail) for p in found] == [(0, one.port, True, ""), (1, two.port, True, "")]
    assert found[0].offers.pipelining
    assert not found[1].offers.pipelining
    assert one.verbs() == two.verbs() == ["EHLO", "QUIT"]
