"""Would people see each other's addresses for the first time?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.model import Finding

if TYPE_CHECKING:
    from bcc_relay.core.facts import Facts
    from bcc_relay.core.history import History

_FEWEST = 2


def strangers(facts: Facts, history: History) -> tuple[Finding, ...]:
    """Return a finding when visible outsiders were never visible together with any other of them, as far as we know."""
    new, seen = history.strangers, len(facts.visible_outsiders)
    if new < _FEWEST or not seen:
        return ()
    sentence = (
        f"These {seen} people have never seen each other's addresses."
        if new >= seen
        else f"{new} of these {seen} people have never seen an address of the others."
    )
    return (Finding("strangers", facts.fullest_channel(), new, rewritable=True, sentence=sentence),)
