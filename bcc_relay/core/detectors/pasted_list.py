"""Do To or Cc look like a list that was pasted, rather than people chosen one by one?"""

from __future__ import annotations

import re
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from bcc_relay.core.header import text_of
from bcc_relay.core.model import Channel, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bcc_relay.core.facts import Facts
    from bcc_relay.core.history import History

_FEWEST = 10
_MOST_READ = 1000
"""So many addresses tell what a list looks like."""
_CHANNELS = (Channel.TO, Channel.CC)
# What stands between two commas or semicolons; those in quotes part nothing. A quote without an end parts as well.
_PIECE = re.compile(r'((?:"[^"]*"|[^",;]+|"(?=[^"]*\Z))+)([,;]?)')


def pasted_list(facts: Facts, _: History) -> tuple[Finding, ...]:
    """Return a finding for To and for Cc when ten or more addresses there are sorted, nameless or parted by semicolons.

    Only where ten or more outsiders are visible to others.
    """
    if len(facts.visible_outsiders) < _FEWEST:
        return ()
    return tuple(found for channel in _CHANNELS if (found := _looked_at(facts, channel)))


def _looked_at(facts: Facts, channel: Channel) -> Finding | None:
    values = (text_of(field.value) for field in facts.fields if field.name == channel.value)
    entries = [entry for value in values for entry in islice(_entries(value), _MOST_READ)]
    if len({address for _, address, _ in entries}) < _FEWEST:
        return None
    signs = [
        words
        for words, is_seen in (
            ("in alphabetical order", _is_sorted([name or address for name, address, _ in entries])),
            ("without any names", not any(name for name, _, _ in entries)),
            ("parted by semicolons", all(mark == ";" for _, _, mark in entries[:-1])),
        )
        if is_seen
    ]
    if not signs:
        return None
    place = "To" if channel is Channel.TO else "Cc"
    sentence = f"The addresses in the {place} field stand {_listed(signs)}, as in a list that was pasted."
    addresses = len(facts.outsiders_by_channel().get(channel, ()))
    return Finding("pasted_list", channel, addresses, rewritable=True, sentence=sentence)


def _entries(value: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, address and the mark behind it, as written. A name that only repeats the address is none."""
    for piece in _PIECE.finditer(value):
        before, angle, behind = piece[1].rpartition("<")
        address = behind.partition(">")[0].strip().casefold()
        if "@" not in address:
            continue
        name = before.strip(" \t\"'").casefold() if angle else ""
        yield ("" if name == address else name), address, piece[2]


def _is_sorted(words: Sequence[str]) -> bool:
    return all(one <= other for one, other in pairwise(words))


def _listed(signs: Sequence[str]) -> str:
    *first, last = signs
    return f"{', '.join(first)} and {last}" if first else last
