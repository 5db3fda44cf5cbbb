"""Short ways to make what these tests need: dispatches, options, a forwarder that is closed at the end."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from bcc_relay.core.model import Address, Body, Dispatch, Envelope, Message, Recipient
from bcc_relay.forwarder import Forwarder, Options, Server, TimeLimits, Tls
from tests.build import envelope, header

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bcc_relay.core.events import Event
    from bcc_relay.core.model import Outcome

SHORT = TimeLimits(
    connect_s=3, greeting_s=3, hello_s=3, mail_s=3, rcpt_s=3, data_start_s=3, data_piece_s=3, data_end_s=3, turn_s=3
)
"""Long enough for a busy machine, short enough for a test that must not wait for ever."""
HASTY_S = 0.2
"""For the one limit that a test wants to see reached."""


def dispatch(
    *to: str,
    body: bytes = b"Hello\r\n",
    raw: Message | None = None,
    sender: str | None = "clerk@council.example",
    **parameters: object,
) -> Dispatch:
    to = to or ("family1@mail.example",)
    return Dispatch("m1", envelope(*to, sender=sender, **parameters), raw or Message(header(), b"\r\n", Body(body)))


def dispatch_to(*recipients: Recipient, body: bytes = b"Hello\r\n", **parameters: object) -> Dispatch:
    sender = Address(b"clerk@council.example", "clerk@council.example")
    return Dispatch("m1", Envelope(sender, recipients, **parameters), Message(header(), b"\r\n", Body(body)))  # type: ignore[arg-type]


def recipient(octets: bytes, **parameters: object) -> Recipient:
    return Recipient(Address(octets, octets.decode("utf-8", "replace").casefold()), **parameters)  # type: ignore[arg-type]


def whole(message: Message) -> bytes:
    return b"".join(message.pieces())


def options(*ports: int, **changes: object) -> Options:
    servers = tuple(Server("127.0.0.1", port) for port in ports)
    return replace(Options(servers, "relay.council.example", tls=Tls.NONE, limits=SHORT), **changes)  # type: ignore[arg-type]


class Seen:
    """Takes note of events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)


@contextlib.asynccontextmanager
async def forwarding(
    *ports: int, seen: Seen | None = None, clock: object = None, **changes: object
) -> AsyncIterator[Forwarder]:
    more = {"monotonic": clock} if clock else {}
    forwarder = Forwarder(options(*ports, **changes), seen or Seen(), **more)  # type: ignore[arg-type]
    try:
        yield forwarder
    finally:
        await forwarder.close()


def kinds(outcomes: tuple[Outcome, ...]) -> list[str]:
    return [type(outcome).__name__ for outcome in outcomes]
