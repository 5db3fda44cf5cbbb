"""What the use cases are told: plain values, replaced as a whole when the configuration is read again."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from bcc_relay.core.policy.rule import Policy

if TYPE_CHECKING:
    from bcc_relay.core.actions.leave import Leaving
    from bcc_relay.core.retry import Schedule


@dataclass(frozen=True, slots=True)
class RelayOptions:
    """Everything that intake, delivery, review and upkeep go by."""

    leaving: Leaving
    schedule: Schedule
    notices_from: str
    reviewers: tuple[str, ...] = ()
    policy: Policy = field(default_factory=Policy)
    live: bool = True
    """Try the upstream while the client waits."""
    live_deadline_s: float = 50.0
    queue_when_unavailable: bool = True
    """Store and answer 250 when the upstream is down or defers; False: answer 451."""
    refuse_all: bool = False
    """One refused recipient refuses the message, on listeners without AUTH."""
    refuse_all_authenticated: bool = True
    """The same on listeners with AUTH."""
    expire_after: timedelta = timedelta(days=14)
    second_person_as_is: bool = True
    keep_bodies: timedelta = timedelta(0)
    keep_records: timedelta = timedelta(days=90)
    keep_memory: timedelta = timedelta(days=365)


class Current:
    """Holds the options in force. A reload swaps them in one step; work that has begun goes on with the old ones."""

    def __init__(self, options: RelayOptions) -> None:
        """Start with `options`."""
        self.options = options
