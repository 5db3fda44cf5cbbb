"""Hypothesis strategies for mail as it really comes, and worse: every spelling of an address in every kind of field."""

from __future__ import annotations

import base64
import quopri
from dataclasses import dataclass

from hypothesis import strategies as st

from bcc_relay.core.model import Body, Envelope, Message, Recipient, Submission
from tests import build

OUTSIDERS = (
    "anna@family-mail.example",
    "ben.b@family-mail.example",
    "Cem+x@gov.example",
    "o'neil@club.example",
    "jörg@bücher.example",
    "dora@xn--bcher-kva.example",
    "用户@例え.example",
    "bob@intranet",
    "quoted name@club.example",
    "e_f-g@a-b.club.example",
)
FRIENDS = ("clerk@council.example", "deputy@council.example", "x@school.council.example", "p@partner.example")
AUTHORS = (
    b"From: Clerk <clerk@council.example>",
    b"From: clerk@council.example (Clerk)",
    b'From: "office@council.example" <clerk@council.example>',
    b"From: clerk@council.example, deputy@council.example",
    b"From: Vera <vera@theatre.example>",
    b"From: anna@family-mail.example",
    b"",
)


def octets_of(address: str) -> bytes:
    """An address as it stands in an envelope."""
    local, _, domain = address.rpartition("@")
    return (f'"{local}"@{domain}' if " " in local else address).encode()


@dataclass(frozen=True)
class Mail:
    """A submission, and the addresses that its To and Cc fields were made of."""

    given: Submission
    destinations: frozenset[str]
    author: bytes


def _u_label(text: str) -> str:
    return text.replace("xn--bcher-kva", "bücher")


def _a_label(text: str) -> str:
    return text.replace("bücher", "xn--bcher-kva").replace("例え", "xn--r8jz45g")


SPELLINGS = (
    lambda a: a,
    lambda a: f"<{a}>",
    lambda a: f"Some One <{a}>",
    lambda a: f'"{a}" <clerk@council.example>',
    lambda a: f"clerk@council.example ({a})",
    lambda a: f"clerk@council.example (({a}) here)",
    lambda a: a.upper() if a.isascii() else a,
    _u_label,
    _a_label,
    lambda a: a.replace("@", "＠"),
    lambda a: a.replace("@", "\u200b@"),
    lambda a: a.replace("@", "&#64;"),
    lambda a: a.replace("@", "%40"),
    lambda a: a.replace("@", " (at) "),
    lambda a: a.replace("@", "\r\n @"),
    lambda a: a.replace("@", "@\r\n\t"),
    lambda a: a.replace("@", "(at home)@(there)"),
    lambda a: f"<@relay.example,@r2.example:{a}>",
    lambda a: f"Team: {a};",
    lambda a: f"<<{a}>>",
    lambda a: f'"{a}',
    lambda a: f"addr={a};",
    lambda a: f"mailto:{a}?subject=x",
    lambda a: (
        f"=?utf-8?q?{quopri.encodestring(a.encode(), header=True).decode().replace('@', '=40').replace('=' + chr(10), '')}?="
    ),
    lambda a: f"=?utf-8?b?{base64.b64encode(a.encode()).decode()}?= <clerk@council.example>",
    lambda a: f"=?utf-16be?b?{base64.b64encode(a.encode('utf-16-be')).decode()}?=",
    lambda a: f"=?x-nobody?q?{a.replace('@', '=40')}?=",
    lambda a: base64.b64encode(f'{{"to": "{a}"}}'.encode()).decode(),
)

