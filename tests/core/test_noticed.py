"""What people are told was noticed: counts, each of them once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bcc_relay.core import noticed
from bcc_relay.core.model import Channel, Finding
from bcc_relay.core.places import PLACES, addresses_stand_in
from bcc_relay.core.record import Judgement

PERSONAL = Finding("mostly_personal", Channel.TO, 14, True, "14 of the 14 visible outside addresses are private.")
PASTED = Finding("pasted_list", Channel.TO, 14, True, "The addresses in the To field stand in alphabetical order.")


def place(channel: Channel, addresses: int = 14, *, rewritable: bool = False) -> Finding:
    detector = "many_visible" if rewritable else "shown_in_body"
    return Finding(detector, channel, addresses, rewritable, addresses_stand_in(addresses, channel))


TO, BODY, SHEET = place(Channel.TO, rewritable=True), place(Channel.BODY), place(Channel.ATTACHED_LIST)


def judged(*findings: Finding, sentence: str = "", visible: int = 0) -> Judgement:
    return Judgement("hold", "a-rule", sentence, findings, visible, 6 if visible else 0, 1.0 if visible else 0.0)


def test_places_that_show_the_same_number_are_told_in_one_sentence() -> None:
    assert noticed.details(judged(SHEET, BODY, place(Channel.CALENDAR, 1)), curable=True) == [
        "14 outside addresses stand in an attached list or document and in the text. Bcc does not hide them.",
        "1 outside address stands in an invitation. Bcc does not hide it.",
    ]


def test_what_the_sentence_of_the_rule_or_the_exposure_says_is_no_detail() -> None:
    sentence = "This message shows 14 outside addresses in the text, where Bcc does not hide them."
    assert noticed.details(judged(TO, BODY, PERSONAL, sentence=sentence, visible=14), curable=True) == []
    assert noticed.details(judged(SHEET, BODY, sentence=sentence), curable=True) == [
        "14 outside addresses stand in an attached list or document. Bcc does not hide them."
    ]


def test_what_a_rewrite_cures_is_told_only_to_those_who_want_all() -> None:
    assert noticed.details(judged(TO, PASTED, visible=14), curable=False) == []
    assert noticed.details(judged(TO, PASTED, visible=14), curable=True) == [PASTED.sentence]


def test_a_list_within_an_attachment_has_readers_too() -> None:
    assert noticed.exposure(judged(SHEET), 15) == (
        "As it was written, each of its 15 recipients could have read the e-mail addresses of 14 people outside the"
        " organisation."
    )
    said = "This message shows 14 outside addresses in an attached list."
    assert noticed.exposure(judged(SHEET, sentence=said), 15) == (
        "As it was written, each of its 15 recipients could have read these addresses."
    )


@pytest.mark.parametrize(
    ("share", "domains", "said"),
    [
        (1.0, 6, "All of them are at providers of personal mail, such as gmail.com."),
        (0.5, 6, "They are in 6 mail domains; 7 of them are at providers of personal mail, such as gmail.com."),
        (0.1, 1, "They are in 1 mail domain; 1 of them is at a provider of personal mail, such as gmail.com."),
        (0.0, 6, "They are in 6 mail domains; none of them are at providers of personal mail, such as gmail.com."),
        (0.0, 12, "None of them are at providers of personal mail, such as gmail.com."),
    ],
)
def test_it_is_said_whose_addresses_they_are(share: float, domains: int, said: str) -> None:
    seen = judged(TO, sentence="It shows 14 outside addresses from 12 organisations.", visible=14)
    told = noticed.exposure(replace(seen, personal_share=share, outsider_domains=domains), 14)
    assert told == (
        f"As it was written, each of its 14 recipients could have read these addresses, in the To field. {said}"
    )


def test_people_who_get_a_message_are_not_taken_for_those_whom_it_shows() -> None:
    sentence = "This message goes to 14 people outside, and nobody can tell whose addresses a part of it shows."
    assert "the e-mail addresses of 14 people outside" in noticed.exposure(judged(SHEET, sentence=sentence), 14)


def test_the_header_shows_as_well_what_the_sentence_found_elsewhere() -> None:
    seen = judged(TO, BODY, sentence="This message shows 14 outside addresses in the text.", visible=14)
    assert "could have read these addresses, in the To field as well." in noticed.exposure(seen, 14)


def test_nobody_shown_is_nothing_to_say() -> None:
    assert noticed.exposure(judged(), 500) == ""
    assert noticed.details(judged(), curable=True) == []


def test_the_most_people_shown_are_those_of_the_fullest_place() -> None:
    assert noticed.people_shown(judged(TO, place(Channel.BODY, 40), visible=14)) == 40
    assert noticed.people_shown(judged(PASTED)) == 0


def test_for_each_place_below_the_header_a_sender_is_told_what_to_do() -> None:
    header = {Channel.TO, Channel.CC, Channel.REPLY_TO, Channel.RESENT, Channel.OTHER_HEADER}
    assert set(noticed.REMEDIES) == set(PLACES) - header
    assert noticed.left_in(judged(TO, SHEET, BODY, place(Channel.BODY))) == (Channel.ATTACHED_LIST, Channel.BODY)
