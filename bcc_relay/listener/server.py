"""A listener: the sockets of one `bind`, its dialogs, and the submissions they have handed over."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from bcc_relay.core import replies
from bcc_relay.core.errors import ConfigurationError
from bcc_relay.core.events import Failed
from bcc_relay.listener.dialog import Dialog, error_detail
from bcc_relay.listener.limits import Connections, FailedLogins
from bcc_relay.listener.networks import read_networks
from bcc_relay.listener.options import check

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Awaitable, Callable, Coroutine
    from pathlib import Path

    from bcc_relay.core.model import Reply, Submission
    from bcc_relay.listener.connection import Connection
    from bcc_relay.listener.networks import Network
    from bcc_relay.listener.options import ListenerOptions
    from bcc_relay.relay.ports import Authenticate, Clock, Intake, NewId, Observe

    Result = TypeVar("Result")

_BACKLOG = 512


@dataclass(slots=True)
class Door:
    """What all dialogs of one listener share."""

    options: ListenerOptions
    intake: Intake
    authenticate: Authenticate | None
    observe: Observe
    clock: Clock
    new_id: NewId
    connections: Connections
    failed_logins: FailedLogins
    ssl_context: ssl.SSLContext | None
    spool_folder: Path | None
    monotonic: Callable[[], float]
    pause: Callable[[float], Awaitable[object]]
    networks: tuple[Network, ...] = ()
    balancers: tuple[Network, ...] = ()
    open_dialogs: set[Connection] = field(default_factory=set)
    """Those whose connection is open. A dialog's task may end before, or after."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    submissions: set[asyncio.Task[Any]] = field(default_factory=set)
    """What the relay does with mail that was handed over."""

    def offers_login(self, *, secure: bool) -> bool:
        """Whether AUTH is offered; never in the clear where TLS is spoken, and there only with TLS."""
        return self.options.auth != "none" and (secure or self.options.tls == "none")

    def adopt(self, dialog: Connection, task: asyncio.Task[None]) -> None:
        """Own a new dialog and its task until they are done."""
        self.open_dialogs.add(dialog)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def hand_over(self, submission: Submission) -> asyncio.Task[Reply]:
        """Give a submission to the relay in a task that is this listener's, not the dialog's."""
        return self._own(self._take(submission), f"submission {submission.id}")

    def tell_unheard(self, submission: Submission, taking: asyncio.Task[Reply]) -> None:
        """Tell the relay that nobody heard the answer of `taking`, in a task that is this listener's as well."""
        self._own(self._unheard(submission, taking), f"unheard {submission.id}")

    def _own(self, work: Coroutine[Any, Any, Result], name: str) -> asyncio.Task[Result]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self.submissions.add(task)
        task.add_done_callback(self.submissions.discard)
        return task

    async def _unheard(self, submission: Submission, taking: asyncio.Task[Reply]) -> None:
        try:
            await asyncio.wait({taking})
            if not taking.cancelled():
                await self.intake.unheard(submission, taking.result())
        except Exception as error:  # noqa: BLE001 - the top of a task
            self.observe(Failed(self.new_id(), "intake", error_detail(error), submission.id))

    async def _take(self, submission: Submission) -> Reply:
        try:
            return await self.intake.take(submission)
        except Exception as error:  # noqa: BLE001 - the top of a task; the client must hear a temporary failure
            reference = self.new_id()
            self.observe(Failed(reference, "intake", error_detail(error), submission.id))
            return replies.internal(reference)


class Listener:
    """Listens on one `bind` and hands what it receives to the relay."""

    def __init__(
        self,
        options: ListenerOptions,
        *,
        intake: Intake,
        observe: Observe,
        clock: Clock,
        new_id: NewId,
        authenticate: Authenticate | None = None,
        ssl_context: ssl.SSLContext | None = None,
        spool_folder: Path | None = None,
        connections: Connections | None = None,
        failed_logins: FailedLogins | None = None,
        sock: socket.socket | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Check the options; raises ConfigurationError. `sock` is a bound socket to use in place of host and port.

        `connections` and `failed_logins` are shared by all listeners of a process; `pause` waits that many seconds
        before a failed login is answered.
        """
        self._bound_to = options.host if sock is None else str(sock.getsockname()[0])
        check(options, bound_to=self._bound_to, authenticates=authenticate is not None, ssl_context=ssl_context)
        # aiosmtpd writes addresses and whole messages into its own log.
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)
        self._sock = sock
        self._server: asyncio.Server | None = None
        self._port = options.port
        where = f"listeners ({options.name})"
        self._door = Door(
            options=options,
            intake=intake,
            authenticate=authenticate,
            observe=observe,
            clock=clock,
            new_id=new_id,
            connections=connections or Connections(),
            failed_logins=failed_logins or FailedLogins(monotonic),
            ssl_context=ssl_context,
            spool_folder=spool_folder,
            monotonic=monotonic,
            pause=pause,
            networks=read_networks(options.networks, f"{where}: networks"),
            balancers=read_networks(options.proxy_protocol, f"{where}: proxy_protocol"),
        )

    @property
    def port(self) -> int:
        """The port listened on; before `start` the one asked for."""
        return self._port

    @property
    def open_dialogs(self) -> int:
        """How many dialogs are in progress."""
        return len(self._door.open_dialogs)

    def use_certificate(self, ssl_context: ssl.SSLContext) -> None:
        """Use another certificate for connections from now on. Raises ConfigurationError."""
        authenticates = self._door.authenticate is not None
        check(self._door.options, bound_to=self._bound_to, authenticates=authenticates, ssl_context=ssl_context)
        self._door.ssl_context = ssl_context

    async def start(self) -> None:
        """Listen. Raises ConfigurationError when the address cannot be had."""
        loop = asyncio.get_running_loop()
        options = self._door.options
        try:
            if self._sock is not None:
                self._server = await loop.create_server(self._dialog, sock=self._sock, backlog=_BACKLOG)
            else:
                self._server = await loop.create_server(
                    self._dialog, options.host.strip("[]"), options.port, backlog=_BACKLOG
                )
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise ConfigurationError(
                f"listeners ({options.name}): cannot listen there ({reason}); free the port or choose another bind"
            ) from error
        self._port = self._server.sockets[0].getsockname()[1]

    def _dialog(self) -> Dialog:
        return Dialog(self._door, asyncio.get_running_loop())

    async def drain(self, grace_s: float) -> None:
        """Stop listening, say 421 to idle dialogs, and wait up to `grace_s` seconds for the others to finish."""
        self._stop_listening()
        for dialog in tuple(self._door.open_dialogs):
            dialog.shut_down()
        await self._settle(grace_s)

    async def close(self) -> None:
        """Stop listening, cut what is still open, and wait for submissions already handed over."""
        self._stop_listening()
        for dialog in tuple(self._door.open_dialogs):
            dialog.cut()
        for task in self._door.tasks:
            task.cancel()
        await self._settle(self._door.options.timeouts.answer_s)
        late = tuple(self._door.submissions)
        for submission in late:
            submission.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    async def _settle(self, limit_s: float) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + limit_s
        # A dialog that ends may leave something to do.
        while (unfinished := self._unfinished()) and (left_s := until - loop.time()) > 0:
            await asyncio.wait(unfinished, timeout=left_s)

    def _unfinished(self) -> set[asyncio.Future[Any]]:
        door = self._door
        waited_for: set[asyncio.Future[Any]] = {
            *door.tasks,
            *door.submissions,
            *(dialog.closed for dialog in door.open_dialogs),
        }
        return {one for one in waited_for if not one.done()}

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
