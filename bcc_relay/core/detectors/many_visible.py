"""Does the header show outsiders to other outsiders, in fields that a rewrite can take away?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.model import Channel, Finding
from bcc_relay.core.places import addresses_stand_in

if TYPE_CHECKING:
    from bcc_relay.core.facts import Facts
    from bcc_relay.core.history import History

_CHANNELS = (Channel.TO, Channel.CC, Channel.REPLY_TO, Channel.RESENT, Channel.OTHER_HEADER)


def many_visible(facts: Facts, _: History) -> tuple[Finding, ...]:
    """Return one finding for each header channel that shows outsiders to an outsider."""
    if not facts.visible_outsiders:
        return ()
    beyond = facts.beyond_rewriting()
    return tuple(
        Finding(
            "many_visible",
            channel,
            len(keys),
            rewritable=channel not in beyond,
            sentence=addresses_stand_in(len(keys), channel),
        )
        for channel, keys in facts.outsiders_by_channel().items()
        if channel in _CHANNELS
    )
