"""What stands in `To:` of a rewritten message, form by form. No display name that holds an address gets in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcc_relay.core.address import find_addresses, parse_mailbox
from bcc_relay.core.compose import clean, field
from bcc_relay.core.errors import NotRewritableError
from bcc_relay.core.header import decode_words, text_of, unfold
from bcc_relay.core.model import Address, Form

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bcc_relay.core.address import Organisation
    from bcc_relay.core.facts import Facts


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of the rewrite."""

    keep_own_visible: bool = False
    """Own addresses stay in To and Cc: only where no own address needs hiding."""
    names_note: bool = False
    """The display names stay, as a group without members."""


_ANGLE = re.compile(rb"[^<>@]*<([^<>\s]+)>\s*")
_BARE = re.compile(rb"\s*([^<>\s,;:()\"]+)\s*")
_NAMED = re.compile(r'(?:"((?:[^"\\]|\\.){1,128})"|([^"<>,;:@()\\]{1,128}))[ \t]*<[^<>]{1,320}>')
_MOST_NAMES = 1000


def to_fields(facts: Facts, sender: Address | None, form: Form, organisation: Organisation, options: Options) -> bytes:
    """Return the `To:` field (and an own `Cc:` with `keep_own_visible`) of a rewritten message, with CRLF.

    Raises NotRewritableError when the form needs an author's mailbox and none is certain.
    """
    if form is Form.UNDISCLOSED:
        return b"To: undisclosed-recipients:;\r\n"
    own_to = _own(facts, "to", organisation) if options.keep_own_visible else ()
    own_cc = _own(facts, "cc", organisation) if options.keep_own_visible else ()
    to = (
        b"To: " + b",\r\n ".join(octets.encode() for octets in own_to)
        if own_to
        else b"To:" + _author(facts, sender, organisation)
    )
    lines = [to.rstrip() + b"\r\n"]
    if own_cc:
        lines.append(b"Cc: " + b",\r\n ".join(octets.encode() for octets in own_cc) + b"\r\n")
    if options.names_note:
        lines.append(_names_note(facts))
    return b"".join(lines)


def individual_to(recipient: Address) -> bytes:
    """Return the `To:` field of one recipient's own copy, with CRLF."""
    return b"To: " + recipient.octets + b"\r\n"


def _author(facts: Facts, sender: Address | None, organisation: Organisation) -> bytes:
    """Return the value of the From field when it is one mailbox, else that of Sender, else an own envelope sender."""
    for name in ("from", "sender"):
        values = [field.value for field in facts.fields if field.name == name]
        if len(values) == 1 and (mailbox := single_mailbox(values[0])) is not None:
            only = find_addresses(decode_words(text_of(values[0])).text) == {mailbox.key}
            return b" " + values[0].lstrip() if only else b" " + mailbox.octets
    if sender is not None and organisation.is_own(sender.key):
        return b" " + sender.octets
    raise NotRewritableError("It is not certain who wrote it, so no address can stand in its To field.")


def single_mailbox(value: bytes) -> Address | None:
    """Read a From or Sender value as exactly one mailbox (RFC 5322 3.4); None when it is none, several or unclear."""
    octets = unfold(value)
    match = _ANGLE.fullmatch(octets) or _BARE.fullmatch(octets)
    if match is None and octets.rstrip().endswith(b">") and octets.count(b"<") == 1:
        match = _ANGLE.fullmatch(octets[octets.rindex(b"<") :])  # a display name may hold an "@"
    return parse_mailbox(match[1], smtputf8=True) if match else None


def _own(facts: Facts, name: str, organisation: Organisation) -> tuple[str, ...]:
    keys = {key for shown in facts.shown if shown.name == name for key in shown.keys}
    return tuple(sorted(key for key in keys if organisation.is_own(key) and parse_mailbox(key.encode(), smtputf8=True)))


def _names_note(facts: Facts) -> bytes:
    names = dict.fromkeys(_names(facts))
    if not names:
        return b""
    # One encoded or quoted phrase; the group ends with ":;" and has no members (RFC 5322 3.4).
    text = clean(", ".join(names), 900).replace('"', "").replace("\\", "")
    folded = field("Cc", text).removesuffix(b"\r\n").removeprefix(b"Cc: ")
    if b"=?" not in folded:
        folded = b'"' + folded + b'"'
    return b"Cc: " + folded + b":;\r\n"


def _names(facts: Facts) -> Iterable[str]:
    count = 0
    for one in facts.fields:
        if one.name not in ("to", "cc"):
            continue
        for match in _NAMED.finditer(text_of(one.value)):
            decoded = decode_words((match[1] or match[2]).replace("\\", ""))
            name = clean(decoded.text)
            count += 1
            if name and not decoded.unknown and not find_addresses(name) and "@" not in name and count <= _MOST_NAMES:
                yield name
