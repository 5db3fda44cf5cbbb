"""The gist of a text: a digest by which the pieces of one mailing are recognised, whoever is greeted in each."""

from __future__ import annotations

import hashlib
import re

from bcc_relay.core.contents.quoted import split_quoted

_MOST_CHARACTERS = 1500
_MOST_GREETING = 1000
_MOST_WORDS = 200
_FEWEST_WORDS = 8
_GIST_OCTETS = 16
# A first line that greets: short, and ended by a comma or the like; or one that begins as greetings do.
_GREETING = re.compile(
    r"\s*(?:(?:dear|hi|hello|hey|hallo|liebe|lieber|liebes|sehr geehrte|sehr geehrter|guten tag|moin|cher|chère|"
    r"bonjour|estimado|estimada|querido|querida|hola|annwyl|helo|good (?:morning|afternoon|evening|day)|greetings)\b"
    r"[^,!:;.\n]{0,80}(?:[,!:;.\n]|\Z)|[^\n,!:.?]{1,60}(?:[,!:][ \t\r]*\n|\n[ \t\r]*\n)|[^\n]{1,30}様[ \t\r]*\n)",
    re.IGNORECASE,
)
_FIRST_WORD = re.compile(r"\A\S+")
# Letters stay, in whatever script; what else there is in ASCII parts words.
_LETTERS = bytes(octet if chr(octet).isalpha() or octet >= 0x80 else 32 for octet in range(256))
# Scripts that put no space between words: each letter counts as half a word.
_UNSPACED = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]")


def gist_of(text: str) -> bytes:
    """Return 16 octets that are the same for texts of the same words; none where the text has fewer than eight.

    The greeting, quoted text, addresses, numbers, case and layout do not count, nor does what follows the first 1,500
    characters.
    """
    start = text[: _MOST_GREETING + _MOST_CHARACTERS].lstrip()
    greeting = _GREETING.match(start)
    own = start[greeting.end() if greeting else 0 :][:_MOST_CHARACTERS]
    own = split_quoted(own)[0] if ":" in own else own
    lines = [line for line in own.split("\n") if not line.lstrip().startswith((">", "|"))]
    words = _words("\n".join(lines).casefold())[:_MOST_WORDS]
    if len(words) < _FEWEST_WORDS and len(_UNSPACED.findall(own)) < 2 * _FEWEST_WORDS:
        return b""
    return hashlib.sha256(b" ".join(words)).digest()[:_GIST_OCTETS]


def _words(text: str) -> list[bytes]:
    first, *others = text.replace("\uff20", "@").split("@")
    if others:
        pieces = [_but_last_word(first), *(_but_last_word(_FIRST_WORD.sub("", piece)) for piece in others[:-1])]
        text = " ".join((*pieces, _FIRST_WORD.sub("", others[-1])))
    return text.encode("utf-8", "replace").translate(_LETTERS).split()


def _but_last_word(text: str) -> str:
    return text[: max(text.rfind(" "), text.rfind("\n")) + 1]
