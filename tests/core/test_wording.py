"""The exact words, so that a change of wording is seen; and that they name no stranger's address."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcc_relay.core import wording
from bcc_relay.core.model import Channel, Finding
from bcc_relay.core.record import Judgement
from bcc_relay.core.wording import Case, Failure
from tests.build import NOW

JUDGEMENT = Judgement(
    verdict="hold",
    rule="large-circle",
    sentence="Many people outside the organisation would see each other's addresses.",
    findings=(
        Finding("many_visible", Channel.TO, 36, True, "36 addresses stand in To, where every recipient reads them."),
    ),
    visible_outsiders=36,
    outsider_domains=12,
    personal_share=0.25,
)
CASE = Case(
    id="q7Xk2",
    subject="Term dates",
    received_at=NOW,
    recipients=40,
    judgement=JUDGEMENT,
    sender="clerk@council.example",
    expires_at=NOW + timedelta(days=14),
    reviewers=("dpo@council.example", "deputy@council.example"),
)
FAILURES = [Failure("ann@one.example", "550 5.1.1 No such user here"), Failure("bob@two.example", "", True)]


def test_a_held_message_is_told_to_its_sender_in_these_words():
    assert wording.held(CASE) == wording.Words('Held for review, not sent yet: "Term dates"', HELD)


def test_a_held_message_that_cannot_go_out_safely_does_not_offer_it():
    text = wording.held(replace(CASE, safe_release=False)).text
    assert "send it safely" not in text
    assert ANEW in text
    assert "in the meantime" not in text
    told = wording.review(replace(CASE, safe_release=False)).text
    assert NOT_CURABLE in told
    assert "--as bcc" not in told
    assert "--as individual" not in told


def test_a_rewritten_message_is_told_to_its_sender_in_these_words():
    assert wording.rewritten(CASE) == wording.Words('Sent with the addresses hidden: "Term dates"', REWRITTEN)


def test_a_discarded_message_is_told_to_its_sender_in_these_words():
    assert wording.discarded(replace(CASE, reason="Wrong list")) == wording.Words(
        'Dropped, not sent: "Term dates"', DISCARDED
    )


def test_who_dropped_it_and_who_had_it_before_is_said():
    text = wording.discarded(replace(CASE, dropped_by_sender=True, delivered=3)).text.replace("\n", " ")
    assert "dropped as you asked" in text
    assert "3 of its 40 recipients had received it before." in text
    assert "Nobody" not in text


def test_an_expired_message_is_told_to_its_sender_in_these_words():
    assert wording.expired(CASE) == wording.Words('Time ran out, not sent: "Term dates"', EXPIRED)


def test_a_reviewer_reads_counts_commands_and_the_last_day():
    assert wording.review(CASE) == wording.Words('Please decide: "Term dates"', REVIEW)


def test_a_reviewer_learns_that_nobody_else_was_told():
    text = wording.review(replace(CASE, sender_told=False, sender="", second_person=False)).text
    assert "The sender has not been told." in text
    assert "and nobody is told." in text.replace("\n", " ")
    assert "From:" not in text
    assert "second person" not in text


def test_without_reviewers_the_administrator_is_named():
    assert "ask your mail administrator" in wording.held(replace(CASE, reviewers=())).text


def test_what_hides_in_a_part_is_told_in_detail():
    finding = Finding("attached_list", Channel.ATTACHED_LIST, 90, False, "90 addresses stand in the attached table.")
    case = replace(CASE, judgement=replace(JUDGEMENT, visible_outsiders=0, findings=(finding,)))
    text = wording.held(case).text
    assert "  - 90 addresses stand in the attached table." in text
    assert "could have read" not in text


def test_where_addresses_are_left_in_a_rewritten_message_its_sender_is_not_told_otherwise():
    finding = Finding("shown_in_body", Channel.CALENDAR, 4, False, "4 outside addresses stand in an invitation.")
    case = replace(CASE, judgement=replace(JUDGEMENT, findings=(*JUDGEMENT.findings, finding)))
    text = wording.rewritten(case).text.replace("\n", " ")
    assert "The addresses in its header have been hidden first. Those in other places, named below, are" in text
    assert "do not see each other's addresses" not in text
    assert "  - 4 outside addresses stand in an invitation." in text


BODY = Finding("shown_in_body", Channel.BODY, 14, False, "14 outside addresses stand in the text.")
SHEET = Finding("shown_in_body", Channel.ATTACHED_LIST, 14, False, "14 outside addresses stand in an attached list.")
CLOSED = Finding("closed_part", Channel.BODY, 0, False, "A part of the message could not be looked into.")


def found_inside(*findings, sentence="This shows a list."):
    judgement = Judgement("hold", "beyond-rewriting", sentence, findings)
    return replace(CASE, judgement=judgement, safe_release=False)


def test_a_list_that_bcc_does_not_hide_is_told_with_what_the_sender_can_do_about_it():
    text = wording.held(found_inside(BODY, SHEET)).text
    assert BCC_DOES_NOT_HELP in text
    assert ANEW not in text
    assert "in the meantime" not in text


@pytest.mark.parametrize("say", [wording.discarded, wording.expired])
def test_whoever_writes_it_again_is_told_to_leave_the_list_out(say):
    text = " ".join(say(found_inside(BODY, SHEET)).text.split())
    assert "in Bcc, and without the addresses in the text and an attached list or document." in text


def test_a_reviewer_is_told_why_bcc_does_not_help_and_is_not_offered_it():
    text = wording.review(found_inside(BODY)).text
    assert "Bcc hides who receives a message, not what stands in it" in text.replace("\n", " ")
    assert NOT_CURABLE not in text
    assert "--as bcc" not in text


def test_what_goes_along_with_hidden_recipients_is_said_to_those_who_may_choose_it():
    case = replace(found_inside(replace(BODY, addresses=4), CLOSED), safe_release=True)
    told = wording.held(case).text.replace("\n", " ")
    asked = wording.review(case).text.replace("\n", " ")
    along = "what stands in the text and the part that could not be looked into goes along"
    for words in (told, asked):
        assert "nobody sees anybody else's address" not in " ".join(words.split())
        assert along in " ".join(words.split())


def test_who_can_tell_what_a_closed_part_holds_is_asked():
    case = replace(found_inside(CLOSED), safe_release=True)
    assert "Say also what the part holds that could not be looked into" in " ".join(wording.held(case).text.split())
    assert "Only the sender can tell what the part holds" in " ".join(wording.review(case).text.split())


def test_nothing_is_told_twice():
    personal = Finding("mostly_personal", Channel.TO, 9, True, "9 of the 36 visible outside addresses are personal.")
    strangers = Finding("strangers", Channel.TO, 36, True, "These 36 people have never seen each other's addresses.")
    sentence = f"Many people would see each other's addresses. {strangers.sentence}"
    judgement = replace(JUDGEMENT, sentence=sentence, findings=(*JUDGEMENT.findings, strangers, personal))
    text = wording.review(replace(CASE, judgement=judgement)).text
    assert text.replace("\n", " ").count("have never seen each other's") == 1
    assert "of the 36 visible" not in text


def test_one_person_is_not_a_plural():
    seen = replace(JUDGEMENT, findings=(), visible_outsiders=1, outsider_domains=1, personal_share=1)
    case = replace(CASE, recipients=1, judgement=seen)
    text = wording.held(case).text.replace("\n", " ")
    assert "its one recipient could have read the e-mail address of 1 person outside the organisation" in text
    assert "It is at a provider of personal mail, such as gmail.com." in text


def test_where_nobody_is_at_a_provider_of_personal_mail_that_is_said():
    text = wording.held(replace(CASE, judgement=replace(JUDGEMENT, personal_share=0))).text.replace("\n", " ")
    assert "They are in 12 mail domains; none of them are at providers of personal mail, such as gmail.com." in text


def test_an_address_that_was_only_put_off_is_not_called_mistyped():
    advice = "the address may well be right"
    given_up = [Failure("ann@one.example", "451 4.4.1 The next mail server cannot be reached, please try again later")]
    assert advice in wording.failed("Term dates", NOW, given_up).text.replace("\n", " ")
    assert advice not in wording.failed("Term dates", NOW, FAILURES).text.replace("\n", " ")


def test_a_failed_delivery_is_told_in_these_words():
    assert wording.failed("Term dates", NOW, FAILURES) == wording.Words('Not delivered: "Term dates"', FAILED)


def test_a_delay_is_told_in_these_words():
    words = wording.delayed("", NOW, FAILURES[:1], NOW + timedelta(days=2))
    assert words == wording.Words("Delayed, still trying: without a subject", DELAYED)


def test_a_message_passed_on_is_told_in_these_words():
    assert wording.relayed("Term dates", NOW, [Failure("ann@one.example")]) == wording.Words(
        'Passed on: "Term dates"', RELAYED
    )


@given(st.text(max_size=300), st.text(max_size=300))
def test_a_strangers_words_stay_on_their_line_and_name_no_address(subject, reason):
    hostile = f"{subject} eve@evil.example\r\n\r\nvictim@two.example {reason}"
    case = replace(
        CASE, subject=hostile, reason=hostile, judgement=replace(JUDGEMENT, sentence=hostile, rule=hostile[:40])
    )
    for words in (wording.held(case), wording.rewritten(case), wording.discarded(case), wording.expired(case)):
        assert "\n" not in words.subject
        assert "evil.example" not in words.subject + words.text
        assert "two.example" not in words.subject + words.text
        assert len(words.subject) <= 130


@pytest.mark.parametrize("word", ["a", "a@", "@", "a.b"])
def test_a_subject_of_a_million_letters_costs_no_more_than_its_beginning(word):
    started = time.process_time()
    words = wording.discarded(replace(CASE, subject=word * 1_000_000, reason=word * 20_000))
    assert time.process_time() - started < 1  # without care these took minutes
    assert len(words.subject) <= 130


@given(st.text(max_size=300))
def test_an_answer_cannot_start_a_line_of_its_own(answer):
    text = wording.failed(
        "s", NOW, [Failure("ann@one.example", f"550 {answer}\n\nCall 0900 and give your password")]
    ).text
    assert not any(line.startswith("Call") for line in text.split("\n"))


HELD = """\
Your message "Term dates" (22 November 2026, 10:00 UTC) has been stopped
on its way. It is kept safe. Nobody has received it.

