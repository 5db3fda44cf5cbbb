"""How a message leaves: its last form as dispatches, with the lines that every message gets on its way out.

What comes out depends on nothing but the arguments, so a stored message leaves with the same octets in every attempt.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, assert_never

from bcc_relay.core.actions.pass_through import passed_header
from bcc_relay.core.actions.rewrite import rewritten_header
from bcc_relay.core.actions.to_field import Options, individual_to, to_fields
from bcc_relay.core.actions.verify import verify
from bcc_relay.core.dates import format_date
from bcc_relay.core.facts import read
from bcc_relay.core.header import message_id_of as message_id_of  # noqa: PLC0414 - relay asks for it here
from bcc_relay.core.model import Dispatch, Form, Message
from bcc_relay.core.policy.rule import Thresholds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bcc_relay.core.facts import Facts
    from bcc_relay.core.model import Envelope, Recipient, Submission
    from bcc_relay.core.organisation import Organisation


@dataclass(frozen=True, slots=True)
class Leaving:
    """Settings that shape what leaves."""

    organisation: Organisation
    hostname: str
    mark_key: bytes = field(repr=False)
    options: Options = field(default_factory=Options)
    recipients_per_transaction: int = 100
    header_bytes: int = 1048576
    limits: Thresholds = field(default_factory=Thresholds)


def prepare(submission: Submission, form: Form, leaving: Leaving, facts: Facts | None = None) -> bytes:
    """Return the header in this form, read a second time; `individual` without its `To:`, which differs by copy.

    Raises NotRewritableError when the message cannot leave in this form without showing an outsider to another. `facts`
    saves reading the original again.
    """
    if form is Form.AS_IS:
        return passed_header(submission.message.header)
    if facts is None:
        facts = read(submission.message, submission.envelope, leaving.organisation, header_bytes=leaving.header_bytes)
    match form:
        case Form.INDIVIDUAL:
            new_fields = b""
        case Form.SENDER | Form.UNDISCLOSED:
            new_fields = to_fields(facts, submission.envelope.sender, form, leaving.organisation, leaving.options)
        case _:
            assert_never(form)
    header = rewritten_header(facts, new_fields, leaving.organisation)
    verify(header, submission, facts, leaving.organisation, leaving.limits)
    return header


def dispatches(
    submission: Submission, form: Form, header: bytes, recipients: Iterable[Recipient], leaving: Leaving
) -> Iterator[Dispatch]:
    """Yield the transactions for these recipients; `header` is what `prepare` returned for this form.

    One transaction carries at most `recipients_per_transaction` recipients, or just one in the `individual` form.
    """
    size = 1 if form is Form.INDIVIDUAL else leaving.recipients_per_transaction
    rest = iter(recipients)
    while group := tuple(islice(rest, size)):
        envelope = replace(submission.envelope, recipients=group)
        own_to = individual_to(group[0].address) if form is Form.INDIVIDUAL else b""
        utf8 = envelope.smtputf8 or not own_to.isascii()
        lines = top_lines(submission, envelope, form, leaving)
        original = submission.message
        message = Message(
            lines + own_to + header + missing_fields(submission, leaving.hostname),
            original.separator or b"\r\n",
            original.body,
        )
        yield Dispatch(submission.id, replace(envelope, smtputf8=utf8), message)


# --- the lines added -------------------------------------------------------------------------------------------------

_HAS_DATE = re.compile(rb"^Date[ \t]*:", re.IGNORECASE | re.MULTILINE)
_MARK = re.compile(rb"(?:passed|rewritten);\s*id=[A-Za-z0-9_-]{1,64};\s*key=([0-9a-f]{32})")
_UNSAFE_HELO = re.compile(r"[^A-Za-z0-9.:\-_\[\]]")


def top_lines(submission: Submission, envelope: Envelope, form: Form, leaving: Leaving) -> bytes:
    """Return the mark and the Received field (RFC 5321 4.4, without `for`) of one transaction."""
    origin = submission.origin
    helo = _UNSAFE_HELO.sub("", origin.helo)[:255] or "unknown"
    word = b"passed" if form is Form.AS_IS else b"rewritten"
    key = mark_key_of(leaving_message_id(submission, leaving.hostname), envelope, leaving.mark_key)
    # The relay's own mail comes from no client.
    came_from = f"from {helo} ([{_literal(origin.client)}])\r\n\t" if origin.client else ""
    received = (f"Received: {came_from}by {leaving.hostname} with {origin.protocol} id {submission.id};\r\n\t").encode()
    return (
        b"X-BCC-Relay: " + word + b"; id=" + submission.id.encode() + b"; key=" + key.encode() + b"\r\n"
        + received + format_date(submission.received_at) + b"\r\n"
    )  # fmt: skip


def missing_fields(submission: Submission, hostname: str) -> bytes:
    """Return a Date and a Message-ID field where the message has none (RFC 6409 8.2, 8.3)."""
    header = submission.message.header
    lines = b""
    if not _HAS_DATE.search(header):
        lines += b"Date: " + format_date(submission.received_at) + b"\r\n"
    if not message_id_of(header):
        lines += b"Message-ID: " + leaving_message_id(submission, hostname) + b"\r\n"
    return lines


def leaving_message_id(submission: Submission, hostname: str) -> bytes:
    """Return the Message-ID with which the message leaves: its own, else one made of the submission's id."""
    return message_id_of(submission.message.header) or f"<{submission.id}@{hostname}>".encode()


def mark_key_of(message_id: bytes, envelope: Envelope, key: bytes) -> str:
    """Return the key of a mark: a keyed digest of Message-ID, sender and that transaction's recipients."""
    sender = envelope.sender.key if envelope.sender else ""
    recipients = sorted(recipient.address.key for recipient in envelope.recipients)
    text = b"\0".join((message_id, sender.encode(), *(recipient.encode() for recipient in recipients)))
    return hmac.new(key, text, hashlib.sha256).hexdigest()[:32]


def is_own_mark(mark: bytes, message_id: bytes, envelope: Envelope, key: bytes) -> bool:
    """Whether a mark that came in is the relay's own for this very envelope: then the message goes round in a loop."""
    match = _MARK.fullmatch(mark)
    return match is not None and hmac.compare_digest(match[1].decode(), mark_key_of(message_id, envelope, key))


def _literal(client: str) -> str:
    return f"IPv6:{client}" if ":" in client else client
