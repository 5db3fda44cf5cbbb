"""The pool of workers: bounded in time, memory and number, and nothing of it is left behind."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import sys
import tempfile
import time
from contextlib import asynccontextmanager, suppress
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bcc_relay.core.damage import Closed
from bcc_relay.core.errors import ReadersBusyError
from bcc_relay.core.events import ReaderStopped
from bcc_relay.core.model import Body, Message
from bcc_relay.readers.child import WorkerLimits
from bcc_relay.readers.pool import Readers
from tests.build import header, message
from tests.doors.readers.made import mail, page_of, shown, stream, xls, xlsx, zipped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from bcc_relay.core.events import Event

WHO = "family1@mail1.example"
NOBODY: frozenset[str] = frozenset()


def large(text: str = WHO, size_bytes: int = 200_000) -> Message:
    """A message that is not looked at inline."""
    return message(header(WHO), f"Write to {text}.\r\n".encode() + b"Some words.\r\n" * (size_bytes // 13))


@asynccontextmanager
async def pool(**parameters: object) -> AsyncIterator[Readers]:
    readers = Readers(**parameters)  # type: ignore[arg-type]
    try:
        yield readers
    finally:
        await readers.close()
    assert workers() == []


def workers() -> list[int]:
    """Process numbers of our workers, by what the system knows."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in children if b"readers.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def warm(readers: Readers, count: int = 1) -> list[int]:
    """Have workers started; return their process numbers."""
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(readers(large(), NOBODY))
    return workers()


async def test_small_mail_without_attachments_needs_no_worker() -> None:
    async with pool() as readers:
        contents = await readers(message(header(WHO), b"Write to family1@mail1.example\r\n"), NOBODY)
        assert shown(contents) == {"body": {WHO}}
        assert workers() == []


async def test_attachments_and_large_mail_are_read_by_a_worker_that_stays() -> None:
    async with pool() as readers:
        assert shown(await readers(mail(xlsx((WHO,)), "a.xlsx"), NOBODY)) == {"attached_list": {WHO}}
        first = workers()
        assert len(first) == 1
        assert shown(await readers(large(), NOBODY)) == {"body": {WHO}}
        assert shown(await readers(mail(xls("some.body@mail2.example"), "a.xls"), NOBODY)) == {
            "attached_list": {"some.body@mail2.example"}
        }
        assert workers() == first


async def test_a_mapped_body_is_read_from_where_it_begins() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"hidden@mail9.example\r\n" + b"-" * 300_000 + f"\r\n{WHO}\r\n".encode())
        file.flush()
        with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            async with pool() as readers:
                contents = await readers(Message(header(WHO), b"\r\n", Body(content, 22)), NOBODY)
    assert shown(contents) == {"body": {WHO}}


async def test_ten_messages_share_two_workers_and_each_gets_its_own_answer() -> None:
    async with pool() as readers, asyncio.TaskGroup() as group:
        tasks = [group.create_task(readers(large(f"family{n}@mail1.example"), NOBODY)) for n in range(10)]
        await asyncio.wait(tasks)
        assert len(workers()) == 2
        assert [shown(task.result())["body"] for task in tasks] == [{f"family{n}@mail1.example"} for n in range(10)]


async def test_a_worker_that_takes_too_long_is_replaced() -> None:
    async with pool(workers=1, limits=WorkerLimits(time_limit_s=1)) as readers:
        (pid,) = await warm(readers)
        os.kill(pid, signal.SIGSTOP)
        small = mail(xlsx((WHO,)), "a.xlsx", text=b"Write to family2@mail2.example")
        contents = await readers(small, NOBODY)
        assert contents.closed == {Closed.TOO_SLOW}
        # What could be seen without a worker counts.
        assert shown(contents) == {"body": {"family2@mail2.example"}}
        await until(lambda: not Path(f"/proc/{pid}").exists())
        assert shown(await readers(large(), NOBODY)) == {"body": {WHO}}


async def test_a_worker_stops_by_itself_in_time_and_what_it_had_found_counts() -> None:
    slow = b"".join(b"(at)%d@mail%d.example(at)" % (n, n) for n in range(49_000))
    async with pool(workers=1, limits=WorkerLimits(reading_s=0.2)) as readers:
        contents = await readers(mail(zipped({"a.txt": slow}), "a.zip", text=f"Write to {WHO}".encode()), NOBODY)
        assert contents.closed == {Closed.TOO_SLOW}
        assert shown(contents)["body"] == {WHO}
        assert not (await readers(large(), NOBODY)).closed


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGXCPU])
async def test_a_worker_that_dies_over_a_message_is_replaced(number: int) -> None:
    async with pool(workers=1) as readers:
        (pid,) = await warm(readers)
        os.kill(pid, signal.SIGSTOP)
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(readers(large(), NOBODY))
            await asyncio.sleep(0)
            os.kill(pid, number)
            os.kill(pid, signal.SIGCONT)
        # It may have died before it was asked: then another one answered.
        assert asked.result().closed <= {Closed.TOO_SLOW}
        await until(lambda: pid not in workers())
        assert not (await readers(large(), NOBODY)).closed


