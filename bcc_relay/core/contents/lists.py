"""Files that are there to list people, and calendars, as text in which no address is folded or encoded.

The search for addresses is left to others.
"""

from __future__ import annotations

import re

from bcc_relay.core.contents.html import visible_and_hidden_text
from bcc_relay.core.contents.text import decode_text
from bcc_relay.core.header import from_base64_piece

_FOLD = re.compile(r"\r?\n[ \t]")
_FOLDED_OCTETS = re.compile(rb"\r?\n[ \t]")
_SOFT_BREAK = re.compile(rb"=[ \t]*\r?\n")
_QUOTED_OCTET = re.compile(rb"=([0-9A-Fa-f]{2})")
_CARD = re.compile(rb"\s*BEGIN:VCARD", re.IGNORECASE)
_QUOTED_PRINTABLE = re.compile(rb"QUOTED-PRINTABLE", re.IGNORECASE)
_BASE64_OF_CARD = re.compile(
    r"^([^:\r\n]{0,200};(?:ENCODING=)?B(?:ASE64)?(?:;[^:\r\n]{0,200})?):([A-Za-z0-9+/= \t]+)",
    re.MULTILINE | re.IGNORECASE,
)
_BASE64_OF_LDIF = re.compile(r"^([A-Za-z0-9.\-]+(?:;[A-Za-z0-9.\-;]*)?)::[ \t]*([A-Za-z0-9+/=]+)", re.MULTILINE)
_ESCAPED = re.compile(r"\\([nN,;:\\])")
# RFC 6868: quotes and line ends in a parameter.
_CARET = re.compile(r"\^(['n^])")
_CARETS = {"'": '"', "n": "\n", "^": "^"}
_LONGEST_TEXT = 16384


def list_text(octets: bytes, charset: str, name: str) -> str:
    """Return the text of a vCard, LDIF, CSV, TSV or plain file in any encoding; never raises.

    `name` is the file's name, by whose end a vCard or LDIF is told where its first line does not tell. Folds (RFC 6350
    3.2, RFC 2849) are undone, also within a character; values in quoted-printable or base64 are decoded.
    """
    ending = name.lower().rpartition(".")[2]
    if ending in ("vcf", "vcard") or _CARD.match(octets):
        return _unescaped(_BASE64_OF_CARD.sub(_in_clear, decode_text(_unfolded_card(octets), charset)))
    text = decode_text(octets, charset)
    if ending in ("ldif", "ldi") or "\ndn:" in text or text.startswith(("dn:", "version:")):
        text = decode_text(_FOLDED_OCTETS.sub(b"", octets), charset) if b"\0" not in octets else _FOLD.sub("", text)
        return _BASE64_OF_LDIF.sub(_in_clear, text)
    return text.replace("|", "\t")


def _unfolded_card(octets: bytes) -> bytes:
    if b"\0" in octets:
        octets = decode_text(octets, "").encode("utf-8", "replace")
    if _QUOTED_PRINTABLE.search(octets):
        octets = _SOFT_BREAK.sub(b"", octets)
        octets = _QUOTED_OCTET.sub(lambda digits: bytes.fromhex(digits[1].decode("ascii")), octets)
    return _FOLDED_OCTETS.sub(b"", octets)


def _in_clear(match: re.Match[str]) -> str:
    """Return the line with its value decoded, when that is a text."""
    if len(match[2]) > _LONGEST_TEXT:
        return match[0]
    return f"{match[1]}: {decode_text(from_base64_piece(match[2].encode('ascii', 'ignore')), 'utf-8')}"


def _unescaped(text: str) -> str:
    """Undo backslashes (RFC 6350 3.4, RFC 5545 3.3.11)."""
    return _ESCAPED.sub(lambda match: "\n" if match[1] in "nN" else match[1], text) if "\\" in text else text


# --- calendars -------------------------------------------------------------------------------------------------------

# A line that somebody indented is no continuation, though RFC 5545 calls it one.
_CALENDAR_FOLD = re.compile(r"\r?\n[ \t](?!(?:ATTENDEE|ORGANIZER|CONTACT|COMMENT|DESCRIPTION|X-[A-Z0-9\-]{1,60})[;:])")
_TORN = re.compile("[\u00c2-\u00f4][\u0080-\u00bf]{1,3}")
_PARAMETER = re.compile(r"(;[A-Za-z0-9\-]{1,60}=)")
_HTML_VALUE = re.compile(r"^X-ALT-DESC[^\r\n]*", re.MULTILINE | re.IGNORECASE)


def calendar_text(text: str) -> str:
    """Return a calendar (RFC 5545) unfolded and with its escapes undone: every property, parameter and value is kept.

    A character that a fold had torn is mended. A description in HTML is read as such, and stands at the end.
    """
    text = _CALENDAR_FOLD.sub("", text)
    if not text.isascii():
        text = _TORN.sub(_mended, text)
    if "^" in text:
        # Only in parameters does it stand for something else.
        decoded = (_CARET.sub(lambda match: _CARETS[match[1]], line) for line in text.split("\n") if "^" in line)
        text = "\n".join((text, *decoded))
    html = [visible_and_hidden_text(_unescaped(value)) for value in _HTML_VALUE.findall(text)]
    text = _HTML_VALUE.sub("", text) if html else text
    return "\n".join((_PARAMETER.sub(r"\1 ", _unescaped(text)), *html))


def _mended(match: re.Match[str]) -> str:
    try:
        return match[0].encode("latin-1").decode("utf-8")
    except UnicodeError:
        return match[0]
