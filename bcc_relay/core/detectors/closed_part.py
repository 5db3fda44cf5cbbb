"""Is a part closed to us: encrypted, broken, too large, or only a piece of a message?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.damage import Closed
from bcc_relay.core.model import Channel, Finding

if TYPE_CHECKING:
    from bcc_relay.core.facts import Facts
    from bcc_relay.core.history import History

WHY = {
    Closed.ENCRYPTED: "it is encrypted",
    Closed.PARTIAL: "it is only a piece of a larger message",
    Closed.ELSEWHERE: "its content lies outside the message",
    Closed.OVER_BUDGET: "it holds too much, or is packed too deep",
    Closed.TOO_SLOW: "reading it took too long",
    Closed.BROKEN: "it is broken",
    Closed.UNKNOWN_FORMAT: "it is packed in a way that this relay cannot open",
}


def closed_part(facts: Facts, _: History) -> tuple[Finding, ...]:
    """Return one finding for each reason why a part could not be looked into."""
    return tuple(
        Finding(
            "closed_part",
            Channel.BODY,
            0,
            rewritable=False,
            sentence=f"A part of the message could not be looked into: {WHY[closed]}.",
        )
        for closed in facts.closed
    )
