"""Arguments of MAIL and RCPT: what is understood, what is refused, what is kept to the octet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcc_relay.core import replies
from bcc_relay.core.model import Recipient, Reply
from bcc_relay.listener.parameters import (
    MailArguments,
    names_a_recipient,
    read_mail,
    read_rcpt,
    without_foreign_names,
)
from tests.build import address


def mail(argument: bytes) -> MailArguments:
    found = read_mail(argument)
    assert isinstance(found, MailArguments), found
    return found


def rcpt(argument: bytes, *, smtputf8: bool = False) -> Recipient:
    found = read_rcpt(argument, smtputf8=smtputf8)
    assert isinstance(found, Recipient), found
    return found


def test_all_parameters_of_mail_in_any_order_and_case() -> None:
    found = mail(b" <Clerk@council.example>  smtputf8 RET=hdrs size=12 Envid=QQ+2B3a body=8bitMIME AUTH=x")
    assert found.sender is not None
    assert found.sender.octets == b"Clerk@council.example"
    assert (found.size_bytes, found.body_8bitmime, found.smtputf8) == (12, True, True)
    assert (found.ret, found.envid) == ("HDRS", b"QQ+2B3a")


def test_auth_parameter_with_the_empty_identity() -> None:
    assert mail(b"<clerk@council.example> AUTH=<>").sender is not None


def test_the_null_sender() -> None:
    assert mail(b"<>").sender is None
    assert mail(b"<> RET=FULL").ret == "FULL"


def test_dsn_parameters_of_rcpt_keep_their_case() -> None:
    found = rcpt(b"<family@mail.example> notify=success,Failure ORCPT=rfc822;Family+2BTag@Mail.Example")
    assert found.notify == ("SUCCESS", "FAILURE")
    assert found.orcpt == b"rfc822;Family+2BTag@Mail.Example"


@pytest.mark.parametrize(
    "path",
    [
        b'"a>b"@mail.example',
        b'"a b"@mail.example',
        b'"a\\"b"@mail.example',
        b"a@[192.0.2.1]",
        b"o'neill+tag@mail.example",
    ],
)
def test_unusual_but_valid_addresses(path: bytes) -> None:
    assert rcpt(b"<" + path + b"> NOTIFY=NEVER").address.octets == path


@pytest.mark.parametrize(
    ("argument", "reply"),
    [
        (b"", replies.BAD_SYNTAX),
        (b"clerk@council.example", replies.BAD_SYNTAX),
        (b"<clerk@council.example", replies.BAD_SYNTAX),
        (b"<clerk@council.example>SIZE=1", replies.BAD_SYNTAX),
        (b"<a@b.example> <c@d.example>", replies.BAD_PARAMETER),
        (b"<a@b.example> SIZE", replies.BAD_PARAMETER),
        (b"<a@b.example> SIZE=", replies.BAD_PARAMETER),
        (b"<a@b.example> SIZE=-1", replies.BAD_PARAMETER),
        (b"<a@b.example> SIZE=1 SIZE=2", replies.BAD_PARAMETER),
        (b"<a@b.example> BODY=BINARYMIME", replies.BAD_PARAMETER),
        (b"<a@b.example> BODY", replies.BAD_PARAMETER),
        (b"<a@b.example> SMTPUTF8=1", replies.BAD_PARAMETER),
        (b"<a@b.example> RET=ALL", replies.BAD_PARAMETER),
        (b"<a@b.example> ENVID=a+2", replies.BAD_PARAMETER),
        (b"<a@b.example> ENVID=" + b"x" * 101, replies.BAD_PARAMETER),
        (b"<a@b.example> NOTIFY=NEVER", replies.UNKNOWN_PARAMETER),
        (b"<a@b.example> MT-PRIORITY=3", replies.UNKNOWN_PARAMETER),
        (b"<a@b.example> XYZZY", replies.UNKNOWN_PARAMETER),
        ("<é@b.example>".encode(), replies.ADDRESS_NEEDS_SMTPUTF8),
    ],
)
def test_what_mail_refuses(argument: bytes, reply: Reply) -> None:
    assert read_mail(argument) == reply


@pytest.mark.parametrize(
    ("argument", "reply"),
    [
        (b"<>", replies.BAD_ADDRESS),
        (b"<Postmaster>", replies.BAD_ADDRESS),
        (b"<a@b.example> NOTIFY=NEVER,SUCCESS", replies.BAD_PARAMETER),
        (b"<a@b.example> NOTIFY=SUCCESS,SUCCESS", replies.BAD_PARAMETER),
        (b"<a@b.example> NOTIFY=", replies.BAD_PARAMETER),
        (b"<a@b.example> NOTIFY=LATER", replies.BAD_PARAMETER),
        (b"<a@b.example> ORCPT=a@b.example", replies.BAD_PARAMETER),
        (b"<a@b.example> ORCPT=rfc822;a+4", replies.BAD_PARAMETER),
        (b"<a@b.example> ORCPT=rfc822;" + b"x" * 500, replies.BAD_PARAMETER),
        (b"<a@b.example> SIZE=3", replies.UNKNOWN_PARAMETER),
        ("<family@schönere.example>".encode(), replies.ADDRESS_NEEDS_SMTPUTF8),
        (b"<\xff@b.example>", replies.BAD_ADDRESS),
    ],
)
def test_what_rcpt_refuses(argument: bytes, reply: Reply) -> None:
    assert read_rcpt(argument, smtputf8=False) == reply


def test_addresses_beyond_ascii_with_smtputf8() -> None:
    assert mail("<é@b.example> SMTPUTF8".encode()).smtputf8
    assert rcpt("<familie@schön.example>".encode(), smtputf8=True).address.octets == "familie@schön.example".encode()


@given(argument=st.binary(max_size=60))
def test_garbage_gives_a_reply_and_never_an_exception(argument: bytes) -> None:
    for whole in (argument, b"<a@b.example> " + argument, b"<" + argument + b">"):
        read_mail(whole)
        read_rcpt(whole, smtputf8=True)


def test_a_long_run_of_backslashes_and_quotes_is_read_quickly() -> None:
    assert read_rcpt(b'<"' + b"\\" * 12000, smtputf8=False) == replies.BAD_SYNTAX
    assert read_rcpt(b"<" + b'""' * 6000, smtputf8=False) == replies.BAD_SYNTAX


def test_an_orcpt_that_names_another_recipient_is_dropped() -> None:
    first = Recipient(address("a@mail.example"), ("NEVER",), b"rfc822;B+40Mail.Example")
    second = Recipient(address("b@mail.example"), (), b"rfc822;b@mail.example")
    third = Recipient(address("c@mail.example"), (), b"rfc822;list@elsewhere.example")
    fourth = Recipient(address("d@mail.example"), (), b"utf-8;a\\x{40}mail.example")
    kept = without_foreign_names((first, second, third, fourth))
    assert [recipient.orcpt for recipient in kept] == [None, second.orcpt, third.orcpt, None]
    assert kept[0].notify == ("NEVER",)
    assert [recipient.address for recipient in kept] == [r.address for r in (first, second, third, fourth)]


def test_an_envid_that_holds_a_recipients_address_is_noticed() -> None:
    two = (Recipient(address("a@mail.example")), Recipient(address("b@mail.example")))
    assert names_a_recipient(b"x-A+40mail.example-y", two)
    assert not names_a_recipient(b"x-A+40mail.example-y", two[:1])
    assert not names_a_recipient(b"QQ123", two)
    assert not names_a_recipient(None, two)
