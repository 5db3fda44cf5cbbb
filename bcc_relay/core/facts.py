"""Facts: what the very octets that will be sent show to whom. Reading never raises; what is unclear is damage."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from bcc_relay.core.address import find_addresses, find_encoded, known
from bcc_relay.core.author import single_mailbox
from bcc_relay.core.contents.found import NOTHING
from bcc_relay.core.damage import Closed, Damage
from bcc_relay.core.fields import Role, channel_of, role_of
from bcc_relay.core.header import Field, decode_words, message_id_of, split_fields, text_of, unfold
from bcc_relay.core.model import Channel
from bcc_relay.core.signature import signature_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bcc_relay.core.address import Known
    from bcc_relay.core.contents.found import Contents, Quoted
    from bcc_relay.core.model import Envelope, Message
    from bcc_relay.core.organisation import Organisation
    from bcc_relay.core.signature import Signature


@dataclass(frozen=True, slots=True)
class Shown:
    """Addresses that one header field shows, as keys."""

    name: str
    role: Role
    channel: Channel
    keys: frozenset[str]
    outsiders: frozenset[str]
    counted: frozenset[str] = frozenset()
    """Outsiders by which the field counts as visible; empty for a field that does not count."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What one message shows, and to whom it goes. Addresses are keys (`Address.key`)."""

    fields: tuple[Field, ...]
    shown: tuple[Shown, ...]
    """Every field that shows addresses, Bcc and identifiers aside, in order."""
    sender: str | None
    authors: frozenset[str]
    """The envelope sender, and the mailbox of From when it names just one, else that of Sender."""
    author_keys: frozenset[str]
    """All addresses that From, Sender and their Resent forms show, however they are written; one is empty when they
    are too many to tell."""
    recipients: frozenset[str]
    outsider_recipients: frozenset[str]
    visible: frozenset[str]
    """Addresses in destination fields, own ones and outsiders alike."""
    visible_outsiders: frozenset[str]
    """Outsiders that an outsider among the recipients would see; empty when nobody would."""
    outsider_domains: int
    personal_share: float
    damage: tuple[Damage, ...]
    contents: Contents
    """What the body shows."""
    inside: tuple[tuple[Channel, frozenset[str]], ...]
    """The outsiders, the authors aside, whom each channel of the body shows."""
    closed: tuple[Closed, ...]
    """Why parts could not be looked into; empty when all could."""
    is_reply: bool
    received_count: int
    marks: tuple[bytes, ...]
    """Values of X-BCC-Relay fields."""
    message_id: bytes
    """As in the mark: with its angle brackets, up to white space; empty when there is none."""
    thread_ids: tuple[bytes, ...]
    """Message-IDs in References and In-Reply-To, in order."""
    subject: str
    size_bytes: int
    foreign_signatures: tuple[Signature, ...]
    """DKIM signatures of domains that are not own, which nobody here can make anew."""

    @property
    def encrypted(self) -> bool:
        """Whether the message or a part of it is encrypted."""
        return Closed.ENCRYPTED in self.closed

    @property
    def unreadable(self) -> bool:
        """Whether a part could not be looked into, encrypted or otherwise."""
        return bool(self.closed)

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

        In the header these are people's own words (Subject and the like), the authors' fields, and those fields that
        are never changed, when they show two or more of the recipients. Nothing in the body is ever changed.
        """
        if not self.outsider_recipients:
            return {}
        channels: dict[Channel, set[str]] = {channel: set(keys) for channel, keys in self.inside}
        for shown in self.shown:
            if shown.outsiders and shown.role in (Role.TEXT, Role.AUTHOR):
                channels.setdefault(shown.channel, set()).update(shown.outsiders)
            elif shown.counted and shown.role in (Role.KEPT, Role.IDENTIFIER):
                channels.setdefault(shown.channel, set()).update(shown.counted)
        return {
            channel: frozenset(seen)
            for channel, keys in channels.items()
            if _is_read_by_another(seen := keys - self.authors, self.outsider_recipients)
        }

    def disclosed(self) -> frozenset[str]:
        """Return the outsiders whom the message shows to another outsider, by any channel."""
        return self.visible_outsiders.union(*self.beyond_rewriting().values())

    def fullest_channel(self) -> Channel:
        """Return the header channel that shows most of the visible outsiders, of whom there must be some."""
        by_channel = self.outsiders_by_channel()
        return max(by_channel, key=lambda channel: len(by_channel[channel]))

    def outsiders_by_channel(self) -> dict[Channel, frozenset[str]]:
        """Return which of the visible outsiders each channel shows."""
        channels: dict[Channel, set[str]] = {}
        for shown in self.shown:
            if seen := shown.counted & self.visible_outsiders:
                channels.setdefault(shown.channel, set()).update(seen)
        return {channel: frozenset(keys) for channel, keys in channels.items()}


def read(
    message: Message,
    envelope: Envelope,
    organisation: Organisation,
    *,
    header_bytes: int,
    contents: Contents = NOTHING,
    also: frozenset[str] = frozenset(),
) -> Facts:
    """Read a message for this envelope. Never raises.

    `header_bytes`: a larger header is damage. `contents`: what its body shows. `also`: addresses to recognise wherever
    they stand, as recipients are.
    """
    fields, cut = _fields(message.header, header_bytes)
    damage: set[Damage] = {*_damage_of(message, fields, cut), *contents.damage}
    sender = envelope.sender.key if envelope.sender else None
    recipients = frozenset(recipient.address.key for recipient in envelope.recipients)
    outsiders = frozenset(filter(organisation.is_outsider, recipients))
    names = known(recipients | also | ({sender} if sender else frozenset()))
    shown = _counted(tuple(_read_fields(fields, damage, organisation, names)), outsiders)
    authors = _authors(fields, shown, sender)
    seen = frozenset().union(*(one.counted for one in shown)) - authors
    if not _is_read_by_another(seen, outsiders):
        seen = frozenset()
    personal = sum(1 for key in seen if organisation.is_personal(key))
    inside = (
        (channel, frozenset(filter(organisation.is_outsider, keys)) - authors)
        for channel, keys in _new_to(outsiders, contents, organisation)
    )
    return Facts(
        fields=fields,
        shown=shown,
        sender=sender,
        authors=authors,
        author_keys=_author_keys(message.header, fields, is_cut=cut > 0),
        recipients=recipients,
        outsider_recipients=outsiders,
        visible=frozenset().union(*(s.keys for s in shown if s.role in _RECIPIENTS)),
        visible_outsiders=seen,
        outsider_domains=len({key.rpartition("@")[2] for key in seen}),
        personal_share=personal / len(seen) if seen else 0.0,
        damage=tuple(sorted(damage)),
        contents=contents,
        inside=tuple((channel, keys) for channel, keys in inside if keys),
        closed=tuple(sorted(contents.closed)),
        is_reply=any(field.name in _ANSWERED for field in fields),
        received_count=sum(1 for field in fields if field.name == "received"),
        marks=tuple(field.value.strip() for field in fields if field.name == "x-bcc-relay"),
        message_id=message_id_of(message.header),
        thread_ids=_thread_ids(fields),
        subject=decode_words(text_of(_first(fields, "subject"))).text.strip(),
        size_bytes=message.size_bytes,
        foreign_signatures=tuple(_foreign(fields, organisation)),
    )


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

_MAY_SHOW = re.compile(rb"@|=\?|&|%40|[(\[{]\s*[aA][tT]|[\x80-\xff]")
# Where str.splitlines() and careless software break a line though RFC 5322 does not: C0 separators, NEL, LS and PS.
_FALSE_LINE_BREAK = re.compile(rb"[\x00\x0b\x0c\x1c-\x1e]|\xc2\x85|\xe2\x80[\xa8\xa9]|\r(?!\n)|(?<!\r)\n")
_LOOKS_LIKE_A_FIELD = re.compile(rb"\s*[!-9;-~]+[ \t]*:")
# Never shown, or only taken for addresses where they are those of recipients.
_NEVER_LEAVE = (Role.BLIND, Role.LOCAL)
_SHORTEST_ADDRESS = 3
MOST_FIELDS = 5000
"""A header of more fields is too large."""
_RECIPIENTS = (Role.DESTINATION, Role.RESENT)
_MACHINE_MADE = (Role.IDENTIFIER, Role.SIGNATURE, Role.VERDICT)


def _fields(header: bytes, header_bytes: int) -> tuple[tuple[Field, ...], int]:
    """Part a header into fields; return also how many pieces at its end are no whole fields, because it is too large.

    The rest of a header that is too large is kept as a piece that nobody looks into.
    """
    fields = split_fields(header[:header_bytes], MOST_FIELDS)
    rest = (Field("", header[header_bytes:], b""),) if len(header) > header_bytes else ()
    if len(fields) > MOST_FIELDS:
        return (*fields, *rest), 1 + len(rest)
    return (*fields, *rest), 2 * len(rest)


def _read_fields(
    fields: Iterable[Field], damage: set[Damage], organisation: Organisation, names: Known
) -> Iterable[Shown]:
    for field in fields:
        role = role_of(field.name) if field.name else Role.OTHER
        # A name may hold an address as well as a value does.
        octets = field.raw if role is Role.OTHER and "@" in field.name else field.value
        if role in _NEVER_LEAVE or len(octets) < _SHORTEST_ADDRESS:
            continue
        text = text_of(octets)
        tokens = set() if role in _RECIPIENTS else find_encoded(text, names)
        if not tokens and not _MAY_SHOW.search(octets):
            continue
        decoded = decode_words(text)
        if decoded.line_break:
            damage.add(Damage.ENCODED_LINE_BREAK)
        keys = find_addresses(decoded.text, names) | tokens
        if not octets.isascii():
            # Where octets are no UTF-8, many readers show a mark in their place, and the address behind it.
            keys |= find_addresses(unfold(octets).decode("utf-8", "replace"), names) & names.keys
        if decoded.unknown:
            if role in (*_RECIPIENTS, Role.ANSWER):
                damage.add(Damage.UNKNOWN_CHARSET)
            # Nearly every character set writes an address in the octets of ASCII.
            keys |= find_addresses(decode_words(text, fallback="latin_1").text, names)
        if role in _MACHINE_MADE:
            keys &= names.keys
        if keys:
            outsiders = frozenset(filter(organisation.is_outsider, keys))
            yield Shown(field.name, role, channel_of(field.name, role), frozenset(keys), outsiders)


def _counted(shown: tuple[Shown, ...], recipients: frozenset[str]) -> tuple[Shown, ...]:
    """Say by which outsiders each field counts: it is there to show recipients, or it shows two or more of them.

    Fields of one name are looked at together, and so are all those that nobody registered; of the latter only the
    recipients (`recipients`: outsiders among them) count then.
    """
    by_name: dict[str, set[str]] = {}
    unregistered: set[str] = set()
    for one in shown:
        seen = one.outsiders & recipients
        by_name.setdefault(one.name, set()).update(seen)
        if one.role in (Role.OTHER, Role.DRAFT):
            unregistered |= seen

    def counted(one: Shown) -> frozenset[str]:
        if one.role in _RECIPIENTS or one.name == "reply-to" or len(by_name[one.name]) > 1:
            return one.outsiders
        if one.role in (Role.OTHER, Role.DRAFT) and len(unregistered) > 1:
            return one.outsiders & recipients
        return frozenset()

    return tuple(replace(one, counted=keys) if (keys := counted(one)) else one for one in shown)


def _new_to(
    outsiders: frozenset[str], contents: Contents, organisation: Organisation
) -> Iterable[tuple[Channel, frozenset[str]]]:
    """Yield whom each channel of the body shows, leaving out quoted headers that all these outsiders have seen.

    Somebody outside wrote that mail, so that everybody in its header saw the others there. Of mail that an own person
    wrote nobody can say so: this relay may have hidden its recipients.
    """
    new = [one for one in contents.quoted if not _have_seen(one, outsiders, organisation)]
    for channel, keys in contents.shown:
        if channel is Channel.QUOTED_HEADER and len(new) < len(contents.quoted):
            told_apart = frozenset[str]().union(*(one.people for one in contents.quoted))
            yield channel, (keys - told_apart).union(*(one.people for one in new))
        else:
            yield channel, keys


def _have_seen(quoted: Quoted, outsiders: frozenset[str], organisation: Organisation) -> bool:
    return bool(quoted.authors) and all(map(organisation.is_outsider, quoted.authors)) and outsiders <= quoted.people


def _is_read_by_another(seen: Iterable[str], recipients: frozenset[str]) -> bool:
    """Whether some outsider among the recipients reads about another outsider in `seen`."""
    return any(recipients - {key} for key in seen)


def _damage_of(message: Message, fields: tuple[Field, ...], cut: int) -> Iterable[Damage]:
    header, body = message.header, message.body
    if cut:
        yield Damage.HEADER_TOO_LARGE
    if not header and _LOOKS_LIKE_A_FIELD.match(body.content[body.start : body.start + _LINE_OCTETS]):
        yield Damage.NO_HEADER
    if any(not field.name for field in fields[: len(fields) - cut]):
        yield Damage.NOT_A_FIELD
    if _FALSE_LINE_BREAK.search(header):
        yield Damage.CONTROL_CHARACTER


_AUTHOR_NAMES = ("from", "sender", "resent-from", "resent-sender")
_LINE_OCTETS = 1000  # RFC 5322 2.1.1


def _first(fields: Iterable[Field], name: str) -> bytes:
    return next((field.value for field in fields if field.name == name), b"")


# Who wrote a message must be known also where the rest of a header that is too large is not looked into.
_AUTHOR_LINE = re.compile(
    rb"(?:^|(?<=\r\n))(?:resent-)?(?:from|sender)[ \t]*:([^\r]*(?:\r\n[ \t][^\r]*)*)", re.IGNORECASE
)
_MOST_AUTHOR_LINES = 1000
_NOBODY_KNOWN = ""


def _author_keys(header: bytes, fields: tuple[Field, ...], *, is_cut: bool) -> frozenset[str]:
    """Return the addresses of all author fields, and the empty one for a field in which there is none."""
    values = [field.value for field in fields if field.name in _AUTHOR_NAMES]
    if is_cut:
        values = [line[1] for line in islice(_AUTHOR_LINE.finditer(header), _MOST_AUTHOR_LINES + 1)]
        if len(values) > _MOST_AUTHOR_LINES:
            return frozenset({_NOBODY_KNOWN})
    found = (find_addresses(decode_words(text_of(value)).text) or {_NOBODY_KNOWN} for value in values)
    return frozenset[str]().union(*found)


def _authors(fields: Iterable[Field], shown: Iterable[Shown], sender: str | None) -> frozenset[str]:
    # As `To:` of a rewritten message: the one mailbox of From, else that of Sender.
    for name in ("from", "sender"):
        keys = frozenset[str]().union(*(s.keys for s in shown if s.name == name))
        values = [field.value for field in fields if field.name == name]
        if len(keys) > 1 and len(values) == 1 and (mailbox := single_mailbox(values[0])):
            keys = frozenset({mailbox.key})  # the others stand in its display name
        if len(keys) == 1:
            return keys | {sender} if sender else keys
    return frozenset({sender} if sender else ())


_ANSWERED = ("references", "in-reply-to")
_IDENTIFIER = re.compile(rb"<[^<>\s]{1,500}>")
_MOST_THREAD_IDS = 100
"""A longer chain is known by its oldest and newest members."""


def _thread_ids(fields: Iterable[Field]) -> tuple[bytes, ...]:
    """Return the identifiers that a message answers (RFC 5322 3.6.4), each once."""
    values = (field.value for name in _ANSWERED for field in fields if field.name == name)
    found = tuple(dict.fromkeys(match[0] for value in values for match in _IDENTIFIER.finditer(value)))
    half = _MOST_THREAD_IDS // 2
    return found if len(found) <= _MOST_THREAD_IDS else found[:half] + found[-half:]


def _foreign(fields: Iterable[Field], organisation: Organisation) -> Iterable[Signature]:
    for field in fields:
        if field.name == "dkim-signature":
            signature = signature_of(field.value)
            if not (signature.domain and organisation.is_own(f"@{signature.domain}")):
                yield signature
