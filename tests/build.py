"""Builders for tests: short ways to make the nouns. No fixtures, no I/O."""

from __future__ import annotations

from datetime import UTC, datetime

from bcc_relay.core.model import (
    Address,
    Body,
    Envelope,
    Form,
    Judgement,
    Message,
    NewRecord,
    Origin,
    Recipient,
    State,
    Submission,
)

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
OWN = "council.example"


def address(text: str) -> Address:
    """A plain ASCII address, already valid."""
    local, _, domain = text.rpartition("@")
    return Address(text.encode(), f"{local.casefold()}@{domain.lower()}")


def recipients(*texts: str) -> tuple[Recipient, ...]:
    return tuple(Recipient(address(text)) for text in texts)


def envelope(*to: str, sender: str | None = f"clerk@{OWN}", **parameters: object) -> Envelope:
    return Envelope(address(sender) if sender else None, recipients(*to), **parameters)  # type: ignore[arg-type]


def message(header: bytes, body: bytes = b"Hello\r\n", separator: bytes = b"\r\n") -> Message:
    return Message(header, separator, Body(body))


def header(to: str = "", *, sender: str = f"clerk@{OWN}", more: bytes = b"") -> bytes:
    """A usual header block; `to` as it stands after `To: `."""
    lines = [
        f"From: Clerk <{sender}>",
        *([f"To: {to}"] if to else []),
        "Subject: Term dates",
        "Date: Sun, 22 Nov 2026 10:00:00 +0000",
        f"Message-ID: <1@{OWN}>",
    ]
    return "".join(f"{line}\r\n" for line in lines).encode() + more


def origin(**fields: object) -> Origin:
    return Origin(**{"listener": "127.0.0.1:2525", "client": "127.0.0.1", "helo": "client.example", **fields})  # type: ignore[arg-type]


def submission(
    *to: str, raw: Message | None = None, id: str = "m1", sender: str | None = f"clerk@{OWN}", **fields: object
) -> Submission:
    """A submission to these recipients; the header shows them all unless `raw` is given."""
    return Submission(
        id=id,
        received_at=NOW,
        envelope=envelope(*to, sender=sender),
        message=raw or message(header(", ".join(to))),
        origin=origin(**fields),
    )


def families(count: int, *, domains: int = 1) -> tuple[str, ...]:
    """Addresses of `count` families at `domains` providers."""
    return tuple(f"family{n}@mail{n % domains}.example" for n in range(count))


def new_record(
    *to: str, id: str = "m1", state: State = State.QUEUED, raw: Message | None = None, **fields: object
) -> NewRecord:
    """A message about to be stored, with one family as recipient unless others are given."""
    verdict = "hold" if state is State.HELD else "pass"
    plain = {"form": Form.AS_IS, "judgement": Judgement(verdict, "families", "Many families would see each other.")}
    given = submission(*(to or ("family@mail.example",)), id=id, raw=raw)
    return NewRecord(given, state, **{**plain, **fields})  # type: ignore[arg-type]
