"""Rich text (RTF 1.9.1) as text, for the search of addresses, and the documents embedded in it."""

from __future__ import annotations

import binascii
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_BEGINS = re.compile(rb"\s*\{\\rtf")
# Word, its number, and the one space that ends it; an octet in hexadecimal; any other sign (control words). Behind a
# character by its number stands what older readers show in its place.
_CONTROL = re.compile(
    r"\\(?:'([0-9a-fA-F]{2})|u(-?[0-9]{1,6}) ?\??|([a-zA-Z]{1,32})(?:-?[0-9]{1,10})? ?|(.))|[{}]", re.DOTALL
)
_FIRST_OF_CONTROL = re.compile(r"(?<!\\)\\")
_BLOCK = 256 * 1024
_BREAKS = frozenset({
    "par", "line", "tab", "cell", "row", "sect", "page", "pard", "fldinst", "fldrslt", "field", "footnote", "nestcell",
    "column", "trowd", "listtext", "bullet", "emdash", "endash", "lquote", "rquote", "ldblquote", "rdblquote",
    "emspace", "enspace", "qmspace", "objdata", "result",
})  # fmt: skip
_SIGNS = {"\\": "\\", "{": "{", "}": "}", "_": "-", "~": " "}
_OBJECT = re.compile(rb"\\objdata[ \r\n]*([0-9a-fA-F \r\n]+)")
_SPACE = b" \r\n"
_COMPOUND_FILE = b"\xd0\xcf\x11\xe0"


def is_rich_text(octets: bytes) -> bool:
    """Whether a file begins like rich text."""
    return _BEGINS.match(octets) is not None


def words(rich: bytes) -> str:
    """Return the text of rich text, with nothing between the pieces that its formatting parts."""
    text = rich.translate(None, b"\r\n").decode("latin_1")
    pieces: list[str] = []
    start = 0
    while start < len(text):
        # In blocks: what formatting parts takes several times the memory of the text.
        cut = _FIRST_OF_CONTROL.search(text, start + _BLOCK)
        end = cut.start() if cut else len(text)
        pieces.append(_CONTROL.sub(_meant, text[start:end]))
        start = end
    return "".join(pieces).replace("\x00", "")


def _meant(match: re.Match[str]) -> str:
    octet, number, word, sign = match.groups()
    if octet:
        return bytes((int(octet, 16),)).decode("cp1252", "replace")
    if number:
        code = int(number) % 65536
        return chr(code) if not 0xD800 <= code < 0xE000 else ""
    if word:
        return "\n" if word in _BREAKS else ""
    return _SIGNS.get(sign or "", "")


def objects(rich: bytes) -> Iterator[bytes]:
    """Yield the compound files of the documents that are embedded in rich text (RTF 1.9.1, objects)."""
    for match in _OBJECT.finditer(rich):
        digits = match[1].translate(None, _SPACE)
        octets = binascii.unhexlify(digits[: len(digits) // 2 * 2])
        at = octets.find(_COMPOUND_FILE)
        if at >= 0:
            yield octets[at:]
