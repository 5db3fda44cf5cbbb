"""MAIL and RCPT as octets for one server: which parameters it gets, and which recipients it cannot be given at all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcc_relay.core import replies
from bcc_relay.forwarder.data import is_ascii

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bcc_relay.core.model import Dispatch, Envelope, Recipient, Reply

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Offers:
    """What a server offered in its last EHLO reply, as far as it matters here."""

    pipelining: bool = False
    size: bool = False
    eightbitmime: bool = False
    smtputf8: bool = False
    dsn: bool = False

    @classmethod
    def of(cls, keywords: Mapping[str, str]) -> Offers:
        """Read the EHLO keywords, given in lower case."""
        return cls(
            pipelining="pipelining" in keywords,
            size="size" in keywords,
            eightbitmime="8bitmime" in keywords,
            smtputf8="smtputf8" in keywords,
            dsn="dsn" in keywords,
        )


@dataclass(frozen=True, slots=True)
class Commands:
    """What to say before DATA. `mail` and each of `rcpts` end in CRLF; the number is the recipient's position."""

    mail: bytes
    rcpts: tuple[tuple[int, bytes], ...]
    unfit: tuple[tuple[int, Reply], ...] = ()
    """Recipients that cannot be given to this server, and why. Nothing is converted for them."""


def commands_for(dispatch: Dispatch, offers: Offers) -> Commands:
    """Say how `dispatch` is begun with a server that offers this (RFC 5321 3.3, 1870, 3461 4, 6152, 6531 3.4).

    BODY is given when the client gave it or the content has 8-bit octets, SMTPUTF8 only when an address, or a header of
    a message submitted so, needs it, and DSN parameters only to a server that offers DSN.
    """
    envelope, message = dispatch.envelope, dispatch.message
    everyone = range(len(envelope.recipients))
    sender = envelope.sender_octets
    if _CONTROL.search(sender):
        return Commands(b"", (), tuple((n, replies.BAD_ADDRESS) for n in everyone))
    whole_needs_utf8 = not sender.isascii() or (envelope.smtputf8 and not message.header.isascii())
    if whole_needs_utf8 and not offers.smtputf8:
        return Commands(b"", (), tuple((n, replies.NO_SMTPUTF8) for n in everyone))
    # Where the client declared it, the body is looked at only when the server lacks 8BITMIME.
    eightbit = (envelope.body_8bitmime and offers.eightbitmime) or not is_ascii(message)
    if eightbit and not offers.eightbitmime:
        return Commands(b"", (), tuple((n, replies.NO_8BITMIME) for n in everyone))

    rcpts: list[tuple[int, bytes]] = []
    unfit: list[tuple[int, Reply]] = []
    utf8 = whole_needs_utf8
    for position, recipient in enumerate(envelope.recipients):
        line = _rcpt(recipient, offers)
        is_plain = recipient.address.octets.isascii()
        if _CONTROL.search(line):
            unfit.append((position, replies.BAD_ADDRESS))
        elif not is_plain and not offers.smtputf8:
            unfit.append((position, replies.NO_SMTPUTF8))
        else:
            utf8 = utf8 or not is_plain
            rcpts.append((position, line + b"\r\n"))
    mail = _mail(envelope, offers, size_bytes=message.size_bytes, eightbit=eightbit, utf8=utf8)
    return Commands(mail + b"\r\n", tuple(rcpts), tuple(unfit))


def _mail(envelope: Envelope, offers: Offers, *, size_bytes: int, eightbit: bool, utf8: bool) -> bytes:
    line = b"MAIL FROM:<" + envelope.sender_octets + b">"
    if offers.size:
        line += b" SIZE=%d" % size_bytes
    if eightbit:
        line += b" BODY=8BITMIME"
    if utf8:
        line += b" SMTPUTF8"
    if offers.dsn:
        if envelope.ret:
            line += b" RET=" + envelope.ret.encode("ascii")
        if envelope.envid and not _CONTROL.search(envelope.envid):
            line += b" ENVID=" + envelope.envid
    return line


def _rcpt(recipient: Recipient, offers: Offers) -> bytes:
    line = b"RCPT TO:<" + recipient.address.octets + b">"
    if offers.dsn:
        if recipient.notify:
            line += b" NOTIFY=" + ",".join(recipient.notify).encode("ascii")
        if recipient.orcpt:
            line += b" ORCPT=" + recipient.orcpt
    return line