What was noticed: Many people outside the organisation would see each
other's addresses.

As it was written, each of its 40 recipients could have read the e-mail
addresses of 36 people outside the organisation, in the To field. They
are in 12 mail domains; 9 of them are at providers of personal mail,
such as gmail.com.

Please do not send it again in the meantime.

What to do now: ask dpo@council.example or deputy@council.example and
give this number: q7Xk2

They can
  - send it safely: everybody on your list receives it, nobody sees
    anybody else's address
  - send it as you wrote it, if these people may see each other's
    addresses (tell them why)
  - drop it

If nobody decides by 6 December 2026, 10:00 UTC, it is dropped without
being sent, and you are told.
"""

ANEW = """\
The relay cannot hide the addresses in this message for you. Please do
not send it again as it is. If it has to go out soon, write it anew:
your own address in To, everybody else in Bcc, and no other address
anywhere in it.
"""

BCC_DOES_NOT_HELP = """\
In detail:
  - 14 outside addresses stand in the text and in an attached list or
    document. Bcc does not hide them.

Bcc alone does not help here: it hides who receives a message, not the
addresses that stand in it. Please do not send it again as it is. If it
has to go out soon, write it anew:
  - take the addresses out of the text
  - take the addresses out of the attached file, out of hidden sheets
    and columns as well
  - put your own address into To and everybody else into Bcc
