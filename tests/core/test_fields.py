"""Every header channel: what counts as visible, what a rewrite does with the field, and what only a hold cures."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from bcc_relay.core.actions.leave import prepare
from bcc_relay.core.actions.pass_through import passed_header
from bcc_relay.core.errors import NotRewritableError
from bcc_relay.core.fields import Role, role_of, table
from bcc_relay.core.header import split_fields
from bcc_relay.core.model import Form
from tests import build
from tests.reader import seen

ANNA, BEN, CEM = "anna@family-mail.example", "ben@family-mail.example", "cem@gov.example"
TO = (ANNA, BEN, CEM)
AB = b"anna@family-mail.example, ben@family-mail.example"


@dataclass(frozen=True)
class Row:
    """One channel: its field lines, how many outsiders count, and what becomes of the lines in a rewrite."""

    id: str
    lines: tuple[bytes, ...]
    counted: int
    kept: tuple[bytes, ...] | None = ()
    """Lines that stay; None: the message cannot be rewritten."""


def gone(id: str, *lines: bytes, counted: int) -> Row:
    return Row(id, lines, counted)


def kept(id: str, *lines: bytes, counted: int = 0) -> Row:
    return Row(id, lines, counted, lines)


def held(id: str, *lines: bytes, counted: int) -> Row:
    return Row(id, lines, counted, None)


NAMES_A9 = (
    "X-Original-To Delivered-To Envelope-To X-Envelope-To X-RCPT-TO X-RcptTo X-Recipients X-Forwarded-To"
    " X-Forwarded-For X-Google-Original-To X-Failed-Recipients Original-Recipient"
)
NAMES_A11 = "Disposition-Notification-To Return-Receipt-To X-Confirm-Reading-To Errors-To Read-Receipt-To"

ROWS = (
    gone("A1-to", b"To: " + AB, counted=2),
    gone("A1-to-with-own-and-partner", b"To: " + AB + b", d@council.example, e@partner.example", counted=2),
    gone("A1-to-with-one-beyond-the-envelope", b"To: " + AB + b", dora@club.example", counted=3),
    gone("A2-cc", b"Cc: " + AB, counted=2),
    gone("A3-two-to", b"To: anna@family-mail.example", b"To: ben@family-mail.example", counted=2),
    gone("A3-two-cc", b"Cc: anna@family-mail.example", b"CC: ben@family-mail.example", counted=2),
    gone("A4-bcc", b"Bcc: " + AB, counted=0),
    gone("A5-resent-to", b"Resent-To: " + AB, counted=2),
    gone("A5-resent-cc", b"Resent-Cc: " + AB, counted=2),
    gone("A5-resent-bcc", b"Resent-Bcc: " + AB, counted=0),
    gone(
        "A5-two-resent-blocks-go-whole",
        b"Resent-From: clerk@council.example",
        b"Resent-Date: Sun, 22 Nov 2026 10:00:00 +0000",
        b"Resent-Message-ID: <2@host.example>",
        b"Resent-To: anna@family-mail.example",
        b"Resent-From: clerk@council.example",
        b"Resent-To: ben@family-mail.example",
        counted=2,
    ),
    gone("A6-reply-to-many", b"Reply-To: " + AB, counted=2),
    gone("A6-reply-to-beyond-the-envelope", b"Reply-To: dora@club.example", counted=1),
    kept("A6-reply-to-own", b"Reply-To: office@council.example"),
    kept("A6-reply-to-author", b"Reply-To: Clerk <clerk@council.example>"),
    gone("A6-reply-to-own-and-another", b"Reply-To: office@council.example, dora@club.example", counted=1),
    gone("A7-mail-followup-to", b"Mail-Followup-To: " + AB, counted=2),
    gone("A7-mail-reply-to", b"Mail-Reply-To: " + AB, counted=2),
    gone("A8-apparently-to", b"Apparently-To: " + AB, counted=2),
    gone("A8-x-apparently-to", b"X-Apparently-To: " + AB, counted=2),
    *(gone(f"A9-{name.lower()}", name.encode() + b": " + AB, counted=2) for name in NAMES_A9.split()),
    gone(
        "A10-x-smtpapi",
        b'X-SMTPAPI: {"to":["anna@family-mail.example",\r\n "ben@family-mail.example"]}',
        counted=2,
    ),
    gone("A10-x-mc", b"X-MC-MergeVars: " + AB, counted=2),
    gone("A10-x-mailgun", b"X-Mailgun-Recipient-Variables: " + AB, counted=2),
    *(gone(f"A11-{name.lower()}-many", name.encode() + b": " + AB, counted=2) for name in NAMES_A11.split()),
    *(kept(f"A11-{name.lower()}-own", name.encode() + b": clerk@council.example") for name in NAMES_A11.split()),
    gone("A11-one-more-than-the-author", b"Disposition-Notification-To: clerk@council.example, " + AB, counted=2),
    Row(
        "A12-received-for",
        (b"Received: from pc.example by mx.example with ESMTP id 7\r\n\tfor <anna@family-mail.example>; Sun",),
        0,
        (b"Received: from pc.example by mx.example with ESMTP id 7; Sun",),
    ),
    kept("A12-received-for-another", b"Received: by mx.example for <dora@club.example>; Sun"),
    Row(
        "A12-received-for-several",
        (b"Received: by mx.example for <anna@family-mail.example>, <ben@family-mail.example>; Sun",),
        2,
        (b"Received: by mx.example; Sun",),
    ),
    held("A12-received-elsewhere", b"Received: from x (anna@family-mail.example) by mx.example; Sun", counted=0),
    gone("A13-exchange", b"X-MS-Exchange-ForwardingLoop: anna@family-mail.example;6a1c", counted=0),
    gone("A13-exchange-two", b"X-MS-Exchange-Organization-Any: " + AB, counted=2),
    kept("A13-exchange-without-an-address", b"X-MS-Exchange-Organization-SCL: -1"),
    kept("A14-thread-index", b"Thread-Index: AdA2bW9jay1kYXRhAAAA"),
    held("A14-thread-topic", b"Thread-Topic: fw " + AB, counted=2),
    kept(
        "A15-list-fields",
        b"List-Id: News <news.club.example>",
        b"List-Post: <mailto:news@club.example>",
        b"List-Unsubscribe: <mailto:leave@club.example>, <https://club.example/leave>",
        b"Mailing-List: contact help@club.example",
        b"Precedence: list",
    ),
    held("A15-list-field-with-recipients", b"List-Post: <mailto:anna@family-mail.example>", counted=0),
    kept(
        "A16-identifiers",
        b"In-Reply-To: <7.anna@club.example>",
        b"References: <6@club.example> <7.anna@club.example>",
        b"Content-ID: <8@club.example>",
    ),
    held("A16-identifiers-that-are-recipients", b"References: <6@club.example> <" + AB + b">", counted=2),
    held("A17-subject", b"Subject: invite anna@family-mail.example; ben@family-mail.example", counted=2),
    held("A17-comments", b"Comments: " + AB, counted=2),
    held("A17-keywords", b"Keywords: " + AB, counted=2),
    held("A17-subject-one", b"Subject: about anna@family-mail.example", counted=0),
    kept("A17-subject-somebody-else", b"Subject: about dora@club.example"),
    held("A18-sender-field", b"Sender: " + AB, counted=2),
    gone("A19-unknown", b"X-Clients: anna@family-mail.example ben@family-mail.example", counted=2),
    gone("A19-unknown-glued", b"X-Clients: a=anna@family-mail.example|b=ben@family-mail.example", counted=2),
    gone("A19-unknown-one", b"X-Client: anna@family-mail.example", counted=0),
    gone(
        "A19-unknown-repeated", b"X-Client: anna@family-mail.example", b"X-Client: ben@family-mail.example", counted=2
    ),
    gone("A19-unknown-numbered", b"X-Id-1: anna@family-mail.example", b"X-Id-2: ben@family-mail.example", counted=2),
    gone("A19-unknown-name", b"anna@family-mail.example: 1", counted=0),
    gone("A19-unknown-base64", b"X-Token: YW5uYUBmYW1pbHktbWFpbC5leGFtcGxl", counted=0),
    gone("A19-unknown-quoted-printable", b"X-Token: anna=40family-mail.example", counted=0),
    kept("A19-unknown-without-recipients", b"X-Crm: dora@club.example"),
    held("A19-registered", b"Organization: " + AB, counted=2),
    gone(
        "A20-downgraded", b"Downgraded-To: =?utf-8?q?anna=40family-mail.example?=, ben@family-mail.example", counted=2
    ),
    gone("A21-autocrypt-gossip", b"Autocrypt-Gossip: addr=anna@family-mail.example; keydata=bQ==", counted=1),
    kept("A21-autocrypt-own", b"Autocrypt: addr=clerk@council.example; keydata=bQ=="),
    gone("A22-draft", b"X-Sent-To: " + AB, counted=2),
    gone("A22-identity", b"X-KMail-Identity: dora@club.example", counted=0),
    gone("A22-fcc", b"FCC: imap://clerk%40council.example@imap.council.example/Sent", counted=0),
    kept("A22-without-an-address", b"X-Mozilla-Draft-Info: internal/draft; vcard=0"),
    gone("A23-return-path", b"Return-Path: <bounce+anna=family-mail.example@council.example>", counted=0),
    gone("A23-authentication-results", b"Authentication-Results: mx.example; dkim=pass header.i=@x.example", counted=0),
    gone("A23-arc", b"ARC-Seal: i=1; a=rsa-sha256; d=x.example", counted=0),
    kept("A23-dkim-that-covers-nothing-changed", b"DKIM-Signature: v=1; d=x.example; h=From:Subject; b=YQ=="),
    held(
        "A23-dkim-that-names-a-recipient", b"DKIM-Signature: d=x.example; i=anna@family-mail.example; h=From", counted=0
    ),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_what_counts_as_visible(row: Row) -> None:
    assert len(build.facts(build.mail(*row.lines, to=TO)).visible_outsiders) == row.counted


@pytest.mark.parametrize("row", [row for row in ROWS if row.kept is not None], ids=lambda row: row.id)
def test_a_rewrite_keeps_just_what_shows_nobody(row: Row) -> None:
    header = prepare(build.mail(*row.lines, to=TO), Form.SENDER, build.leaving())
    plain = prepare(build.mail(to=TO), Form.SENDER, build.leaving())
    left = {field.raw for field in split_fields(header)} - {field.raw for field in split_fields(plain)}
    assert left == {line + b"\r\n" for line in row.kept or ()}
    assert seen(header, TO) == set()


@pytest.mark.parametrize("row", [row for row in ROWS if row.kept is None], ids=lambda row: row.id)
@pytest.mark.parametrize("form", [Form.SENDER, Form.UNDISCLOSED, Form.INDIVIDUAL])
def test_the_second_reading_catches_what_no_rewrite_may_touch(row: Row, form: Form) -> None:
    with pytest.raises(NotRewritableError):
        prepare(build.mail(*row.lines, to=TO), form, build.leaving())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_passed_message_loses_only_what_never_leaves(row: Row) -> None:
    header = passed_header(build.mail(*row.lines, to=TO).message.header)
    for line in row.lines:
        never = line.lower().startswith((b"bcc:", b"resent-bcc:", b"return-path:"))
        assert (line + b"\r\n" in header) is not never


def test_several_authors_of_whom_one_receives_the_message_are_held() -> None:
    given = build.mail(b"Sender: clerk@council.example", to=TO, author=b"From: clerk@council.example, " + AB)
    assert build.facts(given).visible_outsiders == {ANNA, BEN}
    with pytest.raises(NotRewritableError):
        prepare(given, Form.SENDER, build.leaving())


@pytest.mark.parametrize("name", [b"Bcc", b"BCC", b"bcc ", b"Resent-Bcc", b"Return-Path", b"X-BCC-Relay"])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_what_never_leaves_is_found_anywhere_and_however_folded(name: bytes, at: int) -> None:
    others = [b"From: clerk@council.example\r\n", b"Subject: bcc: x\r\n"]
    field = name + b":\r\n " + AB + b",\r\n\t\r\n cem@gov.example\r\n"
    assert passed_header(b"".join([*others[:at], field, *others[at:]])) == b"".join(others)


def test_two_blind_fields_in_a_row_both_go() -> None:
    assert passed_header(b"Bcc: a@x.example\r\nBcc: b@x.example\r\nTo: c@x.example\r\n") == b"To: c@x.example\r\n"


def test_a_name_that_only_begins_like_bcc_stays() -> None:
    header = b"Bcc-Note: 1\r\nX-Bcc: a@x.example\r\nSubject: s\r\n Bcc: not a field\r\n"
    assert passed_header(header) == header


def test_every_name_of_the_table_has_just_one_role() -> None:
    names = [name for _, of in table() for name in of]
    assert len(names) == len(set(names))
    for role, of in table():
        assert all(role_of(name.removesuffix("*")) is role for name in of if not name.endswith("*"))
    assert role_of("resent-anything") is Role.RESENT
    assert role_of("x-anything") is Role.OTHER