async def test_a_worker_that_died_while_idle_costs_no_message() -> None:
    async with pool(workers=1) as readers:
        (pid,) = await warm(readers)
        os.kill(pid, signal.SIGKILL)
        await until(lambda: pid not in workers())
        assert not (await readers(large(), NOBODY)).closed


async def test_what_needs_too_much_memory_is_over_the_budget_and_others_are_read() -> None:
    async with pool(workers=1, limits=WorkerLimits(memory_bytes=256 * 1024 * 1024)) as readers:
        await warm(readers)
        lines = b"family1@mail1.example \xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\r\n" * 1_800_000
        contents = await readers(mail(zipped({"a.csv": lines}), "a.zip"), NOBODY)
        assert contents.closed & {Closed.OVER_BUDGET, Closed.TOO_SLOW}
        assert not (await readers(large(), NOBODY)).closed


async def test_a_small_file_does_not_unfold_to_hundreds_of_megabytes() -> None:
    drawing = stream(b"BT " + b"0 " * (64 * 1024 * 1024) + b"ET")
    async with pool(workers=1) as readers:
        await warm(readers)
        contents = await readers(mail(page_of(WHO.encode(), more=(drawing,), drawing=6), "a.pdf"), NOBODY)
        assert contents.closed & {Closed.OVER_BUDGET, Closed.TOO_SLOW}
        assert not (await readers(large(), NOBODY)).closed


async def test_a_file_that_ends_the_process_closes_its_message_and_no_other() -> None:
    octets = bytearray(xls("some.body@mail2.example"))
    # The directory is followed by itself: the library reads it again and again until there is no memory left.
    table = 512 + 512 * int.from_bytes(octets[76:80], "little")
    at = table + 4 * int.from_bytes(octets[48:52], "little")
    octets[at : at + 4] = octets[48:52]
    async with pool(workers=1) as readers:
        await warm(readers)
        contents = await readers(mail(bytes(octets), "a.xls", text=b"Write to family2@mail2.example"), NOBODY)
        assert contents.closed
        assert shown(contents)["body"] == {"family2@mail2.example"}
        assert shown(await readers(large(), NOBODY)) == {"body": {WHO}}


async def test_a_caller_who_goes_away_takes_the_worker_with_it() -> None:
    async with pool(workers=1) as readers:
        (pid,) = await warm(readers)
        os.kill(pid, signal.SIGSTOP)
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(readers(large("family7@mail7.example"), NOBODY))
            await asyncio.sleep(0.05)
            asked.cancel()
        await until(lambda: pid not in workers())
        # Nobody gets the answer to another's question.
        assert shown(await readers(large(), NOBODY)) == {"body": {WHO}}


async def test_a_caller_may_go_away_while_its_worker_starts() -> None:
    async with pool(workers=1) as readers:
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(readers(large(), NOBODY))
            await until(lambda: bool(workers()))
            asked.cancel()
        assert shown(await readers(large(), NOBODY)) == {"body": {WHO}}


async def test_who_waits_too_long_for_a_worker_may_try_again() -> None:
    async with pool(workers=1, wait_limit_s=0.05) as readers:
        (pid,) = await warm(readers)
        os.kill(pid, signal.SIGSTOP)
        async with asyncio.TaskGroup() as group:
            first = group.create_task(readers(large(), NOBODY))
            await asyncio.sleep(0)
            with pytest.raises(ReadersBusyError):
                await readers(large(), NOBODY)
            os.kill(pid, signal.SIGCONT)
        assert not first.result().closed


async def test_closing_ends_workers_that_are_busy_and_their_callers_hear_it() -> None:
    async with asyncio.timeout(20):
        readers = Readers(workers=2)
        pids = await warm(readers, 2)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        asked = asyncio.gather(*(readers(large(), NOBODY) for _ in range(4)), return_exceptions=True)
        await asyncio.sleep(0.05)
        await readers.close()
        assert [type(answer) for answer in await asked] == [ReadersBusyError] * 4
        assert workers() == []
        with pytest.raises(ReadersBusyError):
            await readers(large(), NOBODY)
        await readers.close()


@pytest.mark.parametrize("program", ["/nonexistent/python", "/bin/true"])
async def test_where_no_worker_can_be_started_the_message_may_come_again(
    program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", program)
    told: list[Event] = []
    async with pool(observe=told.append) as readers:
        with pytest.raises(ReadersBusyError):
            await readers(large(), NOBODY)
    assert told == [ReaderStopped("not_started")]


async def test_a_fault_of_ours_in_looking_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("bcc_relay.readers.pool.look", breaks)
    async with pool() as readers:
        with pytest.raises(RuntimeError):
            await readers(message(header(WHO), b"Hello\r\n"), NOBODY)


async def test_signals_for_the_relay_do_not_end_its_workers() -> None:
    async with pool(workers=1) as readers:
        (pid,) = await warm(readers)
        assert os.getpgid(pid) != os.getpgid(0)
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGTERM)
        assert not (await readers(large(), NOBODY)).closed
        assert workers() == [pid]


