"""The structure of a body: boundaries, headers and encodings, in every way a reader might see them."""

from __future__ import annotations

import base64
import binascii
import mmap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcc_relay.core.contents.mime import Region, delimiters, divided, entities, guessed_boundary, mails_of, mime_lines
from bcc_relay.core.contents.parameters import content_type, parameters, text_parameter
from bcc_relay.core.contents.transfer import (
    BASE64,
    IDENTITY,
    QUOTED_PRINTABLE,
    UNKNOWN,
    UUENCODE,
    encoding_of,
    undone,
    uu_files,
)

plain = settings(deadline=None, max_examples=60, derandomize=True, database=None)


def region(octets: bytes) -> Region:
    return Region(octets, 0, len(octets))


def texts(regions: tuple[Region, ...]) -> list[bytes]:
    return [one.octets() for one in regions]


# --- Content-Type ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "media_type", "charset"),
    [
        (b"text/plain", "text/plain", ""),
        (b" Text/HTML; charset=utf-8", "text/html", "utf-8"),
        (b'text/plain;\r\n\tCharset = "ISO-8859-1";\r\n format=flowed', "text/plain", "ISO-8859-1"),
        (b"(a (nested) note) text/plain", "text/plain", ""),
        (b"(a note that never ends text/plain", "text/plain", ""),
        (b"(a note) text / plain (another)", "text/plain", ""),
        (b"text", "text", ""),
        (b'text/plain; name="a;charset=x"; charset=koi8-r', "text/plain", "koi8-r"),
        (b"text/plain; charset*=us-ascii'en'utf-7", "text/plain", "utf-7"),
        (b"", "", ""),
        (b"; charset=utf-8", "", "utf-8"),
    ],
)
def test_media_type_and_charset_are_read_as_clients_read_them(value: bytes, media_type: str, charset: str) -> None:
    told = content_type(value)
    assert (told.media_type, told.charset) == (media_type, charset)


@pytest.mark.parametrize(
    ("value", "boundaries"),
    [
        (b"multipart/mixed; boundary=abc", {b"abc"}),
        (b'multipart/mixed; boundary="a b"', {b"a b"}),
        (b"multipart/mixed; boundary=a b", {b"a b", b"a"}),
        (b"multipart/mixed; boundary=abc (note)", {b"abc (note)", b"abc"}),
        (b'multipart/mixed; boundary="a\\bc"', {b"abc", b"a\\bc"}),
        (b'multipart/mixed; boundary="abc', {b"abc"}),
        (b"multipart/mixed boundary=abc", {b"abc"}),
        (b"multipart/mixed; boundary=abc; boundary=def", {b"abc", b"def"}),
        (b"multipart/mixed; boundary*0=ab; boundary*1=cd", {b"abcd"}),
        (b"multipart/mixed; boundary*=utf-8''a%62c", {b"abc"}),
        (b"multipart/mixed; boundary=abc; boundary*=x''def", {b"abc", b"def"}),
        (b'multipart/mixed; BOUNDARY\r\n =\r\n "abc "', {b"abc"}),
        (b"multipart/mixed; boundary=\xe9\xff", {b"\xe9\xff"}),
        (b'multipart/mixed; boundary=""', set()),
    ],
)
def test_every_reading_of_a_boundary_is_known(value: bytes, boundaries: set[bytes]) -> None:
    assert set(content_type(value).boundaries) >= boundaries
    if len(boundaries) < 2:
        assert set(content_type(value).boundaries) == boundaries


def test_parameters_are_continued_and_decoded() -> None:
    told = parameters('attachment; filename*0="list of anna@fam"; filename*1="ily-mail.example"; x*=utf-8\'en\'%c3%bc')
    assert told["filename"] == "list of anna@family-mail.example"
    assert text_parameter(told["x"]) == "ü"
    assert text_parameter("=?utf-8?q?J=C3=B6rg?=") == "Jörg"
    assert parameters('attachment; filename="a\\"b"; filename=other')["filename"] == 'a"b'


@plain
@given(st.binary(max_size=200))
def test_no_content_type_is_too_much(value: bytes) -> None:
    told = content_type(b"multipart/mixed;" + value)
    assert all(told.boundaries)


# --- header and body -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_an_empty_line_ends_a_header(end: bytes) -> None:
    octets = end.join((b"A: 1", b" more", b"B : 2", b"", b"text", b"", b"more"))
    [(header, body)] = entities(region(octets))
    assert header == b"A: 1\r\n more\r\nB : 2\r\n"
    assert body.octets() == end.join((b"text", b"", b"more"))


