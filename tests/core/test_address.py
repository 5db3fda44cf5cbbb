"""Addresses: what the envelope takes, what the search finds."""

from __future__ import annotations

import unicodedata
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcc_relay.core import address
from bcc_relay.core.address import (
    address_key,
    domain_key,
    find_addresses,
    find_encoded,
    known,
    parse_mailbox,
    transport_octets,
)

# --- the strict reading of an envelope -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("octets", "key"),
    [
        (b"anna@family-mail.example", "anna@family-mail.example"),
        (b"Anna.Maria+x@Family-Mail.EXAMPLE", "anna.maria+x@family-mail.example"),
        (b"o'neil@x.example", "o'neil@x.example"),
        (b'"anna maria"@x.example', "anna maria@x.example"),
        (b'"anna"@x.example', "anna@x.example"),
        (b'"a\\"b"@x.example', 'a"b@x.example'),
        (b"clerk@localhost", "clerk@localhost"),
        (b"clerk@[192.0.2.1]", "clerk@[192.0.2.1]"),
        (b"clerk@[IPv6:2001:db8::1]", "clerk@[ipv6:2001:db8::1]"),
        (b"prvs=1=anna@x.example", "prvs=1=anna@x.example"),
    ],
)
def test_a_mailbox_keeps_its_octets_and_gets_a_comparing_key(octets: bytes, key: str) -> None:
    parsed = parse_mailbox(octets)
    assert parsed is not None
    assert (parsed.octets, parsed.key) == (octets, key)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"anna",
        b"@x.example",
        b"anna@",
        b"anna@@x.example",
        b"anna@x..example",
        b".anna@x.example",
        b"an..na@x.example",
        b"anna@-x.example",
        b"anna@x-.example",
        b"anna maria@x.example",
        b"<anna@x.example>",
        b"anna@x.example\r\n",
        b"anna@x.example\nRCPT TO:<ben@x.example>",
        b"anna@x.example\x00",
        b"anna\x00@x.example",
        b"anna@x.example,ben@x.example",
        b"@relay.example:anna@x.example",
        b"anna(her)@x.example",
        b"=?utf-8?q?anna?=@x.example",
        b'"anna@x.example',
        b"anna@[x]",
        "jörg@x.example".encode(),
        b"j\xf6rg@x.example",
        b"a" * 65 + b"@x.example",
        b"a@" + b"b" * 64 + b".example",
        b"a@" + b".".join([b"b" * 60] * 5),
    ],
)
def test_what_is_no_mailbox_is_refused(octets: bytes) -> None:
    assert parse_mailbox(octets) is None


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("jörg@bücher.example", "jörg@xn--bcher-kva.example"),
        ("JO\u0308RG@BÜCHER.example", "jörg@xn--bcher-kva.example"),
        ("anna@straße.example", "anna@xn--strae-oqa.example"),
        ("anna@उदाहरण.example", "anna@xn--p1b6ci4b4b3a.example"),
        ("用户@例え.example", "用户@xn--r8jz45g.example"),
    ],
)
def test_international_mailboxes_need_smtputf8_and_compare_in_a_label_form(text: str, key: str) -> None:
    assert parse_mailbox(text.encode()) is None
    parsed = parse_mailbox(text.encode(), smtputf8=True)
    assert parsed is not None
    assert (parsed.octets, parsed.key) == (text.encode(), key)


@pytest.mark.parametrize("octets", [b"j\xf6rg@x.example", "a\u200bb@x.example".encode(), "a\u2028b@x.example".encode()])
def test_invalid_utf_8_and_invisible_characters_are_refused_even_with_smtputf8(octets: bytes) -> None:
    assert parse_mailbox(octets, smtputf8=True) is None


def test_sizes_of_rfc_5321_are_the_limit() -> None:
    assert parse_mailbox(b"a" * 64 + b"@x.example")
    domain = b".".join([b"b" * 61] * 3)
    assert parse_mailbox(b"a" * 64 + b"@" + domain + b".exa")
    assert parse_mailbox(b"a" * 64 + b"@" + domain + b".exam") is None


