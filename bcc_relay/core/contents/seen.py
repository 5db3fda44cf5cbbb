"""What was seen so far while one body is looked into."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.contents.found import Contents, Looked, Quoted
from bcc_relay.core.contents.text import find_in_octets, find_in_text
from bcc_relay.core.damage import Closed
from bcc_relay.core.model import Channel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bcc_relay.core.address import Known
    from bcc_relay.core.contents.budget import Budget
    from bcc_relay.core.contents.found import Part
    from bcc_relay.core.damage import Damage

MOST_BLOCKS = 100
"""So many quoted header blocks are told apart."""
MOST_SIGNS = 50_000
"""So many "@" of one file are looked at: people who can be shown to each other are fewer."""
MOST_SIGNS_OF_OCTETS = 300_000
_SIGNS = (b"@", b"%40", b"&#64", b"&#x40", b"&commat", b"(at)", b"[at]")
_TEXT_SIGNS = (
    "@",
    "%40",
    "=40",
    "\\u0040",
    "\\x40",
    "\\40",
    "&#",
    "&comm",
    "\uff20",
    "\ufe6b",
    "\xef\xbc\xa0",
    "\xef\xb9\xab",
)
"""The last two are the two before them, in UTF-8 read as Latin-1."""
_BRACKETS = ("(", "[", "{")
_BRACKETS_A_SIGN = 8
"""Hardly any bracket spells a sign out, and those that do stand close together."""
_OTHER_SCRIPTS = 4
"""So many times as long takes an address whose characters have several forms."""


def _signs_in(text: str) -> int:
    signs = sum(map(text.count, _TEXT_SIGNS)) + sum(map(text.count, _BRACKETS)) // _BRACKETS_A_SIGN
    return signs if text.isascii() else signs * _OTHER_SCRIPTS


class Seen:
    """Addresses by channel, what was closed or damaged, and the parts that only a library opens."""

    def __init__(self, names: Known, budget: Budget) -> None:
        """`names`: addresses to recognise also where other text is glued to them."""
        self.names = names
        self._budget = budget
        self.closed: set[Closed] = set()
        self.damage: set[Damage] = set()
        self.unopened: list[Part] = []
        self.named_keys = 0
        self.gist = b""
        self._quoted: list[Quoted] = []
        self._shown: dict[Channel, set[str]] = {}

    def show(self, channel: Channel, keys: Iterable[str]) -> None:
        """Note addresses."""
        if keys:
            self._shown.setdefault(channel, set()).update(keys)

    def quote(self, authors: set[str], people: set[str]) -> None:
        """Note who stands in one quoted header block."""
        if people and len(self._quoted) <= MOST_BLOCKS:
            self.show(Channel.QUOTED_HEADER, people)
            self._quoted.append(Quoted(frozenset(authors), frozenset(people)))
        elif people:
            # Nobody is known to have seen all the rest.
            self.show(Channel.QUOTED_HEADER, people)
            self._quoted[-1] = Quoted(frozenset(), self._quoted[-1].people | people)

    def bounded(self, octets: bytes, most: int = MOST_SIGNS) -> bytes:
        """Return the octets up to where they show more than anybody reads; the rest is closed."""
        for sign in _SIGNS if len(octets) > most else ():
            if octets.count(sign) > most:
                self.closed.add(Closed.OVER_BUDGET)
                octets = sign.join(octets.split(sign, most)[:-1])
        return octets

    def affords(self, searched: str | bytes) -> bool:
        """Take the signs in a text or in octets from the budget; whether it may be searched. Else it is closed."""
        if not self._budget.limits.signs:
            return True
        text = searched if isinstance(searched, str) else searched.decode("latin_1")
        if not self._budget.take_signs(_signs_in(text)):
            self.closed.add(Closed.OVER_BUDGET)
            return False
        return True

    def in_text(self, text: str) -> set[str]:
        """Return the addresses in a text; none when the budget does not allow to search it."""
        return find_in_text(text, self.names) if self.affords(text) else set()

    def in_octets(self, octets: bytes) -> set[str]:
        """Return the addresses in a file of whatever format; none when the budget does not allow to search it."""
        return find_in_octets(octets, self.names) if self.affords(octets) else set()

    def looked(self) -> Looked:
        """Return all of it as values."""
        shown = tuple((channel, frozenset(keys)) for channel, keys in self._shown.items())
        contents = Contents(
            shown, frozenset(self.closed), frozenset(self.damage), self.named_keys, self.gist, tuple(self._quoted)
        )
        return Looked(contents, tuple(self.unopened))
