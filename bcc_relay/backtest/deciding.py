"""Decides about messages in order of their dates, as the relay would have: with a memory, which learns on the way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from bcc_relay.backtest.reading import octets_at, unpacked
from bcc_relay.backtest.saved import envelope_of, message_of
from bcc_relay.backtest.state import Decided
from bcc_relay.backtest.what_if import document, fewest, margins_of
from bcc_relay.core.errors import StoreError
from bcc_relay.core.header import split_fields
from bcc_relay.core.history import NO_HISTORY
from bcc_relay.core.judge import can_be_rewritten, conclude, examine
from bcc_relay.core.model import Hold, Origin, Pass, Rewrite, Submission
from bcc_relay.core.noticed import details, exposure
from bcc_relay.core.policy.evidence import Evidence
from bcc_relay.core.remembering import ask_of, circle_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcc_relay.backtest.state import State, Turn
    from bcc_relay.core.actions.leave import Leaving
    from bcc_relay.core.history import Circle, History
    from bcc_relay.core.judge import Judged
    from bcc_relay.core.policy.rule import Policy
    from bcc_relay.relay.ports import Memory

COULD_NOT_DECIDE = "could-not-decide"
"""Stands for the rule when judging failed in a way nobody foresaw: the relay holds then."""
UNUSABLE = "unusable"
"""Stands for the verdict when a file was gone by the time its turn came."""
_LISTENER = "backtest"
_DIGEST_OCTETS = 12
_MOST_FIELDS = 5000


@dataclass(frozen=True, slots=True)
class House:
    """What deciding goes by. The policy is enforced, whatever its mode."""

    policy: Policy
    leaving: Leaving
    keep_memory: timedelta


async def decide_all(state: State, memory: Memory, house: House, advance: Callable[[int], None]) -> None:
    """Decide about every message whose turn has not come yet; `advance` hears of each.

    A decision is kept before the memory learns from it, so that one who was interrupted goes on where he was.
    """
    last = state.last_decided()
    number, day = 0, 0
    if last is not None:
        await _remember(memory, last)
        number, day = last.number, _day(state.date_of(last.number))
    for turn in state.turns_after(number):
        if (today := _day(turn.date_s)) != day:
            day = today
            await memory.erase_memory(datetime.fromtimestamp(turn.date_s, UTC) - house.keep_memory)
        decided = await _decide(turn, memory, house)
        state.decide(decided)
        await _remember(memory, decided)
        advance(1)


def _day(date_s: int) -> int:
    return date_s // 86400


def _id(number: int) -> str:
    return f"backtest{number:09}"


async def _remember(memory: Memory, decided: Decided) -> None:
    """Tell the memory what became of a message that it took note of: what passed is learned, as if delivered."""
    if not decided.is_noted:
        return
    if decided.verdict == "pass":
        await memory.learn(_id(decided.number))
    else:
        await memory.decided(_id(decided.number), decided.verdict, decided.rule)


async def _decide(turn: Turn, memory: Memory, house: House) -> Decided:
    contents = unpacked(turn.contents)
    try:
        message = message_of(octets_at(turn.place))
    except OSError:
        return Decided(turn.number, UNUSABLE, "", 0, is_closed=False, is_noted=False)
    envelope = envelope_of(split_fields(message.header, _MOST_FIELDS))
    at = datetime.fromtimestamp(turn.date_s, UTC)
    submission = Submission(_id(turn.number), at, envelope, message, Origin(_LISTENER))
    try:
        facts = examine(submission, house.leaving, contents)
        circle = circle_of(submission, facts)
        ask = ask_of(circle, house.policy)
        history = NO_HISTORY if ask is None else await memory.consider(circle, ask)
        judged = conclude(submission, house.policy, house.leaving, facts, history)
        detail = _detail(submission, judged, history, circle, house)
    except StoreError:
        raise
    except Exception:  # noqa: BLE001 - the top of one message, as in the relay: it is held, and the others go on
        return Decided(turn.number, "hold", COULD_NOT_DECIDE, 0, bool(contents.closed), is_noted=False)
    digests = tuple(blake2b(key.encode(), digest_size=_DIGEST_OCTETS).digest() for key in circle.shown)
    is_passed = isinstance(judged.verdict, Pass)
    return Decided(
        turn.number,
        judged.judgement.verdict,
        judged.verdict.rule,
        len(facts.visible_outsiders),
        is_closed=facts.unreadable,
        is_noted=circle.is_noteworthy and ask is not None,
        detail=detail,
        disclosed=digests if is_passed else (),
        protected=() if is_passed else digests,
    )


def _detail(
    submission: Submission, judged: Judged, history: History, circle: Circle, house: House
) -> dict[str, Any] | None:
    """Return what the report tells of a message that is stopped, or that shows many people; None for all others."""
    facts, judgement = judged.facts, judged.judgement
    least = fewest(house.policy.builtin)
    has_margins = len(circle.shown) >= least
    if not has_margins and isinstance(judged.verdict, Pass):
        return None
    margins = None
    if has_margins:
        evidence = Evidence(facts, history, judged.findings, submission.origin, submission.received_at.date())
        match judged.verdict:
            case Rewrite():
                is_rewritable = True
            case Hold():
                is_rewritable = judged.safe_release
            case _:
                is_rewritable = can_be_rewritten(submission, house.policy.form, house.leaving, facts)
        organisation = house.leaving.organisation
        margins = document(margins_of(evidence, house.policy, organisation, is_rewritable=is_rewritable))
    return {
        "subject": facts.subject,
        "sentence": judgement.sentence,
        "domains": judgement.outsider_domains,
        "personal_share": judgement.personal_share,
        "recipients": len(facts.recipients),
        "findings": [[one.detector, one.channel.value, one.addresses, one.sentence] for one in judgement.findings],
        "told": [exposure(judgement, len(facts.recipients)), *details(judgement, curable=True)],
        "circle": sorted(circle.shown),
        "margins": margins,
    }
