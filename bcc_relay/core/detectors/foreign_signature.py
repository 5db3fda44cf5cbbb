"""Does a signature of somebody else stand in the way of a rewrite?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.fields import GONE, role_of
from bcc_relay.core.model import Channel, Finding

if TYPE_CHECKING:
    from bcc_relay.core.facts import Facts
    from bcc_relay.core.history import History


def foreign_signature(facts: Facts, _: History) -> tuple[Finding, ...]:
    """Return a finding when outsiders are visible, and taking them away would break a foreign DKIM signature."""
    if not facts.foreign_signatures or not facts.visible_outsiders:
        return ()
    changed = {"to", *(field.name for field in facts.fields if role_of(field.name) in GONE)}
    changed.update(shown.name for shown in facts.shown if shown.counted)
    if not any(signature.breaks(changed) for signature in facts.foreign_signatures):
        return ()
    sentence = "It carries the signature of another organisation, which hiding the addresses would break."
    return (Finding("foreign_signature", Channel.OTHER_HEADER, 0, rewritable=False, sentence=sentence),)
