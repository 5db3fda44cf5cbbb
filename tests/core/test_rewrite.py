"""The rewritten header: whole fields out, one `To:` in, every other octet as it was."""

from __future__ import annotations

import pytest

from bcc_relay.core.actions.leave import dispatches, prepare
from bcc_relay.core.errors import NotRewritableError
from bcc_relay.core.header import split_fields, split_message
from bcc_relay.core.model import Form, Submission
from tests import build
from tests.reader import seen

ANNA, BEN, CEM = "anna@family-mail.example", "ben@family-mail.example", "cem@gov.example"
TO = (ANNA, BEN, CEM)
LINE = f"To: {ANNA}, {BEN}, {CEM}".encode()
REWRITTEN = (Form.SENDER, Form.UNDISCLOSED, Form.INDIVIDUAL)


def rewritten(given: Submission, form: Form = Form.SENDER, **options: object) -> bytes:
    return prepare(given, form, build.leaving(**options))  # type: ignore[arg-type]


def to_value(given: Submission, **options: object) -> bytes:
    return b" ".join(field.value.strip() for field in split_fields(rewritten(given, **options)) if field.name == "to")


def test_one_to_takes_the_place_of_all_that_shows_recipients() -> None:
    given = build.mail(
        b"Received: by a.example; Sun",
        b"Cc: " + ANNA.encode(),
        b"Subject:  Term\r\n dates ",
        LINE,
        b"Bcc: " + CEM.encode(),
        b"X-odd:\tkept as it is",
        to=TO,
    )
    assert rewritten(given) == (
        b"From: Clerk <clerk@council.example>\r\n"
        b"Received: by a.example; Sun\r\n"
        b"To: Clerk <clerk@council.example>\r\n"
        b"Subject:  Term\r\n dates \r\n"
        b"X-odd:\tkept as it is\r\n"
        b"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
        b"Message-ID: <1@council.example>\r\n"
    )


def test_without_to_and_cc_the_new_field_stands_at_the_end() -> None:
    assert rewritten(build.mail(b"Apparently-To: " + ANNA.encode(), to=TO)).endswith(
        b"Message-ID: <1@council.example>\r\nTo: Clerk <clerk@council.example>\r\n"
    )


def test_a_last_line_without_its_end_gets_one_before_the_new_field() -> None:
    given = build.submission(*TO, raw=split_message(b"Cc : a@x.example\r\nFrom: clerk@council.example"))
    assert rewritten(given) == b"To: clerk@council.example\r\nFrom: clerk@council.example\r\n"


def test_undisclosed_is_an_empty_group() -> None:
    assert b"\r\nTo: undisclosed-recipients:;\r\n" in rewritten(build.mail(LINE, to=TO), Form.UNDISCLOSED)


def test_individual_copies_show_their_own_recipient_alone() -> None:
    given = build.mail(LINE, to=TO)
    copies = list(
        dispatches(
            given, Form.INDIVIDUAL, rewritten(given, Form.INDIVIDUAL), given.envelope.recipients, build.leaving()
        )
    )
    assert [[one.address.text for one in copy.envelope.recipients] for copy in copies] == [[one] for one in TO]
    for copy, recipient in zip(copies, TO, strict=True):
        assert [field.value for field in split_fields(copy.message.header) if field.name == "to"] == [
            f" {recipient}".encode()
        ]
        assert seen(copy.message.header, TO) == {recipient}


# --- what stands in To -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "author",
    [
        b"clerk@council.example",
        b"<clerk@council.example>",
        b"Clerk <clerk@council.example>",
        b'"Clerk, The" <clerk@council.example>',
        b'"Clerk (acting)" <clerk@council.example>',
        b"Clerk (acting) <clerk@council.example>",
        b"clerk@council.example (The Clerk)",
        b"=?utf-8?q?J=C3=B6rg?= <clerk@council.example>",
        "Jörg <clerk@council.example>".encode(),
        b"J\xf6rg <clerk@council.example>",
        b"Clerk\r\n <clerk@council.example>",
        b'"clerk@council.example" <clerk@council.example>',
    ],
)
def test_the_single_author_stands_in_to_with_the_same_octets(author: bytes) -> None:
    assert to_value(build.mail(LINE, to=TO, author=b"From: " + author)) == author


@pytest.mark.parametrize(
    "author",
    [
        b'"office@council.example" <clerk@council.example>',
        b"=?utf-8?q?office=40council.example?= <clerk@council.example>",
        b"clerk@council.example (office@council.example)",
        b"office@council.example <clerk@council.example>",
    ],
)
def test_a_display_name_that_holds_an_address_is_dropped(author: bytes) -> None:
    assert to_value(build.mail(LINE, to=TO, author=b"From: " + author)) == b"clerk@council.example"


def test_an_author_from_outside_stands_in_to() -> None:
    given = build.mail(LINE, to=TO, author=b"From: Vera <vera@club.example>", sender="vera@club.example")
    assert to_value(given) == b"Vera <vera@club.example>"