"""

NOT_CURABLE = """\
It cannot be sent with the addresses hidden: something in it must not be
changed, or cannot be read for certain. If its recipients may not see
each other's addresses, drop it; the sender can write it anew.
"""

REWRITTEN = """\
Your message "Term dates" (22 November 2026, 10:00 UTC) is on its way to
all of its 40 recipients. The addresses in it have been hidden first:
the recipients do not see each other's addresses.

What was noticed: Many people outside the organisation would see each
other's addresses.

As it was written, each of its 40 recipients could have read the e-mail
addresses of 36 people outside the organisation, in the To field. They
are in 12 mail domains; 9 of them are at providers of personal mail,
such as gmail.com.

You need to do nothing. Please do not send it again: everybody would
receive it twice.

Next time: put your own address into To and everybody else into Bcc.
Then nobody sees the others, and you do not get this notice.

If these people are meant to see each other, for example in a working
group, ask dpo@council.example or deputy@council.example to allow it,
and give this number: q7Xk2
"""

DISCARDED = """\
Your message "Term dates" (22 November 2026, 10:00 UTC) has been dropped
by a reviewer. Nobody has received it.

The reason given: Wrong list

If it still has to go out, write it again with your own address in To
and everybody else in Bcc. For questions ask dpo@council.example or
deputy@council.example and give this number: q7Xk2
"""

EXPIRED = """\
Your message "Term dates" (22 November 2026, 10:00 UTC) was held for
review. Nobody decided about it in time, so it has been dropped. Nobody
has received it.

