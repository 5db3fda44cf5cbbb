"""Where messages of an mbox stand: found in pieces, and not where text merely says "From"."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcc_relay.backtest import mbox

FROM = b"From clerk@council.example Sun Nov 22 10:00:00 2026\n"


def parted(octets: bytes) -> list[bytes]:
    return [octets[start : start + length] for start, length in mbox.messages_in(io.BytesIO(octets))]


def test_messages_are_parted_at_from_lines() -> None:
    one, two = FROM + b"To: a@b.example\n\nHello\n", FROM + b"To: c@d.example\n\nGoodbye\n"
    assert parted(one + b"\n" + two + b"\n") == [one, two + b"\n"]


def test_files_with_crlf_are_parted_too() -> None:
    one, two = (text.replace(b"\n", b"\r\n") for text in (FROM + b"To: a@b.example\n\nHello\n", FROM + b"A: b\n\nx\n"))
    assert parted(one + b"\r\n" + two) == [one, two]


@pytest.mark.parametrize(
    "text",
    [
        b"Dear all,\n\nFrom next week on we meet at noon.\nYours\n",
        b"Dear all,\nFrom clerk Sun Nov 22 10:00:00 2026\nYours\n",
        b"Dear all,\n\n>From clerk Sun Nov 22 10:00:00 2026\nYours\n",
    ],
    ids=["a sentence", "no blank line before it", "quoted"],
)
def test_text_that_begins_with_from_parts_nothing(text: bytes) -> None:
    whole = FROM + b"To: a@b.example\n\n" + text
    assert parted(whole) == [whole]


def test_a_from_line_without_a_time_counts_when_a_field_follows() -> None:
    assert len(parted(FROM + b"To: a@b.example\n\nx\n\nFrom nobody\nTo: c@d.example\n\ny\n")) == 2


@given(st.lists(st.text("ab\n ", max_size=40), min_size=1, max_size=12), st.integers(1, 64))
def test_it_does_not_matter_where_pieces_end(texts: list[str], piece_bytes: int) -> None:
    messages = [FROM + b"To: a@b.example\n\nx" + text.encode() + b"x\n" for text in texts]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mbox, "_PIECE_BYTES", piece_bytes)
        assert parted(b"\n".join(messages)) == messages


def test_quoting_is_undone_once() -> None:
    assert mbox.unquoted(b"a\n>From b\n>>From c\n> From d\n") == b"a\nFrom b\n>From c\n> From d\n"
