"""Held mail: nothing leaves until somebody decides, and then exactly what was decided."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from tests.e2e.disclosure import addresses_shown
from tests.e2e.mails import families, mail, new_subject, partners
from tests.e2e.relay_process import REVIEWER, USER

PEOPLE = partners(36)


@pytest.fixture
def subject() -> str:
    return new_subject("held")


@pytest.fixture
def relay(shared_relay):
    """One for all tests that do not stop it."""
    return shared_relay


def listed(relay, subject: str) -> list[dict]:
    """What `quarantine list` shows as held with this subject."""
    return [item for item in relay.held() if item["subject"] == subject]


@pytest.fixture
def held(relay, subject) -> str:
    """The number of a message that the relay holds."""
    code, text = relay.send(PEOPLE, mail(subject, PEOPLE))
    found = re.fullmatch(r"2\.0\.0 Held for review as (\S+), not delivered yet", text)
    assert code == 250
    assert found, text
    return found[1]


def nothing_left(relay, postfix, subject: str) -> None:
    """A later mail has arrived; of this one there is nothing."""
    marker = new_subject("marker")
    relay.send(["ann@one.example"], mail(marker, ["ann@one.example"]))
    postfix.arrived(marker)
    assert postfix.copies(subject) == []


def test_a_held_mail_stays_and_is_listed_with_its_counts(relay, postfix, subject, held):
    nothing_left(relay, postfix, subject)
    [item] = listed(relay, subject)
    assert {
        name: item[name] for name in ("id", "state", "sender", "subject", "rule", "visible_outsiders", "recipients")
    } == {
        "id": held,
        "state": "held",
        "sender": USER,
        "subject": subject,
        "rule": "large-circle",
        "visible_outsiders": 36,
        "recipients": 36,
    }
    days = datetime.fromisoformat(item["expires"]) - datetime.fromisoformat(item["received"])
    assert days.days == 14


def test_a_reviewer_and_the_sender_are_told_without_anyones_address(relay, postfix, subject, held):
    [told] = postfix.arrived(f'Held for review, not sent yet: "{subject}"')
    [asked] = postfix.arrived(f'Please decide: "{subject}"')
    assert (told.to, told.sender, asked.to, asked.sender) == (USER, "", REVIEWER, "")
    assert REVIEWER in told.body.decode()
    assert f"bcc-relay quarantine release {held} --as bcc" in asked.body.decode()
    for notice in (told, asked):
        assert addresses_shown(notice.raw) & set(PEOPLE) == set()
        assert "auto-generated" in notice.fields("Auto-Submitted")
    assert all("decide" not in item["subject"] for item in relay.held()), "the relay's own mail is never held"


def test_released_as_bcc_it_arrives_at_all_and_none_sees_another(relay, postfix, subject, held):
    assert relay.command("quarantine", "release", held, "--as", "bcc").code == 0
    copies = postfix.arrived(subject, 36)
    assert sorted(copy.to for copy in copies) == sorted(PEOPLE)
    assert all(addresses_shown(copy.raw) & set(PEOPLE) <= {copy.to} for copy in copies)
    assert all(USER in copy.fields("To")[0] for copy in copies)
    assert listed(relay, subject) == []


def test_released_individually_each_sees_their_own_address(relay, postfix, subject, held):
    assert relay.command("quarantine", "release", held, "--as", "individual").code == 0
    copies = postfix.arrived(subject, 36)
    assert all(addresses_shown(copy.fields("To")[0].encode()) == {copy.to} for copy in copies)
    assert sorted(copy.to for copy in copies) == sorted(PEOPLE)


def test_as_it_is_needs_a_reason_and_a_second_person(relay, postfix, subject, held):
    as_is = ("quarantine", "release", held, "--as", "as-is")
    assert relay.command(*as_is, person="ann").code == 64
    assert relay.command(*as_is, "--reason", "They know each other", person="ann").code == 75
    assert relay.command(*as_is, "--reason", "They know each other", person="ann").code == 75
    nothing_left(relay, postfix, subject)
    assert relay.command(*as_is, "--reason", "Indeed", person="bob").code == 0
    copies = postfix.arrived(subject, 36)
    assert all(set(PEOPLE) <= addresses_shown(copy.header) for copy in copies)


def test_discarded_it_never_leaves_and_the_sender_is_told(relay, postfix, subject, held):
    assert relay.command("quarantine", "discard", held, "--reason", "Wrong list").code == 0
    [told] = postfix.arrived(f'Dropped, not sent: "{subject}"')
    assert told.to == USER
    assert listed(relay, subject) == []
    assert relay.command("quarantine", "release", held, "--as", "bcc").code != 0
    nothing_left(relay, postfix, subject)


def test_several_releases_at_once_send_it_once(relay, postfix, subject, held):
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: relay.command("quarantine", "release", held, "--as", "bcc"), range(4)))
    assert sorted(answer.code for answer in answers).count(0) == 1, answers
    assert len(postfix.arrived(subject, 36)) == 36
    nothing_more = new_subject("marker")
    relay.send(["ann@one.example"], mail(nothing_more, ["ann@one.example"]))
    postfix.arrived(nothing_more)
    assert len(postfix.copies(subject)) == 36


def test_the_same_mail_in_two_transactions_is_one_held_item(relay, postfix, subject, held):
    more = ["late@company0.example"]
    assert relay.send(more, mail(subject, PEOPLE))[0] == 250
    [item] = listed(relay, subject)
    assert (item["id"], item["recipients"]) == (held, 37)
    relay.command("quarantine", "release", held, "--as", "bcc")
    assert sorted(copy.to for copy in postfix.arrived(subject, 37)) == sorted([*PEOPLE, *more])


def test_held_mail_survives_a_kill_and_can_still_be_released(relay, postfix, subject, held):
    relay.kill()
    relay.start()
    assert [item["id"] for item in listed(relay, subject)] == [held]
    assert relay.command("quarantine", "release", held, "--as", "bcc").code == 0
    assert len(postfix.arrived(subject, 36)) == 36


def test_every_move_stands_in_an_unbroken_audit(relay, held):
    assert relay.command("audit", "verify").code == 0
    relay.command("quarantine", "discard", held, "--reason", "Wrong list")
    assert relay.command("audit", "verify").code == 0


def test_expired_mail_is_dropped_within_a_minute_and_the_sender_told(postfix, new_relay, subject):
    relay = new_relay(postfix.port, quarantine={"expire_after": "1s"})
    relay.start()
    relay.send(PEOPLE, mail(subject, PEOPLE))
    [told] = postfix.arrived(f'Time ran out, not sent: "{subject}"', patience_s=75)
    assert told.to == USER
    assert listed(relay, subject) == []
    nothing_left(relay, postfix, subject)


def test_a_rule_refuses_with_its_sentence_and_nothing_leaves(postfix, new_relay, subject):
    rule = {"name": "clinic", "when": {"visible_outsiders": {"at_least": 2}}, "then": "reject"}
    sentence = "Patients must not see each other's addresses. Please use Bcc"
    relay = new_relay(postfix.port, policy={"rules": [{**rule, "sentence": sentence}]})
    relay.start()
    people = families(3)
    assert relay.send(people, mail(subject, people)) == (550, f"5.7.1 {sentence}")
    assert listed(relay, subject) == []
    nothing_left(relay, postfix, subject)


def test_monitor_mode_passes_everything_and_tells_nobody(postfix, new_relay, subject):
    relay = new_relay(postfix.port, policy={"mode": "monitor"})
    relay.start()
    relay.send(PEOPLE, mail(subject, PEOPLE))
    copies = postfix.arrived(subject, 36)
    assert all(set(PEOPLE) <= addresses_shown(copy.header) for copy in copies)
    assert listed(relay, subject) == []
    assert relay.metric("bcc_relay_messages_total") == 1
