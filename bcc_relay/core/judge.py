"""From a submission to what will be done with it: facts, findings, verdict, and the octets of the form it leaves in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

from bcc_relay.core.actions.leave import prepare
from bcc_relay.core.contents.found import NOTHING
from bcc_relay.core.detectors import detect
from bcc_relay.core.errors import NotRewritableError
from bcc_relay.core.facts import read
from bcc_relay.core.history import NO_HISTORY
from bcc_relay.core.model import VERDICT_NAMES, Form, Hold, Pass, Reject, Rewrite
from bcc_relay.core.policy.decide import decide
from bcc_relay.core.policy.evidence import Evidence
from bcc_relay.core.record import Judgement

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcc_relay.core.actions.leave import Leaving
    from bcc_relay.core.contents.found import Contents
    from bcc_relay.core.facts import Facts
    from bcc_relay.core.history import History
    from bcc_relay.core.model import Finding, Submission, Verdict
    from bcc_relay.core.policy.rule import Policy


@dataclass(frozen=True, slots=True)
class Judged:
    """A decision with all that is needed to carry it out."""

    facts: Facts
    findings: tuple[Finding, ...]
    verdict: Verdict
    """After the second reading: a rewrite that would leak has become a hold."""
    form: Form
    header: bytes | None
    """The header in that form, as `prepare` gives it; None when nothing leaves."""
    safe_release: bool
    """Held, and it could leave rewritten."""
    monitored: tuple[str, ...] = ()
    """Rules in monitor mode that matched."""
    is_noted: bool = False
    """The memory took note of it."""

    @property
    def judgement(self) -> Judgement:
        """What is kept of it: counts and words, no addresses."""
        return Judgement(
            verdict=VERDICT_NAMES[type(self.verdict)],
            rule=self.verdict.rule,
            sentence=self.verdict.sentence,
            findings=self.findings,
            visible_outsiders=len(self.facts.visible_outsiders),
            outsider_domains=self.facts.outsider_domains,
            personal_share=round(self.facts.personal_share, 3),
            damage=tuple(self.facts.damage),
        )


def nothing_timed(_stage: str) -> None:
    """Take no times."""


def judge(
    submission: Submission,
    policy: Policy,
    leaving: Leaving,
    *,
    contents: Contents = NOTHING,
    history: History = NO_HISTORY,
    lap: Callable[[str], None] = nothing_timed,
) -> Judged:
    """Examine a submission and conclude: for those to whom it is no matter that memory is asked in between."""
    facts = examine(submission, leaving, contents, lap=lap)
    return conclude(submission, policy, leaving, facts, history, lap=lap)


def examine(
    submission: Submission, leaving: Leaving, contents: Contents, *, lap: Callable[[str], None] = nothing_timed
) -> Facts:
    """Read a submission, whose body shows `contents`. `lap` is called at the end of the stage with its name (read)."""
    facts = read(
        submission.message,
        submission.envelope,
        leaving.organisation,
        header_bytes=leaving.header_bytes,
        contents=contents,
    )
    lap("read")
    return facts


def conclude(
    submission: Submission,
    policy: Policy,
    leaving: Leaving,
    facts: Facts,
    history: History,
    *,
    lap: Callable[[str], None] = nothing_timed,
) -> Judged:
    """Decide about a submission and prepare the form it leaves in.

    In monitor mode the verdict is what enforcing would come to, and the form is as it came. `lap` is called at the end
    of each stage with its name (decide, rewrite).
    """
    findings = detect(facts, history)
    evidence = Evidence(facts, history, findings, submission.origin, submission.received_at.date())
    decision = decide(evidence, policy, leaving.organisation)
    lap("decide")
    judged = _carried_out(submission, policy, leaving, facts, decision.verdict)
    if policy.monitor:
        header = prepare(submission, Form.AS_IS, leaving, facts)
        judged = replace(judged, form=Form.AS_IS, header=header, safe_release=False)
    lap("rewrite")
    return replace(judged, monitored=decision.monitored)


def _carried_out(submission: Submission, policy: Policy, leaving: Leaving, facts: Facts, verdict: Verdict) -> Judged:
    findings = verdict.findings
    match verdict:
        case Pass():
            return Judged(facts, findings, verdict, Form.AS_IS, prepare(submission, Form.AS_IS, leaving, facts), False)
        case Rewrite(form=form):
            try:
                header = prepare(submission, form, leaving, facts)
            except NotRewritableError as error:
                # A rewrite that fails never falls back to the original octets.
                hold = Hold(verdict.rule, f"{verdict.sentence} {error.why}", findings)
                return Judged(facts, findings, hold, Form.AS_IS, None, safe_release=False)
            return Judged(facts, findings, verdict, form, header, False)
        case Hold():
            return Judged(
                facts,
                findings,
                verdict,
                Form.AS_IS,
                None,
                can_be_rewritten(submission, policy.bcc_form, leaving, facts),
            )
        case Reject():
            return Judged(facts, findings, verdict, Form.AS_IS, None, False)
        case _:
            assert_never(verdict)


def can_be_rewritten(submission: Submission, form: Form, leaving: Leaving, facts: Facts | None = None) -> bool:
    """Whether the message could leave in this form: the sender is offered only what passes the second reading."""
    try:
        prepare(submission, form, leaving, facts)
    except NotRewritableError:
        return False
    return True
