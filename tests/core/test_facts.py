"""Facts: who would see whom, the tricks by which addresses hide, and what is damage."""

from __future__ import annotations

import pytest

from bcc_relay.core.damage import Damage
from bcc_relay.core.facts import MOST_FIELDS, Facts, still_shown
from bcc_relay.core.model import Body, Channel, Message
from tests import build

ANNA, BEN, CEM = "anna@family-mail.example", "ben@family-mail.example", "cem@gov.example"
TO = (ANNA, BEN, CEM)


def shown(*lines: str | bytes, to: tuple[str, ...] = TO, **fields: object) -> frozenset[str]:
    octets = (line.encode() if isinstance(line, str) else line for line in lines)
    return build.facts(build.mail(*octets, to=to, **fields)).visible_outsiders


# --- visible_outsiders -----------------------------------------------------------------------------------------------


def test_nobody_is_disclosed_when_only_own_people_receive_it() -> None:
    assert shown(f"To: {ANNA}, {BEN}", to=("deputy@council.example", "mayor@school.council.example")) == set()


def test_nobody_is_disclosed_when_only_partners_receive_it() -> None:
    assert shown(f"To: {ANNA}, {BEN}", to=("x@partner.example",)) == set()


def test_mail_that_comes_in_through_a_gateway_discloses_nobody() -> None:
    lines = f"To: clerk@council.example, {ANNA}, {BEN}"
    assert shown(lines, to=("clerk@council.example",), sender=CEM, author=b"From: cem@gov.example") == set()


def test_one_outsider_who_sees_only_himself_is_not_disclosed() -> None:
    assert shown(f"To: {ANNA}", to=(ANNA,)) == set()
    assert shown(f"To: {ANNA}, deputy@council.example", to=(ANNA, "deputy@council.example")) == set()


def test_one_outsider_who_reads_another_address_beyond_the_envelope_counts_both() -> None:
    assert shown(f"To: {ANNA}, {BEN}", to=(ANNA,)) == {ANNA, BEN}


def test_one_outsider_by_bcc_reads_the_address_in_to() -> None:
    assert shown(f"To: {ANNA}", to=(ANNA, BEN)) == {ANNA}


def test_recipients_by_bcc_alone_are_not_visible() -> None:
    assert shown("To: clerk@council.example") == set()
    assert shown(f"Bcc: {ANNA}, {BEN}") == set()


def test_header_addresses_beyond_the_envelope_count() -> None:
    families = build.families(20)
    assert len(shown("To: " + ", ".join(families), to=families[:2])) == 20


def test_own_addresses_and_partners_do_not_count() -> None:
    assert shown(f"To: {ANNA}, d@council.example, e@partner.example, {BEN}") == {ANNA, BEN}


def test_the_sender_is_excepted() -> None:
    outside = {"sender": "vera@club.example", "author": b"From: vera@club.example"}
    assert shown(f"To: {ANNA}, vera@club.example, {BEN}", **outside) == {ANNA, BEN}


def test_the_author_of_the_header_is_excepted_when_there_is_just_one() -> None:
    line = f"To: {ANNA}, {BEN}, vera@club.example"
    assert shown(line, author=b"From: Vera <vera@club.example>") == {ANNA, BEN}
    two = shown(line, author=b"From: vera@club.example, otto@club.example")
    assert two == {ANNA, BEN, "vera@club.example"}


def test_the_sender_field_is_the_author_only_when_from_names_several() -> None:
    lines = (b"Sender: vera@club.example", b"To: vera@club.example, " + ANNA.encode())
    assert build.facts(build.mail(*lines, to=TO)).visible_outsiders == {"vera@club.example", ANNA}
    several = b"From: clerk@council.example, mayor@council.example"
    assert build.facts(build.mail(*lines, to=TO, author=several)).visible_outsiders == {ANNA}


def test_an_address_counts_once_however_often_and_however_written_it_stands() -> None:
    assert shown(f"To: {ANNA}, ANNA@Family-Mail.example", f"Cc: <{ANNA}>, {BEN}") == {ANNA, BEN}


