"""Is the message damaged in a way that could hide from us an address that a reader sees?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.damage import Damage
from bcc_relay.core.model import Channel, Finding

if TYPE_CHECKING:
    from bcc_relay.core.facts import Facts
    from bcc_relay.core.history import History

SENTENCES = {
    Damage.HEADER_TOO_LARGE: "The header is larger than this relay reads.",
    Damage.NO_HEADER: "The message begins with a blank line, and what follows looks like a header.",
    Damage.NOT_A_FIELD: "A line in the header is not a header field.",
    Damage.CONTROL_CHARACTER: "The header holds a character that some programs take for the end of a line.",
    Damage.ENCODED_LINE_BREAK: "The header holds an encoded line break.",
    Damage.UNKNOWN_CHARSET: "An address field is written in a character set that cannot be read.",
    Damage.AMBIGUOUS_MIME: "The structure of the body can be read in more than one way.",
    Damage.BROKEN_OUTLOOK_ITEM: "An Outlook attachment (winmail.dat or .msg) is broken.",
}


_CHANNELS = {Damage.AMBIGUOUS_MIME: Channel.BODY, Damage.BROKEN_OUTLOOK_ITEM: Channel.TNEF}
"""Where it is, when that is not the header."""


def damaged(facts: Facts, _: History) -> tuple[Finding, ...]:
    """Return one finding for each kind of damage."""
    return tuple(
        Finding(
            "damaged",
            _CHANNELS.get(damage, Channel.OTHER_HEADER),
            0,
            rewritable=False,
            sentence=SENTENCES[damage],
        )
        for damage in facts.damage
    )
