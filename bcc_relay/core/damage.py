"""What keeps us from seeing what a reader sees: damage that could hide an address, and closed parts."""

from __future__ import annotations

from enum import StrEnum


class Damage(StrEnum):
    """What could hide from us an address that a reader sees. A closed list, explained in `docs/detection.md`."""

    HEADER_TOO_LARGE = "header_too_large"
    NO_HEADER = "no_header"
    NOT_A_FIELD = "not_a_field"
    CONTROL_CHARACTER = "control_character"
    ENCODED_LINE_BREAK = "encoded_line_break"
    UNKNOWN_CHARSET = "unknown_charset"
    AMBIGUOUS_MIME = "ambiguous_mime"
    BROKEN_OUTLOOK_ITEM = "broken_outlook_item"


class Closed(StrEnum):
    """Why a part of the body could not be looked into. A closed list, explained in `docs/detection.md`."""

    ENCRYPTED = "encrypted"
    PARTIAL = "partial"
    """A piece of a message (RFC 2046 5.2.2)."""
    ELSEWHERE = "elsewhere"
    """The content lies outside the message (RFC 2046 5.2.3)."""
    OVER_BUDGET = "over_budget"
    """Too deep, too large once unpacked, or too many parts."""
    TOO_SLOW = "too_slow"
    """The reader was stopped, or gave up."""
    BROKEN = "broken"
    """It claims a format that we read, and is none."""
    UNKNOWN_FORMAT = "unknown_format"
    """A container that we have no reader for."""
