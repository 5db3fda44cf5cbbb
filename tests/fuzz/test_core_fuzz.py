"""What must hold for every message whatever: octets untouched, recipients kept, no outsider visible, nothing raised."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bcc_relay.core.actions.leave import dispatches, prepare
from bcc_relay.core.address import find_addresses, find_encoded, known, parse_mailbox
from bcc_relay.core.errors import NotRewritableError
from bcc_relay.core.header import decode_words, split_fields, split_message
from bcc_relay.core.judge import judge
from bcc_relay.core.model import Body, Dispatch, Form, Message, Submission
from bcc_relay.core.policy.rule import Action, Policy, Rule, When
from tests import build
from tests.fuzz.mails import FRIENDS, NAMES, OUTSIDERS, Mail, mails, octets_of
from tests.reader import seen

if TYPE_CHECKING:
    from collections.abc import Iterable

REWRITTEN = (Form.SENDER, Form.UNDISCLOSED, Form.INDIVIDUAL)
OPTIONS = ({}, {"keep_own_visible": True, "names_note": True})
# The same examples in every run, and nothing left in the checkout.
plain = settings(
    deadline=None, max_examples=40, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
many = settings(plain, max_examples=100)

CURABLE = tuple(
    name
    for name in NAMES
    if name.rstrip().lower()
    in [
        "to",
        "cc",
        "bcc",
        "resent-to",
        "resent-from",
        "reply-to",
        "mail-followup-to",
        "x-smtpapi",
        "errors-to",
        "x-clients",
        "x-client-1",
        "fcc",
    ]
)


def leave(given: Submission, form: Form, **options: bool) -> list[Dispatch] | None:
    """Its transactions in this form; None when it is held instead."""
    leaving = build.leaving(recipients_per_transaction=3, **options)
    try:
        header = prepare(given, form, leaving)
    except NotRewritableError:
        return None
    return list(dispatches(given, form, header, given.envelope.recipients, leaving))


def fields_of(header: bytes) -> list[bytes]:
    pieces = re.split(rb"(?<=\r\n)(?![ \t])", header)
    return [piece for piece in pieces if piece]


def is_within(part: Iterable[object], whole: Iterable[object]) -> bool:
    """Whether `part` is what is left of `whole` in its order."""
    rest = iter(whole)
    return all(one in rest for one in part)


def protected(mail: Mail) -> set[str]:
    """Outsiders whom no copy may show to another: recipients, and whom To and Cc show, but for the authors."""
    recipients = {
        one for one in OUTSIDERS if octets_of(one) in {r.address.octets for r in mail.given.envelope.recipients}
    }
    if len(recipients) < 2:
        return set()
    authors = {one for one in OUTSIDERS if octets_of(one) in mail.author}
    reachable = {one for one in mail.destinations if "." in one.partition("@")[2]}
    return (recipients | reachable) - set(FRIENDS) - authors


def assert_nobody_is_visible(mail: Mail, form: Form, sent: list[Dispatch]) -> None:
    for one in sent:
        own = {r.address.octets for r in one.envelope.recipients} if form is Form.INDIVIDUAL else set()
        others = {octets_of(p).decode() for p in protected(mail)} - {octets.decode() for octets in own}
        assert seen(one.message.header, others) == set()


@many
@given(mails(), st.sampled_from(REWRITTEN), st.sampled_from(OPTIONS))
def test_no_outsider_stays_visible_in_any_form(mail: Mail, form: Form, options: dict[str, bool]) -> None:
    sent = leave(mail.given, form, **options)
    if sent is not None:
        assert_nobody_is_visible(mail, form, sent)


@many
@given(mails(wild=False, names=CURABLE), st.sampled_from(REWRITTEN), st.sampled_from(OPTIONS))
def test_what_stands_in_fields_that_may_go_can_always_be_rewritten(
    mail: Mail, form: Form, options: dict[str, bool]
) -> None:
    sent = leave(mail.given, form, **options)
    assert sent is not None
    assert_nobody_is_visible(mail, form, sent)


@many
@given(mails(), st.sampled_from(REWRITTEN))
def test_untouched_octets_stay_identical_and_in_order(mail: Mail, form: Form) -> None:
    before = fields_of(mail.given.message.header)
    for one in leave(mail.given, form) or ():
        added = {b"x-bcc-relay", b"date", b"message-id"}
        kept = [field for field in fields_of(one.message.header) if field not in before]
        names = [field.partition(b":")[0].strip().lower() for field in kept]
        changed = [field for field, name in zip(kept, names, strict=True) if name == b"received"][1:]
        assert set(names) <= added | {b"to", b"received"}
        assert names.count(b"to") <= 1
        for field in changed:
            assert any(is_within(field, old) and old.lower().startswith(b"received") for old in before)
        assert is_within([field for field in fields_of(one.message.header) if field in before], before)
        assert one.message.body is mail.given.message.body


@plain
@given(mails(), st.sampled_from(Form))
def test_no_recipient_is_lost_gained_or_doubled(mail: Mail, form: Form) -> None:
    sent = leave(mail.given, form)
    if sent is not None:
        assert tuple(r for one in sent for r in one.envelope.recipients) == mail.given.envelope.recipients
        assert {one.envelope.sender for one in sent} == {mail.given.envelope.sender}


@many
@given(mails(), st.sampled_from(REWRITTEN), st.sampled_from(OPTIONS))
def test_rewriting_twice_equals_once(mail: Mail, form: Form, options: dict[str, bool]) -> None:
    leaving = build.leaving(**options)
    try:
        once = prepare(mail.given, form, leaving)
    except NotRewritableError:
        return
    again = Submission("m2", build.NOW, mail.given.envelope, build.message(once), mail.given.origin)
    assert prepare(again, form, leaving) == once


@plain
@given(mails())
def test_a_passed_header_loses_only_what_never_leaves(mail: Mail) -> None:
    never = re.compile(rb"(?i)(?:bcc|resent-bcc|return-path|x-bcc-relay)[ \t]*:")
    before = fields_of(mail.given.message.header)
    sent = leave(mail.given, Form.AS_IS)
    assert sent
    for one in sent:
        after = fields_of(one.message.header)
        kept = [field for field in before if not never.match(field)]
        assert after[0].startswith(b"X-BCC-Relay: passed; ")
        assert after[1].startswith(b"Received: ")
        assert after[2 : 2 + len(kept)] == kept
        missing = [field.partition(b":")[0] for field in after[2 + len(kept) :]]
        has_both = any(field.startswith(b"Date: x") for field in before)
        assert missing == ([] if has_both else [b"Date", b"Message-ID"])


@many
@given(mails(), st.sampled_from(Action), st.booleans())
def test_a_verdict_and_what_leaves_always_fit(mail: Mail, action: Action, monitor: bool) -> None:
    judged = judge(mail.given, Policy((Rule("mine", When(), action),), monitor=monitor), build.leaving())
    leaves = monitor or judged.judgement.verdict in ("pass", "rewrite")
    assert (judged.header is not None) is leaves
    assert (judged.form is Form.AS_IS) is (monitor or judged.judgement.verdict != "rewrite")
    assert "@" not in repr(judged.judgement)


# --- nothing raises on anything --------------------------------------------------------------------------------------

HEADERS = st.lists(
    st.one_of(
        st.binary(max_size=60),
        st.sampled_from(NAMES).map(lambda name: name.encode() + b": "),
        st.sampled_from(
            [b"\r\n", b"\r\n ", b"\n", b"\r", b"=?utf-8?q?", b"=?utf-8?b?", b"?=", b"&#55296;", b"@", b"<", b'"']
        ),
    ),
    max_size=25,
).map(b"".join)


@settings(plain, max_examples=150)
@given(HEADERS, st.sampled_from([build.HEADER_BYTES, 30]))
def test_no_octets_make_reading_or_judging_raise(content: bytes, header_bytes: int) -> None:
    message = split_message(content)
    octets = b"".join(message.pieces())
    assert octets == content or octets == content + b"\r\n"
    assert b"".join(field.raw for field in split_fields(message.header)) == message.header
    raw = Submission("m1", build.NOW, build.envelope(*build.families(3)), message, build.origin())
    for action in Action:
        policy = Policy((Rule("mine", When(), action),))
        judged = judge(raw, policy, build.leaving(header_bytes=header_bytes, keep_own_visible=True, names_note=True))
        judged.facts.subject.encode()
    assert b"".join(field.raw for field in judged.facts.fields) == message.header


@settings(plain, max_examples=150)
@given(st.text(max_size=80))
def test_no_text_makes_the_search_raise_and_every_key_can_be_written(text: str) -> None:
    names = known(frozenset({"a@x.example", "b@y"}))
    for key in find_addresses(decode_words(text).text, names) | find_encoded(text, names):
        key.encode("utf-8", "surrogatepass")
        assert "@" in key


@settings(plain, max_examples=80)
@given(st.binary(max_size=80), st.booleans())
def test_no_octets_make_the_envelope_parser_raise(octets: bytes, smtputf8: bool) -> None:
    parsed = parse_mailbox(octets, smtputf8=smtputf8)
    assert parsed is None or parsed.octets == octets


@settings(plain, max_examples=80)
@given(st.from_regex(r"\A[A-Za-z0-9_+-]{1,20}(\.[A-Za-z0-9]{1,9}){0,2}@[a-z0-9]{1,20}(\.[a-z]{2,9}){1,2}\Z"))
def test_what_the_envelope_takes_the_search_finds(text: str) -> None:
    parsed = parse_mailbox(text.encode())
    assert parsed is not None
    names = known(frozenset({parsed.key}))
    for shown in (text, f"<{text}>", f'"{text}"', f"x ({text})", text.upper(), f"a@b.example,{text};c@d.example"):
        assert parsed.key in find_addresses(shown, names)


CUT = (
    'From: "a, b" <clerk@council.example>\r\nTo : =?utf-8?q?anna=40x.example?=\r\n =?utf-8?b?LCBiQHkuZXhhbXBsZQ==?=,\r\n'
    " \r\n (c@z.example), Team: d@z.example;\r\nReceived: from x by y for <anna@x.example>; Sun\r\nX-Any: a&#64;b.example\r\n"
    "DKIM-Signature: d=council.example; h=To\r\nCc: jörg@bücher.example\r\n\r\nHello\r\n"
).encode()


@pytest.mark.parametrize("form", REWRITTEN)
def test_a_message_cut_anywhere_is_read_or_held(form: Form) -> None:
    for end in range(len(CUT)):
        raw = build.submission("anna@x.example", "b@y.example", raw=split_message(CUT[:end]))
        build.facts(raw)
        leave(raw, form, names_note=True, keep_own_visible=True)


@pytest.mark.parametrize("octet", [b"\x00", b"\r", b"\n", b" ", b":", b"@", b'"', b"(", b"\xff"])
def test_an_octet_put_in_anywhere_shows_nobody(octet: bytes) -> None:
    header = b"From: clerk@council.example\r\nTo: anna@x.example, ben@y.example\r\nX-Any: anna@x.example\r\n"
    for at in range(len(header)):
        message = Message(header[:at] + octet + header[at:], b"\r\n", Body(b""))
        raw = build.submission("anna@x.example", "ben@y.example", raw=message)
        for one in leave(raw, Form.SENDER) or ():
            assert seen(one.message.header, ["anna@x.example", "ben@y.example"]) == set()
