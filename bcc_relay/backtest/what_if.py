"""What other thresholds would have done: kept for each message that one could change, counted for many at once.

The memory's answers stay as they are, though another threshold would have taught it something else.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from bcc_relay.core.model import VERDICT_NAMES, Channel
from bcc_relay.core.policy.builtin import BUILTIN
from bcc_relay.core.policy.decide import decide

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bcc_relay.core.organisation import Organisation
    from bcc_relay.core.policy.evidence import Evidence
    from bcc_relay.core.policy.rule import Policy, Thresholds

_FAMILIES = (5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 40, 50)
_CIRCLES = (10, 15, 20, 25, 30, 35, 40, 50, 60, 70, 80, 100)
FEWEST = 5
"""Messages that show fewer outsiders are the same under every threshold tried, but for settings below it."""


@dataclass(frozen=True, slots=True)
class Margins:
    """What one message shows, as far as thresholds go by it."""

    rule: str
    """The rule that decides when those with thresholds tried here are switched off."""
    verdict: str
    """Its verdict."""
    visible: int
    is_personal: bool
    """The share of personal addresses is that of the rule `families`."""
    is_spread: bool
    """There are as many domains as the rule `large-circle` wants."""
    body: int
    """Outsiders whom body text shows to another."""
    elsewhere: int
    """The same for the fullest other channel that no rewrite cures."""
    own: int
    """Own recipients in the fullest such channel where the share of personal ones is that of `beyond-rewriting`."""
    is_rewritable: bool


@dataclass(frozen=True, slots=True)
class Tried:
    """What would have become of all messages with one threshold."""

    threshold: int
    verdicts: dict[str, int]
    is_current: bool

    @property
    def stopped(self) -> int:
        """Messages rewritten, held or rejected."""
        return sum(count for verdict, count in self.verdicts.items() if verdict != "pass")


@dataclass(frozen=True, slots=True)
class Trial:
    """One threshold, and what each of its values would have done."""

    rule: str
    key: str
    """The setting below the rule."""
    tried: tuple[Tried, ...]


def margins_of(evidence: Evidence, policy: Policy, organisation: Organisation, *, is_rewritable: bool) -> Margins:
    """Return what thresholds go by in a message."""
    facts, limits = evidence.facts, policy.builtin
    without = replace(limits, families=None, large_circle=None, beyond_rewriting=None)
    otherwise = decide(evidence, replace(policy, builtin=without), organisation).verdict
    beyond = facts.beyond_rewriting()
    rule = limits.beyond_rewriting
    own = [keys & facts.outsider_recipients for keys in beyond.values()]
    return Margins(
        rule=otherwise.rule,
        verdict=VERDICT_NAMES[type(otherwise)],
        visible=len(facts.visible_outsiders),
        is_personal=limits.families is not None and facts.personal_share >= limits.families.personal_share,
        is_spread=limits.large_circle is not None and facts.outsider_domains >= limits.large_circle.outsider_domains,
        body=len(beyond.get(Channel.BODY, ())),
        elsewhere=max((len(keys) for channel, keys in beyond.items() if channel is not Channel.BODY), default=0),
        own=max(
            (
                len(keys)
                for keys in own
                if rule and sum(map(organisation.is_personal, keys)) >= rule.personal_share * len(keys)
            ),
            default=0,
        ),
        is_rewritable=is_rewritable,
    )


def verdict_at(margins: Margins, limits: Thresholds) -> str:
    """Return the verdict by these thresholds, of which those tried here may be others than at the time."""
    rewritten = "rewrite" if margins.is_rewritable else "hold"
    for name in BUILTIN if margins.rule in {*BUILTIN, "everything-else"} else ():
        if name == margins.rule:
            break
        if name == "beyond-rewriting" and (rule := limits.beyond_rewriting):
            if margins.own >= rule.own_recipients or margins.body >= rule.body or margins.elsewhere >= rule.outsiders:
                return "hold"
        elif name == "families" and (families := limits.families):
            if margins.is_personal and margins.visible >= families.visible_outsiders:
                return rewritten
        elif (
            name == "large-circle"
            and (circle := limits.large_circle)
            and margins.is_spread
            and margins.visible >= circle.visible_outsiders
        ):
            return "hold"
    return rewritten if margins.verdict == "rewrite" else margins.verdict


@dataclass(frozen=True, slots=True)
class _Knob:
    """A threshold that is tried."""

    rule: str
    key: str
    values: tuple[int, ...]

    def now(self, limits: Thresholds) -> int | None:
        """Return its value; None when its rule is switched off."""
        rule = getattr(limits, self.rule.replace("-", "_"))
        return None if rule is None else getattr(rule, self.key)

    def at(self, limits: Thresholds, value: int) -> Thresholds:
        """Return the thresholds with another value here."""
        name = self.rule.replace("-", "_")
        return replace(limits, **{name: replace(getattr(limits, name), **{self.key: value})})


_KNOBS = (
    _Knob("families", "visible_outsiders", _FAMILIES),
    _Knob("large-circle", "visible_outsiders", _CIRCLES),
    _Knob("beyond-rewriting", "own_recipients", _FAMILIES),
    _Knob("beyond-rewriting", "outsiders", _CIRCLES),
    _Knob("beyond-rewriting", "body", _CIRCLES),
)


def fewest(limits: Thresholds) -> int:
    """Return from how many outsiders on a message's margins are of interest."""
    current = [value for knob in _KNOBS if (value := knob.now(limits)) is not None]
    return min([FEWEST, *current])


def trials(several: Iterable[Margins], limits: Thresholds, others: Counter[str]) -> tuple[Trial, ...]:
    """Count what each value of each threshold would have done. `others`: verdicts of messages without margins."""
    alike = Counter(several)
    found = []
    for knob in _KNOBS:
        current = knob.now(limits)
        if current is None:
            continue
        tried = []
        for value in sorted({*knob.values, current}):
            at = knob.at(limits, value)
            verdicts = Counter(others)
            for margins, count in alike.items():
                verdicts[verdict_at(margins, at)] += count
            tried.append(Tried(value, dict(verdicts), value == current))
        found.append(Trial(knob.rule, knob.key, tuple(tried)))
    return tuple(found)


def document(margins: Margins) -> dict[str, Any]:
    """Return margins as JSON has them; `Margins(**document)` is the way back."""
    return asdict(margins)
