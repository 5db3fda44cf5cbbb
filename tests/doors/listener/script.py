"""A scripted SMTP dialog: say a line, hear a reply. A test with it reads like the dialog itself."""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from bcc_relay.core.model import Reply, Submission
from bcc_relay.listener.limits import Connections, FailedLogins
from bcc_relay.listener.options import ListenerOptions, Timeouts
from bcc_relay.listener.server import Listener
from bcc_relay.relay.ports import Login
from tests.build import NOW

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

WAIT_S = 5.0
"""Longest that a test waits for anything."""

PASSWORD = "correct horse"


@dataclass
class Taker:
    """An intake that remembers what it was given; `answers` may be a function that waits, or raises."""

    reply: Reply = field(default_factory=lambda: Reply(250, "2.0.0 Taken"))
    answers: Callable[[Submission], Awaitable[Reply]] | None = None
    taken: list[Submission] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    unheard_answers: list[tuple[str, Reply]] = field(default_factory=list)

    async def unheard(self, submission: Submission, reply: Reply) -> None:
        self.unheard_answers.append((submission.id, reply))

    async def take(self, submission: Submission) -> Reply:
        self.taken.append(submission)
        self.arrived.set()
        reply = await self.answers(submission) if self.answers else self.reply
        self.finished.set()
        return reply

    @property
    def content(self) -> bytes:
        """The octets of the only message taken."""
        assert len(self.taken) == 1, f"{len(self.taken)} messages were taken"
        return b"".join(self.taken[0].message.pieces())

    @property
    def recipients(self) -> list[bytes]:
        return [recipient.address.octets for recipient in self.taken[-1].envelope.recipients]


async def one_account(name: str, password: str) -> Login | None:
    """Accounts of a council with one clerk."""
    if name == "clerk@council.example" and password == PASSWORD:
        return Login(name, ("clerk@council.example", "office@council.example"))
    return None


def plain(name: str, password: str, for_whom: str = "") -> str:
    return base64.b64encode(f"{for_whom}\0{name}\0{password}".encode()).decode()


GOOD_LOGIN = "AUTH PLAIN " + plain("clerk@council.example", PASSWORD)
BAD_LOGIN = "AUTH PLAIN " + plain("clerk@council.example", "wrong")


class Client:
    """The client's side of a dialog."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, octets: bytes) -> None:
        self.writer.write(octets)
        async with asyncio.timeout(WAIT_S):
            await self.writer.drain()

    async def hear(self) -> str:
        """The next whole reply, its lines parted by LF, as `250-first` and `250 last`."""
        lines = []
        async with asyncio.timeout(WAIT_S):
            while True:
                line = await self.reader.readline()
                assert line.endswith(b"\r\n"), f"the connection ended after {lines} {line!r}"
                lines.append(line[:-2].decode())
                if line[3:4] == b" ":
                    return "\n".join(lines)

    async def say(self, line: str | bytes, expect: str = "") -> str:
        """Send one line and hear its reply, which begins with `expect`."""
        octets = line.encode() if isinstance(line, str) else line
        await self.send(octets + b"\r\n")
        reply = await self.hear()
        assert reply.startswith(expect), f"{octets!r} was answered {reply!r}, not {expect!r}"
        return reply

    async def says(self, *exchanges: tuple[str | bytes, str]) -> None:
        """Several lines with the beginnings of their replies."""
        for line, expect in exchanges:
            await self.say(line, expect)

    async def greet(self, expect: str = "250") -> str:
        reply = await self.hear()
        assert reply.startswith("220 "), reply
        return await self.say("EHLO client.example", expect)

    async def envelope(self, *to: str, sender: str = "clerk@council.example") -> None:
        await self.say(f"MAIL FROM:<{sender}>", "250 2.1.0")
        for address in to or ("family@mail.example",):
            await self.say(f"RCPT TO:<{address}>", "250 2.1.5")

    async def data(self, octets: bytes, expect: str = "250") -> str:
        """Send these octets after 354 and hear the answer."""
        await self.say("DATA", "354")
        await self.send(octets)
        reply = await self.hear()
        assert reply.startswith(expect), reply
        return reply

    async def ends(self) -> bytes:
        """Wait until the server closes; what came before that."""
        async with asyncio.timeout(WAIT_S):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    async def start_tls(self, context: ssl.SSLContext) -> None:
        await self.say("STARTTLS", "220 2.0.0")
        async with asyncio.timeout(WAIT_S):
            await self.writer.start_tls(context, server_hostname="localhost")

    async def close(self) -> None:
        self.writer.close()
        try:
            async with asyncio.timeout(WAIT_S):
                await self.writer.wait_closed()
        except OSError:
            pass


@dataclass
class House:
    """A listener under test, with all that stands around it."""

    listener: Listener
    intake: Taker
    events: list[object]
    connections: Connections
    tls: ssl.SSLContext | None
    host: str
    now: list[float]
    pauses: list[float]
    clients: list[Client] = field(default_factory=list)

    async def connect(self, *, tls: bool = False, source: str | None = None) -> Client:
        async with asyncio.timeout(WAIT_S):
            reader, writer = await asyncio.open_connection(
                self.host,
                self.listener.port,
                ssl=self.tls if tls else None,
                server_hostname="localhost" if tls else None,
                local_addr=(source, 0) if source else None,
            )
        client = Client(reader, writer)
        self.clients.append(client)
        return client

    async def greeted(self) -> Client:
        client = await self.connect()
        await client.greet()
        return client

    def of(self, kind: type) -> list[object]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that happens on the server's side."""
        async with asyncio.timeout(WAIT_S):
            while not condition():
                await asyncio.sleep(0.002)


@asynccontextmanager
async def house(
    *,
    intake: Taker | None = None,
    connections: Connections | None = None,
    authenticate: object = one_account,
    server_tls: ssl.SSLContext | None = None,
    client_tls: ssl.SSLContext | None = None,
    timeouts: Timeouts | None = None,
    sock: socket.socket | None = None,
    **options: object,
) -> AsyncIterator[House]:
    """A listener on a free port, closed afterwards; keywords are ListenerOptions."""
    intake = intake or Taker()
    events: list[object] = []
    now = [0.0]
    pauses: list[float] = []
    numbers = count(1)
    connections = connections or Connections()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    chosen = {"name": "127.0.0.1:0", "port": 0, "hostname": "relay.council.example", **options}
    listener = Listener(
        ListenerOptions(timeouts=timeouts or Timeouts(), **chosen),  # type: ignore[arg-type]
        intake=intake,
        observe=events.append,
        clock=lambda: NOW,
        new_id=lambda: f"id{next(numbers)}",
        authenticate=authenticate,  # type: ignore[arg-type]
        ssl_context=server_tls,
        connections=connections,
        failed_logins=FailedLogins(lambda: now[0]),
        pause=pause,
        sock=sock,
    )
    await listener.start()
    home = House(listener, intake, events, connections, client_tls, str(chosen.get("host", "127.0.0.1")), now, pauses)
    try:
        yield home
    except BaseException:
        for task in listener._door.submissions:
            task.cancel()  # else closing would wait for them, and hide the test's own failure
        raise
    finally:
        for client in home.clients:
            await client.close()
        async with asyncio.timeout(WAIT_S):
            await listener.close()
