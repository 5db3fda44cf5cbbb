"""Archives and documents made of a zip: nothing in them is overlooked, and none of them takes more than its budget."""

from __future__ import annotations

import zipfile
from io import BytesIO

import pytest

from bcc_relay.core.contents.budget import Limits
from bcc_relay.core.contents.seen import MOST_SIGNS
from bcc_relay.core.damage import Closed
from tests.doors.readers.made import (
    docx,
    encrypted_zip,
    ods,
    page_of,
    seen,
    shown,
    xls,
    xlsx,
    zipped,
)

WHO = "family1@mail1.example"
OTHER = "family2@mail2.example"


def test_a_list_within_an_archive_counts_as_archive() -> None:
    contents = seen(zipped({"lists/spring.csv": f"name,mail\r\nA,{WHO}\r\nB,{OTHER}\r\n".encode()}), "lists.zip")
    assert shown(contents) == {"archive": {WHO, OTHER}}
    assert not contents.closed


def test_names_and_comments_of_an_archive_are_read() -> None:
    contents = seen(zipped({f"{WHO}.txt": b"-"}, comment=OTHER.encode()), "a.zip", WHO)
    assert shown(contents) == {"archive": {WHO, OTHER}}


def test_an_archive_is_known_by_its_octets_whatever_its_name() -> None:
    assert shown(seen(zipped({"a.csv": WHO.encode()}), "picture.png")) == {"archive": {WHO}}


def test_a_document_is_a_list_and_an_archived_document_is_in_the_archive() -> None:
    assert shown(seen(xlsx((WHO,)), "a.xlsx")) == {"attached_list": {WHO}}
    assert shown(seen(zipped({"a.xlsx": xlsx((WHO,))}), "a.zip")) == {"archive": {WHO}}


def test_a_very_hidden_sheet_is_read() -> None:
    sheet = b'<worksheet><sheetData><row><c t="inlineStr"><is><t>family2@mail2.example</t></is></c></row></sheetData></worksheet>'
    contents = seen(xlsx((WHO,), more={"xl/worksheets/sheet9.xml": sheet}), "a.xlsx")
    assert shown(contents) == {"attached_list": {WHO, OTHER}}


@pytest.mark.parametrize(
    ("member", "octets"),
    [
        ("xl/comments1.xml", f"<comments><comment><text><r><t>{WHO}</t></r></text></comment></comments>"),
        ("xl/pivotCache/pivotCacheDefinition1.xml", f'<sharedItems><s v="{WHO}"/></sharedItems>'),
        ("xl/workbook.xml", f"<definedNames><definedName name='n'>\"{WHO}\"</definedName></definedNames>"),
        ("xl/worksheets/_rels/sheet1.xml.rels", f'<Relationship Target="mailto:{WHO}" TargetMode="External"/>'),
        ("docProps/core.xml", f"<cp:coreProperties><dc:creator>{WHO}</dc:creator></cp:coreProperties>"),
        ("xl/externalLinks/externalLink1.xml", f"<externalLink><v>{WHO}</v></externalLink>"),
        ("xl/drawings/vmlDrawing1.vml", f"<xml><v:textbox>{WHO}</v:textbox></xml>"),
        ("xl/vbaProject.bin", f"\0\0{WHO}\0"),
    ],
)
def test_every_corner_of_a_workbook_is_read(member: str, octets: str) -> None:
    assert shown(seen(xlsx((), more={member: octets.encode()}), "a.xlsx")) == {"attached_list": {WHO}}


def test_xml_in_utf_16_is_read() -> None:
    octets = f'<?xml version="1.0" encoding="UTF-16"?><sst><si><t>{WHO}</t></si></sst>'.encode("utf-16")
    assert shown(seen(xlsx((), more={"xl/other.xml": octets}), "a.xlsx")) == {"attached_list": {WHO}}


def test_an_address_written_in_entities_is_read() -> None:
    assert shown(seen(xlsx(("family1&#64;mail1&#x2e;example",)), "a.xlsx")) == {"attached_list": {WHO}}


def test_formatting_within_an_address_does_not_hide_it() -> None:
    runs = "<w:r><w:t>family1@ma</w:t></w:r><w:proofErr w:type='spellEnd'/><w:r><w:rPr><w:b/></w:rPr><w:t>il1.example</w:t></w:r>"
    assert shown(seen(docx(f"<w:p>{runs}</w:p>"), "a.docx")) == {"attached_list": {WHO}}
    runs = "<text:p>family1<text:span text:style-name='T1'>@mail1</text:span>.example</text:p>"
    assert shown(seen(ods(runs), "a.ods")) == {"attached_list": {WHO}}


def test_neighbouring_cells_and_paragraphs_do_not_run_into_each_other() -> None:
    cells = "".join(f"<table:table-cell><text:p>{who}</text:p></table:table-cell>" for who in (WHO, OTHER))
    assert shown(seen(ods(f"<table:table-row>{cells}</table:table-row>"), "a.ods")) == {"attached_list": {WHO, OTHER}}
    paragraphs = "".join(f"<w:p><w:r><w:t>{who}</w:t></w:r></w:p>" for who in (WHO, OTHER))
    assert shown(seen(docx(paragraphs), "a.docx")) == {"attached_list": {WHO, OTHER}}
    assert shown(seen(xlsx((WHO, OTHER)), "a.xlsx")) == {"attached_list": {WHO, OTHER}}


