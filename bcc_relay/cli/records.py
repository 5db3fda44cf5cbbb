"""Stored messages as people and machines read them: the shapes of `quarantine` and `queue`, in tables and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.cli.shell import print_table, printable
from bcc_relay.core import noticed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from bcc_relay.core.model import Form
    from bcc_relay.core.record import Judgement, Record
    from bcc_relay.store import Reason


def moment(at: datetime | None) -> str | None:
    """Write a time in UTC: `2026-11-22T10:00:00Z`."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None


def sender(record: Record) -> str:
    """Return the envelope sender; `<>` for the null sender."""
    return record.envelope.sender.text if record.envelope.sender else "<>"


def held_summary(record: Record) -> dict[str, object]:
    """Return one entry of `quarantine list --json`."""
    return {
        "id": record.id,
        "state": record.state.value,
        "received": moment(record.received_at),
        "sender": sender(record),
        "subject": record.subject,
        "rule": record.judgement.rule,
        "visible_outsiders": record.judgement.visible_outsiders,
        "recipients": len(record.recipients),
        "expires": moment(record.expires_at),
    }


def waiting_summary(record: Record) -> dict[str, object]:
    """Return one entry of `queue list --json`."""
    return {
        "id": record.id,
        "state": record.state.value,
        "received": moment(record.received_at),
        "sender": sender(record),
        "subject": record.subject,
        "recipients": len(record.recipients),
        "waiting_recipients": len(record.due),
        "attempts": record.attempts,
        "next_attempt": moment(record.next_attempt_at),
        "last_answer": last_answer(record),
    }


def last_answer(record: Record) -> str | None:
    """Return what the upstream last said about a recipient that still waits."""
    waiting = {"deferred", "in_doubt"}
    answers = [str(part.reply) for part in record.recipients if part.reply and part.outcome.value in waiting]
    return answers[-1] if answers else None


def reasons(judgement: Judgement) -> dict[str, object]:
    """Return verdict and reasons, as `show --json` and `explain --json` have them."""
    return {
        "verdict": judgement.verdict,
        "rule": judgement.rule,
        "sentence": judgement.sentence,
        "visible_outsiders": judgement.visible_outsiders,
        "outsider_domains": judgement.outsider_domains,
        "personal_share": judgement.personal_share,
        "findings": [
            {
                "detector": finding.detector,
                "channel": finding.channel.value,
                "addresses": finding.addresses,
                "rewritable": finding.rewritable,
                "sentence": finding.sentence,
            }
            for finding in judgement.findings
        ],
        "damage": list(judgement.damage),
    }


def details(record: Record) -> dict[str, object]:
    """Return the object that a decision prints with `--json`."""
    return {
        **held_summary(record),
        **reasons(record.judgement),
        "form": record.form.value,
        "size_bytes": record.size_bytes,
        "attempts": record.attempts,
        "next_attempt": moment(record.next_attempt_at),
        "released": moment(record.released_at),
        "asked_by": record.asked_by,
        "outcomes": [
            {
                "recipient": part.recipient.address.text,
                "outcome": part.outcome.value,
                "answer": str(part.reply) if part.reply else None,
            }
            for part in record.recipients
        ],
    }


def details_with_reasons(record: Record, given: Sequence[Reason]) -> dict[str, object]:
    """Return the object of `show ID --json`: `details`, and what people wrote when they decided."""
    written = [{"at": reason.at, "event": reason.event, "reason": reason.text} for reason in given]
    return {**details(record), "reasons": written}


def print_held(records: Sequence[Record]) -> None:
    """Print the table of `quarantine list`."""
    print_table(
        ("ID", "State", "Received (UTC)", "Sender", "Subject", "Rule", "People shown", "Recipients", "Decide by"),
        [
            (
                record.id,
                _state(record),
                _short(record.received_at),
                sender(record),
                record.subject,
                record.judgement.rule,
                _shown(record.judgement),
                len(record.recipients),
                _short(record.expires_at)[:10] if record.state.value == "held" else "",
            )
            for record in records
        ],
        nothing="Nothing is held.",
    )


