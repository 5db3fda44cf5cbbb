"""Does anything below the header show outsiders to other outsiders? Nothing there is ever changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.model import Channel, Finding
from bcc_relay.core.places import addresses_stand_in

if TYPE_CHECKING:
    from bcc_relay.core.facts import Facts
    from bcc_relay.core.history import History

_CHANNELS = (
    Channel.CALENDAR,
    Channel.TNEF,
    Channel.ATTACHED_MESSAGE,
    Channel.ATTACHED_LIST,
    Channel.BODY,
    Channel.QUOTED_HEADER,
    Channel.ARCHIVE,
    Channel.PROTECTED_HEADER,
)


def shown_in_body(facts: Facts, _: History) -> tuple[Finding, ...]:
    """Return one finding for each channel of the body in which another outsider would read about outsiders.

    A single address that is not a recipient's, such as that of a helpdesk in a footer, is no finding.
    """
    if not facts.inside:
        return ()
    beyond = facts.beyond_rewriting()
    return tuple(
        Finding(
            "shown_in_body",
            channel,
            len(keys),
            rewritable=False,
            sentence=addresses_stand_in(len(keys), channel),
        )
        for channel in _CHANNELS
        if (keys := beyond.get(channel)) and (len(keys) > 1 or keys & facts.outsider_recipients)
    )
