"""What the relay's own mail says, in English, for staff and for reviewers.

Another language is another module with the same functions; who gets what mail, and its form, is not decided here.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcc_relay.core.compose import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from bcc_relay.core.record import Judgement

COLUMNS = 72
MAX_SUBJECT_CHARS = 80
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_ANEW = (
    "The relay cannot hide the addresses in this message for you. Please do not send it again as it is. If it has to "
    "go out soon, write it anew: your own address in To, everybody else in Bcc, and no other address anywhere in it."
)
_NOT_CURABLE = (
    "It cannot be sent with the addresses hidden: something in it must not be changed, or cannot be read for certain. "
    "If its recipients may not see each other's addresses, drop it; the sender can write it anew."
)
_IN_ADDRESS = r"[^\s<>,;:\"'()\[\]]"
# The look-behind lets a match begin only where a word does: else a long word is walked from each of its letters.
_ADDRESS = re.compile(rf"(?<!{_IN_ADDRESS}){_IN_ADDRESS}+[@\uff20\ufe6b]{_IN_ADDRESS}+")
_SUBJECT_CHARS_READ = 2000


@dataclass(frozen=True, slots=True)
class Words:
    r"""A subject and a text whose lines end in `\n`."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Case:
    """What a notice tells about one message. Counts and words, no addresses but the ones named here."""

    id: str
    subject: str
    """The message's subject, decoded; it is cleaned and shortened here."""
    received_at: datetime
    recipients: int
    judgement: Judgement
    sender: str = ""
    """Named to reviewers only, as the person to ask; leave it empty when it is not an own address."""
    expires_at: datetime | None = None
    reviewers: tuple[str, ...] = ()
    """Addresses that a sender can ask."""
    safe_release: bool = True
    """The message can go out with its addresses hidden: the rewritten form passed the second reading."""
    second_person: bool = True
    """A release as it is needs a second person."""
    sender_told: bool = True
    """The sender gets a notice too."""
    delivered: int = 0
    """Recipients that had received it before it was dropped."""
    reason: str = ""
    """What the person who dropped it wrote."""
    dropped_by_sender: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """One recipient in a delivery report and what the next mail server said, if it said anything."""

    address: str
    answer: str = ""
    in_doubt: bool = False


def held(case: Case) -> Words:
    """Tell the sender that the message waits for a decision."""
    name = _named(case.subject)
    return _words(
        f"Held for review, not sent yet: {name}",
        _fill(
            f"Your message {name} ({_moment(case.received_at)}) has been stopped on its way. "
            "It is kept safe. Nobody has received it."
        ),
        _reasons(case),
        _fill("Please do not send it again in the meantime." if case.safe_release else _ANEW),
        _fill(f"What to do now: ask {_askable(case)} and give this number: {case.id}"),
        f"They can\n{_bullets(_sender_choices(case))}",
        _deadline(case),
    )


def rewritten(case: Case) -> Words:
    """Tell the sender that the message left with the addresses taken out of its header."""
    name = _named(case.subject)
    hidden = "The addresses in it have been hidden first: the recipients do not see each other's addresses."
    if any(finding.addresses and not finding.rewritable for finding in case.judgement.findings):
        hidden = (
            "The addresses in its header have been hidden first. Those in other places, named below, are still there."
        )
    return _words(
        f"Sent with the addresses hidden: {name}",
        _fill(
            f"Your message {name} ({_moment(case.received_at)}) is on its way to all of its {_people(case)}. {hidden}"
        ),
        _reasons(case),
        _fill("You need to do nothing. Please do not send it again: everybody would receive it twice."),
        _fill(
            "Next time: put your own address into To and everybody else into Bcc. Then nobody sees the others, and you "
            "do not get this notice."
        ),
        _fill(
            "If these people are meant to see each other, for example in a working group, ask "
            f"{_askable(case)} to allow it, and give this number: {case.id}"
        ),
    )


def discarded(case: Case) -> Words:
    """Tell the sender that the message was dropped."""
    name = _named(case.subject)
    who = "as you asked" if case.dropped_by_sender else "by a reviewer"
    reason = _masked(case.reason)
    return _words(
        f"Dropped, not sent: {name}",
        _fill(f"Your message {name} ({_moment(case.received_at)}) has been dropped {who}. {_received_by(case)}"),
        _fill(f"The reason given: {reason}") if reason else "",
        _fill(
            "If it still has to go out, write it again with your own address in To and everybody else in Bcc. "
            f"For questions ask {_askable(case)} and give this number: {case.id}"
        ),
    )


