"""What a reader, or a program of theirs, can find in a delivered copy. Knows nothing of the product's own parsers."""

from __future__ import annotations

import html
import quopri
import re
from email import message_from_bytes, policy
from email.header import decode_header
from urllib.parse import unquote

_ADDRESS = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9.-]+[a-z0-9]")
_ENCODED_WORD = re.compile(r"=\?[^?\s]+\?[bq]\?[^?\s]*\?=(?:\s*=\?[^?\s]+\?[bq]\?[^?\s]*\?=)*", re.IGNORECASE)


def addresses_shown(octets: bytes) -> set[str]:
    """Every address that stands in a message, written plainly or encoded in some usual way; in lower case."""
    texts = [octets.decode("latin-1"), quopri.decodestring(octets).decode("latin-1")]
    unfolded = re.sub(r"\r?\n[ \t]", " ", texts[0])
    texts += [unfolded, unfolded.replace(" ", "")]
    texts += [_decoded(word) for word in _ENCODED_WORD.findall(unfolded)]
    for part in message_from_bytes(octets, policy=policy.compat32).walk():
        payload = part.get_payload(decode=True)
        if isinstance(payload, bytes):
            texts += [payload.decode("latin-1"), payload.decode("utf-8", "replace")]
    found: set[str] = set()
    for text in texts:
        for form in (text, html.unescape(text), unquote(text), text.replace("\uff20", "@")):
            found.update(_ADDRESS.findall(form.lower()))
    return found


def _decoded(word: str) -> str:
    pieces = decode_header(word)
    return "".join(p.decode(charset or "latin-1", "replace") if isinstance(p, bytes) else p for p, charset in pieces)