SEVERAL = b"From: clerk@council.example, Mayor <mayor@council.example>"


def test_of_several_authors_the_sender_field_stands_in_to() -> None:
    given = build.mail(b"Sender: Mayor <mayor@council.example>", LINE, to=TO, author=SEVERAL)
    assert to_value(given) == b"Mayor <mayor@council.example>"


@pytest.mark.parametrize(
    "author",
    [
        SEVERAL,
        b"From: Team: clerk@council.example, mayor@council.example;",
        b"From: clerk@council.example; mayor@council.example",
        b"From: clerk@council.example\r\nFrom: mayor@council.example",
        b"From: Clerk",
        b"From:",
        b"From: <>",
        b"From: <clerk@council.example> <mayor@council.example>",
        b"",
        b"Sender: a@council.example, b@council.example",
        b'From: <"clerk of council"@council.example>',
    ],
)
def test_without_one_certain_author_an_own_envelope_sender_stands_in_to(author: bytes) -> None:
    assert to_value(build.mail(LINE, to=TO, author=author)) == b"clerk@council.example"


@pytest.mark.parametrize("sender", [None, "vera@club.example", "x@partner.example"])
def test_without_an_own_envelope_sender_either_the_message_is_held(sender: str | None) -> None:
    given = build.mail(LINE, to=TO, author=SEVERAL, sender=sender)
    with pytest.raises(NotRewritableError):
        rewritten(given)
    assert rewritten(given, Form.UNDISCLOSED)
    assert rewritten(given, Form.INDIVIDUAL)


# --- options ---------------------------------------------------------------------------------------------------------


def test_keep_own_visible_leaves_own_addresses_where_they_stood() -> None:
    given = build.mail(
        f"To: Mayor <Mayor@council.example>, {ANNA}, a@school.council.example, p@partner.example".encode(),
        f"Cc: {BEN}, deputy@council.example".encode(),
        to=TO,
    )
    header = rewritten(given, keep_own_visible=True)
    assert b"\r\nTo: a@school.council.example,\r\n mayor@council.example\r\nCc: deputy@council.example\r\n" in header
    assert b"partner" not in header
    assert b"deputy" not in rewritten(given)


def test_keep_own_visible_with_no_own_address_in_to_shows_the_author() -> None:
    given = build.mail(LINE, f"Cc: {BEN}, deputy@council.example".encode(), to=TO)
    header = rewritten(given, keep_own_visible=True)
    assert b"\r\nTo: Clerk <clerk@council.example>\r\nCc: deputy@council.example\r\n" in header


NAMES = {
    "quoted": (f'"Anna Alt" <{ANNA}>, "B, en" <{BEN}>', b'Cc: "Anna Alt, B, en":;'),
    "plain": (f"Anna Alt <{ANNA}>, Ben <{BEN}>", b'Cc: "Anna Alt, Ben":;'),
    "group": (f"Class 4b: Anna <{ANNA}>;", b'Cc: "Class 4b, Anna":;'),
    "escaped": (f'"An\\"na" <{ANNA}>', b'Cc: "Anna":;'),
    "encoded": (f"=?utf-8?q?J=C3=B6rg?= <{ANNA}>", b"Cc: =?utf-8?b?SsO2cmc=?=:;"),
    "no-names": (f"{ANNA}, {BEN}", b""),
    "names-with-addresses": (f'"{ANNA}" <{ANNA}>, "Ben ben (at) family-mail.example" <{BEN}>', b""),
    "encoded-address": (f"=?utf-8?q?anna=40family-mail.example?= <{ANNA}>", b""),
    "undisclosed": ("undisclosed-recipients:;", b""),
    "twice": (f"Anna <{ANNA}>, Anna <{BEN}>", b'Cc: "Anna":;'),
}


@pytest.mark.parametrize(("to", "note"), NAMES.values(), ids=NAMES)
def test_names_note_keeps_names_and_never_addresses(to: str, note: bytes) -> None:
    header = rewritten(build.mail(f"To: {to}".encode(), to=TO), names_note=True)
    assert [field.raw.strip() for field in split_fields(header) if field.name == "cc"] == ([note] if note else [])
    assert seen(header, TO) == set()


def test_own_addresses_and_names_share_one_cc() -> None:
    given = build.mail(f"To: Anna <{ANNA}>".encode(), f"Cc: {BEN}, deputy@council.example".encode(), to=TO)
    header = rewritten(given, keep_own_visible=True, names_note=True)
    assert b'\r\nCc: deputy@council.example,\r\n "Anna":;\r\n' in header
    assert len([field for field in split_fields(header) if field.name == "cc"]) == 1


