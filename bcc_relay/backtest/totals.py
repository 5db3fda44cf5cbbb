"""What a backtest came to: counts for machines, and what a person reads about the messages that were stopped."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bcc_relay.backtest.deciding import UNUSABLE
from bcc_relay.backtest.reading import Kind
from bcc_relay.backtest.what_if import Margins, trials
from bcc_relay.core.model import VERDICT_NAMES
from bcc_relay.core.policy.builtin import EVERYTHING_ELSE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bcc_relay.backtest.state import State
    from bcc_relay.backtest.what_if import Trial
    from bcc_relay.core.policy.rule import Thresholds

MOST_LISTED = 1000
"""Most messages, and most files, that are listed one by one."""
LARGEST = 10


@dataclass(frozen=True, slots=True)
class Department:
    """What one own address that stands in From sent."""

    domain: str
    local_part: str
    messages: int
    rewrite: int
    hold: int
    reject: int

    @property
    def stopped(self) -> int:
        """Messages rewritten, held or rejected."""
        return self.rewrite + self.hold + self.reject

    @property
    def address(self) -> str:
        """The address."""
        return f"{self.local_part}@{self.domain}"


@dataclass(frozen=True, slots=True)
class Noticed:
    """One observation about a message."""

    channel: str
    addresses: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Case:
    """A message that was stopped, or that shows very many people."""

    file: str
    position: int
    """Octets before it in its file; 0 where it has the file to itself."""
    at: datetime
    author: str
    subject: str
    verdict: str
    rule: str
    sentence: str
    visible_outsiders: int
    outsider_domains: int
    personal_share: float
    recipients: int
    findings: tuple[Noticed, ...]
    told: tuple[str, ...]
    """What people are told besides the rule's sentence: who could have read what, and all else that was noticed."""
    circle: tuple[str, ...]
    """Outsiders whom it shows to another, by any channel."""

    @property
    def personal(self) -> int:
        """Visible outsiders at personal-mail providers."""
        return round(self.personal_share * self.visible_outsiders)


@dataclass(frozen=True, slots=True)
class Totals:
    """Everything that is told."""

    messages: int
    verdicts: dict[str, int]
    rules: dict[str, int]
    """Messages by the rule that decided; the last rule, which passes, is left out."""
    disclosed_addresses: int
    """Distinct outsiders whom a message that passed shows to another outsider."""
    protected_addresses: int
    """Distinct outsiders whom a message that was stopped would have shown to another outsider."""
    disclosing_messages: int
    """Messages that pass and show two or more outsiders, in the header."""
    unreadable: int
    incoming: int
    duplicates: int
    drafts: int
    first: datetime | None
    last: datetime | None
    departments: tuple[Department, ...]
    """Those with a message that was stopped, the most first."""
    trials: tuple[Trial, ...]
    largest: tuple[Case, ...]
    stopped_cases: tuple[Case, ...]
    """In order of their dates, the first `MOST_LISTED` of them."""
    failed: int
    failed_files: tuple[tuple[str, str], ...]
    """Name and reason, the first `MOST_LISTED` of them."""
    seconds: float = 0.0

    @property
    def stopped(self) -> int:
        """Messages rewritten, held or rejected."""
        return self.messages - self.verdicts["pass"]


def total(state: State, limits: Thresholds) -> Totals:
    """Add up what was decided."""
    verdicts = _counts(state, "SELECT verdict, count(*) FROM decided WHERE verdict <> ? GROUP BY 1", UNUSABLE)
    rules = _counts(
        state,
        "SELECT rule, count(*) FROM decided WHERE verdict <> ? AND rule <> ? GROUP BY 1 ORDER BY 2 DESC, 1",
        UNUSABLE,
        EVERYTHING_ELSE,
    )
    kinds = _counts(state, "SELECT kind, count(*) FROM mails GROUP BY 1")
    first, last = state.query("SELECT min(date), max(date) FROM turns JOIN mails ON mails.id = turns.mail")[0]
    failed, files = _failed(state)
    messages = sum(verdicts.values())
    return Totals(
        messages=messages,
        verdicts={name: verdicts.get(name, 0) for name in VERDICT_NAMES.values()},
        rules=rules,
        disclosed_addresses=_one(state, "SELECT count(*) FROM people WHERE disclosed"),
        protected_addresses=_one(state, "SELECT count(*) FROM people WHERE protected"),
        disclosing_messages=_one(state, "SELECT count(*) FROM decided WHERE verdict = 'pass' AND visible > 1"),
        unreadable=_one(state, "SELECT count(*) FROM decided WHERE is_closed"),
        incoming=kinds.get(Kind.INCOMING.value, 0),
        duplicates=kinds.get(Kind.OUTGOING.value, 0) - state.count("turns"),
        drafts=_one(state, "SELECT count(*) FROM not_used WHERE is_draft"),
        first=_moment(first),
        last=_moment(last),
        departments=tuple(_departments(state)),
        trials=_trials(state, limits),
        largest=tuple(_cases(state, "json_array_length(detail, '$.circle') > 1", _BY_SIZE, LARGEST)),
        stopped_cases=tuple(_cases(state, "verdict NOT IN ('pass', 'unusable')", "decided.number", MOST_LISTED)),
        failed=failed,
        failed_files=files,
    )


def _one(state: State, sql: str) -> int:
    return int(state.query(sql)[0][0])


def _counts(state: State, sql: str, *values: object) -> dict[str, int]:
    return dict(state.query(sql, *values))


