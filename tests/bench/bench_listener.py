"""What receiving costs: the listener against aiosmtpd's own server class, CPU of the server's thread, in turns.

Run it as a script: `python -m tests.bench.bench_listener [--rounds N]`. It prints medians and their ratio; absolute
figures drift with the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import statistics
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiosmtpd.smtp import SMTP

from tests.doors.listener.script import house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SMALL = b"Subject: small\r\n\r\n" + b"x" * 70 + b"\r\n" * 20 + b".\r\n"
LARGE = b"Subject: large\r\n\r\n" + (b"x" * 76 + b"\r\n") * 330_000 + b".\r\n"
COMMANDS = (b"EHLO x", b"MAIL FROM:<clerk@council.example>", b"RCPT TO:<family@mail.example>", b"DATA")


def send(port: int, content: bytes, messages: int) -> None:
    """One connection a message, as most clients do."""
    for _ in range(messages):
        with socket.create_connection(("127.0.0.1", port)) as sock, sock.makefile("rb") as replies:
            replies.readline()
            for octets in (*(command + b"\r\n" for command in COMMANDS), content, b"QUIT\r\n"):
                sock.sendall(octets)
                while replies.readline()[3:4] != b" ":
                    pass


@asynccontextmanager
async def ours() -> AsyncIterator[int]:
    async with house() as home:
        yield home.listener.port


class Takes:
    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:  # noqa: N802
        return "250 2.0.0 Taken"


@asynccontextmanager
async def stock() -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()

    def protocol() -> SMTP:
        return SMTP(Takes(), data_size_limit=52_428_800, enable_SMTPUTF8=True, loop=loop)

    server = await loop.create_server(protocol, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def cost_ms(port: int, content: bytes, messages: int) -> float:
    before = time.thread_time()
    await asyncio.to_thread(send, port, content, messages)
    return (time.thread_time() - before) / messages * 1000


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    async with ours() as our_port, stock() as stock_port:
        for name, content, messages in (("small", SMALL, 200), ("25 MB", LARGE, 1)):
            found = [
                (await cost_ms(our_port, content, messages), await cost_ms(stock_port, content, messages))
                for _ in range(rounds)
            ]
            mine, theirs = (statistics.median(column) for column in zip(*found, strict=True))
            print(f"{name}: {mine:.2f} ms of CPU a message, aiosmtpd {theirs:.2f} ms, ratio {theirs / mine:.1f}")


if __name__ == "__main__":
    asyncio.run(main())
