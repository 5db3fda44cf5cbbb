"""OpenPGP: how many readers an encrypted message names."""

from __future__ import annotations

import base64
import bz2
import zlib
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcc_relay.core.contents.openpgp import look_into_pgp

KEY_ID = bytes(range(1, 9))
FINGERPRINT = bytes(range(32))


def new_packet(tag: int, body: bytes) -> bytes:
    """RFC 9580 4.2.1, in the shortest form of length."""
    size = len(body)
    if size < 192:
        length = bytes((size,))
    elif size < 8384:
        length = bytes((192 + (size - 192 >> 8), size - 192 & 255))
    else:
        length = b"\xff" + size.to_bytes(4, "big")
    return bytes((0xC0 | tag,)) + length + body


def old_packet(tag: int, body: bytes) -> bytes:
    """RFC 9580 4.2.2."""
    kind = 0 if len(body) < 256 else 1 if len(body) < 65536 else 2
    return bytes((0x80 | tag << 2 | kind,)) + len(body).to_bytes(1 << kind, "big") + body


def for_key(key_id: bytes = KEY_ID, size: int = 260) -> bytes:
    return b"\x03" + key_id + b"\x01" + b"\x55" * size


def for_fingerprint(fingerprint: bytes = FINGERPRINT) -> bytes:
    versioned = b"\x06" + fingerprint if fingerprint else b""
    return b"\x06" + bytes((len(versioned),)) + versioned + b"\x19" + b"\x55" * 40


DATA = b"\x02" + b"\x99" * 300
PARTIAL_DATA = b"\xd2" + b"\xe9" + b"\x99" * 512 + b"\x05" + b"\x99" * 5


def armoured(octets: bytes, *, line_end: bytes = b"\r\n", fields: bytes = b"", checksum: bool = True) -> bytes:
    lines = [base64.b64encode(octets)[at : at + 64] for at in range(0, len(base64.b64encode(octets)), 64)]
    end = [b"=aB3+"] if checksum else []
    head = (fields, b"") if fields else (b"",)
    return line_end.join((b"-----BEGIN PGP MESSAGE-----", *head, *lines, *end, b"-----END PGP MESSAGE-----", b""))


MESSAGES: dict[str, tuple[bytes, int]] = {
    "one": (new_packet(1, for_key()) + new_packet(18, DATA), 1),
    "three": (new_packet(1, for_key()) * 3 + new_packet(18, DATA), 3),
    "old-format": (old_packet(1, for_key()) + old_packet(1, for_key(size=100)) + old_packet(9, DATA), 2),
    "version-6": (new_packet(1, for_fingerprint()) * 2 + new_packet(18, DATA), 2),
    "version-6-with-a-fingerprint-of-20": (new_packet(1, for_fingerprint(FINGERPRINT[:20])) + new_packet(18, DATA), 1),
    "anonymous": (new_packet(1, for_key(bytes(8))) * 3 + new_packet(18, DATA), 0),
    "anonymous-version-6": (new_packet(1, for_fingerprint(b"")) * 3 + new_packet(18, DATA), 0),
    "some-anonymous": (new_packet(1, for_key(bytes(8))) + new_packet(1, for_key()) + new_packet(18, DATA), 1),
    "unknown-version": (new_packet(1, b"\x09" + KEY_ID * 5) + new_packet(18, DATA), 0),
    "with-a-passphrase": (new_packet(3, b"\x04" * 13) + new_packet(1, for_key()) + new_packet(18, DATA), 1),
    "marker-and-padding-first": (new_packet(10, b"PGP") + new_packet(21, b"x") + new_packet(1, for_key()) + new_packet(18, DATA), 1),
    "partial-data": (new_packet(1, for_key()) * 2 + PARTIAL_DATA, 2),
    "data-of-indeterminate-length": (new_packet(1, for_key()) + b"\xa7" + DATA, 1),
    "other-kind-of-data": (new_packet(1, for_key()) + new_packet(20, DATA), 1),
    "large-session-key": (new_packet(1, for_key(size=9000)) * 2 + new_packet(18, DATA), 2),
    "data-cut-off": (new_packet(1, for_key()) + new_packet(18, DATA)[:50], 1),
    "two-messages": ((new_packet(1, for_key()) + new_packet(18, DATA)) * 2, 2),
}  # fmt: skip


@pytest.mark.parametrize(("octets", "named"), MESSAGES.values(), ids=MESSAGES)
def test_session_keys_that_name_a_reader_are_counted(octets: bytes, named: int) -> None:
    assert look_into_pgp(octets)[:2] == (named, True)
    for line_end, fields, checksum in product((b"\r\n", b"\n"), (b"", b"Version: 1"), (True, False)):
        text = b"Hello\r\n" + armoured(octets, line_end=line_end, fields=fields, checksum=checksum) + b"Bye"
        assert look_into_pgp(text)[:2] == (named, True)


