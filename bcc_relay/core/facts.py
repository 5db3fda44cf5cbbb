"""Facts: what the very octets that will be sent show to whom. Reading never raises; what is unclear is damage."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from bcc_relay.core.address import find_addresses
from bcc_relay.core.fields import Role, channel_of, role_of
from bcc_relay.core.header import decode_words, split_fields, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bcc_relay.core.address import Organisation
    from bcc_relay.core.header import Field
    from bcc_relay.core.model import Channel, Envelope, Message


class Damage(StrEnum):
    """What could hide from us an address that a reader sees. A closed list, explained in `docs/detection.md`."""

    HEADER_TOO_LARGE = "header_too_large"
    NOT_A_FIELD = "not_a_field"
    CONTROL_CHARACTER = "control_character"
    ENCODED_LINE_BREAK = "encoded_line_break"
    UNKNOWN_CHARSET = "unknown_charset"


@dataclass(frozen=True, slots=True)
class Shown:
    """Addresses that one header field shows, as keys."""

    name: str
    role: Role
    channel: Channel
    keys: frozenset[str]
    outsiders: frozenset[str]


@dataclass(frozen=True, slots=True)
class Facts:
    """What one message shows, and to whom it goes. Addresses are keys (`Address.key`)."""

    fields: tuple[Field, ...]
    shown: tuple[Shown, ...]
    """Every field that shows addresses, Bcc and identifiers aside, in order."""
    sender: str | None
    authors: frozenset[str]
    """The envelope sender and the mailboxes of From and Sender when each names just one."""
    author_keys: frozenset[str]
    """All addresses that From, Sender and their Resent forms show, however they are written."""
    recipients: frozenset[str]
    outsider_recipients: frozenset[str]
    visible: frozenset[str]
    """Addresses in destination fields, own ones and outsiders alike."""
    visible_outsiders: frozenset[str]
    """Outsiders that an outsider among the recipients would see; empty when nobody would."""
    outsider_domains: int
    personal_share: float
    damage: tuple[Damage, ...]
    encrypted: bool
    unreadable: bool
    """A part could not be looked into, whether encrypted or otherwise."""
    is_reply: bool
    received_count: int
    marks: tuple[bytes, ...]
    """Values of X-BCC-Relay fields."""
    message_id: bytes
    subject: str
    size_bytes: int

    @property
    def hidden(self) -> frozenset[str]:
        """Recipients that no destination field shows: ordinary Bcc."""
        return self.recipients - self.visible

    @property
    def missing(self) -> frozenset[str]:
        """Addresses in destination fields that this envelope does not carry: the client split the message."""
        return self.visible - self.recipients

    def beyond_rewriting(self) -> dict[Channel, frozenset[str]]:
        """Return the outsiders, the authors aside, whom each channel shows that no rewrite can cure.

        In the header these are people's own words (Subject and the like), the authors' fields, and registered fields
        that are never changed when they show two or more of the recipients.
        """
        channels: dict[Channel, set[str]] = {}
        for shown in self.shown:
            cured = shown.role not in (Role.TEXT, Role.AUTHOR, Role.KEPT)
            if cured or (shown.role is Role.KEPT and not counts(shown, self.outsider_recipients)):
                continue
            seen = shown.outsiders - self.authors
            if (
                seen
                and self.outsider_recipients
                and (len(self.outsider_recipients) > 1 or seen != self.outsider_recipients)
            ):
                channels.setdefault(shown.channel, set()).update(seen)
        return {channel: frozenset(keys) for channel, keys in channels.items()}

    def outsiders_by_channel(self) -> dict[Channel, frozenset[str]]:
        """Return which of the visible outsiders each channel shows."""
        channels: dict[Channel, set[str]] = {}
        for shown in self.shown:
            seen = shown.keys & self.visible_outsiders
            if seen and counts(shown, self.outsider_recipients):
                channels.setdefault(shown.channel, set()).update(seen)
        return {channel: frozenset(keys) for channel, keys in channels.items()}


def read(message: Message, envelope: Envelope, organisation: Organisation, *, header_bytes: int) -> Facts:
    """Read a message for this envelope. Never raises. `header_bytes`: a larger header is damage."""
    fields = split_fields(message.header)
    damage: set[Damage] = set(_damage_of(message.header, fields, header_bytes))
    shown = tuple(_read_fields(fields, damage, organisation))
    sender = envelope.sender.key if envelope.sender else None
    recipients = frozenset(recipient.address.key for recipient in envelope.recipients)
    outsiders = frozenset(filter(organisation.is_outsider, recipients))
    authors = _authors(shown, sender)
    seen = _visible_outsiders(shown, authors, outsiders)
    personal = sum(1 for key in seen if organisation.is_personal(key))
    encrypted, unreadable = _closed(_first(fields, "content-type"))
    return Facts(
        fields=fields,
        shown=shown,
        sender=sender,
        authors=authors,
        author_keys=frozenset().union(*(s.keys for s in shown if s.name in _AUTHOR_NAMES)),
        recipients=recipients,
        outsider_recipients=outsiders,
        visible=frozenset().union(*(s.keys for s in shown if s.role in (Role.DESTINATION, Role.RESENT))),
        visible_outsiders=seen,
        outsider_domains=len({key.rpartition("@")[2] for key in seen}),
        personal_share=personal / len(seen) if seen else 0.0,
        damage=tuple(sorted(damage)),
        encrypted=encrypted,
        unreadable=unreadable,
        is_reply=any(field.name in ("in-reply-to", "references") for field in fields),
        received_count=sum(1 for field in fields if field.name == "received"),
        marks=tuple(field.value.strip() for field in fields if field.name == "x-bcc-relay"),
        message_id=_first(fields, "message-id").strip(),
        subject=decode_words(text_of(_first(fields, "subject"))).text.strip(),
        size_bytes=message.size_bytes,
    )


def counts(shown: Shown, outsider_recipients: frozenset[str]) -> bool:
    """Whether what a field shows counts as visible: it is there to show recipients, or it shows two or more of them."""
    return _shows_recipients(shown) or len(shown.keys & outsider_recipients) > 1


def _shows_recipients(shown: Shown) -> bool:
    return shown.role in (Role.DESTINATION, Role.RESENT) or shown.name == "reply-to"


def still_shown(facts: Facts, protect: frozenset[str]) -> frozenset[str]:
    """Return the outsiders whom a recipient of the message would still read about in the header after a rewrite.

    `protect`: outsiders of the original, visible or in the envelope. An outsider who alone receives the copy and alone
    stands in it sees nobody else.
    """
    seen: set[str] = set()
    for shown in facts.shown:
        seen |= shown.keys & protect
    seen -= facts.authors
    if facts.outsider_recipients <= seen and len(facts.outsider_recipients) == 1:
        seen -= facts.outsider_recipients
    return frozenset(seen) if facts.outsider_recipients else frozenset()


# --- reading one header ----------------------------------------------------------------------------------------------

_MAY_SHOW = re.compile(rb"@|=\?|&|%40|[(\[{][ \t]*[aA][tT]|[\x80-\xff]")
# Where str.splitlines() and careless software break a line though RFC 5322 does not: C0 separators, NEL, LS and PS.
_FALSE_LINE_BREAK = re.compile(rb"[\x00\x0b\x0c\x1c-\x1e]|\xc2\x85|\xe2\x80[\xa8\xa9]|\r(?!\n)|(?<!\r)\n")


def _read_fields(fields: Iterable[Field], damage: set[Damage], organisation: Organisation) -> Iterable[Shown]:
    for field in fields:
        role = role_of(field.name) if field.name else Role.OTHER
        if role in (Role.BLIND, Role.IDENTIFIER, Role.SIGNATURE, Role.VERDICT, Role.LOCAL):
            continue
        if not _MAY_SHOW.search(field.value):
            continue
        decoded = decode_words(text_of(field.value))
        if decoded.unknown and role in (Role.DESTINATION, Role.RESENT, Role.ANSWER):
            damage.add(Damage.UNKNOWN_CHARSET)
        if decoded.line_break:
            damage.add(Damage.ENCODED_LINE_BREAK)
        keys = find_addresses(decoded.text)
        if keys:
            outsiders = frozenset(filter(organisation.is_outsider, keys))
            yield Shown(field.name, role, channel_of(field.name, role), frozenset(keys), outsiders)


def _damage_of(header: bytes, fields: tuple[Field, ...], header_bytes: int) -> Iterable[Damage]:
    if len(header) > header_bytes:
        yield Damage.HEADER_TOO_LARGE
    if any(not field.name for field in fields):
        yield Damage.NOT_A_FIELD
    if _FALSE_LINE_BREAK.search(header):
        yield Damage.CONTROL_CHARACTER


_AUTHOR_NAMES = ("from", "sender", "resent-from", "resent-sender")


def _first(fields: Iterable[Field], name: str) -> bytes:
    return next((field.value for field in fields if field.name == name), b"")


def _authors(shown: Iterable[Shown], sender: str | None) -> frozenset[str]:
    authors = {sender} if sender else set()
    for name in ("from", "sender"):
        keys = frozenset[str]().union(*(s.keys for s in shown if s.name == name))
        if len(keys) == 1:
            authors |= keys
    return frozenset(authors)


def _visible_outsiders(shown: Iterable[Shown], authors: frozenset[str], outsiders: frozenset[str]) -> frozenset[str]:
    seen: set[str] = set()
    for one in shown:
        if _shows_recipients(one):
            seen |= one.outsiders
        elif counts(one, outsiders):
            seen |= one.outsiders & outsiders
    seen -= authors
    # Nobody is disclosed unless some outsider reads about another one.
    if not outsiders or not seen or (len(outsiders) == 1 and seen == outsiders):
        return frozenset()
    return frozenset(seen)


def _closed(content_type: bytes) -> tuple[bool, bool]:
    """Whether the whole body is encrypted, and whether it cannot be looked into (RFC 8551, 3156, 2046 5.2.2)."""
    media_type = text_of(content_type).partition(";")[0].strip().lower()
    wrapped = media_type in ("application/pkcs7-mime", "application/x-pkcs7-mime")
    encrypted = media_type == "multipart/encrypted" or (wrapped and b"signed-data" not in content_type.lower())
    return encrypted, encrypted or wrapped or media_type in ("message/partial", "message/external-body")
