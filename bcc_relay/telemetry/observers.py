"""Shows every event to several observers; one that fails harms neither the others nor the mail."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bcc_relay.core.events import Event
    from bcc_relay.relay.ports import Observe

_LOG = logging.getLogger(__name__)


class Observers:
    """Itself an observer (`ports.Observe`) that never raises."""

    def __init__(self, *observers: Observe) -> None:
        self._observers = observers

    def __call__(self, event: Event) -> None:
        """Show `event` to each observer in turn."""
        for observe in self._observers:
            try:
                observe(event)
            except Exception:  # noqa: BLE001 - the top of an observer
                # Mail must not fail because a counter or a closed standard output did.
                _LOG.exception("an observer failed")
