"""The decision: the first rule that matches, the organisation's own before the built-in ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcc_relay.core.model import Finding, Form, Hold, Pass, Reject, Rewrite, Verdict
from bcc_relay.core.policy.builtin import BUILTIN, EVERYTHING_ELSE
from bcc_relay.core.policy.conditions import holds
from bcc_relay.core.policy.rule import Action

if TYPE_CHECKING:
    from bcc_relay.core.organisation import Organisation
    from bcc_relay.core.policy.evidence import Evidence
    from bcc_relay.core.policy.rule import Policy, Rule


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict, and the rules in monitor mode that matched on the way to it."""

    verdict: Verdict
    monitored: tuple[str, ...] = ()


def decide(evidence: Evidence, policy: Policy, organisation: Organisation) -> Decision:
    """Return what the first matching rule says. `policy.monitor` changes nothing here: the caller lets mail pass."""
    monitored: list[str] = []
    for rule in policy.rules:
        if holds(rule.when, evidence):
            if not rule.monitor:
                return Decision(_verdict_of(rule, evidence, policy), tuple(monitored))
            monitored.append(rule.name)
    for name, matches in BUILTIN.items():
        if matched := matches(evidence, policy.builtin, organisation):
            form = _form_of(matched.like, policy)
            verdict = _verdict(matched.action, name, matched.sentence, form, evidence.findings)
            return Decision(verdict, tuple(monitored))
    return Decision(Pass(EVERYTHING_ELSE, "", evidence.findings), tuple(monitored))


def _form_of(name: str, policy: Policy) -> Form:
    return next((rule.rewrite for rule in policy.rules if rule.name == name and rule.rewrite), policy.form)


def _verdict_of(rule: Rule, evidence: Evidence, policy: Policy) -> Verdict:
    sentence = rule.sentence or _plain_sentence(rule.then, evidence)
    return _verdict(rule.then, rule.name, sentence, rule.rewrite or policy.form, evidence.findings)


def _plain_sentence(action: Action, evidence: Evidence) -> str:
    seen = len(evidence.facts.visible_outsiders)
    if seen:
        said = f"Sending this as written would show {seen} outside addresses to other people."
    else:
        said = "" if action is Action.PASS else "A rule of your organisation stops this message."
    return f"Not sent. {said} Please ask your mail administrator." if action is Action.REJECT else said


def _verdict(action: Action, rule: str, sentence: str, form: Form, findings: tuple[Finding, ...]) -> Verdict:
    match action:
        case Action.PASS:
            return Pass(rule, sentence, findings)
        case Action.REWRITE:
            return Rewrite(rule, sentence, form, findings)
        case Action.HOLD:
            return Hold(rule, sentence, findings)
        case Action.REJECT:
            return Reject(rule, sentence, findings)
