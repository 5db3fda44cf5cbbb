"""winmail.dat: recipients, properties and attachments, and what becomes of a broken one."""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from bcc_relay.core.contents.budget import Budget
from bcc_relay.core.damage import Closed, Damage
from bcc_relay.readers.look_into import open_part
from bcc_relay.readers.rtf import unpack
from tests.doors.readers.made import (
    attribute,
    part,
    properties,
    recipient_table,
    rich_text,
    seen,
    shown,
    tnef,
    wide,
    xlsx,
)

WHO = "family1@mail1.example"
OTHER = "family2@mail2.example"
THIRD = "family3@mail3.example"
MAPI, ATTACHMENT, RENDERING, TITLE, DATA = 0x9003, 0x9005, 0x9002, 0x8010, 0x800F


def of(*pairs: tuple[int, int, bytes]) -> bytes:
    return attribute(1, MAPI, 6, properties(*pairs))


def test_the_recipient_table_is_read() -> None:
    contents = seen(tnef(recipient_table(WHO, OTHER)), "winmail.dat")
    assert shown(contents) == {"tnef": {WHO, OTHER}}
    assert not contents.damage
    assert not contents.closed


def test_who_is_displayed_as_recipient_is_read() -> None:
    octets = tnef(of((0x1F, 0x0E04, wide(f"Family <{WHO}>; {OTHER}")), (0x1E, 0x0E03, THIRD.encode() + b"\0")))
    assert shown(seen(octets, "winmail.dat")) == {"tnef": {WHO, OTHER, THIRD}}


def test_the_headers_of_the_transport_are_read_decoded() -> None:
    headers = f"To: {WHO},\r\n {OTHER}\r\nCc: =?utf-8?q?family3=40mail3=2Eexample?=\r\n"
    assert shown(seen(tnef(of((0x1F, 0x007D, wide(headers)))), "winmail.dat")) == {"tnef": {WHO, OTHER, THIRD}}


def test_bodies_in_every_form_are_read() -> None:
    rich = rb"{\rtf1 family1\b @mail1\b0 .example\par}"
    html = b"<html><a href='mailto:family2@mail2.example'>mail</a></html>"
    octets = tnef(of((0x102, 0x1009, rich_text(rich)), (0x102, 0x1013, html)), attribute(1, 0x800C, 2, THIRD.encode()))
    assert shown(seen(octets, "winmail.dat")) == {"tnef": {WHO, OTHER, THIRD}}


def test_addresses_in_binary_properties_are_read() -> None:
    entry = bytes(24) + wide("Family") + wide("SMTP") + wide(WHO)
    assert shown(seen(tnef(of((0x102, 0x004F, entry))), "winmail.dat")) == {"tnef": {WHO}}


def test_a_text_that_is_none_in_its_code_page_is_no_damage() -> None:
    contents = seen(tnef(of((0x1E, 0x1000, b"\x81\x8d " + WHO.encode() + b"\0"))), "winmail.dat")
    assert shown(contents) == {"tnef": {WHO}}
    assert not contents.damage


def test_attachments_go_on_to_their_readers() -> None:
    octets = tnef(
        attribute(2, RENDERING, 6, bytes(14)),
        attribute(2, DATA, 6, xlsx((WHO,))),
        attribute(2, TITLE, 1, b"a.xlsx\0"),
        attribute(2, RENDERING, 6, bytes(14)),
        attribute(2, TITLE, 1, b"b.csv\0"),
        attribute(2, DATA, 6, OTHER.encode()),
    )
    parts = open_part(part(octets, "winmail.dat"), Budget()).parts
    assert [(one.name, one.kind.value) for one in parts] == [("a.xlsx", "zip"), ("b.csv", "list")]
    assert shown(seen(octets, "winmail.dat")) == {"tnef": {WHO, OTHER}}


def test_a_message_attached_within_is_read() -> None:
    signature = b"\x07\x03\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46"
    embedded = properties((0x0D, 0x3701, signature + tnef(recipient_table(WHO, OTHER))))
    octets = tnef(attribute(2, RENDERING, 6, bytes(14)), attribute(2, ATTACHMENT, 6, embedded))
    assert shown(seen(octets, "winmail.dat")) == {"tnef": {WHO, OTHER}}


def test_messages_within_each_other_end_at_the_depth() -> None:
    signature = b"\x07\x03\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46"
    octets = tnef(recipient_table(WHO))
    for _ in range(40):
        octets = tnef(attribute(2, ATTACHMENT, 6, properties((0x0D, 0x3701, signature + octets))))
    contents = seen(octets, "winmail.dat", WHO)
    assert contents.closed == {Closed.OVER_BUDGET}
    assert shown(contents) == {"tnef": {WHO}}


def test_a_cut_off_item_is_damage_and_what_can_be_read_is_read() -> None:
    octets = tnef(recipient_table(WHO), of((0x1F, 0x0E04, wide(OTHER)), (0x1F, 0x1000, wide("x" * 500))))
    contents = seen(octets[:-600], "winmail.dat")
    assert contents.damage == {Damage.BROKEN_OUTLOOK_ITEM}
    assert shown(contents)["tnef"] >= {WHO, OTHER}


def test_a_property_that_cannot_be_read_does_not_hide_the_next_attribute() -> None:
    broken = attribute(1, MAPI, 6, struct.pack("<IHH", 2, 0x7777, 0x1234) + b"\xff" * 40)
    contents = seen(tnef(broken, recipient_table(WHO)), "winmail.dat")
    assert contents.damage == {Damage.BROKEN_OUTLOOK_ITEM}
    assert shown(contents) == {"tnef": {WHO}}


def test_counts_that_lie_are_damage_and_cost_nothing() -> None:
    lies = attribute(1, 0x9004, 6, struct.pack("<I", 0xFFFFFFFF)), attribute(1, MAPI, 6, struct.pack("<I", 0xFFFFFFFF))
    for lie in lies:
        assert seen(tnef(lie), "winmail.dat").damage == {Damage.BROKEN_OUTLOOK_ITEM}


def test_rich_text_that_refers_back_is_unpacked() -> None:
    # The example of MS-OXRTFCP 4.1.2.
    packed = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
    )
    assert unpack(packed, 1000) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"


@given(st.binary(max_size=400), st.integers(0, 200))
@settings(max_examples=200, deadline=None)
def test_reading_never_raises(noise: bytes, at: int) -> None:
    octets = tnef(recipient_table(WHO), of((0x102, 0x1009, rich_text(b"{\\rtf1}")), (0x1F, 0x0E04, wide(OTHER))))
    open_part(part(octets[:at] + noise + octets[at + len(noise) :], kind=part(octets).kind), Budget())
