"""What stands in `To:` of a rewritten message, form by form. No display name that holds an address gets in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from bcc_relay.core.address import find_addresses, parse_mailbox
from bcc_relay.core.author import single_mailbox
from bcc_relay.core.compose import clean, field
from bcc_relay.core.errors import NotRewritableError
from bcc_relay.core.header import decode_words, text_of
from bcc_relay.core.model import Form

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bcc_relay.core.facts import Facts
    from bcc_relay.core.model import Address
    from bcc_relay.core.organisation import Organisation


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of the rewrite."""

    keep_own_visible: bool = False
    """Own addresses stay in To and Cc: only where no own address needs hiding."""
    names_note: bool = False
    """The display names stay, as a group without members."""


# A display name with its mailbox, or the name of a group; it begins where the one before ended. On text without
# backslashes and with single spaces, so that nothing is walked twice.
_NAMED = re.compile(
    r'(?:"([^"]{1,1000})"|(?:^ ?|(?<=[<>,;:"])|(?<=[<>,;:"] ))([^"<>,;:@()\s][^"<>,;:@()]{0,4000}))'
    r"(?: ?<([^<>]{1,320})>|:)"
)
_SPACES = re.compile(r"[ \t\r\n]+")
_UNDISCLOSED = re.compile("undisclosed.recipients?", re.IGNORECASE)
_MOST_NAMES = 1000
_NAMING = ("to", "cc")


def to_fields(facts: Facts, sender: Address | None, form: Form, organisation: Organisation, options: Options) -> bytes:
    """Return the `To:` field of a rewritten message, with CRLF, and a `Cc:` where an option asks for one.

    Raises NotRewritableError when the form needs an author's mailbox and none is certain.
    """
    if form is Form.UNDISCLOSED:
        return b"To: undisclosed-recipients:;\r\n"
    author, value = _author(facts, sender, organisation)
    own_to = _own(facts, "to", organisation) if options.keep_own_visible else ()
    own_cc = _own(facts, "cc", organisation) if options.keep_own_visible else ()
    # The author alone stands there in every rewritten message.
    to = b"To: " + (value if set(own_to) <= {author} else _list(own_to)) + b"\r\n"
    note = _names_note(facts, author) if options.names_note else b""
    cc = b",\r\n ".join(part for part in (_list(own_cc), note) if part)
    return to + (b"Cc: " + cc + b"\r\n" if cc else b"")


def individual_to(recipient: Address) -> bytes:
    """Return the `To:` field of one recipient's own copy, with CRLF."""
    return b"To: " + recipient.octets + b"\r\n"


def _author(facts: Facts, sender: Address | None, organisation: Organisation) -> tuple[str, bytes]:
    """Return key and field value of the From mailbox when it is one, else of Sender, else of an own envelope sender."""
    for name in ("from", "sender"):
        values = [field.value for field in facts.fields if field.name == name]
        if len(values) == 1 and (mailbox := single_mailbox(values[0])) is not None:
            only = find_addresses(decode_words(text_of(values[0])).text) == {mailbox.key}
            return mailbox.key, values[0].strip() if only else mailbox.octets
    if sender is not None and organisation.is_own(sender.key):
        return sender.key, sender.octets
    raise NotRewritableError("It is not certain who wrote it, so no address can stand in its To field.")


def _own(facts: Facts, name: str, organisation: Organisation) -> tuple[str, ...]:
    keys = {key for shown in facts.shown if shown.name == name for key in shown.keys}
    return tuple(sorted(key for key in keys if organisation.is_own(key) and parse_mailbox(key.encode(), smtputf8=True)))


def _list(addresses: Iterable[str]) -> bytes:
    return b",\r\n ".join(address.encode() for address in addresses)


def _names_note(facts: Facts, author: str) -> bytes:
    """Return the display names as a group without members (RFC 5322 3.4); empty when there are none."""
    names = dict.fromkeys(_names(facts, author))
    # One encoded or quoted phrase.
    text = clean(", ".join(names), 900).replace('"', "").replace("\\", "")
    if not text:
        return b""
    phrase = field("Cc", text).removesuffix(b"\r\n").removeprefix(b"Cc: ")
    return (phrase if b"=?" in phrase else b'"' + phrase + b'"') + b":;"


def _names(facts: Facts, author: str) -> Iterable[str]:
    """Yield the names in To and Cc but the author's, who stands there in every rewritten message."""
    texts = (text_of(one.value).replace('\\"', "").replace("\\", "") for one in facts.fields if one.name in _NAMING)
    found = (match.groups() for text in texts for match in _NAMED.finditer(_SPACES.sub(" ", text)))
    for quoted, plain, mailbox in islice(found, _MOST_NAMES):
        decoded = decode_words(quoted or plain)
        name = clean(decoded.text)
        # Never an address, and nothing that might hide one.
        unfit = decoded.unknown or "@" in name or find_addresses(name) or _UNDISCLOSED.match(name)
        if name and not unfit and find_addresses(mailbox or "") != {author}:
            yield name
