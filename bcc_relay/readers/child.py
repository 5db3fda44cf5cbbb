"""One worker as the relay sees it: started, asked, ended. It never answers twice for one question."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL, Popen, TimeoutExpired
from typing import TYPE_CHECKING

from bcc_relay.core.contents.budget import Limits
from bcc_relay.readers.wire import LENGTH, MAX_FRAME_BYTES, READY, NotAnAnswerError, request_head

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter

    from bcc_relay.core.model import Message
    from bcc_relay.readers.wire import Answer

_PIECE_BYTES = 256 * 1024
_REAP_S = 0.5
"""So long after it was killed a process is taken off the system's list."""
_GONE_LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What one worker may take."""

    time_limit_s: float = 10.0
    """Wall time for one message, its way to the worker included. Only a library that hangs takes so long."""
    reading_s: float = 1.5
    """Processor time for one message: what is not read by then is closed."""
    memory_bytes: int = 768 * 1024 * 1024
    """Address space of the process."""
    start_limit_s: float = 30.0
    contents: Limits = field(default_factory=Limits)


class WorkerLostError(Exception):
    """The worker is no more, could not be started, or answers nonsense."""


class Child:
    """A worker process and the socket to it. Make it with `start`.

    asyncio's own processes are no use here: ending one races with the watcher that reaps it.
    """

    def __init__(self, process: Popen[bytes], reader: StreamReader, writer: StreamWriter) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(cls, limits: WorkerLimits) -> Child:
        """Start a worker, which is still to become `ready`. Raises WorkerLostError."""
        ours, theirs = socket.socketpair()
        with theirs:
            reader, writer = await asyncio.open_unix_connection(sock=ours)
            # Nothing waits from here on: a process that was started has somebody who ends it.
            try:
                process = _started(theirs.fileno(), limits)
            except (OSError, ValueError) as error:
                writer.transport.abort()
                raise WorkerLostError("not started") from error
        return cls(process, reader, writer)

    async def ready(self) -> None:
        """Wait until the worker takes a message. Raises WorkerLostError; sets no time limit."""
        try:
            if await self._frame() != READY:
                raise WorkerLostError("not ready")
        except (OSError, NotAnAnswerError, asyncio.IncompleteReadError) as error:
            raise WorkerLostError("not ready") from error

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether the process is known to be no more."""
        return self._process.poll() is not None

    @property
    def is_lost(self) -> bool:
        """Whether it cannot be asked any more."""
        return self.has_ended or self._reader.at_eof()

    async def ask(self, message: Message, names: frozenset[str], answer: Answer) -> None:
        """Hand a message over and collect the frames of the answer. Raises WorkerLostError; sets no time limit."""
        try:
            body = message.body
            self._writer.write(request_head(names, message.header, message.separator, len(body)))
            for piece in body.pieces(_PIECE_BYTES):
                await self._writer.drain()
                self._writer.write(piece)
            await self._writer.drain()
            while not answer.is_whole:
                answer.take(await self._frame())
                # Frames may stand in the buffer already; other mail goes on between two of them.
                await asyncio.sleep(0)
        except (OSError, NotAnAnswerError, asyncio.IncompleteReadError) as error:
            raise WorkerLostError("no answer") from error

    async def _frame(self) -> bytes:
        (size_bytes,) = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))
        if size_bytes > MAX_FRAME_BYTES:
            raise NotAnAnswerError("frame too long")
        return await self._reader.readexactly(size_bytes)

    def kill(self) -> None:
        """End the process at once, and let go of the socket to it."""
        self._writer.transport.abort()
        self._process.kill()
        asyncio.get_running_loop().call_later(_REAP_S, self._process.poll)

    async def gone(self) -> None:
        """Wait until a killed process is no more."""
        with suppress(TimeoutExpired):
            await asyncio.to_thread(self._process.wait, _GONE_LIMIT_S)


def _started(fd: int, limits: WorkerLimits) -> Popen[bytes]:
    return Popen(  # noqa: S603 - this very interpreter, and numbers
        _command(fd, limits),
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=DEVNULL,
        pass_fds=(fd,),
        env=_environment(),
        cwd="/",
        # Ctrl-C at the terminal is for the relay.
        start_new_session=True,
    )


def _command(fd: int, limits: WorkerLimits) -> list[str]:
    contents = limits.contents
    numbers = (
        fd,
        limits.memory_bytes,
        2 * int(limits.time_limit_s) + 2,
        int(limits.reading_s * 1000),
        contents.depth,
        contents.parts,
        contents.unpacked_bytes,
        contents.ratio,
    )
    # Without bytecode files, and without the current folder on the path.
    return [sys.executable, "-B", "-P", "-m", "bcc_relay.readers.worker", *map(str, numbers)]


def _environment() -> dict[str, str]:
    """Return an environment with no secrets in it: the worker imports from where this process does."""
    return {"PYTHONPATH": os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path), "LC_ALL": "C.UTF-8"}
