"""Writes documents made of XML in a zip: OOXML (ECMA-376) and ODF, as small as programs still open them."""

from __future__ import annotations

from html import escape

from tests.corpus.making.archives import zipped

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
_SLIDES = "http://schemas.openxmlformats.org/presentationml/2006/main"


def _relations(*targets: tuple[str, str]) -> str:
    rows = "".join(
        f'<Relationship Id="rId{n}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(targets, 1)
    )
    return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{rows}</Relationships>'


def _package(main: str, kind: str, files: dict[str, str]) -> bytes:
    types = (
        f'{_XML}<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" ContentType="application/vnd.'
        'openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/{main}" ContentType="application/vnd.openxmlformats-officedocument.{kind}.main+xml"/></Types>'
    )
    start = {"[Content_Types].xml": types, "_rels/.rels": _relations(("officeDocument", main))}
    return zipped({name: text.encode() for name, text in (start | files).items()})


def xlsx(
    sheets: dict[str, list[str]],
    states: dict[str, str] | None = None,
    *,
    comments: list[str] | None = None,
    names: dict[str, str] | None = None,
    hidden_column: bool = False,
) -> bytes:
    """A workbook, each sheet with one column of shared strings; `states`: hidden or veryHidden."""
    strings = list(dict.fromkeys(text for column in sheets.values() for text in column))
    states = states or {}
    rows = "".join(
        f'<sheet name="{escape(name)}" sheetId="{n}" r:id="rId{n}"'
        + (f' state="{states[name]}"/>' if name in states else "/>")
        for n, name in enumerate(sheets, 1)
    )
    defined = "".join(
        f'<definedName name="{name}">"{escape(text)}"</definedName>' for name, text in (names or {}).items()
    )
    files = {
        "xl/workbook.xml": f'{_XML}<workbook xmlns="{_SHEET}" xmlns:r="{_OFFICE}"><sheets>{rows}</sheets>'
        + (f"<definedNames>{defined}</definedNames>" if defined else "")
        + "</workbook>",
        "xl/_rels/workbook.xml.rels": _relations(
            *(("worksheet", f"worksheets/sheet{n}.xml") for n in range(1, len(sheets) + 1)),
            ("sharedStrings", "sharedStrings.xml"),
        ),
        "xl/sharedStrings.xml": f'{_XML}<sst xmlns="{_SHEET}" count="{len(strings)}" uniqueCount="{len(strings)}">'
        + "".join(f"<si><t>{escape(text)}</t></si>" for text in strings)
        + "</sst>",
    }
    columns = '<cols><col min="1" max="1" width="9" hidden="1"/></cols>' if hidden_column else ""
    for number, column in enumerate(sheets.values(), 1):
        cells = "".join(
            f'<row r="{at}"><c r="A{at}" t="s"><v>{strings.index(text)}</v></c></row>'
            for at, text in enumerate(column, 1)
        )
        files[f"xl/worksheets/sheet{number}.xml"] = (
            f'{_XML}<worksheet xmlns="{_SHEET}">{columns}<sheetData>{cells}</sheetData></worksheet>'
        )
    if comments:
        notes = "".join(
            f'<comment ref="A{at}" authorId="0"><text><r><t>{escape(text)}</t></r></text></comment>'
            for at, text in enumerate(comments, 1)
        )
        files["xl/comments1.xml"] = (
            f'{_XML}<comments xmlns="{_SHEET}"><authors><author>Clerk</author></authors>'
            f"<commentList>{notes}</commentList></comments>"
        )
        files["xl/worksheets/_rels/sheet1.xml.rels"] = _relations(("comments", "../comments1.xml"))
    return _package("xl/workbook.xml", "spreadsheetml.sheet", files)


def docx(paragraphs: list[str], *, split: bool = False, more: dict[str, str] | None = None) -> bytes:
    """A text document; `split`: each word in runs of three characters, as tracked editing leaves them."""

    def runs(text: str) -> str:
        pieces = [text[at : at + 3] for at in range(0, len(text), 3)] if split else [text]
        return "".join(f'<w:r><w:t xml:space="preserve">{escape(piece)}</w:t></w:r>' for piece in pieces)

    body = "".join(f"<w:p>{runs(text)}</w:p>" for text in paragraphs)
    files = {"word/document.xml": f'{_XML}<w:document xmlns:w="{_WORD}"><w:body>{body}</w:body></w:document>'}
    return _package("word/document.xml", "wordprocessingml.document", files | (more or {}))


def mail_merge(addresses: list[str]) -> dict[str, str]:
    """Settings and recipient data of a mail merge (ECMA-376 17.14)."""
    query = "SELECT * FROM `Parents$`"
    settings = (
        f'{_XML}<w:settings xmlns:w="{_WORD}" xmlns:r="{_OFFICE}"><w:mailMerge><w:mainDocumentType w:val="email"/>'
        f'<w:dataType w:val="native"/><w:query w:val="{query}"/><w:odso><w:recipientData r:id="rId1"/></w:odso>'
        "</w:mailMerge></w:settings>"
    )
    rows = "".join(
        f'<w:recipientData><w:active w:val="1"/><w:column w:val="2"/><w:uniqueTag w:val="{escape(one)}"/></w:recipientData>'
        for one in addresses
    )
    return {
        "word/settings.xml": settings,
        "word/_rels/settings.xml.rels": _relations(("recipientData", "recipientData.xml")),
        "word/recipientData.xml": f'{_XML}<w:recipients xmlns:w="{_WORD}">{rows}</w:recipients>',
    }


