"""The header of a message that passes: what must never leave is taken out, all else stays to the byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.fields import Role, role_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bcc_relay.core.header import Field


def passed_header(fields: Iterable[Field]) -> bytes:
    """Return the header without the fields that never leave: blind copies, Return-Path, marks of a relay."""
    return b"".join(field.raw for field in fields if role_of(field.name) not in (Role.BLIND, Role.LOCAL))
