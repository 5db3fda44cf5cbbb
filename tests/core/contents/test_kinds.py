"""Kinds of files: the octets go before the media type, and that before the name."""

from __future__ import annotations

import pytest

from bcc_relay.core.contents.kinds import HEAD_OCTETS, Kind, kind_of

TAR = b"list.txt".ljust(257, b"\x00") + b"ustar\x0000"
NOISE = bytes(range(1, 9)) * 20
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
SIGNED = b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80"
MBOX = b"From anna@family-mail.example Sat Nov 22 10:00:00 2026\nFrom: x\n"

OCTETS = [
    (b"PK\x03\x04rest", Kind.ZIP),
    (b"PK\x05\x06rest", Kind.ZIP),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind.OLE),
    (b"\x78\x9f\x3e\x22\x00\x00", Kind.TNEF),
    (b"%PDF-1.7\n", Kind.PDF),
    (b"\x1f\x8b\x08\x00", Kind.GZIP),
    (b"BZh91AY&SYrest", Kind.BZIP2),
    (b"\xfd7zXZ\x00\x00", Kind.XZ),
    (TAR, Kind.TAR),
    (b"7z\xbc\xaf\x27\x1c\x00\x04", Kind.CONTAINER),
    (b"Rar!\x1a\x07\x00", Kind.CONTAINER),
    (b"MSCF\x00\x00\x00\x00", Kind.CONTAINER),
    (PNG, Kind.PICTURE),
    (b"MZ\x90\x00".ljust(256, b"\x00") + b"PE\x00\x00L\x01", Kind.CONTAINER),
    (b"\xff\xd8\xff\xe0", Kind.PICTURE),
    (b"GIF89a\x01\x00", Kind.PICTURE),
    (b"RIFF\x10\x00\x00\x00WEBPVP8 ", Kind.PICTURE),
    (b"\x00\x00\x00\x18ftypheic", Kind.PICTURE),
    (b"-----BEGIN PGP MESSAGE-----\n", Kind.PGP),
    (SIGNED, Kind.CMS),
    (b"\x30\x82\x01\x23\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03", Kind.CMS),
    (b"BEGIN:VCALENDAR\r\n", Kind.CALENDAR),
    (b"\xef\xbb\xbfbegin:vcard\r\n", Kind.LIST),
    ("BEGIN:VCARD\r\n".encode("utf-16"), Kind.LIST),
    (b" <!DOCTYPE html><p>", Kind.HTML),
    (MBOX, Kind.MESSAGE),
    (b"Return-Path: <a@b.example>\r\nReceived: by x;\r\n now\r\nFrom: y\r\n", Kind.MESSAGE),
]


@pytest.mark.parametrize(("head", "kind"), OCTETS)
@pytest.mark.parametrize("said", [("application/octet-stream", "file.bin"), ("image/png", "logo.png"), ("", "")])
def test_the_first_octets_say_what_a_file_is_whatever_it_calls_itself(
    head: bytes, kind: Kind, said: tuple[str, str]
) -> None:
    if said[0] == "image/png" and head.startswith(b"Return-Path"):
        kind = Kind.TEXT  # a header is told by its first lines only where nothing else is said
    assert kind_of(head, *said) is kind


