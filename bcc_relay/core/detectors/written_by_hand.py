"""Do the subject or the author's fields show outsiders to others? No rewrite touches those."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.model import Channel, Finding

if TYPE_CHECKING:
    from bcc_relay.core.facts import Facts
    from bcc_relay.core.history import History

_PLACES = {Channel.SUBJECT: "the subject line", Channel.FROM: "the From field"}


def written_by_hand(facts: Facts, _: History) -> tuple[Finding, ...]:
    """Return one finding for each such channel."""
    return tuple(
        Finding(
            "written_by_hand",
            channel,
            len(keys),
            rewritable=False,
            sentence=f"{len(keys)} outside {'address stands' if len(keys) == 1 else 'addresses stand'} in {place}.",
        )
        for channel, keys in facts.beyond_rewriting().items()
        if (place := _PLACES.get(channel))
    )