def test_an_international_domain_is_one_address_in_both_forms() -> None:
    line = "To: jo@bücher.example, jo@xn--bcher-kva.example, " + BEN
    assert shown(line, to=("jo@bücher.example", BEN)) == {"jo@xn--bcher-kva.example", BEN}


def test_domains_and_the_share_of_personal_mail_are_those_of_the_visible_outsiders() -> None:
    facts = build.facts(build.mail(f"To: {ANNA}, {BEN}, {CEM}, d@council.example".encode(), to=TO))
    assert (facts.outsider_domains, round(facts.personal_share, 3)) == (2, 0.667)
    assert facts.visible == {ANNA, BEN, CEM, "d@council.example"}
    assert facts.hidden == set()
    assert facts.missing == {"d@council.example"}


def test_nothing_is_shared_by_nobody() -> None:
    facts = build.facts(build.mail(to=TO))
    assert (facts.outsider_domains, facts.personal_share, facts.hidden) == (0, 0.0, set(TO))


# --- the tricks by which addresses hide ------------------------------------------------------------------------------

TRICKS = {
    "B1-display-name": f'To: "{ANNA}, {BEN}" <{CEM}>',
    "B2-encoded-display-name": f"To: =?utf-8?q?anna=40family-mail=2Eexample,_ben=40family-mail=2Eexample?= <{CEM}>",
    "B3-encoded-list": "To: =?utf-8?b?"
    "YW5uYUBmYW1pbHktbWFpbC5leGFtcGxlLCBiZW5AZmFtaWx5LW1haWwuZXhhbXBsZSwgY2VtQGdvdi5leGFtcGxl?=",
    "B4-comment": f"To: {CEM} ({ANNA}, {BEN})",
    "B5-group": f"To: Team: {ANNA}, {BEN}, {CEM};",
    "B5-group-unterminated": f"To: Team: {ANNA}, {BEN}, {CEM}",
    "B6-route": f"To: <@relay.example,@r2.example:{ANNA}>, {BEN}, {CEM}",
    "B7-semicolons": f"To: {ANNA}; {BEN}; {CEM}",
    "B8-quote": f'To: "{ANNA}, {BEN}, {CEM}',
    "B8-parenthesis": f"To: ({ANNA}, {BEN}, {CEM}",
    "B8-double-angle": f"To: <<{ANNA}>>, {BEN}, {CEM}",
    "B9-case": f"To: Anna@FAMILY-MAIL.example, {BEN}, {CEM}",
    "B10-full-width": f"To: anna＠family-mail.example, {BEN}, {CEM}",
    "B10-zero-width": f"To: an\u200bna@family-mail.example, {BEN}, {CEM}",
    "B10-entity": f"To: anna&#64;family-mail.example, {BEN}, {CEM}",
    "B10-spelt-out": f"To: anna (at) family-mail.example, {BEN}, {CEM}",
    "B11-folded": f"To: {ANNA},\r\n   \r\n {BEN},\r\n\t{CEM}",
    "B11-fold-inside": f"To: anna@\r\n family-mail.example, ben\r\n @family-mail.example, {CEM}",
    "B11-folded-spelling": f"To: anna (\r\n at) family-mail.example, {BEN}, {CEM}",
    "B12-x500": f"To: Doe, J </O=ORG/OU=EU/CN=RECIPIENTS/CN=JDOE>, {ANNA}, {BEN}, {CEM}",
}


@pytest.mark.parametrize("line", TRICKS.values(), ids=TRICKS)
def test_no_trick_hides_an_address(line: str) -> None:
    assert shown(line) == {ANNA, BEN, CEM}


@pytest.mark.parametrize("line", TRICKS.values(), ids=TRICKS)
def test_no_trick_hides_an_address_in_a_field_nobody_knows(line: str) -> None:
    assert shown(line.replace("To:", "X-Clients:")) == {ANNA, BEN, CEM}


def test_an_empty_group_and_no_address_show_nobody() -> None:
    assert shown("To: undisclosed-recipients:;") == set()
    assert shown("To: All staff") == set()


# --- what parsers see differently ------------------------------------------------------------------------------------

