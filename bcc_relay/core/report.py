"""Delivery reports to senders: who is told (RFC 3461 4.1, 5, 6), and the report itself (RFC 3464, 6522, 6533).

A report goes to the sender alone, in an envelope with the null sender, which is the caller's.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from bcc_relay.core import wording
from bcc_relay.core.compose import LINE_OCTETS, clean, machine_field, text_part
from bcc_relay.core.dates import format_date
from bcc_relay.core.header import split_fields
from bcc_relay.core.model import Body, Message, Recipient, Reply
from bcc_relay.core.notice import letter_fields
from bcc_relay.core.wording import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from bcc_relay.core.model import Address
    from bcc_relay.core.notice import Letter
    from bcc_relay.core.wording import Words

MAX_RETURNED_BYTES = 262144
"""Largest original that RET=FULL returns whole."""

_HIDDEN_FIELDS = frozenset({"bcc", "resent-bcc"})
_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?![.\d])")
_XTEXT = re.compile(rb"\+([0-9A-F]{2})")
_PRINTABLE = re.compile(rb"[ -~]+")
_ADDRESS_TYPE = re.compile(rb"[A-Za-z0-9-]{1,64}")
_UTF8_SPECIALS = " +=\\"  # RFC 6533 3, QCHAR


class Kind(StrEnum):
    """What a report says of its recipients; the value is the Action of RFC 3464 2.3.3."""

    FAILED = "failed"
    DELAYED = "delayed"
    RELAYED = "relayed"


_NOTIFY = {Kind.FAILED: "FAILURE", Kind.DELAYED: "DELAY", Kind.RELAYED: "SUCCESS"}


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one recipient: the last answer, None when none ever came. `in_doubt`: it may have arrived."""

    recipient: Recipient
    reply: Reply | None = None
    in_doubt: bool = False
    remote_mta: str = ""
    """Host name of the next mail server that gave the answer; empty when the answer is our own."""


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """Everything a report says. `fates` are those of `reported`, at least one."""

    kind: Kind
    letter: Letter
    reporting_mta: str
    """Host name of this relay."""
    subject: str
    """Subject of the original, decoded."""
    received_at: datetime
    original: Message | None
    """None when the octets are erased."""
    fates: tuple[Fate, ...]
    ret: str | None = None
    envid: bytes | None = None
    retry_until: datetime | None = None
    """When a delayed message is given up."""
    max_returned_bytes: int = MAX_RETURNED_BYTES


def reported(kind: Kind, sender: Address | None, fates: Iterable[Fate]) -> tuple[Fate, ...]:
    """Return the fates the sender is told about, in order; empty means that no report is sent.

    Never for the null sender. Without NOTIFY: failures and delays; with it what it asks for, NEVER being nothing
    (RFC 3461 4.1, 6.2).
    """
    if sender is None:
        return ()
    return tuple(fate for fate in fates if _wants(kind, fate.recipient.notify))


def _wants(kind: Kind, notify: tuple[str, ...]) -> bool:
    if not notify:
        return kind is not Kind.RELAYED
    return _NOTIFY[kind] in notify and "NEVER" not in notify


def delivery_report(report: Report) -> Message:
    """Make one multipart/report about all `fates`: words for people, fields for machines, and what is returned.

    The original is returned whole when RET=FULL asks for it about a failure, it is no larger than `max_returned_bytes`,
    and it is plain 7-bit mail (nothing is converted, and the report itself stays 7-bit); else its header. Never any
    Bcc field.
    """
    parts = [_words_part(report), _status_part(report)]
    if report.original is not None:
        parts.append(_returned_part(report, report.original))
    boundary = _boundary(report.letter.message_id, parts)
    mark = b"--" + boundary.encode()
    body = b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"
    header = letter_fields(report.letter, _words(report).subject, "auto-replied") + machine_field(
        "Content-Type", f'multipart/report; report-type=delivery-status; boundary="{boundary}"'
    )
    return Message(header, b"\r\n", Body(body))


def _words(report: Report) -> Words:
    failures = [
        Failure(fate.recipient.address.text, str(fate.reply or ""), fate.in_doubt) for fate in report.fates
    ]  # fmt: skip
    match report.kind:
        case Kind.FAILED:
            return wording.failed(report.subject, report.received_at, failures)
        case Kind.DELAYED:
            return wording.delayed(report.subject, report.received_at, failures, report.retry_until)
        case Kind.RELAYED:
            return wording.relayed(report.subject, report.received_at, [replace(f, answer="") for f in failures])


def _words_part(report: Report) -> bytes:
    part = text_part(_words(report).text)
    return part.fields + b"\r\n" + part.body


def _status_part(report: Report) -> bytes:
    groups = [_message_fields(report), *(_recipient_fields(report, fate) for fate in report.fates)]
    return machine_field("Content-Type", "message/delivery-status") + b"\r\n" + b"\r\n".join(groups)


