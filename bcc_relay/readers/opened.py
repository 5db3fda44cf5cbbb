"""What a reader got out of one part: text and octets to search, and further parts to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcc_relay.core.model import Channel

if TYPE_CHECKING:
    from bcc_relay.core.contents.found import Part
    from bcc_relay.core.damage import Closed, Damage


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """The inside of one part."""

    channel: Channel
    """Where the addresses in `texts` and `octets` count."""
    texts: tuple[str, ...] = ()
    octets: tuple[bytes, ...] = ()
    """What may hold text in one encoding or another."""
    parts: tuple[Part, ...] = ()
    closed: frozenset[Closed] = frozenset()
    damage: frozenset[Damage] = frozenset()
    named_keys: int = 0


_COUNT_WHOLE = (Channel.ARCHIVE, Channel.TNEF, Channel.ATTACHED_MESSAGE, Channel.PROTECTED_HEADER)


def channel_within(part: Part, own: Channel) -> Channel:
    """Return where the addresses within a part count: by its own kind, unless it lay in something that counts whole."""
    return part.channel if part.channel in _COUNT_WHOLE else own
