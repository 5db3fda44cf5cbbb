"""States of a stored message and every allowed move between them, in one table."""

from __future__ import annotations

from bcc_relay.core.record import State

S = State

MOVES: dict[State, frozenset[State]] = {
    # Held stays held when someone asks for a release as it is and a second person is needed.
    S.HELD: frozenset({S.HELD, S.RELEASED, S.DISCARDED, S.EXPIRED}),
    S.QUEUED: frozenset({S.DELIVERING, S.QUEUED, S.FAILED, S.DISCARDED}),
    S.RELEASED: frozenset({S.DELIVERING, S.RELEASED, S.FAILED, S.DISCARDED}),
    # Back to where it came from on a deferral or a lost lease.
    S.DELIVERING: frozenset({S.DELIVERED, S.FAILED, S.QUEUED, S.RELEASED}),
    S.DELIVERED: frozenset(),
    S.FAILED: frozenset(),
    S.DISCARDED: frozenset(),
    S.EXPIRED: frozenset(),
}

FINAL = frozenset(state for state, onward in MOVES.items() if not onward)
"""States that nothing leaves. Retention counts from when a message enters one."""

WAITING = frozenset({S.QUEUED, S.RELEASED})
"""States from which delivery claims a message."""


def allowed(old: State, new: State) -> bool:
    """Whether a stored message may move from `old` to `new`."""
    return new in MOVES[old]
