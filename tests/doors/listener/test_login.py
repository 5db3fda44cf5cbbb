"""AUTH PLAIN and LOGIN: every way to say it, and patience with those who guess."""

from __future__ import annotations

import asyncio
import base64

import pytest

from bcc_relay.core.errors import AuthUnavailableError
from bcc_relay.core.events import SmtpRefused
from bcc_relay.listener.limits import FailedLogins
from bcc_relay.listener.options import LoginLimits, Timeouts
from tests.doors.listener.script import BAD_LOGIN, GOOD_LOGIN, PASSWORD, house, plain

NAME = base64.b64encode(b"clerk@council.example").decode()
WORD = base64.b64encode(PASSWORD.encode()).decode()
TOKEN = plain("clerk@council.example", PASSWORD)


@pytest.mark.parametrize(
    "exchange",
    [
        [(f"AUTH PLAIN {TOKEN}", "235 2.7.0")],
        [(f"auth plain {TOKEN}", "235 2.7.0")],
        [(f"Auth Plain  {TOKEN} ", "235 2.7.0")],
        [("AUTH PLAIN", "334 "), (TOKEN, "235 2.7.0")],
        [("AUTH PLAIN " + plain("clerk@council.example", PASSWORD, "clerk@council.example"), "235 2.7.0")],
        [("AUTH LOGIN", "334 VXNlcm5hbWU6"), (NAME, "334 UGFzc3dvcmQ6"), (WORD, "235 2.7.0")],
        [(f"AUTH login {NAME}", "334 UGFzc3dvcmQ6"), (WORD, "235 2.7.0")],
        # Told to stop, and then it goes well.
        [("AUTH PLAIN", "334 "), ("*", "501 5.7.0"), (f"AUTH PLAIN {TOKEN}", "235 2.7.0")],
        [("AUTH LOGIN", "334"), (NAME, "334"), ("*", "501 5.7.0"), (f"AUTH PLAIN {TOKEN}", "235 2.7.0")],
    ],
)
async def test_ways_to_log_in(exchange: list[tuple[str, str]]) -> None:
    async with house(auth="required") as home:
        client = await home.greeted()
        await client.says(*exchange)
        await client.say("MAIL FROM:<clerk@council.example>", "250")


@pytest.mark.parametrize(
    "exchange",
    [
        [(BAD_LOGIN, "535 5.7.8")],
        [("AUTH PLAIN " + plain("nobody", PASSWORD), "535 5.7.8")],
        [("AUTH PLAIN " + plain("clerk@council.example", PASSWORD, "mayor"), "535 5.7.8")],
        [("AUTH PLAIN " + plain("clerk@council.example", ""), "535 5.7.8")],
        [("AUTH PLAIN " + plain("", PASSWORD), "535 5.7.8")],
        [("AUTH PLAIN =", "501 5.5.2")],
        [("AUTH PLAIN ?", "501 5.5.2")],
        [("AUTH PLAIN " + base64.b64encode(b"no separators").decode(), "501 5.5.2")],
        [("AUTH PLAIN " + base64.b64encode(b"\0a\0b\0c").decode(), "501 5.5.2")],
        [("AUTH PLAIN " + base64.b64encode(b"\0\xff\xfe\0x").decode(), "535 5.7.8")],
        [("AUTH PLAIN", "334 "), ("", "501 5.5.2")],
        [("AUTH LOGIN =", "334"), (WORD, "535 5.7.8")],
        [("AUTH LOGIN", "334"), ("not base64", "501 5.5.2")],
        [("AUTH LOGIN", "334"), (NAME, "334"), (NAME, "535 5.7.8")],
        [("AUTH", "501 5.5.4")],
        [("AUTH CRAM-MD5", "504 5.5.4")],
        [("AUTH PLAIN", "334 "), ("x" * 13000, "500 5.5.2")],
    ],
)
async def test_ways_that_do_not_log_in(exchange: list[tuple[str, str]]) -> None:
    async with house(auth="required") as home:
        client = await home.greeted()
        await client.says(*exchange)
        await client.say("MAIL FROM:<clerk@council.example>", "530 5.7.0")
        await client.say(GOOD_LOGIN, "235 2.7.0")


async def test_a_second_login_is_refused() -> None:
    async with house(auth="required") as home:
        client = await home.greeted()
        await client.says((GOOD_LOGIN, "235"), (GOOD_LOGIN, "503 5.5.1"), ("EHLO again.example", "250"))
        await client.says((GOOD_LOGIN, "503 5.5.1"), ("MAIL FROM:<clerk@council.example>", "250"))


async def test_login_comes_after_a_greeting() -> None:
    async with house(auth="required") as home:
        client = await home.connect()
        await client.hear()
        await client.say(GOOD_LOGIN, "503 5.5.1")


async def test_login_is_not_offered_where_there_is_none() -> None:
    async with house(auth="none") as home:
        client = await home.connect()
        assert "AUTH" not in await client.greet()
        await client.say(GOOD_LOGIN, "502 5.5.1")


