"""The header block as octets: splitting it into fields and reading their text. What is not touched stays as it came.

Fields are found by RFC 5322 2.2 and 4.5 alone, not by what some library would make of them. A line that is neither a
field nor the continuation of one is kept, and is reported as damage.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from encodings.aliases import aliases
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
# A field without a CR or LF out of place, which is nearly every one.
_WHOLE_FIELD = re.compile(rb"([!-9;-~]++)[ \t]*+:([^\r\n]*+(?:\r\n[ \t][^\r\n]*+)*)\r\n(?![ \t])")
_FOLD = re.compile(rb"\r\n(?=[ \t])")


def split_message(content: Content) -> Message:
    """Part a whole message (CRLF line ends) into header, blank line and body; the body shares the buffer.

    The first blank line ends the header, whatever stands before it. Without one, everything is header; a last line
    without its CRLF, which SMTP cannot bring, gets one.
    """
    if content[:2] == b"\r\n":
        return Message(b"", b"\r\n", Body(content, 2))
    end = content.find(b"\r\n\r\n")
    if end < 0:
        header = content[: len(content)]
        return Message(header if header.endswith(b"\r\n") or not header else header + b"\r\n", b"", Body(b""))
    return Message(content[: end + 2], b"\r\n", Body(content, end + 4))


def split_fields(header: bytes, most: int | None = None) -> tuple[Field, ...]:
    """Part a header block into fields, in order. The `raw` of all fields joined is `header` again, to the byte.

    White space before the colon (RFC 5322 4.5.8) belongs to no name. A line of white space alone continues a field.
    What follows the first `most` fields is one piece, without a name or a value.
    """
    fields: list[Field] = []
    start = 0
    while start < len(header):
        if len(fields) == most:
            fields.append(Field("", header[start:], b""))
            break
        if whole := _WHOLE_FIELD.match(header, start):
            fields.append(Field(whole[1].decode("ascii").lower(), whole[0], whole[2]))
            start = whole.end()
            continue
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


_MESSAGE_ID = re.compile(rb"^Message-ID[ \t]*:(?:[ \t]|\r\n[ \t])*([^\s]+)", re.IGNORECASE | re.MULTILINE)


def message_id_of(header: bytes) -> bytes:
    """Return the first Message-ID with its angle brackets, up to white space; empty when there is none."""
    match = _MESSAGE_ID.search(header)
    return match[1] if match else b""


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
# What a lenient reader might take for an encoded-word though it is none by RFC 2047.
_ALMOST_ENCODED = re.compile(r"=\?[^?\s]{1,60}\?[bBqQ]\?")
_QUOTED_OCTET = re.compile(rb"=([0-9A-Fa-f]{2})")
_PADDING = re.compile(rb"=+")
_SURROGATE = re.compile("[\ud800-\udfff]")
# Codecs of Python that are no character sets of mail.
_NO_CHARSETS = {
    "base64_codec", "bz2_codec", "hex_codec", "mbcs", "quopri_codec", "rot_13", "uu_codec", "zlib_codec", "idna",
    "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "oem",
}  # fmt: skip
# Names seen in mail that are missing in Python's table.
_MORE_CHARSETS = {
    "cp874": "cp874", "windows_874": "cp874", "koi8_u": "koi8_u", "koi8_t": "koi8_t", "utf_8_sig": "utf_8_sig",
    "windows_31j": "cp932", "x_sjis": "cp932", "x_euc_jp": "euc_jp", "x_gbk": "gbk", "x_mac_roman": "mac_roman",
    "iso_8859_8_i": "iso8859_8", "iso_8859_8_e": "iso8859_8", "iso_8859_6_i": "iso8859_6", "iso_8859_6_e": "iso8859_6",
}  # fmt: skip
# A closed table: Python's own search remembers every unknown name for good, and strangers choose the names here.
_CHARSETS = {
    name: codec
    for name, codec in {**{codec: codec for codec in aliases.values()}, **aliases, **_MORE_CHARSETS}.items()
    if codec not in _NO_CHARSETS
}
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text with its encoded-words decoded. `unknown`: some could not be; `line_break`: one held CR or LF."""

    text: str
    unknown: bool = False
    line_break: bool = False


def decode_words(text: str, *, fallback: str | None = None) -> Decoded:
    """Decode the encoded-words of an unfolded field value, also inside quoted strings, as mail clients do.

    White space between two encoded-words goes (RFC 2047 6.2). What cannot be decoded stays as it is written, or is
    decoded in the character set `fallback` where only the name of its own is not known. Of broken base64, what can be
    decoded is in the text, and it counts as unknown all the same.
    """
    if "=?" not in text:
        return Decoded(text)
    unknown = line_break = False

    def replace(match: re.Match[str]) -> str:
        nonlocal unknown, line_break
        charset = codec_of(match[1])
        if charset is None:
            unknown = True
            charset = fallback
        word = None if charset is None else _decode_word(charset, match[2], match[3])
        if word is None:
            unknown = True
            return match[0]
        plain, is_sound = word
        unknown = unknown or not is_sound
        if "\r" in plain or "\n" in plain:
            line_break = True
        return plain

    decoded = _ENCODED_WORD.sub(replace, _BETWEEN.sub(r"\1", text))
    unknown = unknown or _ALMOST_ENCODED.search(decoded) is not None
    return Decoded(decoded, unknown, line_break)


def codec_of(charset: str) -> str | None:
    """Return Python's name of a character set as mail names it; None when there is none."""
    # RFC 2231 5: a language may follow.
    return _CHARSETS.get(_NOT_IN_NAMES.sub("_", charset.partition("*")[0].lower()).strip("_"))


_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))


def from_base64_piece(octets: bytes) -> bytes:
    """Decode base64 that has no padding; what is no base64 in it is left out."""
    clean = octets.translate(None, _NOT_BASE64)
    # One character too many says nothing.
    clean = clean[: len(clean) - (len(clean) % 4 == 1)]
    return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))


def _base64_pieces(octets: bytes) -> list[bytes]:
    """Part base64 at its padding, which ends nothing for many readers; behind one character alone it is no padding."""
    runs: list[list[bytes]] = []
    length = 0
    for piece in _PADDING.split(octets):
        if length % 4 != 1:
            runs.append([])
            length = 0
        runs[-1].append(piece)
        length += len(piece)
    return list(map(b"".join, runs))


def _decode_word(charset: str, encoding: str, content: str) -> tuple[str, bool] | None:
    """Return the text of a word, and whether nothing had to be left out; None when it is no text in that charset."""
    octets = content.encode("utf-8", "replace")
    is_sound = True
    if encoding in "bB":
        pieces = _base64_pieces(octets)
        try:
            octets = b"".join(binascii.a2b_base64(piece + b"=" * (-len(piece) % 4)) for piece in pieces)
        except binascii.Error:
            octets, is_sound = b"".join(map(from_base64_piece, pieces)), False
    else:
        octets = _QUOTED_OCTET.sub(lambda hex_: bytes.fromhex(hex_[1].decode()), octets.replace(b"_", b" "))
    try:
        # Some codecs make surrogates, which are no characters and cannot be written.
        return _SURROGATE.sub("\ufffd", octets.decode(charset, "replace")), is_sound
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
