"""`serve`: run the relay until a signal ends it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from typing import TYPE_CHECKING

from bcc_relay.core.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from bcc_relay.settings import Loaded


def run(loaded: Loaded, config: Path | None) -> None:
    """Run until SIGTERM or SIGINT drains it; a second one ends it at once. SIGHUP reads the settings again.

    Raises ConfigurationError and StoreError when it cannot start.
    """
    loaded.refuse_unsafe()
    asyncio.run(_serve(loaded, config))


async def _serve(loaded: Loaded, config: Path | None) -> None:
    from bcc_relay.process import Relay
    from bcc_relay.settings import load
    from bcc_relay.telemetry import systemd

    loop = asyncio.get_running_loop()
    stop, reload = asyncio.Event(), asyncio.Event()

    def end() -> None:
        if stop.is_set():
            os._exit(os.EX_TEMPFAIL)
        stop.set()
        reload.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    async with Relay(loaded) as relay:
        # What start-up made lives as long as the process: a full collection need not walk it, which took 57 ms.
        gc.collect()
        gc.freeze()
        while not stop.is_set():
            try:
                await asyncio.wait_for(reload.wait(), systemd.watchdog_interval_s())
            except TimeoutError:
                systemd.notify("WATCHDOG=1")
                continue
            reload.clear()
            if stop.is_set():
                break
            try:
                relay.reload(await asyncio.to_thread(load, config, os.environ))
            except ConfigurationError as error:
                relay.reload_failed(error)
        systemd.notify("STOPPING=1")
