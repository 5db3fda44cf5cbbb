"""An HTTP server for any ASGI application, in the relay's loop, without signal handlers or access log of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import uvicorn

from bcc_relay.core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Generator

    from starlette.types import ASGIApp

_GRACE_S = 5
_BACKLOG = 128
_LAST_PORT = 65535


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to the process: SIGTERM drains the mail first."""
        yield


class HttpServer:
    """Serves `app` on `bind` ("host:port", "[ipv6]:port"; port 0 takes a free one) between `start` and `stop`.

    It owns the task it runs in: `stop` waits for it, and raises what it raised.
    """

    def __init__(self, app: ASGIApp, bind: str) -> None:
        self._bind = bind
        self._server = _Server(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=_BACKLOG,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )
        self._task: asyncio.Task[None] | None = None
        self.port = 0
        """The port it listens on, once started."""

    async def start(self) -> None:
        """Listen; returns when connections are accepted. Raises ConfigurationError when the address cannot be had."""
        listening = _listening(self._bind)
        self.port = int(listening.getsockname()[1])
        # Connections wait in the socket's backlog until the task has run for the first time.
        self._task = asyncio.get_running_loop().create_task(self._server.serve([listening]), name=f"http {self._bind}")

    async def stop(self) -> None:
        """Stop listening, finish requests in progress (5 s at most), close. Does nothing unless started."""
        if self._task is None:
            return
        self._server.should_exit = True
        await self._task
        self._task = None


def _listening(bind: str) -> socket.socket:
    host, _, port = bind.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if not port.isdecimal() or int(port) > _LAST_PORT:
        raise ConfigurationError(f"cannot listen on {bind}: not host:port. Give an address and a port")
    try:
        return socket.create_server((host, int(port)), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {bind}: {error.strerror}. Give a free address and port") from error
