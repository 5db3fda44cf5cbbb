"""Each detector answers one question; what it says is for people, and names no address."""

from __future__ import annotations

import pytest

from bcc_relay.core.damage import Damage
from bcc_relay.core.detectors import DETECTORS, detect
from bcc_relay.core.detectors.damaged import SENTENCES
from bcc_relay.core.history import NO_HISTORY
from bcc_relay.core.model import Channel, Finding
from tests import build

ANNA, BEN, CEM = "anna@family-mail.example", "ben@family-mail.example", "cem@gov.example"
TO = (ANNA, BEN, CEM)


def found(*lines: str, to: tuple[str, ...] = TO, **fields: object) -> list[tuple[str, Channel, int, bool]]:
    given = build.mail(*(line.encode() for line in lines), to=to, **fields)
    return [
        (one.detector, one.channel, one.addresses, one.rewritable) for one in detect(build.facts(given), NO_HISTORY)
    ]


def test_a_quiet_message_finds_nothing() -> None:
    assert found("To: clerk@council.example") == []
    assert found(f"To: {ANNA}", to=(ANNA,)) == []


def test_many_visible_reports_each_header_channel_by_itself() -> None:
    assert found(f"To: {ANNA}, {BEN}", f"Cc: {CEM}", f"Resent-To: {ANNA}", f"X-Any: {ANNA} {CEM}") == [
        ("many_visible", Channel.TO, 2, True),
        ("many_visible", Channel.CC, 1, True),
        ("many_visible", Channel.RESENT, 1, True),
        ("many_visible", Channel.OTHER_HEADER, 2, True),
    ]


def test_a_reply_to_with_outsiders_is_found() -> None:
    assert found(f"Reply-To: {ANNA}, {BEN}") == [("many_visible", Channel.REPLY_TO, 2, True)]


def test_a_registered_field_that_shows_recipients_cannot_be_rewritten() -> None:
    assert found(f"Organization: {ANNA}, {BEN}") == [("many_visible", Channel.OTHER_HEADER, 2, False)]


def test_written_by_hand_reports_subject_and_author() -> None:
    assert found(f"Subject: {ANNA}", f"Comments: {BEN}") == [("written_by_hand", Channel.SUBJECT, 2, False)]
    author = f"From: clerk@council.example, {ANNA}, {BEN}".encode()
    assert found(author=author) == [("written_by_hand", Channel.FROM, 2, False)]


def test_closed_part_reports_a_body_nobody_can_look_into() -> None:
    assert found("Content-Type: multipart/encrypted") == [("closed_part", Channel.BODY, 0, False)]
    assert found("Content-Type: message/partial") == [("closed_part", Channel.BODY, 0, False)]


def test_damaged_reports_each_kind_of_damage() -> None:
    kinds = found("Subject: s\x0b", "no field", "To: =?no-such-set?q?a?=")
    assert kinds == [("damaged", Channel.OTHER_HEADER, 0, False)] * 3


def test_every_damage_has_its_sentence() -> None:
    assert set(SENTENCES) == set(Damage)


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_signs_with_its_own_name_and_names_no_address(name: str) -> None:
    lines = (f"To: {ANNA}, {BEN}", f"Subject: {ANNA}", "Content-Type: multipart/encrypted", "no field")
    findings = DETECTORS[name](build.facts(build.mail(*(line.encode() for line in lines), to=TO)))
    assert findings
    for finding in findings:
        assert isinstance(finding, Finding)
        assert finding.detector == name
        assert "@" not in finding.sentence
        assert finding.sentence.endswith(".")


def test_one_address_and_several_are_counted_in_words() -> None:
    one, two = (
        detect(build.facts(build.mail(f"To: {to}".encode(), to=TO)), NO_HISTORY)[0].sentence
        for to in (ANNA, f"{ANNA}, {BEN}")
    )
    assert (one, two) == ("1 outside address stands in the To field.", "2 outside addresses stand in the To field.")
