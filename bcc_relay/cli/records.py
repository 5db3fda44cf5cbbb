"""Stored messages as people and machines read them: the shapes of `quarantine` and `queue`, in tables and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.cli.shell import print_table, printable

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
        ("ID", "State", "Received", "Sender", "Subject", "Rule", "Outsiders", "Recipients", "Decide by"),
        [
            tuple("" if cell is None else cell for cell in {**held_summary(record), "state": _state(record)}.values())
            for record in records
        ],
        nothing="Nothing is held.",
    )


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
    """Yield what was decided and why, a sentence a line."""
    yield f"Rule {judgement.rule}: {judgement.verdict}. {judgement.sentence}".rstrip()
    if judgement.visible_outsiders:
        personal = round(judgement.visible_outsiders * judgement.personal_share)
        yield (
            f"As it was written, {count(recipients, 'recipient')} would have seen the addresses of "
            f"{count(judgement.visible_outsiders, 'outsider')} in {count(judgement.outsider_domains, 'domain')}; "
            f"{personal} of them personal."
        )
    for finding in judgement.findings:
        cure = "" if finding.rewritable else " Rewriting cannot cure this."
        yield f"- {finding.sentence}{cure}"
    if judgement.damage:
        yield f"- Damage: {', '.join(judgement.damage)}"


def count(number: int, noun: str) -> str:
    """Write `1 recipient`, `2 recipients`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
