"""Do the subject or the author's fields show outsiders to others? No rewrite touches those."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.model import Channel, Finding
from bcc_relay.core.places import addresses_stand_in

if TYPE_CHECKING:
    from bcc_relay.core.facts import Facts
    from bcc_relay.core.history import History

_CHANNELS = (Channel.SUBJECT, Channel.FROM)


def written_by_hand(facts: Facts, _: History) -> tuple[Finding, ...]:
    """Return one finding for each such channel."""
    beyond = facts.beyond_rewriting()
    return tuple(
        Finding(
            "written_by_hand",
            channel,
            len(beyond[channel]),
            rewritable=False,
            sentence=addresses_stand_in(len(beyond[channel]), channel),
        )
        for channel in _CHANNELS
        if channel in beyond
    )
