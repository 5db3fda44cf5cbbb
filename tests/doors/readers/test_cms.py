"""S/MIME: keys that are named, entities that are wrapped, and what stays closed."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import pytest
from asn1crypto import cms
from hypothesis import given, settings
from hypothesis import strategies as st

from bcc_relay.core.contents.budget import Budget
from bcc_relay.core.contents.kinds import Kind
from bcc_relay.core.damage import Closed
from bcc_relay.readers.look_into import look_into, open_part
from tests.build import header, message
from tests.doors.readers.made import OPENSSL, certificate, mail, openssl, part, shown, xlsx

if TYPE_CHECKING:
    from pathlib import Path

    from bcc_relay.core.contents.found import Contents

WHO = "family1@mail1.example"
OTHER = "family2@mail2.example"
ENTITY = (
    f"Content-Type: text/plain; protected-headers=v1\r\nTo: {WHO},\r\n {OTHER}\r\n\r\nCall family3@mail3.example\r\n"
).encode()
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")


def seen(octets: bytes, smime_type: bytes) -> Contents:
    more = (
        b"MIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime; smime-type=" + smime_type
        + b'; name="smime.p7m"\r\nContent-Transfer-Encoding: binary\r\n'
    )  # fmt: skip
    return look_into(message(header(WHO, more=more), octets), frozenset())


@needs_openssl
@pytest.mark.parametrize("form", [[], ["-stream"]], ids=["der", "indefinite"])
def test_every_key_of_an_encrypted_message_counts(tmp_path: Path, form: list[str]) -> None:
    to = [certificate(tmp_path, f"family{n}") for n in range(3)]
    to.append(certificate(tmp_path, "curve", kind="prime256v1"))
    octets = openssl(tmp_path, "cms", "-encrypt", "-binary", *form, "-aes256", "-outform", "DER", *to, given=ENTITY)
    contents = seen(octets, b"enveloped-data")
    assert contents.closed == {Closed.ENCRYPTED}
    assert contents.named_keys == 4
    # The issuer of a self-signed certificate is named by its address.
    assert "family2@mail1.example" in shown(contents)["body"]


@needs_openssl
def test_keys_count_also_where_the_encryption_is_authenticated(tmp_path: Path) -> None:
    to = [certificate(tmp_path, f"family{n}") for n in range(2)]
    arguments = ("cms", "-encrypt", "-binary", "-aes-256-gcm", "-keyid", "-outform", "DER", *to)
    contents = seen(openssl(tmp_path, *arguments, given=ENTITY), b"authEnveloped-data")
    assert contents.closed == {Closed.ENCRYPTED}
    assert contents.named_keys == 2


@needs_openssl
@pytest.mark.parametrize("form", [[], ["-stream"]], ids=["der", "indefinite"])
def test_an_opaque_signature_hides_nothing(tmp_path: Path, form: list[str]) -> None:
    signer = certificate(tmp_path, "clerk")
    arguments = ("-nodetach", *form, "-signer", signer, "-inkey", "clerk.key", "-outform", "DER")
    octets = openssl(tmp_path, "cms", "-sign", "-binary", *arguments, given=ENTITY)
    contents = seen(octets, b"signed-data")
    assert shown(contents) == {"protected_header": {WHO, OTHER}, "body": {"family3@mail3.example"}}
    assert not contents.closed


@needs_openssl
def test_an_attachment_within_an_opaque_signature_is_opened(tmp_path: Path) -> None:
    signer = certificate(tmp_path, "clerk")
    entity = (
        b'Content-Type: application/octet-stream; name="a.xlsx"\r\nContent-Transfer-Encoding: binary\r\n\r\n'
        + xlsx((WHO,))
    )
    arguments = ("-nodetach", "-signer", signer, "-inkey", "clerk.key", "-outform", "DER")
    contents = seen(openssl(tmp_path, "cms", "-sign", "-binary", *arguments, given=entity), b"signed-data")
    assert shown(contents) == {"attached_list": {WHO}}


def compressed(entity: bytes) -> bytes:
    inner = {"content_type": "data", "content": zlib.compress(entity)}
    data = {"version": "v0", "compression_algorithm": {"algorithm": "zlib"}, "encap_content_info": inner}
    return cms.ContentInfo({"content_type": "compressed_data", "content": cms.CompressedData(data)}).dump()


def test_compressed_data_is_unpacked() -> None:
    contents = seen(compressed(ENTITY), b"compressed-data")
    assert shown(contents) == {"protected_header": {WHO, OTHER}, "body": {"family3@mail3.example"}}
    assert not contents.closed


def test_a_file_that_was_signed_or_compressed_itself_is_opened() -> None:
    octets = compressed(xlsx((WHO,)))
    assert shown(look_into(mail(octets, "list.xlsx.p7m"), frozenset())) == {"attached_list": {WHO}}


def test_compressed_zeros_without_end_are_over_the_budget() -> None:
    assert seen(compressed(bytes(80 * 1024 * 1024)), b"compressed-data").closed == {Closed.OVER_BUDGET}


def test_wrapped_again_and_again_ends_at_the_depth() -> None:
    entity = ENTITY
    for _ in range(20):
        entity = b"Content-Type: application/pkcs7-mime; smime-type=compressed-data\r\n\r\n" + compressed(entity)
    assert Closed.OVER_BUDGET in seen(compressed(entity), b"compressed-data").closed


def test_what_does_not_parse_is_closed() -> None:
    assert Closed.BROKEN in seen(compressed(ENTITY)[:60], b"compressed-data").closed
    assert open_part(part(b"\x30\x03abc", kind=Kind.CMS), Budget()).closed == {Closed.BROKEN}


@given(st.binary(min_size=1, max_size=32), st.integers(0, 200))
@settings(max_examples=150, deadline=None)
def test_reading_never_raises(noise: bytes, at: int) -> None:
    octets = compressed(ENTITY)
    open_part(part(octets[:at] + noise + octets[at + len(noise) :], kind=Kind.CMS), Budget())
