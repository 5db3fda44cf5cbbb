"""PDF: text, links, notes, fields, properties and attached files."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcc_relay.core.contents.budget import Budget
from bcc_relay.core.contents.kinds import Kind
from bcc_relay.core.damage import Closed
from bcc_relay.readers.look_into import open_part
from tests.doors.readers.made import page_of, part, pdf, seen, shown, stream, xlsx

WHO = "family1@mail1.example"
WHO_OCTETS = WHO.encode()


def test_the_text_of_a_page_is_read_though_it_is_compressed() -> None:
    octets = page_of(WHO_OCTETS)
    assert WHO_OCTETS not in octets
    contents = seen(octets, "list.pdf")
    assert shown(contents) == {"attached_list": {WHO}}
    assert not contents.closed


def test_a_file_that_does_not_begin_with_its_mark_is_read() -> None:
    assert shown(seen(b"\r\n\r\n" + page_of(WHO_OCTETS), "list.pdf")) == {"attached_list": {WHO}}


# Strings are written in octal and hexadecimal here, so that no plain search finds them.
HIDDEN = b"family1\\100mail1\\056example"


@pytest.mark.parametrize(
    ("page", "more"),
    [
        (b"/Annots [6 0 R]", b"<< /Type /Annot /Subtype /Link /Rect [0 0 9 9] /A << /S /URI /URI (mailto:%s) >> >>"),
        (b"/Annots [6 0 R]", b"<< /Type /Annot /Subtype /Text /Rect [0 0 9 9] /Contents (%s) >>"),
        (b"/Annots [6 0 R]", b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (f) /Rect [0 0 9 9] /V (%s) >>"),
    ],
    ids=["link", "note", "field"],
)
def test_links_notes_and_fields_are_read(page: bytes, more: bytes) -> None:
    octets = page_of(b"none", page=page, more=(more % HIDDEN,))
    assert WHO_OCTETS not in octets
    assert shown(seen(octets, "list.pdf")) == {"attached_list": {WHO}}


def test_bookmarks_are_read() -> None:
    more = (
        b"<< /Type /Outlines /First 7 0 R /Last 7 0 R /Count 1 >>",
        b"<< /Title (%s) /Parent 6 0 R /Dest [3 0 R /Fit] >>" % HIDDEN,
    )
    assert shown(seen(page_of(b"none", catalogue=b"/Outlines 6 0 R ", more=more), "a.pdf")) == {"attached_list": {WHO}}


def test_properties_are_read() -> None:
    octets = page_of(b"none", more=(b"<< /Author (%s) >>" % HIDDEN,)).replace(b"/Root", b"/Info 6 0 R /Root")
    assert shown(seen(octets, "list.pdf")) == {"attached_list": {WHO}}
    xmp = b"<x:xmpmeta><dc:creator>family1@mail1.example</dc:creator></x:xmpmeta>"
    metadata = b"<< /Type /Metadata /Subtype /XML /Length %d >>\nstream\n%s\nendstream" % (len(xmp), xmp)
    octets = page_of(b"none", catalogue=b"/Metadata 6 0 R ", more=(metadata,))
    assert shown(seen(octets, "list.pdf")) == {"attached_list": {WHO}}


def test_attached_files_go_on_to_their_readers() -> None:
    names = b"/Names << /EmbeddedFiles << /Names [(a.xlsx) 6 0 R] >> >> "
    more = (
        b"<< /Type /Filespec /F (a.xlsx) /UF (a.xlsx) /EF << /F 7 0 R >> >>",
        stream(xlsx((WHO,)), b"/Type /EmbeddedFile "),
    )
    assert shown(seen(page_of(b"none", catalogue=names, more=more), "a.pdf")) == {"attached_list": {WHO}}


def test_a_file_attached_to_a_note_goes_on_to_its_reader() -> None:
    held = b"<< /F (list.xlsx) /EF << /F 6 0 R >> >>"
    note = b"/Annots [<< /Subtype /FileAttachment /Rect [0 0 9 9] /FS " + held + b" >>]"
    more = (stream(xlsx((WHO,)), b"/Type /EmbeddedFile"),)
    assert shown(seen(page_of(b"none", page=note, more=more), "a.pdf")) == {"attached_list": {WHO}}


def test_a_password_closes_it() -> None:
    encrypted = b"/Encrypt << /Filter /Standard /V 1 /R 2 /O <%s> /U <%s> /P -4 >> /ID [<00> <00>] " % (
        b"11" * 32,
        b"22" * 32,
    )
    octets = page_of(WHO_OCTETS).replace(b"/Root", encrypted + b"/Root")
    assert seen(octets, "a.pdf").closed == {Closed.ENCRYPTED}


def test_what_is_no_pdf_is_closed_and_searched() -> None:
    contents = seen(b"%PDF-1.7\nnothing here but family1@mail1.example\n", "a.pdf")
    assert contents.closed == {Closed.BROKEN}
    assert shown(contents) == {"attached_list": {WHO}}


def test_a_page_of_pictures_gives_nothing_and_is_not_closed() -> None:
    contents = seen(page_of(b""), "scan.pdf")
    assert shown(contents) == {}
    assert not contents.closed


def test_a_hundred_thousand_objects_are_read() -> None:
    contents = seen(page_of(WHO_OCTETS, more=(b"<< /Type /Nothing >>",) * 100_000), "a.pdf")
    assert shown(contents) == {"attached_list": {WHO}}
    assert not contents.closed


def test_pages_without_end_are_over_the_budget() -> None:
    kids = b"[" + b"3 0 R " * 20_000 + b"]"
    octets = pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids %s /Count 20000 >>" % kids,
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>",
    )
    assert Closed.OVER_BUDGET in seen(octets, "a.pdf").closed


@given(st.binary(min_size=1, max_size=64), st.integers(0, 900))
@settings(max_examples=150, deadline=None)
def test_reading_never_raises(noise: bytes, at: int) -> None:
    octets = page_of(WHO_OCTETS)
    open_part(part(octets[:at] + noise + octets[at + len(noise) :], "a.pdf", kind=Kind.PDF), Budget())