def test_a_part_may_have_no_header_or_nothing_else() -> None:
    assert [(h, b.octets()) for h, b in entities(region(b"\r\ntext"))] == [(b"", b"text")]
    assert [(h, b.octets()) for h, b in entities(region(b"text"))] == [(b"", b"text")]
    assert [(h, b.octets()) for h, b in entities(region(b"A: 1\r\n"))] == [(b"A: 1\r\n", b"")]
    assert [(h, b.octets()) for h, b in entities(region(b"A: 1"))] == [(b"A: 1", b"")]
    assert [(h, b.octets()) for h, b in entities(region(b""))] == [(b"", b"")]


@pytest.mark.parametrize("odd", [b"no field", b" \t", b"Sp ace: x"])
def test_where_readers_end_a_header_differently_both_ways_are_told(odd: bytes) -> None:
    octets = b"A: 1\r\n" + odd + b"\r\nB: 2\r\n\r\ntext"
    ways = [(header, body.octets()) for header, body in entities(region(octets))]
    assert ways == [(b"A: 1\r\n", octets[6:]), (octets[:-6], b"text")]


def test_the_fields_that_say_how_to_read_are_found_with_their_folds() -> None:
    header = b"Content-Type: a/b;\r\n c=d\r\nX: Content-Type: no\r\ncontent-TRANSFER-encoding :base64\r\n"
    header += b"Content-Type: a/b;\r\n c=d\r\nContent-Disposition:inline\r\nContent-Type: e/f\r\n"
    assert mime_lines(header) == ((b"a/b;\r\n c=d", b"e/f"), (b"base64",), (b"inline",))


# --- boundaries ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_parts_preamble_and_epilogue_are_told_apart(end: bytes) -> None:
    octets = end.join((b"before", b"--x", b"one", b"--x \t", b"two", b"--x--", b"after", b""))
    told = divided(region(octets), b"x", 10)
    assert told is not None
    assert [part.strip() for part in texts(told.parts)] == [b"one", b"two"]
    assert [part.strip() for part in texts(told.outside)] == [b"before", b"after"]
    assert told.rest is None


def test_the_first_boundary_may_be_the_first_line_of_a_buffer_and_the_last_its_end() -> None:
    told = divided(region(b"--x\r\none\r\n--x--"), b"x", 10)
    assert told is not None
    assert texts(told.parts) == [b"one\r"]
    assert [line.at for line in delimiters(region(b"--x"), b"x", 10)] == [0]
    assert divided(region(b"-- x\r\n --x\r\n"), b"x", 10) is None


def test_a_boundary_that_begins_another_one_is_read_in_both_ways() -> None:
    octets = b"--x\r\nouter\r\n--xy\r\ninner\r\n--xy--\r\n--x--\r\n"
    told = divided(region(octets), b"x", 10)
    assert told is not None
    assert [part.split()[0] for part in texts(told.parts)] == [b"outer", b"outer", b"inner"]
    assert len(told.parts[0]) != len(told.parts[1])


def test_no_octets_are_handed_out_twice_as_the_same_part() -> None:
    whole = region(b"--x\r\nouter\r\n--xy\r\ninner\r\n--xy--\r\n--x--\r\n")
    assert divided(whole, b"x", 10) is not None
    again = divided(whole.within(0, len(whole)), b"x", 10)
    assert again is not None
    assert again.parts == ()


def test_what_follows_a_closing_line_is_a_part_where_it_looks_like_one() -> None:
    told = divided(region(b"--x\r\none\r\n--x--\r\nContent-Type: text/html\r\n\r\ntwo"), b"x", 10)
    assert told is not None
    assert len(told.parts) == 2


def test_more_parts_than_asked_for_are_one_rest() -> None:
    told = divided(region(b"--x\r\na\r\n" * 10), b"x", 4)
    assert told is not None
    assert len(told.parts) == 4
    assert told.rest is not None
    assert told.rest.octets().count(b"--x") == 6


def test_a_mapped_file_is_read_like_octets() -> None:
    octets = b"before\r\n--x\r\n\r\nYW5uYQ==\r\n--x--\r\n"
    with mmap.mmap(-1, len(octets)) as mapped:
        mapped.write(octets)
        whole = Region(mapped, 0, len(octets))
        told = divided(whole, b"x", 10)
        assert told is not None
        [(_, body)] = entities(told.parts[0])
        assert undone(mapped, body.start, body.end, BASE64) == b"anna"
        assert undone(mapped, 0, 6, IDENTITY) == b"before"


