"""The policy as core decides by it, made from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.address import address_key
from bcc_relay.core.model import Form
from bcc_relay.core.policy import rule as core

if TYPE_CHECKING:
    from bcc_relay.settings.model import Settings
    from bcc_relay.settings.rules import Builtin, CountRange, RuleSetting, ShareRange, When


def policy_of(settings: Settings) -> core.Policy:
    """Return the rules, thresholds, form and mode of `settings`.

    Built-in rules and conditions that need the memory of earlier mail have no part in it yet; `not_built` names them.
    """
    return core.Policy(
        rules=tuple(_rule(rule) for rule in settings.policy.rules),
        builtin=_thresholds(settings.policy.builtin),
        form=Form(settings.rewrite.to),
        monitor=settings.policy.mode == "monitor",
    )


def _rule(rule: RuleSetting) -> core.Rule:
    return core.Rule(
        name=rule.name,
        when=_when(rule.when),
        then=core.Action(rule.then),
        rewrite=Form(rule.rewrite) if rule.rewrite else None,
        sentence=rule.sentence,
        monitor=rule.mode == "monitor",
    )


def _when(when: When) -> core.When:
    window = when.window_outsiders
    return core.When(
        sender=tuple(_sender_key(pattern) for pattern in when.sender or ()),
        user=when.user or (),
        network=when.network or (),
        listener=when.listener or (),
        subject=when.subject,
        header=tuple((when.header or {}).items()),
        visible_recipients=_range(when.visible_recipients),
        visible_outsiders=_range(when.visible_outsiders),
        outsider_domains=_range(when.outsider_domains),
        personal_share=_range(when.personal_share),
        channel=when.channel or (),
        channel_addresses=_range(when.channel_addresses),
        window_outsiders=core.Window(core.Range(at_least=window.at_least), window.within) if window else None,
        is_reply=when.is_reply,
        known_thread=when.known_thread,
        finding=when.finding or (),
        damaged=when.damaged,
        unreadable=when.unreadable,
        encrypted=when.encrypted,
        size=_range(when.size),
        until=when.until,
    )


def _sender_key(pattern: str) -> str:
    """Bring a pattern into comparing form; the null sender compares as nothing."""
    if pattern == "<>":
        return ""
    local, _, domain = pattern.rpartition("@")
    return address_key(local, domain)


def _range(limits: CountRange | ShareRange | None) -> core.Range | None:
    return core.Range(limits.at_least, limits.at_most) if limits else None


def _thresholds(builtin: Builtin) -> core.Thresholds:
    damaged, unreadable = builtin.damaged, builtin.unreadable
    beyond, families, circle = builtin.beyond_rewriting, builtin.families, builtin.large_circle
    return core.Thresholds(
        damaged=core.Damaged(damaged.recipients) if damaged else None,
        unreadable=core.Unreadable(unreadable.recipients) if unreadable else None,
        beyond_rewriting=core.BeyondRewriting(
            own_recipients=beyond.own_recipients,
            personal_share=beyond.personal_share,
            outsiders=beyond.outsiders,
            body=beyond.body,
        )
        if beyond
        else None,
        families=core.Families(families.visible_outsiders, families.personal_share) if families else None,
        large_circle=core.LargeCircle(circle.visible_outsiders, circle.outsider_domains) if circle else None,
    )
