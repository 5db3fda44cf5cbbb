"""Who may send: by login and network alone. The matrix of forms by which relays were found open."""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address

import pytest

from bcc_relay.core.errors import ConfigurationError
from bcc_relay.core.events import ConnectionOpened, SmtpRefused
from bcc_relay.listener.limits import Connections
from bcc_relay.listener.networks import client_key, is_in, plain_address, read_networks
from bcc_relay.listener.options import Timeouts
from tests.doors.listener.script import GOOD_LOGIN, PASSWORD, house, plain

MESSAGE = b"Subject: Term dates\r\n\r\nHello\r\n.\r\n"
ELSEWHERE = ("192.0.2.0/24",)

# The sixteen pairs of nmap's smtp-open-relay, and forms found elsewhere.
OPEN_RELAY_FORMS = [
    ("", "relaytest@nmap.example"),
    ("antispam@nmap.example", "relaytest@nmap.example"),
    ("antispam@localhost", "relaytest@nmap.example"),
    ("antispam@[127.0.0.1]", "relaytest@nmap.example"),
    ("antispam@[127.0.0.1]", "relaytest%nmap.example@[127.0.0.1]"),
    ("antispam@[127.0.0.1]", "relaytest%nmap.example@council.example"),
    ("antispam@[127.0.0.1]", '"relaytest@nmap.example"'),
    ("antispam@[127.0.0.1]", '"relaytest%nmap.example"'),
    ("antispam@[127.0.0.1]", "relaytest@nmap.example@[127.0.0.1]"),
    ("antispam@[127.0.0.1]", '"relaytest@nmap.example"@[127.0.0.1]'),
    ("antispam@[127.0.0.1]", "relaytest@nmap.example@council.example"),
    ("antispam@[127.0.0.1]", "@[127.0.0.1]:relaytest@nmap.example"),
    ("antispam@[127.0.0.1]", "@council.example:relaytest@nmap.example"),
    ("antispam@[127.0.0.1]", "nmap.example!relaytest"),
    ("antispam@[127.0.0.1]", "nmap.example!relaytest@[127.0.0.1]"),
    ("antispam@[127.0.0.1]", "nmap.example!relaytest@council.example"),
    ("clerk@council.example", "@a.example,@b.example:u@c.example"),
    ("clerk@council.example", '"u@evil.example"@council.example'),
    ("clerk@council.example", "u%evil.example@council.example"),
    ("clerk@council.example", "=?utf-8?q?evil=40attacker.example?=@council.example"),
    ("clerk@council.example", "clerk@council.example"),
]


@pytest.mark.parametrize(
    ("options", "reply"),
    [({"networks": ELSEWHERE}, "550 5.7.1"), ({"auth": "required"}, "530 5.7.0")],
)
async def test_a_stranger_who_goes_on_asking_is_hung_up_on_and_cannot_fill_the_log(
    options: dict[str, object], reply: str
) -> None:
    async with house(**options) as home:  # type: ignore[arg-type]
        client = await home.greeted()
        for _ in range(19):
            await client.say("MAIL FROM:<clerk@council.example>", reply)
        await client.say("MAIL FROM:<clerk@council.example>", "421 4.7.0")
        assert await client.ends() == b""
        assert len(home.of(SmtpRefused)) == 20


@pytest.mark.parametrize(("sender", "recipient"), OPEN_RELAY_FORMS)
async def test_a_foreign_network_sends_nothing_in_any_form(sender: str, recipient: str) -> None:
    async with house(networks=ELSEWHERE) as home:
        client = await home.greeted()
        await client.says(
            (f"MAIL FROM:<{sender}>", "550 5.7.1"),
            (f"RCPT TO:<{recipient}>", "503"),
            ("DATA", "503"),
            ("RSET", "250"),
            ("NOOP", "250"),
            ("QUIT", "221"),
        )


@pytest.mark.parametrize(("sender", "recipient"), OPEN_RELAY_FORMS)
async def test_nobody_sends_without_a_login_where_one_is_required(sender: str, recipient: str) -> None:
    async with house(auth="required") as home:
        client = await home.greeted()
        await client.says(
            (f"MAIL FROM:<{sender}>", "530 5.7.0"),
            (f"RCPT TO:<{recipient}>", "503"),
            ("DATA", "503"),
        )
        assert home.of(SmtpRefused)[0].reason == "auth_required"


