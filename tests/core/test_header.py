"""The header block: exact octets, fields as RFC 5322 parts them, and encoded-words as readers decode them."""

from __future__ import annotations

import pytest

from bcc_relay.core.header import (
    decode_words,
    encode_words,
    message_id_of,
    split_fields,
    split_message,
    text_of,
    unfold,
)


@pytest.mark.parametrize(
    ("content", "header", "separator", "body"),
    [
        (b"A: 1\r\n\r\nHello\r\n", b"A: 1\r\n", b"\r\n", b"Hello\r\n"),
        (b"A: 1\r\nB: 2\r\n\r\n", b"A: 1\r\nB: 2\r\n", b"\r\n", b""),
        (b"A: 1\r\n", b"A: 1\r\n", b"", b""),
        (b"A: 1", b"A: 1\r\n", b"", b""),
        (b"\r\nA: 1\r\n", b"", b"\r\n", b"A: 1\r\n"),
        (b"", b"", b"", b""),
        (b"A: 1\r\n \r\nB: 2\r\n\r\nx", b"A: 1\r\n \r\nB: 2\r\n", b"\r\n", b"x"),
        (b"A: 1\r\n\r\n\r\nx", b"A: 1\r\n", b"\r\n", b"\r\nx"),
        (b"A: 1\n\nx\r\n\r\ny", b"A: 1\n\nx\r\n", b"\r\n", b"y"),
    ],
)
def test_the_first_blank_line_ends_the_header(content: bytes, header: bytes, separator: bytes, body: bytes) -> None:
    message = split_message(content)
    assert (message.header, message.separator, b"".join(message.body.pieces())) == (header, separator, body)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"To: a\r\nCc: b\r\n", [("to", b" a"), ("cc", b" b")]),
        (b"To: a,\r\n b\r\nCc: c\r\n", [("to", b" a,\r\n b"), ("cc", b" c")]),
        (b"To: a,\r\n \r\n\t\r\n b\r\nCc: c\r\n", [("to", b" a,\r\n \r\n\t\r\n b"), ("cc", b" c")]),
        (b"To : a\r\nTO\t: b\r\n", [("to", b" a"), ("to", b" b")]),
        (b"To:a\r\n", [("to", b"a")]),
        (b"To:\r\n", [("to", b"")]),
        (b"\xef\xbb\xbfTo: a\r\n", [("", b"\xef\xbb\xbfTo: a")]),
        (b"From a Sat\r\nTo: a\r\n", [("", b"From a Sat"), ("to", b" a")]),
        (b"T\x00o: a\r\n", [("", b"T\x00o: a")]),
        (b"To\r\n : a\r\n", [("", b"To\r\n : a")]),
        (b" To: a\r\n", [("", b" To: a")]),
        (b"Subject: s\x0bTo: a\r\n", [("subject", b" s\x0bTo: a")]),
        (b"To: a", [("to", b" a")]),
    ],
)
def test_fields_are_those_of_rfc_5322(header: bytes, expected: list[tuple[str, bytes]]) -> None:
    fields = split_fields(header)
    assert [(field.name, field.value) for field in fields] == expected
    assert b"".join(field.raw for field in fields) == header


def test_unfolding_removes_the_line_end_alone() -> None:
    assert unfold(b" a\r\n b\r\n\tc \r\n d") == b" a b\tc  d"


