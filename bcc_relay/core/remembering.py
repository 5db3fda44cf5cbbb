"""What is asked of the memory about a message, and what it is told: facts in, a circle and a question out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.history import FEWEST_SHOWN, Ask, Circle
from bcc_relay.core.subject import bare_subject

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from bcc_relay.core.facts import Facts
    from bcc_relay.core.model import Submission
    from bcc_relay.core.policy.rule import Policy, Thresholds

_FEWEST_SUBJECT_CHARS = 3


def circle_of(submission: Submission, facts: Facts) -> Circle:
    """Return who would read about whom, if the message went as it is."""
    return Circle(
        message_id=submission.id,
        at=submission.received_at,
        sender=facts.sender or "",
        shown=facts.disclosed(),
        visible=facts.visible_outsiders,
        readers=facts.outsider_recipients - facts.authors,
        own_id=facts.message_id,
        thread_ids=facts.thread_ids,
        subject=_bare(facts.subject),
        gist=facts.contents.gist,
    )


def _bare(subject: str) -> str:
    text = bare_subject(subject)
    return text if len(text) >= _FEWEST_SUBJECT_CHARS else ""


def ask_of(circle: Circle, policy: Policy) -> Ask | None:
    """Return what this policy wants to know about a message; None when nothing is to be asked, nor to be noted."""
    if circle.is_too_large:
        return None
    limits = policy.builtin
    thread = bool(circle.thread_ids and circle.shown)
    windows = tuple(_windows(policy)) if circle.shown else ()
    if not circle.is_noteworthy:
        return Ask(thread=thread, windows=windows) if windows or thread else None
    seen = len(circle.visible)
    return Ask(
        thread=thread,
        strangers=seen >= FEWEST_SHOWN,
        usual=limits.usual_bcc is not None and seen >= limits.usual_bcc.visible_outsiders,
        stopped_within=_stopped_within(limits, seen),
        pieces_within=limits.in_pieces.within if limits.in_pieces is not None and circle.shown else None,
        windows=windows,
    )


def _stopped_within(limits: Thresholds, seen: int) -> timedelta | None:
    rule = limits.correction
    return rule.within if rule is not None and seen >= rule.visible_outsiders else None


def _windows(policy: Policy) -> Iterable[timedelta]:
    return dict.fromkeys(rule.when.window_outsiders.within for rule in policy.rules if rule.when.window_outsiders)
