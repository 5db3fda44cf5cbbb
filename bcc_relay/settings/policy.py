"""The policy as core decides by it, made from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from bcc_relay.core.address import address_key
from bcc_relay.core.model import Form
from bcc_relay.core.policy import rule as core

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcc_relay.settings.model import Settings
    from bcc_relay.settings.rules import Builtin, CountRange, RuleSetting, Section, ShareRange, When


def policy_of(settings: Settings) -> core.Policy:
    """Return the rules, thresholds, form and mode of `settings`."""
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
    return core.Thresholds(
        damaged=_made(core.Damaged, builtin.damaged),
        unreadable=_made(core.Unreadable, builtin.unreadable),
        correction=_made(core.Correction, builtin.correction),
        known_thread=_made(core.KnownThread, builtin.known_thread),
        beyond_rewriting=_made(core.BeyondRewriting, builtin.beyond_rewriting),
        families=_made(core.Families, builtin.families),
        usual_bcc=_made(core.UsualBcc, builtin.usual_bcc),
        large_circle=_made(core.LargeCircle, builtin.large_circle),
        in_pieces=_made(core.InPieces, builtin.in_pieces),
    )


_Kind = TypeVar("_Kind")


def _made(kind: Callable[..., _Kind], section: Section | None) -> _Kind | None:
    """Return the thresholds of one rule, which have the same names on both sides; None when it is switched off."""
    return None if section is None else kind(**dict(section))