@pytest.mark.parametrize(
    ("value", "text"),
    [(b"abc", "abc"), ("jörg".encode(), "jörg"), (b"j\xf6rg@x.example", "jörg@x.example"), (b"a\r\n b", "a b")],
)
def test_text_is_utf_8_else_latin_1(value: bytes, text: str) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("plain", "plain"),
        ("=?utf-8?q?a=40x=2Et,_b?=", "a@x.t, b"),
        ("=?UTF-8?B?YUB4LnQ=?=", "a@x.t"),
        ("=?utf-8?b?YUB4LnQ?=", "a@x.t"),
        ("=?utf-8?b?YQ==QHgudA==?=", "a@x.t"),
        ("=?utf-8*en?q?a=40x?=", "a@x"),
        ("=?iso-8859-1?q?J=F6rg?=", "Jörg"),
        ("=?windows-1252?q?a=85?=", "a…"),
        ("=?koi8-u?q?a=40x?=", "a@x"),
        ("=?iso-8859-8-i?q?a=40x?=", "a@x"),
        ("=?utf-7?q?a+AEA-x?=", "a@x"),
        ("=?utf-16be?b?AGEAQAB4?=", "a@x"),
        ("=?utf-8?q?a?= =?utf-8?q?=40x?=", "a@x"),
        ("=?utf-8?q?a?=\t \t=?utf-8?q?=40x?=", "a@x"),
        ("=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
        ('"=?utf-8?q?a=40x?=" <c@z>', '"a@x" <c@z>'),
        ("x=?utf-8?q?a?=y", "xay"),
        ("=?utf-8?q?a b=40x?=", "a b@x"),
    ],
)
def test_encoded_words_are_decoded_as_readers_do(words: str, text: str) -> None:
    decoded = decode_words(words)
    assert decoded.text == text
    assert not decoded.unknown


@pytest.mark.parametrize(
    "words",
    [
        "=?no-such-set?q?a=40x?=",
        "=?idna?q?a?=",
        "=?unicode+escape?q?=5Cx40?=",
        "=?zlib?b?eJwrSS0uAQAEXQHB?=",
        "=?utf-8?b?A?=",
        "=?utf-8?q?a=40x.t?,?=",
        "=?utf-8?q?never ends",
        "=?utf-8?q?=3D=3Futf-8=3Fq=3Fa=3D40x=3F=3D?=",
    ],
)
def test_what_cannot_be_decoded_is_reported(words: str) -> None:
    assert decode_words(words).unknown


def test_an_unknown_character_set_can_be_read_by_a_fallback() -> None:
    words = "=?no-such-set?q?a=40x.example?="
    assert decode_words(words).text == words
    decoded = decode_words(words, fallback="latin_1")
    assert (decoded.text, decoded.unknown) == ("a@x.example", True)


@pytest.mark.parametrize("words", ["=?utf-8?q?s=0D=0ATo:_a?=", "=?utf-8?q?s=0ATo?=", "=?utf-8?b?cwpUbw==?="])
def test_an_encoded_line_break_is_reported(words: str) -> None:
    assert decode_words(words).line_break


def test_decoded_text_can_always_be_written() -> None:
    decode_words("=?utf-7?q?+2AA-?=").text.encode()
    decode_words("=?utf-16be?b?2AA=?=").text.encode()


@pytest.mark.parametrize("text", ["Jörg", "a\r\nBcc: x", "x" * 200, "用" * 100, ""])
def test_encoding_and_decoding_are_inverse_but_for_line_ends(text: str) -> None:
    words = encode_words(text)
    assert all(len(word) <= 75 for word in words)
    joined = b" ".join(words).decode("ascii")
    assert decode_words(joined).text == text.replace("\r", " ").replace("\n", " ")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"Message-ID: <1@x>\r\n", b"<1@x>"),
        (b"A: 1\r\nMESSAGE-id :\r\n <1@x>\r\n", b"<1@x>"),
        (b"Message-ID: <1 2@x>\r\n", b"<1"),
        (b"Message-ID: <1@x>\r\nMessage-ID: <2@x>\r\n", b"<1@x>"),
        (b"Message-ID:\r\nA: 1\r\n", b""),
        (b"Subject: x\r\n Message-ID: <1@x>\r\n", b""),
        (b"", b""),
    ],
)
def test_the_message_id_is_the_first_one(header: bytes, expected: bytes) -> None:
    assert message_id_of(header) == expected
