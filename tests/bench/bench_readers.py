"""How long large and hostile attachments take, and whether other mail waits for them: times and the lag of the loop.

Run it as a script: `python -m tests.bench.bench_readers [--megabytes N]`. Each message is read by a warm worker; the lag
is the longest time in which the loop of the relay did nothing else. It guards 2 s for hostile input and 100 ms of lag.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import random
import tempfile
import time
from mmap import ACCESS_READ, mmap
from typing import TYPE_CHECKING

from bcc_relay.core.model import Body, Message
from bcc_relay.readers.child import WorkerLimits
from bcc_relay.readers.pool import Readers
from tests.build import header, message
from tests.doors.readers.made import mail, msg, page_of, tarred, xlsx, zipped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

WHO = "family1@mail1.example"


def words(megabytes: int) -> Message:
    return message(header(WHO), b"Some words about nothing at all.\r\n" * (megabytes * 1024 * 1024 // 34))


def noise(megabytes: int) -> bytes:
    return random.Random(1).randbytes(megabytes * 700_000)


def layers() -> bytes:
    layer = zipped({"zeros": bytes(4 * 1024 * 1024)})
    for _ in range(4):
        layer = zipped({f"{n}.zip": layer for n in range(16)})
    return layer


def people(count: int) -> tuple[str, ...]:
    return tuple(f"family{n}@mail{n % 9}.example" for n in range(count))


def messages(megabytes: int) -> dict[str, Callable[[], Message]]:
    return {
        "two lines": lambda: mail(b"-", "a.txt"),
        "workbook of 500": lambda: mail(xlsx(people(500)), "a.xlsx"),
        "saved message to 500": lambda: mail(msg(people(500)), "a.msg"),
        "PDF of one page": lambda: mail(page_of(WHO.encode()), "a.pdf"),
        "words": lambda: words(megabytes),
        "octets without a kind": lambda: mail(noise(megabytes), "a.bin"),
        "archive of noise": lambda: mail(zipped({"a.bin": noise(megabytes)}), "a.zip"),
        "PDF with noise": lambda: mail(page_of(b"-") + noise(megabytes), "a.pdf"),
        "workbook of 50,000": lambda: mail(xlsx(people(50_000)), "a.xlsx"),
        "list of 200,000": lambda: mail("\r\n".join(people(200_000)).encode(), "a.csv"),
        "zip in zip in zip": lambda: mail(layers(), "a.zip"),
        "10,000 members": lambda: mail(zipped({f"{n}": b"-" for n in range(10_000)}), "a.zip"),
        "tar of 10,000": lambda: mail(gzip.compress(tarred({f"{n}": b"-" for n in range(10_000)})), "a.tgz"),
        "1 GB of zeros": lambda: mail(gzip.compress(bytes(1 << 30)), "a.gz"),
        "PDF of 100,000 objects": lambda: mail(page_of(b"-", more=(b"<< /A /B >>",) * 100_000), "a.pdf"),
    }


@contextlib.asynccontextmanager
async def lag() -> AsyncIterator[list[float]]:
    """Yield a list whose only item becomes the longest lag in seconds."""
    longest = [0.0]

    async def tick() -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            longest[0] = max(longest[0], now - last - 0.001)
            last = now

    async with asyncio.TaskGroup() as group:
        ticking = group.create_task(tick())
        yield longest
        ticking.cancel()


async def main(megabytes: int) -> None:
    readers = Readers(limits=WorkerLimits(time_limit_s=60))
    await readers(words(1), frozenset())
    print(f"{'message':26} {'MB':>6} {'seconds':>8} {'lag ms':>7}  addresses, closed")
    for name, make in messages(megabytes).items():
        made = make()
        with tempfile.TemporaryFile() as file:
            for piece in made.body.pieces():
                file.write(piece)
            file.flush()
            with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
                given = Message(made.header, made.separator, Body(content))
                del made
                async with lag() as longest:
                    start = time.perf_counter()
                    contents = await readers(given, frozenset({WHO}))
                    seconds = time.perf_counter() - start
                found = sum(len(keys) for _, keys in contents.shown)
                size = len(given.body) / 1024 / 1024
                print(
                    f"{name:26} {size:6.1f} {seconds:8.3f} {longest[0] * 1000:7.1f}  {found}, {sorted(contents.closed)}"
                )
    await readers.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=50)
    asyncio.run(main(parser.parse_args().megabytes))