async def test_a_worker_is_confined_and_knows_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BCC_RELAY_UPSTREAM__PASSWORD", "secret")
    async with pool(workers=1) as readers:
        (pid,) = await warm(readers)
        limits = Path(f"/proc/{pid}/limits").read_text()
        soft = {line[:26].strip(): line[26:].split()[0] for line in limits.splitlines()[1:]}
        assert int(soft["Max address space"]) <= 768 * 1024 * 1024
        assert soft["Max file size"] == soft["Max core file size"] == soft["Max processes"] == "0"
        assert int(soft["Max open files"]) <= 64
        assert int(soft["Max cpu time"]) <= 60
        assert "NoNewPrivs:\t1" in Path(f"/proc/{pid}/status").read_text()
        assert b"secret" not in Path(f"/proc/{pid}/environ").read_bytes()
        assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "1000", "the relay outlives it"
        # Besides the socket it has nothing open that is ours.
        open_files = {os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()}
        assert len([one for one in open_files if one.startswith("socket:")]) == 1
        assert {one for one in open_files if not one.startswith("socket:")} <= {"/dev/null"}


PARENT = """
import asyncio, os, sys
from bcc_relay.core.model import Body, Message
from bcc_relay.readers.pool import Readers

async def main():
    readers = Readers(workers=1)
    contents = await readers(Message(b"To: a@mail1.example\\r\\n", b"\\r\\n", Body(b"b@mail1.example\\r\\n" * 9999)), frozenset())
    children = open(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read()
    print([sorted(keys) for _, keys in contents.shown], children, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_workers_start_from_anywhere_with_nothing_in_the_environment_and_end_with_the_relay(
    tmp_path: Path,
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('a file of that folder was imported')")
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", PARENT, cwd=tmp_path, env={}, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )  # fmt: skip
    try:
        assert parent.stdout is not None
        async with asyncio.timeout(60):
            line = (await parent.stdout.readline()).decode()
        assert line.startswith("[['b@mail1.example']]")
        pid = int(line.split()[-1])
    finally:
        parent.kill()
        await parent.wait()
    await until(lambda: not _is_running(pid))


def _is_running(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


async def test_other_work_goes_on_while_a_large_message_is_read() -> None:
    gaps = []

    async def tick() -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            gaps.append(now - last)
            last = now

    with tempfile.TemporaryFile() as file:
        for _ in range(50):
            file.write(b"Some words about nothing at all.\r\n" * (1024 * 1024 // 34))
        file.flush()
        with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            async with pool(workers=1) as readers, asyncio.timeout(60):
                await warm(readers)
                async with asyncio.TaskGroup() as group:
                    ticking = group.create_task(tick())
                    contents = await readers(Message(header(WHO), b"\r\n", Body(content)), NOBODY)
                    ticking.cancel()
    assert not contents.closed
    assert len(gaps) > 20
    # The figure for a quiet machine is in the benchmark; this only tells that nothing holds the loop for the whole time.
    assert sorted(gaps)[len(gaps) // 2] < 0.05
    assert max(gaps) < 1


@pytest.mark.parametrize(
    ("body", "is_inline"),
    [
        (b"Some words.\r\n" * 4500, True),
        (f"Write to {WHO}.\r\n".encode() * 2500, False),
        (b"Some words, and a list in base64.\r\n" * 1600, False),
        (b"--part\r\n\r\n" * 5000, False),
        (f"Write to {WHO}.\r\n".encode() * 100, True),
        (b"@" * 16 * 1024, False),
        (b"--part\r\n\r\n-\r\n" * 1000, False),
        (b"Some words.\r\n" * 5500, False),
    ],
    ids=["prose", "many addresses", "base64", "many parts", "short", "short with signs", "short with parts", "long"],
)
async def test_only_what_is_quickly_read_is_read_beside_the_dialogs(body: bytes, is_inline: bool) -> None:
    async with pool() as readers:
        await readers(message(header(WHO, more=b"Content-Type: multipart/mixed; boundary=part\r\n"), body), NOBODY)
        assert (workers() == []) == is_inline


async def test_what_turns_out_to_take_long_is_read_in_full_by_a_worker() -> None:
    people = "".join(f"family{n}@mail{n}.example|" for n in range(400)).encode()
    more = b"Content-Type: text/csv\r\nContent-Transfer-Encoding: base64\r\n"
    async with pool() as readers:
        contents = await readers(message(header(WHO, more=more), base64.encodebytes(people)), NOBODY)
        assert len(workers()) == 1
        assert not contents.closed
        assert len(shown(contents)["attached_list"]) == 400


async def test_a_worker_of_a_large_relay_is_used_again() -> None:
    large_relay = bytearray(450 * 1024 * 1024)
    large_relay[::4096] = b"x" * len(large_relay[::4096])
    del large_relay
    async with pool(workers=1) as readers:
        (pid,) = await warm(readers)
        await readers(large(), NOBODY)
        assert workers() == [pid]
