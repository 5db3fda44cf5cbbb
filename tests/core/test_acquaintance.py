"""Who has seen whom: set logic against pairs tried one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bcc_relay.core.acquaintance import Place, few_enough, have_seen


def places(*circles: dict[str, str]) -> list[Place]:
    """Circles as person -> letters: s for shown, r for reader."""
    return [
        Place(number, person, "s" in how, "r" in how)
        for number, one in enumerate(circles)
        for person, how in one.items()
    ]


def everyone_saw_everyone(people: str) -> dict[str, str]:
    return dict.fromkeys(people, "sr")


def test_those_of_one_open_message_have_seen_each_other() -> None:
    known = places(everyone_saw_everyone("abc"))
    assert have_seen({"a", "b"}, {"a", "b", "c"}, known)
    assert not have_seen({"a", "b"}, {"a", "b", "d"}, known)
    assert not have_seen({"a", "d"}, {"a", "b"}, known)


def test_pairs_may_have_met_in_different_circles() -> None:
    known = places(everyone_saw_everyone("ab"), everyone_saw_everyone("bc"), everyone_saw_everyone("ac"))
    assert have_seen(set("abc"), set("abc"), known)
    assert not have_seen(set("abc"), set("abc"), known[:4])


def test_a_blind_reader_has_seen_but_was_not_seen() -> None:
    known = places({"a": "sr", "b": "r"})
    assert have_seen({"a"}, {"a", "b"}, known)
    assert not have_seen({"a", "b"}, {"a", "b"}, known)


def test_whom_a_body_named_has_not_read_it() -> None:
    """A list forwarded to one person does not make those on it acquainted: not before one of them receives it."""
    known = places({"a": "sr", "b": "s", "c": "s"})
    assert not have_seen(set("abc"), set("abc"), known)
    # Quoted again to the same reader it tells nobody anything.
    assert have_seen(set("abc"), {"a"}, known)


def test_nobody_needs_to_have_seen_herself() -> None:
    assert have_seen({"a"}, {"a"}, [])
    assert have_seen(set(), {"a", "b"}, [])
    assert have_seen({"a"}, {"a", "b"}, places({"a": "s", "b": "r"}))
    assert not have_seen({"a"}, {"a", "b"}, [])


PEOPLE = st.sampled_from("abcdef")
HOW = st.sampled_from(["s", "r", "sr"])
CIRCLES = st.lists(st.dictionaries(PEOPLE, HOW, max_size=6), max_size=6)


@given(st.sets(PEOPLE), st.sets(PEOPLE), CIRCLES)
def test_groups_come_to_the_same_as_pairs(shown: set[str], readers: set[str], circles: list[dict[str, str]]) -> None:
    def has_seen(reader: str, other: str) -> bool:
        return any(
            "s" in one.get(other, "") and ("r" in one.get(reader, "") or (reader not in readers and reader in one))
            for one in circles
        )

    pairs = [has_seen(reader, other) for other in shown for reader in shown | readers if reader != other]
    assert have_seen(shown, readers, places(*circles)) == all(pairs)


def test_circles_are_taken_in_order_while_they_fit() -> None:
    assert few_enough([(9, 4), (8, 7), (7, 5), (6, 2)], places=10) == [9, 7]
    assert few_enough([(1, 11)], places=10) == []