async def test_claims_about_the_client_change_nothing() -> None:
    async with house(networks=ELSEWHERE) as home:
        client = await home.greeted()
        await client.says(
            ("XCLIENT ADDR=192.0.2.1", "500 5.5.1"),
            ("XFORWARD ADDR=192.0.2.1", "500 5.5.1"),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 1 25", "500 5.5.1"),
            ("EHLO [192.0.2.1]", "250"),
            ("MAIL FROM:<clerk@council.example> AUTH=clerk@council.example", "550 5.7.1"),
        )


async def test_networks_are_for_listeners_without_a_required_login() -> None:
    async with house(auth="optional", networks=("127.0.0.0/8",)) as home:
        await (await home.greeted()).envelope()
    async with house(auth="optional", networks=ELSEWHERE) as home:
        client = await home.greeted()
        await client.says(
            ("MAIL FROM:<clerk@council.example>", "530 5.7.0"),
            (GOOD_LOGIN, "235"),
            ("MAIL FROM:<clerk@council.example>", "250"),
        )
    async with house(auth="required", networks=("127.0.0.0/8",)) as home:
        await (await home.greeted()).say("MAIL FROM:<clerk@council.example>", "530 5.7.0")


@pytest.mark.parametrize(
    ("sender", "reply"),
    [
        ("clerk@council.example", "250 2.1.0"),
        ("Clerk@Council.Example", "250 2.1.0"),
        ("office@council.example", "250 2.1.0"),
        ("", "250 2.1.0"),
        ("mayor@council.example", "553 5.7.1"),
        ("clerk@council.example.attacker.example", "553 5.7.1"),
        ("clerk@sub.council.example", "553 5.7.1"),
        ("clerk+x@council.example", "553 5.7.1"),
        ("сlerk@council.example", "553 5.6.7"),
    ],
)
async def test_the_sender_must_belong_to_the_login(sender: str, reply: str) -> None:
    async with house(auth="required") as home:
        client = await home.greeted()
        await client.say(GOOD_LOGIN, "235")
        await client.say(f"MAIL FROM:<{sender}>", reply)


async def test_a_homoglyph_of_the_sender_is_somebody_else() -> None:
    async with house(auth="required") as home:
        client = await home.greeted()
        await client.say(GOOD_LOGIN, "235")
        await client.say("MAIL FROM:<сlerk@council.example> SMTPUTF8", "553 5.7.1")
        await client.say('MAIL FROM:<"clerk"@council.example>', "250")


async def test_what_the_relay_hears_of_a_login() -> None:
    async with house(auth="required") as home:
        client = await home.greeted()
        await client.say(GOOD_LOGIN, "235")
        await client.envelope()
        await client.data(MESSAGE)
        origin = home.intake.taken[0].origin
        assert (origin.user, origin.protocol) == ("clerk@council.example", "ESMTPA")
        assert origin.user_addresses == ("clerk@council.example", "office@council.example")
        assert origin.authenticated_listener


# --- addresses of clients ---------------------------------------------------------------------------------------------


def test_a_mapped_address_is_its_ipv4_address() -> None:
    networks = read_networks(("127.0.0.0/8", "::ffff:10.0.0.0/104", "2001:db8::/32"), "networks")
    for text, expected in (
        ("127.0.0.1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:10.1.2.3", True),
        ("10.1.2.3", True),
        ("11.0.0.1", False),
        ("2001:db8::1%eth0", True),
        ("2001:db9::1", False),
        ("::7f00:1", False),
    ):
        assert is_in(plain_address(ip_address(text)), networks) is expected, text


def test_clients_are_counted_by_ipv4_address_and_by_ipv6_network() -> None:
    assert client_key(ip_address("192.0.2.1")) != client_key(ip_address("192.0.2.2"))
    assert client_key(ip_address("2001:db8::1")) == client_key(ip_address("2001:db8::2")) == "2001:db8::/64"


async def test_a_client_over_ipv6_meets_its_ipv4_network() -> None:
    with socket.socket(socket.AF_INET6) as probe:
        probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        probe.bind(("::", 0))
        # A bound socket of our own, that takes IPv4 clients as mapped IPv6 ones.
        async with house(networks=("127.0.0.0/8",), sock=probe) as home:
            client = await home.greeted()
            await client.envelope()
            assert home.of(ConnectionOpened)[0].client == "127.0.0.1"


# --- PROXY ------------------------------------------------------------------------------------------------------------

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def version_2(source: str, *, command: int = 1, kind: int = 0x11, more: bytes = b"") -> bytes:
    addresses = socket.inet_aton(source) + socket.inet_aton("198.51.100.1") + struct.pack("!HH", 1000, 25) + more
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, kind, len(addresses)) + addresses


