"""What a DKIM signature covers, and whether a change of the header breaks it (RFC 6376)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcc_relay.core.header import unfold

if TYPE_CHECKING:
    from collections.abc import Collection

_TAG = re.compile(rb"(?:^|;)\s*([a-z]+)\s*=\s*([^;]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Signature:
    """One DKIM-Signature field."""

    domain: str
    """Its `d=` in lower case; empty when there is none."""
    covers: frozenset[str] | None
    """Lower-case names of the fields that it covers; None when it does not say."""

    def breaks(self, changed: Collection[str]) -> bool:
        """Whether it is no longer valid when fields of these names change, come or go.

        It may cover a field that is not there, so that adding one breaks it as well (RFC 6376 5.4.2, 8.15).
        """
        return self.covers is None or not self.covers.isdisjoint(changed)


def signature_of(value: bytes) -> Signature:
    """Read the value of a DKIM-Signature field; what it does not say is taken for the worst."""
    tags = {name.lower(): text for name, text in _TAG.findall(unfold(value))}
    domain = tags.get(b"d", b"").strip().decode("ascii", "replace").lower()
    if b"h" not in tags:
        return Signature(domain, None)
    names = b"".join(tags[b"h"].split()).lower().decode("ascii", "replace")
    return Signature(domain, frozenset(names.split(":")))
