"""What looking into a body came to, as a value that facts are read with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bcc_relay.core.damage import Closed, Damage
    from bcc_relay.core.model import Channel


@dataclass(frozen=True, slots=True)
class Contents:
    """What the body of one message shows. Addresses are keys (`Address.key`), of whomever they are."""

    shown: tuple[tuple[Channel, frozenset[str]], ...] = ()
    """Each channel that shows addresses, once."""
    closed: frozenset[Closed] = frozenset()
    damage: frozenset[Damage] = frozenset()
    named_keys: int = 0
    """Recipients' keys that the encryption names, so that each of them can tell who else got it (RFC 5652 6.2, RFC 9580
    5.1); anonymous ones do not count."""
    gist: bytes = b""
    """Digest of the words of the text, by which the pieces of one mailing are recognised; empty when there are few."""


NOTHING = Contents()
"""An empty body, or one that was not looked into."""