def version_2_ipv6(source: str) -> bytes:
    pack = socket.inet_pton
    addresses = pack(socket.AF_INET6, source) + pack(socket.AF_INET6, "2001:db8::1") + struct.pack("!HH", 1000, 25)
    return SIGNATURE + struct.pack("!BBH", 0x21, 0x21, len(addresses)) + addresses


BALANCED = {"proxy_protocol": ("127.0.0.0/8",), "networks": ELSEWHERE}


@pytest.mark.parametrize(
    ("header", "reply"),
    [
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 1000 25\r\n", "250"),
        (b"PROXY TCP4 203.0.113.7 198.51.100.1 1000 25\r\n", "550 5.7.1"),
        (b"PROXY TCP6 ::ffff:192.0.2.7 2001:db8::1 1000 25\r\n", "250"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 1000 25\r\n", "550 5.7.1"),
        (version_2("192.0.2.7"), "250"),
        (version_2("203.0.113.7"), "550 5.7.1"),
        (version_2("192.0.2.7", more=b"\x04\0\x01x"), "250"),
        (version_2_ipv6("::ffff:192.0.2.7"), "250"),
        (version_2_ipv6("2001:db8::7"), "550 5.7.1"),
        # A health check: the balancer speaks for itself, whatever address stands there.
        (version_2("192.0.2.7", command=0), "550 5.7.1"),
        (b"PROXY UNKNOWN 192.0.2.7 198.51.100.1 1000 25\r\n", "550 5.7.1"),
    ],
)
async def test_the_proxied_address_decides(header: bytes, reply: str) -> None:
    async with house(**BALANCED) as home:
        client = await home.connect()
        await client.send(header + b"EHLO client.example\r\n")
        assert (await client.hear()).startswith("220 ")
        assert (await client.hear()).startswith("250")
        await client.say("MAIL FROM:<clerk@council.example>", reply)


@pytest.mark.parametrize(
    "header",
    [
        b"EHLO client.example\r\n",
        b"PROXY TCP4 999.0.2.7 198.51.100.1 1000 25\r\n",
        b"PROXY TCP4 192.0.2.7\r\n",
        b"PROXY TCP4 " + b"1" * 200 + b"\r\n",
        b"PROXY FOO 192.0.2.7 198.51.100.1 1000 25\r\n",
        version_2("192.0.2.7", kind=0x12),
        version_2("192.0.2.7", kind=0x31),
        version_2("192.0.2.7", command=5),
        SIGNATURE + b"\x21\x11\0\4" + b"\xc0\0\2\7",
    ],
)
async def test_a_balancer_that_does_not_say_for_whom_is_hung_up_on(header: bytes) -> None:
    async with house(**BALANCED) as home:
        client = await home.connect()
        await client.send(header)
        assert await client.ends() == b""
        assert home.of(ConnectionOpened) == []
        await home.until(lambda: home.connections.open == 0)


async def test_a_balancer_that_says_nothing_is_hung_up_on() -> None:
    async with house(**BALANCED, timeouts=Timeouts(proxy_s=0.05)) as home:
        client = await home.connect()
        await client.ends()
        await home.until(lambda: home.connections.open == 0)


async def test_only_balancers_may_speak_for_others() -> None:
    async with house(proxy_protocol=("203.0.113.0/24",), networks=ELSEWHERE) as home:
        client = await home.connect()
        await client.send(b"PROXY TCP4 192.0.2.7 198.51.100.1 1000 25\r\n")
        assert (await client.hear()).startswith("220 ")
        assert (await client.hear()).startswith("500 5.5.1")
        await client.say("EHLO client.example", "250")
        await client.say("MAIL FROM:<clerk@council.example>", "550 5.7.1")
        assert home.of(ConnectionOpened)[0].client == "127.0.0.1"


async def test_clients_behind_a_balancer_are_counted_one_by_one() -> None:
    async with house(**BALANCED, connections=Connections(10, 1)) as home:
        for source, greeting in (("192.0.2.7", "220"), ("192.0.2.8", "220"), ("192.0.2.7", "421 4.7.0")):
            client = await home.connect()
            await client.send(f"PROXY TCP4 {source} 198.51.100.1 1000 25\r\n".encode())
            assert (await client.hear()).startswith(greeting)


def test_a_wrong_network_is_named_with_its_key() -> None:
    with pytest.raises(ConfigurationError, match=r'networks: "192\.0\.2\.1/24" is not a network; write it like'):
        read_networks(("192.0.2.1/24",), "networks")


def test_the_test_account_is_what_the_scripts_say() -> None:
    assert GOOD_LOGIN.endswith(plain("clerk@council.example", PASSWORD))
