from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcc_relay.core import notice, wording
from bcc_relay.core.notice import Letter, is_automatic
from tests.build import NOW, address
from tests.core.test_wording import CASE

LETTER = Letter(
    from_address="postmaster@council.example",
    to="clerk@council.example",
    message_id="<q7Xk2.n1@relay.council.example>",
    date=NOW,
    answers="<1@council.example>",
)
NOTICES = {
    notice.held_notice: wording.held,
    notice.rewritten_notice: wording.rewritten,
    notice.discarded_notice: wording.discarded,
    notice.expired_notice: wording.expired,
    notice.review_notice: wording.review,
}


def parse(message):
    return message_from_bytes(b"".join(message.pieces()), policy=policy.default)


@pytest.mark.parametrize(("make", "words"), NOTICES.items(), ids=lambda f: f.__name__)
def test_a_notice_is_a_plain_text_mail_with_its_words(make, words):
    mail = parse(make(LETTER, CASE))
    assert mail.defects == []
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().replace("\r\n", "\n") == words(CASE).text
    assert mail["Subject"] == words(CASE).subject


def test_a_notice_carries_what_keeps_machines_from_answering():
    mail = parse(notice.held_notice(LETTER, CASE))
    assert {name: str(mail[name]) for name in mail.keys() if not name.startswith("Content")} == {  # noqa: SIM118
        "From": "Mail relay <postmaster@council.example>",
        "To": "clerk@council.example",
        "Subject": 'Held for review, not sent yet: "Term dates"',
        "Date": "Sun, 22 Nov 2026 10:00:00 +0000",
        "Message-ID": "<q7Xk2.n1@relay.council.example>",
        "In-Reply-To": "<1@council.example>",
        "References": "<1@council.example>",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "MIME-Version": "1.0",
    }


def test_an_identifier_of_a_stranger_that_is_not_one_is_not_repeated():
    mail = parse(notice.held_notice(replace(LETTER, answers="<a@b>\r\nBcc: eve@evil.example"), CASE))
    assert mail["References"] is None
    assert mail["Bcc"] is None


@given(st.text(max_size=200) | st.text("a@ \r\n=?\0\x85", max_size=60), st.sampled_from(list(NOTICES)))
def test_no_subject_adds_a_field_or_leaves_7_bit(subject, make):
    message = make(LETTER, replace(CASE, subject=subject))
    octets = b"".join(message.pieces())
    assert octets.isascii()
    assert all(len(line) <= 998 for line in octets.split(b"\r\n"))
    assert parse(message).keys() == parse(make(LETTER, CASE)).keys()


def test_a_reader_with_an_internationalised_address_is_written_as_utf_8():
    message = notice.held_notice(replace(LETTER, to="jörg@bücher.example"), CASE)
    assert "To: jörg@bücher.example\r\n".encode() in message.header


@pytest.mark.parametrize(
    "fields",
    [
        [("Auto-Submitted", b" auto-replied")],
        [("auto-submitted", b" (machine) auto-generated; type=x")],
        [("Precedence", b"Bulk")],
        [("precedence", b" junk")],
        [("Precedence", b"list")],
        [("List-Id", b" News <news.council.example>")],
        [("List-Unsubscribe", b" <mailto:x@council.example>")],
        [("Content-Type", b' multipart/report; report-type="delivery-status"')],
        [("X-Auto-Response-Suppress", b" DR, All")],
        [("X-Failed-Recipients", b" a@x.example")],
        [("From", b" a@x.example"), ("Auto-Submitted", b"auto-notified")],
    ],
    ids=lambda fields: fields[-1][0] + fields[-1][1].decode(),
)
def test_automatic_mail_is_known_by_its_header(fields):
    assert is_automatic(fields, address("clerk@council.example"))


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [("Auto-Submitted", b" no")],
        [("Auto-Submitted", b" No (really)")],
        [("Precedence", b"first-class")],
        [("Content-Type", b"multipart/mixed; boundary=report")],
        [("X-Auto-Response-Suppress", b"OOF")],
        [("Subject", b"Auto-Submitted: auto-replied")],
    ],
)
def test_mail_of_people_is_not_automatic(fields):
    assert not is_automatic(fields, address("clerk@council.example"))


@pytest.mark.parametrize(
    "sender", [None, "MAILER-DAEMON@council.example", "owner-news@council.example", "news-request@council.example"]
)
def test_mail_from_nobody_is_automatic(sender):
    assert is_automatic([], address(sender) if sender else None)


@given(st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=80))))
def test_no_header_makes_the_question_fail(fields):
    assert is_automatic(fields, address("clerk@council.example")) in {True, False}
