"""Compound files: Outlook messages and the older Office formats."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcc_relay.core.contents.budget import Budget
from bcc_relay.core.contents.kinds import Kind
from bcc_relay.core.damage import Closed, Damage
from bcc_relay.readers.look_into import open_part
from tests.doors.readers.made import compound, msg, part, rich_text, seen, shown, xls, xlsx, zipped

WHO = "family1@mail1.example"
OTHER = "family2@mail2.example"
THIRD = "family3@mail3.example"


def test_the_recipients_of_a_saved_message_are_read() -> None:
    contents = seen(msg((WHO, OTHER)), "trip.msg")
    assert shown(contents) == {"attached_message": {WHO, OTHER}}
    assert not contents.damage
    assert not contents.closed


def test_five_hundred_recipients_are_all_read() -> None:
    everyone = {f"family{n}@mail{n % 7}.example" for n in range(500)}
    assert shown(seen(msg(tuple(sorted(everyone))), "trip.msg")) == {"attached_message": everyone}


def test_headers_bodies_and_names_of_a_saved_message_are_read() -> None:
    more = {
        "__substg1.0_007D001F": f"To: {WHO}\r\nCc: =?utf-8?q?family2=40mail2=2Eexample?=\r\n".encode("utf-16-le"),
        "__substg1.0_10090102": rich_text(rb"{\rtf1 family3\i @mail3.example}"),
        "__substg1.0_10130102": b"<p>family4<b>@mail4.example</b></p>",
        "__substg1.0_0E04001E": b"family5@mail5.example",
        "__substg1.0_004F0102": bytes(20) + "family6@mail6.example".encode("utf-16-le"),
    }
    expected = {f"family{n}@mail{n}.example" for n in range(1, 7)}
    assert shown(seen(msg((), more=more), "trip.msg")) == {"attached_message": expected}


def test_attachments_of_a_saved_message_go_on_to_their_readers() -> None:
    more = {
        "__attach_version1.0_#00000000/__substg1.0_3707001F": "list.xlsx".encode("utf-16-le"),
        "__attach_version1.0_#00000000/__substg1.0_37010102": xlsx((WHO,)),
        "__attach_version1.0_#00000001/__substg1.0_3704001E": b"list.csv",
        "__attach_version1.0_#00000001/__substg1.0_37010102": OTHER.encode(),
    }
    octets = msg((THIRD,), more=more)
    parts = open_part(part(octets, "trip.msg"), Budget()).parts
    assert {(one.name, one.kind) for one in parts} == {("list.xlsx", Kind.ZIP), ("list.csv", Kind.LIST)}
    assert shown(seen(octets, "trip.msg")) == {"attached_message": {WHO, OTHER, THIRD}}


def test_a_message_attached_to_a_saved_message_is_read() -> None:
    inner = "__attach_version1.0_#00000000/__substg1.0_3701000D"
    more = {
        f"{inner}/__properties_version1.0": bytes(24),
        f"{inner}/__recip_version1.0_#00000000/__substg1.0_39FE001F": WHO.encode("utf-16-le"),
    }
    assert shown(seen(msg((OTHER,), more=more), "trip.msg")) == {"attached_message": {WHO, OTHER}}


def test_a_broken_saved_message_is_damage_and_searched_as_octets() -> None:
    octets = bytearray(msg((WHO, OTHER)))
    octets[48:52] = b"\xf0\xff\xff\x0f"  # where the directory begins
    contents = seen(bytes(octets), "trip.msg")
    assert contents.damage == {Damage.BROKEN_OUTLOOK_ITEM}
    assert shown(contents)["attached_message"] >= {WHO, OTHER}


def test_a_very_hidden_sheet_of_an_old_workbook_is_read() -> None:
    octets = xls("somebody.with.a.name@mail1.example")
    assert b"name@mail1" not in octets
    # Where a record ends within an address, the plain search finds the rest of it as well.
    assert "somebody.with.a.name@mail1.example" in shown(seen(octets, "a.xls"))["attached_list"]
    assert "somebody.with.a.name@mail1.example" in shown(seen(zipped({"a.xls": octets}), "a.zip"))["archive"]


def test_the_text_of_an_old_document_is_read_in_both_its_encodings() -> None:
    text = f"List: {WHO}\r".encode("cp1252") + bytes(3) + f"{OTHER}\r".encode("utf-16-le")
    octets = compound({"WordDocument": b"\xec\xa5\xc1\x00" + bytes(600) + text, "1Table": bytes(100)})
    assert shown(seen(octets, "a.doc")) == {"attached_list": {WHO, OTHER}}


def test_encrypted_documents_are_closed() -> None:
    package = compound({"EncryptionInfo": bytes(100), "EncryptedPackage": bytes(5000)})
    word = compound({"WordDocument": b"\xec\xa5\xc1\x00" + bytes(7) + b"\x01" + bytes(600)})
    slides = compound({"Current User": bytes(12) + b"\xdf\xc4\xd1\xf3" + bytes(20), "PowerPoint Document": bytes(10)})
    workbook = xls("somebody.with.a.name@mail1.example", encrypted=True)
    for octets, name in ((package, "a.xlsx"), (word, "a.doc"), (slides, "a.ppt"), (workbook, "a.xls")):
        assert seen(octets, name).closed == {Closed.ENCRYPTED}, name


def test_a_cut_off_document_is_closed_and_searched_as_octets() -> None:
    octets = compound({"WordDocument": bytes(600) + WHO.encode() + bytes(6000)})
    contents = seen(octets[:3000], "a.doc")
    assert contents.closed == {Closed.BROKEN}
    assert shown(contents) == {"attached_list": {WHO}}


def test_streams_that_claim_the_same_sectors_do_not_multiply() -> None:
    octets = bytearray(compound({f"s{n}": b"x" * 8192 if n == 0 else b"" for n in range(2000)}))
    first = octets.index("s0\0".encode("utf-16-le")[:4])
    where = octets[first + 116 : first + 128]
    for n in range(1, 2000):
        name = f"s{n}".encode("utf-16-le") + b"\0\0\0\0"
        at = octets.index(name)
        octets[at + 116 : at + 128] = where
    assert Closed.OVER_BUDGET in seen(bytes(octets), "a.doc").closed


def test_a_stream_that_says_it_is_huge_is_broken_at_once() -> None:
    octets = bytearray(compound({"WordDocument": WHO.encode() + bytes(6000)}))
    at = octets.index("WordDocument".encode("utf-16-le"))
    octets[at + 120 : at + 124] = (1 << 31).to_bytes(4, "little")
    table = 512 + 512 * int.from_bytes(octets[76:80], "little")
    octets[table : table + 4] = bytes(4)  # its first sector is followed by itself
    contents = seen(bytes(octets), "a.doc")
    assert contents.closed == {Closed.BROKEN}
    assert shown(contents) == {"attached_list": {WHO}}


@pytest.mark.parametrize("child", [0, 1], ids=["the root", "itself"])
def test_a_storage_within_itself_ends_and_everything_is_searched(child: int) -> None:
    octets = bytearray(compound({"a/b": WHO.encode(), "a/c": bytes(10)}))
    at = octets.index(b"a\0\0\0" + bytes(60))
    octets[at + 76 : at + 80] = child.to_bytes(4, "little")
    assert shown(seen(bytes(octets), "a.doc")) == {"attached_list": {WHO}}


@given(st.binary(min_size=1, max_size=64), st.integers(0, 6000))
@settings(max_examples=150, deadline=None)
def test_reading_never_raises(noise: bytes, at: int) -> None:
    # Workbooks go to a library that ends the process over some of this: those are for the tests of the pool.
    octets = msg((WHO, OTHER))
    open_part(part(octets[:at] + noise + octets[at + len(noise) :], "a.msg", kind=Kind.OLE), Budget())


def native(name: bytes, octets: bytes) -> bytes:
    """A packaged file as the object packager writes it."""
    path = b"C:\\" + name + b"\0"
    told = b"\2\0" + name + b"\0" + path + b"\0\0\3\0" + len(path).to_bytes(4, "little") + path
    whole = told + len(octets).to_bytes(4, "little") + octets
    return len(whole).to_bytes(4, "little") + whole


def slides(octets: bytes) -> bytes:
    """A document within slides: an atom, and its octets compressed."""
    packed = len(octets).to_bytes(4, "little") + zlib.compress(octets)
    return b"\x0f\0\xe8\x03\0\0\0\0" + b"\x10\0\x11\x10" + len(packed).to_bytes(4, "little") + packed


EMBEDDED = {
    "package": {"WordDocument": b"\xec\xa5", "ObjectPool/_1/Package": xlsx((WHO,))},
    "packaged-file": {"ObjectPool/_1/\x01Ole10Native": native(b"list.zip", zipped({"list.csv": WHO.encode()}))},
    "packaged-file-in-a-form-of-its-own": {"\x01Ole10Native": zipped({"list.csv": WHO.encode()})},
    "in-slides": {"PowerPoint Document": slides(compound({"Package": xlsx((WHO,))}))},
}


@pytest.mark.parametrize("streams", EMBEDDED.values(), ids=EMBEDDED)
def test_files_embedded_in_a_document_are_opened(streams: dict[str, bytes]) -> None:
    contents = seen(compound(streams), "minutes.doc")
    everybody = set[str]().union(*shown(contents).values())
    assert everybody == {WHO}
    assert not contents.closed


def test_a_file_embedded_in_slides_that_does_not_unpack_is_closed() -> None:
    octets = slides(compound({"Package": xlsx((WHO,))}))
    contents = seen(compound({"PowerPoint Document": octets[: len(octets) // 2]}), "slides.ppt")
    assert contents.closed == {Closed.BROKEN}


def test_a_document_embedded_in_a_saved_message_is_opened() -> None:
    more = {"__attach_version1.0_#00000000/__substg1.0_3701000D/Package": xlsx((WHO,))}
    assert shown(seen(msg((), more=more), "trip.msg")) == {"attached_message": {WHO}}


def test_members_of_a_saved_contact_group_are_read() -> None:
    more = {
        "__substg1.0_80541102-00000000": bytes(24) + f"Anna\0SMTP\0{WHO}\0".encode("utf-16-le"),
        "__substg1.0_8055101F-00000000": OTHER.encode("utf-16-le"),
        "__substg1.0_8056101E-00000000": THIRD.encode(),
    }
    assert shown(seen(msg((), more=more), "Parents.msg")) == {"attached_message": {WHO, OTHER, THIRD}}
