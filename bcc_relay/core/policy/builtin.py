"""The built-in rules, in their order (product contract, "Deciding")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcc_relay.core.model import Channel
from bcc_relay.core.places import addresses_in
from bcc_relay.core.policy.rule import Action

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcc_relay.core.organisation import Organisation
    from bcc_relay.core.policy.evidence import Evidence
    from bcc_relay.core.policy.rule import Thresholds


@dataclass(frozen=True, slots=True)
class Matched:
    """What a rule that matches does."""

    action: Action
    sentence: str
    """What people are told: counts, never addresses."""
    like: str = ""
    """Name of the rule whose form a rewrite takes; the configured one when it has none of its own."""


def damaged(evidence: Evidence, limits: Thresholds, _: Organisation) -> Matched | None:
    """Damage, and several outsiders among the recipients."""
    facts = evidence.facts
    rule = limits.damaged
    if rule is None or not facts.damage or len(facts.outsider_recipients) < rule.recipients:
        return None
    return Matched(Action.HOLD, "This message is damaged, so nobody can be sure whose addresses it shows.")


def unreadable(evidence: Evidence, limits: Thresholds, _: Organisation) -> Matched | None:
    """A part that could not be looked into, and many outsiders among the recipients."""
    facts = evidence.facts
    rule = limits.unreadable
    if rule is None or not facts.unreadable or len(facts.outsider_recipients) < rule.recipients:
        return None
    goes_to = len(facts.outsider_recipients)
    sentence = f"This message goes to {goes_to} people outside, and nobody can tell whose addresses a part of it shows."
    return Matched(Action.HOLD, sentence)


_STOPPED_BY = {
    "rewrite": (Action.REWRITE, "whose addresses were hidden"),
    "hold": (Action.HOLD, "that was held"),
    "reject": (Action.REJECT, "that was refused"),
}


def correction(evidence: Evidence, limits: Thresholds, _: Organisation) -> Matched | None:
    """The circle of a message that was stopped lately: the recall or the apology shows the same addresses again."""
    stopped = evidence.history.stopped
    rule = limits.correction
    seen = len(evidence.facts.visible_outsiders)
    if rule is None or stopped is None or stopped.share < rule.share or seen < rule.visible_outsiders:
        return None
    if (found := _STOPPED_BY.get(stopped.verdict)) is None:
        return None
    action, what = found
    again = round(stopped.share * seen)
    sentence = (
        f"This message shows the same {seen} people as one {what} lately."
        if again >= seen
        else f"This message shows {seen} people, and {again} of them stood in one {what} lately."
    )
    if action is Action.REJECT:
        sentence = f"Not sent. {sentence} Please ask your mail administrator."
    return Matched(action, sentence, like=stopped.rule)


def known_thread(evidence: Evidence, limits: Thresholds, _: Organisation) -> Matched | None:
    """Nobody sees an address in it that was not shown to them in this thread before."""
    if limits.known_thread is None or not evidence.history.known_thread:
        return None
    shown = len(evidence.facts.disclosed())
    if not shown:
        return None
    who = f"{shown} outside addresses that this message shows were" if shown > 1 else "outside address it shows was"
    return Matched(Action.PASS, f"The {who} visible to all its recipients in this thread before.")


def beyond_rewriting(evidence: Evidence, limits: Thresholds, organisation: Organisation) -> Matched | None:
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
            shown = addresses_in(len(keys), channel)
            return Matched(Action.HOLD, f"This message shows {shown}, where Bcc does not hide them.")
    return None


def families(evidence: Evidence, limits: Thresholds, _: Organisation) -> Matched | None:
    """Many visible outsiders, half or more of them personal."""
    facts = evidence.facts
    rule = limits.families
    seen = len(facts.visible_outsiders)
    if rule is None or seen < rule.visible_outsiders or facts.personal_share < rule.personal_share:
        return None
    sentence = f"Sending this as written would have shown {seen} people's addresses to each other."
    return Matched(Action.REWRITE, sentence + _strangers(evidence, seen))


def usual_bcc(evidence: Evidence, limits: Thresholds, _: Organisation) -> Matched | None:
    """Many visible outsiders whom this sender normally reaches by Bcc."""
    rule = limits.usual_bcc
    usually_blind = evidence.history.usually_blind
    if rule is None or usually_blind < rule.visible_outsiders:
        return None
    seen = len(evidence.facts.visible_outsiders)
    sentence = f"This message shows {seen} outside addresses, and its sender normally writes to {usually_blind} by Bcc."
    return Matched(Action.REWRITE, sentence)


def large_circle(evidence: Evidence, limits: Thresholds, _: Organisation) -> Matched | None:
    """Very many visible outsiders in several domains."""
    facts = evidence.facts
    rule = limits.large_circle
    seen = len(facts.visible_outsiders)
    if rule is None or seen < rule.visible_outsiders or facts.outsider_domains < rule.outsider_domains:
        return None
    sentence = (
        f"Sending this as written would show {seen} outside addresses from {facts.outsider_domains} organisations"
        " to each other."
    )
    return Matched(Action.HOLD, sentence + _strangers(evidence, seen))


def in_pieces(evidence: Evidence, limits: Thresholds, _: Organisation) -> Matched | None:
    """Several messages that belong together disclose very many, and this one adds to it.

    What one message alone shows is for the rules above to judge.
    """
    rule = limits.in_pieces
    pieces = evidence.history.pieces
    if rule is None or pieces < rule.disclosed:
        return None
    if not 0 < len(evidence.facts.disclosed()) < pieces:
        return None
    sentence = (
        f"Together with messages like it, sent just before, this one shows {pieces} outside addresses to other people."
        " Those before it have left."
    )
    return Matched(Action.HOLD, sentence)


def _strangers(evidence: Evidence, seen: int) -> str:
    if evidence.history.strangers < seen:
        return ""
    return f" These {seen} people have never seen each other's addresses."


BUILTIN: dict[str, Callable[[Evidence, Thresholds, Organisation], Matched | None]] = {
    "damaged": damaged,
    "unreadable": unreadable,
    "correction": correction,
    "known-thread": known_thread,
    "beyond-rewriting": beyond_rewriting,
    "families": families,
    "usual-bcc": usual_bcc,
    "large-circle": large_circle,
    "in-pieces": in_pieces,
}
EVERYTHING_ELSE = "everything-else"
"""Name of the last rule, which passes."""