def test_the_sources_of_a_mail_merge_are_read() -> None:
    settings = f"<w:settings><w:mailMerge><w:query w:val=\"SELECT * WHERE mail = '{WHO}'\"/></w:mailMerge></w:settings>"
    assert shown(seen(docx("", more={"word/settings.xml": settings.encode()}), "a.docx")) == {"attached_list": {WHO}}


def test_what_is_embedded_in_a_document_is_opened() -> None:
    more = {"word/embeddings/sheet.xlsx": xlsx((WHO,)), "word/embeddings/old.xls": xls("somebody.else@mail3.example")}
    contents = seen(docx("", more=more), "a.docx")
    assert shown(contents) == {"attached_list": {WHO, "somebody.else@mail3.example"}}


def test_archives_within_archives_are_opened_up_to_the_depth() -> None:
    octets = zipped({"a.csv": WHO.encode()})
    for _ in range(3):
        octets = zipped({"inner.zip": octets})
    contents = seen(octets, "a.zip")
    assert shown(contents) == {"archive": {WHO}}
    assert not contents.closed
    for _ in range(20):
        octets = zipped({"inner.zip": octets})
    contents = seen(octets, "a.zip")
    assert Closed.OVER_BUDGET in contents.closed


def test_an_encrypted_member_is_closed_and_the_others_are_read() -> None:
    assert seen(encrypted_zip(), "a.zip").closed == {Closed.ENCRYPTED}
    contents = seen(zipped({"inner.zip": encrypted_zip(), "b.csv": WHO.encode()}), "a.zip")
    assert contents.closed == {Closed.ENCRYPTED}
    assert shown(contents) == {"archive": {WHO}}


def test_a_cut_off_archive_is_closed_and_its_plain_octets_are_searched() -> None:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.csv", f"\r\n{WHO}\r\n{OTHER}\r\n")
    contents = seen(file.getvalue()[:-40], "a.zip")
    assert contents.closed == {Closed.BROKEN}
    assert shown(contents)["archive"] >= {WHO, OTHER}


def test_a_damaged_member_is_closed_and_what_came_out_before_is_read() -> None:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.csv", f"{WHO}\r\n" + "-" * 1000)
    octets = bytearray(file.getvalue())
    octets[octets.index(b"-----") + 500] = 0x2B
    contents = seen(bytes(octets), "a.zip")
    assert contents.closed == {Closed.BROKEN}
    assert shown(contents) == {"archive": {WHO}}


def test_an_unknown_compression_is_an_unknown_format() -> None:
    octets = bytearray(zipped({"a.csv": WHO.encode()}))
    at = octets.index(b"PK\x01\x02")
    octets[8:10] = octets[at + 10 : at + 12] = (93).to_bytes(2, "little")
    assert seen(bytes(octets), "a.zip").closed == {Closed.UNKNOWN_FORMAT}


def test_a_bomb_of_layers_ends_at_the_budget() -> None:
    layer = zipped({"zeros": bytes(4 * 1024 * 1024)})
    for _ in range(4):
        layer = zipped({f"{n}.zip": layer for n in range(16)})
    contents = seen(layer, "42.zip")
    assert Closed.OVER_BUDGET in contents.closed


def test_one_member_that_unpacks_without_end_ends_at_the_ratio() -> None:
    contents = seen(zipped({"zeros": bytes(30 * 1024 * 1024)}), "a.zip")
    assert contents.closed == {Closed.OVER_BUDGET}


def test_ten_thousand_members_end_at_the_number_of_parts() -> None:
    octets = zipped({f"{n}.txt": WHO.encode() for n in range(10_000)})
    contents = seen(octets, "a.zip")
    assert contents.closed == {Closed.OVER_BUDGET}
    assert shown(contents) == {"archive": {WHO}}


def test_more_addresses_than_anybody_reads_are_over_the_budget() -> None:
    contents = seen(xlsx(tuple(f"family{n}@mail1.example" for n in range(MOST_SIGNS + 10))), "a.xlsx")
    assert contents.closed == {Closed.OVER_BUDGET}
    assert len(shown(contents)["attached_list"]) >= MOST_SIGNS


FIGURES = b"<c r='B7'><f>SUM(A1:A6)</f><v>3.14</v></c>"


