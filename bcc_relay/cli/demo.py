"""`demo`: play the story of the 500 families, and tell it."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bcc_relay.cli.shell import CommandError, Exit, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcc_relay.demo.play import Stage, Told

SMTP_PORT = 2525
SHOWN_FAMILIES = 3


def run(*, once: bool, as_json: bool) -> None:
    """Play it; exits 69 when the mail did not arrive, or an address was disclosed."""
    with tempfile.TemporaryDirectory(prefix="bcc-relay-demo-") as folder:
        told = asyncio.run(_play(Path(folder), once=once, as_json=as_json))
    if told.delivered != told.families or told.disclosed:
        raise CommandError(Exit.UNAVAILABLE, "The story did not end well; please report this")


async def _play(folder: Path, *, once: bool, as_json: bool) -> Told:
    from bcc_relay.demo.play import play

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)

    async def stay() -> None:
        if not once:
            await ended.wait()

    def tell(told: Told, stage: Stage) -> None:
        if as_json:
            print_json(_document(told))
            return
        for line in _lines(told):
            print(line)
        if not once:
            for line in _where(stage):
                print(line, flush=True)

    return await play(folder, 0 if once else _free_or_any(SMTP_PORT), tell, stay)


def _free_or_any(port: int) -> int:
    """Return the port when nobody listens there, else 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


def _document(told: Told) -> dict[str, object]:
    return {
        "families": told.families,
        "delivered": told.delivered,
        "disclosed": told.disclosed,
        "held": told.held,
        "seconds": told.seconds,
    }


def _lines(told: Told) -> Iterator[str]:
    first = told.transactions[0]
    yield ""
    yield f"1. The education office writes to {told.families} families and puts every address in To."
    yield f"   Sent as written, each family would have read the addresses of {told.families - 1} others."
    yield f"   The relay answered: {told.families_answer}"
    yield ""
    yield f"   What left, in {len(told.transactions)} transactions (the header of the first):"
    yield ""
    for line in first.octets.partition(b"\r\n\r\n")[0].decode("utf-8", "replace").split("\r\n"):
        yield f"     {line}"
    yield ""
    yield "   What each family can see, read back from the next mail server:"
    yield ""
    for copy in told.copies[:SHOWN_FAMILIES]:
        yield f"     {copy.family}   To: {copy.to}   other families' addresses: {len(copy.others)}"
    same = sum(1 for copy in told.copies[SHOWN_FAMILIES:] if not copy.others and copy.to == told.copies[0].to)
    yield f"     and {same} more, just the same"
    yield ""
    yield "2. The office writes to 36 people in 12 organisations, all in To."
    yield f"   The relay answered: {told.circle_answer}"
    yield "   Nobody has received it. The reviewer was told and decides."
    yield ""
    held = f"{told.held} message held for review"
    yield f"{told.delivered} delivered, {told.disclosed} addresses disclosed, {held} ({told.seconds:.1f} s)"


def _where(stage: Stage) -> Iterator[str]:
    yield ""
    yield "The relay stays up. Nothing leaves this machine."
    yield f"  Mail client   server 127.0.0.1, port {stage.smtp_port}, no encryption, no login"
    yield f"  What left     {stage.received}"
    yield f"  Held mail     export BCC_RELAY_CONFIG={stage.config}"
    yield f"                {_program()} quarantine list"
    yield f"  Browser       http://127.0.0.1:{stage.metrics_port}/metrics"
    yield "  End it with Ctrl-C; everything it made is removed."


def _program() -> str:
    """Return how this program is called from here: by its name where the shell finds it, else by its path."""
    called = sys.argv[0]
    found = shutil.which("bcc-relay")
    is_by_path = Path(called).name == "bcc-relay" and not (found and Path(found).samefile(called))
    return called if is_by_path else "bcc-relay"
