"""Each detector answers one question; what it says is for people, and names no address."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcc_relay.core.contents.found import NOTHING, Contents
from bcc_relay.core.damage import Closed, Damage
from bcc_relay.core.detectors import DETECTORS, detect
from bcc_relay.core.detectors.closed_part import WHY
from bcc_relay.core.detectors.damaged import SENTENCES
from bcc_relay.core.history import NO_HISTORY, History
from bcc_relay.core.model import Channel, Finding, Submission
from bcc_relay.core.places import PLACES
from tests import build

ANNA, BEN, CEM = "anna@family-mail.example", "ben@family-mail.example", "cem@gov.example"
DORA = "dora@firm.example"
TO = (ANNA, BEN, CEM)
PAGES = Path(__file__).parents[2] / "docs" / "detectors"


def found(*lines: str, to: tuple[str, ...] = TO, **fields: object) -> list[tuple[str, Channel, int, bool]]:
    given = build.mail(*(line.encode() for line in lines), to=to, **fields)
    return [
        (one.detector, one.channel, one.addresses, one.rewritable) for one in detect(build.facts(given), NO_HISTORY)
    ]


def asked(
    detector: str, given: Submission, *, contents: Contents = NOTHING, history: History = NO_HISTORY
) -> list[tuple[Channel, int, bool, str]]:
    """What one detector says."""
    findings = DETECTORS[detector](build.facts(given, contents=contents), history)
    return [(one.channel, one.addresses, one.rewritable, one.sentence) for one in findings]


def mail(*lines: str, to: tuple[str, ...] = TO) -> Submission:
    return build.mail(*(line.encode() for line in lines), to=to)


def shows(channel: Channel, *people: str) -> Contents:
    return Contents(shown=((channel, frozenset(people)),))


def people(count: int, *, personal: int = 0, domains: int = 1) -> tuple[str, ...]:
    """Outsiders in no order, so many of them at a provider of personal mail, the others in so many domains."""
    names = [f"{n * 7 % 10}{n}" for n in range(count)]
    at = [build.PERSONAL if n < personal else f"firm{n % domains}.example" for n in range(count)]
    return tuple(f"person{name}@{domain}" for name, domain in zip(names, at, strict=True))


def to(addresses: tuple[str, ...], *, form: str = "Name {n} <{a}>", mark: str = ", ", field: str = "To") -> Submission:
    line = mark.join(form.format(n=n * 7 % 10, a=address) for n, address in enumerate(addresses))
    return mail(f"{field}: {line}", to=addresses)


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


IN_BODY = [channel for channel in Channel if channel not in list(Channel)[:7]]


@pytest.mark.parametrize("channel", IN_BODY)
def test_shown_in_body_names_the_place(channel: Channel) -> None:
    said = f"2 outside addresses stand in {PLACES[channel]}."
    assert asked("shown_in_body", mail(), contents=shows(channel, ANNA, DORA)) == [(channel, 2, False, said)]


def test_shown_in_body_reports_each_place_by_itself_and_in_one_order() -> None:
    contents = Contents(shown=((Channel.BODY, frozenset({ANNA})), (Channel.CALENDAR, frozenset({ANNA, BEN}))))
    assert [row[:2] for row in asked("shown_in_body", mail(), contents=contents)] == [
        (Channel.CALENDAR, 2),
        (Channel.BODY, 1),
    ]


@pytest.mark.parametrize(
    ("to_", "keys"),
    [
        ((ANNA,), (ANNA,)),
        (("d@council.example",), (ANNA, BEN, CEM)),
        ((ANNA, BEN), ("clerk@council.example", "d@council.example", "x@partner.example")),
        ((ANNA, BEN), (DORA,)),
    ],
    ids=["to-herself", "to-own-people", "own-and-partners", "one-who-does-not-receive-it"],
)
def test_shown_in_body_is_silent_where_nobody_reads_about_another(to_: tuple[str, ...], keys: tuple[str, ...]) -> None:
    assert asked("shown_in_body", mail(to=to_), contents=shows(Channel.BODY, *keys)) == []


@pytest.mark.parametrize(
    ("to_", "keys"), [((ANNA, BEN), (ANNA,)), ((ANNA,), (DORA, CEM))], ids=["a-recipient", "two-others"]
)
def test_shown_in_body_speaks_up_from_one_recipient_or_two_others(to_: tuple[str, ...], keys: tuple[str, ...]) -> None:
    assert len(asked("shown_in_body", mail(to=to_), contents=shows(Channel.BODY, *keys))) == 1


@pytest.mark.parametrize(
    ("to_", "keys", "expected"),
    [
        ((ANNA,), 1, False),
        ((ANNA,), 2, False),
        ((ANNA,), 3, True),
        ((ANNA, BEN, CEM), 4, True),
        ((ANNA, "d@council.example"), 3, False),
        ((ANNA, "clerk@council.example"), 3, True),
        (("d@council.example", "e@council.example", "x@partner.example"), 9, False),
    ],
)
def test_named_keys_allows_the_recipient_the_sender_and_people_inside(
    to_: tuple[str, ...], keys: int, expected: bool
) -> None:
    said = f"The encryption names the keys of {keys} people, so each of them can tell who else it was sent to."
    row = [(Channel.BODY, keys, False, said)]
    assert asked("named_keys", mail(to=to_), contents=Contents(named_keys=keys)) == (row if expected else [])


@pytest.mark.parametrize("reason", Closed)
def test_closed_part_says_why(reason: Closed) -> None:
    said = f"A part of the message could not be looked into: {WHY[reason]}."
    contents = Contents(closed=frozenset({reason}))
    assert asked("closed_part", mail(), contents=contents) == [(Channel.BODY, 0, False, said)]


def test_closed_part_reports_each_reason_once() -> None:
    given = mail("Content-Type: message/partial")
    contents = Contents(closed=frozenset({Closed.PARTIAL, Closed.BROKEN}))
    assert len(asked("closed_part", given, contents=contents)) == 2
    assert found("Content-Type: multipart/encrypted") == [("closed_part", Channel.BODY, 0, False)]


def test_damaged_reports_each_kind_of_damage() -> None:
    kinds = found("Subject: s\x0b", "no field", "To: =?no-such-set?q?a?=")
    assert kinds == [("damaged", Channel.OTHER_HEADER, 0, False)] * 3


def test_damage_below_the_header_says_where_it_is() -> None:
    contents = Contents(damage=frozenset({Damage.AMBIGUOUS_MIME, Damage.BROKEN_OUTLOOK_ITEM}))
    assert [row[0] for row in asked("damaged", mail(), contents=contents)] == [Channel.BODY, Channel.TNEF]


def test_every_damage_every_reason_and_every_place_has_its_words() -> None:
    assert set(SENTENCES) == set(Damage)
    assert set(WHY) == set(Closed)
    assert set(PLACES) == set(Channel)


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        ("d=club.example; h=From:To", True),
        ("d=club.example; h=From:Cc", True),
        ("d=club.example; h=From:Date", False),
        ("d=club.example; h=X-Any", True),
        ("d=club.example", True),
        ("d=council.example; h=To", False),
    ],
)
def test_foreign_signature_stands_in_the_way_of_a_rewrite(signature: str, expected: bool) -> None:
    given = mail(f"DKIM-Signature: {signature}", f"To: {ANNA}", f"Cc: {BEN}", f"X-Any: {ANNA} {BEN}")
    assert bool(asked("foreign_signature", given)) is expected


def test_foreign_signature_is_silent_where_nothing_has_to_be_hidden() -> None:
    assert asked("foreign_signature", mail("DKIM-Signature: d=club.example; h=To", f"To: {ANNA}", to=(ANNA,))) == []


# --- what kind of circle it is ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (3, "These 3 people have never seen each other's addresses."),
        (2, "2 of these 3 people have never seen an address of the others."),
        (1, None),
        (0, None),
    ],
)
def test_strangers_counts_those_who_see_each_other_first(new: int, said: str | None) -> None:
    given = mail(f"To: {ANNA}", f"Cc: {BEN}, {CEM}")
    rows = asked("strangers", given, history=History(strangers=new))
    assert rows == ([(Channel.CC, new, True, said)] if said else [])
    assert asked("strangers", mail(), history=History(strangers=new)) == []


@pytest.mark.parametrize(
    ("gained", "said"),
    [
        (None, None),
        (0, None),
        (1, "This answer brings in 1 person outside who was not part of the conversation before."),
        (3, "This answer brings in 3 people outside who were not part of the conversation before."),
    ],
)
def test_gained_outsiders_counts_who_is_new_in_a_known_thread(gained: int | None, said: str | None) -> None:
    given = mail("Subject: Re: x", "References: <1@x.example>", f"To: {ANNA}, {BEN}")
    rows = asked("gained_outsiders", given, history=History(gained=gained))
    assert rows == ([(Channel.TO, gained, True, said)] if said else [])


def test_gained_outsiders_leaves_forwards_and_what_shows_nobody_alone() -> None:
    forward = mail("Subject: Fw: x", "References: <1@x.example>", f"To: {ANNA}, {BEN}")
    assert asked("gained_outsiders", forward, history=History(gained=2)) == []
    assert asked("gained_outsiders", mail("References: <1@x.example>"), history=History(gained=2)) == []


QUOTED = shows(Channel.QUOTED_HEADER, ANNA, BEN)
FORWARDS = [
    ("by-its-subject", ("Subject: WG: x", "References: <1@x.example>"), (DORA,), QUOTED, 1),
    ("by-what-it-carries", ("Subject: x",), (DORA, CEM), QUOTED, 2),
    ("attached", (), (ANNA, DORA), shows(Channel.ATTACHED_MESSAGE, ANNA, BEN), 1),
]
NO_FORWARDS = [
    ("an-answer", ("Subject: Re: x", "References: <1@x.example>"), (DORA,), QUOTED),
    ("to-those-who-had-it", ("Subject: Fw: x",), (ANNA, BEN), QUOTED),
    ("to-own-people", ("Subject: Fw: x",), ("d@council.example",), QUOTED),
    ("of-a-message-from-one-person", ("Subject: Fw: x",), (DORA,), shows(Channel.QUOTED_HEADER, ANNA)),
    ("of-nothing", ("Subject: Fw: x",), (DORA,), NOTHING),
    ("of-a-text", ("Subject: Fw: x",), (DORA,), shows(Channel.BODY, ANNA, BEN)),
]


@pytest.mark.parametrize(("lines", "to_", "contents", "new"), [row[1:] for row in FORWARDS], ids=lambda _: None)
def test_forwarded_as_new_finds_a_forward_to_people_who_did_not_have_it(
    lines: tuple[str, ...], to_: tuple[str, ...], contents: Contents, new: int
) -> None:
    who = f"{new} outside recipients who do" if new > 1 else "1 outside recipient who does"
    said = f"A forwarded message shows 2 outside addresses to {who} not stand in it."
    channel = contents.shown[0][0]
    assert asked("forwarded_as_new", mail(*lines, to=to_), contents=contents) == [(channel, 2, False, said)]


@pytest.mark.parametrize(
    ("lines", "to_", "contents"), [row[1:] for row in NO_FORWARDS], ids=[row[0] for row in NO_FORWARDS]
)
def test_forwarded_as_new_is_silent_otherwise(lines: tuple[str, ...], to_: tuple[str, ...], contents: Contents) -> None:
    assert asked("forwarded_as_new", mail(*lines, to=to_), contents=contents) == []


@pytest.mark.parametrize(("personal", "count", "expected"), [(5, 10, True), (4, 10, False), (9, 9, False)])
def test_mostly_personal_begins_at_ten_visible_half_of_them_personal(personal: int, count: int, expected: bool) -> None:
    said = f"{personal} of the {count} visible outside addresses are at providers of personal mail."
    rows = asked("mostly_personal", to(people(count, personal=personal)))
    assert rows == ([(Channel.TO, personal, True, said)] if expected else [])


@pytest.mark.parametrize(("domains", "count", "expected"), [(5, 10, True), (4, 10, False), (9, 9, False)])
def test_many_domains_begins_at_ten_visible_in_five_domains(domains: int, count: int, expected: bool) -> None:
    said = f"The {count} visible outside addresses are in {domains} mail domains."
    rows = asked("many_domains", to(people(count, domains=domains)))
    assert rows == ([(Channel.TO, count, True, said)] if expected else [])


TEN = people(10)
LISTS = [
    ("by-name", to(TEN), None),
    ("nine", to(TEN[:9], form="{a}"), None),
    ("nameless", to(TEN, form="{a}"), "without any names"),
    ("in-angle-brackets", to(TEN, form="<{a}>"), "without any names"),
    ("named-like-the-address", to(TEN, form='"{a}" <{a}>'), "without any names"),
    ("sorted-by-address", to(tuple(sorted(TEN)), form="{a}"), "in alphabetical order and without any names"),
    ("semicolons", to(TEN, mark="; "), "parted by semicolons"),
    ("everything", to(tuple(sorted(TEN)), form="{a}", mark=";"), "in alphabetical order, without any names and parted"),
    ("commas-within-names", to(TEN, form='"Name {n}, x; y" <{a}>'), None),
    ("folded", to(TEN, form="{a}", mark=",\r\n "), "without any names"),
    ("a-quote-without-an-end", mail('To: "' + ", ".join(TEN), to=TEN), "without any names"),
    ("cc", to(TEN, form="{a}", field="Cc"), "The addresses in the Cc field stand without any names"),
]


@pytest.mark.parametrize(("given", "words"), [row[1:] for row in LISTS], ids=[row[0] for row in LISTS])
def test_pasted_list_says_what_it_looks_like(given: Submission, words: str | None) -> None:
    rows = asked("pasted_list", given)
    assert len(rows) == (words is not None)
    for channel, addresses, rewritable, sentence in rows:
        assert channel in (Channel.TO, Channel.CC)
        assert (addresses, rewritable) == (10, True)
        assert words in sentence


def test_a_list_that_is_sorted_by_name_is_seen() -> None:
    entries = [f"Name {chr(97 + n)} <{address}>" for n, address in enumerate(TEN)]
    (row,) = asked("pasted_list", mail(f"To: {', '.join(entries)}", to=TEN))
    assert row[3] == "The addresses in the To field stand in alphabetical order, as in a list that was pasted."


def test_a_list_without_ten_outsiders_is_nobody_s_business() -> None:
    own = tuple(f"{n}@council.example" for n in range(10))
    assert asked("pasted_list", mail(f"To: {', '.join((*own, *TEN[:9]))}", to=TEN)) == []


# --- all of them -----------------------------------------------------------------------------------------------------

LOUD = build.mail(
    b"To: " + ";".join(sorted(people(12, personal=6, domains=6))).encode(),
    f"Subject: {ANNA} {BEN}".encode(),
    b"DKIM-Signature: d=club.example",
    b"no field",
    to=people(12, personal=6, domains=6),
)
LOUD_CONTENTS = replace(QUOTED, closed=frozenset({Closed.ENCRYPTED}), named_keys=12)
LOUD_HISTORY = History(strangers=12, gained=3)


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_signs_with_its_own_name_and_says_one_sentence_without_an_address(name: str) -> None:
    findings = DETECTORS[name](build.facts(LOUD, contents=LOUD_CONTENTS), LOUD_HISTORY)
    assert findings
    for finding in findings:
        assert isinstance(finding, Finding)
        assert finding.detector == name
        assert "@" not in finding.sentence
        assert finding.sentence[0].isupper() or finding.sentence[0].isdigit()
        assert finding.sentence.endswith(".")
        assert finding.sentence.count(". ") == 0
        assert len(finding.sentence) <= 140


def test_what_is_shown_comes_first_and_what_kind_of_circle_it_is_last() -> None:
    names = [one.detector for one in detect(build.facts(LOUD, contents=LOUD_CONTENTS), LOUD_HISTORY)]
    assert list(dict.fromkeys(names)) == list(DETECTORS)
    assert names[0] == "many_visible"
    circle = ["strangers", "gained_outsiders", "mostly_personal", "many_domains", "pasted_list"]
    assert names[-len(circle) :] == circle


def test_one_address_and_several_are_counted_in_words() -> None:
    one, two = (
        detect(build.facts(build.mail(f"To: {to}".encode(), to=TO)), NO_HISTORY)[0].sentence
        for to in (ANNA, f"{ANNA}, {BEN}")
    )
    assert (one, two) == ("1 outside address stands in the To field.", "2 outside addresses stand in the To field.")


@given(
    st.lists(
        st.sampled_from([*TEN, '"', "<", ">", ",", ";", "(", "\\", " ", "\r\n ", "=?utf-8?q?", "Anna", "é"]),
        max_size=60,
    ),
    st.builds(History, gained=st.integers(0, 3), strangers=st.integers(0, 12)),
)
def test_no_header_makes_a_detector_fail_or_name_an_address(pieces: list[str], history: History) -> None:
    octets = f"To: {', '.join(TEN)}, {' '.join(pieces)}".encode()
    facts = build.facts(build.mail(octets, b"Cc: " + "".join(pieces).encode(), to=TEN), contents=LOUD_CONTENTS)
    for finding in detect(facts, history):
        assert "@" not in finding.sentence
        assert finding.addresses >= 0


@pytest.mark.parametrize("name", DETECTORS)
def test_each_detector_has_a_page_that_says_what_it_asks_what_it_misses_and_how_a_rule_uses_it(name: str) -> None:
    page = (PAGES / f"{name}.md").read_text("utf-8")
    assert page.startswith(f"# `{name}`\n")
    for heading in ("## What it asks", "## An example", "## What it cannot see", "## In a rule"):
        assert f"\n{heading}\n" in page
    assert f"finding: {name}" in page


def test_there_is_no_page_for_a_detector_that_does_not_exist() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} - {"README"} == set(DETECTORS)