TWO = f"{ANNA}, {BEN}".encode()
DIFFERENTIALS = {
    "space-before-colon": (b"To : " + TWO, None),
    "tab-before-colon": (b"To\t: " + TWO, None),
    "nul-in-name": (b"T\x00o: " + TWO, Damage.NOT_A_FIELD),
    "cyrillic-name": ("Тo: ".encode() + TWO, Damage.NOT_A_FIELD),
    "byte-order-mark": (b"\xef\xbb\xbfTo: " + TWO, Damage.NOT_A_FIELD),
    "line-that-is-no-field": (b"Dear all\r\nTo: " + TWO, Damage.NOT_A_FIELD),
    "mbox-line": (b"From clerk Sat Nov 22\r\nTo: " + TWO, Damage.NOT_A_FIELD),
    "colon-in-the-next-line": (b"To\r\n : " + TWO, Damage.NOT_A_FIELD),
    "bare-cr": (b"Subject: s\r\rTo: " + TWO, Damage.CONTROL_CHARACTER),
    "bare-lf": (b"Subject: s\nTo: " + TWO, Damage.CONTROL_CHARACTER),
    "nul": (b"Subject: s\x00To: " + TWO, Damage.CONTROL_CHARACTER),
    "vertical-tab": (b"Subject: s\x0bTo: " + TWO, Damage.CONTROL_CHARACTER),
    "form-feed": (b"Subject: s\x0cTo: " + TWO, Damage.CONTROL_CHARACTER),
    "file-separator": (b"Subject: s\x1cTo: " + TWO, Damage.CONTROL_CHARACTER),
    "next-line": (b"Subject: s\xc2\x85To: " + TWO, Damage.CONTROL_CHARACTER),
    "line-separator": (b"Subject: s\xe2\x80\xa8To: " + TWO, Damage.CONTROL_CHARACTER),
    "encoded-line-break": (b"Subject: =?utf-8?q?s=0D=0ATo:_?=" + TWO, Damage.ENCODED_LINE_BREAK),
    "white-space-line": (b"Subject: s\r\n \r\nTo: " + TWO, None),
    "unknown-charset": (b"To: =?no-such-set?q?anna=40family-mail.example?=, " + TWO, Damage.UNKNOWN_CHARSET),
    "broken-encoded-word": (b"To: =?utf-8?q?anna=40family-mail.example, " + TWO, Damage.UNKNOWN_CHARSET),
    "text-before-more-fields": (b"Subject: s\r\nDear all,\r\nhello\r\nTo: " + TWO, Damage.NOT_A_FIELD),
    "overlong-line": (b"To: " + b"x" * 70000 + b", " + TWO, None),
}


@pytest.mark.parametrize(("line", "damage"), DIFFERENTIALS.values(), ids=DIFFERENTIALS)
def test_where_parsers_differ_the_addresses_are_seen_and_doubt_is_damage(line: bytes, damage: Damage | None) -> None:
    facts = build.facts(build.mail(line, to=TO))
    assert facts.visible_outsiders >= {ANNA, BEN}
    assert (damage in facts.damage) if damage else not facts.damage


def test_a_header_behind_a_blank_line_is_damage() -> None:
    given = build.mail(to=TO)
    content = b"To: " + TWO + b"\r\n\r\nHello\r\n"
    facts = build.facts(build.submission(*TO, raw=Message(b"", b"\r\n", Body(content))))
    assert facts.damage == (Damage.NO_HEADER,)
    plain = build.facts(build.submission(*TO, raw=Message(b"", b"\r\n", Body(b"Hello\r\n"))))
    assert plain.damage == ()
    assert build.facts(given).damage == ()


def test_a_header_beyond_the_limit_is_damage_and_keeps_its_octets() -> None:
    given = build.mail(b"To: " + TWO, b"X-Fill: " + b"y" * 500, to=TO)
    size = len(given.message.header)
    assert build.facts(given, header_bytes=size).damage == ()
    for header_bytes in (size - 1, 100, 1):
        facts = build.facts(given, header_bytes=header_bytes)
        assert facts.damage == (Damage.HEADER_TOO_LARGE,)
        assert b"".join(field.raw for field in facts.fields) == given.message.header


