"""Whether the conditions of a rule hold for a message."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from bcc_relay.core.header import decode_words, text_of
from bcc_relay.core.organisation import matches

if TYPE_CHECKING:
    from bcc_relay.core.facts import Facts
    from bcc_relay.core.history import History
    from bcc_relay.core.policy.evidence import Evidence
    from bcc_relay.core.policy.rule import Range, When


def holds(when: When, evidence: Evidence) -> bool:
    """Whether every condition that is given holds."""
    if when.until is not None and evidence.today > when.until:
        return False
    return (
        _origin_holds(when, evidence)
        and _counts_hold(when, evidence)
        and _kind_holds(when, evidence)
        and _channels_hold(when, evidence.facts)
        and _memory_holds(when, evidence.history)
        and _text_holds(when, evidence)
    )


def _memory_holds(when: When, history: History) -> bool:
    if when.known_thread is not None and when.known_thread != history.known_thread:
        return False
    window = when.window_outsiders
    return window is None or window.outsiders.holds(history.within(window.within))


def _origin_holds(when: When, evidence: Evidence) -> bool:
    origin = evidence.origin
    if when.sender and not matches(evidence.facts.sender or "", when.sender):
        return False
    if when.user and (origin.user is None or origin.user.casefold() not in {user.casefold() for user in when.user}):
        return False
    if when.listener and origin.listener not in when.listener:
        return False
    if when.network:
        try:
            client = ip_address(origin.client)
        except ValueError:
            return False
        return any(client.version == network.version and client in network for network in when.network)
    return True


def _counts_hold(when: When, evidence: Evidence) -> bool:
    facts = evidence.facts
    return (
        _in(when.visible_recipients, len(facts.visible))
        and _in(when.visible_outsiders, len(facts.visible_outsiders))
        and _in(when.outsider_domains, facts.outsider_domains)
        and _in(when.personal_share, facts.personal_share)
        and _in(when.size, facts.size_bytes)
    )


def _channels_hold(when: When, facts: Facts) -> bool:
    if not when.channel and when.channel_addresses is None:
        return True
    cured, beyond = facts.outsiders_by_channel(), facts.beyond_rewriting()
    named = [
        cured.get(channel, frozenset()) | beyond.get(channel, frozenset())
        for channel in cured.keys() | beyond.keys()
        if not when.channel or channel in when.channel
    ]
    if when.channel and not named:
        return False
    return _in(when.channel_addresses, max(map(len, named), default=0))


def _in(wanted: Range | None, number: float) -> bool:
    return wanted is None or wanted.holds(number)


def _kind_holds(when: When, evidence: Evidence) -> bool:
    facts = evidence.facts
    pairs = (
        (when.is_reply, facts.is_reply),
        (when.damaged, bool(facts.damage)),
        (when.unreadable, facts.unreadable),
        (when.encrypted, facts.encrypted),
    )
    if any(wanted is not None and wanted != fact for wanted, fact in pairs):
        return False
    return not when.finding or any(finding.detector in when.finding for finding in evidence.findings)


def _text_holds(when: When, evidence: Evidence) -> bool:
    if when.subject is not None and not when.subject.search(evidence.facts.subject):
        return False
    for name, pattern in when.header:
        values = (field.value for field in evidence.facts.fields if field.name == name)
        if not any(pattern.search(decode_words(text_of(value)).text.strip()) for value in values):
            return False
    return True
