"""The nouns of the product, frozen. What a value says is true of it: parsing and checking happen before."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from mmap import mmap

    Content: TypeAlias = "bytes | mmap"

PIECE_BYTES = 65536
"""Size of the pieces in which bodies travel."""


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """The octets after the blank line, read-only: memory, or a mapped unlinked file. Read it in pieces, never whole.

    `content[start:]` is the body, so a header and its body can share one buffer.
    """

    content: Content
    start: int = 0

    def __len__(self) -> int:
        return len(self.content) - self.start

    def pieces(self, size_bytes: int = PIECE_BYTES) -> Iterator[bytes]:
        """Yield the body in order, in pieces of at most `size_bytes`."""
        for at in range(self.start, len(self.content), size_bytes):
            yield self.content[at : at + size_bytes]


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """A message as octets with CRLF line ends: `header` + `separator` + `body`, which is what goes over the wire.

    `header` is the field lines, each with its CRLF. `separator` is the blank line, or empty when the message has none
    (then the body is empty too).
    """

    header: bytes
    separator: bytes
    body: Body

    @property
    def size_bytes(self) -> int:
        """Size of the whole message in octets."""
        return len(self.header) + len(self.separator) + len(self.body)

    def pieces(self) -> Iterator[bytes]:
        """Yield the whole message in order: the header with its blank line first, then the body."""
        yield self.header + self.separator
        yield from self.body.pieces()


@dataclass(frozen=True, slots=True)
class Address:
    """A valid mailbox. `octets` is what the client gave and what goes upstream; `key` is only for comparing.

    `key`: local part case-folded and in NFC, `@`, domain lower-cased in A-label form (product rules for deciding).
    """

    octets: bytes
    key: str

    @property
    def domain(self) -> str:
        """Domain in comparing form."""
        return self.key.rpartition("@")[2]

    @property
    def text(self) -> str:
        """Form for people."""
        return self.octets.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Recipient:
    """One RCPT TO with its DSN parameters (RFC 3461 4.1, 4.2)."""

    address: Address
    notify: tuple[str, ...] = ()
    """Upper-case NOTIFY values (`NEVER`, or any of `SUCCESS FAILURE DELAY`); empty when the client gave none."""
    orcpt: bytes | None = None
    """ORCPT as given: `addr-type;xtext`."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """The SMTP envelope. Recipients stand in the order given, each once (RFC 5321 3.3, RFC 3461, RFC 6531)."""

    sender: Address | None
    """None is the null reverse-path `<>`."""
    recipients: tuple[Recipient, ...]
    body_8bitmime: bool = False
    smtputf8: bool = False
    ret: str | None = None
    """`FULL` or `HDRS` (RFC 3461 4.3)."""
    envid: bytes | None = None
    """ENVID as given, in xtext (RFC 3461 4.4)."""

    @property
    def sender_octets(self) -> bytes:
        """Reverse-path without angle brackets; empty for the null sender."""
        return self.sender.octets if self.sender else b""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a submission came from."""

    listener: str
    """The listener's `bind`, a closed set, so it may be a metric label."""
    client: str = ""
    """IP address of the client in text form."""
    helo: str = ""
    protocol: str = "ESMTP"
    """`with` keyword for Received (RFC 3848): SMTP, ESMTP, ESMTPA, ESMTPS, ESMTPSA, or UTF8SMTP… (RFC 6531)."""
    user: str | None = None
    """Login name, when the client authenticated."""
    user_addresses: tuple[str, ...] = ()
    """Addresses this login may send as; notices go to the first."""
    authenticated_listener: bool = False
    """The listener requires AUTH: its default for a partial refusal is `refuse_all`."""


@dataclass(frozen=True, slots=True, eq=False)
class Submission:
    """What the client gave after the final dot, never altered. The message's line ends are CRLF already."""

    id: str
    received_at: datetime
    """Aware, UTC."""
    envelope: Envelope
    message: Message
    origin: Origin


class Channel(StrEnum):
    """Where an address can be read (product rules, "channel")."""

    TO = "to"
    CC = "cc"
    REPLY_TO = "reply_to"
    RESENT = "resent"
    OTHER_HEADER = "other_header"
    SUBJECT = "subject"
    FROM = "from"
    CALENDAR = "calendar"
    TNEF = "tnef"
    ATTACHED_MESSAGE = "attached_message"
    ATTACHED_LIST = "attached_list"
    BODY = "body"
    QUOTED_HEADER = "quoted_header"
    ARCHIVE = "archive"
    PROTECTED_HEADER = "protected_header"


@dataclass(frozen=True, slots=True)
class Finding:
    """One detector's observation: code for machines, sentence for people."""

    detector: str
    channel: Channel
    addresses: int
    rewritable: bool
    sentence: str


class Form(StrEnum):
    """How a message leaves: unchanged, or rewritten with what stands in its `To:`."""

    AS_IS = "as_is"
    SENDER = "sender"
    UNDISCLOSED = "undisclosed"
    INDIVIDUAL = "individual"


@dataclass(frozen=True, slots=True)
class Pass:
    """Let it go unchanged."""

    rule: str
    sentence: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Send it so that recipients stand only in the envelope."""

    rule: str
    sentence: str
    form: Form
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Hold:
    """Keep it for a decision."""

    rule: str
    sentence: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Reject:
    """Refuse it; `sentence` is what the sender reads."""

    rule: str
    sentence: str
    findings: tuple[Finding, ...] = ()


Verdict: TypeAlias = Pass | Rewrite | Hold | Reject

VERDICT_NAMES: dict[type[Pass | Rewrite | Hold | Reject], str] = {
    Pass: "pass",
    Rewrite: "rewrite",
    Hold: "hold",
    Reject: "reject",
}


@dataclass(frozen=True, slots=True)
class Reply:
    r"""One SMTP reply. `text` begins with the enhanced status code where there is one; `\n` parts its lines."""

    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}".replace("\n", " / ")


@dataclass(frozen=True, slots=True, eq=False)
class Dispatch:
    """Envelope and octets ready for one SMTP transaction upstream."""

    message_id: str
    envelope: Envelope
    message: Message


@dataclass(frozen=True, slots=True)
class Delivered:
    """The next hop took responsibility for this recipient."""

    reply: Reply
    dsn_offered: bool = False
    """The next hop offered DSN, so it reports on from here (RFC 3461 5.2.2)."""


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not now. `unreachable`: no upstream answered for the mail itself (down, TLS, AUTH, its greeting)."""

    reply: Reply
    unreachable: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Never: a permanent answer for this recipient or for the whole message."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class InDoubt:
    """The connection was lost, or no answer came, after the final dot: neither success nor failure."""

    reply: Reply


Outcome: TypeAlias = Delivered | Deferred | Refused | InDoubt


class OutcomeName(StrEnum):
    """What is recorded for a recipient."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    REFUSED = "refused"
    IN_DOUBT = "in_doubt"


OUTCOME_NAMES: dict[type[Delivered | Deferred | Refused | InDoubt], OutcomeName] = {
    Delivered: OutcomeName.DELIVERED,
    Deferred: OutcomeName.DEFERRED,
    Refused: OutcomeName.REFUSED,
    InDoubt: OutcomeName.IN_DOUBT,
}


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a dispatch: one outcome a recipient, in the dispatch's order, and the reply that closed it."""

    outcomes: tuple[Outcome, ...]
    reply: Reply
    """The answer to the final dot; else the answer that ended the transaction."""
