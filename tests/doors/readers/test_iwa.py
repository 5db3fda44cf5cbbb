"""Documents of iWork: a list in them is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcc_relay.core.contents.budget import Budget, Limits
from bcc_relay.core.contents.kinds import Kind
from bcc_relay.core.damage import Closed
from bcc_relay.readers.iwa import unsnapped
from bcc_relay.readers.look_into import open_part
from tests.doors.readers.made import part, seen, shown, zipped

WHO, OTHER = "family1@mail1.example", "family2@mail1.example"


def block(packed: bytes) -> bytes:
    return b"\x00" + len(packed).to_bytes(3, "little") + packed


def test_a_list_in_a_table_of_numbers_is_read() -> None:
    packed = (
        b"\x00" + bytes((len(WHO) - 1 << 2,)) + WHO.encode() + b"\x00 " + bytes((len(WHO) - 1 << 2 | 2,)) + b"\x16\x00"
    )
    octets = zipped(
        {"Index/Document.iwa": block(packed + b"\x00\x12") + block(b"\x00" + bytes((20 << 2,)) + OTHER.encode())}
    )
    contents = seen(octets, "list.numbers")
    assert shown(contents) == {"archive": {WHO, OTHER}}
    assert not contents.closed


def test_an_address_made_of_copies_is_whole() -> None:
    #         literal of 7       literal of 14                copy of 6 from 22 back, literal, long copy of 14 from 21 back
    packed = (
        b"\x00\x18family1" + b"\x34@mail1.example" + b"\x00 " + b"\x16\x16\x00" + b"\x002" + b"\x37\x16\x00\x00\x00"
    )
    assert unsnapped(packed) == f"{WHO} {OTHER}".encode()


@pytest.mark.parametrize(
    ("packed", "octets"),
    [
        (b"\x80\x01\x00a" + b"\x11\x01", b"a" * 9),
        (b"\x00\xf0\x03abcd", b"abcd"),
        (b"\x00\xf4\x03\x00abcd", b"abcd"),
        (b"\x00", b""),
    ],
)
def test_copies_of_themselves_and_long_literals_are_unpacked(packed: bytes, octets: bytes) -> None:
    assert unsnapped(packed) == octets


@pytest.mark.parametrize(
    "octets", [b"\x01abc", b"\x00\xff\xff\xff", block(b"\x00\x02\x01\x00"), block(b"\x80"), block(b"")]
)
def test_what_does_not_unpack_is_closed_and_searched(octets: bytes) -> None:
    contents = seen(zipped({"Index/Document.iwa": octets + WHO.encode()}), "a.pages", WHO)
    assert contents.closed == {Closed.BROKEN}
    assert shown(contents) == {"archive": {WHO}}


def test_what_unpacks_to_more_than_the_budget_is_closed() -> None:
    packed = block(b"\x00\x00a" + b"\xfe\x01\x00" * 1000)
    opened = open_part(part(packed * 200, "a.iwa", kind=Kind.IWA), Budget(Limits(unpacked_bytes=1_000_000)))
    assert opened.closed == {Closed.OVER_BUDGET}


@given(st.binary(max_size=300))
def test_nothing_raises(octets: bytes) -> None:
    for made in (octets, block(b"\x00" + octets), block(b"\x00\x0cabcd" + octets)):
        open_part(part(made, "a.iwa", kind=Kind.IWA), Budget())
