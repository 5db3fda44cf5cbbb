"""Lists and calendars: no fold, escape or encoding hides an address."""

from __future__ import annotations

import base64
import quopri

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcc_relay.core.address import known
from bcc_relay.core.contents.lists import calendar_text, list_text
from bcc_relay.core.contents.text import find_in_text

ANNA, BEN = "anna@x.example", "ben@y.example"
JOERG = "jörg@xn--bcher-kva.example"
NOBODY = known(frozenset())


def found_in_list(octets: bytes, charset: str = "", name: str = "") -> set[str]:
    return find_in_text(list_text(octets, charset, name), NOBODY)


def card(*lines: str, line_end: str = "\r\n") -> bytes:
    return line_end.join(("BEGIN:VCARD", "VERSION:3.0", "FN:Anna", *lines, "END:VCARD", "")).encode()


CARDS = {
    "plain": card(f"EMAIL:{ANNA}"),
    "typed": card(f"EMAIL;TYPE=INTERNET,HOME:{ANNA}"),
    "grouped": card(f"item1.EMAIL;type=pref:{ANNA}"),
    "folded": card("EMAIL;TYPE=WORK:anna@x.exa", " mple"),
    "folded-with-tab": card("EMAIL:an", "\tna@x.example"),
    "folded-with-bare-line-feeds": card("EMAIL:anna@x.exa", " mple", line_end="\n"),
    "quoted-printable": card("EMAIL;ENCODING=QUOTED-PRINTABLE:anna=40x=2Eexample"),
    "quoted-printable-soft-break": card("NOTE;ENCODING=QUOTED-PRINTABLE:write to anna=40x=", "=2Eexample"),
    "base64": card(f"EMAIL;ENCODING=b:{base64.b64encode(ANNA.encode()).decode()}"),
    "base64-version-2": card(f"NOTE;ENCODING=BASE64:{base64.b64encode(f'Write to {ANNA}'.encode()).decode()}"),
    "escaped": card(f"NOTE:Anna\\, Ben\\n{ANNA}\\;"),
    "no-name-of-card": b"\xef\xbb\xbf\r\n" + card(f"EMAIL:{ANNA}"),
    "utf-16": card("EMAIL;TYPE=WORK:anna@x.exa", " mple").decode().encode("utf-16"),
}


@pytest.mark.parametrize("octets", CARDS.values(), ids=CARDS)
def test_an_address_of_a_card_is_found(octets: bytes) -> None:
    assert ANNA in found_in_list(octets, name="people.vcf")


def test_many_cards_of_one_file_are_all_read() -> None:
    keys = {f"name{i}@mail.example" for i in range(100)}
    assert found_in_list(b"".join(card(f"EMAIL:{key}") for key in sorted(keys)), name="contacts") == keys


def test_a_fold_within_a_character_is_undone() -> None:
    octets = card("EMAIL:jörg@bücher.example").replace("ö".encode(), b"\xc3\r\n \xb6")
    assert found_in_list(octets, "utf-8", "a.vcf") == {JOERG}


LDIF = {
    "plain": f"dn: cn=Anna\nmail: {ANNA}\n",
    "folded": "version: 1\ndn: cn=Anna\nmail: anna@x.exa\n mple\n",
    "base64": f"dn: cn=Anna\nmail:: {base64.b64encode(ANNA.encode()).decode()}\n",
    "base64-folded": "dn: cn=Anna\nmail:: YW5uYUB4\n LmV4YW1wbGU=\n",
    "base64-name": f"dn:: {base64.b64encode(f'cn=Anna,mail={ANNA}'.encode()).decode()}\nmail: {BEN}\n",
    "with-option": f"dn: cn=Anna\r\nmail;lang-en:: {base64.b64encode(ANNA.encode()).decode()}\r\n",
    "comment": f"# {ANNA}\ndn: cn=Anna\n",
}


@pytest.mark.parametrize("name", ["people.ldif", "PEOPLE.LDIF", "people.txt"])
@pytest.mark.parametrize("text", LDIF.values(), ids=LDIF)
def test_an_address_of_a_directory_is_found(text: str, name: str) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert ANNA in found_in_list(text.encode(encoding), name=name)


