"""HTML of a body as text, for the search of addresses: what is shown, and then all that is not.

Not a renderer. Nothing of the source is thrown away that could hold an address, whatever a reader would make of it.
"""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import unquote

# A tag ends at the first ">", also within quotes: the rest of a value then counts as text, and nothing is lost.
_TAG = re.compile(r"<[/!?A-Za-z][^>]*>?")
_COMMENT = re.compile(r"<!--(.*?)(?:--!?>|\Z)", re.DOTALL)
_NOT_SHOWN = re.compile(
    r"<(?:style|script|title|template)\b[^>]*>?([^<]*(?:<(?!/(?:style|script|title|template)\b)[^<]*)*)", re.IGNORECASE
)
# Tags between whose sides a reader sees no gap.
_INLINE = re.compile(
    r"</?(?:a|abbr|acronym|b|bdi|bdo|big|cite|code|del|dfn|em|font|i|ins|kbd|label|mark|nobr|o:p|q|s|samp|small|span|"
    r"strike|strong|sub|sup|tt|u|var|wbr)(?:[\s/][^>]*)?>",
    re.IGNORECASE,
)
_CELL = re.compile(r"</?t[dh](?:[\s/][^>]*)?>", re.IGNORECASE)
_LINE_END = re.compile(r"[\r\n]+")
# What may hold an address, or a part of one.
_SIGN = r"(?:[@\uff20\ufe6b]|%40|%[eE][fF]%|=40|&#|&commat|[(\[{] ?[aA][tT] ?[)\]}])"
_VALUE = re.compile(r"=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")
_HAS_SIGN = re.compile(_SIGN)
# An address that fills the text between two tags.
_ALONE = re.compile(r">\s*([\w.+\-]{1,64}@[\w.\-]{1,255})\s*(?=<)")
_MAIL_FIELD = re.compile(r"[?&][A-Za-z\-]{1,40}=")
_LONG_NUMBER = re.compile(r"&#[0-9]{9,}")
_STILL_ENCODED = re.compile(r"&(?:#|amp|commat|period|shy|zw)")


def visible_and_hidden_text(html: str) -> str:
    """Return the text of an HTML document: what is shown, a line for each block; then comments, styles, attributes.

    Entities are decoded, twice where they are encoded twice; links are percent-decoded. Tags, comments and invisible
    characters within a word leave no gap. Linear in the input, whatever it is.
    """
    hidden = [match[0] for match in _COMMENT.finditer(html)] if "<!--" in html else []
    shown = _COMMENT.sub("", html) if hidden else html
    unseen = [match[1] for match in _NOT_SHOWN.finditer(shown)]
    if unseen:
        shown = _NOT_SHOWN.sub("\n", shown)
    values = [value for tag in _tags_with_signs(html) for value in _values(tag)]
    alone = _ALONE.findall(html)
    if "<pre" not in html and "<PRE" not in html:
        shown = _LINE_END.sub(" ", shown)
    hidden = [_without_tags(piece.replace("<!--", " ").replace("-->", " ")) for piece in (*hidden, *unseen)]
    return "\n".join((_decoded(_without_tags(shown)), *(_decoded(piece) for piece in hidden), *alone, *values))


def _without_tags(html: str) -> str:
    return _TAG.sub("\n", _CELL.sub("\t", _INLINE.sub("", html)))


def _tags_with_signs(html: str) -> list[str]:
    pieces = html.split("<")[1:]
    tags = (piece.partition(">")[0] for piece in pieces if "@" in piece or "%" in piece or "&" in piece or "(" in piece)
    return [tag for tag in tags if _HAS_SIGN.search(tag)]


def _values(tag: str) -> list[str]:
    """Return the values of a tag's attributes, decoded; the whole tag when they do not hold what it holds."""
    values = [quoted or single or bare for quoted, single, bare in _VALUE.findall(tag)]
    values = [value for value in values if _HAS_SIGN.search(value)] or [tag]
    return [_link(_decoded(value)) for value in values]


def _link(value: str) -> str:
    if "%" in value:
        value = unquote(value)
    # RFC 6068 2: the fields of a mailto link.
    return _MAIL_FIELD.sub(" ", value) if "mailto:" in value.lower() else value


def _decoded(text: str) -> str:
    if "&" not in text:
        return text
    text = _unescaped(text)
    return _unescaped(text) if _STILL_ENCODED.search(text) else text


def _unescaped(text: str) -> str:
    try:
        return unescape(text)
    except ValueError:  # Python reads no number of thousands of digits
        return unescape(_LONG_NUMBER.sub("\ufffd", text))