def _message_fields(report: Report) -> bytes:
    """Per-message fields (RFC 3464 2.2)."""
    envid = "" if report.envid is None else _from_xtext(report.envid)
    return b"".join(
        (
            machine_field("Original-Envelope-Id", envid) if envid else b"",
            machine_field("Reporting-MTA", f"dns; {report.reporting_mta}"),
            machine_field("Arrival-Date", format_date(report.received_at).decode()),
        )
    )


def _recipient_fields(report: Report, fate: Fate) -> bytes:
    """Per-recipient fields (RFC 3464 2.3)."""
    original = _original_recipient(fate.recipient.orcpt)
    remote, reply, until = fate.remote_mta, fate.reply, report.retry_until
    answered = reply is not None and report.kind is not Kind.RELAYED
    return b"".join(
        (
            machine_field("Original-Recipient", original) if original else b"",
            machine_field("Final-Recipient", _typed(fate.recipient.address.octets)),
            machine_field("Action", report.kind.value),
            machine_field("Status", _status(report.kind, fate)),
            machine_field("Remote-MTA", f"dns; {remote}") if remote else b"",
            machine_field("Diagnostic-Code", f"smtp; {clean(str(reply), 500)}") if answered else b"",
            machine_field("Will-Retry-Until", format_date(until).decode())
            if until and report.kind is Kind.DELAYED
            else b"",
        )
    )


def _status(kind: Kind, fate: Fate) -> str:
    """Return the answer's own enhanced status code where it fits, else what RFC 3463 has for the case."""
    reply = fate.reply
    if kind is Kind.RELAYED:
        classes, otherwise = ("2",), "2.0.0"
    elif fate.in_doubt:
        classes, otherwise = ("4",), "4.4.2"
    elif kind is Kind.FAILED and reply is not None and reply.code >= 500:
        classes, otherwise = ("5",), "5.0.0"
    else:
        classes, otherwise = ("4",), "4.4.7" if kind is Kind.FAILED else "4.0.0"
    found = _ENHANCED.match(reply.text) if reply is not None else None
    return found[0] if found and found[1] in classes else otherwise


def _typed(address: bytes) -> str:
    """Return an address with its type; beyond ASCII in the 7-bit form of RFC 6533 3."""
    text = address.decode("utf-8", "replace")
    if address.isascii():
        return f"rfc822; {text}"
    quoted = (f"\\x{{{ord(c):02X}}}" if not c.isascii() or c in _UTF8_SPECIALS else c for c in text)
    return f"utf-8; {''.join(quoted)}"


def _original_recipient(orcpt: bytes | None) -> str:
    """Return ORCPT as Original-Recipient (RFC 3464 2.3.1); empty when it is absent or not one."""
    kind, semicolon, address = (orcpt or b"").partition(b";")
    if not semicolon or not _ADDRESS_TYPE.fullmatch(kind):
        return ""
    decoded = _from_xtext(address)
    return f"{kind.decode()}; {decoded}" if decoded else ""


def _from_xtext(value: bytes) -> str:
    """Decode xtext (RFC 3461 4). What would not be printable ASCII is not decoded; what is no xtext is left out."""
    decoded = _XTEXT.sub(lambda pair: binascii.unhexlify(pair[1]), value)
    for octets in (decoded, value):
        if _PRINTABLE.fullmatch(octets):
            return octets.decode("ascii")
    return ""


def _returned_part(report: Report, original: Message) -> bytes:
    header = b"".join(field.raw for field in split_fields(original.header) if field.name not in _HIDDEN_FIELDS)
    whole = report.ret == "FULL" and report.kind is Kind.FAILED and original.size_bytes <= report.max_returned_bytes
    if whole:
        body = b"".join(original.body.pieces())
        if _is_7bit(header) and _is_7bit(body):
            return machine_field("Content-Type", "message/rfc822") + b"\r\n" + header + original.separator + body
    kind = machine_field("Content-Type", "text/rfc822-headers")
    if _is_7bit(header):
        return kind + b"\r\n" + header
    quoted = binascii.b2a_qp(header.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    return kind + machine_field("Content-Transfer-Encoding", "quoted-printable") + b"\r\n" + quoted


def _is_7bit(octets: bytes) -> bool:
    return octets.isascii() and all(len(line) <= LINE_OCTETS for line in octets.split(b"\r\n"))


def _boundary(message_id: str, parts: Iterable[bytes]) -> str:
    """Return a boundary that stands in no part."""
    base = "=_" + re.sub(r"[^A-Za-z0-9.]", "", message_id)[:40]
    content = b"\n".join(parts)
    number = 0
    while f"--{base}.{number}".encode() in content:
        number += 1
    return f"{base}.{number}"
