"""What mail programs put before a subject when they answer or forward."""

from __future__ import annotations

import re

_FORWARD = "fwd?|wg|tr|rv|vb|enc|doorst|yml|i|pd|轉寄|转发|転送"
_ANSWER = "re|aw|antw|sv|vs|ref|rif|res|ynt|odp|atb|返信|回复|回覆"
_BEGINNING_CHARS = 80
_MARK = r"(?:\[[0-9]{1,3}\])? ?[:\uff1a] ?"
_PREFIXES = re.compile(rf"(?:(?:{_ANSWER}|{_FORWARD}){_MARK})+")
_FORWARDED = re.compile(rf"(?:{_FORWARD}){_MARK}")


def bare_subject(subject: str) -> str:
    """Return a decoded subject without its prefixes (`Re:`, `Fwd:` and their kin), in lower case, its spaces single."""
    plain = _plain(subject)
    prefixes = _PREFIXES.match(plain)
    return plain[prefixes.end() :] if prefixes else plain


def is_forwarded(subject: str) -> bool:
    """Whether the outermost prefix of a decoded subject says that the message was forwarded."""
    return _FORWARDED.match(_plain(subject[:_BEGINNING_CHARS])) is not None


def _plain(subject: str) -> str:
    return " ".join(subject.split()).casefold()
