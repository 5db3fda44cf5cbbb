"""Content-Type and Content-Disposition: media type, parameters, and every boundary that a reader might take from them.

Values are read as octets in Latin-1, so that nothing of a boundary is lost; `text_parameter` makes text of the others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from bcc_relay.core.header import decode_words, text_of

_FOLD = re.compile(rb"\r?\n(?=[ \t])")
# Nearly all of them: one match, no further look.
_SIMPLE = re.compile(rb'\s*([\w.+-]+/[\w.+-]+)\s*(?:;\s*charset\s*=\s*"?([\w.:+-]+)"?\s*)?;?\s*', re.IGNORECASE)
_COMMENTS = r"(?:\s++|\([^()]*+\))*"
_MEDIA_TYPE = re.compile(rf"{_COMMENTS}([^\s;:,=/()\"]++){_COMMENTS}(?:/{_COMMENTS}([^\s;:,=/()\"]++))?")
_ANY_TYPE = re.compile(
    r"\b(text|multipart|message|application|image|audio|video|font|model)\s*/\s*([\w.+\-]++)", re.IGNORECASE
)
_PARAMETER = re.compile(
    rf";{_COMMENTS}([^\s=;:\"()<>@,/\\\[\]?]++){_COMMENTS}={_COMMENTS}(?:\"((?:[^\"\\]|\\.)*)\"?|([^;]*+))", re.DOTALL
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_CONTINUED = re.compile(r"([^*]+)(?:\*([0-9]{1,5}))?(\*?)")
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_BOUNDARY = re.compile(rf"boundary{_COMMENTS}={_COMMENTS}", re.IGNORECASE)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_UP_TO_SEMICOLON = re.compile(r"[^;]*")
_UP_TO_SPECIAL = re.compile(r"[^\s;,()\"]*")
_MOST_BOUNDARIES = 8


@dataclass(frozen=True, slots=True)
class ContentType:
    """What one Content-Type field says (RFC 2045 5.1)."""

    media_type: str = ""
    """Lower case; empty when there is none."""
    parameters: dict[str, str] = field(default_factory=dict)
    """By lower-case name, quotes and continuations undone (RFC 2231); the first of a name counts."""
    boundaries: tuple[bytes, ...] = ()
    """Every reading of a boundary parameter, wherever it stands."""

    @property
    def charset(self) -> str:
        """Name of the character set as given, empty when there is none."""
        return self.parameters.get("charset", "")


NO_TYPE = ContentType()


_LONGEST_REMEMBERED = 120
_MOST_REMEMBERED = 512


def content_type(value: bytes) -> ContentType:
    """Read a Content-Type value, folded or not. Never raises."""
    # Most mail says the same few things here.
    return _remembered_type(value) if len(value) <= _LONGEST_REMEMBERED else _content_type(value)


def _content_type(value: bytes) -> ContentType:
    if match := _SIMPLE.fullmatch(value):
        charset = {"charset": match[2].decode("latin-1")} if match[2] else {}
        return ContentType(match[1].decode("latin-1").lower(), charset)
    text = _FOLD.sub(b"", value).decode("latin-1")
    found = _MEDIA_TYPE.match(text)
    if not (found and found[2]):
        found = _ANY_TYPE.search(text.partition(";")[0]) or found
    media_type = "/".join(filter(None, found.groups())).lower() if found else ""
    given = parameters(text)
    return ContentType(media_type, given, _boundaries(text, given))


_remembered_type = lru_cache(_MOST_REMEMBERED)(_content_type)


def parameters(text: str) -> dict[str, str]:
    """Return the parameters of a field value by lower-case name, in Latin-1, RFC 2231 undone where it is used.

    Where a parameter stands there in both forms, the one of RFC 2231 has a star behind its name.
    """
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[bool, str]]] = {}
    for name, quoted, bare in _PARAMETER.findall(text):
        value = _ESCAPED.sub(r"\1", quoted) if "\\" in quoted else quoted or bare.strip()
        if "*" not in name:
            plain.setdefault(name.lower(), value)
        elif match := _CONTINUED.fullmatch(name):
            pieces.setdefault(match[1].lower(), {}).setdefault(int(match[2] or 0), (bool(match[3]), value))
    for name, numbered in pieces.items():
        plain[f"{name}*" if name in plain else name] = _joined(numbered)
    return plain


def _joined(numbered: dict[int, tuple[bool, str]]) -> str:
    """Put a continued parameter together (RFC 2231 3 and 4)."""
    octets = b""
    charset = ""
    values = []
    for number, (encoded, value) in sorted(numbered.items()):
        piece = value
        if encoded and number == min(numbered) and value.count("'") >= 2:
            charset, _, piece = value.split("'", 2)
        octets = piece.encode("latin-1", "replace")
        values.append(_PERCENT.sub(lambda match: bytes((int(match[1], 16),)), octets) if encoded else octets)
    octets = b"".join(values)
    if charset and charset.lower().startswith("utf-16"):
        return octets.replace(b"\x00", b"").decode("latin-1")
    return octets.decode("latin-1")


def text_parameter(value: str) -> str:
    """Return a parameter as people read it: UTF-8 where it is, encoded-words decoded."""
    return decode_words(text_of(value.encode("latin-1", "replace"))).text


def _boundaries(text: str, given: dict[str, str]) -> tuple[bytes, ...]:
    """Return what readers might take for the boundary, the likeliest first.

    Quotes may be unbalanced, comments may follow, the semicolon before may be missing.
    """
    readings: list[str] = []
    for match in _BOUNDARY.finditer(text):
        start = match.end()
        if quoted := _QUOTED.match(text, start):
            readings += [_ESCAPED.sub(r"\1", quoted[1]), quoted[1]]
        else:
            start += text.startswith('"', start)
            readings += [found[0] for end in (_UP_TO_SEMICOLON, _UP_TO_SPECIAL) if (found := end.match(text, start))]
        if len(readings) > _MOST_BOUNDARIES:
            break
    readings += [given.get("boundary", ""), given.get("boundary*", "")]
    octets = (reading.rstrip().encode("latin-1", "replace") for reading in readings)
    return tuple(dict.fromkeys(reading for reading in octets if reading))[:_MOST_BOUNDARIES]
