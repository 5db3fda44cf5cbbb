"""Who wrote a message: one certain mailbox, or nobody."""

from __future__ import annotations

import pytest

from bcc_relay.core.author import single_mailbox
from tests import build


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b" clerk@council.example ", "clerk@council.example"),
        (b' "A, <x@y.example>" <clerk@council.example>', "clerk@council.example"),
        (b" A (b, c) <clerk@council.example> (d)", "clerk@council.example"),
        (b" A, B <clerk@council.example>", None),
        (b" clerk@council.example, mayor@council.example", None),
        (b" a@x.example, B <clerk@council.example>", None),
        (b" Team: clerk@council.example;", None),
        (b" <clerk@council.example", None),
        (b" clerk", None),
        (b"", None),
    ],
)
def test_a_single_mailbox_is_one_or_none(value: bytes, expected: str | None) -> None:
    found = single_mailbox(value)
    assert (found.key if found else None) == expected


@pytest.mark.parametrize(
    ("author", "authors"),
    [
        (b"From: clerk@council.example", {"clerk@council.example"}),
        (b'From: "office@council.example" <clerk@council.example>', {"clerk@council.example"}),
        (b"From: Clerk <clerk@council.example", {"clerk@council.example"}),
        (b"From: clerk@council.example, mayor@council.example", {"anna@family-mail.example"}),
        (b"From: clerk@council.example\r\nFrom: mayor@council.example", {"anna@family-mail.example"}),
        (b"", {"anna@family-mail.example"}),
    ],
)
def test_the_sender_field_speaks_only_where_from_names_nobody_for_certain(author: bytes, authors: set[str]) -> None:
    given = build.mail(b"Sender: anna@family-mail.example", author=author, sender=None, to=("ben@family-mail.example",))
    assert build.facts(given).authors == authors


@pytest.mark.parametrize("name", [b'"\\' * 400, b"(\\" * 400], ids=["quoted", "comment"])
def test_an_author_longer_than_a_line_is_unclear_and_costs_no_look(name: bytes) -> None:
    assert single_mailbox(name + b" <clerk@council.example>" + b" " * 300) is None
