"""Rich text: what a reader sees of it, and the documents in it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcc_relay.core.contents.rtf import is_rich_text, objects, words

COMPOUND = b"\xd0\xcf\x11\xe0rest"


@pytest.mark.parametrize(
    ("rich", "text"),
    [
        (rb"{\rtf1 {\rtlch \insrsid1 an}{\b na}@family-mail.example\par}", "anna@family-mail.example\n"),
        (rb"{\rtf1 anna\'40family-mail.example}", "anna@family-mail.example"),
        (rb"{\rtf1 anna\u64?family-mail.example}", "anna@family-mail.example"),
        (rb"{\rtf1 anna\_b@family\-mail.example}", "anna-b@familymail.example"),
        (rb"{\rtf1\bullet anna@a.example\emdash ben@a.example}", "\nanna@a.example\nben@a.example"),
        (
            rb'{\rtf1{\field{\*\fldinst HYPERLINK "mailto:anna@a.example"}{\fldrslt Anna}}}',
            '\n\nHYPERLINK "mailto:anna@a.example"\nAnna',
        ),
        (b"{\\rtf1 anna@fami\r\nly-mail.example}", "anna@family-mail.example"),
    ],
)
def test_words_are_read_as_they_are_shown(rich: bytes, text: str) -> None:
    assert words(rich) == text


def test_rich_text_is_told_by_its_begin() -> None:
    assert is_rich_text(b"\r\n{\\rtf1 x}")
    assert not is_rich_text(b"See {\\rtf1 x}")


def test_documents_in_rich_text_come_out() -> None:
    digits = (bytes(8) + COMPOUND).hex().encode()
    rich = b"{\\rtf1{\\object{\\*\\objdata " + digits[:10] + b"\r\n" + digits[10:] + b"}}{\\*\\objdata 0102}}"
    assert list(objects(rich)) == [COMPOUND]


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_nothing_raises(octets: bytes) -> None:
    words(b"{\\rtf1 " + octets)
    list(objects(b"\\objdata " + octets + b"\\objdata 0" + octets.hex().encode()))
