"""One question a file: facts in, findings out. The list of detectors stands here; nothing registers itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.detectors.closed_part import closed_part
from bcc_relay.core.detectors.damaged import damaged
from bcc_relay.core.detectors.many_visible import many_visible
from bcc_relay.core.detectors.written_by_hand import written_by_hand

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcc_relay.core.facts import Facts
    from bcc_relay.core.history import History
    from bcc_relay.core.model import Finding

DETECTORS: dict[str, Callable[[Facts, History], tuple[Finding, ...]]] = {
    "many_visible": many_visible,
    "written_by_hand": written_by_hand,
    "closed_part": closed_part,
    "damaged": damaged,
}


def detect(facts: Facts, history: History) -> tuple[Finding, ...]:
    """Ask every detector, in the order of the list."""
    return tuple(finding for detector in DETECTORS.values() for finding in detector(facts, history))
