"""Recognises the parts of one message that a client split by recipients: one decision, one notice, one count."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from bcc_relay.relay.ports import Clock

WINDOW = timedelta(minutes=10)


class Parts:
    """Remembers digests of sender, Message-ID and octets for ten minutes."""

    def __init__(self, clock: Clock) -> None:
        """Nothing is known at first."""
        self._clock = clock
        self._since: dict[str, datetime] = {}

    def is_first(self, key: str) -> bool:
        """Whether no other part with this digest has come within the last ten minutes; this one counts from now on."""
        now = self._clock()
        self._since = {old: at for old, at in self._since.items() if now - at < WINDOW}
        if key in self._since:
            return False
        self._since[key] = now
        return True

    def forget(self, key: str) -> None:
        """Take the next part for the first."""
        self._since.pop(key, None)