def _shown(judgement: Judgement) -> int | str:
    """Return how many outside addresses the message shows in one place; a closed part may show any number."""
    return noticed.people_shown(judgement) or ("unknown" if noticed.is_closed(judgement) else 0)


def _short(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M") if at else ""


def print_waiting(records: Sequence[Record]) -> None:
    """Print the table of `queue list`."""
    print_table(
        ("ID", "State", "Received", "Sender", "Subject", "Recipients", "Waiting", "Attempts", "Next attempt", "Answer"),
        [tuple("" if cell is None else cell for cell in waiting_summary(record).values()) for record in records],
        nothing="Nothing waits for delivery.",
    )


def print_details(record: Record, given: Sequence[Reason]) -> None:
    """Print one message for a decision: who would have seen what, why it stopped, what people wrote, each recipient."""
    is_held = record.state.value == "held"
    waits = record.state.value in {"queued", "released"}
    facts = (
        ("Number", record.id),
        ("State", _state(record, at_length=True)),
        ("Subject", record.subject or "(none)"),
        ("Sender", sender(record)),
        ("Login", record.origin.user or ""),
        ("Rule", record.judgement.rule),
        ("Received", moment(record.received_at) or ""),
        ("Size", f"{record.size_bytes} bytes"),
        ("Leaves", in_words(record.form) if not is_held else ""),
        ("Decide by", (moment(record.expires_at) or "") if is_held else ""),
        ("Next attempt", (moment(record.next_attempt_at) or "") if waits else ""),
    )
    for name, text in facts:
        if text:
            print(f"{name + ':':<14}{printable(text)}")
    print()
    for line in judgement_in_words(record.judgement, len(record.recipients)):
        print(printable(line))
    for reason in given:
        print(f"Reason given ({reason.event}, {reason.at[:19]}Z): {printable(reason.text)}")
    print()
    print_table(
        ("Recipient", "Outcome", "Answer"),
        [
            (part.recipient.address.text, part.outcome.value.replace("_", " "), str(part.reply or ""))
            for part in record.recipients
        ],
        nothing="No recipients.",
    )
    if is_held:
        for what, command in _choices(record.id):
            print(f"{what + ':':<42}bcc-relay quarantine {command}")


def _choices(message_id: str) -> Iterator[tuple[str, str]]:
    """Yield what can be done about a held message, with the command."""
    yield "Read it, as a file for a mail program", f"export {message_id} > message.eml"
    yield "Hide the recipients from each other", f"release {message_id} --as bcc"
    yield "Send each of them a copy of their own", f"release {message_id} --as individual"
    yield "Send it as it was written", f'release {message_id} --as as-is --reason "WHY"'
    yield "Drop it", f'discard {message_id} --reason "WHY"'


def _state(record: Record, *, at_length: bool = False) -> str:
    if record.state.value == "held" and record.asked_by:
        what = f"{record.asked_by} asks to send it as it is, a second person must agree"
        return f"held; {what if at_length else f'asked by {record.asked_by}'}"
    return record.state.value


def in_words(form: Form) -> str:
    """Say in which form a message leaves."""
    match form.value:
        case "as_is":
            return "as it was written"
        case "individual":
            return "a copy for each recipient, nobody sees the others"
        case _:
            return "with the addresses hidden, nobody sees the others"


def judgement_in_words(judgement: Judgement, recipients: int) -> Iterator[str]:
    """Yield what was noticed, a sentence a line: the rule's own first, then who could have read what, then all else."""
    if judgement.sentence:
        yield judgement.sentence
    if exposed := noticed.exposure(judgement, recipients):
        yield exposed
    for detail in noticed.details(judgement, curable=True):
        yield f"- {detail}"
    if judgement.damage:
        yield f"- Damage: {', '.join(judgement.damage)}"


def count(number: int, noun: str) -> str:
    """Write `1 recipient`, `2 recipients`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
