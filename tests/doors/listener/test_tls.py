"""STARTTLS, implicit TLS and plain listeners: what each offers, and that nothing is accepted too early."""

from __future__ import annotations

import asyncio
import smtplib
import socket
import ssl

import pytest

from bcc_relay.core.errors import ConfigurationError
from tests.doors.listener.script import GOOD_LOGIN, PASSWORD, house

MESSAGE = b"Subject: Term dates\r\n\r\nHello\r\n.\r\n"
Tls = dict[str, ssl.SSLContext]


@pytest.mark.parametrize("auth", ["none", "optional", "required"])
async def test_starttls_is_offered_once_and_login_only_behind_it(tls: Tls, auth: str) -> None:
    async with house(tls="starttls", auth=auth, **tls) as home:
        client = await home.connect()
        before = await client.greet()
        assert "STARTTLS" in before
        assert "AUTH" not in before
        await client.start_tls(tls["client_tls"])
        after = await client.say("EHLO client.example", "250")
        assert "STARTTLS" not in after
        assert ("AUTH PLAIN LOGIN" in after) is (auth != "none")
        await client.say("STARTTLS", "503 5.5.1")


@pytest.mark.parametrize("auth", ["none", "optional", "required"])
async def test_an_implicit_listener_offers_login_at_once(tls: Tls, auth: str) -> None:
    async with house(tls="implicit", auth=auth, **tls) as home:
        client = await home.connect(tls=True)
        offered = await client.greet()
        assert "STARTTLS" not in offered
        assert ("AUTH PLAIN LOGIN" in offered) is (auth != "none")
        await client.say("STARTTLS", "502 5.5.1")


async def test_login_before_tls_is_refused_without_looking_at_it(tls: Tls) -> None:
    asked: list[str] = []

    async def authenticate(name: str, password: str) -> None:
        asked.append(name)

    async with house(tls="starttls", auth="required", authenticate=authenticate, **tls) as home:
        client = await home.greeted()
        await client.says(
            (GOOD_LOGIN, "538 5.7.11"),
            ("AUTH LOGIN", "538 5.7.11"),
            ("MAIL FROM:<clerk@council.example>", "530 5.7.0"),
        )
        assert asked == []


async def test_a_submission_over_starttls(tls: Tls) -> None:
    async with house(tls="starttls", auth="required", **tls) as home:
        client = await home.greeted()
        await client.start_tls(tls["client_tls"])
        await client.says(
            (GOOD_LOGIN, "503 5.5.1"),
            ("MAIL FROM:<clerk@council.example>", "503 5.5.1"),
            ("EHLO client.example", "250"),
            ("MAIL FROM:<clerk@council.example>", "530 5.7.0"),
            (GOOD_LOGIN, "235 2.7.0"),
        )
        await client.envelope()
        await client.data(MESSAGE)
        assert home.intake.taken[0].origin.protocol == "ESMTPSA"
        await client.say("QUIT", "221")
        assert await client.ends() == b""


async def test_mail_without_tls_is_taken_from_a_network_that_may_send(tls: Tls) -> None:
    async with house(tls="starttls", auth="none", **tls) as home:
        client = await home.greeted()
        await client.envelope()
        await client.say("STARTTLS", "503 5.5.1")
        await client.data(MESSAGE)
        await client.start_tls(tls["client_tls"])
        await client.say("EHLO client.example", "250")
        await client.envelope()
        await client.data(MESSAGE)
        assert [s.origin.protocol for s in home.intake.taken] == ["ESMTP", "ESMTPS"]


async def test_what_is_smuggled_in_behind_starttls_is_never_read(tls: Tls) -> None:
    async with house(tls="starttls", auth="none", **tls) as home:
        client = await home.greeted()
        await client.send(b"STARTTLS\r\nEHLO attacker.example\r\nMAIL FROM:<evil@attacker.example>\r\n")
        assert (await client.hear()).startswith("220 2.0.0")
        async with asyncio.timeout(5):
            await client.writer.start_tls(tls["client_tls"], server_hostname="localhost")
        await client.says(
            ("NOOP", "250 2.0.0"),
            ("MAIL FROM:<clerk@council.example>", "503 5.5.1"),
            ("EHLO client.example", "250"),
            ("RCPT TO:<family@mail.example>", "503 5.5.1"),
        )


async def test_starttls_is_unknown_where_there_is_none() -> None:
    async with house() as home:
        await (await home.greeted()).say("STARTTLS", "502 5.5.1")


