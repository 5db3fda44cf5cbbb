"""Addresses in free text: none gets through, and the same one is always the same pseudonym."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcc_relay.telemetry.pseudonyms import MAX_TEXT_CHARS, keyed, one_line, without_addresses

hide = keyed(b"a key")
JANE = hide("jane@family-mail.example")

# Letters that no other part of a generated text uses, so that finding them again means that an address got through.
_SECRET = "qxzQXZ"
_locals = st.one_of(
    st.text(_SECRET + "0123456789.!#$&'*/?^_`{|}~-é", min_size=1, max_size=20).map(lambda text: f"qxz{text}"),
    st.text(_SECRET + " ,;:<>()[]@é", min_size=1, max_size=20).map(lambda text: f'"qxz{text}"'),
    st.text(_SECRET + "\\", min_size=1, max_size=9).map(lambda text: '"qxz' + text.replace("\\", '\\"') + '"'),
)
_domains = st.one_of(
    st.text(_SECRET + "-0123456789ü", min_size=1, max_size=20).map(lambda label: f"qxz{label}.example"),
    st.just("[IPv6:2001:db8::7]"),
)
_signs = st.sampled_from(["@", "\uff20", "\ufe6b"])
_around = st.tuples(
    st.sampled_from(["<", "(", "", "'", '"', "rfc822;", "RCPT TO:<", "[", "\n", "mailto:", "x="]),
    st.sampled_from([">", ")", ">,", ":", ". ", "'", "...", "\r\n", " ", ">: no"]),
)


@given(
    st.lists(st.tuples(_locals, _signs, _domains, _around), max_size=5),
    st.text(st.characters(exclude_characters=_SECRET + '"@\uff20\ufe6b'), max_size=30),
)
def test_no_address_of_the_text_is_left_in_it(addresses, between):
    text = between.join(f" {before}{local}{sign}{domain}{after}" for local, sign, domain, (before, after) in addresses)

    hidden = without_addresses(text, hide)

    assert not re.search("[@\uff20\ufe6b]", hidden)
    assert "qxz" not in hidden


@pytest.mark.parametrize(
    "text",
    [
        "<jane@family-mail.example>",
        "<JANE@Family-Mail.Example>",
        "user jane@family-mail.example.",
        "'jane@family-mail.example'",
        "rfc822;jane@family-mail.example",
        "mailto:jane%40family-mail.example",
        "orcpt=rfc822;jane+40family-mail.example",
        "jane&#64;family-mail.example",
    ],
)
def test_the_same_address_has_the_same_pseudonym_however_it_is_written(text):
    assert JANE in without_addresses(text, hide)


@given(st.text('@"\\[]<>:;,. %40a\uff20', max_size=40))
def test_no_sign_is_left_in_any_text(text):
    assert not re.search("[@\uff20\ufe6b]", without_addresses(text, hide))


def test_another_key_gives_another_pseudonym():
    assert keyed(b"another key")("jane@family-mail.example") != JANE


def test_words_around_an_address_stay():
    text = "550 5.1.1 <jane@family-mail.example>: Recipient address rejected: unknown; delay=40"

    assert without_addresses(text, hide) == f"550 5.1.1 <{JANE}>: Recipient address rejected: unknown; delay=40"


def test_a_quoted_local_part_with_blanks_goes_as_a_whole():
    assert without_addresses('no "Jane of \\"Example\\" Lane"@family-mail.example here', hide).count("Lane") == 0


def test_a_long_text_is_cut_where_no_half_address_stays():
    text = "word " * (MAX_TEXT_CHARS // 5 - 1) + "jane.of.example.lane@family-mail.example"

    hidden = without_addresses(text, hide)

    assert len(hidden) < MAX_TEXT_CHARS + 5
    assert "jane" not in hidden


@given(st.text())
def test_a_text_becomes_one_printable_line(text):
    assert one_line(text).isprintable()
