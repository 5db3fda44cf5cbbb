"""Header fields and text of the relay's own mail, as octets. Every value passes one cleaning: nobody adds a field.

All of it is 7-bit, but for an internationalised mailbox, which has no other form (RFC 6532).
"""

from __future__ import annotations

import binascii
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcc_relay.core.header import encode_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LINE_COLUMNS = 76
LINE_OCTETS = 998  # RFC 5322 2.1.1
_WORD_OCTETS = 900  # leaves room for the longest field name
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")  # part of the spelling in some scripts and of emoji
_MESSAGE_ID = re.compile(r"<[!-;=?A-~]{1,240}@[!-;=?A-~]{1,240}>")


@dataclass(frozen=True, slots=True)
class Part:
    """A MIME part: its header fields, each with its CRLF, and its body."""

    fields: bytes
    body: bytes


def clean(text: str, max_chars: int | None = None) -> str:
    """Return one line that is safe to show: controls and line ends become spaces, runs of them one; cut with `...`.

    Gone are CR, LF and NUL (header injection), Unicode line ends, and marks that turn the reading direction.
    """
    safe = (" " if unicodedata.category(char) in _UNSAFE and char not in _JOINERS else char for char in text)
    words = " ".join("".join(safe).split())
    if max_chars is not None and len(words) > max_chars:
        return words[: max_chars - 3].rstrip() + "..."
    return words


def field(name: str, value: str) -> bytes:
    """Write one unstructured field, folded; text beyond ASCII, or that only looks encoded, in RFC 2047 words."""
    value = clean(value)
    return _fold(name, value.split() if _is_plain(value) else _encoded_words(value))


def machine_field(name: str, value: str) -> bytes:
    """Write one field that machines read, folded; what is not ASCII becomes `?`."""
    return _fold(name, clean(value).encode("ascii", "replace").decode().split())


def mailbox_field(name: str, address: str, display: str = "") -> bytes:
    """Write one field with one mailbox. An address beyond ASCII stays UTF-8: its envelope needs SMTPUTF8 anyway."""
    bare = clean(address)
    shown = clean(display.replace('"', "").replace("\\", ""))
    if not shown:
        return _fold(name, bare.split(" "))
    phrase = f'"{shown}"'.split() if _is_plain(shown) else _encoded_words(shown)
    return _fold(name, [*phrase, *f"<{bare}>".split(" ")])


def message_id_field(name: str, message_id: str | None) -> bytes:
    """Write a field with one message identifier in its angle brackets; nothing when it is absent or not a valid one."""
    if message_id is None or not _MESSAGE_ID.fullmatch(message_id):
        return b""
    return _fold(name, [message_id])


def text_part(text: str) -> Part:
    r"""Make a plain text part of `text`, whose lines end in `\n`: 7bit when it is ASCII, else quoted-printable."""
    lines = text.rstrip("\n").split("\n")
    if text.isascii() and all(len(line) <= LINE_OCTETS for line in lines):
        body = "".join(f"{line}\r\n" for line in lines).encode()
        return Part(text_fields("us-ascii", "7bit"), body)
    quoted = (binascii.b2a_qp(line.encode("utf-8", "replace")).replace(b"\n", b"\r\n") for line in lines)
    return Part(text_fields("utf-8", "quoted-printable"), b"".join(line + b"\r\n" for line in quoted))


def text_fields(charset: str, encoding: str) -> bytes:
    """Write the header fields of a plain text part."""
    return (
        machine_field("Content-Type", f"text/plain; charset={charset}")
        + machine_field("Content-Transfer-Encoding", encoding)
    )  # fmt: skip


def _is_plain(value: str) -> bool:
    return value.isascii() and "=?" not in value


def _encoded_words(value: str) -> list[str]:
    return [word.decode("ascii") for word in encode_words(value)]


def _fold(name: str, words: Iterable[str]) -> bytes:
    """Lay words out in lines; only a word too long for SMTP is cut."""
    lines = [f"{name}:"]
    for piece in (piece for word in words for piece in _cut(word)):
        if lines[-1] == f"{name}:" or len(lines[-1]) + 1 + len(piece) <= LINE_COLUMNS:
            lines[-1] += f" {piece}"
        else:
            lines.append(f" {piece}")
    return ("\r\n".join(lines) + "\r\n").encode()


def _cut(word: str) -> Iterator[str]:
    size = _WORD_OCTETS if word.isascii() else _WORD_OCTETS // 4
    for at in range(0, len(word), size):
        yield word[at : at + size]
