"""Postfix's `smtp-sink` as an upstream that misbehaves as its flags say, and what it took all the same."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.needs import need
from tests.e2e.waiting import free_ports, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator


class Sink:
    """A running `smtp-sink`."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self._folder = folder

    def taken(self) -> list[bytes]:
        """The transactions that were begun, each as a dump: `X-…-Args` lines with its envelope, then the message."""
        return [path.read_bytes() for path in sorted(self._folder.glob("mail.*"))]


@contextmanager
def running_sink(*flags: str, port: int | None = None) -> Iterator[Sink]:
    """Run `smtp-sink FLAGS` on a port of 127.0.0.1 while the context lasts."""
    port = port or free_ports(1)[0]
    program = need("smtp-sink")
    with tempfile.TemporaryDirectory(prefix="bcc-relay-sink-") as name:
        folder = Path(name)
        folder.chmod(0o777)  # under root it runs as nobody
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        command = [program, *user, *flags, "-d", f"{folder}/mail.", f"127.0.0.1:{port}", "100"]
        with (folder / "errors").open("wb") as errors:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        try:
            # A connection would count as a session of the sink, so ask the kernel who listens.
            wait_for(lambda: process.poll() is not None or _is_listening(port), "smtp-sink to listen")
            assert process.poll() is None, (folder / "errors").read_text()
            yield Sink(port, folder)
        finally:
            process.terminate()
            process.wait(10)


def _is_listening(port: int) -> bool:
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in lines)
