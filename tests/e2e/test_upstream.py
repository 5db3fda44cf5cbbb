"""An upstream that is away, slow, picky or broken: what the client hears, and that nothing is lost or sent twice."""

from __future__ import annotations

import re
import smtplib
import ssl
import time
from email import message_from_bytes, policy

import pytest

from tests.e2e.mails import mail, new_subject, partners
from tests.e2e.relay_process import PASSWORD, USER, submit
from tests.e2e.sink import running_sink
from tests.e2e.waiting import free_ports, wait_for

ANN = ["ann@one.example"]
QUEUED = r"250 2\.0\.0 Queued as \S+"

FAULTS = [
    # flags of smtp-sink, what the client hears when unavailable means queue, and when it means tempfail
    pytest.param(("-r", "."), QUEUED, r"4\d\d .*", id="defers-at-the-dot"),
    pytest.param(("-f", "."), r"500 .*", r"500 .*", id="refuses-at-the-dot"),
    pytest.param(("-q", "."), QUEUED, r"451 4\.4\.2 .*", id="hangs-up-at-the-dot"),
    pytest.param(("-Q", "."), QUEUED, r"4\d\d .*", id="421-at-the-dot"),
    pytest.param(("-r", "rcpt"), QUEUED, r"4\d\d .*", id="defers-the-recipient"),
    pytest.param(("-f", "rcpt"), r"500 .*", r"500 .*", id="refuses-the-recipient"),
    pytest.param(("-Q", "rcpt"), QUEUED, r"4\d\d .*", id="421-at-the-recipient"),
    pytest.param(("-q", "rcpt"), QUEUED, r"451 4\.4\.\d .*", id="hangs-up-at-the-recipient"),
    pytest.param(("-f", "mail"), r"500 .*", r"500 .*", id="refuses-the-sender"),
    pytest.param(("-f", "data"), r"500 .*", r"500 .*", id="refuses-the-data-command"),
    pytest.param(("-q", "data"), QUEUED, r"451 4\.4\.\d .*", id="hangs-up-at-the-data-command"),
    pytest.param(("-A", "0"), r"550 .*", r"550 .*", id="refuses-before-the-dot"),
    pytest.param(("-f", "connect"), QUEUED, r"451 4\.\d\.\d .*", id="refuses-the-connection"),
    pytest.param(("-q", "connect"), QUEUED, r"451 4\.4\.\d .*", id="hangs-up-at-once"),
    pytest.param(("-e",), QUEUED, r"451 4\.4\.1 .*", id="knows-no-esmtp"),
    pytest.param(("-p",), r"250 .*", r"250 .*", id="knows-no-pipelining"),
]


@pytest.fixture(scope="module")
def faulty_port() -> int:
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def relays(faulty_port, make_relay):
    """One relay for each setting of `when_unavailable`, before an upstream that is another one in each test."""
    made = {
        word: make_relay(faulty_port, delivery={"when_unavailable": word, "retry": ["1h"]})
        for word in ("queue", "tempfail")
    }
    for relay in made.values():
        relay.start()
    return made


@pytest.mark.parametrize(("flags", "queue", "tempfail"), FAULTS)
def test_a_faulty_upstream_gives_the_promised_answers(relays, faulty_port, flags, queue, tempfail):
    with running_sink(*flags, port=faulty_port):
        for word, promised in (("queue", queue), ("tempfail", tempfail)):
            relay, subject = relays[word], new_subject("fault")
            before = relay.metric("bcc_relay_queue_messages")
            code, text = relay.send(ANN, mail(subject, ANN))
            assert re.fullmatch(promised, f"{code} {text}"), word
            waiting = relay.metric("bcc_relay_queue_messages") - before
            assert waiting == (1 if promised == QUEUED else 0)


def test_mail_waits_for_an_upstream_that_is_away_and_is_delivered_once(new_relay):
    [port] = free_ports(1)
    relay = new_relay(port)
    relay.start()
    subject = new_subject("away")
    code, text = relay.send(ANN, mail(subject, ANN))
    assert re.fullmatch(QUEUED, f"{code} {text}")
    assert relay.get("/readyz")[0] == 200, "an upstream outage does not make the relay unready"
    assert len(relay.queued()) == 1
    with running_sink(port=port) as sink:
        [taken] = wait_for(sink.taken, "the delivery")
        assert subject.encode() in taken
        wait_for(lambda: relay.queued() == [], "the queue to be empty")
        assert len(sink.taken()) == 1


def test_mail_survives_a_kill_after_250_and_is_delivered_after_the_restart(new_relay):
    [port] = free_ports(1)
    relay = new_relay(port)
    relay.start()
    subjects = [new_subject("killed") for _ in range(20)]
    for subject in subjects:
        assert relay.send(ANN, mail(subject, ANN))[0] == 250
    relay.kill()
    with running_sink(port=port) as sink:
        relay.start()
        wait_for(lambda: len(sink.taken()) >= 20, "all deliveries")
        wait_for(lambda: relay.queued() == [], "the queue to be empty")
        taken = sink.taken()
    assert len(taken) == 20
    assert all(
        sum(f"Subject: {subject}\n".encode() in each.replace(b"\r", b"") for each in taken) == 1 for subject in subjects
    )


def test_a_slow_answer_after_the_deadline_is_waited_for_and_not_sent_twice(new_relay):
    with running_sink("-W", ".:3") as sink:
        relay = new_relay(sink.port, delivery={"live_deadline": "1s", "retry": ["1s"]})
        relay.start()
        begun = time.monotonic()
        code, text = relay.send(ANN, mail(new_subject("slow"), ANN))
        assert re.fullmatch(QUEUED, f"{code} {text}")
        assert time.monotonic() - begun < 2.9
        wait_for(lambda: relay.queued() == [], "the late answer")
        assert len(sink.taken()) == 1