def test_armour_without_an_empty_line_or_an_end_is_read_all_the_same() -> None:
    octets = armoured(MESSAGES["three"][0], fields=b"Version: 1\r\nComment: x").replace(
        b"Comment: x\r\n", b"Comment: x\r\n"
    )
    assert look_into_pgp(octets)[:2] == (3, True)
    assert look_into_pgp(octets.partition(b"-----END")[0])[:2] == (3, True)


def test_several_armoured_messages_count_together() -> None:
    octets, named = MESSAGES["three"]
    assert look_into_pgp(armoured(octets) + b"\r\nand\r\n" + armoured(octets))[:2] == (2 * named, True)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"Hello",
        b"-----BEGIN PGP MESSAGE-----\r\n",
        b"-----BEGIN PGP MESSAGE-----\r\n\r\n-----END PGP MESSAGE-----\r\n",
        b"-----BEGIN PGP SIGNATURE-----\r\n\r\n"
        + base64.b64encode(new_packet(2, b"x" * 30))
        + b"\r\n-----END PGP SIGNATURE-----",
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\r\n\r\n" + base64.b64encode(new_packet(6, b"x" * 30)) + b"\r\n-----END",
        new_packet(2, b"x" * 30),
        new_packet(8, b"x" * 300),
        new_packet(11, b"x" * 300),
    ],
)
def test_what_is_not_encrypted_names_nobody(octets: bytes) -> None:
    assert look_into_pgp(octets)[:2] == (0, False)


def test_armour_whose_content_is_no_packet_counts_as_encrypted() -> None:
    assert look_into_pgp(armoured(b"Hello, this is no packet"))[:2] == (0, True)


LIST = b"anna@family-mail.example\r\n"
LITERAL = new_packet(11, b"b\x08list.csv\0\0\0\0" + LIST)
SIGNED = {
    "plain": new_packet(4, b"x" * 13) + LITERAL + new_packet(2, b"x" * 90),
    "deflated": new_packet(8, b"\x01" + zlib.compress(LITERAL)[2:-4]),
    "zlib": new_packet(8, b"\x02" + zlib.compress(LITERAL)),
    "of-indeterminate-length": b"\xa3\x02" + zlib.compress(LITERAL),
    "stored": new_packet(8, b"\x00" + LITERAL),
    "twice-packed": new_packet(8, b"\x02" + zlib.compress(new_packet(8, b"\x02" + zlib.compress(LITERAL)))),
    "in-pieces": b"\xcb\xe4b\x08list.csv\0\0\0\0"
    + LIST[:2]
    + b"\xe3"
    + LIST[2:10]
    + bytes((len(LIST) - 10,))
    + LIST[10:],
}


@pytest.mark.parametrize("octets", SIGNED.values(), ids=SIGNED)
def test_what_is_signed_and_not_encrypted_is_handed_out(octets: bytes) -> None:
    for message in (octets, armoured(octets)):
        found = look_into_pgp(message)
        assert found.files == ((b"list.csv", LIST),)
        assert found.is_whole
        assert not found.is_encrypted


@pytest.mark.parametrize(
    "octets",
    [
        new_packet(8, b"\x03" + bz2.compress(LITERAL)),
        new_packet(8, b"\x02" + zlib.compress(LITERAL)[:-8]),
        new_packet(8, b"\x02" + zlib.compress(new_packet(11, bytes(2_000_000)))),
        new_packet(8, b"\x09"),
    ],
)
def test_what_cannot_be_unpacked_is_said(octets: bytes) -> None:
    assert not look_into_pgp(octets).is_whole


@given(st.binary(max_size=300))
def test_nothing_raises(octets: bytes) -> None:
    for given_octets in (octets, b"\xc1" + octets, b"\x84" + octets, armoured(octets), armoured(b"")[:-30] + octets):
        found = look_into_pgp(given_octets)
        assert found.named_keys <= len(given_octets)


@pytest.mark.parametrize(
    "unit",
    [
        b"\xc1\x00",
        b"\xc1\x01\x03",
        b"\x84\x00",
        b"-----BEGIN PGP MESSAGE-----\n",
        b"A: b\n",
        b"\n=AAAA",
        b"\n=AAAA    ",
    ],
)
def test_hostile_octets_are_read_in_time_that_grows_with_their_size(unit: bytes) -> None:
    """A reader that took the square of the size would not come to an end here."""
    octets = unit * (500_000 // len(unit))
    look_into_pgp(octets)
    look_into_pgp(b"-----BEGIN PGP MESSAGE-----\n" + octets)


def test_more_messages_than_anybody_sends_in_one_text_are_not_all_looked_into() -> None:
    assert look_into_pgp(armoured(new_packet(1, for_key())) * 100).is_whole
    found = look_into_pgp(armoured(new_packet(1, for_key())) * 101)
    assert (found.named_keys, found.is_whole) == (100, False)
