"""What the relay's own mail says, in English, for staff and for reviewers.

Another language is another module with the same functions; who gets what mail, and its form, is not decided here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcc_relay.core import noticed
from bcc_relay.core.compose import clean
from bcc_relay.core.places import PLACES, listed
from bcc_relay.core.prose import bullets, count, fill, masked, moment, named

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from bcc_relay.core.record import Judgement

_ANEW = (
    "The relay cannot hide the addresses in this message for you. Please do not send it again as it is. If it has to "
    "go out soon, write it anew: your own address in To, everybody else in Bcc, and no other address anywhere in it."
)
_ANEW_WITHOUT = (
    "Bcc alone does not help here: it hides who receives a message, not the addresses that stand in it. Please do not "
    "send it again as it is. If it has to go out soon, write it anew:"
)
_NOT_CURABLE = (
    "It cannot be sent with the addresses hidden: something in it must not be changed, or cannot be read for certain. "
    "If its recipients may not see each other's addresses, drop it; the sender can write it anew."
)
_NOT_HIDDEN_BY_BCC = (
    "It cannot be sent with the addresses hidden: Bcc hides who receives a message, not what stands in it, and the "
    "relay never changes a text or a file. If its recipients may not see these addresses, drop it; the sender can "
    "write it anew without them."
)
_SAY_WHAT_IT_HOLDS = "Say also what the part holds that could not be looked into: only you can tell."
_ASK_WHAT_IT_HOLDS = "Only the sender can tell what the part holds that could not be looked into. Please ask."


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
    name = named(case.subject)
    return _words(
        f"Held for review, not sent yet: {name}",
        fill(
            f"Your message {name} ({moment(case.received_at)}) has been stopped on its way. "
            "It is kept safe. Nobody has received it."
        ),
        _reasons(case),
        fill("Please do not send it again in the meantime.") if case.safe_release else _anew(case),
        fill(f"What to do now: ask {_askable(case)} and give this number: {case.id}"),
        fill(_SAY_WHAT_IT_HOLDS) if noticed.is_closed(case.judgement) else "",
        f"They can\n{bullets(_sender_choices(case))}",
        _deadline(case),
    )


def rewritten(case: Case) -> Words:
    """Tell the sender that the message left with the addresses taken out of its header."""
    name = named(case.subject)
    hidden = "The addresses in it have been hidden first: the recipients do not see each other's addresses."
    if noticed.left_in(case.judgement):
        hidden = (
            "The addresses in its header have been hidden first. Those in other places, named below, are still there."
        )
    return _words(
        f"Sent with the addresses hidden: {name}",
        fill(f"Your message {name} ({moment(case.received_at)}) is on its way to all of its {_people(case)}. {hidden}"),
        _reasons(case),
        fill("You need to do nothing. Please do not send it again: everybody would receive it twice."),
        fill(
            "Next time: put your own address into To and everybody else into Bcc. Then nobody sees the others, and you "
            "do not get this notice."
        ),
        fill(
            "If these people are meant to see each other, for example in a working group, ask "
            f"{_askable(case)} to allow it, and give this number: {case.id}"
        ),
    )


def discarded(case: Case) -> Words:
    """Tell the sender that the message was dropped."""
    name = named(case.subject)
    who = "as you asked" if case.dropped_by_sender else "by a reviewer"
    reason = masked(case.reason)
    return _words(
        f"Dropped, not sent: {name}",
        fill(f"Your message {name} ({moment(case.received_at)}) has been dropped {who}. {_received_by(case)}"),
        fill(f"The reason given: {reason}") if reason else "",
        fill(f"{_again(case)} For questions ask {_askable(case)} and give this number: {case.id}"),
    )


def expired(case: Case) -> Words:
    """Tell the sender that nobody decided in time."""
    name = named(case.subject)
    return _words(
        f"Time ran out, not sent: {name}",
        fill(
            f"Your message {name} ({moment(case.received_at)}) was held for review. Nobody decided about "
            f"it in time, so it has been dropped. {_received_by(case)}"
        ),
        _reasons(case),
        fill(f"{_again(case)} For questions ask {_askable(case)} and give this number: {case.id}"),
    )


def review(case: Case) -> Words:
    """Ask a reviewer for a decision, with the exact commands."""
    name = named(case.subject)
    rows = [
        ("Number", case.id),
        ("Subject", name),
        ("From", clean(case.sender)),
        ("Received", moment(case.received_at)),
        ("Recipients", str(case.recipients)),
        ("Rule", clean(case.judgement.rule)),
        ("Damage", clean(", ".join(case.judgement.damage))),
        ("Decide by", moment(case.expires_at) if case.expires_at else ""),
    ]
    told = "The sender has been told." if case.sender_told else "The sender has not been told."
    return _words(
        f"Please decide: {name}",
        fill(
            "A message is held and waits for your decision. Nobody has received it, so no address in it has been "
            f"disclosed. {told}"
        ),
        "\n".join(f"  {key + ':':<12}{value}" for key, value in rows if value),
        _reasons(case, in_detail=True),
        "" if case.safe_release else _not_curable(case),
        fill(_ASK_WHAT_IT_HOLDS) if noticed.is_closed(case.judgement) else "",
        "What you can do, on the relay's server (put sudo before the command):",
        *(f"{fill(what, '  ')}\n    bcc-relay quarantine {command}" for what, command in _reviewer_choices(case)),
        _deadline(case, "the sender" if case.sender_told else "nobody"),
    )


def failed(subject: str, received_at: datetime, failures: Sequence[Failure]) -> Words:
    """Tell the sender who does not get the message."""
    name = named(subject)
    doubtful = any(failure.in_doubt for failure in failures)
    return _words(
        f"Not delivered: {name}",
        fill(
            f"Your message {name} ({moment(received_at)}) could not be delivered to "
            f"{count(len(failures), 'recipient')}. No further attempt is made."
        ),
        _failures(failures),
        fill(
            "Other recipients of the message are not affected. What to do now: check each address above for a typing "
            "mistake, then send the message again to these people only."
        ),
        fill(
            "Where the last answer begins with a 4, the address may well be right: the relay has tried again and "
            "again, and gives up now. Send it again later, or ask your mail administrator."
            if any(failure.answer.startswith("4") for failure in failures)
            else ""
        ),
        fill(
            "Where it says that the message may have arrived, please ask before you send it again." if doubtful else ""
        ),
    )


def delayed(subject: str, received_at: datetime, failures: Sequence[Failure], retry_until: datetime | None) -> Words:
    """Tell the sender who has to wait for the message."""
    name = named(subject)
    until = f" until {moment(retry_until)}" if retry_until else ""
    return _words(
        f"Delayed, still trying: {name}",
        fill(
            f"Your message {name} ({moment(received_at)}) has not yet been delivered to "
            f"{count(len(failures), 'recipient')}. The relay keeps trying{until} and tells you if it has to give up."
        ),
        _failures(failures),
        fill("You need to do nothing. Please do not send it again."),
    )


def relayed(subject: str, received_at: datetime, failures: Sequence[Failure]) -> Words:
    """Tell the sender whose mail system took the message and will not confirm its delivery."""
    name = named(subject)
    return _words(
        f"Passed on: {name}",
        fill(
            f"Your message {name} ({moment(received_at)}) has been passed on for "
            f"{count(len(failures), 'recipient')}. You asked for a confirmation of delivery. The next mail server "
            "does not give any, so this is the last you hear unless something goes wrong."
        ),
        _failures(failures),
    )


def _reasons(case: Case, *, in_detail: bool = False) -> str:
    """Say what was noticed, and who would have read how many addresses; `in_detail` also what a rewrite takes away."""
    sentence = masked(case.judgement.sentence)
    details = [masked(detail) for detail in noticed.details(case.judgement, curable=in_detail)]
    blocks = (
        fill(f"What was noticed: {sentence}") if sentence else "",
        fill(noticed.exposure(case.judgement, case.recipients)),
        f"In detail:\n{bullets(details)}" if any(details) else "",
    )
    return "\n\n".join(block for block in blocks if block)


def _anew(case: Case) -> str:
    """Tell a sender what to do about a message that cannot go out safely."""
    places = noticed.left_in(case.judgement)
    if not places:
        return fill(_ANEW)
    remedies = [remedy for place in places if (remedy := noticed.REMEDIES.get(place))]
    own = "put your own address into To and everybody else into Bcc"
    return f"{fill(_ANEW_WITHOUT)}\n{bullets([*remedies, own])}"


def _again(case: Case) -> str:
    places = listed([PLACES[place] for place in noticed.left_in(case.judgement)])
    without = f", and without the addresses in {places}" if places else ""
    return f"If it still has to go out, write it again with your own address in To and everybody else in Bcc{without}."


def _not_curable(case: Case) -> str:
    return fill(_NOT_HIDDEN_BY_BCC if noticed.left_in(case.judgement) else _NOT_CURABLE)


def _going_along(case: Case) -> str:
    """Name what a release with the recipients hidden leaves as it is; empty when that is nothing."""
    places = [PLACES[place] for place in noticed.left_in(case.judgement)]
    if noticed.is_closed(case.judgement):
        places.append("the part that could not be looked into")
    return f"what stands in {listed(places)} goes along" if places else ""


def _sender_choices(case: Case) -> list[str]:
    along = _going_along(case)
    safe = (
        f"send it with the recipients hidden from each other; {along}"
        if along
        else "send it safely: everybody on your list receives it, nobody sees anybody else's address"
    )
    as_is = "send it as you wrote it, if these people may see each other's addresses (tell them why)"
    return [*([safe] if case.safe_release else []), as_is, "drop it"]


def _reviewer_choices(case: Case) -> list[tuple[str, str]]:
    second = " and a second person who gives the same command" if case.second_person else ""
    committee = "Send it as it is, if its recipients may see each other's addresses, as members of one committee may."
    told = "; the sender is told your reason" if case.sender_told else ""
    along = _going_along(case)
    hidden = f"with the recipients hidden; {along}" if along else "so that nobody sees anybody else's address"
    safe = [
        (f"Send it {hidden}:", f"release {case.id} --as bcc"),
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
    return fill(
        f"If nobody decides by {moment(case.expires_at)}, it is dropped without being sent, and {told} {verb} told."
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
        lines.append(fill("The message may have arrived: the next mail server took it, but did not confirm.", "    "))
    if answer:
        lines.append(fill(f"The last answer: {answer}", "    "))
    return "\n".join(lines)


def _askable(case: Case) -> str:
    people = [clean(reviewer) for reviewer in case.reviewers]
    if not people:
        return "your mail administrator"
    return listed(people, "or")


def _people(case: Case) -> str:
    return count(case.recipients, "recipient")


def _words(subject: str, *blocks: str) -> Words:
    return Words(subject, "\n\n".join(block for block in blocks if block) + "\n")
