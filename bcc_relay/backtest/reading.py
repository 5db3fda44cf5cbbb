"""One saved message: its octets, what of it is kept while the others are read, and what its body shows.

This runs in the workers; what it returns is small.
"""

from __future__ import annotations

import json
import os
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import mktime_tz, parsedate_tz
from enum import StrEnum
from hashlib import blake2b
from typing import TYPE_CHECKING

from bcc_relay.backtest.mbox import unquoted
from bcc_relay.backtest.saved import author_of, envelope_of, message_of
from bcc_relay.core.contents.found import NOTHING, Contents, Quoted
from bcc_relay.core.damage import Closed, Damage
from bcc_relay.core.header import message_id_of, split_fields, text_of
from bcc_relay.core.model import Channel

if TYPE_CHECKING:
    from bcc_relay.core.header import Field
    from bcc_relay.core.model import Message
    from bcc_relay.core.organisation import Organisation
    from bcc_relay.relay.ports import Look

_MOST_FIELDS = 5000
_FIRST_YEAR, _LAST_YEAR = 1980, 2100
_LONGEST_DATE = 200
_DIGEST_OCTETS = 16


class Kind(StrEnum):
    """What a message is to the backtest."""

    OUTGOING = "outgoing"
    INCOMING = "incoming"
    """Its author is not own: the relay would not have seen it."""
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message stands."""

    mail: int
    """Its number in the state."""
    file: bytes
    offset: int
    length: int
    is_mbox: bool


@dataclass(frozen=True, slots=True)
class Read:
    """What is kept of a message."""

    mail: int
    kind: Kind
    date_s: int = 0
    """Seconds since 1970, UTC."""
    author: str = ""
    """Key of the author; empty when there is none."""
    identity: bytes = b""
    """The same for copies of one message."""
    recipients: int = 0
    contents: str | None = None
    """As `packed` writes it; None for nothing."""
    why: str = ""
    """Why it is unusable."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What reading goes by."""

    organisation: Organisation
    judges_all: bool = False
    """Judge incoming mail, too."""
    message_bytes: int = 52428800
    """A larger message would not have been taken."""


def octets_at(place: Place) -> bytes:
    """Read the octets of one message. Raises OSError."""
    with closing(os.fdopen(os.open(place.file, os.O_RDONLY | os.O_CLOEXEC), "rb")) as file:
        file.seek(place.offset)
        octets = file.read(place.length)
    return unquoted(octets) if place.is_mbox else octets


async def read(place: Place, rules: Rules, look: Look) -> Read:
    """Read a message; `look` looks into its body. A file that cannot be read is unusable, nothing is raised for it."""
    if place.length > rules.message_bytes:
        return Read(place.mail, Kind.UNUSABLE, why="is larger than limits.message_bytes")
    try:
        octets = octets_at(place)
    except OSError as error:
        return Read(place.mail, Kind.UNUSABLE, why=f"cannot be read ({error.strerror})")
    message = message_of(octets)
    fields = split_fields(message.header, _MOST_FIELDS)
    author = author_of(fields)
    key = author.key if author else ""
    if not rules.judges_all and not (key and rules.organisation.is_own(key)):
        return Read(place.mail, Kind.INCOMING, author=key)
    recipients = frozenset(one.address.key for one in envelope_of(fields).recipients)
    contents = await look(message, recipients | {key} if key else recipients)
    return Read(
        place.mail,
        Kind.OUTGOING,
        date_s=_date(fields, place),
        author=key,
        identity=_identity(message),
        recipients=len(recipients),
        contents=packed(contents),
    )


def _identity(message: Message) -> bytes:
    """Digest of Message-ID and body; of all octets where there is no Message-ID.

    The copies of one message in several mailboxes differ in the fields that its way left behind.
    """
    digest = blake2b(message_id_of(message.header) or message.header, digest_size=_DIGEST_OCTETS)
    digest.update(b"\0")
    digest.update(message.body.content[message.body.start :].rstrip())
    return digest.digest()


def _date(fields: tuple[Field, ...], place: Place) -> int:
    """Return when a message was written: by Date, else by the newest Received (RFC 5322 3.6.7), else by its file."""
    written = (text_of(field.value) for field in fields if field.name == "date")
    received = (text_of(field.value).rpartition(";")[2] for field in fields if field.name == "received")
    for text in (*written, *received):
        if (moment := _moment(text)) is not None:
            return moment
    try:
        return int(os.stat(place.file).st_mtime)  # noqa: PTH116 - octets are no Path
    except OSError:
        return 0


def _moment(text: str) -> int | None:
    """Read a date; None when it is none, or cannot be true."""
    try:
        parsed = parsedate_tz(text[:_LONGEST_DATE])
        moment = datetime.fromtimestamp(mktime_tz(parsed), UTC) if parsed else None
    except (ValueError, OverflowError, OSError, IndexError, TypeError):
        return None
    return int(moment.timestamp()) if moment and _FIRST_YEAR <= moment.year <= _LAST_YEAR else None


def packed(contents: Contents) -> str | None:
    """Write contents as text; None when there is nothing in them."""
    if contents == NOTHING:
        return None
    document = {
        "shown": {channel.value: sorted(keys) for channel, keys in contents.shown},
        "closed": sorted(contents.closed),
        "damage": sorted(contents.damage),
        "named_keys": contents.named_keys,
        "gist": contents.gist.hex(),
        "quoted": [[sorted(one.authors), sorted(one.people)] for one in contents.quoted],
    }
    return json.dumps(document)


def unpacked(text: str | None) -> Contents:
    """Return the contents that `packed` wrote."""
    if text is None:
        return NOTHING
    document = json.loads(text)
    return Contents(
        shown=tuple((Channel(channel), frozenset(keys)) for channel, keys in document["shown"].items()),
        closed=frozenset(map(Closed, document["closed"])),
        damage=frozenset(map(Damage, document["damage"])),
        named_keys=document["named_keys"],
        gist=bytes.fromhex(document["gist"]),
        quoted=tuple(Quoted(frozenset(authors), frozenset(people)) for authors, people in document["quoted"]),
    )
