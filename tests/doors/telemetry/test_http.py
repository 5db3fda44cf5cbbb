"""/livez, /readyz and /metrics over real HTTP, and the server's start and stop."""

from __future__ import annotations

import asyncio
import signal

import pytest

from bcc_relay.core.errors import ConfigurationError
from bcc_relay.telemetry.health import health_app
from bcc_relay.telemetry.http import HttpServer
from bcc_relay.telemetry.metrics import MetricsObserver
from tests.build import NOW


class Served:
    """The application on a free port, with what it is told to complain about."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.broken = False
        self.refreshed = 0
        self.metrics = MetricsObserver(
            version="0.1.0", listeners=[], servers=1, rules=[], detectors=[], clock=lambda: NOW
        )
        self.server = HttpServer(health_app(self.metrics.registry, self.ask, self.refresh), "127.0.0.1:0")

    async def ask(self) -> list[str]:
        if self.broken:
            raise RuntimeError("/secret/path of the store")
        return self.complaints

    async def refresh(self) -> None:
        self.refreshed += 1
        if self.broken:
            raise OSError("no store")

    async def get(self, path: str) -> tuple[int, str]:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: relay.example\r\nConnection: close\r\n\r\n".encode())
            answer = (await reader.read()).decode()
            writer.close()
            await writer.wait_closed()
        head, _, body = answer.partition("\r\n\r\n")
        return int(head.split()[1]), body


@pytest.fixture
async def served():
    served = Served()
    await served.server.start()
    yield served
    await served.server.stop()


async def test_a_relay_without_complaints_is_alive_and_ready(served):
    assert await served.get("/livez") == (200, "alive\n")
    assert await served.get("/readyz") == (200, "ready\n")


async def test_complaints_make_it_unready_but_not_dead(served):
    served.complaints = ["the store cannot be reached", "draining"]

    assert await served.get("/readyz") == (503, "the store cannot be reached; draining\n")
    assert (await served.get("/livez"))[0] == 200


async def test_a_check_that_fails_is_unready_without_internals(served):
    served.broken = True

    status, body = await served.get("/readyz")

    assert status == 503
    assert "secret" not in body


async def test_metrics_are_shown_after_a_refresh(served):
    status, body = await served.get("/metrics")

    assert status == 200
    assert served.refreshed == 1
    assert 'bcc_relay_upstream_up{server="0"} 1.0' in body
    assert "_created" not in body


async def test_metrics_are_shown_even_when_the_store_is_down(served):
    served.broken = True

    assert (await served.get("/metrics"))[0] == 200


async def test_an_unknown_path_is_not_found(served):
    assert (await served.get("/etc/passwd"))[0] == 404


async def test_signals_stay_with_the_process():
    before = signal.getsignal(signal.SIGTERM)
    served = Served()
    await served.server.start()
    await served.get("/livez")

    assert signal.getsignal(signal.SIGTERM) is before
    await served.server.stop()


async def test_stopping_closes_the_port_at_once_and_twice_is_harmless():
    served = Served()
    await served.server.start()
    port = served.server.port
    async with asyncio.timeout(3):
        await served.server.stop()
        await served.server.stop()

    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_request_in_progress_is_finished_before_stopping():
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def app(scope, receive, send):
        entered.set()
        await go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"done"})

    served = Served()
    served.server = HttpServer(app, "127.0.0.1:0")
    await served.server.start()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        answer = group.create_task(served.get("/"))
        await entered.wait()
        group.create_task(served.server.stop())
        go_on.set()

    assert answer.result() == (200, "done")


async def test_a_taken_or_impossible_address_is_a_configuration_error(served):
    for bind in (f"127.0.0.1:{served.server.port}", "127.0.0.1:none", "127.0.0.1:99999"):
        with pytest.raises(ConfigurationError, match="cannot listen on"):
            await HttpServer(health_app(served.metrics.registry, served.ask), bind).start()
