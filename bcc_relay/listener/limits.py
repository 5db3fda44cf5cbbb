"""What all listeners count together: open connections, and failed logins in a sliding window."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

from bcc_relay.core import replies
from bcc_relay.listener.options import LoginLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcc_relay.core.model import Reply

_PRUNE_ABOVE = 10_000


class Connections:
    """Counts open connections, in all and per client; one value is shared by all listeners of a process."""

    def __init__(self, most: int = 1000, most_per_client: int = 50) -> None:
        self._most = most
        self._most_per_client = most_per_client
        self._per_client: Counter[str] = Counter()
        self.open = 0

    def enter(self) -> bool:
        """Count one connection; False when there are too many in all. `leave` belongs to every call."""
        self.open += 1
        return self.open <= self._most

    def leave(self) -> None:
        """The connection is gone."""
        self.open -= 1

    def enter_client(self, client: str) -> bool:
        """Count one connection of `client`; False when it has too many. `leave_client` belongs to every call."""
        self._per_client[client] += 1
        return self._per_client[client] <= self._most_per_client

    def leave_client(self, client: str) -> None:
        """The client's connection is gone."""
        self._per_client[client] -= 1
        if not self._per_client[client]:
            del self._per_client[client]


class FailedLogins:
    """Remembers failed logins, so that guessing is slow; one value is shared by all listeners of a process.

    A client that logged in to an account before is not shut out of it by the failures of others: else anybody could
    lock out anybody.
    """

    def __init__(self, monotonic: Callable[[], float], limits: LoginLimits | None = None) -> None:
        """`monotonic` gives seconds that only grow."""
        self._monotonic = monotonic
        self._limits = limits or LoginLimits()
        self._by_client: dict[str, deque[float]] = {}
        self._by_account: dict[str, deque[float]] = {}
        self._friends: dict[tuple[str, str], None] = {}

    def refuse_client(self, client: str) -> Reply | None:
        """Return the reply for a client that failed too often, before it names an account."""
        too_often = self._count(self._by_client, client) >= self._limits.client_failures
        return replies.TOO_MANY_FAILED_LOGINS if too_often else None

    def refuse_account(self, client: str, account: str) -> Reply | None:
        """Return the reply for an account on which there were too many failures."""
        if (client, account.casefold()) in self._friends:
            return None
        too_often = self._count(self._by_account, account.casefold()) >= self._limits.account_failures
        return replies.ACCOUNT_PAUSED if too_often else None

    def failed(self, client: str, account: str) -> float:
        """Note a failed login; return after how many seconds it may be answered."""
        now = self._monotonic()
        for window, key in ((self._by_client, client), (self._by_account, account.casefold())):
            if len(window) > _PRUNE_ABOVE:
                self._prune(window)
            window.setdefault(key, deque()).append(now)
        failures = self._count(self._by_client, client)
        return min(self._limits.delay_s * 2.0 ** (failures - 1), self._limits.longest_delay_s)

    def succeeded(self, client: str, account: str) -> None:
        """Note a login that went well."""
        if len(self._friends) > _PRUNE_ABOVE:
            self._friends.pop(next(iter(self._friends)))
        self._friends[client, account.casefold()] = None

    def _count(self, window: dict[str, deque[float]], key: str) -> int:
        times = window.get(key)
        if times is None:
            return 0
        oldest = self._monotonic() - self._limits.window_s
        while times and times[0] <= oldest:
            times.popleft()
        if not times:
            del window[key]
        return len(times)

    def _prune(self, window: dict[str, deque[float]]) -> None:
        for key in tuple(window):
            self._count(window, key)
