"""Does the header show outsiders to other outsiders, in fields that a rewrite can take away?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.model import Channel, Finding

if TYPE_CHECKING:
    from bcc_relay.core.facts import Facts
    from bcc_relay.core.history import History

_PLACES = {
    Channel.TO: "the To field",
    Channel.CC: "the Cc field",
    Channel.REPLY_TO: "the Reply-To field",
    Channel.RESENT: "the Resent fields",
    Channel.OTHER_HEADER: "other header fields",
}


def many_visible(facts: Facts, _: History) -> tuple[Finding, ...]:
    """Return one finding for each header channel that shows outsiders to an outsider."""
    beyond = facts.beyond_rewriting()
    return tuple(
        Finding(
            "many_visible",
            channel,
            len(keys),
            rewritable=channel not in beyond,
            sentence=f"{len(keys)} outside {'address stands' if len(keys) == 1 else 'addresses stand'} in {place}.",
        )
        for channel, keys in facts.outsiders_by_channel().items()
        if (place := _PLACES.get(channel))
    )
