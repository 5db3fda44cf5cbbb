"""Do the visible outsiders come from many places?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.model import Finding

if TYPE_CHECKING:
    from bcc_relay.core.facts import Facts
    from bcc_relay.core.history import History

_FEWEST = 10
_FEWEST_DOMAINS = 5


def many_domains(facts: Facts, _: History) -> tuple[Finding, ...]:
    """Return a finding when ten or more visible outsiders are in five or more mail domains."""
    seen = len(facts.visible_outsiders)
    if seen < _FEWEST or facts.outsider_domains < _FEWEST_DOMAINS:
        return ()
    sentence = f"The {seen} visible outside addresses are in {facts.outsider_domains} mail domains."
    return (Finding("many_domains", facts.fullest_channel(), seen, rewritable=True, sentence=sentence),)
