"""Is the body closed to us: encrypted, or only a piece of a message?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.model import Channel, Finding

if TYPE_CHECKING:
    from bcc_relay.core.facts import Facts
    from bcc_relay.core.history import History


def closed_part(facts: Facts, _: History) -> tuple[Finding, ...]:
    """Return a finding when the body could not be looked into."""
    if not facts.unreadable:
        return ()
    why = "it is encrypted" if facts.encrypted else "it is signed as one block, or stands elsewhere"
    return (
        Finding(
            "closed_part", Channel.BODY, 0, rewritable=False, sentence=f"The body could not be looked into: {why}."
        ),
    )
