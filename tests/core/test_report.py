from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcc_relay.core import wording
from bcc_relay.core.model import Address, Recipient, Reply
from bcc_relay.core.notice import Letter
from bcc_relay.core.report import Fate, Kind, Report, delivery_report, reported
from bcc_relay.core.wording import Failure
from tests.build import NOW, address, header, message

LETTER = Letter(
    "postmaster@council.example", "clerk@council.example", "<r1@relay.council.example>", NOW, "<1@council.example>"
)
UNKNOWN = Reply(550, "5.1.1 No such user here")
ORIGINAL = message(
    b"Bcc: secret@hidden.example\r\n"
    + header("ann@one.example", more=b"bcc :\r\n secret2@hidden.example\r\nX-Last: 1\r\n"),
    b"Dear all\r\n",
)


def fate(to: str = "ann@one.example", reply: Reply | None = UNKNOWN, **fields) -> Fate:
    recipient = {name: fields.pop(name) for name in ("notify", "orcpt") if name in fields}
    return Fate(Recipient(address(to), **recipient), reply, **fields)


def report(kind: Kind = Kind.FAILED, *fates: Fate, **fields) -> Report:
    values = {
        "kind": kind,
        "letter": LETTER,
        "reporting_mta": "relay.council.example",
        "subject": "Term dates",
        "received_at": NOW,
        "original": ORIGINAL,
        "fates": fates or (fate(),),
    }
    return Report(**{**values, **fields})


def parse(made):
    octets = b"".join(made.pieces())
    assert octets.isascii()
    assert all(len(line) <= 998 for line in octets.split(b"\r\n"))
    mail = message_from_bytes(octets, policy=policy.default)
    assert all(part.defects == [] for part in mail.walk())
    return mail


def parts(made):
    return list(parse(made).iter_parts())


def machine(made) -> list[dict[str, str]]:
    """The delivery-status groups, the message's first."""
    status = parts(made)[1]
    assert status.get_content_type() == "message/delivery-status"
    return [{name.lower(): str(value) for name, value in group.items()} for group in status.get_payload()]


def test_a_report_has_words_for_people_fields_for_machines_and_the_header():
    mail = parse(delivery_report(report()))
    assert mail.get_content_type() == "multipart/report"
    assert mail.get_param("report-type") == "delivery-status"
    assert mail["Auto-Submitted"] == "auto-replied"
    assert mail["Subject"] == 'Not delivered: "Term dates"'
    assert mail["In-Reply-To"] == "<1@council.example>"
    words, _, returned = mail.iter_parts()
    told = wording.failed("Term dates", NOW, [Failure("ann@one.example", "550 5.1.1 No such user here")])
    assert words.get_content().replace("\r\n", "\n") == told.text
    assert returned.get_content_type() == "text/rfc822-headers"


def test_the_fields_for_machines_say_who_and_why():
    made = delivery_report(
        report(
            Kind.FAILED,
            fate(orcpt=b"rfc822;ann+2Bnews@one.example", remote_mta="mx.one.example"),
            fate("bob@two.example", Reply(451, "4.3.0 Try later\nand later")),
            envid=b"id+2B1",
        )
    )
    assert machine(made) == [
        {
            "original-envelope-id": "id+1",
            "reporting-mta": "dns; relay.council.example",
            "arrival-date": "Sun, 22 Nov 2026 10:00:00 +0000",
        },
        {
            "original-recipient": "rfc822; ann+news@one.example",
            "final-recipient": "rfc822; ann@one.example",
            "action": "failed",
            "status": "5.1.1",
            "remote-mta": "dns; mx.one.example",
            "diagnostic-code": "smtp; 550 5.1.1 No such user here",
        },
        {
            "final-recipient": "rfc822; bob@two.example",
            "action": "failed",
            "status": "4.3.0",
            "diagnostic-code": "smtp; 451 4.3.0 Try later / and later",
        },
    ]


@pytest.mark.parametrize(
    ("kind", "fields", "status"),
    [
        (Kind.FAILED, {"reply": Reply(550, "No such user")}, "5.0.0"),
        (Kind.FAILED, {"reply": Reply(550, "2.0.0 Odd")}, "5.0.0"),
        (Kind.FAILED, {"reply": Reply(554, "5.7.1.9 Odd")}, "5.0.0"),
        (Kind.FAILED, {"reply": Reply(450, "Busy")}, "4.4.7"),
        (Kind.FAILED, {"reply": None}, "4.4.7"),
        (Kind.FAILED, {"reply": None, "in_doubt": True}, "4.4.2"),
        (Kind.DELAYED, {"reply": Reply(450, "4.2.1 Full")}, "4.2.1"),
        (Kind.DELAYED, {"reply": Reply(450, "Busy")}, "4.0.0"),
        (Kind.RELAYED, {"reply": Reply(250, "2.1.5 Fine")}, "2.1.5"),
        (Kind.RELAYED, {"reply": Reply(250, "Queued")}, "2.0.0"),
    ],
)
def test_the_status_code_fits_the_action(kind, fields, status):
    group = machine(delivery_report(report(kind, fate(**fields))))[1]
    assert (group["action"], group["status"]) == (kind.value, status)


def test_a_delay_says_until_when_it_is_tried():
    until = NOW + timedelta(days=2)
    group = machine(delivery_report(report(Kind.DELAYED, fate(reply=Reply(450, "Busy")), retry_until=until)))[1]
    assert group["will-retry-until"] == "Tue, 24 Nov 2026 10:00:00 +0000"


def test_a_confirmation_repeats_no_answer():
    made = delivery_report(report(Kind.RELAYED, fate(reply=Reply(250, "2.1.5 Fine"), notify=("SUCCESS",))))
    assert "diagnostic-code" not in machine(made)[1]
    assert b"2.1.5 Fine" not in b"".join(made.pieces())


