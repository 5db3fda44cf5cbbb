"""What can happen, as the rest of the world sees it: one vocabulary for log lines and metrics.

An event carries plain values. Addresses stand in fields of their own, so that an observer can replace them by
pseudonyms;
subjects and bodies never stand in an event.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class ConnectionOpened:
    """A client connected. Gauge `bcc_relay_smtp_connections`."""

    listener: str
    client: str


@dataclass(frozen=True, slots=True)
class ConnectionClosed:
    """A client is gone."""

    listener: str
    client: str


@dataclass(frozen=True, slots=True)
class SmtpRefused:
    """A command was refused. `reason` is one of REFUSAL_REASONS."""

    listener: str
    client: str
    reason: str
    user: str | None = None


REFUSAL_REASONS = (
    "address",
    "auth_failed",
    "auth_required",
    "connections",
    "data",
    "foreign_network",
    "internal",
    "junk",
    "loop",
    "policy",
    "recipients",
    "sender_not_allowed",
    "shutting_down",
    "size",
    "store",
    "timeout",
    "upstream",
)
"""Closed label set of `bcc_relay_smtp_refusals_total`."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A verdict was reached on a submission. `protected` counts outsiders kept from being disclosed by it."""

    message_id: str
    listener: str
    verdict: str
    rule: str
    detectors: tuple[str, ...]
    sender: str
    recipients: int
    visible_outsiders: int
    protected: int
    damage: tuple[str, ...]
    size_bytes: int
    enforced: bool = True
    monitored_rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """The client heard the reply to its final dot (or is gone: `client_gone`)."""

    message_id: str
    code: int
    text: str
    client_gone: bool = False


@dataclass(frozen=True, slots=True)
class StageTimed:
    """How long a stage took. `stage`: receive, read, decide, rewrite, store, forward."""

    stage: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Attempted:
    """One transaction upstream ended; counts of recipients by outcome."""

    message_id: str
    outcomes: dict[str, int]
    code: int
    text: str
    live: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """A stored message changed state. `by` is sender, reviewer, expiry or relay; `person` who it was."""

    message_id: str
    old: str
    new: str
    by: str = "relay"
    person: str | None = None
    decision: str | None = None
    waited_s: float | None = None


@dataclass(frozen=True, slots=True)
class UpstreamSeen:
    """An upstream server answered, or did not. `server` is its index in the configuration."""

    server: int
    up: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """Something of ours went wrong. `reference` is what the client was told; `detail` is for the log only."""

    reference: str
    where: str
    detail: str = ""
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class ReaderStopped:
    """A process that reads attachments ended before its time: `why` is too_slow, crashed or not_started."""

    why: str


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The process itself: `what` is starting, ready, reloaded, reload_failed, draining, stopped, not_built."""

    what: str
    detail: dict[str, str] = field(default_factory=dict)


Event: TypeAlias = (
    ConnectionOpened
    | ConnectionClosed
    | SmtpRefused
    | Decided
    | Answered
    | StageTimed
    | Attempted
    | Moved
    | UpstreamSeen
    | Failed
    | ReaderStopped
    | Lifecycle
)