DESTINATION_NAMES = ("To", "Cc", "to ", "CC\t")
NAMES = (
    *DESTINATION_NAMES,
    *[
        "Bcc",
        "Resent-To",
        "Resent-Cc",
        "Resent-Bcc",
        "Resent-From",
        "Reply-To",
        "Sender",
        "Subject",
        "Comments",
        "Thread-Topic",
        "Keywords",
        "Mail-Followup-To",
        "Apparently-To",
        "X-Original-To",
        "Delivered-To",
        "X-Envelope-To",
        "X-SMTPAPI",
        "X-MC-To",
        "X-Mailgun-To",
        "Disposition-Notification-To",
        "Errors-To",
        "Received",
        "X-MS-Exchange-Any",
        "List-Post",
        "List-Unsubscribe",
        "Organization",
        "References",
        "In-Reply-To",
        "X-Clients",
        "X-Client-1",
        "X-Client-2",
        "Downgraded-To",
        "Autocrypt-Gossip",
        "Autocrypt",
        "X-Mozilla-Keys",
        "FCC",
        "Return-Path",
        "X-BCC-Relay",
        "Authentication-Results",
        "ARC-Seal",
        "DKIM-Signature",
        "Content-Type",
        "Content-Description",
        "User-Agent",
        "X-Mailer",
        "Importance",
        "User-Made",
    ],
)
JUNK = st.sampled_from(
    [
        "",
        ",",
        ", ",
        ";",
        "|",
        " ",
        "\r\n ",
        "\r\n \t\r\n ",
        "Some One",
        '"',
        "(",
        ")",
        "<",
        ">",
        ":",
        "@",
        "=?",
        "?=",
        "é",
    ]
)
SEPARATORS = st.sampled_from([", ", ",", "; ", " ", ",\r\n ", "|", "\r\n\t"])
RAW_LINES = st.sampled_from(
    [
        b"no field at all",
        b"\xef\xbb\xbfTo: anna@family-mail.example",
        b"Subject: s\x0bTo: anna@family-mail.example",
        b"To\r\n : anna@family-mail.example",
        b"Received: from a by b for <anna@family-mail.example>; Sun",
        b"Received: from a by b\r\n\tfor <ben.b@family-mail.example>;\r\n\tSun",
        b"DKIM-Signature: v=1; d=council.example; h=From:To; b=YQ==",
        b"DKIM-Signature: v=1; d=club.example; h=From:To; b=YQ==",
        b"DKIM-Signature: v=1; d=club.example; h=From:Subject; b=YQ==",
        b"Content-Type: multipart/encrypted",
        b"Subject: =?utf-8?q?Termine?=",
        b"X-\xff: \xfe\xff",
    ]
)


@st.composite
def values(draw: st.DrawFn, wild: bool) -> tuple[bytes, frozenset[str]]:
    """A field's value made of several addresses, and who they are."""
    people = draw(st.lists(st.sampled_from((*OUTSIDERS, *FRIENDS)), max_size=6))
    spellings = SPELLINGS if wild else SPELLINGS[:12]
    pieces = [draw(st.sampled_from(spellings))(octets_of(one).decode()) for one in people]
    if wild:
        pieces = [piece + draw(JUNK) for piece in pieces]
    return draw(SEPARATORS).join(pieces).encode(), frozenset(people)


@st.composite
def mails(draw: st.DrawFn, wild: bool = True, names: tuple[str, ...] = NAMES) -> Mail:
    """A whole submission. `wild`: broken fields, signatures and unknown character sets as well."""
    lines: list[bytes] = []
    destinations: set[str] = set()
    for name in draw(st.lists(st.sampled_from(names), max_size=8)):
        value, people = draw(values(wild))
        lines.append(name.encode() + draw(st.sampled_from([b": ", b":"])) + value)
        if name in DESTINATION_NAMES:
            destinations |= people
    if wild:
        lines += draw(st.lists(RAW_LINES, max_size=2))
    author = draw(st.sampled_from(AUTHORS if wild else AUTHORS[:1]))
    lines += [
        line for line in (author, *draw(st.sampled_from([(), (b"Date: x", b"Message-ID: <1@x.example>")]))) if line
    ]
    header = b"".join(line + b"\r\n" for line in draw(st.permutations(lines)))
    to = draw(st.lists(st.sampled_from((*OUTSIDERS, *FRIENDS)), min_size=1, unique=True))
    sender = draw(st.sampled_from(["clerk@council.example", "bounces@council.example", "vera@theatre.example", None]))
    envelope = Envelope(
        build.mailbox(sender) if sender else None,
        tuple(Recipient(build.mailbox(octets_of(one).decode())) for one in to),
        smtputf8=True,
    )
    body = Body(draw(st.binary(max_size=20)))
    given = Submission("m1", build.NOW, envelope, Message(header, b"\r\n", body), build.origin())
    return Mail(given, frozenset(destinations), author)
