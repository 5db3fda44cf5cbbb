"""What a reader could see in a header: an independent checker for tests. It shares no code with the product.

It decodes a header in every way that some reader might, and looks for one address in all of them.
"""

from __future__ import annotations

import base64
import binascii
import html
import quopri
import re
import unicodedata
import urllib.parse
from email.errors import HeaderParseError
from email.header import decode_header
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_INVISIBLE = dict.fromkeys([0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF])
_BASE64 = re.compile(r"[A-Za-z0-9+/]{6,}={0,2}")
_WORD = re.compile(r"=\?[^?\s]*\?[bBqQ]\?([^?]*)\?=")
_COMMENT = re.compile(r"\([^()]*\)")


def seen(header: bytes, addresses: Iterable[str]) -> set[str]:
    """Return which of these addresses a reader could see in a header block."""
    # Most forms of most headers are the same text.
    forms = set(map(_plain, {form for text in set(_texts(header)) for form in _forms(text)}))
    plain = ((address, _plain(address)) for address in addresses)
    return {address for address, text in plain if any(_occurs(text, form) for form in forms)}


def _texts(header: bytes) -> Iterator[str]:
    unfolded = re.sub(rb"\r\n(?=[ \t])", b"", header)
    for octets in (header, unfolded):
        yield octets.decode("utf-8", "replace")
        yield octets.decode("latin-1")


def _forms(text: str) -> Iterator[str]:
    spelt = re.sub(r"(?i)\s*[(\[{]\s*at\s*[)\]}]\s*", "@", text)
    for form in (text, spelt):
        yield form
        yield _COMMENT.sub(" ", form)
        yield html.unescape(form)
        yield urllib.parse.unquote(form)
        yield quopri.decodestring(form.encode("utf-8", "replace"), header=True).decode("utf-8", "replace")
    for line in text.split("\r\n"):
        yield _by_the_library(line)
    joined = re.sub(r"\?=\s+=\?", "?==?", text)
    yield _WORD.sub(lambda word: _unpacked(word[1]), joined)
    for run in _BASE64.findall(text):
        yield _base64(run)


def _by_the_library(line: str) -> str:
    try:
        pieces = decode_header(line)
        return "".join(
            piece if isinstance(piece, str) else piece.decode(charset or "latin-1", "replace")
            for piece, charset in pieces
        )
    except (HeaderParseError, LookupError, ValueError):
        return ""


def _unpacked(word: str) -> str:
    quoted = quopri.decodestring(word.encode("utf-8", "replace"), header=True).decode("utf-8", "replace")
    return f" {quoted} {_base64(word)} " if "=" in word and quoted != word else f"{_base64(word)} {quoted}"


def _base64(run: str) -> str:
    try:
        return base64.b64decode(run + "=" * (-len(run) % 4)).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).translate(_INVISIBLE).casefold()
    text = re.sub(r"xn--[a-z0-9-]+", lambda label: _u_label(label[0]), text)
    return re.sub(r"\s*([@.])\s*", r"\1", unicodedata.normalize("NFKC", text))


def _u_label(label: str) -> str:
    try:
        return label[4:].encode().decode("punycode")
    except UnicodeError:
        return label


def _occurs(address: str, text: str) -> bool:
    return address in text and re.search(rf"(?<![\w.+-]){re.escape(address)}(?![\w-]|\.\w)", text) is not None
