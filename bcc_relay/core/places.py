"""The places where addresses stand, in words for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.model import Channel

if TYPE_CHECKING:
    from collections.abc import Sequence

PLACES = {
    Channel.TO: "the To field",
    Channel.CC: "the Cc field",
    Channel.REPLY_TO: "the Reply-To field",
    Channel.RESENT: "the Resent fields",
    Channel.OTHER_HEADER: "other header fields",
    Channel.SUBJECT: "the subject line",
    Channel.FROM: "the From field",
    Channel.CALENDAR: "an invitation",
    Channel.TNEF: "an attachment in Outlook's own format (winmail.dat)",
    Channel.ATTACHED_MESSAGE: "an attached message",
    Channel.ATTACHED_LIST: "an attached list or document",
    Channel.BODY: "the text",
    Channel.QUOTED_HEADER: "the header of a quoted or forwarded message",
    Channel.ARCHIVE: "an attached archive",
    Channel.PROTECTED_HEADER: "a signed copy of the header",
}


def addresses_stand_in(count: int, channel: Channel) -> str:
    """Say how many outside addresses stand in a place."""
    return f"{count} outside {'address stands' if count == 1 else 'addresses stand'} in {PLACES[channel]}."


def addresses_in(count: int, channel: Channel) -> str:
    """Name outside addresses with their number and their place."""
    return f"{count} outside {'address' if count == 1 else 'addresses'} in {PLACES[channel]}"


def listed(words: Sequence[str], last: str = "and") -> str:
    """Write `a`, `a and b`, `a, b and c`."""
    return f" {last} ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else "".join(words)