def _moment(date_s: int | None) -> datetime | None:
    return None if date_s is None else datetime.fromtimestamp(date_s, UTC)


def _failed(state: State) -> tuple[int, tuple[tuple[str, str], ...]]:
    """Return how many files and messages could not be used, and the first of them."""
    sql = (
        "SELECT path, NULL AS start, why FROM not_used WHERE NOT is_draft UNION ALL"  # noqa: S608 - values of our own
        f" SELECT path, start, why FROM mails JOIN files ON files.id = mails.file WHERE kind = '{Kind.UNUSABLE}'"
        " UNION ALL SELECT path, start, 'was gone before it was judged' FROM decided"
        " JOIN turns ON turns.number = decided.number JOIN mails ON mails.id = turns.mail"
        f" JOIN files ON files.id = mails.file WHERE verdict = '{UNUSABLE}'"
    )
    rows = state.query(f"{sql} ORDER BY 1, 2 LIMIT {MOST_LISTED}")
    files = tuple((os.fsdecode(path) + (f", byte {start}" if start else ""), str(why)) for path, start, why in rows)
    return _one(state, f"SELECT count(*) FROM ({sql})"), files  # noqa: S608 - as above


def _departments(state: State) -> Iterable[Department]:
    """Yield who sends what is stopped: From says who it is."""
    rows = state.query(
        "SELECT author, count(*), sum(verdict = 'rewrite'), sum(verdict = 'hold'), sum(verdict = 'reject')"
        " FROM decided JOIN turns ON turns.number = decided.number JOIN mails ON mails.id = turns.mail"
        " WHERE verdict <> ? GROUP BY author HAVING sum(verdict <> 'pass')"
        " ORDER BY sum(verdict <> 'pass') DESC, author",
        UNUSABLE,
    )
    for author, *counts in rows:
        local_part, _, domain = author.rpartition("@")
        yield Department(domain, local_part, *counts)


def _trials(state: State, limits: Thresholds) -> tuple[Trial, ...]:
    margins = "json_type(detail, '$.margins') = 'object'"
    rows = state.query(f"SELECT json_extract(detail, '$.margins') FROM decided WHERE {margins}")  # noqa: S608 - our own
    others = Counter(
        _counts(
            state,
            f"SELECT verdict, count(*) FROM decided WHERE verdict <> ? AND {margins} IS NOT TRUE GROUP BY 1",  # noqa: S608
            UNUSABLE,
        )
    )
    return trials((Margins(**json.loads(row[0])) for row in rows), limits, others)


_BY_SIZE = "json_array_length(detail, '$.circle') DESC, decided.number"


def _cases(state: State, where: str, order: str, most: int) -> Iterable[Case]:
    rows = state.query(
        "SELECT path, start, date, author, verdict, rule, visible, detail"  # noqa: S608 - parts of our own
        " FROM decided JOIN turns ON turns.number = decided.number JOIN mails ON mails.id = turns.mail"
        f" JOIN files ON files.id = mails.file WHERE {where} ORDER BY {order} LIMIT {most}"
    )
    for path, start, date, author, verdict, rule, visible, detail in rows:
        told: dict[str, Any] = json.loads(detail) if detail else {}
        yield Case(
            file=os.fsdecode(path),
            position=start,
            at=datetime.fromtimestamp(date, UTC),
            author=author,
            subject=told.get("subject", ""),
            verdict=verdict,
            rule=rule,
            sentence=told.get("sentence", ""),
            visible_outsiders=visible,
            outsider_domains=told.get("domains", 0),
            personal_share=told.get("personal_share", 0.0),
            recipients=told.get("recipients", 0),
            findings=tuple(Noticed(*finding[1:]) for finding in told.get("findings", ())),
            told=tuple(sentence for sentence in told.get("told", ()) if sentence),
            circle=tuple(told.get("circle", ())),
        )


def timed(totals: Totals, seconds: float) -> Totals:
    """Return the totals with how long it took."""
    return replace(totals, seconds=round(seconds, 1))


def document(totals: Totals) -> dict[str, object]:
    """Return what `backtest --json` prints. No address of a recipient stands in it."""
    return {
        "messages": totals.messages,
        "verdicts": totals.verdicts,
        "rules": totals.rules,
        "disclosed_addresses": totals.disclosed_addresses,
        "unreadable": totals.unreadable,
        "seconds": totals.seconds,
        "protected_addresses": totals.protected_addresses,
        "incoming": totals.incoming,
        "duplicates": totals.duplicates,
        "drafts": totals.drafts,
        "departments": [
            {
                "domain": one.domain,
                "local_part": one.local_part,
                "messages": one.messages,
                "rewrite": one.rewrite,
                "hold": one.hold,
                "reject": one.reject,
            }
            for one in totals.departments
        ],
        "thresholds": [
            {"rule": trial.rule, "key": trial.key, "threshold": one.threshold, "verdicts": one.verdicts}
            for trial in totals.trials
            for one in trial.tried
        ],
        "stopped": [
            {
                "file": one.file,
                "position": one.position,
                "verdict": one.verdict,
                "rule": one.rule,
                "visible_outsiders": one.visible_outsiders,
                "outsider_domains": one.outsider_domains,
                "personal_share": one.personal_share,
                "findings": [{"channel": found.channel, "addresses": found.addresses} for found in one.findings],
            }
            for one in totals.stopped_cases
        ],
        "failed": totals.failed,
        "failed_files": [{"file": file, "why": why} for file, why in totals.failed_files],
    }
