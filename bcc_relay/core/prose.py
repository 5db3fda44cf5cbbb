"""Plain text for people: filled lines, lists, times and counts in words, and what strangers wrote made harmless."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from bcc_relay.core.compose import clean

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

COLUMNS = 72
MAX_SUBJECT_CHARS = 80
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_IN_ADDRESS = r"[^\s<>,;:\"'()\[\]]"
# The look-behind lets a match begin only where a word does: else a long word is walked from each of its letters.
_ADDRESS = re.compile(rf"(?<!{_IN_ADDRESS}){_IN_ADDRESS}+[@\uff20\ufe6b]{_IN_ADDRESS}+")
_SUBJECT_CHARS_READ = 2000


def named(subject: str) -> str:
    """Write a subject in quotes, shortened and without addresses; or that there is none."""
    subject = subject[:_SUBJECT_CHARS_READ]
    return f'"{masked(subject, MAX_SUBJECT_CHARS)}"' if clean(subject) else "without a subject"


def masked(text: str, max_chars: int | None = None) -> str:
    """Clean text of other people's making and take the addresses out of it."""
    return clean(_ADDRESS.sub("[address]", clean(text)), max_chars)


def count(number: int, noun: str) -> str:
    """Write `1 recipient`, `2 recipients`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def moment(at: datetime) -> str:
    """Write a time: `22 November 2026, 10:00 UTC`."""
    zone = at.strftime("%Z") or at.strftime("%z")
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}, {at:%H:%M} {zone}"


def fill(text: str, indent: str = "") -> str:
    """Break a paragraph into lines."""
    return _filled(text, indent, indent)


def bullets(items: Iterable[str]) -> str:
    """Write a list, an item a paragraph."""
    return "\n".join(_filled(item, "  - ", "    ") for item in items)


def _filled(text: str, first: str, others: str) -> str:
    return textwrap.fill(
        text,
        COLUMNS,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )
