"""Documents that are XML in a zip (OOXML of ECMA-376, ODF): the text of one member, however formatting parts it."""

from __future__ import annotations

import html
import re

from bcc_relay.core.contents.text import decode_text

_TAG = re.compile(r"<(/?)([^\s<>/]*)([^<>]*)>")
_MARKUP = re.compile(r"<!\[CDATA\[|\]\]>|<!--|-->")
_VALUE = re.compile(r"=[ \t\r\n]*(?:\"([^\"]*)\"|'([^']*)')")
_DECLARED = re.compile(rb"<\?xml[^>]{0,200}encoding=[\"']([A-Za-z0-9._\-]{1,40})[\"']")
_SIGNS = ("@", "%", "&", "\uff20", "(")
"""What an attribute with an address in it has."""

# Elements that do not part the letters of a word.
_RUNS = {
    "r", "t", "rPr", "delText", "instrText", "ins", "del", "moveFrom", "moveTo", "hyperlink", "smartTag", "proofErr",
    "permStart", "permEnd", "span", "a", "bookmarkStart", "bookmarkEnd", "bookmark", "bookmark-start", "bookmark-end",
    "commentRangeStart", "commentRangeEnd", "lastRenderedPageBreak", "noBreakHyphen", "softHyphen", "soft-page-break",
    "reference-mark-start", "reference-mark-end", "rStyle", "rFonts", "rFont", "b", "bCs", "i", "iCs", "u", "strike",
    "dstrike", "caps", "smallCaps", "outline", "shadow", "emboss", "imprint", "vanish", "webHidden", "noProof",
    "snapToGrid", "color", "spacing", "w", "kern", "position", "sz", "szCs", "highlight", "effect", "bdr", "shd",
    "fitText", "vertAlign", "rtl", "cs", "em", "lang", "family", "charset", "scheme", "condense", "extend",
    "solidFill", "srgbClr", "schemeClr", "latin", "ea", "sym", "hlinkClick", "effectLst", "rPrChange", "smartTagPr",
    "customXml", "customXmlPr", "sdt", "sdtPr", "sdtEndPr", "sdtContent", "placeholder", "fldSimple", "change-start",
    "change-end", "change", "annotation-end", "database-display", "text-input", "meta",
}  # fmt: skip
"""Runs, marks and controls around them, and what stands in their rPr (ECMA-376 17.3.2, 17.5, 17.16.19, 18.4.7,
21.1.2.3; ODF 6.1, 5.5.7)."""
_EMPTY = {"attr", "id", "tag", "alias", "lock", "docPart", "showingPlcHdr", "dataBinding", "text", "appearance"}
"""What stands in the properties of a control, without content (ECMA-376 17.5.2)."""
_HYPHENS = {"noBreakHyphen": "-"}
# Control characters in a cell (ECMA-376 22.9.2.19).
_CONTROL = re.compile("_x00(?:0[9AaDd])_")


# What stands for an "@", by an octet that is found faster than all of it.
_MAY_SHOW = (
    (b"@", (b"@",)),
    (b"%", (b"%40",)),
    (b"=4", (b"=40",)),
    (b"&", (b"&#", b"&comm", b"&amp;#", b"&amp;c")),
    (b"\\", (b"\\",)),
    (b"_", (b"_x00",)),
)
# With these begin the full-width sign and the brackets of other scripts.
_WIDE = (b"\xef\xb8", b"\xef\xb9", b"\xef\xbc", b"\xe2\x81\xbd", b"\xe2\x82\x8d")
_BRACKETS = (b"(", b"[", b"{")
_SPELT_OUT = re.compile(rb"[(\[{](?:\s|<[^<>]*+>|&nbsp;)*[aA](?:<[^<>]*+>)*[tT]")
_ASCII_CODECS = ("utf-8", "us-ascii", "ascii", "iso-8859-", "windows-125")


def is_ascii_xml(head: bytes) -> bool:
    """Whether the octets of ASCII stand for themselves in an XML member that begins like this."""
    declared = _DECLARED.match(head)
    return b"\0" not in head and (not declared or declared[1].decode("ascii").lower().startswith(_ASCII_CODECS))


def may_show(octets: bytes) -> bool:
    """Whether an address may stand in a piece of XML (in what `is_ascii_xml`), as a fast look tells."""
    if any(first in octets and any(sign in octets for sign in signs) for first, signs in _MAY_SHOW):
        return True
    if not octets.isascii() and any(sign in octets for sign in _WIDE):
        return True
    return any(bracket in octets for bracket in _BRACKETS) and _SPELT_OUT.search(octets) is not None


def xml_text(octets: bytes) -> str:
    """Return the text of an XML member, and below it every attribute that may hold an address, one a line.

    Elements that format the letters of one word are joined; all others, such as cells and paragraphs, part the text.
    """
    declared = _DECLARED.match(octets[:300])
    text = _MARKUP.sub("\n", decode_text(octets, declared[1].decode("ascii") if declared else "utf-8"))
    values: list[str] = []

    def parted(match: re.Match[str]) -> str:
        rest = match[3]
        if "=" in rest and any(sign in rest for sign in _SIGNS):
            values.extend(double or single for double, single in _VALUE.findall(rest))
        name = match[2].rpartition(":")[2]
        if name in _RUNS or (name in _EMPTY and text[match.end() - 2] == "/"):
            return _HYPHENS.get(name, "")
        return "\n"

    words = _CONTROL.sub("\n", _TAG.sub(parted, text))
    return html.unescape("\n".join((words, *values)))
