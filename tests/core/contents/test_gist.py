"""The gist of a text: equal for the pieces of one mailing, different for different texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcc_relay.core.contents.gist import gist_of

TEXT = "the term begins on Monday and lunch costs more than last year, please tell the office"
GIST = gist_of(TEXT)


def test_a_gist_has_sixteen_octets() -> None:
    assert len(GIST) == 16


@pytest.mark.parametrize(
    "text",
    [
        f"Dear Anna,\n{TEXT}",
        f"Dear Ben,\r\n\r\n{TEXT}",
        f"Dear Mr and Mrs Smith-Jones,\n{TEXT}",
        f"Dear Anna, {TEXT}",
        f"Hello Ben!\n{TEXT}",
        f"Hi\n\n{TEXT}",
        f"Anna,\n\n{TEXT}",
        f"Liebe Anna,\n{TEXT}",
        f"Sehr geehrte Frau Müller,\n\n{TEXT}",
        f"Chère Anna,\n{TEXT}",
        f"Estimada Anna:\n{TEXT}",
        f"Annwyl Anna,\n{TEXT}",
        f"アンナ様\n{TEXT}",
        f"\n\n   Dear Anna,\n{TEXT}",
        TEXT.upper(),
        TEXT.replace(" ", "\n"),
        TEXT.replace(" ", "   "),
        TEXT.replace("Monday", "Monday 3/9/2026, 10:30,"),
        TEXT.replace("office", "office anna@x.example"),
        TEXT.replace("office", "office <office@council.example>"),
        f"anna@x.example {TEXT}",
        f"{TEXT}\n> Dear Clerk,\n> what does lunch cost?",
        f"{TEXT}\n\nOn Mon, 3 Aug 2026 at 10:00, Anna <anna@x.example> wrote:\n> what does lunch cost?",
        f"{TEXT}\n\n-----Original Message-----\nFrom: Anna\nSent: 3 August\nTo: Clerk\nSubject: 5\n",
    ],
)
def test_greeting_numbers_addresses_layout_and_quoted_text_do_not_count(text: str) -> None:
    assert gist_of(text) == GIST


@pytest.mark.parametrize(
    "text",
    [TEXT.replace("Monday", "Tuesday"), TEXT + " today", TEXT.replace("begins on", ""), f"Dear Anna,\nalso {TEXT}"],
)
def test_other_words_give_another_gist(text: str) -> None:
    assert gist_of(text) not in (b"", GIST)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hi",
        "Dear Anna,\nplease see attached.\nThe clerk",
        "1 2 3 4 5 6 7 8 9 10",
        "a@x.example " * 20,
        "> one two\n" * 9,
    ],
)
def test_few_words_have_no_gist(text: str) -> None:
    assert gist_of(text) == b""


def test_scripts_without_spaces_have_one_too() -> None:
    text = "新学期は月曜日に始まります。昼食代が変わりますのでご確認ください。"
    assert len(gist_of(text)) == 16
    assert gist_of(f"山田様\n{text}") == gist_of(f"鈴木様\n{text}") == gist_of(text)


@given(st.sampled_from(["Anna", "Ben", "Maximilian Alexander", "Jörg"]), st.integers(0, 4000))
def test_a_longer_name_shifts_nothing_at_the_end_of_what_counts(name: str, words: int) -> None:
    text = TEXT + " word" * words + " end" * 400
    assert gist_of(f"Dear {name},\n{text}") == gist_of(text)


@given(st.text(max_size=400))
def test_a_gist_never_raises_and_is_empty_or_whole(text: str) -> None:
    assert len(gist_of(text)) in (0, 16)


def test_only_the_beginning_of_a_text_is_looked_at() -> None:
    assert gist_of(TEXT + " word" * 2000 + " one" * 500_000) == gist_of(TEXT + " word" * 2000)