async def test_accounts_that_cannot_be_read_are_a_temporary_failure() -> None:
    async def unavailable(name: str, password: str) -> None:
        raise AuthUnavailableError("/etc/secret cannot be read")

    async def broken(name: str, password: str) -> None:
        raise RuntimeError("/etc/secret")

    async def never(name: str, password: str) -> None:
        await asyncio.Event().wait()

    for authenticate, reply in ((unavailable, "454 4.7.0"), (broken, "451 4.3.0"), (never, "454 4.7.0")):
        async with house(auth="required", authenticate=authenticate, timeouts=Timeouts(login_s=0.05)) as home:
            client = await home.greeted()
            assert "secret" not in await client.say(GOOD_LOGIN, reply)
            assert home.pauses == []
            await client.say("MAIL FROM:<clerk@council.example>", "530 5.7.0")


async def test_an_account_is_paused_after_failures_until_the_window_has_passed() -> None:
    async with house(auth="required") as home:
        for _ in range(5):
            client = await home.greeted()
            await client.say(BAD_LOGIN, "535 5.7.8")
        await client.say(GOOD_LOGIN, "454 4.7.0")
        await client.say("AUTH PLAIN " + plain("other", "x"), "535 5.7.8")
        home.now[0] = 601.0
        await client.say(GOOD_LOGIN, "235 2.7.0")


async def test_a_client_that_guesses_names_hears_421() -> None:
    async with house(auth="required") as home:
        client = await home.greeted()
        for number in range(10):
            await client.say("AUTH PLAIN " + plain(f"user{number}", "x"), "535 5.7.8")
        await client.say(GOOD_LOGIN, "421 4.7.0")
        assert await client.ends() == b""
        assert {event.reason for event in home.of(SmtpRefused)} == {"auth_failed"}
        again = await home.greeted()
        await again.say("NOOP", "250")
        await again.say("AUTH PLAIN", "421 4.7.0")


async def test_the_event_of_a_failed_login_names_no_one_who_did_not_log_in() -> None:
    async with house(auth="required") as home:
        await (await home.greeted()).say(BAD_LOGIN, "535")
        assert home.of(SmtpRefused) == [SmtpRefused("127.0.0.1:0", "127.0.0.1", "auth_failed")]


# --- the window -------------------------------------------------------------------------------------------------------


def test_nobody_is_locked_out_of_an_account_by_others() -> None:
    failures = FailedLogins(lambda: 0.0)
    failures.succeeded("10.0.0.1", "Clerk")
    for number in range(20):
        failures.failed(f"192.0.2.{number}", "clerk")
    assert failures.refuse_account("10.0.0.1", "clerk") is None
    assert failures.refuse_account("10.0.0.2", "clerk") is not None


def test_a_client_that_logged_in_before_is_stopped_by_its_own_failures_and_stops_nobody_else() -> None:
    failures = FailedLogins(lambda: 0.0)
    failures.succeeded("10.0.0.1", "clerk")
    for _ in range(5):
        failures.failed("10.0.0.1", "clerk")
    assert failures.refuse_account("10.0.0.1", "clerk") is not None
    assert failures.refuse_account("10.0.0.2", "clerk") is None


def test_one_wrong_password_in_an_office_does_not_lock_out_the_office() -> None:
    failures = FailedLogins(lambda: 0.0)
    for _ in range(500):
        failures.failed("198.51.100.1", "telephone")
    assert failures.refuse_client("198.51.100.1") is None
    assert failures.refuse_account("198.51.100.1", "clerk") is None
    assert failures.refuse_account("198.51.100.1", "telephone") is not None


def test_failures_leave_the_window_one_by_one() -> None:
    now = [0.0]
    failures = FailedLogins(lambda: now[0], LoginLimits(window_s=10.0, client_accounts=2, account_failures=2))
    for account in ("a", "b"):
        failures.failed("c", account)
        failures.failed("d", "same")
        now[0] += 5.0
    now[0] = 9.9
    assert failures.refuse_client("c") is not None
    assert failures.refuse_account("d", "same") is not None
    now[0] = 10.0
    assert failures.refuse_client("c") is None
    assert failures.refuse_account("d", "same") is None


def test_the_delay_grows_and_has_an_end() -> None:
    failures = FailedLogins(lambda: 0.0)
    assert [failures.failed("c", "a") for _ in range(6)] == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert [failures.failed("d", f"a{n}") for n in range(4)] == [1.0, 2.0, 4.0, 8.0]


def test_memory_of_failures_is_bounded() -> None:
    now = [0.0]
    failures = FailedLogins(lambda: now[0])
    for number in range(10_002):
        failures.failed(f"client{number}", f"account{number}")
        failures.succeeded(f"client{number}", f"account{number}")
    now[0] = 601.0
    failures.failed("last", "last")
    assert len(failures._failures) == len(failures._tried) == 1
    assert len(failures._friends) <= 10_001
