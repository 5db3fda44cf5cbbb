"""Notices to senders and reviewers as messages, and which mail nobody is notified about.

The words stand in `wording`; who gets a notice, and its envelope (null sender), is the caller's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcc_relay.core import wording
from bcc_relay.core.compose import field, machine_field, mailbox_field, message_id_field, text_part
from bcc_relay.core.dates import format_date
from bcc_relay.core.model import Body, Message

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from bcc_relay.core.model import Address
    from bcc_relay.core.wording import Case, Words

FROM_DISPLAY = "Mail relay"
_AUTOMATIC_PRECEDENCES = frozenset({"bulk", "junk", "list", "auto_reply"})
_AUTOMATIC_FIELDS = frozenset({"x-autoreply", "x-autorespond", "x-failed-recipients"})
_TELLING_FIELDS = frozenset({"auto-submitted", "precedence", "content-type", "x-auto-response-suppress"})
_REPORT_TYPES = ("multipart/report", "message/disposition-notification", "message/delivery-status")
_COMMENT = re.compile(r"\([^()]*\)")
_ROBOT = re.compile(r"(mailer-daemon|owner-.*|.*-request|.*-bounces?)@.*")


@dataclass(frozen=True, slots=True)
class Letter:
    """The frame of one mail of the relay's own. The caller gives its envelope the null sender and one recipient.

    When `to` is not ASCII the envelope needs SMTPUTF8; nothing else in the mail is beyond 7 bits.
    """

    from_address: str
    to: str
    message_id: str
    """In angle brackets, unique."""
    date: datetime
    """Aware."""
    answers: str | None = None
    """Message-ID of the message it is about, in angle brackets; left out when it is not a valid one."""
    reply_to: str = ""
    """Who can answer questions; empty when a reply reaches nobody who could."""


def held_notice(letter: Letter, case: Case) -> Message:
    """Tell the sender that a message is held, why, whom to ask, and by when."""
    return _notice(letter, wording.held(case))


def rewritten_notice(letter: Letter, case: Case) -> Message:
    """Tell the sender that a message left with its addresses hidden."""
    return _notice(letter, wording.rewritten(case))


def discarded_notice(letter: Letter, case: Case) -> Message:
    """Tell the sender that a message was dropped, and by whom."""
    return _notice(letter, wording.discarded(case))


def expired_notice(letter: Letter, case: Case) -> Message:
    """Tell the sender that a held message was dropped because nobody decided in time."""
    return _notice(letter, wording.expired(case))


def review_notice(letter: Letter, case: Case) -> Message:
    """Ask a reviewer to decide about a held message."""
    return _notice(letter, wording.review(case))


def letter_fields(letter: Letter, subject: str, auto_submitted: str) -> bytes:
    """Write the header fields that all mail of the relay's own shares (RFC 3834 5 for Auto-Submitted)."""
    return b"".join(
        (
            mailbox_field("From", letter.from_address, FROM_DISPLAY),
            mailbox_field("To", letter.to),
            mailbox_field("Reply-To", letter.reply_to) if letter.reply_to else b"",
            field("Subject", subject),
            machine_field("Date", format_date(letter.date).decode()),
            message_id_field("Message-ID", letter.message_id),
            message_id_field("In-Reply-To", letter.answers),
            message_id_field("References", letter.answers),
            machine_field("Auto-Submitted", auto_submitted),
            machine_field("X-Auto-Response-Suppress", "All"),  # Exchange answers null senders without it
            machine_field("MIME-Version", "1.0"),
        )
    )


def is_automatic(fields: Iterable[tuple[str, bytes]], sender: Address | None) -> bool:
    """Whether no person waits for an answer to a message: nobody is sent a notice or a report about it.

    `fields` are pairs of field name and raw value, unfolded or not. True for the null sender, bounces, receipts,
    automatic answers, and mail of lists and mailing programs (RFC 3834 2).
    """
    if sender is None or _ROBOT.fullmatch(sender.key):
        return True
    return any(_says_automatic(name.strip().lower(), value) for name, value in fields)


def _says_automatic(name: str, raw: bytes) -> bool:
    if name.startswith("list-") or name in _AUTOMATIC_FIELDS:
        return True
    if name not in _TELLING_FIELDS:
        return False
    value = _COMMENT.sub(" ", raw.decode("ascii", "replace")).strip().lower()
    first = re.split(r"[\s;,]", value, maxsplit=1)[0]
    match name:
        case "auto-submitted":
            return first not in {"", "no"}
        case "precedence":
            return first in _AUTOMATIC_PRECEDENCES
        case "content-type":
            return first in _REPORT_TYPES
        case _:
            return "all" in re.split(r"[\s;,]+", value)


def _notice(letter: Letter, words: Words) -> Message:
    part = text_part(words.text)
    header = letter_fields(letter, words.subject, "auto-generated") + part.fields
    return Message(header, b"\r\n", Body(part.body))