@pytest.mark.parametrize("spelling", [WHO, "family1&#64;mail1.example", "family1 (<r/><t>at) mail1.example"])
@pytest.mark.parametrize("before", [64 * 1024 - 256 - 30, 64 * 1024 - 10, 64 * 1024 - 1, 64 * 1024, 200_000])
def test_an_address_is_found_wherever_it_stands_in_a_sheet_of_figures(spelling: str, before: int) -> None:
    figures = (FIGURES * (before // len(FIGURES) + 1))[:before].ljust(before)
    sheet = figures + f"<c><t> {spelling} </t></c>".encode() + FIGURES * 10_000 + f"<c><t>{OTHER}</t></c>".encode()
    contents = seen(xlsx((), more={"xl/worksheets/sheet9.xml": sheet}), "a.xlsx")
    assert shown(contents) == {"attached_list": {WHO, OTHER}}
    assert not contents.closed


def test_a_large_sheet_of_figures_costs_little_of_the_budget() -> None:
    sheet = FIGURES * (4 * 1024 * 1024 // len(FIGURES))
    octets = xlsx((WHO,), more={"xl/worksheets/sheet9.xml": sheet})
    assert not seen(octets, "a.xlsx", limits=Limits(unpacked_bytes=1024 * 1024)).closed
    assert seen(octets, "a.xlsx", limits=Limits(unpacked_bytes=256 * 1024)).closed == {Closed.OVER_BUDGET}


def test_the_budget_is_one_for_all_attachments_of_a_message() -> None:
    inner = zipped({"zeros": bytes(range(256)) * 4096})
    contents = seen(
        zipped({f"{n}.zip": inner for n in range(4)}), "a.zip", limits=Limits(unpacked_bytes=3 * 1024 * 1024)
    )
    assert contents.closed == {Closed.OVER_BUDGET}


def test_a_document_in_an_archive_next_to_a_pdf_and_a_workbook_all_count() -> None:
    octets = zipped(
        {"a.pdf": page_of(WHO.encode()), "b.xls": xls("somebody.else@mail3.example"), "c.docx": docx(OTHER)}
    )
    assert shown(seen(octets, "a.zip")) == {"archive": {WHO, OTHER, "somebody.else@mail3.example"}}


RUNS_OF_WORD = {
    "tracked": "<w:r><w:t>fam</w:t></w:r><w:ins w:id='1'><w:r><w:rPr><w:rPrChange w:id='2'><w:rPr/></w:rPrChange></w:rPr>"
    "<w:t>ily1@</w:t></w:r></w:ins><w:r><w:t>mail1.example</w:t></w:r>",
    "content-control": "<w:r><w:t>family1@</w:t></w:r><w:sdt><w:sdtPr><w:id w:val='1'/><w:tag w:val='x'/><w:placeholder>"
    "<w:docPart w:val='x'/></w:placeholder><w:text/></w:sdtPr><w:sdtContent><w:r><w:t>mail1</w:t></w:r></w:sdtContent>"
    "</w:sdt><w:r><w:t>.example</w:t></w:r>",
    "field": "<w:r><w:t>family1@</w:t></w:r><w:fldSimple w:instr=' MERGEFIELD D '><w:r><w:t>mail1.example</w:t></w:r>"
    "</w:fldSimple>",
    "smart-tag": "<w:smartTag w:element='x'><w:smartTagPr><w:attr w:name='x'/></w:smartTagPr><w:r><w:t>family1</w:t></w:r>"
    "</w:smartTag><w:r><w:t>@mail1.example</w:t></w:r>",
}


@pytest.mark.parametrize("runs", RUNS_OF_WORD.values(), ids=RUNS_OF_WORD)
def test_an_address_parted_by_changes_and_controls_is_whole(runs: str) -> None:
    assert shown(seen(docx(f"<w:p>{runs}</w:p>"), "a.docx")) == {"attached_list": {WHO}}


def test_an_address_parted_by_marks_of_change_in_a_text_document_is_whole() -> None:
    runs = "<text:p>family1<text:change-start text:change-id='c1'/>@mail1.example</text:p>"
    assert shown(seen(ods(runs), "a.ods")) == {"attached_list": {WHO}}


def test_a_hyphen_that_does_not_break_is_a_hyphen() -> None:
    runs = "<w:p><w:r><w:t>anna</w:t><w:noBreakHyphen/><w:t>b@mail1.example</w:t></w:r></w:p>"
    assert shown(seen(docx(runs), "a.docx")) == {"attached_list": {"anna-b@mail1.example"}}


def test_control_characters_in_a_cell_part_addresses() -> None:
    assert shown(seen(xlsx((f"{WHO}_x000D_{OTHER}",)), "a.xlsx")) == {"attached_list": {WHO, OTHER}}


def test_values_of_elements_called_like_properties_of_controls_stay_apart() -> None:
    octets = f"<rows><id>{WHO}</id><id>{OTHER}</id></rows>".encode()
    assert shown(seen(xlsx((), more={"customXml/item1.xml": octets}), "a.xlsx")) == {"attached_list": {WHO, OTHER}}


def test_a_text_document_with_a_password_is_closed() -> None:
    manifest = (
        b"<manifest:manifest><manifest:file-entry><manifest:encryption-data/></manifest:file-entry></manifest:manifest>"
    )
    contents = seen(zipped({"META-INF/manifest.xml": manifest, "content.xml": bytes(range(256))}), "a.odt")
    assert contents.closed == {Closed.ENCRYPTED}
