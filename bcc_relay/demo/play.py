"""Plays the story: starts all parts on loopback, sends the mails, looks at what arrived, and tells it."""

from __future__ import annotations

import asyncio
import smtplib
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bcc_relay.core.record import State
from bcc_relay.demo import story
from bcc_relay.demo.upstream import Received, StandIn
from bcc_relay.process import Relay
from bcc_relay.settings import load
from bcc_relay.wiring import open_store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from bcc_relay.demo.story import Copy

LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Told:
    """What happened in the story."""

    families: int
    delivered: int
    """Families that received exactly one copy."""
    disclosed: int
    """Addresses of families that other families can read, over all copies."""
    held: int
    seconds: float
    families_answer: str
    circle_answer: str
    transactions: tuple[Received, ...]
    copies: tuple[Copy, ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the parts are."""

    config: Path
    received: Path
    smtp_port: int
    metrics_port: int


async def play(
    folder: Path, smtp_port: int, tell: Callable[[Told, Stage], None], stay: Callable[[], Awaitable[None]]
) -> Told:
    """Start everything in `folder`, play the story, `tell` it, and stop when `stay` returns.

    `smtp_port` 0 takes a free one. Raises TimeoutError when the mail does not arrive.
    """
    received = folder / "received"
    received.mkdir()
    upstream = StandIn(received)
    await upstream.start()
    try:
        config = folder / "config.yaml"
        config.write_text(_configuration(folder, upstream.port, smtp_port), encoding="utf-8")
        loaded = load(config, {})
        async with Relay(loaded) as relay:
            ports = relay.ports
            port = ports[loaded.settings.listeners[0].name]
            told = await _story(upstream, port)
            async with open_store(loaded.settings) as store:
                held = await store.find((State.HELD,))
            told = replace(told, held=len(held))
            tell(told, Stage(config, received, port, ports["metrics"]))
            await stay()
        return told
    finally:
        await upstream.stop()


def _configuration(folder: Path, upstream_port: int, smtp_port: int) -> str:
    personal = ", ".join(story.PERSONAL_DOMAINS)
    return f"""\
# Made by `bcc-relay demo`. Everything stays on this machine.
organisation: {{name: The Council, domains: [{story.OWN_DOMAIN}], personal: [{personal}]}}
listeners: [{{bind: "127.0.0.1:{smtp_port}"}}]
upstream: {{servers: ["127.0.0.1:{upstream_port}"]}}
notices: {{reviewers: [dpo@{story.OWN_DOMAIN}]}}
store: {{url: "sqlite://{folder}/relay.db"}}
metrics: {{bind: "127.0.0.1:0"}}
log: {{level: error}}
"""


async def _story(upstream: StandIn, port: int) -> Told:
    started = time.monotonic()
    families_answer = await asyncio.to_thread(_send, port, story.to_families(), story.FAMILIES)
    circle_answer = await asyncio.to_thread(_send, port, story.to_circle(), story.CIRCLE)
    await upstream.wait_for_recipients(len(story.FAMILIES), LIMIT_S)
    seconds = time.monotonic() - started
    transactions = tuple(one for one in upstream.received if one.sender == story.CLERK)
    copies = story.copies_of(transactions, story.FAMILIES)
    return Told(
        families=len(story.FAMILIES),
        delivered=sum(1 for copy in copies if copy.copies == 1),
        disclosed=len(frozenset[str]().union(*(copy.others for copy in copies))),
        held=0,
        seconds=round(seconds, 2),
        families_answer=families_answer,
        circle_answer=circle_answer,
        transactions=transactions,
        copies=copies,
    )


def _send(port: int, octets: bytes, recipients: tuple[str, ...]) -> str:
    """Submit as a mail client does, one dialog, and return the answer to the data."""
    with smtplib.SMTP("127.0.0.1", port, timeout=LIMIT_S) as client:
        client.ehlo("desk.council.example")
        client.mail(story.CLERK)
        for recipient in recipients:
            client.rcpt(recipient)
        code, text = client.data(octets)
        return f"{code} {text.decode('utf-8', 'replace')}"
