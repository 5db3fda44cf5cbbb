"""Does an answer bring outsiders into a conversation that did not have them?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.model import Finding
from bcc_relay.core.subject import is_forwarded

if TYPE_CHECKING:
    from bcc_relay.core.facts import Facts
    from bcc_relay.core.history import History


def gained_outsiders(facts: Facts, history: History) -> tuple[Finding, ...]:
    """Return a finding when a known thread gains outsiders and the header shows some; forwards have their own."""
    gained = history.gained
    if not gained or not facts.visible_outsiders or is_forwarded(facts.subject):
        return ()
    people = "1 person outside who was" if gained == 1 else f"{gained} people outside who were"
    sentence = f"This answer brings in {people} not part of the conversation before."
    return (Finding("gained_outsiders", facts.fullest_channel(), gained, rewritable=True, sentence=sentence),)