def test_for_transport_only_the_case_of_the_domain_is_aside() -> None:
    first, second, third = (parse_mailbox(x) for x in (b"Anna@X.example", b"Anna@x.EXAMPLE", b"anna@x.example"))
    assert first
    assert second
    assert third
    assert transport_octets(first) == transport_octets(second) != transport_octets(third)
    assert first.key == third.key


def test_keys_fold_case_and_unicode_forms() -> None:
    assert address_key("Jo\u0308rg", "X.example") == address_key("JÖRG", "x.example")
    assert address_key("\u0390", "x.example") == address_key("\u03b9\u0308\u0301", "x.example")
    assert domain_key(" Bücher.Example. ") == "xn--bcher-kva.example"


# --- the lenient search ----------------------------------------------------------------------------------------------

A, B, C = "a@x.example", "b@y.example", "c@z.example"
TRICKS = {
    "plain": (f"{A}, {B}", {A, B}),
    "B1-display-name": (f'"{A}, {B}" <{C}>', {A, B, C}),
    "B1-display-name-unquoted": (f"{A} {B} <{C}>", {A, B, C}),
    "B4-comment": (f"{C} ({A}, {B})", {A, B, C}),
    "B4-nested-comment": (f"{C} (({A}) {B})", {A, B, C}),
    "B4-comment-inside": ("a(me)@(at home)x.example", {A}),
    "B5-group": (f"Team: {A}, {B};", {A, B}),
    "B5-group-unterminated": (f"Team: {A}", {A}),
    "B5-group-nested": (f"Team: Inner: {A};, {B};", {A, B}),
    "B5-group-empty": ("undisclosed-recipients:;", set()),
    "B6-route": (f"<@relay.example,@r2.example:{A}>", {A}),
    "B7-semicolons": (f"{A}; {B}; {C}", {A, B, C}),
    "B8-unbalanced-quote": (f'"{A}, {B}, {C}', {A, B, C}),
    "B8-unbalanced-parenthesis": (f"({A}, {B}", {A, B}),
    "B8-double-angle": (f"<<{A}>>, {B}", {A, B}),
    "B8-quoted-list-as-local-part": (f'"{A}, {B}"@z.example', {A, B, f"{A}, {B}@z.example"}),
    "B9-u-label": ("jörg@bücher.example", {"jörg@xn--bcher-kva.example"}),
    "B9-a-label": ("jörg@xn--bcher-kva.example", {"jörg@xn--bcher-kva.example"}),
    "B9-vowel-signs": ("anna@उदाहरण.example", {"anna@xn--p1b6ci4b4b3a.example"}),
    "B10-full-width": ("ａ＠ｘ．ｅｘａｍｐｌｅ", {A}),
    "B10-ideographic-full-stop": ("a@x。example", {A}),
    "B10-zero-width": ("a\u200b@\u2060x.exam\u00adple", {A}),
    "B10-entity": ("a&#64;x&#46;example a&#x40;x.example a&commat;x&period;example", {A}),
    "B10-entity-full-width": ("a&#65312;x.example", {A}),
    "B10-percent": ("mailto:a%40x%2Eexample?cc=b%40y.example", {A, B}),
    "parameters": (f"addr={A}; e={B}|TO={C}", {A, f"e={B}", C}),
    "B10-spelt-out": ("a (at) x.example, b [AT] y (dot) example", {A, B}),
    "B11-space-inside": ("a @ x.example, b@y. example, c@z .example", {A, B, C}),
    "B11-tabs-and-spaces": (f"{A}, \t   {B}", {A, B}),
    "B12-x500": ("Doe, J </O=ORG/OU=EU/CN=RECIPIENTS/CN=JDOE>", set()),
    "quoted-local-part": ('"a b"@x.example', {"a b@x.example"}),
    "marks-around": (f"'{A}' *{B}* «{C}»", {A, B, C}),
    "no-separator": ("a@x.example|b@y.example/c@z.example", {A, B, C}),
    "underscore": ("a@x.example_b@y.example", 2),
    "literal": ("a@[192.0.2.1]", {"a@[192.0.2.1]"}),
    "no-dot": ("a@home", set()),
    "no-address": ("meet @ five, 50% (at most)", set()),
}


