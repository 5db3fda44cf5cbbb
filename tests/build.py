"""Builders for tests: short ways to make the nouns. No fixtures, no I/O."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bcc_relay.core.actions.leave import Leaving
from bcc_relay.core.actions.to_field import Options
from bcc_relay.core.address import known, parse_mailbox
from bcc_relay.core.contents.budget import Budget
from bcc_relay.core.contents.look import look
from bcc_relay.core.facts import Facts, read
from bcc_relay.core.model import Address, Body, Envelope, Form, Message, Origin, Recipient, Submission
from bcc_relay.core.organisation import Organisation
from bcc_relay.core.record import Judgement, NewRecord, State

if TYPE_CHECKING:
    from bcc_relay.core.contents.found import Contents

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
OWN = "council.example"
PARTNER = "partner.example"
PERSONAL = "family-mail.example"
HEADER_BYTES = 1048576


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


def organisation() -> Organisation:
    """The council with one partner; `PERSONAL` and the providers of `families` are personal mail."""
    personal = {PERSONAL, *(f"mail{n}.example" for n in range(10))}
    return Organisation(frozenset({OWN}), frozenset({PARTNER}), frozenset(personal))


def leaving(*, keep_own_visible: bool = False, names_note: bool = False, **fields: object) -> Leaving:
    """How mail leaves the council's relay."""
    plain = {"hostname": f"relay.{OWN}", "mark_key": b"k" * 32, "options": Options(keep_own_visible, names_note)}
    return Leaving(**{"organisation": organisation(), **plain, **fields})  # type: ignore[arg-type]


def mailbox(text: str) -> Address:
    """A mailbox as the envelope parser reads it, internationalised ones as well."""
    parsed = parse_mailbox(text.encode(), smtputf8=True)
    assert parsed is not None, text
    return parsed


def mail(
    *lines: bytes,
    to: tuple[str, ...] = (),
    sender: str | None = f"clerk@{OWN}",
    author: bytes = b"From: Clerk <clerk@council.example>",
    body: bytes = b"Hello\r\n",
    **fields: object,
) -> Submission:
    """A submission to `to` whose header is the author, these lines (each without its CRLF), Date and Message-ID."""
    block = (author, *lines, b"Date: Sun, 22 Nov 2026 10:00:00 +0000", b"Message-ID: <1@council.example>")
    envelope_ = Envelope(
        mailbox(sender) if sender else None,
        tuple(Recipient(mailbox(text)) for text in to),
        smtputf8=not all(map(str.isascii, to)),
    )
    octets = b"".join(line + b"\r\n" for line in block if line)
    return Submission("m1", NOW, envelope_, message(octets, body), origin(**fields))


def looked_into(given: Submission) -> Contents:
    """What the core alone sees in the body of a submission, without libraries."""
    people = [*(recipient.address for recipient in given.envelope.recipients), given.envelope.sender]
    return look(given.message, known(frozenset(one.key for one in people if one)), Budget()).contents


def facts(given: Submission, *, header_bytes: int = HEADER_BYTES, contents: Contents | None = None) -> Facts:
    """What the core reads in a submission whose body shows `contents`; it looks there itself when they are not given."""
    inside = looked_into(given) if contents is None else contents
    return read(given.message, given.envelope, organisation(), header_bytes=header_bytes, contents=inside)
