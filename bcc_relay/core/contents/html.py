"""HTML of a body as text, for the search of addresses: what is shown, and then all that is not.

Not a renderer. Nothing of the source is thrown away that could hold an address, whatever a reader would make of it.
"""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import unquote

from bcc_relay.core.contents.escapes import ESCAPED_SIGN

_COMMENT = re.compile(r"<!--(.*?)(?:--!?>|\Z)", re.DOTALL)
# Tags between whose sides a reader sees no gap, and those that part cells.
_INLINE = frozenset({
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i", "ins", "kbd",
    "label", "mark", "nobr", "o:p", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "tt", "u",
    "var", "wbr", "st1:city", "st1:country-region", "st1:personname", "st1:place", "st1:placename", "st1:placetype",
    "st1:state", "text:a", "text:span", "textpath", "tspan",
})  # fmt: skip
_CELLS = frozenset({"td", "th"})
_NOT_SHOWN = frozenset({"style", "script", "title", "template"})
_NAME = re.compile(r"/?([A-Za-z][A-Za-z0-9:\-]*)")
_BEGINS_TAG = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz/!?")
_BLOCK = 256 * 1024
_MOST_TAGS = 10_000
_LONGEST_TAG = 1000
"""Of so many tags, and no longer ones, it is remembered what they are."""
# What may hold an address, or a part of one.
_SIGN = re.compile(rf"[@\uff20\ufe6b]|%40|%[eE][fF]%|=40|&#|&commat|[(\[{{] ?[aA][tT] ?[)\]}}]|{ESCAPED_SIGN}")
_VALUE = re.compile(r"=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")
# An address that fills the text between two tags.
_ALONE = re.compile(r"\s*([\w.+\-]{1,64}@[\w.\-]{1,255})\s*")
_MAIL_FIELD = re.compile(r"[?&][A-Za-z\-]{1,40}=")
_LONG_NUMBER = re.compile(r"&#[0-9]{9,}")
_STILL_ENCODED = re.compile(r"&(?:#|amp|commat|period|shy|zw)")


def visible_and_hidden_text(html: str) -> str:
    """Return the text of an HTML document: what is shown, a line for each block; then comments, scripts, attributes."""
    return "\n".join(shown_and_hidden(html))


def shown_and_hidden(html: str) -> tuple[str, str]:
    """Return the text that is shown, a line for each block; and that of comments, scripts and attributes.

    Entities are decoded, twice where they are encoded twice; links are percent-decoded. Tags, comments and invisible
    characters within a word leave no gap. Attributes, styles and scripts in which no address can be are left out.
    Linear in the input, whatever it is.
    """
    is_laid_out = "<pre" in html or "<PRE" in html
    comments: list[str] = []
    if "<!--" in html:
        comments = _COMMENT.findall(html)
        html = _COMMENT.sub("", html)
    document = _Document(is_laid_out)
    document.read(html)
    for comment in filter(None, comments):
        document.read_hidden(comment)
    hidden = (*document.hidden, *document.comments)
    return _decoded("".join(document.shown)), "\n".join((*map(_decoded, hidden), *document.values))


class _Document:
    """What has been read so far."""

    def __init__(self, is_laid_out: bool) -> None:
        """`is_laid_out`: its line ends are shown."""
        self._is_laid_out = is_laid_out
        self.shown: list[str] = []
        self.hidden: list[str] = []
        self.comments: list[str] = []
        self.values: list[str] = []
        self._gaps: dict[str, str | None] = {}

    def read_hidden(self, html: str) -> None:
        """Read what no reader shows, as a comment."""
        shown, self.shown = self.shown, []
        self.read(html)
        self.comments.append("".join(self.shown))
        self.shown = shown

    def read(self, html: str) -> None:
        """Part a document at each "<". A tag ends at the first ">" or "<": what it cuts off counts as text."""
        out, start = self.shown, 0
        while start >= 0:
            # In blocks: of a document of nothing but tags, the pieces take much more memory than itself.
            end = html.find("<", start + _BLOCK)
            shown, hidden = len(self.shown), len(self.hidden)
            out = self._read_block(html[start : end if end >= 0 else None], out)
            self.shown[shown:] = ("".join(self.shown[shown:]),)
            self.hidden[hidden:] = filter(_SIGN.search, self.hidden[hidden:])
            start = end

    def _read_block(self, html: str, out: list[str]) -> list[str]:
        """Read what goes on in `out`; return in which list of texts it ended."""
        if not self._is_laid_out:
            html = html.replace("\r\n", " ").replace("\n", " ").replace("\r", " ")
        first, *pieces = html.split("<")
        out.append(first)
        gaps = self._gaps
        for piece in pieces:
            if piece[:1] not in _BEGINS_TAG:
                out.append("<" + piece)
                continue
            tag, _, text = piece.partition(">")
            gap = gaps[tag] if tag in gaps else self._look_at(tag)
            if gap is None:
                out = self.shown if tag[0] == "/" else self.hidden
                gap = "\n"
            out.append(gap)
            out.append(text)
            if "@" in text and (alone := _ALONE.fullmatch(text)):
                self.values.append(alone[1])
        return out

    def _look_at(self, tag: str) -> str | None:
        """Return the gap that a tag leaves, none for one that begins or ends hidden text; keep its values."""
        if _SIGN.search(tag):
            self.values.extend(_values(tag))
        match = _NAME.match(tag)
        name = match[1].lower() if match else ""
        gap: str | None = "" if name in _INLINE else "\t" if name in _CELLS else "\n"
        if name in _NOT_SHOWN:
            gap = None
        if len(self._gaps) < _MOST_TAGS and len(tag) < _LONGEST_TAG:
            self._gaps[tag] = gap
        return gap


def _values(tag: str) -> list[str]:
    """Return the values of a tag's attributes, and what else stands in it, where an address may be; decoded."""
    pieces = [quoted or single or bare for quoted, single, bare in _VALUE.findall(tag)]
    pieces.append(_VALUE.sub(" ", tag))
    return [_link(_decoded(piece)) for piece in pieces if _SIGN.search(piece)]


def _link(value: str) -> str:
    if "%" in value:
        value = unquote(value)
    # RFC 6068 2: the fields of a mailto link.
    return _MAIL_FIELD.sub(" ", value) if "mailto:" in value.lower() else value


def _decoded(text: str) -> str:
    text = text.replace("&nbsp;", " ")
    if "&" not in text:
        return text
    text = _unescaped(text)
    return _unescaped(text) if "&" in text and _STILL_ENCODED.search(text) else text


def _unescaped(text: str) -> str:
    try:
        return unescape(text)
    except ValueError:  # Python reads no number of thousands of digits
        return unescape(_LONG_NUMBER.sub("\ufffd", text))