def expired(case: Case) -> Words:
    """Tell the sender that nobody decided in time."""
    name = _named(case.subject)
    return _words(
        f"Time ran out, not sent: {name}",
        _fill(
            f"Your message {name} ({_moment(case.received_at)}) was held for review. Nobody decided about "
            f"it in time, so it has been dropped. {_received_by(case)}"
        ),
        _reasons(case),
        _fill(
            "If it still has to go out, write it again with your own address in To and everybody else in Bcc. "
            f"For questions ask {_askable(case)} and give this number: {case.id}"
        ),
    )


def review(case: Case) -> Words:
    """Ask a reviewer for a decision, with the exact commands."""
    name = _named(case.subject)
    rows = [
        ("Number", case.id),
        ("Subject", name),
        ("From", clean(case.sender)),
        ("Received", _moment(case.received_at)),
        ("Recipients", str(case.recipients)),
        ("Rule", clean(case.judgement.rule)),
        ("Damage", clean(", ".join(case.judgement.damage))),
        ("Decide by", _moment(case.expires_at) if case.expires_at else ""),
    ]
    told = "The sender has been told." if case.sender_told else "The sender has not been told."
    return _words(
        f"Please decide: {name}",
        _fill(
            "A message is held and waits for your decision. Nobody has received it, so no address in it has been "
            f"disclosed. {told}"
        ),
        "\n".join(f"  {key + ':':<12}{value}" for key, value in rows if value),
        _reasons(case, in_detail=True),
        "" if case.safe_release else _fill(_NOT_CURABLE),
        "What you can do, on the relay's server (put sudo before the command):",
        *(f"{_fill(what, '  ')}\n    bcc-relay quarantine {command}" for what, command in _reviewer_choices(case)),
        _deadline(case, "the sender" if case.sender_told else "nobody"),
    )


def failed(subject: str, received_at: datetime, failures: Sequence[Failure]) -> Words:
    """Tell the sender who does not get the message."""
    name = _named(subject)
    doubtful = any(failure.in_doubt for failure in failures)
    return _words(
        f"Not delivered: {name}",
        _fill(
            f"Your message {name} ({_moment(received_at)}) could not be delivered to "
            f"{_count(len(failures), 'recipient')}. No further attempt is made."
        ),
        _failures(failures),
        _fill(
            "Other recipients of the message are not affected. What to do now: check each address above for a typing "
            "mistake, then send the message again to these people only."
        ),
        _fill(
            "Where the last answer begins with a 4, the address may well be right: the relay has tried again and "
            "again, and gives up now. Send it again later, or ask your mail administrator."
            if any(failure.answer.startswith("4") for failure in failures)
            else ""
        ),
        _fill(
            "Where it says that the message may have arrived, please ask before you send it again." if doubtful else ""
        ),
    )


def delayed(subject: str, received_at: datetime, failures: Sequence[Failure], retry_until: datetime | None) -> Words:
    """Tell the sender who has to wait for the message."""
    name = _named(subject)
    until = f" until {_moment(retry_until)}" if retry_until else ""
    return _words(
        f"Delayed, still trying: {name}",
        _fill(
            f"Your message {name} ({_moment(received_at)}) has not yet been delivered to "
            f"{_count(len(failures), 'recipient')}. The relay keeps trying{until} and tells you if it has to give up."
        ),
        _failures(failures),
        _fill("You need to do nothing. Please do not send it again."),
    )


def relayed(subject: str, received_at: datetime, failures: Sequence[Failure]) -> Words:
    """Tell the sender whose mail system took the message and will not confirm its delivery."""
    name = _named(subject)
    return _words(
        f"Passed on: {name}",
        _fill(
            f"Your message {name} ({_moment(received_at)}) has been passed on for "
            f"{_count(len(failures), 'recipient')}. You asked for a confirmation of delivery. The next mail server "
            "does not give any, so this is the last you hear unless something goes wrong."
        ),
        _failures(failures),
    )


def _reasons(case: Case, *, in_detail: bool = False) -> str:
    """Say what was noticed and how many people would have seen whose addresses.

    The findings are left out where the counts say the same already, unless `in_detail`.
    """
    judgement = case.judgement
    sentence = _masked(judgement.sentence)
    findings = [
        finding
        for finding in judgement.findings
        if finding.detector not in _IN_THE_COUNTS and (in_detail or not finding.rewritable)
    ]
    details = [detail for detail in dict.fromkeys(_masked(f.sentence) for f in findings) if detail not in sentence]
    blocks = (
        _fill(f"What was noticed: {sentence}") if sentence else "",
        _fill(_exposure(case)),
        f"In detail:\n{_bullets(details)}" if any(details) else "",
    )
    return "\n\n".join(block for block in blocks if block)


