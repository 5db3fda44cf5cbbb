"""The application on `metrics.bind`: `/livez`, `/readyz` and `/metrics`."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeAlias

from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from prometheus_client import CollectorRegistry
    from starlette.requests import Request

    Complaints: TypeAlias = "Callable[[], Awaitable[Sequence[str]]]"
    Refresh: TypeAlias = "Callable[[], Awaitable[None]]"

_LOG = logging.getLogger(__name__)
_PATIENCE_S = 3.0


def health_app(registry: CollectorRegistry, complaints: Complaints, refresh: Refresh | None = None) -> Starlette:
    """Build the application.

    `complaints` says in plain words, without internals, why the relay is not ready: store not reachable, listeners not
    up, draining. An upstream outage is none. `refresh` brings gauges up to date before they are shown. Each may take
    3 seconds.
    """

    async def livez(_request: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def readyz(_request: Request) -> Response:
        found = await _asked(complaints)
        return PlainTextResponse("ready\n") if not found else PlainTextResponse("; ".join(found) + "\n", 503)

    async def metrics(request: Request) -> Response:
        if refresh is not None:
            await _refreshed(refresh)
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"Content-Type": content_type})

    return Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)])


async def _asked(complaints: Complaints) -> Sequence[str]:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await complaints()
    except TimeoutError:
        return ("not known yet: the check takes too long",)
    except Exception:  # noqa: BLE001 - the top of a request
        # A check that fails is a reason not to be ready, its text is for the log.
        _LOG.exception("the readiness check failed")
        return ("not known: the check failed",)


async def _refreshed(refresh: Refresh) -> None:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await refresh()
    except Exception:  # noqa: BLE001 - the top of a request
        # A store that is down must not hide the other metrics, least of all then.
        _LOG.exception("the gauges of quarantine and queue could not be brought up to date")
