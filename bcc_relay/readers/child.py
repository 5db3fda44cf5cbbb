"""One worker as the relay sees it: started, asked, ended. It never answers twice for one question."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bcc_relay.core.contents.budget import Limits
from bcc_relay.readers.wire import LENGTH, MAX_FRAME_BYTES, READY, NotAnAnswerError, request_head

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from asyncio.subprocess import Process

    from bcc_relay.core.model import Message
    from bcc_relay.readers.wire import Answer

_PIECE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What one worker may take."""

    time_limit_s: float = 10.0
    """Wall time for one message, its way to the worker included."""
    memory_bytes: int = 768 * 1024 * 1024
    """Address space of the process."""
    start_limit_s: float = 30.0
    contents: Limits = field(default_factory=Limits)


class WorkerLostError(Exception):
    """The worker is no more, could not be started, or answers nonsense."""


class Child:
    """A worker process and the socket to it. Make it with `start`."""

    def __init__(self, process: Process, reader: StreamReader, writer: StreamWriter) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(cls, limits: WorkerLimits) -> Child:
        """Start a worker, which is still to become `ready`. Raises WorkerLostError."""
        ours, theirs = socket.socketpair()
        process = None
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *_command(theirs.fileno(), limits),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    env=_environment(),
                    cwd="/",
                    # Ctrl-C at the terminal is for the relay.
                    start_new_session=True,
                )
            reader, writer = await asyncio.open_unix_connection(sock=ours)
        except BaseException as error:
            ours.close()
            if process is not None and process.returncode is None:
                process.kill()
            if isinstance(error, (OSError, ValueError)):
                raise WorkerLostError("not started") from error
            raise
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
        return self._process.returncode is not None

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
        if self._process.returncode is None:
            self._process.kill()

    async def gone(self) -> None:
        """Wait until a killed process is no more."""
        await self._process.wait()


def _command(fd: int, limits: WorkerLimits) -> list[str]:
    contents = limits.contents
    numbers = (
        fd,
        limits.memory_bytes,
        2 * int(limits.time_limit_s) + 2,
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