async def test_a_large_message_over_tls(tls: Tls) -> None:
    body = b"Subject: large\r\n\r\n" + (b"z" * 76 + b"\r\n") * 40_000
    async with house(tls="implicit", **tls) as home:
        client = await home.connect(tls=True)
        await client.greet()
        await client.envelope()
        await client.data(body + b".\r\n")
        assert home.intake.content == body


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
async def test_tls_below_1_2_is_not_spoken(tls: Tls) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname = False
    old.verify_mode = ssl.CERT_NONE
    old.minimum_version = ssl.TLSVersion.TLSv1_1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    async with house(tls="implicit", **tls) as home:
        home.tls = old
        with pytest.raises(OSError):
            await home.connect(tls=True)
    lax = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    lax.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ConfigurationError, match=r"TLS 1\.2"):
        async with house(tls="implicit", server_tls=lax):
            pass


async def test_closing_does_not_wait_for_a_handshake(tls: Tls) -> None:
    async with house(tls="implicit", **tls) as home:
        await home.connect()
        await home.until(lambda: home.listener.open_dialogs == 1)
        await home.listener.close()
        assert home.connections.open == 0


async def test_a_balancer_speaks_before_the_handshake(tls: Tls) -> None:
    header = b"PROXY TCP4 192.0.2.7 198.51.100.1 1000 465\r\n"
    async with house(tls="implicit", proxy_protocol=("127.0.0.0/8",), networks=("192.0.2.0/24",), **tls) as home:
        for at_once in (True, False):
            client = await home.connect()
            if at_once:
                # Header and first flight of the handshake in one packet.
                client.writer.write(header)
            else:
                await client.send(header)
            async with asyncio.timeout(5):
                await client.writer.start_tls(tls["client_tls"], server_hostname="localhost")
            await client.greet()
            await client.envelope()
            await client.data(MESSAGE)
        assert [s.origin.client for s in home.intake.taken] == ["192.0.2.7"] * 2


async def test_another_certificate_is_used_from_then_on(tls: Tls) -> None:
    import trustme

    other = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.minimum_version = ssl.TLSVersion.TLSv1_2  # Debian's Python leaves it to OpenSSL
    other.issue_cert("localhost").configure_cert(server)
    async with house(tls="implicit", **tls) as home:
        home.listener.use_certificate(server)
        with pytest.raises(ssl.SSLCertVerificationError):
            await home.connect(tls=True)
        assert home.tls is not None
        other.configure_trust(home.tls)
        await (await home.connect(tls=True)).greet()


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
async def test_smtplib_logs_in_and_sends(tls: Tls, mode: str) -> None:
    async with house(tls=mode, auth="required", **tls) as home:

        def send() -> None:
            port = home.listener.port
            if mode == "implicit":
                smtp: smtplib.SMTP = smtplib.SMTP_SSL("localhost", port, timeout=5, context=tls["client_tls"])
            else:
                smtp = smtplib.SMTP("localhost", port, timeout=5)
                smtp.starttls(context=tls["client_tls"])
            with smtp:
                smtp.login("clerk@council.example", PASSWORD)
                smtp.sendmail("clerk@council.example", ["family@mail.example"], b"Subject: x\r\n\r\nHello\r\n")

        await asyncio.to_thread(send)
        assert home.intake.taken[0].origin.protocol == "ESMTPSA"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tls": "starttls"}, "needs a certificate; set tls.certificate"),
        ({"tls": "implicit"}, "needs a certificate; set tls.certificate"),
        ({"auth": "required", "host": "0.0.0.0"}, "without TLS shows passwords"),
        ({"auth": "optional", "host": "192.0.2.1"}, "without TLS shows passwords"),
        ({"auth": "required", "authenticate": None}, "needs accounts; set auth.backend"),
        ({"networks": ()}, "networks: nobody could send"),
        ({"networks": ("everyone",)}, 'networks: "everyone" is not a network'),
        ({"proxy_protocol": ("10.0.0.1/8",)}, 'proxy_protocol: "10.0.0.1/8" is not a network'),
        ({"host": "192.0.2.1"}, "cannot listen there"),
    ],
)
async def test_a_listener_that_would_be_unsafe_is_not_built(options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        async with house(**options):
            pass
    complaint = "; ".join(caught.value.complaints)
    assert words in complaint
    assert "listeners (127.0.0.1:0)" in complaint


async def test_a_bound_socket_is_judged_by_its_own_address() -> None:
    with socket.socket() as bound:
        bound.bind(("0.0.0.0", 0))
        with pytest.raises(ConfigurationError, match="without TLS"):
            async with house(auth="required", sock=bound):
                pass


async def test_logging_in_without_tls_is_possible_on_loopback_alone() -> None:
    async with house(auth="required") as home:
        client = await home.connect()
        assert "AUTH PLAIN LOGIN" in await client.greet()
        await client.say(GOOD_LOGIN, "235")
