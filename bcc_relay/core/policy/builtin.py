"""The built-in rules, in their order (product contract, "Deciding")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.model import Channel
from bcc_relay.core.policy.rule import Action

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcc_relay.core.address import Organisation
    from bcc_relay.core.policy.evidence import Evidence
    from bcc_relay.core.policy.rule import Thresholds

Matched = str | None
"""The sentence people are told when the rule matches; None when it does not."""


def damaged(evidence: Evidence, limits: Thresholds, _: Organisation) -> Matched:
    """Damage, and several outsiders among the recipients."""
    facts = evidence.facts
    rule = limits.damaged
    if rule is None or not facts.damage or len(facts.outsider_recipients) < rule.recipients:
        return None
    return "The header of this message is damaged, so we cannot be sure whose addresses it shows."


def unreadable(evidence: Evidence, limits: Thresholds, _: Organisation) -> Matched:
    """A part that could not be looked into, and many outsiders among the recipients."""
    facts = evidence.facts
    rule = limits.unreadable
    if rule is None or not facts.unreadable or len(facts.outsider_recipients) < rule.recipients:
        return None
    goes_to = len(facts.outsider_recipients)
    return f"This message goes to {goes_to} people outside, and its content could not be looked into."


def beyond_rewriting(evidence: Evidence, limits: Thresholds, organisation: Organisation) -> Matched:
    """A channel that no rewrite cures shows many of the recipients, or very many outsiders of any kind."""
    facts = evidence.facts
    rule = limits.beyond_rewriting
    if rule is None:
        return None
    for channel, keys in facts.beyond_rewriting().items():
        own = keys & facts.outsider_recipients
        personal = sum(1 for key in own if organisation.is_personal(key))
        most = rule.body if channel is Channel.BODY else rule.outsiders
        if (len(own) >= rule.own_recipients and personal >= rule.personal_share * len(own)) or len(keys) >= most:
            return f"This message shows {len(keys)} outside addresses in a place that cannot be changed safely."
    return None


def families(evidence: Evidence, limits: Thresholds, _: Organisation) -> Matched:
    """Many visible outsiders, half or more of them personal."""
    facts = evidence.facts
    rule = limits.families
    seen = len(facts.visible_outsiders)
    if rule is None or seen < rule.visible_outsiders or facts.personal_share < rule.personal_share:
        return None
    return f"Sending this as written would have shown {seen} people's addresses to each other."


def large_circle(evidence: Evidence, limits: Thresholds, _: Organisation) -> Matched:
    """Very many visible outsiders in several domains."""
    facts = evidence.facts
    rule = limits.large_circle
    seen = len(facts.visible_outsiders)
    if rule is None or seen < rule.visible_outsiders or facts.outsider_domains < rule.outsider_domains:
        return None
    return (
        f"Sending this as written would show {seen} outside addresses from {facts.outsider_domains} organisations"
        " to each other."
    )


BUILTIN: dict[str, tuple[Callable[[Evidence, Thresholds, Organisation], Matched], Action]] = {
    "damaged": (damaged, Action.HOLD),
    "unreadable": (unreadable, Action.HOLD),
    "beyond-rewriting": (beyond_rewriting, Action.HOLD),
    "families": (families, Action.REWRITE),
    "large-circle": (large_circle, Action.HOLD),
}
EVERYTHING_ELSE = "everything-else"
"""Name of the last rule, which passes."""
