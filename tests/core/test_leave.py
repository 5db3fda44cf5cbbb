"""How mail leaves: transactions, the lines at the top, what is missing, and the mark that shows a loop."""

from __future__ import annotations

import re

import pytest

from bcc_relay.core.actions.leave import dispatches, is_own_mark, mark_key_of, message_id_of, prepare
from bcc_relay.core.header import split_fields, split_message
from bcc_relay.core.model import Dispatch, Envelope, Form, Message, Recipient, Submission
from tests import build

ANNA, BEN, CEM = "anna@family-mail.example", "ben@family-mail.example", "cem@gov.example"
TO = (ANNA, BEN, CEM)
LINE = f"To: {ANNA}, {BEN}, {CEM}".encode()
KEY = b"k" * 32


def leave(given: Submission, form: Form = Form.AS_IS, **fields: object) -> list[Dispatch]:
    leaving = build.leaving(**fields)
    return list(dispatches(given, form, prepare(given, form, leaving), given.envelope.recipients, leaving))


def octets(message: Message) -> bytes:
    return b"".join(message.pieces())


# --- transactions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipients", "size", "expected"), [(1, 100, [1]), (100, 100, [100]), (101, 100, [100, 1]), (5, 2, [2, 2, 1])]
)
@pytest.mark.parametrize("form", [Form.AS_IS, Form.SENDER, Form.UNDISCLOSED])
def test_a_transaction_carries_at_most_so_many_recipients(
    form: Form, recipients: int, size: int, expected: list[int]
) -> None:
    given = build.submission(*build.families(recipients))
    sent = leave(given, form, recipients_per_transaction=size)
    assert [len(one.envelope.recipients) for one in sent] == expected
    assert tuple(r for one in sent for r in one.envelope.recipients) == given.envelope.recipients


def test_an_individual_copy_goes_to_one_recipient() -> None:
    sent = leave(build.submission(*build.families(3)), Form.INDIVIDUAL)
    assert [len(one.envelope.recipients) for one in sent] == [1, 1, 1]


def test_only_the_recipients_that_wait_are_served() -> None:
    given = build.submission(*TO)
    header = prepare(given, Form.SENDER, build.leaving())
    (one,) = dispatches(given, Form.SENDER, header, given.envelope.recipients[1:2], build.leaving())
    assert one.envelope.recipients == given.envelope.recipients[1:2]


def test_the_envelope_keeps_its_parameters() -> None:
    envelope = Envelope(
        build.address("clerk@council.example"),
        (
            Recipient(build.address(ANNA), ("NEVER",), b"rfc822;anna"),
            Recipient(build.address(BEN), ("SUCCESS", "DELAY")),
        ),
        body_8bitmime=True,
        ret="HDRS",
        envid=b"x+2B",
    )
    given = build.submission(ANNA, BEN)
    given = Submission("m1", build.NOW, envelope, given.message, given.origin)
    for form in Form:
        for one in leave(given, form):
            assert (one.envelope.ret, one.envelope.envid, one.envelope.body_8bitmime) == ("HDRS", b"x+2B", True)
            assert set(one.envelope.recipients) <= set(envelope.recipients)
            assert one.message_id == "m1"


def test_a_copy_whose_to_is_international_asks_for_smtputf8() -> None:
    given = build.mail(b"To: x", to=("jörg@bücher.example", ANNA))
    sent = leave(given, Form.INDIVIDUAL)
    assert all(one.envelope.smtputf8 for one in sent)
    assert b"To: j\xc3\xb6rg@b\xc3\xbccher.example\r\n" in sent[0].message.header


@pytest.mark.parametrize("form", Form)
def test_everything_after_the_header_is_the_very_same_object(form: Form) -> None:
    given = build.mail(LINE, to=TO, body=b"\x00\xff any octets\r\n.\r\n")
    for one in leave(given, form):
        assert one.message.body is given.message.body
        assert one.message.separator == b"\r\n"


def test_a_message_without_a_body_gets_its_blank_line() -> None:
    given = build.submission(ANNA, raw=split_message(b"From: clerk@council.example"))
    (one,) = leave(given)
    assert octets(one.message).endswith(b"\r\n\r\n")
    assert split_message(octets(one.message)).header == one.message.header


@pytest.mark.parametrize("form", Form)
def test_every_attempt_sends_the_same_octets(form: Form) -> None:
    given = build.submission(*TO, raw=split_message(b"From: clerk@council.example\r\n" + LINE + b"\r\n\r\nHello\r\n"))
    first, second = ([octets(one.message) for one in leave(given, form)] for _ in range(2))
    assert first == second


# --- the lines at the top --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "word"), [(Form.AS_IS, b"passed"), (Form.SENDER, b"rewritten"), (Form.INDIVIDUAL, b"rewritten")]
)
def test_mark_and_received_stand_at_the_top_and_show_nobody(form: Form, word: bytes) -> None:
    for one in leave(build.mail(b"Received: by a.example; Sun", LINE, to=TO), form):
        mark, received = split_fields(one.message.header)[:2]
        assert re.fullmatch(rb"X-BCC-Relay: " + word + rb"; id=m1; key=[0-9a-f]{32}\r\n", mark.raw)
        assert received.raw == (
            b"Received: from client.example ([127.0.0.1])\r\n\tby relay.council.example with ESMTP id m1;\r\n"
            b"\tSun, 22 Nov 2026 10:00:00 +0000\r\n"
        )