def test_refused_people_are_reported_deferred_ones_wait_and_the_others_have_it(postfix, new_relay):
    relay = new_relay(postfix.port)
    relay.start()
    subject, people = new_subject("partial"), ["ann@one.example", "refused@one.example", "later@one.example"]
    assert relay.send(people, mail(subject, people))[0] == 250
    assert [copy.to for copy in postfix.arrived(subject)] == ["ann@one.example"]
    [report] = postfix.arrived(f'Not delivered: "{subject}"')
    assert (report.to, report.sender) == (USER, "")
    parsed = message_from_bytes(report.message, policy=policy.default)
    assert parsed.get_content_type() == "multipart/report"
    groups = list(parsed.iter_parts())[1].get_payload()
    assert [(group["Final-Recipient"], group["Action"], group["Status"]) for group in groups[1:]] == [
        ("rfc822; refused@one.example", "failed", "5.1.1")
    ]
    assert len(relay.queued()) == 1
    with postfix.accepting_later():
        copies = postfix.arrived(subject, 2)
    assert sorted(copy.to for copy in copies) == ["ann@one.example", "later@one.example"]


@pytest.mark.parametrize(
    ("sender", "notify"),
    [(USER, "NOTIFY=NEVER"), (USER, "NOTIFY=SUCCESS"), ("", "")],
    ids=["never", "success", "null-sender"],
)
def test_nobody_is_told_of_a_failure_who_did_not_want_it(shared_relay, postfix, sender, notify):
    subject = new_subject("quiet")
    with smtplib.SMTP("127.0.0.1", shared_relay.port, timeout=60) as client:
        client.ehlo()
        assert client.has_extn("dsn")
        client.mail(sender)
        for person in ("ann@one.example", "refused@one.example"):
            assert client.rcpt(person, [notify] if notify else [])[0] == 250
        assert client.data(mail(subject, ["ann@one.example"]))[0] == 250
    postfix.arrived(subject)
    marker = new_subject("marker")
    shared_relay.send(["refused@one.example", "ann@one.example"], mail(marker, ANN))
    postfix.arrived(f'Not delivered: "{marker}"')
    assert postfix.copies(f'Not delivered: "{subject}"') == []


def test_with_a_login_one_refused_address_stops_the_whole_mail_and_is_named(shared_relay, postfix, certificates):
    subject, people = new_subject("all-or-nothing"), ["ann@one.example", "refused@one.example"]
    context = ssl.create_default_context(cafile=certificates.authority)
    with smtplib.SMTP_SSL("localhost", shared_relay.implicit_port, timeout=60, context=context) as client:
        client.login(USER, PASSWORD)
        code, text = submit(client, people, mail(subject, people))
    assert code == 550
    assert "refused@one.example" in text
    marker = new_subject("marker")
    shared_relay.send(ANN, mail(marker, ANN))
    postfix.arrived(marker)
    assert postfix.copies(subject) == []


def test_mail_goes_to_a_certified_upstream_by_starttls(tls_postfix, new_relay, certificates):
    trust = {"SSL_CERT_FILE": str(certificates.authority)}
    upstream = {"servers": [f"localhost:{tls_postfix.port}"], "tls": "starttls"}
    relay = new_relay(tls_postfix.port, upstream=upstream, environment=trust)
    relay.start()
    subject = new_subject("tls")
    assert relay.send(ANN, mail(subject, ANN))[0] == 250
    [copy] = tls_postfix.arrived(subject)
    assert b"with ESMTPS id" in copy.raw


def test_mail_never_goes_to_an_upstream_whose_certificate_is_not_trusted(tls_postfix, new_relay):
    upstream = {"servers": [f"localhost:{tls_postfix.port}"], "tls": "starttls"}
    relay = new_relay(tls_postfix.port, upstream=upstream)
    relay.start()
    subject = new_subject("untrusted")
    code, text = relay.send(ANN, mail(subject, ANN))
    assert re.fullmatch(QUEUED, f"{code} {text}")
    assert tls_postfix.copies(subject) == []
    assert len(relay.queued()) == 1


def test_the_second_server_takes_over_when_the_first_is_away(new_relay):
    [away] = free_ports(1)
    with running_sink() as sink:
        relay = new_relay(away, upstream={"servers": [f"127.0.0.1:{away}", f"127.0.0.1:{sink.port}"]})
        relay.start()
        code, text = relay.send(ANN, mail(new_subject("second"), ANN))
        assert (code, "Queued as" in text) == (250, False)
        assert len(sink.taken()) == 1


def test_a_waiting_mail_can_be_deleted_and_never_leaves(new_relay):
    [port] = free_ports(1)
    relay = new_relay(port)
    relay.start()
    relay.send(ANN, mail(new_subject("deleted"), ANN))
    kept = new_subject("kept")
    [item] = relay.queued()
    assert relay.command("queue", "delete", item["id"], "--reason", "Wrong list").code == 0
    relay.send(partners(1), mail(kept, partners(1)))
    with running_sink(port=port) as sink:
        wait_for(lambda: any(kept.encode() in each for each in sink.taken()), "the kept mail")
        wait_for(lambda: relay.queued() == [], "the queue to be empty")
        assert not any(b"Subject: deleted" in each for each in sink.taken())