def test_a_boundary_nobody_names_is_guessed_from_the_first_line_that_looks_like_one() -> None:
    assert guessed_boundary(region(b"hello\r\n--abc\r\nContent-Type: text/plain\r\n\r\n")) == b"abc"
    assert guessed_boundary(region(b"hello\r\n--abc\r\n\r\ntext")) == b"abc"
    assert guessed_boundary(region(b"hello\r\n--abc\r\ntext")) == b""


def test_an_mbox_is_parted_into_its_messages() -> None:
    line = b"From x@club.example Sat Nov 22 10:00:00 2026\n"
    octets = line + b"To: a\n\nFrom here on\n\n" + line + b"To: b\n\nx\n"
    mails, rest = mails_of(region(octets), 10)
    assert texts(mails) == [b"To: a\n\nFrom here on\n\n", b"To: b\n\nx\n"]
    assert rest is None
    mails, rest = mails_of(region(octets), 1)
    assert (len(mails), rest is not None) == (1, True)
    assert texts(mails_of(region(b"To: a\n\nx"), 10)[0]) == [b"To: a\n\nx"]


# --- transfer encodings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "encoding"),
    [
        (b"7bit", IDENTITY),
        (b" 8BIT ", IDENTITY),
        (b"", IDENTITY),
        (b"Base64", BASE64),
        (b"(note) base64; x", BASE64),
        (b'"quoted-printable"', QUOTED_PRINTABLE),
        (b"x-uuencode", UUENCODE),
        (b"utf-8", UNKNOWN),
    ],
)
def test_encodings_are_known_by_the_names_that_mail_has_for_them(value: bytes, encoding: str) -> None:
    assert encoding_of(value) == encoding


TEXT = b"anna@family-mail.example and ben@family-mail.example\r\n"
CODED = base64.b64encode(TEXT)
BASE64_FORMS = {
    "one-line": CODED,
    "lines": b"\r\n".join(CODED[at : at + 20] for at in range(0, len(CODED), 20)),
    "spaces": b" ".join(CODED[at : at + 3] for at in range(0, len(CODED), 3)),
    "garbage": CODED[:8] + b"!*\xff-" + CODED[8:],
    "no-padding": CODED.rstrip(b"="),
    "too-much-padding": CODED.rstrip(b"=") + b"=====",
    "one-too-many": CODED.rstrip(b"=") + b"A" * (1 + -len(CODED.rstrip(b"=")) % 4),
    "two-pieces": base64.b64encode(TEXT[:10]) + base64.b64encode(TEXT[10:]),
    "text-behind": CODED + b"\r\n--\r\na list of ours\r\n",
}


@pytest.mark.parametrize("coded", BASE64_FORMS.values(), ids=BASE64_FORMS)
def test_base64_is_decoded_whatever_is_wrong_with_it(coded: bytes) -> None:
    assert undone(coded, 0, len(coded), BASE64).startswith(TEXT[:48])


@pytest.mark.parametrize(
    ("coded", "octets"),
    [
        (b"anna=40family-mail.example", b"anna@family-mail.example"),
        (b"anna@fam=\r\nily-mail.example", b"anna@family-mail.example"),
        (b"anna@fam= \t\r\nily-mail.example", b"anna@family-mail.example"),
        (b"anna@fam=\nily-mail.ex=61mple", b"anna@family-mail.example"),
        (b"a=b = c =zz =4", b"a=b = c =zz =4"),
        (b"=3d=3D", b"=="),
    ],
)
def test_quoted_printable_is_decoded_whatever_is_wrong_with_it(coded: bytes, octets: bytes) -> None:
    assert undone(coded, 0, len(coded), QUOTED_PRINTABLE) == octets


def test_uuencoded_files_are_found_in_a_text() -> None:
    lines = binascii.b2a_uu(b"anna@") + binascii.b2a_uu(b"family").rstrip() + b"xx\r\n"
    octets = b"hello\r\nbegin 644 a b.txt\r\n" + lines + b"`\r\nend\r\nbegin the day\r\n"
    octets += b"begin-base64 644 c\nYW5uYQ==\nYmVu\n====\nbegin 600 cut\n#86)C\n"
    assert list(uu_files(region(octets))) == [
        (b"a b.txt", b"anna@family"),
        (b"c", b"annaben"),
        (b"cut", b"abc"),
    ]


@plain
@given(st.binary(max_size=300), st.sampled_from([IDENTITY, BASE64, QUOTED_PRINTABLE, UUENCODE]))
def test_undoing_never_raises_and_undoes_what_was_done(octets: bytes, encoding: str) -> None:
    undone(octets, 0, len(octets), encoding)
    list(uu_files(region(b"begin 644 x\n" + octets)))
    coded = base64.encodebytes(octets)
    assert undone(b"ab" + coded, 2, len(coded) + 2, BASE64) == octets
