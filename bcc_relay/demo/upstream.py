"""The stand-in for the next mail server: takes everything over real SMTP, keeps it, and sends nothing on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiosmtpd.smtp import SMTP

if TYPE_CHECKING:
    from pathlib import Path

    from aiosmtpd.smtp import Envelope, Session


@dataclass(frozen=True, slots=True)
class Received:
    """One transaction as it arrived."""

    sender: str
    recipients: tuple[str, ...]
    octets: bytes


@dataclass  # without slots: aiosmtpd looks at all members, and Python 3.11.2 stumbles over those of a slotted class
class StandIn:
    """Listens on loopback and keeps what it receives, in memory and as files in `folder`."""

    folder: Path
    received: list[Received] = field(default_factory=list)
    port: int = 0
    _server: asyncio.Server | None = None
    _came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def start(self) -> None:
        """Listen on a free port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def _protocol(self) -> SMTP:
        return SMTP(self, enable_SMTPUTF8=True, data_size_limit=0, hostname="stand-in.example", ident="stand-in")

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep one message."""
        octets = envelope.original_content or b""
        one = Received(envelope.mail_from or "", tuple(envelope.rcpt_tos), octets)
        number = len(self.received) + 1
        await asyncio.to_thread((self.folder / f"{number:04}.eml").write_bytes, octets)
        async with self._came:
            self.received.append(one)
            self._came.notify_all()
        return f"250 2.0.0 Kept as {number:04}.eml"

    async def wait_for_recipients(self, count: int, limit_s: float) -> None:
        """Wait until `count` recipients of mail with a sender were served. Raises TimeoutError."""

        def served() -> bool:
            return sum(len(one.recipients) for one in self.received if one.sender) >= count

        async with asyncio.timeout(limit_s), self._came:
            await self._came.wait_for(served)

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