def test_an_internationalised_recipient_is_written_in_7_bits():
    person = Address("jörg+a@bücher.example".encode(), "jörg+a@xn--bcher-kva.example")
    group = machine(delivery_report(report(Kind.FAILED, Fate(Recipient(person), UNKNOWN))))[1]
    assert group["final-recipient"] == r"utf-8; j\x{F6}rg\x{2B}a@b\x{FC}cher.example"


@pytest.mark.parametrize(
    ("orcpt", "shown"),
    [
        (b"rfc822;a+0D+0ABcc:+20x@one.example", "rfc822; a+0D+0ABcc:+20x@one.example"),
        (b"utf-8;j\\x{F6}rg@one.example", "utf-8; j\\x{F6}rg@one.example"),
        (b"no type", None),
        (b";x", None),
        (b"rfc822;", None),
        (b"rf\xff;x", None),
    ],
)
def test_a_strange_orcpt_adds_no_field(orcpt, shown):
    group = machine(delivery_report(report(Kind.FAILED, fate(orcpt=orcpt))))[1]
    assert group.get("original-recipient") == shown
    assert "bcc" not in group


def test_the_returned_header_is_the_original_without_bcc():
    returned = parts(delivery_report(report()))[2]
    assert returned.get_content_type() == "text/rfc822-headers"
    assert returned.get_payload(decode=True) == header("ann@one.example", more=b"X-Last: 1\r\n")


def test_ret_full_returns_the_whole_message_without_bcc():
    returned = parts(delivery_report(report(ret="FULL")))[2]
    assert returned.get_content_type() == "message/rfc822"
    inner = returned.get_payload(0)
    assert inner["X-Last"] == "1"
    assert inner["Bcc"] is None
    assert inner.get_payload() == "Dear all\r\n"


@pytest.mark.parametrize(
    "fields",
    [
        {"ret": "HDRS"},
        {"ret": "FULL", "max_returned_bytes": ORIGINAL.size_bytes - 1},
        {"ret": "FULL", "original": message(header(), "Grüße\r\n".encode())},
        {"ret": "FULL", "original": message(header(), b"x" * 999 + b"\r\n")},
        {"ret": "FULL", "kind": Kind.DELAYED},
    ],
    ids=["hdrs", "large", "8-bit", "long-line", "delay"],
)
def test_only_the_header_returns_where_the_whole_should_not(fields):
    returned = parts(delivery_report(report(**fields)))[2]
    assert returned.get_content_type() == "text/rfc822-headers"
    assert b"Dear all" not in returned.get_payload(decode=True)


def test_a_header_beyond_ascii_returns_readable_in_7_bits():
    raw = "Subject: Grüße\r\n".encode() + b"X-Long: " + b"y" * 1200 + b"\r\n"
    returned = parts(delivery_report(report(original=message(raw))))[2]
    assert returned.get_payload(decode=True).replace(b"\r\n", b"\n") == raw.replace(b"\r\n", b"\n")


def test_without_the_octets_two_parts_remain():
    assert len(parts(delivery_report(report(original=None)))) == 2


def test_a_message_that_holds_the_boundary_stays_inside_its_part():
    boundary = parse(delivery_report(report())).get_boundary()
    original = message(header(), b"--" + boundary.encode() + b"--\r\nDear all\r\n")
    made = parts(delivery_report(report(original=original, ret="FULL")))
    assert len(made) == 3
    assert "Dear all" in made[2].get_payload(0).get_payload()


@given(st.text(max_size=300) | st.text("a \r\n:=?\0\x85", max_size=80), st.integers(200, 599), st.binary(max_size=40))
def test_no_answer_or_subject_adds_a_field(text, code, strange):
    made = delivery_report(
        report(
            Kind.FAILED,
            fate(reply=Reply(code, text), orcpt=b"rfc822;" + strange, remote_mta=text),
            fate("bob@two.example"),
            subject=text,
            envid=strange,
        )
    )
    assert parse(made).keys() == parse(delivery_report(report())).keys()
    groups = machine(made)
    assert len(groups) == 3
    known = {"original-recipient", "final-recipient", "action", "status", "remote-mta", "diagnostic-code"}
    assert all(set(group) <= known for group in groups[1:])


@pytest.mark.parametrize(
    ("notify", "kinds"),
    [
        ((), {Kind.FAILED, Kind.DELAYED}),
        (("NEVER",), set()),
        (("FAILURE",), {Kind.FAILED}),
        (("DELAY",), {Kind.DELAYED}),
        (("SUCCESS",), {Kind.RELAYED}),
        (("SUCCESS", "FAILURE", "DELAY"), set(Kind)),
    ],
)
def test_recipients_are_reported_as_notify_asks(notify, kinds):
    one = fate(notify=notify)
    assert {kind for kind in Kind if reported(kind, address("clerk@council.example"), [one])} == kinds


def test_nothing_is_reported_to_the_null_sender():
    assert all(reported(kind, None, [fate(notify=("SUCCESS", "FAILURE", "DELAY"))]) == () for kind in Kind)


def test_only_those_who_are_to_be_reported_stand_in_the_report():
    fates = [fate("ann@one.example"), fate("bob@two.example", notify=("NEVER",)), fate("eve@two.example")]
    told = reported(Kind.FAILED, address("clerk@council.example"), fates)
    assert [each.recipient.address.text for each in told] == ["ann@one.example", "eve@two.example"]


def test_someone_in_doubt_is_not_said_to_be_without_the_message():
    text = parts(delivery_report(report(Kind.FAILED, replace(fate(reply=None), in_doubt=True))))[0].get_content()
    assert "may have arrived" in text