ROWS = [("Name", "Mail"), ("Adams, Anna", ANNA), ("Jörg", "jörg@bücher.example"), ("Ben", BEN)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|", '","'])
def test_addresses_of_a_table_are_found_in_every_encoding(separator: str, encoding: str) -> None:
    octets = "\r\n".join(separator.join(row) for row in ROWS).encode(encoding)
    for charset in ("", "utf-8", encoding):
        assert {ANNA, BEN, JOERG} <= found_in_list(octets, charset, "people.csv")


@given(
    st.binary(max_size=300),
    st.sampled_from(["", "utf-8", "utf-16", "x"]),
    st.sampled_from(["", "a.vcf", "a.ldif", "a.csv"]),
)
def test_reading_a_list_never_raises(octets: bytes, charset: str, name: str) -> None:
    for begin in (b"", b"BEGIN:VCARD\r\n", b"dn: x\n"):
        list_text(begin + octets, charset, name).encode("utf-8")


@given(st.binary(max_size=60), st.sampled_from(["", "a.vcf", "a.ldif", "a.csv"]))
def test_an_address_on_a_line_of_its_own_is_found_in_whatever_stands_around(around: bytes, name: str) -> None:
    octets = around + b"\r\nmail: anna@x.example\r\nx: " + around
    assert ANNA in find_in_text(list_text(octets, "utf-8", name), known(frozenset({ANNA})))


@given(st.lists(st.emails(), max_size=5), st.integers(1, 30))
def test_quoted_printable_and_folds_of_any_width_hide_nothing(addresses: list[str], width: int) -> None:
    value = ", ".join(addresses)
    plain = f"NOTE:{value}".encode()
    folded = b"\r\n ".join(plain[at : at + width] for at in range(0, len(plain), width))
    quoted = b"NOTE;ENCODING=QUOTED-PRINTABLE:" + quopri.encodestring(value.encode())
    for octets in (folded, quoted):
        assert found_in_list(b"BEGIN:VCARD\r\n" + octets + b"\r\nEND:VCARD\r\n") >= find_in_text(value, NOBODY)


# --- calendars -------------------------------------------------------------------------------------------------------

INVITATIONS = {
    "attendee": f"ATTENDEE;CN=Anna;RSVP=TRUE:mailto:{ANNA}",
    "attendee-upper-case": f"ATTENDEE:MAILTO:{ANNA}",
    "attendee-percent": "ATTENDEE:mailto:anna%40x.example",
    "folded": "ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=\r\n TRUE:mailto:anna@x.exa\r\n mple",
    "folded-at-the-sign": "ATTENDEE:mailto:anna\r\n @x.example",
    "folded-behind-the-sign": "ATTENDEE:mailto:anna@\r\n x.example",
    "folded-with-tab-and-line-feed": "ATTENDEE:mailto:an\n\tna@x.example",
    "indented": f"SUMMARY:x\r\n ATTENDEE:mailto:{ANNA}\r\n ATTENDEE:mailto:{BEN}",
    "email": f"ATTENDEE;EMAIL={ANNA}:invalid:nomail",
    "email-quoted": f'ATTENDEE;EMAIL="{ANNA}";CN=x:invalid:nomail',
    "common-name": f'ATTENDEE;CN="{ANNA}":invalid:nomail',
    "common-name-caret": f"ATTENDEE;CN=^'{ANNA}^':invalid:nomail",
    "member": f'ATTENDEE;MEMBER="mailto:{ANNA}","mailto:{BEN}":mailto:list@x.example',
    "delegated": f'ATTENDEE;DELEGATED-FROM="mailto:{ANNA}":mailto:{BEN}',
    "sent-by": f'ORGANIZER;SENT-BY="mailto:{ANNA}":mailto:{BEN}',
    "organizer": f"ORGANIZER:mailto:{ANNA}",
    "contact": f"CONTACT:Anna\\, {ANNA}",
    "comment": f"COMMENT:Invited:\\n{ANNA}\\n{BEN}",
    "description": f"DESCRIPTION:Bring cake\\;\\n{ANNA}\\, {BEN}",
    "private": f"X-MS-OLK-SENDER;CN=Anna:mailto:{ANNA}",
    "private-parameter": f"X-PEOPLE;X-MAIL={ANNA}:x",
    "html": "X-ALT-DESC;FMTTYPE=text/html:<p>an&shy;na&#64;x.example</p>",
    "html-link": f'X-ALT-DESC;FMTTYPE=text/html:<a href="mailto:{BEN}?cc={ANNA}">x</a>',
    "location": f"LOCATION:{ANNA}",
    "attachment": f"ATTACH:mailto:{ANNA}",
}  # fmt: skip


@pytest.mark.parametrize("lines", INVITATIONS.values(), ids=INVITATIONS)
def test_an_address_of_an_invitation_is_found(lines: str) -> None:
    text = f"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n{lines}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    found = find_in_text(calendar_text(text), NOBODY)
    assert ANNA in found
    assert found <= {ANNA, BEN, "list@x.example"}


def test_a_character_torn_by_a_fold_is_mended() -> None:
    octets = "ATTENDEE:mailto:jörg@bücher.example".encode().replace("ü".encode(), b"\xc3\r\n \xbc")
    text = octets.decode("latin-1")
    assert find_in_text(calendar_text(text), NOBODY) == {JOERG}


def test_text_that_is_whole_is_not_mended() -> None:
    assert calendar_text("SUMMARY:Grüße – «déjà vu»") == "SUMMARY:Grüße – «déjà vu»"


@given(st.lists(st.emails(), min_size=1, max_size=8), st.integers(10, 75), st.sampled_from(["\r\n ", "\r\n\t", "\n "]))
def test_folds_of_any_width_hide_no_attendee(addresses: list[str], width: int, fold: str) -> None:
    lines = [f"ATTENDEE;CN={i};ROLE=REQ-PARTICIPANT:mailto:{address}" for i, address in enumerate(addresses)]
    text = "\r\n".join(fold.join(line[at : at + width] for at in range(0, len(line), width)) for line in lines)
    expected = {key for line in lines for key in find_in_text(line, NOBODY)}
    assert find_in_text(calendar_text(text), NOBODY) >= expected


@given(st.text(max_size=300))
def test_reading_a_calendar_never_raises(text: str) -> None:
    calendar_text(text)
    calendar_text("X-ALT-DESC:" + text)


@pytest.mark.parametrize(
    "unit",
    ["\r\n ", "\n", "\\", "^", ";A=", "A:", "mail:: YQ==\n", ":", "=\n", "=40", ";B:", ";ENCODING=B", "\u00c3", "X-ALT-DESC:<\n", "|", " "],
)  # fmt: skip
def test_hostile_lists_are_read_in_time_that_grows_with_their_size(unit: str) -> None:
    """A reader that took the square of the size would not come to an end here."""
    text = unit * (300_000 // len(unit))
    calendar_text(text)
    for name in ("a.vcf", "a.ldif", "a.csv"):
        list_text(b"ENCODING=QUOTED-PRINTABLE\n" + text.encode(), "", name)
