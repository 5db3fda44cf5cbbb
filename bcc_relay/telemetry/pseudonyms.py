"""Replaces addresses by keyed pseudonyms, in fields of their own and inside free text such as upstream replies.

The scan is lenient on purpose: it rather swallows too much than lets an address through.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from bcc_relay.core.pseudonym import digits

if TYPE_CHECKING:
    from collections.abc import Callable

    Pseudonym: TypeAlias = "Callable[[str], str]"

MAX_TEXT_CHARS = 1000
"""Longer free texts are cut: a log line is not the place for them."""

# The sign itself, its compatibility forms, and how echoes encode it: URL, xtext (RFC 3461 4), HTML. An encoded sign
# counts only before something like a domain, else `delay=40` would be one.
_SIGN = r"(?:[@\uff20\ufe6b]|(?:%40|\+40|=40|&#64;|&#x40;|&commat;)(?=[^\W_][\w-]*\.[^\W_]))"
_AT = re.compile(_SIGN, re.IGNORECASE)
# A quoted local part may hold anything, the sign too (RFC 5321 4.1.2).
_QUOTED_AT = re.compile(rf'(?P<quoted>"(?:[^"\\]|\\.)*")?{_SIGN}', re.IGNORECASE | re.DOTALL)
_BEFORE = frozenset(' \t\r\n\v\f<>(),;:"[]')
_AFTER = frozenset(' \t\r\n\v\f<>(),;:"')
_TRIM = "'`.!?*|\\[]{}"


def keyed(key: bytes) -> Pseudonym:
    """Return a function from an address to its pseudonym, `addr:` and 16 hexadecimal digits (see `core/pseudonym.py`).

    `key` is a subkey for this use alone.
    """
    return lambda address: f"addr:{digits(key, address)}"


def looks_like_address(text: str) -> bool:
    """Whether `text` holds anything that a reader could take for an address."""
    return _AT.search(text) is not None


def without_addresses(text: str, pseudonym: Pseudonym) -> str:
    """Replace everything in `text` that looks like an address.

    Text beyond MAX_TEXT_CHARS is cut before, back to a blank so that no half address stays.
    """
    text = _cut(text)
    pieces: list[str] = []
    done = 0
    for sign in _QUOTED_AT.finditer(text):
        if sign.end() <= done:
            continue  # inside what was swallowed already, as in a@b@c
        start = max(done, sign.start()) if sign["quoted"] else _start(text, sign.start(), done)
        end = _end(text, sign.end())
        pieces += (text[done:start], pseudonym(_AT.sub("@", text[start:end].strip(_TRIM))))
        done = end
    pieces.append(text[done:])
    return "".join(pieces)


def one_line(text: str) -> str:
    r"""Make `text` safe for a line on a terminal: `\n` as ` / `, other unprintable characters escaped."""
    text = text.replace("\r\n", "\n").replace("\n", " / ")
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def _cut(text: str) -> str:
    if len(text) <= MAX_TEXT_CHARS:
        return text
    head = text[:MAX_TEXT_CHARS]
    return head[: max(head.rfind(" "), head.rfind("\n"), 0)] + " ..."


def _start(text: str, at: int, floor: int) -> int:
    """Where the word that ends at `at` begins, not before `floor`."""
    while at > floor and text[at - 1] not in _BEFORE:
        at -= 1
    return at


def _end(text: str, end: int) -> int:
    """Where the domain that begins at `end` ends; it may be an address literal (RFC 5321 4.1.3)."""
    while end < len(text) and text[end] not in _AFTER:
        if text[end] == "[" and (closing := text.find("]", end)) >= 0:
            end = closing
        end += 1
    return end