def test_the_author_is_known_also_behind_the_limit() -> None:
    given = build.mail(b"Resent-Sender:\r\n otto@club.example", to=TO, author=b"X-Fill: y\r\nFrom : vera@club.example")
    for header_bytes in range(1, len(given.message.header)):
        assert build.facts(given, header_bytes=header_bytes).author_keys == {"vera@club.example", "otto@club.example"}


def test_too_many_authors_behind_the_limit_are_nobody_s_own() -> None:
    given = build.mail(*[b"From: clerk@council.example"] * 1001, to=TO)
    assert build.facts(given, header_bytes=9).author_keys == {""}


def test_a_field_across_the_limit_is_read_as_far_as_it_goes() -> None:
    given = build.mail(b"To: " + TWO + b", " * 1000 + b"zoe@club.example", to=TO)
    assert build.facts(given, header_bytes=200).visible_outsiders == {ANNA, BEN}


# --- the other facts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "encrypted", "unreadable"),
    [
        (b'multipart/encrypted; protocol="application/pgp-encrypted"', True, True),
        (b"Multipart/Encrypted", True, True),
        (b"application/pkcs7-mime; smime-type=enveloped-data", True, True),
        (b"application/x-pkcs7-mime", True, True),
        (b'application/pkcs7-mime; smime-type="signed-data"', False, False),
        (b"message/partial; id=1", False, True),
        (b"message/external-body", False, True),
        (b"multipart/signed", False, False),
        (b"text/plain", False, False),
        (b" (a comment) text/plain", False, False),
        (b"text/plain\r\nContent-Type: multipart/encrypted", True, True),
    ],
)
def test_what_the_body_closes_is_a_fact(content_type: bytes, encrypted: bool, unreadable: bool) -> None:
    facts = build.facts(build.mail(b"Content-Type: " + content_type, to=TO))
    assert (facts.encrypted, facts.unreadable) == (encrypted, unreadable)


def test_the_plain_facts_are_read() -> None:
    lines = (b"In-Reply-To: <0@x>", b"Received: by a", b"Received: by b", b"Subject: =?utf-8?q?Termine_f=C3=BCr?=")
    facts = build.facts(build.mail(b"X-BCC-Relay: a mark", *lines, to=TO))
    assert (facts.is_reply, facts.received_count, facts.subject) == (True, 2, "Termine für")
    assert (facts.marks, facts.message_id) == ((b"a mark",), b"<1@council.example>")
    assert facts.sender == "clerk@council.example"
    assert not build.facts(build.mail(to=TO)).is_reply


def test_author_keys_are_all_that_the_author_fields_show() -> None:
    given = build.mail(b'Sender: "x@club.example" <clerk@council.example>', b"Resent-From: r@club.example", to=TO)
    assert build.facts(given).author_keys == {"clerk@council.example", "x@club.example", "r@club.example"}


def test_channels_name_the_places() -> None:
    lines = (
        f"To: {ANNA}",
        f"Cc: {BEN}",
        f"Resent-To: {ANNA}",
        f"Reply-To: {BEN}",
        f"X-Any: {ANNA} {BEN}",
        f"Subject: {ANNA} {BEN}",
    )
    channels = build.facts(build.mail(*(line.encode() for line in lines), to=TO)).outsiders_by_channel()
    assert channels == {
        Channel.TO: {ANNA},
        Channel.CC: {BEN},
        Channel.RESENT: {ANNA},
        Channel.REPLY_TO: {BEN},
        Channel.OTHER_HEADER: {ANNA, BEN},
        Channel.SUBJECT: {ANNA, BEN},
    }


def test_beyond_rewriting_are_words_authors_and_registered_fields() -> None:
    lines = (f"To: {CEM}", f"Subject: about {ANNA}", f"Organization: {BEN} {CEM}", f"X-Any: {ANNA} {BEN}")
    facts = build.facts(build.mail(*(line.encode() for line in lines), to=TO))
    assert facts.beyond_rewriting() == {Channel.SUBJECT: {ANNA}, Channel.OTHER_HEADER: {BEN, CEM}}


