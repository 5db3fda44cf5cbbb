"""Message data: where it ends, what becomes of dots and line feeds, however the stream is cut."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bcc_relay.listener.content import ContentReader

# Mostly what could be taken for an end.
STREAM = st.lists(
    st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"\r\n.", b"\r\n.\r\n", b"a", b"\0", b"\xe9", b"Subject: x"]),
    max_size=40,
).map(b"".join)


def slowly(stream: bytes) -> tuple[bytes, bytes, bool] | None:
    """The obvious way: cut at the first CRLF.CRLF, take off dots after CRLF, then mend bare LF."""
    whole = b"\r\n" + stream
    end = whole.find(b"\r\n.\r\n")
    if end < 0:
        return None
    raw = whole[2 : end + 2]
    broken = b"\0" in raw or re.search(rb"\r(?!\n)", raw) is not None
    lines = raw.split(b"\r\n")
    content = b"\r\n".join(line.removeprefix(b".") for line in lines)
    return re.sub(rb"(?<!\r)\n", b"\r\n", content), whole[end + 5 :], broken


def read(pieces: list[bytes]) -> tuple[bytes, bytes, bool] | None:
    reader = ContentReader()
    content = b""
    for number, piece in enumerate(pieces):
        content += reader.feed(piece)
        if reader.ended:
            return content, reader.rest + b"".join(pieces[number + 1 :]), reader.has_bare_cr_or_nul
    return None


def in_pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[a:b] for a, b in pairwise(places)]


@given(stream=STREAM, cuts=st.lists(st.integers(0, 1000), max_size=12))
@example(stream=b"\r\n.\r\n", cuts=[1, 2, 3, 4])
@example(stream=b"..\r\n.\n.\r\n.\r\n", cuts=[1, 2, 3, 4, 5, 6, 7])
def test_every_way_of_cutting_reads_as_the_slow_reader_does(stream: bytes, cuts: list[int]) -> None:
    expected = slowly(stream)
    found = read(in_pieces(stream, cuts))
    if expected is None or expected[2]:
        # A message with a bare CR is refused, so its content is nobody's concern; its end is.
        assert (found and found[1:]) == (expected and expected[1:])
    else:
        assert found == expected


@given(stream=STREAM)
def test_octet_by_octet_is_the_same_as_at_once(stream: bytes) -> None:
    assert read([bytes([octet]) for octet in stream]) == read([stream])


@given(stream=STREAM)
def test_content_of_whole_lines_stays_whole_lines(stream: bytes) -> None:
    found = read([stream + b"\r\n.\r\n"])
    assert found is not None
    content, _, broken = found
    if not broken:
        assert re.search(rb"(?<!\r)\n|\r(?!\n)", content) is None
        assert content == b"" or content.endswith(b"\r\n")


@given(text=st.lists(st.sampled_from([b"", b".", b"..", b".\t", b"text", b"\xff"]), max_size=8))
def test_what_a_correct_client_stuffs_arrives_unchanged(text: list[bytes]) -> None:
    message = b"".join(line + b"\r\n" for line in text)
    stuffed = b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in text)
    assert read([stuffed + b".\r\nNOOP\r\n"]) == (message, b"NOOP\r\n", False)


@pytest.mark.parametrize(
    "almost",
    [
        b"\n.\n",
        b"\n.\r\n",
        b"\r\n.\n",
        b"\r.\r",
        b"\r\n.\r",
        b"\r.\r\n",
        b"\r\r\n.\r\r\n",
        b"\r\n\0.\r\n",
        b"\r\n.\0\r\n",
    ],
)
def test_only_crlf_dot_crlf_ends_the_data(almost: bytes) -> None:
    reader = ContentReader()
    reader.feed(b"one" + almost + b"two")
    assert not reader.ended
    reader.feed(b"\r\n.\r\n")
    assert reader.ended
    assert reader.rest == b""


def test_eight_bit_text_is_noticed() -> None:
    for stream, expected in ((b"caf\xc3\xa9\r\n.\r\n", True), (b"cafe\r\n.\r\n\xff", False)):
        reader = ContentReader()
        reader.feed(stream)
        assert reader.has_eight_bit is expected
