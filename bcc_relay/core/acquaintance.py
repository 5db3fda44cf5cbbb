"""Who has seen whom in the circles of earlier mail: plain set logic that never writes a pair down.

People are any hashable stand-ins (the store gives keyed hashes), circles are numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet


class Place(NamedTuple):
    """One person's place in one circle."""

    circle: int
    person: Hashable
    is_shown: bool
    is_reader: bool
    """It went to this person, or the header says so; false for whom only its body shows."""


_Person = TypeVar("_Person", bound=Hashable)


def have_seen(shown: AbstractSet[Hashable], readers: AbstractSet[Hashable], places: Iterable[Place]) -> bool:
    """Whether each of `shown` was already shown to each other one of `readers` and `shown`, in any of the circles.

    A reader counts as having seen a circle only by having been a reader of it; one who is but shown again, by having
    been in it at all. The work grows with the places times the number of different groups of readers in machine words.
    """
    shown_in: dict[Hashable, set[int]] = {one: set() for one in shown}
    seen_by: dict[Hashable, set[int]] = {one: set() for one in shown | readers}
    for circle, person, is_shown, is_reader in places:
        if is_shown and person in shown_in:
            shown_in[person].add(circle)
        if person in seen_by and (is_reader or person not in readers):
            seen_by[person].add(circle)
    # Those who saw the same circles stand or fall together: one bit for each such group.
    groups = _grouped(seen_by)
    bits = {circles: 1 << at for at, circles in enumerate(groups)}
    reached: defaultdict[int, int] = defaultdict(int)
    for circles, bit in bits.items():
        for circle in circles:
            reached[circle] |= bit
    everybody = (1 << len(groups)) - 1
    for circles, people in _grouped(shown_in).items():
        missing = everybody
        for circle in circles:
            missing &= ~reached[circle]
        if missing and not _is_alone(people, missing, seen_by, groups, bits):
            return False
    return True


def _is_alone(
    people: list[Hashable],
    missing: int,
    seen_by: Mapping[Hashable, AbstractSet[int]],
    groups: Mapping[frozenset[int], list[Hashable]],
    bits: Mapping[frozenset[int], int],
) -> bool:
    """Whether nobody is missing but the one person herself, who need not have seen herself."""
    own = frozenset(seen_by[people[0]])
    return len(people) == 1 and missing == bits[own] and len(groups[own]) == 1


def _grouped(circles_of: Mapping[_Person, AbstractSet[int]]) -> dict[frozenset[int], list[_Person]]:
    groups: defaultdict[frozenset[int], list[_Person]] = defaultdict(list)
    for person, circles in circles_of.items():
        groups[frozenset(circles)].append(person)
    return groups


def few_enough(sizes: Iterable[tuple[int, int]], *, places: int) -> list[int]:
    """Return the circles, of (circle, number of places) in order of importance, that have so many places together.

    One that is too large by itself is left out, and those after it may still fit.
    """
    chosen: list[int] = []
    for circle, size in sizes:
        if size <= places:
            places -= size
            chosen.append(circle)
    return chosen
