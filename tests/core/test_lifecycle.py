"""The table of states: what the product promises about it."""

from __future__ import annotations

from bcc_relay.core import lifecycle
from bcc_relay.core.record import State

S = State


def onward(start: State) -> set[State]:
    """States that a message can reach from `start`."""
    reached: set[State] = set()
    waiting = [start]
    while waiting:
        for state in lifecycle.MOVES[waiting.pop()] - reached:
            reached.add(state)
            waiting.append(state)
    return reached


def test_every_state_has_its_line() -> None:
    assert set(lifecycle.MOVES) == set(State)


def test_the_moves_of_the_contract_are_there() -> None:
    promised = {
        (S.HELD, S.RELEASED),
        (S.HELD, S.DISCARDED),
        (S.HELD, S.EXPIRED),
        (S.QUEUED, S.DELIVERING),
        (S.RELEASED, S.DELIVERING),
        (S.DELIVERING, S.DELIVERED),
        (S.DELIVERING, S.FAILED),
        (S.DELIVERING, S.QUEUED),
        (S.DELIVERING, S.RELEASED),
    }
    assert all(lifecycle.allowed(old, new) for old, new in promised)


def test_final_states_are_left_by_nothing() -> None:
    assert {S.DELIVERED, S.FAILED, S.DISCARDED, S.EXPIRED} == lifecycle.FINAL
    assert not any(lifecycle.allowed(old, new) for old in lifecycle.FINAL for new in State)


def test_what_is_held_is_never_delivered_without_a_release() -> None:
    assert not lifecycle.allowed(S.HELD, S.DELIVERING)
    assert not lifecycle.allowed(S.HELD, S.QUEUED)
    assert not lifecycle.allowed(S.HELD, S.DELIVERED)
    assert {S.QUEUED, S.RELEASED} == lifecycle.WAITING


def test_nothing_becomes_held_again() -> None:
    assert {old for old in State if lifecycle.allowed(old, S.HELD)} == {S.HELD}
    assert S.HELD not in onward(S.RELEASED) | onward(S.QUEUED)


def test_mail_under_way_is_never_discarded_or_expired_directly() -> None:
    assert not {S.DISCARDED, S.EXPIRED, S.HELD, S.DELIVERING} & lifecycle.MOVES[S.DELIVERING]


def test_every_message_can_reach_an_end() -> None:
    assert all(onward(state) & lifecycle.FINAL for state in State if state not in lifecycle.FINAL)
