"""Backslashes: what a reader of Markdown, JSON, scripts and style sheets sees."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcc_relay.core.address import known
from bcc_relay.core.contents.escapes import unescaped
from bcc_relay.core.contents.text import find_in_text

ANNA = "anna_b@family-mail.example"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (r"anna\_b\@family\-mail.example", ANNA),
        (r"\u003canna_b\u0040family-mail.example\u003e", f"<{ANNA}>"),
        (r"\nanna_b@family-mail.example\r\n", f"\n{ANNA}\n\n"),
        (r"\\nanna_b@family-mail.example\\n", f"\n{ANNA}\n"),
        (r"anna\x5fb\x40family-mail.example", ANNA),
        (r"anna_b\40 family\2dmail.example", ANNA),
        (r"anna_b\000040 family\2d mail.example", ANNA),
        (r"\ud83d", "\ufffd"),
        (r"C:\work", r"C:\work"),
        ("\\", "\\"),
        (ANNA, ANNA),
    ],
)
def test_escapes_are_undone(text: str, meant: str) -> None:
    assert unescaped(text) == meant


def test_a_known_address_behind_a_backslash_that_escapes_nothing_is_found() -> None:
    names = known(frozenset({"nadia@family-mail.example"}))
    assert find_in_text(r"FAMILY\nadia@family-mail.example", names) == {
        "nadia@family-mail.example",
        "adia@family-mail.example",
    }


def test_an_address_that_is_written_with_escapes_counts_once() -> None:
    assert find_in_text(r"Anna \u003canna@a.example\u003e\nben\_b@a.example", known(frozenset())) == {
        "anna@a.example",
        "ben_b@a.example",
    }


@given(st.text(alphabet="\\\\\\u x04@n_a{\n", max_size=60))
def test_nothing_raises(text: str) -> None:
    unescaped(text)