def test_many_names_are_cut_and_folded() -> None:
    line = b"To: " + b", ".join(b'"Family Number %d" <f%d@family-mail.example>' % (n, n) for n in range(500))
    header = rewritten(build.mail(line, to=TO), names_note=True)
    assert all(len(text) < 998 for text in header.split(b"\r\n"))
    assert len(header) < 2000


@pytest.mark.parametrize("form", REWRITTEN)
@pytest.mark.parametrize(
    "options", [{}, {"keep_own_visible": True}, {"names_note": True}, {"keep_own_visible": True, "names_note": True}]
)
@pytest.mark.parametrize(("to", "_note"), NAMES.values())
def test_rewriting_twice_equals_once_with_every_option(
    form: Form, options: dict[str, bool], to: str, _note: bytes
) -> None:
    given = build.mail(
        f"To: {to}, deputy@council.example".encode(), f"Cc: clerk@council.example, {CEM}".encode(), to=TO
    )
    once = rewritten(given, form, **options)
    again = build.submission(*TO, raw=build.message(once))
    assert rewritten(again, form, **options) == once


def test_a_field_that_shows_only_whom_to_shows_stays_however_often_it_is_rewritten() -> None:
    author = b'From: "office@council.example" <clerk@council.example>'
    given = build.mail(
        b"X-Made-By: clerk@council.example", LINE, to=TO, author=author, sender="bounces@council.example"
    )
    once = rewritten(given)
    assert b"X-Made-By: clerk@council.example\r\n" in once
    again = build.mail(to=TO, sender="bounces@council.example")
    again = Submission("m2", build.NOW, again.envelope, build.message(once), again.origin)
    assert rewritten(again) == once


# --- signatures ------------------------------------------------------------------------------------------------------


def signature(domain: bytes, signed: bytes = b"From:To:Cc:Subject") -> bytes:
    return b"DKIM-Signature: v=1; a=rsa-sha256; d=" + domain + b"; s=x;\r\n\th=" + signed + b";\r\n\tbh=YQ==; b=YQ=="


@pytest.mark.parametrize("domain", [b"council.example", b"Mail.Council.Example"])
def test_a_signature_of_an_own_domain_goes(domain: bytes) -> None:
    assert b"DKIM" not in rewritten(build.mail(signature(domain), LINE, to=TO))


@pytest.mark.parametrize(
    "line",
    [
        signature(b"club.example"),
        signature(b"partner.example"),
        signature(b"council.example.org"),
        signature(b"club.example", b"From:To"),
        signature(b"club.example", b"from : to"),
        signature(b"club.example", b"From:Sub\r\n ject:\r\n t\r\n o"),
        signature(b"club.example", b"From:X-Clients"),
        b"DKIM-Signature: v=1; d=club.example; b=YQ==",
        b"DKIM-Signature: nonsense",
    ],
)
def test_a_foreign_signature_that_would_break_means_hold(line: bytes) -> None:
    given = build.mail(line, LINE, b"X-Clients: " + ANNA.encode(), to=TO)
    with pytest.raises(NotRewritableError):
        rewritten(given)


def test_a_signature_over_a_to_that_is_not_there_breaks_by_adding_one() -> None:
    with pytest.raises(NotRewritableError):
        rewritten(build.mail(signature(b"club.example", b"From:To"), to=TO))


@pytest.mark.parametrize("domain", [b"club.example", b"council.example"])
def test_a_signature_over_what_stays_stays(domain: bytes) -> None:
    line = signature(domain, b"From:Subject:Reply-To:X-Kept")
    given = build.mail(line, LINE, b"Reply-To: office@council.example", b"X-Kept: 1", to=TO)
    assert line + b"\r\n" in rewritten(given)


# --- what cannot be rewritten ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", REWRITTEN)
@pytest.mark.parametrize("line", [b"no field", b"Subject: s\x0b", b"To: =?no-such-set?q?a?="])
def test_a_damaged_header_is_never_rewritten(form: Form, line: bytes) -> None:
    with pytest.raises(NotRewritableError):
        rewritten(build.mail(line, LINE, to=TO), form)


def test_a_header_beyond_the_limit_is_never_rewritten() -> None:
    with pytest.raises(NotRewritableError):
        rewritten(build.mail(LINE, to=TO), header_bytes=50)


@pytest.mark.parametrize("form", REWRITTEN)
def test_as_many_words_as_the_rule_for_them_holds_are_held_though_nobody_receives_it(form: Form) -> None:
    others = " ".join(f"person{n}@club.example" for n in range(30))
    with pytest.raises(NotRewritableError):
        rewritten(build.mail(LINE, f"Subject: {others}".encode(), to=TO), form)
    assert rewritten(build.mail(LINE, f"Subject: {others[:-22]}".encode(), to=TO), form)


def test_a_partner_or_own_recipient_in_the_subject_is_no_disclosure() -> None:
    assert rewritten(
        build.mail(b"Subject: for p@partner.example and d@council.example", LINE, to=(*TO, "p@partner.example"))
    )
