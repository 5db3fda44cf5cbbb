"""Is a message forwarded, with the addresses in it, to people who had no part in it?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.model import Channel, Finding
from bcc_relay.core.subject import is_forwarded

if TYPE_CHECKING:
    from bcc_relay.core.facts import Facts
    from bcc_relay.core.history import History

_CHANNELS = (Channel.QUOTED_HEADER, Channel.ATTACHED_MESSAGE)
_FEWEST = 2


def forwarded_as_new(facts: Facts, _: History) -> tuple[Finding, ...]:
    """Return a finding when quoted or attached headers show outsiders to outsiders who do not stand in them.

    A forward is told by its subject; without a prefix there, by carrying another message without answering one.
    """
    if not facts.inside or not facts.outsider_recipients:
        return ()
    if facts.is_reply and not is_forwarded(facts.subject):
        return ()
    quoted = {channel: keys for channel, keys in facts.inside if channel in _CHANNELS}
    shown = frozenset[str]().union(*quoted.values())
    newcomers = len(facts.outsider_recipients - shown - facts.authors)
    if len(shown) < _FEWEST or not newcomers:
        return ()
    channel = max(quoted, key=lambda one: len(quoted[one]))
    sentence = (
        f"A forwarded message shows {len(shown)} outside addresses to {newcomers} outside"
        f" {'recipient who does' if newcomers == 1 else 'recipients who do'} not stand in it."
    )
    return (Finding("forwarded_as_new", channel, len(shown), rewritable=False, sentence=sentence),)
