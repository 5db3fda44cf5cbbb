"""Saved mail as a listener would have received it: octets with CRLF line ends, and the envelope its fields tell of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bcc_relay.core.address import find_addresses, parse_mailbox
from bcc_relay.core.author import single_mailbox
from bcc_relay.core.header import decode_words, split_message, text_of
from bcc_relay.core.model import Envelope, Recipient

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bcc_relay.core.header import Field
    from bcc_relay.core.model import Address, Message

_FROM_LINE = re.compile(rb"\AFrom [^\r\n]*\r\n")
_RECIPIENTS = ("to", "cc", "bcc")
_AUTHORS = ("from", "sender")


def message_of(octets: bytes) -> Message:
    """Read a message as a listener would have it: CRLF line ends, no mbox line before it, a line end at its end."""
    octets = octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    octets = _FROM_LINE.sub(b"", octets, count=1)
    return split_message(octets if octets.endswith(b"\r\n") else octets + b"\r\n")


def author_of(fields: tuple[Field, ...]) -> Address | None:
    """Return who wrote a message: the one mailbox of From, else that of Sender, else the first address that either has.

    None when neither names anybody.
    """
    authors = [field for name in _AUTHORS for field in fields if field.name == name]
    plain = (single_mailbox(field.value) for field in authors)
    found = next((mailbox for mailbox in plain if mailbox), None)
    return found or next(iter(_named(authors)), None)


def envelope_of(fields: Iterable[Field]) -> Envelope:
    """Return the envelope that the fields tell of: the author as sender, everybody in To, Cc and Bcc as recipients."""
    fields = tuple(fields)
    shown = _named(field for field in fields if field.name in _RECIPIENTS)
    return Envelope(author_of(fields), tuple(map(Recipient, shown)))


def _named(fields: Iterable[Field]) -> tuple[Address, ...]:
    keys = {key for field in fields for key in find_addresses(decode_words(text_of(field.value)).text)}
    parsed = (parse_mailbox(key.encode(), smtputf8=True) for key in sorted(keys))
    return tuple(address for address in parsed if address)
