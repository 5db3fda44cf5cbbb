"""One question a file: facts in, findings out. The list of detectors stands here; nothing registers itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.detectors.closed_part import closed_part
from bcc_relay.core.detectors.damaged import damaged
from bcc_relay.core.detectors.foreign_signature import foreign_signature
from bcc_relay.core.detectors.forwarded_as_new import forwarded_as_new
from bcc_relay.core.detectors.gained_outsiders import gained_outsiders
from bcc_relay.core.detectors.many_domains import many_domains
from bcc_relay.core.detectors.many_visible import many_visible
from bcc_relay.core.detectors.mostly_personal import mostly_personal
from bcc_relay.core.detectors.named_keys import named_keys
from bcc_relay.core.detectors.pasted_list import pasted_list
from bcc_relay.core.detectors.shown_in_body import shown_in_body
from bcc_relay.core.detectors.strangers import strangers
from bcc_relay.core.detectors.written_by_hand import written_by_hand

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcc_relay.core.facts import Facts
    from bcc_relay.core.history import History
    from bcc_relay.core.model import Finding

DETECTORS: dict[str, Callable[[Facts, History], tuple[Finding, ...]]] = {
    # Who is shown, and where.
    "many_visible": many_visible,
    "written_by_hand": written_by_hand,
    "shown_in_body": shown_in_body,
    "forwarded_as_new": forwarded_as_new,
    "named_keys": named_keys,
    # What cannot be seen, or not be changed.
    "closed_part": closed_part,
    "damaged": damaged,
    "foreign_signature": foreign_signature,
    # What kind of circle it is.
    "strangers": strangers,
    "gained_outsiders": gained_outsiders,
    "mostly_personal": mostly_personal,
    "many_domains": many_domains,
    "pasted_list": pasted_list,
}
"""In the order in which people read what was found: the gravest first."""


def detect(facts: Facts, history: History) -> tuple[Finding, ...]:
    """Ask every detector, in the order of the list."""
    return tuple(finding for detector in DETECTORS.values() for finding in detector(facts, history))
