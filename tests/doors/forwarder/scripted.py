"""A next mail server that does what a test tells it: a real listener on loopback, answering by script.

It keeps every octet it was sent. A script maps a verb (`CONNECT`, `EHLO`, `AUTH`, `MAIL`, `RCPT`, `DATA`, `.` for the
final dot, `RSET`, `QUIT`) to what happens: reply octets, one of the words below, or a function of the command line and
the session that returns one of these. A list is used up one entry a command; then the usual answer is given again.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

OFFERS = ("PIPELINING", "SIZE 50000000", "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8", "DSN", "AUTH PLAIN LOGIN")


class Do(Enum):
    """What to do instead of answering."""

    DROP = auto()
    """Break the connection."""
    SILENCE = auto()
    """Answer nothing from here on in this session, but go on reading."""
    STOP = auto()
    """Never answer and read nothing more."""


Step = bytes | Do | Callable[["bytes", "Session"], "bytes | Do"]


@dataclass
class Mail:
    """One message that was accepted for at least one recipient."""

    mail: bytes
    rcpts: tuple[bytes, ...]
    octets: bytes


@dataclass
class Session:
    """One connection as the server saw it."""

    number: int
    octets: bytearray = field(default_factory=bytearray)
    """All that was received after TLS, if there was TLS."""
    commands: list[bytes] = field(default_factory=list)
    secure: bool = False
    silent: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    mail: bytes = b""
    rcpts: list[bytes] = field(default_factory=list)

    def verbs(self) -> list[str]:
        return [command[:4].decode("ascii", "replace").strip().upper() for command in self.commands]


class Scripted:
    """The server; use `running(...)`."""

    def __init__(
        self,
        script: Mapping[str, Step | list[Step]] | None = None,
        *,
        offers: tuple[str, ...] = OFFERS,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
    ) -> None:
        self.script = {
            verb: list(steps) if isinstance(steps, list) else steps for verb, steps in (script or {}).items()
        }
        self.offers = offers
        self.tls = tls
        self.implicit = implicit
        self.sessions: list[Session] = []
        self.mails: list[Mail] = []
        self.port = 0
        self.seen = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", port, ssl=self.tls if self.implicit else None, limit=2**20
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def until(self, condition: Callable[[], bool], within_s: float = 5.0) -> None:
        """Wait until what the server saw fulfils `condition`."""
        async with asyncio.timeout(within_s), self.seen:
            await self.seen.wait_for(condition)

    def verbs(self) -> list[str]:
        """Verbs of all commands, sessions one after the other."""
        return [verb for session in self.sessions for verb in session.verbs()]

    async def _notify(self) -> None:
        async with self.seen:
            self.seen.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        session = Session(len(self.sessions), secure=self.implicit)
        self.sessions.append(session)
        try:
            await self._talk(reader, writer, session)
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            session.ended.set()
            writer.transport.abort()
            self._tasks.discard(task)
            with contextlib.suppress(asyncio.CancelledError):
                await self._notify()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, session: Session) -> None:
        if not await self._answer("CONNECT", b"", b"220 up.example ESMTP\r\n", session, writer):
            return
        while True:
            line = await reader.readuntil(b"\r\n")
            session.octets += line
            session.commands.append(line)
            await self._notify()
            verb = line[:4].decode("ascii", "replace").strip().upper()
            if verb == "STAR":
                await self._upgrade(writer, session)
                continue
            if not await self._answer(verb, line, self._usual(verb, line, session), session, writer):
                return
            if verb == "DATA" and self._started_data:
                octets = await self._read_data(reader, session)
                self.mails.append(Mail(session.mail, tuple(session.rcpts), octets))
                session.mail, session.rcpts = b"", []
                await self._notify()
                if not await self._answer(".", octets, b"250 2.0.0 Taken\r\n", session, writer):
                    return
            if verb == "QUIT":
                return

    def _usual(self, verb: str, line: bytes, session: Session) -> bytes:
        match verb:
            case "EHLO":
                lines = ["up.example", *self.offers]
                if self.tls and not session.secure:
                    lines.append("STARTTLS")
                return b"".join(
                    f"250{'-' if n < len(lines) - 1 else ' '}{text}\r\n".encode() for n, text in enumerate(lines)
                )
            case "AUTH":
                return b"235 2.7.0 Welcome\r\n"
            case "MAIL":
                return b"250 2.1.0 Sender ok\r\n"
            case "RCPT":
                return b"250 2.1.5 Recipient ok\r\n"
            case "DATA":
                return b"354 Go on\r\n" if session.rcpts else b"554 5.5.1 No valid recipients\r\n"
            case "RSET":
                return b"250 2.0.0 Forgotten\r\n"
            case "QUIT":
                return b"221 2.0.0 Bye\r\n"
            case _:
                return b"500 5.5.2 What?\r\n"

    async def _answer(
        self, verb: str, line: bytes, usual: bytes, session: Session, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer by the script; False when the session is over."""
        step: Step | list[Step] = self.script.get(verb, usual)
        if isinstance(step, list):
            step = step.pop(0) if step else usual
        if callable(step):
            step = step(line, session)
        self._started_data = False
        if step is Do.DROP:
            return False
        if step is Do.STOP:
            writer.transport.pause_reading()
            await asyncio.Event().wait()
        if step is Do.SILENCE:
            session.silent = True
        if isinstance(step, bytes) and not session.silent:
            code = step[:1]
            if verb == "MAIL" and code == b"2":
                session.mail = line
            elif verb == "RCPT" and code == b"2":
                session.rcpts.append(line)
            elif verb == "RSET":
                session.mail, session.rcpts = b"", []
            self._started_data = verb == "DATA" and b"354" in step
            writer.write(step)
            await writer.drain()
            if code == b"4" and step[:3] == b"421":
                return False
        return True

    async def _upgrade(self, writer: asyncio.StreamWriter, session: Session) -> None:
        assert self.tls is not None
        step = self.script.get("STARTTLS", b"220 2.0.0 Ready\r\n")
        assert isinstance(step, bytes)
        writer.write(step)
        await writer.drain()
        if step.startswith(b"220"):
            with contextlib.suppress(ssl.SSLError):
                await writer.start_tls(self.tls)
                session.secure = True

    async def _read_data(self, reader: asyncio.StreamReader, session: Session) -> bytes:
        """Read up to the final dot: only CRLF.CRLF ends it; take the doubled dots out."""
        octets = bytearray()
        while True:
            line = await reader.readuntil(b"\r\n")
            session.octets += line
            if line == b".\r\n" and (not octets or octets.endswith(b"\r\n")):
                return bytes(octets)
            if line.startswith(b".") and (not octets or octets.endswith(b"\r\n")):
                line = line[1:]
            octets += line


@contextlib.asynccontextmanager
async def running(
    script: Mapping[str, Step | list[Step]] | None = None,
    *,
    offers: tuple[str, ...] = OFFERS,
    tls: ssl.SSLContext | None = None,
    implicit: bool = False,
) -> AsyncIterator[Scripted]:
    """A scripted server on a free port of 127.0.0.1, stopped at the end."""
    server = Scripted(script, offers=offers, tls=tls, implicit=implicit)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