_IN_THE_COUNTS = frozenset({"mostly_personal", "many_domains"})
"""Detectors that say no more than `_exposure` does."""


def _exposure(case: Case) -> str:
    visible = case.judgement.visible_outsiders
    if visible == 0:
        return ""
    private = round(visible * case.judgement.personal_share)
    return (
        f"As it was written, each of its {_people(case)} could have read the e-mail "
        f"{_plural(visible, 'address', 'addresses')} of {visible} {_plural(visible, 'person', 'people')} outside the "
        f"organisation, in {_count(case.judgement.outsider_domains, 'mail domain')}. "
        f"{private or 'None'} of these addresses {_plural(private or 1, 'is', 'are')} at a provider of personal mail, "
        "such as gmail.com."
    )


def _sender_choices(case: Case) -> list[str]:
    safe = "send it safely: everybody on your list receives it, nobody sees anybody else's address"
    as_is = "send it as you wrote it, if these people may see each other's addresses (tell them why)"
    return [*([safe] if case.safe_release else []), as_is, "drop it"]


def _reviewer_choices(case: Case) -> list[tuple[str, str]]:
    second = " and a second person who gives the same command" if case.second_person else ""
    committee = "Send it as it is, if its recipients may see each other's addresses, as members of one committee may."
    told = "; the sender is told your reason" if case.sender_told else ""
    safe = [
        ("Send it so that nobody sees anybody else's address:", f"release {case.id} --as bcc"),
        ("Send each recipient a copy of their own:", f"release {case.id} --as individual"),
    ]
    return [
        ("See its recipients and all that was noticed:", f"show {case.id}"),
        ("Take a copy that a mail program can open:", f"export {case.id} > message.eml"),
        *(safe if case.safe_release else []),
        (f"{committee} This needs a reason{second}:", f'release {case.id} --as as-is --reason "WHY"'),
        (f"Drop it{told}:", f'discard {case.id} --reason "WHY"'),
    ]


def _deadline(case: Case, told: str = "you") -> str:
    if case.expires_at is None:
        return ""
    verb = "is" if told in {"nobody", "the sender"} else "are"
    return _fill(
        f"If nobody decides by {_moment(case.expires_at)}, it is dropped without being sent, and {told} {verb} told."
    )


def _received_by(case: Case) -> str:
    if case.delivered == 0:
        return "Nobody has received it."
    return f"{case.delivered} of its {case.recipients} recipients had received it before."


def _failures(failures: Iterable[Failure]) -> str:
    return "\n\n".join(_failure(failure) for failure in failures)


def _failure(failure: Failure) -> str:
    answer = clean(failure.answer, 500)
    lines = [f"  {clean(failure.address)}"]
    if failure.in_doubt:
        lines.append(_fill("The message may have arrived: the next mail server took it, but did not confirm.", "    "))
    if answer:
        lines.append(_fill(f"The last answer: {answer}", "    "))
    return "\n".join(lines)


def _askable(case: Case) -> str:
    people = [clean(reviewer) for reviewer in case.reviewers]
    if not people:
        return "your mail administrator"
    return " or ".join((", ".join(people[:-1]), people[-1])) if len(people) > 1 else people[0]


def _named(subject: str) -> str:
    subject = subject[:_SUBJECT_CHARS_READ]
    return f'"{_masked(subject, MAX_SUBJECT_CHARS)}"' if clean(subject) else "without a subject"


def _masked(text: str, max_chars: int | None = None) -> str:
    """Clean text of other people's making and take the addresses out of it."""
    return clean(_ADDRESS.sub("[address]", clean(text)), max_chars)


def _people(case: Case) -> str:
    return _count(case.recipients, "recipient")


def _count(number: int, noun: str) -> str:
    return f"{number} {_plural(number, noun, noun + 's')}"


def _plural(number: int, one: str, many: str) -> str:
    return one if number == 1 else many


def _moment(moment: datetime) -> str:
    zone = moment.strftime("%Z") or moment.strftime("%z")
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}, {moment:%H:%M} {zone}"


def _fill(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text,
        COLUMNS,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _bullets(items: Iterable[str]) -> str:
    return "\n".join(
        textwrap.fill(
            item,
            COLUMNS,
            initial_indent="  - ",
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for item in items
    )


def _words(subject: str, *blocks: str) -> Words:
    return Words(subject, "\n\n".join(block for block in blocks if block) + "\n")
