"""The story: a mail to hundreds of people in To leaves through the real relay and arrives at a real Postfix."""

from __future__ import annotations

import re
import smtplib
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.disclosure import addresses_shown
from tests.e2e.mails import families, mail, new_subject, partners
from tests.e2e.relay_process import USER, submit


def nobody_sees_another(copies, people) -> None:
    """Each person has one copy, and in it no address but their own and the sender's."""
    assert sorted(copy.to for copy in copies) == sorted(people)
    for copy in copies:
        assert addresses_shown(copy.raw) & set(people) <= {copy.to}, copy.to


def test_500_families_in_to_all_receive_it_and_none_sees_another(shared_relay, postfix):
    subject, people = new_subject("families"), families(500)
    original = mail(subject, people)
    code, text = shared_relay.send(people, original)
    assert (code, "queued as" in text) == (250, True), "the client hears the upstream's own answer"
    copies = postfix.arrived(subject, 500)
    nobody_sees_another(copies, people)
    for copy in copies:
        assert copy.fields("To") == [f"Council Clerk <{USER}>"]
        assert copy.fields("Cc") == copy.fields("Bcc") == []
        assert copy.fields("Message-ID") == [f"<{subject.split()[-1]}.mail@council.example>"]
        assert re.fullmatch(r"rewritten; id=[^;@]+; key=[^;@]+", copy.fields("X-BCC-Relay")[0])
        assert copy.body == original.partition(b"\r\n\r\n")[2]
        assert copy.sender == USER


def test_the_sender_hears_in_plain_words_that_it_was_rewritten(shared_relay, postfix):
    subject, people = new_subject("told"), families(12)
    shared_relay.send(people, mail(subject, people))
    [notice] = postfix.arrived(f'Sent with the addresses hidden: "{subject}"')
    assert (notice.to, notice.sender) == (USER, "")
    assert notice.fields("Auto-Submitted") == ["auto-generated"]
    assert addresses_shown(notice.raw) & set(people) == set()


def test_more_recipients_than_a_transaction_takes_are_stored_and_all_receive_it_once(postfix, new_relay):
    relay = new_relay(postfix.port, upstream={"recipients_per_transaction": 100})
    relay.start()
    subject, people = new_subject("split"), families(250)
    code, text = relay.send(people, mail(subject, people))
    assert code == 250
    assert re.fullmatch(r"2\.0\.0 Queued as \S+", text)
    nobody_sees_another(postfix.arrived(subject, 250), people)


def test_an_individual_rewrite_shows_each_person_their_own_address_alone(postfix, new_relay):
    relay = new_relay(postfix.port, rewrite={"to": "individual"})
    relay.start()
    subject, people = new_subject("individual"), families(20)
    assert relay.send(people, mail(subject, people))[0] == 250
    copies = postfix.arrived(subject, 20)
    nobody_sees_another(copies, people)
    assert all(addresses_shown(copy.fields("To")[0].encode()) == {copy.to} for copy in copies)


def test_a_mail_to_few_arrives_identical_but_for_the_lines_on_top(shared_relay, postfix):
    subject, people = new_subject("few"), [*families(4), "mayor@council.example"]
    original = mail(
        subject, people[:3], f"Cc: {people[3]},\r\n\t{people[4]}", "X-Odd:   kept  ", body=".\r\n..\r\nGrüße\r\n"
    )
    assert shared_relay.send(people, original)[0] == 250
    for copy in postfix.arrived(subject, 5):
        assert copy.message.endswith(original)
        added = copy.message[: -len(original)].decode()
        names = [line.partition(":")[0] for line in re.sub(r"\r\n(?=[ \t])", "", added).split("\r\n")[:-1]]
        assert sorted(names) == ["Received", "X-BCC-Relay"]
        assert "X-BCC-Relay: passed; id=" in added
        assert "@" not in added


@pytest.mark.parametrize("people", [families(2), families(12)], ids=["passed", "rewritten"])
def test_bcc_fields_never_leave(shared_relay, postfix, people):
    subject = new_subject("bcc")
    hidden = "Bcc: hidden@secret.example,\r\n hidden2@secret.example"
    to = [*people, "hidden@secret.example", "hidden2@secret.example"]
    message = mail(subject, people, hidden, "Resent-Bcc: hidden@secret.example", "BCC : hidden2@secret.example")
    assert shared_relay.send(to, message)[0] == 250
    copies = postfix.arrived(subject, len(to))
    assert sorted(copy.to for copy in copies) == sorted(to)
    assert not any(b"secret.example" in copy.message for copy in copies)


def test_a_missing_date_and_message_id_are_added(shared_relay, postfix):
    subject = new_subject("bare")
    assert (
        shared_relay.send(
            ["ann@one.example"], f"From: {USER}\r\nTo: ann@one.example\r\nSubject: {subject}\r\n\r\nx\r\n".encode()
        )[0]
        == 250
    )
    [copy] = postfix.arrived(subject)
    assert len(copy.fields("Date")) == len(copy.fields("Message-ID")) == 1


def test_mail_within_the_organisation_is_nobodys_disclosure(shared_relay, postfix):
    subject, people = new_subject("own"), [f"officer{n}@council.example" for n in range(60)]
    assert shared_relay.send(people, mail(subject, people))[0] == 250
    copies = postfix.arrived(subject, 60)
    assert all(copy.fields("X-BCC-Relay")[0].startswith("passed") for copy in copies)


def test_two_hundred_mails_over_ten_connections_all_arrive_once(shared_relay, postfix):
    subject = new_subject("many")

    def twenty(start: int) -> list[int]:
        with smtplib.SMTP("127.0.0.1", shared_relay.port, timeout=60) as client:
            people = [partners(200)[start + n] for n in range(20)]
            return [submit(client, [one], mail(subject, [one]))[0] for one in people]

    with ThreadPoolExecutor(10) as threads:
        codes = [code for some in threads.map(twenty, range(0, 200, 20)) for code in some]
    assert codes == [250] * 200
    assert sorted(copy.to for copy in postfix.arrived(subject, 200)) == sorted(partners(200))