@pytest.mark.parametrize(
    ("client", "helo", "expected"),
    [
        ("192.0.2.1", "pc.example", b"from pc.example ([192.0.2.1])"),
        ("2001:db8::1", "[IPv6:2001:db8::1]", b"from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])"),
        ("192.0.2.1", "", b"from unknown ([192.0.2.1])"),
        ("192.0.2.1", "a b\r\nTo: x@y.example (", b"from abTo:xy.example ([192.0.2.1])"),
        ("192.0.2.1", "x" * 400, b"from " + b"x" * 255 + b" ([192.0.2.1])"),
    ],
)
def test_received_says_where_it_came_from_and_nobody_adds_a_field_by_helo(
    client: str, helo: str, expected: bytes
) -> None:
    (one,) = leave(build.submission(ANNA, client=client, helo=helo))
    assert split_fields(one.message.header)[1].raw.startswith(b"Received: " + expected + b"\r\n\tby ")


def test_mail_that_no_client_brought_came_from_nowhere() -> None:
    (one,) = leave(build.submission(ANNA, client="", helo=""))
    assert split_fields(one.message.header)[1].raw.startswith(b"Received: by relay.council.example with ESMTP id m1;")


def names(message: Message) -> list[str]:
    return [field.name for field in split_fields(message.header)]


@pytest.mark.parametrize("form", Form)
def test_a_missing_date_and_message_id_are_added(form: Form) -> None:
    given = build.submission(ANNA, raw=build.message(b"From: clerk@council.example\r\nTo: " + ANNA.encode() + b"\r\n"))
    (one,) = leave(given, form)
    assert b"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <m1@relay.council.example>\r\n" in one.message.header


@pytest.mark.parametrize("lines", [b"Date: x\r\nMessage-ID: <1@x>\r\n", b"DATE : x\r\nmessage-id:\r\n <1@x>\r\n"])
def test_a_date_and_message_id_that_are_there_stay_alone(lines: bytes) -> None:
    given = build.submission(ANNA, raw=build.message(b"From: clerk@council.example\r\n" + lines))
    (one,) = leave(given)
    assert (names(one.message).count("date"), names(one.message).count("message-id")) == (1, 1)


def test_words_that_look_like_a_date_field_are_none() -> None:
    given = build.submission(ANNA, raw=build.message(b"Subject: x\r\n Date: y\r\n"))
    (one,) = leave(given)
    assert names(one.message).count("date") == 1


# --- the mark --------------------------------------------------------------------------------------------------------


def mark_of(dispatch: Dispatch) -> bytes:
    return split_fields(dispatch.message.header)[0].value.strip()


def came_back(dispatch: Dispatch) -> Submission:
    return Submission("m2", build.NOW, dispatch.envelope, split_message(octets(dispatch.message)), build.origin())


def is_loop(given: Submission) -> bool:
    facts = build.facts(given)
    return any(is_own_mark(mark, facts.message_id, given.envelope, KEY) for mark in facts.marks)


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize(
    "message_id", [b"Message-ID: <1@x>\r\n", b"Message-ID: <1 2@x> (why)\r\n", b"Message-ID:\r\n <1@x>\r\n", b""]
)
def test_what_left_is_known_when_it_comes_back_for_the_same_envelope(form: Form, message_id: bytes) -> None:
    given = build.submission(*TO, raw=build.message(b"From: clerk@council.example\r\n" + message_id))
    for one in leave(given, form):
        assert is_loop(came_back(one))


def test_recipients_in_another_order_and_case_are_the_same_envelope() -> None:
    first = Envelope(build.address("clerk@council.example"), build.recipients(ANNA, BEN))
    second = Envelope(build.address("Clerk@council.example"), build.recipients(BEN, ANNA.upper()))
    assert mark_key_of(b"<1@x>", first, KEY) == mark_key_of(b"<1@x>", second, KEY)


@pytest.mark.parametrize(
    "other",
    [
        build.envelope(ANNA),
        build.envelope(ANNA, BEN, "dora@club.example"),
        build.envelope(ANNA, BEN, sender="mayor@council.example"),
        build.envelope(ANNA, BEN, sender=None),
    ],
)
def test_another_envelope_is_no_loop(other: Envelope) -> None:
    (one,) = leave(build.submission(ANNA, BEN), Form.SENDER)
    mark, message_id = mark_of(one), message_id_of(one.message.header)
    assert is_own_mark(mark, message_id, one.envelope, KEY)
    assert not is_own_mark(mark, message_id, other, KEY)


def test_another_key_or_message_id_or_shape_is_no_loop() -> None:
    (one,) = leave(build.submission(ANNA))
    mark, message_id = mark_of(one), message_id_of(one.message.header)
    assert not is_own_mark(mark, message_id, one.envelope, b"x" * 32)
    assert not is_own_mark(mark, b"<2@x>", one.envelope, KEY)
    for forged in (b"", b"passed", mark + b"0", mark.replace(b"passed", b"seen"), mark[:-1], b"x" * 100000):
        assert not is_own_mark(forged, message_id, one.envelope, KEY)


@pytest.mark.parametrize("form", Form)
def test_a_mark_and_a_return_path_that_come_in_are_removed(form: Form) -> None:
    lines = (
        b"X-BCC-Relay: rewritten; id=x; key=" + b"0" * 32,
        b"Return-Path:\r\n <x@club.example>",
        b"x-bcc-relay : y",
    )
    for one in leave(build.mail(*lines, to=TO), form):
        assert names(one.message).count("x-bcc-relay") == 1
        assert "return-path" not in names(one.message)
        assert not is_loop(build.mail(*lines, to=TO))
