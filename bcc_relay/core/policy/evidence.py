"""All that a rule may ask about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from bcc_relay.core.history import NO_HISTORY
from bcc_relay.core.model import Origin

if TYPE_CHECKING:
    from bcc_relay.core.facts import Facts
    from bcc_relay.core.history import History
    from bcc_relay.core.model import Finding

_NOWHERE = Origin("")
_NEVER = date.min


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known when a message is decided about."""

    facts: Facts
    history: History = NO_HISTORY
    findings: tuple[Finding, ...] = ()
    origin: Origin = _NOWHERE
    today: date = _NEVER
    """UTC."""
