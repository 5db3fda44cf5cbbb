"""The port `Upstream`: takes a dispatch, finds a connection for it, and says what became of each recipient."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcc_relay.core import replies
from bcc_relay.core.model import Deferred, Sent
from bcc_relay.forwarder.connect import UnreachableError, tls_context
from bcc_relay.forwarder.pace import Pace
from bcc_relay.forwarder.pool import Pool
from bcc_relay.forwarder.transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcc_relay.core.model import Dispatch, Reply
    from bcc_relay.forwarder.commands import Offers
    from bcc_relay.forwarder.connect import Connection
    from bcc_relay.forwarder.options import Options
    from bcc_relay.relay.ports import Observe


@dataclass(frozen=True, slots=True)
class Probed:
    """What a trial connection to one server found. `detail` says what went wrong, for administrators."""

    server: int
    host: str
    port: int
    is_up: bool
    detail: str = ""
    tls_version: str = ""
    offers: Offers | None = None


class Forwarder:
    """Sends to the next mail servers. Make it inside the event loop's thread; `close` it at the end."""

    def __init__(self, options: Options, observe: Observe, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Read the file of authorities. Raises ConfigurationError when it cannot be read.

        `observe` gets an UpstreamSeen for every attempt to connect. `monotonic` gives seconds, for pace, back-off and
        idling.
        """
        self._options = options
        self._pool = Pool(options, tls_context(options), observe, monotonic)
        self._pace = Pace(options.messages_per_minute, monotonic)

    async def send(self, dispatch: Dispatch, *, all_or_nothing: bool = False) -> Sent:
        """Try one transaction and say what became of each recipient; never raises but for cancellation.

        `all_or_nothing`: no data is sent unless every recipient was accepted; those that were are then Deferred with
        `replies.NOT_SENT`. Nothing was sent to anyone whose outcome is neither Delivered nor InDoubt.

        Cancelling breaks the connection off hard, so that octets not yet on their way stay here. Whether the final dot
        had gone is not told: the canceller must take the mail to be in doubt. Whoever wants to know cancels nothing
        and waits (with asyncio.shield) for the outcome, which the time limits bound.
        """
        limits = self._options.limits
        if not await self._pace.turn(limits.turn_s) or not await self._pool.enter():
            return _nobody(dispatch, replies.UPSTREAM_BUSY)
        try:
            for is_second_try in (False, True):
                connection = await self._pool.acquire(fresh=is_second_try)
                if connection is None:
                    break
                was_kept = connection.transactions > 0
                sent, was_untouched = await self._transact(connection, dispatch, all_or_nothing=all_or_nothing)
                # Hung up on a kept connection before it had answered anything: once more, on a new one.
                if is_second_try or not (was_kept and was_untouched):
                    return sent
            return _nobody(dispatch, replies.UPSTREAM_DOWN, unreachable=True)
        finally:
            self._pool.exit()

    async def _transact(self, connection: Connection, dispatch: Dispatch, *, all_or_nothing: bool) -> tuple[Sent, bool]:
        """Return what became of it, and whether the connection was gone before the server answered anything."""
        transaction = Transaction(
            connection.line, connection.offers, dispatch, self._options.limits, all_or_nothing=all_or_nothing
        )
        connection.transactions += 1
        try:
            sent = await transaction.run()
        finally:
            self._pool.give_back(connection)
        return sent, transaction.was_untouched

    async def probe(self) -> tuple[Probed, ...]:
        """Connect to each server as configured, login included, say QUIT, and tell what was found."""
        found = []
        for server, address in enumerate(self._options.servers):
            try:
                connection = await self._pool.open(server)
            except UnreachableError as error:
                found.append(Probed(server, address.host, address.port, is_up=False, detail=error.detail))
                continue
            await connection.line.quit(self._options.limits.quit_s)
            offers, version = connection.offers, connection.tls_version
            found.append(Probed(server, address.host, address.port, is_up=True, tls_version=version, offers=offers))
        return tuple(found)

    async def close(self) -> None:
        """Say goodbye to the servers, within a short limit. Transactions in progress end by themselves."""
        await self._pool.close()


def _nobody(dispatch: Dispatch, reply: Reply, *, unreachable: bool = False) -> Sent:
    """Say that the mail was not tried."""
    return Sent(tuple(Deferred(reply, unreachable=unreachable) for _ in dispatch.envelope.recipients), reply)
