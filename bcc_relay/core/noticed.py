"""What was noticed about a message, in sentences for the people who decide about it: counts, and each of them once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bcc_relay.core.model import Channel
from bcc_relay.core.places import PLACES, addresses_in, listed

if TYPE_CHECKING:
    from bcc_relay.core.model import Finding
    from bcc_relay.core.record import Judgement

_OF_PLACES = frozenset({"many_visible", "written_by_hand", "shown_in_body"})
"""Detectors whose findings say how many outside addresses stand in a place, and nothing else."""
_IN_THE_COUNTS = frozenset({"mostly_personal", "many_domains"})
"""Detectors that say no more than `exposure` does."""
_CLOSED = "closed_part"
_PROVIDER = "at a provider of personal mail, such as gmail.com."

REMEDIES = {
    Channel.SUBJECT: "take the addresses out of the subject",
    Channel.FROM: "put your own address alone into From",
    Channel.CALENDAR: "send the date and the place as text: an invitation shows everybody invited to all the others",
    Channel.TNEF: "send it as HTML or plain text, not in Outlook's rich text format, which takes the list along",
    Channel.ATTACHED_MESSAGE: "copy the text that you need instead of attaching the message",
    Channel.ATTACHED_LIST: "take the addresses out of the attached file, out of hidden sheets and columns as well",
    Channel.BODY: "take the addresses out of the text",
    Channel.QUOTED_HEADER: "delete the lines above the older message that say who wrote it to whom",
    Channel.ARCHIVE: "take the addresses out of what is packed in the archive",
    Channel.PROTECTED_HEADER: "send it without the signature that keeps a copy of the To field",
}
"""What a sender can do about addresses in a place that Bcc does not hide."""


def people_shown(judgement: Judgement) -> int:
    """Return the greatest number of outside addresses that the header, or any other one place, shows."""
    places = (finding.addresses for finding in judgement.findings if finding.detector in _OF_PLACES)
    return max(judgement.visible_outsiders, *places, 0)


def is_closed(judgement: Judgement) -> bool:
    """Whether a part could not be looked into, so that nobody knows what it shows."""
    return any(finding.detector == _CLOSED for finding in judgement.findings)


def left_in(judgement: Judgement) -> tuple[Channel, ...]:
    """Return the channels that go on showing addresses when the recipients are hidden."""
    return tuple(dict.fromkeys(one.channel for one in judgement.findings if one.addresses and not one.rewritable))


def exposure(judgement: Judgement, recipients: int) -> str:
    """Say how many people could have read how many addresses, and whose; empty when it is nobody or unknown."""
    shown = people_shown(judgement)
    if shown == 0:
        return ""
    readers = f"each of its {recipients} recipients" if recipients > 1 else "its one recipient"
    # Of "12 people outside" the sentence says that they get the message, of all others that they are shown.
    is_said = re.search(rf"\b{shown} (?:outside addresses|people(?! outside))", judgement.sentence)
    whose = f"the e-mail addresses of {shown} people outside the organisation"
    if shown == 1:
        what = "this address" if is_said else "the e-mail address of 1 person outside the organisation"
    else:
        what = "these addresses" if is_said else whose
    places = _header_places(judgement)
    where = f", in {listed([PLACES[channel] for channel in places])}" if places else ""
    if where and is_said and left_in(judgement):
        where += " as well"
    return f"As it was written, {readers} could have read {what}{where}.{_whose(judgement)}"


def _header_places(judgement: Judgement) -> list[Channel]:
    return [one.channel for one in judgement.findings if one.detector in _OF_PLACES and one.rewritable]


def _whose(judgement: Judgement) -> str:
    """Say whether the visible outsiders are private people, and in how many domains they are."""
    visible = judgement.visible_outsiders
    if visible == 0:
        return ""
    private = round(visible * judgement.personal_share)
    if visible == 1:
        return f" It is {'' if private else 'not '}{_PROVIDER}"
    providers = "at providers of personal mail, such as gmail.com."
    if private == visible:
        return f" All of them are {providers}"
    of_them = f"{private or 'none'} of them are {providers}" if private != 1 else f"1 of them is {_PROVIDER}"
    domains = judgement.outsider_domains
    if re.search(rf"\b{domains} organisations", judgement.sentence):
        return f" {of_them[0].upper()}{of_them[1:]}"
    return f" They are in {domains} {'mail domain' if domains == 1 else 'mail domains'}; {of_them}"


def details(judgement: Judgement, *, curable: bool) -> list[str]:
    """Return what the detectors noticed, a sentence each, without what the rule's sentence or `exposure` say already.

    Places that show the same number are told together. With `curable` off, only what a rewrite leaves as it is.
    """
    told: list[str] = []
    places: dict[int, list[Channel]] = {}
    for finding in judgement.findings:
        if finding.detector in _IN_THE_COUNTS or (finding.rewritable and not curable):
            continue
        if finding.detector not in _OF_PLACES:
            told.append(finding.sentence)
        elif not finding.rewritable and not _is_said(finding, judgement.sentence):
            places.setdefault(finding.addresses, []).append(finding.channel)
    told = [_standing(number, channels) for number, channels in places.items()] + told
    return [sentence for sentence in dict.fromkeys(told) if sentence and sentence not in judgement.sentence]


def _is_said(finding: Finding, sentence: str) -> bool:
    return addresses_in(finding.addresses, finding.channel) in sentence


def _standing(number: int, channels: list[Channel]) -> str:
    where = listed([f"in {PLACES[channel]}" for channel in channels])
    hides = "Bcc does not hide it." if number == 1 else "Bcc does not hide them."
    return f"{number} outside {'address stands' if number == 1 else 'addresses stand'} {where}. {hides}"
