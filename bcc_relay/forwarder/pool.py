"""Keeps connections to the next servers, lends them out one at a time, and knows which server to try first."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcc_relay.core.events import UpstreamSeen
from bcc_relay.forwarder.connect import Connection, UnreachableError, connect

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from bcc_relay.forwarder.options import Options
    from bcc_relay.relay.ports import Observe

BACK_OFF_S = 5.0
MAX_BACK_OFF_S = 60.0
MAX_REFUSALS = 8
"""A connection with so many is left: servers answer it ever more slowly, then end it (Postfix: 10 and 20 errors)."""


@dataclass(slots=True)
class Health:
    """What is known about one server: failures to connect in a row, and until when it is tried last."""

    failures: int = 0
    retry_at_s: float = 0.0
    is_barred: bool = False
    """It refused our login: until `retry_at_s` it is not tried at all, or the account would be locked."""

    def succeeded(self) -> None:
        """The server took us."""
        self.failures, self.retry_at_s, self.is_barred = 0, 0.0, False

    def failed(self, now_s: float, *, is_barred: bool) -> None:
        """The server did not take us."""
        self.failures += 1
        self.retry_at_s = now_s + self.back_off_s
        self.is_barred = is_barred

    @property
    def back_off_s(self) -> float:
        """Seconds to prefer the others after so many failures."""
        return min(MAX_BACK_OFF_S, BACK_OFF_S * 2.0 ** min(max(self.failures - 1, 0), 10))


class Pool:
    """At most `options.connections` open connections. `enter`, then `acquire`, then `give_back`, then `exit`."""

    def __init__(
        self, options: Options, context: ssl.SSLContext | None, observe: Observe, monotonic: Callable[[], float]
    ) -> None:
        self._options = options
        self._context = context
        self._observe = observe
        self._monotonic = monotonic
        self._slots = asyncio.Semaphore(options.connections)
        self._lent = 0
        self._idle: list[Connection] = []
        """The one used last stands last."""
        self._health = tuple(Health() for _ in options.servers)
        self._reaper: asyncio.TimerHandle | None = None
        self._is_closed = False

    async def enter(self) -> bool:
        """Take one of the places, first come first served; False when none came free in time."""
        if self._slots.locked():
            try:
                async with asyncio.timeout(self._options.limits.turn_s):
                    await self._slots.acquire()
            except TimeoutError:
                return False
        else:
            await self._slots.acquire()
        self._lent += 1
        return True

    def exit(self) -> None:
        """Give the place back."""
        self._lent -= 1
        self._slots.release()

    async def acquire(self, *, fresh: bool = False) -> Connection | None:
        """Return a connection to the most preferred server that answers; None when none does. `fresh`: a new one."""
        for server in self._order():
            connection = None if fresh else self._take_idle(server)
            connection = connection or await self._open(server)
            if connection is not None:
                return connection
        return None

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for later, or leave it: worn out, not clean, or the pool is closed."""
        line = connection.line
        if not line.is_clean:
            line.abort()
        elif (
            self._is_closed
            or connection.transactions >= self._options.messages_per_connection
            or line.refusals >= MAX_REFUSALS
        ):
            line.leave()
        else:
            connection.idle_since_s = self._monotonic()
            self._idle.append(connection)
            if self._reaper is None:
                loop = asyncio.get_running_loop()
                self._reaper = loop.call_later(self._options.idle_s, self._reap)

    async def close(self) -> None:
        """Say goodbye on idle connections; those lent out are left as they come back."""
        self._is_closed = True
        if self._reaper is not None:
            self._reaper.cancel()
        idle, self._idle = self._idle, []
        async with asyncio.TaskGroup() as group:
            for connection in idle:
                group.create_task(connection.line.quit(self._options.limits.quit_s))

    async def open(self, server: int) -> Connection:
        """Open a connection to this very server and note how it went. Raises UnreachableError."""
        health = self._health[server]
        if health.failures:
            # One at a time may find out whether it is back; the others go elsewhere meanwhile.
            health.retry_at_s = self._monotonic() + health.back_off_s
        try:
            connection = await connect(self._options, server, self._context)
        except UnreachableError as error:
            health.failed(self._monotonic(), is_barred=error.login_refused)
            self._observe(UpstreamSeen(server, up=False, detail=error.detail))
            raise
        health.succeeded()
        self._observe(UpstreamSeen(server, up=True))
        return connection

    async def _open(self, server: int) -> Connection | None:
        while self._idle and self._lent + len(self._idle) > self._options.connections:
            self._idle.pop(0).line.leave()
        try:
            return await self.open(server)
        except UnreachableError:
            return None

    def _order(self) -> list[int]:
        """Servers as they should be tried: those in good standing by preference, then the others."""
        now_s = self._monotonic()
        good: list[int] = []
        rest: list[int] = []
        for server, health in enumerate(self._health):
            if health.retry_at_s <= now_s:
                good.append(server)
            elif not health.is_barred:
                rest.append(server)
        return good + rest

    def _take_idle(self, server: int) -> Connection | None:
        oldest_s = self._monotonic() - self._options.idle_s
        for position in range(len(self._idle) - 1, -1, -1):
            if self._idle[position].server == server:
                connection = self._idle.pop(position)
                if connection.idle_since_s >= oldest_s and connection.line.is_quiet():
                    return connection
                connection.line.abort()
        return None

    def _reap(self) -> None:
        """Leave connections that were idle for too long."""
        oldest_s = self._monotonic() - self._options.idle_s
        expired = [connection for connection in self._idle if connection.idle_since_s <= oldest_s]
        self._idle = [connection for connection in self._idle if connection.idle_since_s > oldest_s]
        for connection in expired:
            connection.line.leave()
        self._reaper = None
        if self._idle:
            wait_s = max(0.1, self._idle[0].idle_since_s - oldest_s)
            self._reaper = asyncio.get_running_loop().call_later(wait_s, self._reap)
