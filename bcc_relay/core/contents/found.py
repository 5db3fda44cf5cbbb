"""What looking into a body came to, as values that facts are read with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bcc_relay.core.contents.kinds import Kind
    from bcc_relay.core.damage import Closed, Damage
    from bcc_relay.core.model import Channel


@dataclass(frozen=True, slots=True)
class Quoted:
    """Who stands in one header block of quoted or forwarded mail. Whoever stands in it has seen all of it."""

    authors: frozenset[str]
    """Who wrote that mail, as far as the block gives an address; empty when it does not say."""
    people: frozenset[str]
    """Everybody in the block, the authors too."""


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
    quoted: tuple[Quoted, ...] = ()
    """The blocks that make up the channel `quoted_header`, as far as they are told apart."""


NOTHING = Contents()
"""An empty body, or one that was not looked into."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One file: a part of a message, or what came out of an archive. Its transfer encoding is undone."""

    channel: Channel
    """Where its addresses count, unless its kind has a channel of its own: a list within an archive is `archive`."""
    kind: Kind
    name: str
    octets: bytes
    depth: int


@dataclass(frozen=True, slots=True)
class Looked:
    """What was seen so far, and the parts that only a library can open."""

    contents: Contents = NOTHING
    unopened: tuple[Part, ...] = ()


def merged(several: Iterable[Contents]) -> Contents:
    """Return what all of them show together; the first gist counts."""
    shown: dict[Channel, set[str]] = {}
    closed: set[Closed] = set()
    damage: set[Damage] = set()
    named_keys, gist = 0, b""
    quoted: list[Quoted] = []
    for one in several:
        for channel, keys in one.shown:
            shown.setdefault(channel, set()).update(keys)
        closed |= one.closed
        damage |= one.damage
        named_keys += one.named_keys
        gist = gist or one.gist
        quoted += one.quoted
    return Contents(
        tuple((channel, frozenset(keys)) for channel, keys in shown.items()),
        frozenset(closed),
        frozenset(damage),
        named_keys,
        gist,
        tuple(quoted),
    )
