"""Reads the table of labels, and makes of a label what the product is given: submissions, one after another."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from bcc_relay.core.header import split_message
from bcc_relay.core.model import Envelope, Recipient, Submission
from tests import build
from tests.corpus.people import people

HERE = Path(__file__).parent
TABLE = HERE / "labels.yaml"
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


@dataclass(frozen=True)
class Leaves:
    """How the header leaves: what goes, what goes within a field, and the new To with its place."""

    to: str | None = None
    gone: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()


@dataclass(frozen=True)
class Earlier:
    """A message of the set that went before; `then`: sent, released (as it is, by a reviewer), or lost on its way."""

    message: str
    then: str = "sent"
    minutes_ago: float = 60


@dataclass(frozen=True)
class Label:
    """One row of the table."""

    name: str
    covers: tuple[str, ...]
    note: str
    rcpt: tuple[str, ...]
    verdict: str
    rule: str
    mail_from: str | None = f"clerk@{build.OWN}"
    file: str = ""
    """The message, where it is that of another row: one message may go to several envelopes."""
    channels: dict[str, int] = field(default_factory=dict)
    """Outsiders that each channel shows to another outsider."""
    damage: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    leaves: Leaves = Leaves()
    before: tuple[Earlier, ...] = ()
    orcpt: bool = False
    """Each recipient comes with its own original recipient (RFC 3461)."""

    @property
    def path(self) -> Path:
        return HERE / f"{self.file or self.name}.eml"

    @property
    def octets(self) -> bytes:
        return self.path.read_bytes()

    @property
    def is_innocent(self) -> bool:
        return self.name.startswith("innocent/")

    @property
    def recipients(self) -> list[str]:
        """The envelope's recipients: `header` stands for all addresses in To and Cc."""
        given = [one for wanted in self.rcpt for one in (self.in_header() if wanted == "header" else people(wanted))]
        return list(dict.fromkeys(given))

    def in_header(self) -> list[str]:
        """Addresses that stand plainly in To or Cc, in the envelope or not."""
        header = self.octets.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
        fields = re.findall(r"(?im)^(?:to|cc)[ \t]*:((?:.|\n[ \t])*)", header.replace("\r\n", "\n"))
        return _ADDRESS.findall(" ".join(fields))

    def submission(self, minutes_ago: float = 0, number: int = 0) -> Submission:
        """The message as it comes in, so many minutes before now."""
        mailboxes = [build.mailbox(text) for text in self.recipients]
        recipients = tuple(
            Recipient(mailbox, orcpt=b"rfc822;" + mailbox.octets if self.orcpt else None) for mailbox in mailboxes
        )
        sender = build.mailbox(self.mail_from) if self.mail_from else None
        international = not all(mailbox.octets.isascii() for mailbox in mailboxes)
        return Submission(
            id=f"corpus{number}",
            received_at=build.NOW - timedelta(minutes=minutes_ago),
            envelope=Envelope(sender, recipients, body_8bitmime=True, smtputf8=international),
            message=split_message(self.octets),
            origin=build.origin(),
        )


@cache
def labels() -> dict[str, Label]:
    """The whole table by name."""
    table = yaml.load(TABLE.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return {name: _label(name, row) for name, row in table.items()}


def _label(name: str, row: dict[str, Any]) -> Label:
    expect = row.pop("expect")
    leaves = {key: tuple(value) if isinstance(value, list) else value for key, value in row.pop("leaves", {}).items()}
    before = tuple(Earlier(**one) for one in row.pop("before", ()))
    expect = {"rule": "everything-else", **expect}
    plain = {key: tuple(value) if isinstance(value, list) else value for key, value in (row | expect).items()}
    return Label(name, leaves=Leaves(**leaves), before=before, **plain)
