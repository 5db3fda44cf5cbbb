"""The header of a message that passes: what must never leave is taken out, all else stays to the byte."""

from __future__ import annotations

import re

from bcc_relay.core.fields import Role, names_of

_NAMES = b"|".join(re.escape(name.encode()) for name in names_of(Role.BLIND, Role.LOCAL))
# As `split_fields` parts a header, but without making a value of every field: a header may be very large.
_NEVER_LEAVE = re.compile(
    rb"(?:\A|(?<=\r\n))(?:" + _NAMES + rb")[ \t]*:(?:[^\r]+|\r(?!\n)|\r\n(?=[ \t]))*(?:\r\n|\Z)", re.IGNORECASE
)


def passed_header(header: bytes) -> bytes:
    """Return the header without the fields that never leave: blind copies, Return-Path, marks of a relay."""
    return _NEVER_LEAVE.sub(b"", header)