def test_beyond_rewriting_needs_somebody_else_to_read_it() -> None:
    subject = f"Subject: about {ANNA}".encode()
    assert build.facts(build.mail(subject, to=(ANNA,))).beyond_rewriting() == {}
    assert build.facts(build.mail(subject, to=("d@council.example",))).beyond_rewriting() == {}
    assert build.facts(build.mail(subject, to=(BEN,))).beyond_rewriting() == {Channel.SUBJECT: {ANNA}}


def test_still_shown_is_what_a_recipient_reads_about_another() -> None:
    subject = f"Subject: about {ANNA}".encode()
    assert still_shown(build.facts(build.mail(subject, to=TO)), frozenset(TO)) == {ANNA}
    assert still_shown(build.facts(build.mail(subject, to=(ANNA,))), frozenset(TO)) == set()
    assert still_shown(build.facts(build.mail(subject, to=(BEN,))), frozenset(TO)) == {ANNA}
    assert still_shown(build.facts(build.mail(subject, to=("d@council.example",))), frozenset(TO)) == set()


def test_a_header_of_too_many_fields_is_damage_and_its_rest_is_one_piece() -> None:
    header = build.header("a@mail0.example") + b"a:b\r\n" * MOST_FIELDS
    facts = build.facts(build.submission("a@mail0.example", raw=build.message(header)))
    assert facts.damage == (Damage.HEADER_TOO_LARGE,)
    assert len(facts.fields) == MOST_FIELDS + 1
    assert b"".join(field.raw for field in facts.fields) == header
    just = build.message(b"a:b\r\n" * MOST_FIELDS)
    assert build.facts(build.submission("a@mail0.example", raw=just)).damage == ()


@pytest.mark.parametrize("author", ["boss", "boss@localhost", "", "boss=clerk@council.example"])
def test_an_author_field_never_passes_for_an_address_that_it_does_not_show(author: str) -> None:
    raw = build.message(f"From: {author}\r\n".encode())
    assert not build.facts(build.submission("a@mail0.example", raw=raw)).author_keys <= {"clerk@council.example"}


# --- quoted headers --------------------------------------------------------------------------------------------------

QUOTED = tuple(f"guest{n}@place{n}.example" for n in range(30))


def quoting(author: str, to: tuple[str, ...], people: tuple[str, ...] = QUOTED) -> Facts:
    """An answer to `to` that quotes a mail of `author` to `people`."""
    block = f"Of course.\r\n\r\nFrom: {author}\r\nSent: Monday\r\nTo: {'; '.join(people)}\r\nSubject: Dinner\r\n"
    return build.facts(build.mail(to=to, body=block.encode()))


def test_whoever_wrote_a_quoted_mail_has_seen_whom_it_went_to() -> None:
    assert quoting("host@place.example", ("host@place.example",)).beyond_rewriting() == {}


def test_whoever_received_a_quoted_mail_from_outside_has_seen_the_others() -> None:
    assert quoting("host@place.example", (QUOTED[0], QUOTED[1])).beyond_rewriting() == {}


@pytest.mark.parametrize(
    ("author", "to"),
    [
        ("host@place.example", ("host@place.example", "new@elsewhere.example")),
        ("clerk@council.example", (QUOTED[0],)),
        ("The Host", (QUOTED[0],)),
    ],
    ids=[
        "a newcomer reads it",
        "an own person wrote it, whom the relay may have corrected",
        "nobody knows who wrote it",
    ],
)
def test_a_quoted_header_counts_when_somebody_reads_it_for_the_first_time(author: str, to: tuple[str, ...]) -> None:
    shown = quoting(author, to).beyond_rewriting()
    assert set(QUOTED) - set(to) <= shown[Channel.QUOTED_HEADER]


def test_what_somebody_has_seen_in_one_quoted_header_still_counts_in_another() -> None:
    first = (
        f"From: host@place.example\r\nSent: Monday\r\nTo: {'; '.join(QUOTED[:5])}\r\nSubject: x\r\n\r\nHello\r\n\r\n"
    )
    second = f"From: else@place.example\r\nSent: Monday\r\nTo: {'; '.join(QUOTED[3:])}\r\nSubject: x\r\n"
    facts = build.facts(build.mail(to=("host@place.example",), body=(first + second).encode()))
    assert facts.beyond_rewriting()[Channel.QUOTED_HEADER] == {*QUOTED[3:], "else@place.example"}
