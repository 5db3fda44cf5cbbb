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

    An account is paused after too many failures, a client after failures on too many accounts. Two things must not
    happen. Nobody may lock others out of their account: a client that has logged in to it before is judged by its own
    failures alone. And one forgotten password in a telephone may not lock out the office whose address it shares: for
    the client, an account counts once.
    """

    def __init__(self, monotonic: Callable[[], float], limits: LoginLimits | None = None) -> None:
        """`monotonic` gives seconds that only grow."""
        self._monotonic = monotonic
        self._limits = limits or LoginLimits()
        # Keyed by account and, for a client that has logged in to it before, that client.
        self._failures: dict[tuple[str, str], deque[float]] = {}
        # Accounts with the time of their last failure, by client.
        self._tried: dict[str, dict[str, float]] = {}
        self._friends: dict[tuple[str, str], None] = {}

    def refuse_client(self, client: str) -> Reply | None:
        """Return the reply for a client that failed on too many accounts, before it names another."""
        too_many = self._accounts_tried(client) >= self._limits.client_accounts
        return replies.TOO_MANY_FAILED_LOGINS if too_many else None

    def refuse_account(self, client: str, account: str) -> Reply | None:
        """Return the reply for an account on which there were too many failures."""
        too_often = self._failures_of(self._key(client, account)) >= self._limits.account_failures
        return replies.ACCOUNT_PAUSED if too_often else None

    def failed(self, client: str, account: str) -> float:
        """Note a failed login; return after how many seconds it may be answered."""
        if len(self._failures) > _PRUNE_ABOVE or len(self._tried) > _PRUNE_ABOVE:
            self._prune()
        now = self._monotonic()
        key = self._key(client, account)
        self._failures.setdefault(key, deque()).append(now)
        self._tried.setdefault(client, {})[account.casefold()] = now
        steps = max(self._failures_of(key), self._accounts_tried(client)) - 1
        return min(self._limits.delay_s * 2.0**steps, self._limits.longest_delay_s)

    def succeeded(self, client: str, account: str) -> None:
        """Note a login that went well."""
        if len(self._friends) > _PRUNE_ABOVE:
            self._friends.pop(next(iter(self._friends)))
        self._friends[client, account.casefold()] = None

    def _key(self, client: str, account: str) -> tuple[str, str]:
        is_friend = (client, account.casefold()) in self._friends
        return account.casefold(), client if is_friend else ""

    def _failures_of(self, key: tuple[str, str]) -> int:
        times = self._failures.get(key)
        if times is None:
            return 0
        oldest = self._monotonic() - self._limits.window_s
        while times and times[0] <= oldest:
            times.popleft()
        if not times:
            del self._failures[key]
        return len(times)

    def _accounts_tried(self, client: str) -> int:
        tried = self._tried.get(client)
        if tried is None:
            return 0
        oldest = self._monotonic() - self._limits.window_s
        for account in [account for account, at in tried.items() if at <= oldest]:
            del tried[account]
        if not tried:
            del self._tried[client]
        return len(tried)

    def _prune(self) -> None:
        for key in tuple(self._failures):
            self._failures_of(key)
        for client in tuple(self._tried):
            self._accounts_tried(client)
