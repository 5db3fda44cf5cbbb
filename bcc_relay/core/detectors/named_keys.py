"""Does the encryption tell its recipients about each other?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.model import Channel, Finding

if TYPE_CHECKING:
    from bcc_relay.core.facts import Facts
    from bcc_relay.core.history import History


def named_keys(facts: Facts, _: History) -> tuple[Finding, ...]:
    """Return a finding when more keys are named than one outsider's, the sender's and those of the people inside.

    RFC 5652 6.2, RFC 9580 5.1: whoever gets the message can read for which keys it was encrypted.
    """
    keys = facts.contents.named_keys
    if not keys or not facts.outsider_recipients:
        return ()
    inside = len(facts.recipients - facts.outsider_recipients - facts.authors)
    if keys - inside - 1 <= 1:
        return ()
    sentence = f"The encryption names the keys of {keys} people, so each of them can tell who else it was sent to."
    return (Finding("named_keys", Channel.BODY, keys, rewritable=False, sentence=sentence),)
