"""What an administrator chooses about the next mail servers, as plain frozen values. Settings check them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Tls(StrEnum):
    """How a connection is encrypted. There is no opportunistic kind: what is asked for happens, or nothing is sent."""

    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


@dataclass(frozen=True, slots=True)
class Server:
    """One next mail server. `host` is also the name its certificate must carry."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How long one step may take, in seconds (RFC 5321 4.5.3.2, where it names the step)."""

    connect_s: float = 30.0
    """Finding the address and opening the connection."""
    greeting_s: float = 300.0
    """The 220, with the TLS handshake before it when TLS is implicit."""
    hello_s: float = 300.0
    """EHLO, STARTTLS with its handshake, and AUTH: each of them."""
    mail_s: float = 300.0
    rcpt_s: float = 300.0
    data_start_s: float = 120.0
    data_piece_s: float = 180.0
    data_end_s: float = 600.0
    quit_s: float = 2.0
    """Politeness at the end, all connections together."""
    turn_s: float = 30.0
    """Waiting for a free connection, or for the pace; beyond it the mail is deferred."""


@dataclass(frozen=True, slots=True)
class Options:
    """Everything the forwarder needs to know."""

    servers: tuple[Server, ...]
    """In order of preference; an event names a server by its index here."""
    hello_name: str
    """What EHLO says: a host name or an address literal, ASCII, without blanks."""
    tls: Tls = Tls.STARTTLS
    ca_file: Path | None = None
    """PEM file of the authorities to trust; None means those of the system."""
    username: str = ""
    """Empty: no AUTH."""
    password: str | Callable[[], str] = field(default="", repr=False)
    """A callable is asked at each new connection, so a changed file takes effect."""
    connections: int = 10
    """Open connections at most, all servers together."""
    messages_per_minute: int = 0
    """0: no limit."""
    messages_per_connection: int = 100
    idle_s: float = 30.0
    limits: TimeLimits = field(default_factory=TimeLimits)
