"""The header block as octets: splitting it into fields and reading their text. What is not touched stays as it came.

Fields are found by RFC 5322 2.2 and 4.5 alone, not by what some library would make of them. A line that is neither a
field nor the continuation of one is kept, and is reported as damage.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcc_relay.core.model import Body, Message

if TYPE_CHECKING:
    from bcc_relay.core.model import Content


@dataclass(frozen=True, slots=True)
class Field:
    """One header field. `name` is lower-case, empty for a line that is no field; `raw` is all its octets with CRLF."""

    name: str
    raw: bytes
    value: bytes
    """Octets after the colon, still folded, without the last CRLF."""


_FIELD_LINE = re.compile(rb"([!-9;-~]+)[ \t]*:")
_FOLD = re.compile(rb"\r\n(?=[ \t])")


def split_message(content: Content) -> Message:
    """Part a whole message (CRLF line ends) into header, blank line and body; the body shares the buffer.

    The first blank line ends the header, whatever stands before it. Without one, everything is header.
    """
    if content[:2] == b"\r\n":
        return Message(b"", b"\r\n", Body(content, 2))
    end = content.find(b"\r\n\r\n")
    if end < 0:
        return Message(content[: len(content)], b"", Body(b""))
    return Message(content[: end + 2], b"\r\n", Body(content, end + 4))


def split_fields(header: bytes) -> tuple[Field, ...]:
    """Part a header block into fields, in order. The `raw` of all fields joined is `header` again, to the byte.

    White space before the colon (RFC 5322 4.5.8) belongs to no name. A line of white space alone continues a field.
    """
    fields: list[Field] = []
    start = 0
    while start < len(header):
        end = _end_of_field(header, start)
        raw = header[start:end]
        match = _FIELD_LINE.match(raw)
        if match:
            value = raw[match.end() :]
            fields.append(Field(match[1].decode("ascii").lower(), raw, value.removesuffix(b"\r\n")))
        else:
            fields.append(Field("", raw, raw.removesuffix(b"\r\n")))
        start = end
    return tuple(fields)


def _end_of_field(header: bytes, start: int) -> int:
    at = header.find(b"\r\n", start)
    while at >= 0:
        following = header[at + 2 : at + 3]
        if following not in (b" ", b"\t"):
            return at + 2
        at = header.find(b"\r\n", at + 2)
    return len(header)


def unfold(value: bytes) -> bytes:
    """Remove folds (RFC 5322 2.2.3): each CRLF before white space goes, the white space stays."""
    return _FOLD.sub(b"", value) if b"\r\n" in value else value


def text_of(value: bytes) -> str:
    """Return a field's value as text, unfolded: UTF-8 (RFC 6532), else Latin-1, which loses no ASCII address."""
    octets = unfold(value)
    if octets.isascii():
        return octets.decode("ascii")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("latin-1")


# --- encoded-words (RFC 2047) ----------------------------------------------------------------------------------------

_ENCODED_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?\r\n]*)\?=")
_BETWEEN = re.compile(r"(\?=)[ \t\r\n]+(?==\?[^?\s]{1,60}\?[bBqQ]\?)")
_QUOTED_OCTET = re.compile(rb"=([0-9A-Fa-f]{2})")
# Codecs of Python that are no character sets of mail, or that take more than linear time.
_NO_CHARSETS = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"})


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text with its encoded-words decoded. `unknown`: some could not be; `line_break`: one held CR or LF."""

    text: str
    unknown: bool = False
    line_break: bool = False


def decode_words(text: str) -> Decoded:
    """Decode the encoded-words of an unfolded field value, also inside quoted strings, as mail clients do.

    White space between two encoded-words goes (RFC 2047 6.2). What cannot be decoded stays as it is written.
    """
    if "=?" not in text:
        return Decoded(text)
    unknown = line_break = False

    def replace(match: re.Match[str]) -> str:
        nonlocal unknown, line_break
        word = _decode_word(match[1], match[2], match[3])
        if word is None:
            unknown = True
            return match[0]
        if "\r" in word or "\n" in word:
            line_break = True
        return word

    return Decoded(_ENCODED_WORD.sub(replace, _BETWEEN.sub(r"\1", text)), unknown, line_break)


def _decode_word(charset: str, encoding: str, content: str) -> str | None:
    charset = charset.partition("*")[0].lower()  # RFC 2231 5: a language may follow
    if charset.replace("-", "_") in _NO_CHARSETS:
        return None
    octets = content.encode("utf-8", "surrogateescape")
    if encoding in "bB":
        try:
            octets = binascii.a2b_base64(octets + b"=" * (-len(octets) % 4))
        except binascii.Error:
            return None
    else:
        octets = _QUOTED_OCTET.sub(lambda hex_: bytes.fromhex(hex_[1].decode()), octets.replace(b"_", b" "))
    try:
        return octets.decode(charset, "replace")
    except (LookupError, UnicodeError, ValueError):
        return None


def encode_words(text: str) -> list[bytes]:
    """Encode text as RFC 2047 encoded-words in UTF-8, each at most 75 octets; control characters become spaces."""
    words: list[bytes] = []
    piece = b""
    for char in text:
        octets = (char if char.isprintable() else " ").encode("utf-8", "replace")
        if len(piece) + len(octets) > 45:
            words.append(piece)
            piece = b""
        piece += octets
    if piece:
        words.append(piece)
    return [b"=?utf-8?b?" + binascii.b2a_base64(word, newline=False) + b"?=" for word in words]
