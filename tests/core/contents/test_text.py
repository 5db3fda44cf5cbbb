"""Text of a body: whatever the octets and the charset, an address that a reader could see comes out."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bcc_relay.core.address import find_addresses, known
from bcc_relay.core.contents import text as module
from bcc_relay.core.contents.text import decode_text, find_in_octets, find_in_text

ANNA, BEN, CEM = "anna@x.example", "ben@y.example", "cem@z.example"
NOBODY = known(frozenset())
SENTENCE = f"Grüße an Jörg; {ANNA}, „{BEN}“"

# --- octets to characters --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("octets", "charset", "text"),
    [
        (b"plain", "us-ascii", "plain"),
        (b"plain", "", "plain"),
        ("Grüße".encode(), "utf-8", "Grüße"),
        ("Grüße".encode(), "", "Grüße"),
        ("Grüße".encode(), "us-ascii", "Grüße"),
        ("Grüße".encode(), "iso-8859-1", "Grüße"),
        ("Grüße".encode("utf-8-sig"), "utf-8", "Grüße"),
        ("Grüße".encode("latin-1"), "iso-8859-1", "Grüße"),
        ("Grüße".encode("latin-1"), "utf-8", "Grüße"),
        ("Grüße".encode("latin-1"), "no-such-charset", "Grüße"),
        (b"gr\xfc\xc3\xbc", "utf-8", "grüü"),
        ("Wysłano".encode("iso8859-2"), "ISO-8859-2", "Wysłano"),
        ("宛先".encode("iso-2022-jp"), "ISO-2022-JP", "宛先"),
        ("宛先".encode("iso-2022-jp"), "us-ascii", "宛先"),
        ("宛先".encode("shift_jis"), "x-sjis", "宛先"),
        ("宛先".encode("euc_jp"), "euc-jp", "宛先"),
        ("Grüße".encode("utf-7"), "utf-7", "Grüße"),
        ("Grüße".encode("utf-16"), "utf-16", "Grüße"),
        ("Grüße".encode("utf-16-be"), "utf-16", "Grüße"),
        ("Grüße".encode("utf-16-le"), "utf-16", "Grüße"),
        ("Grüße".encode("utf-16-le"), "utf-16-be", "Grüße"),
        ("Grüße".encode("utf-16"), "utf-8", "Grüße"),
        ("Grüße, Anna".encode("utf-16-le"), "us-ascii", "Grüße, Anna"),
        ("Grüße, Anna".encode("utf-16-be"), "", "Grüße, Anna"),
        ("宛先宛先".encode("utf-16-be"), "utf-16", "宛先宛先"),
        ("Grüße".encode("utf-32"), "utf-8", "Grüße"),
        ("Grüße".encode("utf-32-be"), "us-ascii", "Grüße"),
        ("宛先宛先".encode("utf-32-le"), "", "宛先宛先"),
        (b"plain", "utf-16", "plain"),
        ("Grüße".encode(), "utf-16", "Grüße"),
        (b"\xff\xfe", "", ""),
        (b"", "utf-16", ""),
    ],
)
def test_octets_are_read_as_what_they_are(octets: bytes, charset: str, text: str) -> None:
    assert decode_text(octets, charset) == text


UNICODE = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
CLAIMED = ["", "us-ascii", "utf-8", "iso-8859-1", "utf-16", "utf-16le", "utf-16be", "utf-32", "no-such-charset"]


@pytest.mark.parametrize("claimed", CLAIMED)
@pytest.mark.parametrize("encoding", UNICODE)
def test_addresses_come_out_of_unicode_whatever_the_charset_claims(encoding: str, claimed: str) -> None:
    text = decode_text(SENTENCE.encode(encoding), claimed)
    assert {ANNA, BEN} <= find_in_text(text, NOBODY)


LIES = [*CLAIMED, "utf-7", "iso-2022-jp", "shift_jis", "gb18030", "hz-gb-2312", "big5", "euc-kr", "cp037", "koi8-r"]


@given(
    before=st.binary(max_size=40),
    after=st.binary(max_size=40),
    charset=st.sampled_from(LIES),
    spelt=st.sampled_from([ANNA, "anna+tag@x.example", "A.B-c@Sub.X.example"]),
)
def test_an_address_in_ascii_always_comes_out(before: bytes, after: bytes, charset: str, spelt: str) -> None:
    octets = before + b" " + spelt.encode() + b" " + after
    assert spelt.lower() in find_in_text(decode_text(octets, charset), known(frozenset({spelt.lower()})))


@given(st.binary(max_size=200), st.sampled_from(LIES) | st.text(max_size=20))
def test_decoding_never_raises_and_gives_text_that_can_be_written(octets: bytes, charset: str) -> None:
    decode_text(octets, charset).encode("utf-8")


# --- running text ----------------------------------------------------------------------------------------------------

WRITTEN = {
    "plain": f"Write to {ANNA} today.",
    "end-of-sentence": f"Write to {ANNA}.",
    "end-of-line": f"Write to {ANNA}.\r\nToday.",
    "angle": f"Anna <{ANNA}>, her mother",
    "mailto": f"<mailto:{ANNA}>",
    "brackets": f"our clerk ({ANNA})",
    "quotes": f'"{ANNA}"',
    "entity": "anna&#64;x.example",
    "entity-zeros": "anna&#00064;x&#46;example",
    "entity-hexadecimal": "anna&#x40;x.example",
    "entity-named": "anna&commat;x.example",
    "entity-full-width": "anna&#65312;x.example",
    "percent": "https://club.example/?who=x&to=anna%40x.example",
    "full-width": "ａｎｎａ＠ｘ．ｅｘａｍｐｌｅ",
    "small-form": "anna﹫x.example",
    "spelt-out": "anna (at) x (dot) example",
    "spelt-out-square": "anna[AT]x[dot]example",
    "spelt-out-full-width": "anna（ａｔ）x.example",
    "zero-width": "an\u200bna\u200d@x.\u00adexample",
    "no-break-spaces": "Anna\u00a0anna\u00a0@\u00a0x.example",
    "spaces": "anna @ x . example",
    "sign-at-line-end": "anna@\r\nx.example",
    "wrapped": "<anna@x.exam\r\nple>",
    "wrapped-and-quoted": "> <anna@\n> x.example>",
    "wrapped-local-part": "<an\r\n na@x.example>",
    "footnote-like": f"[1] {ANNA}[2]",
    "glued-to-a-list": f"{BEN};{ANNA};{CEM}",
    "behind-many-signs": "@" * 1000 + f" {ANNA}",
    "far-from-everything": "word " * 2000 + ANNA + " word" * 2000,
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_an_address_is_found_however_it_is_written(text: str) -> None:
    assert ANNA in find_in_text(text, NOBODY)
    assert ANNA in find_in_text(text, known(frozenset({ANNA})))


@pytest.mark.parametrize(
    "text",
    [
        "anna@x.\r\nexample",
        "anna@x.exam\n> ple",
        "anna=40x.example",
        "x|anna@x.example|y",
        "'anna@x.example",
    ],
)
def test_a_known_address_is_also_found_parted_glued_or_in_quoted_printable(text: str) -> None:
    assert ANNA in find_in_text(text, known(frozenset({ANNA})))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no address",
        "meet @ five",
        "@media (max-width: 5px) { @import url(x.css) }",
        "a (at most) b",
        "50%402 &#640;",
        "@@@@",
    ],
)
def test_what_is_no_address_shows_nobody(text: str) -> None:
    assert find_in_text(text, NOBODY) == set()


@pytest.mark.parametrize("text", ["anna@x.examplexyz.", "joanna@x.example ", "anna@x.example-2.example "])
def test_another_address_is_not_taken_for_a_known_one(text: str) -> None:
    assert ANNA not in find_in_text(text, known(frozenset({ANNA})))


def test_no_address_is_cut_where_one_window_of_the_search_ends() -> None:
    """Around each unusual sign a window is cut out of the text: what stands at its edges stays whole."""
    for gap in range(100, 200):
        text = f"first.name@council.example {'x' * gap} cem (at) z.example {'y' * gap} last.name@council.example"
        assert find_in_text(text, NOBODY) == {"first.name@council.example", CEM, "last.name@council.example"}


PIECES = st.sampled_from(
    [ANNA, BEN, "Cem+x@z.example", "jörg@bücher.example", "@", "＠", "&#64;", "%40", " (at) ", "[dot]", ".", ",", ";", ":", '"', "'",
     "<", ">", "(", ")", " ", "  ", "\t", "a", "x.example", "example", "-", "_", "=", "&", "\u200b", "é", "。", "|", "/", "?to=", "1.0"]
)  # fmt: skip


@given(
    st.lists(PIECES, max_size=25).map("".join),
    st.sampled_from([frozenset[str](), frozenset({ANNA, "jörg@xn--bcher-kva.example"})]),
)
def test_the_fast_search_finds_what_the_careful_one_finds(text: str, keys: frozenset[str]) -> None:
    """All but a handle: a domain that stands by itself behind a sign is no part of the word before it."""
    assume(not re.search(r"\s@[\w.]", text.replace("＠", "@").replace("\u200b", "")))
    assert find_in_text(text, known(keys)) >= find_addresses(text, known(keys))


@given(st.lists(st.sampled_from(["one word", " ", "\n", ANNA, f"<{BEN}>", f"({CEM}).", ",", "\t"]), max_size=30))
def test_in_usual_text_both_find_the_same(pieces: list[str]) -> None:
    text = " ".join(pieces)
    assert find_in_text(text, NOBODY) == find_addresses(text)


@given(st.text(max_size=300))
def test_the_search_never_raises(text: str) -> None:
    for key in find_in_text(text, known(frozenset({ANNA}))):
        key.encode("utf-8")


@pytest.mark.parametrize("count", [0, 3, 30])
def test_only_what_stands_around_a_sign_is_looked_at_closely(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[int] = []

    def counting(text: str, names: module.Known = NOBODY) -> set[str]:
        looked_at.append(len(text))
        return find_addresses(text, names)

    monkeypatch.setattr(module, "find_addresses", counting)
    prose = "The term begins on Monday, and lunch (hot) costs 3. " * 200
    assert find_in_text((prose + ANNA + ", ") * count + prose, NOBODY) == ({ANNA} if count else set())
    assert looked_at == []
    find_in_text((prose + "anna (at) x.example ") * count + prose, NOBODY)
    assert sum(looked_at) <= count * 400


HOSTILE = [
    "@",
    "a@",
    "@ ",
    "a@a.",
    "@a.a.a.",
    "%40",
    "&#64;",
    "&",
    "(",
    "(at)",
    "（at）",
    "=40",
    "<a@\nb",
    "cid:",
    ":",
    "\u200b@",
    "a.",
    "\n",
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_text_is_read_in_time_that_grows_with_its_size(unit: str) -> None:
    """A search that took the square of the size would not come to an end here."""
    text = unit * (200_000 // len(unit))
    find_in_text(text, known(frozenset({ANNA})))
    find_in_octets(b"\0\1" + text.encode(), known(frozenset({ANNA})))
    find_in_octets(text.encode("utf-16-le"), known(frozenset({ANNA})))


# --- any octets ------------------------------------------------------------------------------------------------------

AROUND = [b"", b"\0", b"\0\0\0", b"\xff\xd8", b"\x01\x02\x03", b"\r\n", b'"', b"<"]


@pytest.mark.parametrize("encoding", ["ascii", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("before", AROUND)
@pytest.mark.parametrize("after", AROUND)
def test_addresses_are_found_in_any_file_at_any_place(before: bytes, after: bytes, encoding: str) -> None:
    octets = b"\x00\x01\xfe\xff\x80" * 7 + before + ANNA.encode(encoding) + after + b"\x00\x01\xfe\xff\x80" * 7
    found = find_in_octets(octets, known(frozenset({ANNA})))
    assert ANNA in found


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_an_international_address_is_found_in_any_file_when_it_is_known(encoding: str) -> None:
    key = "jörg@xn--bcher-kva.example"
    octets = b"\x01\x80\0\0" + "jörg@bücher.example".encode(encoding) + b"\0\0\x01\x80"
    assert key in find_in_octets(octets, known(frozenset({key})))


def test_many_addresses_in_utf_16_give_each_once_and_whole() -> None:
    keys = {f"name{i}@mail{i % 5}.example" for i in range(50)}
    for encoding in ("utf-16-le", "utf-16-be"):
        octets = b"\xd0\xcf\x11" + b"\x00\x00".join(key.encode(encoding) for key in sorted(keys)) + b"\x00\x00"
        assert find_in_octets(octets, NOBODY) == keys


@pytest.mark.parametrize(
    "octets", [b"\0\1a@b\0", b"\0\1a@b.c\0", b"\0\1@b.example\0", b"\0\1a@.example\0", b"\0a@1.22\0", b"\0" * 99]
)
def test_what_chance_makes_is_no_address(octets: bytes) -> None:
    assert find_in_octets(octets, NOBODY) == set()


def test_text_of_an_unknown_format_is_searched_as_text() -> None:
    assert find_in_octets(b"{\\rtf1 mailto:anna%40x.example}", NOBODY) == {ANNA}
    assert find_in_octets(f"Grüße, {BEN}".encode(), NOBODY) == {BEN}


@given(st.binary(max_size=400))
def test_the_search_in_octets_never_raises(octets: bytes) -> None:
    for key in find_in_octets(octets, known(frozenset({ANNA}))):
        key.encode("utf-8")


@given(st.binary(max_size=100), st.binary(max_size=100), st.sampled_from(["ascii", "utf-16-le", "utf-16-be"]))
def test_a_planted_address_is_found_in_random_octets(before: bytes, after: bytes, encoding: str) -> None:
    gap = "\0 ".encode(encoding)
    octets = b"\0\1\2\3" + before + gap + ANNA.encode(encoding) + gap + after
    assert ANNA in find_in_octets(octets, known(frozenset({ANNA})))


def test_a_hyphen_that_does_not_break_is_a_hyphen() -> None:
    assert find_in_text("anna\u2011b@x\u2010y.example", NOBODY) == {"anna-b@x-y.example"}


def test_a_known_address_between_other_fields_of_a_binary_table_is_found() -> None:
    table = bytes(300) + b"\x01Jones" + ANNA.encode() + b"Street\x02" + "Jones".encode("utf-16-le")
    table += BEN.encode("utf-16-le") + "Street".encode("utf-16-le") + b"\x03\x00"
    assert find_in_octets(table, known(frozenset({ANNA, BEN}))) >= {ANNA, BEN}
    assert not find_in_octets(table, known(frozenset({ANNA, BEN}))) - {ANNA, BEN}


@pytest.mark.parametrize(
    "link",
    [
        "https://archive.example/list/2025.1-anna@x.example",
        "https://news.example/@anna.b/a-story",
        "(see http://archive.example/r/1@x.example)",
        "<https://archive.example/r/1@x.example/>",
    ],
)
def test_what_a_link_names_in_its_path_is_no_address_unless_it_is_known(link: str) -> None:
    assert find_in_text(f"Read {link}, then write to {BEN}.", NOBODY) == {BEN}
    known_link = link.replace("2025.1-anna", "anna").replace("1@x", "anna@x").replace("@anna.b", "anna@x.example")
    assert find_in_text(known_link, known(frozenset({ANNA}))) == {ANNA}


@pytest.mark.parametrize("link", [f"https://x.example/?to={ANNA}", f"https://x.example/a,{ANNA}", f"https://{ANNA}"])
def test_an_address_elsewhere_in_a_link_counts(link: str) -> None:
    assert ANNA in find_in_text(link, NOBODY)


def test_what_nobody_sees_may_part_two_known_addresses() -> None:
    names = known(frozenset({"anna@x.example"}))
    assert "anna@x.example" in find_in_text("anna@x.example\u200banna@x.example", names)