def word_comments(texts: list[str]) -> dict[str, str]:
    """The comments of a text document."""
    rows = "".join(
        f'<w:comment w:id="{n}" w:author="Clerk"><w:p><w:r><w:t>{escape(text)}</w:t></w:r></w:p></w:comment>'
        for n, text in enumerate(texts)
    )
    return {
        "word/comments.xml": f'{_XML}<w:comments xmlns:w="{_WORD}">{rows}</w:comments>',
        "word/_rels/document.xml.rels": _relations(("comments", "comments.xml")),
    }


def custom_property(text: str) -> dict[str, str]:
    """Properties of a document, where old versions noted to whom it was sent."""
    return {
        "docProps/app.xml": f'{_XML}<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/'
        f'extended-properties"><Manager>{escape(text)}</Manager></Properties>'
    }


def pptx(texts: list[str], notes: list[str]) -> bytes:
    """One slide and its notes."""

    def shapes(rows: list[str]) -> str:
        body = "".join(f"<a:p><a:r><a:t>{escape(row)}</a:t></a:r></a:p>" for row in rows)
        return f"<p:cSld><p:spTree><p:sp><p:txBody>{body}</p:txBody></p:sp></p:spTree></p:cSld>"

    spaces = f'xmlns:p="{_SLIDES}" xmlns:a="{_DRAWING}" xmlns:r="{_OFFICE}"'
    files = {
        "ppt/presentation.xml": f'{_XML}<p:presentation {spaces}><p:sldIdLst><p:sldId id="256" r:id="rId1"/></p:sldIdLst>'
        "</p:presentation>",
        "ppt/_rels/presentation.xml.rels": _relations(("slide", "slides/slide1.xml")),
        "ppt/slides/slide1.xml": f"{_XML}<p:sld {spaces}>{shapes(texts)}</p:sld>",
        "ppt/slides/_rels/slide1.xml.rels": _relations(("notesSlide", "../notesSlides/notesSlide1.xml")),
        "ppt/notesSlides/notesSlide1.xml": f"{_XML}<p:notes {spaces}>{shapes(notes)}</p:notes>",
    }
    return _package("ppt/presentation.xml", "presentationml.presentation", files)


# --- ODF -------------------------------------------------------------------------------------------------------------

_ODF = "urn:oasis:names:tc:opendocument:xmlns"
_SPACES = (
    f'xmlns:office="{_ODF}:office:1.0" xmlns:table="{_ODF}:table:1.0" xmlns:text="{_ODF}:text:1.0" '
    f'xmlns:style="{_ODF}:style:1.0" office:version="1.2"'
)


def _odf(kind: str, styles: str, body: str) -> bytes:
    media = f"application/vnd.oasis.opendocument.{kind}"
    manifest = (
        f'{_XML}<manifest:manifest xmlns:manifest="{_ODF}:manifest:1.0"><manifest:file-entry manifest:full-path="/" '
        f'manifest:media-type="{media}"/><manifest:file-entry manifest:full-path="content.xml" '
        'manifest:media-type="text/xml"/></manifest:manifest>'
    )
    content = (
        f"{_XML}<office:document-content {_SPACES}><office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body>{body}</office:body></office:document-content>"
    )
    files = {"mimetype": media, "content.xml": content, "META-INF/manifest.xml": manifest}
    return zipped({name: text.encode() for name, text in files.items()}, stored=("mimetype",))


def ods(sheets: dict[str, list[str]], hidden: frozenset[str] = frozenset()) -> bytes:
    """A sheet for each name, with one column of texts."""
    styles = '<style:style style:name="gone" style:family="table"><style:table-properties table:display="false"/></style:style>'
    tables = "".join(
        f'<table:table table:name="{escape(name)}"' + (' table:style-name="gone">' if name in hidden else ">")
        + "".join(
            '<table:table-row><table:table-cell office:value-type="string">'
            f"<text:p>{escape(text)}</text:p></table:table-cell></table:table-row>"
            for text in column
        )
        + "</table:table>"
        for name, column in sheets.items()
    )  # fmt: skip
    return _odf("spreadsheet", styles, f"<office:spreadsheet>{tables}</office:spreadsheet>")


def odt(paragraphs: list[str]) -> bytes:
    """A text whose addresses are split by spans."""
    body = "".join(
        "<text:p>" + escape(text).replace("@", "<text:span>@</text:span>") + "</text:p>" for text in paragraphs
    )
    return _odf("text", "", f"<office:text>{body}</office:text>")