@pytest.mark.parametrize(("text", "expected"), TRICKS.values(), ids=TRICKS)
def test_the_search_sees_what_a_reader_sees(text: str, expected: set[str] | int) -> None:
    found = find_addresses(text)
    assert (len(found) if isinstance(expected, int) else found) == expected


GLUED = [
    f"addr={A}",
    f"to={A}&cc=somebody",
    f"x|{A}|y",
    f"first@other.example|{A}",
    f"first@other.example_{A}",
    f"{A}_{B}",
    f"{A}.Thanks",
    f"'{A}'",
    f"__{A}__",
    "x" * 400 + "|" + A,
    f"mailto:first@other.example?cc={A}",
]


@pytest.mark.parametrize("text", GLUED, ids=lambda text: text[-40:])
def test_a_known_address_is_recognised_where_other_text_is_glued_to_it(text: str) -> None:
    assert A in find_addresses(text, known(frozenset({A})))


def test_a_local_part_with_spaced_dots_is_recognised() -> None:
    for text in ("john . smith@x.example", "john. smith@x.example", "john .smith@x.example"):
        assert find_addresses(text, known(frozenset({"john.smith@x.example"}))) == {"john.smith@x.example"}


@pytest.mark.parametrize("text", ["mary.a@x.example", "mary-a@x.example", "mary_a@x.example", "a+tag@x.example"])
def test_another_mailbox_that_ends_alike_is_not_taken_for_a_known_one(text: str) -> None:
    assert find_addresses(text, known(frozenset({A}))) == {text}


def test_a_known_address_needs_no_dot_in_its_domain() -> None:
    assert find_addresses("<bob@intranet>", known(frozenset({"bob@intranet"}))) == {"bob@intranet"}


def test_a_known_address_in_compatibility_characters_is_recognised() -> None:
    assert "x²@y.example" in find_addresses("x²@y.example", known(frozenset({"x²@y.example"})))


@pytest.mark.parametrize("text", ["&#55296;@x.example", "&#1114112;a@x.example", "&#xD800;a@x.example"])
def test_entities_that_are_no_characters_stay_as_they_are(text: str) -> None:
    for key in find_addresses(text):
        key.encode()


@pytest.mark.parametrize(
    "text",
    [
        "anna=40x.example",
        "unsubscribe=3Fanna=40x=2Eexample",
        "YW5uYUB4LmV4YW1wbGU=",
        "<https://club.example/leave?t=eyJ0byI6ICJhbm5hQHguZXhhbXBsZSJ9>",
        "YW5uYUB4LmV4YW1wbGUA_-",
    ],
)
def test_a_known_address_in_a_token_is_found(text: str) -> None:
    anna = known(frozenset({"anna@x.example"}))
    assert find_encoded(text, anna) == {"anna@x.example"}
    assert find_encoded(text, known(frozenset({"ben@x.example"}))) == set()


@pytest.mark.parametrize("text", ["a" * size for size in range(8, 16)] + ["=40", "=4", "-" * 9])
def test_what_is_no_token_shows_nobody(text: str) -> None:
    assert find_encoded(text, known(frozenset({"anna@x.example"}))) == set()


@pytest.mark.parametrize("form", ["NFC", "NFKC"])
@given(st.text(alphabet="ae\u0301\u0327\uff21\u0e01\u0e33\u1112\u1161\u11ab @.", max_size=60))
def test_normalising_in_pieces_gives_what_normalising_at_once_gives(form: Literal["NFC", "NFKC"], text: str) -> None:
    assert address._normal(form, text) == unicodedata.normalize(form, text)


def test_a_long_run_of_combining_marks_is_normalised_in_pieces() -> None:
    marks = "\u064b\u064c\u0323" * 1000
    assert len(address._COMPOSED.findall("a" + marks)) > 40
    assert find_addresses("a" + marks + " b@mail0.example") == {"b@mail0.example"}


@pytest.mark.parametrize("text", ["tool@4.17.x", "base@2.x", "part@v1.0.0-beta.b"])
def test_versions_are_no_domains_though_they_end_with_a_letter(text: str) -> None:
    assert find_addresses(text) == set()


def test_a_domain_of_words_counts_however_short_its_top_level_is() -> None:
    assert find_addresses("a@x.t, b@mail.y.t") == {"a@x.t", "b@mail.y.t"}
