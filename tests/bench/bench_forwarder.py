"""How fast mail leaves: the forwarder against `aiosmtplib.send()` once a message, both to smtp-sink, in turns.

Run it as a script: `python -m tests.bench.bench_forwarder [--rounds N]`. It prints medians of per-round ratios; absolute
figures drift with the machine. smtp-sink comes with Debian's package postfix.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from typing import TYPE_CHECKING

import aiosmtplib

from bcc_relay.core.model import Body, Dispatch, Message
from bcc_relay.forwarder import Forwarder, Options, Server, Tls
from tests.build import envelope, header
from tests.doors.forwarder.test_smtp_sink import SMTP_SINK, sink

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SESSIONS = 10


def mail(size_bytes: int, recipients: int) -> Dispatch:
    to = [f"family{n}@mail.example" for n in range(recipients)]
    line = b"x" * 70 + b"\r\n"
    return Dispatch("m1", envelope(*to), Message(header(), b"\r\n", Body(line * (size_bytes // len(line)))))


async def measured(send: Callable[[], Awaitable[object]], messages: int) -> tuple[float, float]:
    """Send over SESSIONS at once; return wall and CPU seconds a message."""
    left = iter(range(messages))

    async def session() -> None:
        for _ in left:
            await send()

    wall, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(min(SESSIONS, messages)):
            group.create_task(session())
    return (time.perf_counter() - wall) / messages, (time.process_time() - cpu) / messages


async def compare(name: str, dispatch: Dispatch, messages: int, rounds: int) -> None:
    to = [recipient.address.text for recipient in dispatch.envelope.recipients]
    octets = b"".join(dispatch.message.pieces())
    async with sink() as port:
        options = Options((Server("127.0.0.1", port),), "relay.council.example", tls=Tls.NONE, connections=SESSIONS)
        forwarder = Forwarder(options, lambda _: None)

        async def naive() -> None:
            await aiosmtplib.send(
                octets,
                sender="clerk@council.example",
                recipients=to,
                hostname="127.0.0.1",
                port=port,
                start_tls=False,
                local_hostname="relay.council.example",
            )

        async def pooled() -> None:
            sent = await forwarder.send(dispatch)
            assert sent.reply.code == 250

        async def together() -> None:
            sent = await forwarder.send(dispatch, all_or_nothing=True)
            assert sent.reply.code == 250

        ways = {"naive": naive, "pooled": pooled, "all or nothing": together}
        results: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for round_ in range(rounds + 1):
            for way, send in ways.items():
                result = await measured(send, messages)
                if round_:  # the first is for warming up
                    results[way].append(result)
        await forwarder.close()
    for way, measures in results.items():
        wall = statistics.median(w for w, _ in measures)
        cpu = statistics.median(c for _, c in measures)
        ratio = statistics.median(n[0] / w[0] for n, w in zip(results["naive"], measures, strict=True))
        print(f"{name:24} {way:15} {1 / wall:9.1f} msg/s  {cpu * 1e6:9.0f} us CPU/msg  {ratio:6.2f} x naive")


async def main(rounds: int) -> None:
    await compare("2 kB, 1 recipient", mail(2000, 1), 2000, rounds)
    await compare("2 kB, 3 recipients", mail(2000, 3), 1000, rounds)
    await compare("2 kB, 100 recipients", mail(2000, 100), 100, rounds)
    await compare("25 MB, 1 recipient", mail(25_000_000, 1), 4, rounds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    if SMTP_SINK is None:
        sys.exit("smtp-sink is not installed (Debian package postfix)")
    asyncio.run(main(parser.parse_args().rounds))