@pytest.mark.parametrize(
    ("media_type", "name", "kind"),
    [
        ("text/plain", "", Kind.TEXT),
        ("text/markdown", "", Kind.TEXT),
        ("text/html", "", Kind.HTML),
        ("application/xhtml+xml", "", Kind.HTML),
        ("text/calendar", "", Kind.CALENDAR),
        ("text/plain", "invite.ics", Kind.CALENDAR),
        ("text/csv", "", Kind.LIST),
        ("text/plain", "families.CSV", Kind.LIST),
        ("application/vnd.ms-excel", "families.csv", Kind.LIST),
        ("application/vnd.ms-excel", "families.xls", Kind.LIST),
        ("application/octet-stream", "cards.vcf", Kind.LIST),
        ("application/octet-stream", "list.hqx", Kind.CONTAINER),
        ("application/octet-stream", "people.ldif", Kind.LIST),
        ("application/octet-stream", "mail.eml", Kind.MESSAGE),
        ("text/plain", "archive.mbox", Kind.MESSAGE),
        ("message/anything", "", Kind.MESSAGE),
        ("application/pkcs7-mime", "smime.p7m", Kind.CMS),
        ("application/octet-stream", "smime.p7m", Kind.CMS),
        ("application/pkcs7-signature", "smime.p7s", Kind.OTHER),
        ("application/pgp-encrypted", "", Kind.PGP),
        ("application/octet-stream", "notes", Kind.TEXT),
        ("application/pdf", "list.pdf", Kind.TEXT),
        ("image/png", "list.png", Kind.TEXT),
        ("image/svg+xml", "map.svg", Kind.HTML),
        ("image/emf", "table.emf", Kind.OTHER),
    ],
)
def test_plain_text_is_what_its_type_and_name_say_and_never_a_picture(media_type: str, name: str, kind: Kind) -> None:
    assert kind_of(b"anna@family-mail.example; ben@family-mail.example\r\n", media_type, name) is kind


@pytest.mark.parametrize(
    ("media_type", "name", "kind"),
    [
        ("application/octet-stream", "thing.bin", Kind.OTHER),
        ("text/plain", "notes.txt", Kind.OTHER),
        ("application/octet-stream", "book.xlsx", Kind.ZIP),
        ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "", Kind.ZIP),
        ("application/vnd.ms-outlook", "", Kind.OLE),
        ("application/ms-tnef", "winmail.dat", Kind.TNEF),
        ("application/octet-stream", "list.tar", Kind.TAR),
        ("application/octet-stream", "list.rar.", Kind.CONTAINER),
        ("application/octet-stream", "list.7z", Kind.CONTAINER),
        ("video/mp4", "", Kind.PICTURE),
        ("", "photo.jpg", Kind.PICTURE),
    ],
)
def test_other_octets_are_what_the_type_and_then_the_name_say(media_type: str, name: str, kind: Kind) -> None:
    assert kind_of(NOISE, media_type, name) is kind


def test_a_document_may_have_other_octets_before_its_mark() -> None:
    assert kind_of(b"junk\n%PDF-1.4\n", "application/pdf", "") is Kind.PDF
    assert kind_of(b"I wrote %PDF-1.4 here", "text/plain", "") is Kind.TEXT


def test_html_in_two_octets_a_character_is_no_picture() -> None:
    assert kind_of("<html><p>anna@family-mail.example".encode("utf-16"), "image/gif", "a.gif") is Kind.HTML
    assert kind_of("anna@family-mail.example".encode("utf-16-le"), "image/gif", "a.gif") is Kind.TEXT


def test_no_more_than_the_head_is_looked_at() -> None:
    assert kind_of(b"a" * HEAD_OCTETS + b"\x00\x01\x02", "", "") is Kind.TEXT


def test_nothing_at_all_is_text() -> None:
    assert kind_of(b"", "", "") is Kind.TEXT


@pytest.mark.parametrize(
    "head",
    [
        b"MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=x\r\n\r\n",
        b"Date: Sun, 22 Nov 2026 10:00:00 +0000\nSubject: Exported\n from a wiki\nMIME-Version: 1.0\n",
    ],
)
@pytest.mark.parametrize(
    "said", [("application/msword", "page.doc"), ("application/octet-stream", "page.doc"), ("", "")]
)
def test_a_page_saved_with_its_pictures_is_a_message_also_if_it_is_called_a_document(
    head: bytes, said: tuple[str, str]
) -> None:
    assert kind_of(head, *said) is Kind.MESSAGE


def test_notes_that_begin_like_a_program_are_text() -> None:
    assert kind_of(b"MZ, PE and other lessons", "text/plain", "lessons.txt") is Kind.TEXT
