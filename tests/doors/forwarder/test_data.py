"""The octets that arrive are the octets of the message, however they are cut into pieces."""

from __future__ import annotations

import mmap
import tempfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bcc_relay.core.model import Body, Message
from bcc_relay.forwarder.data import END, BareOctetError, is_ascii, wire_pieces
from tests.build import header
from tests.doors.forwarder.made import dispatch, forwarding, kinds, whole
from tests.doors.forwarder.scripted import running

LINES = st.lists(st.sampled_from([b"", b".", b"..", b".x", b"x.", b"text", b"\xff.", b"." * 70]), max_size=60)


class InPieces(Body):
    """A body that travels in pieces of a given size."""

    def __init__(self, content: bytes, size_bytes: int) -> None:
        super().__init__(content)
        object.__setattr__(self, "_size", size_bytes)

    __slots__ = ("_size",)

    def pieces(self, size_bytes: int = 0):
        return Body.pieces(self, self._size)


def undotted(wire: bytes) -> bytes:
    """What a receiver makes of the data (RFC 5321 4.5.2), line by line."""
    assert wire.endswith(b"\r\n" + END) or wire == END
    lines = wire[: -len(END)].split(b"\r\n")
    assert b"." not in lines
    return b"\r\n".join(line.removeprefix(b".") for line in lines)


@given(LINES, st.integers(1, 9))
def test_dots_are_doubled_across_piece_borders(lines, size) -> None:
    content = b"".join(line + b"\r\n" for line in lines)
    message = Message(header(), b"\r\n", InPieces(content, size))
    assert undotted(b"".join(wire_pieces(message)) + END) == whole(message)


@given(
    st.binary(max_size=40).map(lambda b: b.replace(b"a", b"\r\n").replace(b"b", b"\r").replace(b"c", b"\n")),
    st.integers(1, 5),
)
def test_bare_octets_are_found_wherever_the_pieces_end(content, size) -> None:
    rest = content.replace(b"\r\n", b"")
    is_bad = any(octet in rest for octet in b"\r\n\0")
    message = Message(b"", b"", InPieces(content, size))
    if is_bad:
        with pytest.raises(BareOctetError):
            list(wire_pieces(message))
    else:
        assert undotted(b"".join(wire_pieces(message)) + END).removesuffix(b"\r\n") == content.removesuffix(b"\r\n")


def test_nothing_after_a_bare_octet_and_no_part_of_its_piece_is_given_out() -> None:
    message = Message(b"A: b\r\n", b"\r\n", InPieces(b"x" * 70_000 + b"\r\n.\n.\r\nMAIL FROM:<>\r\n", 70_002))
    given_out = []
    with pytest.raises(BareOctetError):
        given_out.extend(wire_pieces(message))
    assert b"MAIL" not in b"".join(given_out)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_is_ascii_tells_eighth_bits_anywhere(head, body) -> None:
    assert is_ascii(Message(head, b"", InPieces(body, 7))) == all(octet < 128 for octet in head + body)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_what_a_real_receiver_reads_is_the_message_to_the_octet(data) -> None:
    lines = data.draw(LINES)
    repeats = data.draw(st.sampled_from([1, 1, 400, 4000]))
    content = b"".join(line + b"\r\n" for line in lines) * repeats
    mail = dispatch(raw=Message(header(), b"\r\n", Body(b"skipped" + content, 7)))
    async with running() as server, forwarding(server.port) as forwarder:
        sent = await forwarder.send(mail)
    assert kinds(sent.outcomes) == ["Delivered"]
    assert server.mails[0].octets == whole(mail.message)


async def test_a_mapped_body_of_20_mb_arrives_to_the_octet() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b".0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n" * 300_000)
        file.flush()
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    mail = dispatch(raw=Message(header(), b"\r\n", Body(content)))
    async with running() as server, forwarding(server.port) as forwarder:
        sent = await forwarder.send(mail)
    assert kinds(sent.outcomes) == ["Delivered"]
    assert server.mails[0].octets == whole(mail.message)