What was noticed: Many people outside the organisation would see each
other's addresses.

As it was written, each of its 40 recipients could have read the e-mail
addresses of 36 people outside the organisation, in the To field. They
are in 12 mail domains; 9 of them are at providers of personal mail,
such as gmail.com.

If it still has to go out, write it again with your own address in To
and everybody else in Bcc. For questions ask dpo@council.example or
deputy@council.example and give this number: q7Xk2
"""

REVIEW = """\
A message is held and waits for your decision. Nobody has received it,
so no address in it has been disclosed. The sender has been told.

  Number:     q7Xk2
  Subject:    "Term dates"
  From:       clerk@council.example
  Received:   22 November 2026, 10:00 UTC
  Recipients: 40
  Rule:       large-circle
  Decide by:  6 December 2026, 10:00 UTC

What was noticed: Many people outside the organisation would see each
other's addresses.

As it was written, each of its 40 recipients could have read the e-mail
addresses of 36 people outside the organisation, in the To field. They
are in 12 mail domains; 9 of them are at providers of personal mail,
such as gmail.com.

What you can do, on the relay's server (put sudo before the command):

  See its recipients and all that was noticed:
    bcc-relay quarantine show q7Xk2

  Take a copy that a mail program can open:
    bcc-relay quarantine export q7Xk2 > message.eml

  Send it so that nobody sees anybody else's address:
    bcc-relay quarantine release q7Xk2 --as bcc

  Send each recipient a copy of their own:
    bcc-relay quarantine release q7Xk2 --as individual

  Send it as it is, if its recipients may see each other's addresses, as
  members of one committee may. This needs a reason and a second person
  who gives the same command:
    bcc-relay quarantine release q7Xk2 --as as-is --reason "WHY"

  Drop it; the sender is told your reason:
    bcc-relay quarantine discard q7Xk2 --reason "WHY"

If nobody decides by 6 December 2026, 10:00 UTC, it is dropped without
being sent, and the sender is told.
"""

FAILED = """\
Your message "Term dates" (22 November 2026, 10:00 UTC) could not be
delivered to 2 recipients. No further attempt is made.

  ann@one.example
    The last answer: 550 5.1.1 No such user here

  bob@two.example
    The message may have arrived: the next mail server took it, but did
    not confirm.

Other recipients of the message are not affected. What to do now: check
each address above for a typing mistake, then send the message again to
these people only.

Where it says that the message may have arrived, please ask before you
send it again.
"""

DELAYED = """\
Your message without a subject (22 November 2026, 10:00 UTC) has not yet
been delivered to 1 recipient. The relay keeps trying until 24 November
2026, 10:00 UTC and tells you if it has to give up.

  ann@one.example
    The last answer: 550 5.1.1 No such user here

You need to do nothing. Please do not send it again.
"""

RELAYED = """\
Your message "Term dates" (22 November 2026, 10:00 UTC) has been passed
on for 1 recipient. You asked for a confirmation of delivery. The next
mail server does not give any, so this is the last you hear unless
something goes wrong.

  ann@one.example
"""
