"""Are most of the visible outsiders private people?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.model import Finding

if TYPE_CHECKING:
    from bcc_relay.core.facts import Facts
    from bcc_relay.core.history import History

_FEWEST = 10
_SHARE = 0.5


def mostly_personal(facts: Facts, _: History) -> tuple[Finding, ...]:
    """Return a finding when half or more of ten or more visible outsiders are at providers of personal mail."""
    seen = len(facts.visible_outsiders)
    if seen < _FEWEST or facts.personal_share < _SHARE:
        return ()
    personal = round(seen * facts.personal_share)
    sentence = f"{personal} of the {seen} visible outside addresses are at providers of personal mail."
    return (Finding("mostly_personal", facts.fullest_channel(), personal, rewritable=True, sentence=sentence),)
