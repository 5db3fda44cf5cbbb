"""What fuzzing found once: addresses that a reader sees, and the search did not."""

from __future__ import annotations

import base64
from itertools import product

import pytest

from bcc_relay.core.address import find_addresses, known, parse_mailbox
from bcc_relay.core.contents.lists import list_text
from bcc_relay.core.contents.text import find_in_text
from bcc_relay.core.header import decode_words, text_of
from bcc_relay.core.judge import judge
from bcc_relay.core.policy.rule import Policy
from tests import build

ANNA = "anna@mail0.example"


@pytest.mark.parametrize(
    "text",
    [
        "anna@उदाहरण.भारत",  # a vowel sign is no letter
        "a@x.இந்தியா",
        "anna@ตัวอย่าง.ไทย",
        "clerk@bücher",  # no dot, and no ASCII
        "用户@例え.テスト",
        "a@x.vermögensberatung",
    ],
)
def test_an_address_of_another_script_is_found_as_the_envelope_gave_it(text: str) -> None:
    address = build.mailbox(text)
    names = known(frozenset({address.key}))
    for written in (text, f"<{text}>", f"Anna <{text}>, ben@x.example", address.key):
        assert address.key in find_addresses(written, names)
        assert address.key in find_in_text(f"Dear {written},\r\n", names)


@pytest.mark.parametrize("text", ['"a  b"@club.example', '"a b"@club.example', '"a\\"b"@club.example'])
def test_an_address_with_a_quoted_local_part_is_found_as_the_envelope_gave_it(text: str) -> None:
    names = known(frozenset({build.mailbox(text).key}))
    for written in (text, f"<{text}>", f"Anna <{text}>, ben@x.example"):
        assert find_addresses(written, names) >= names.keys


@pytest.mark.parametrize("text", ["anna@उदाहरण.भारत", "a@x.இந்தியா", "a@пример.рф", "a@x.vermögensberatung"])
def test_an_address_of_another_script_counts_though_nobody_knows_it(text: str) -> None:
    address = parse_mailbox(text.encode(), smtputf8=True)
    assert address is not None
    assert find_addresses(f"Somebody <{text}>") == {address.key}


@pytest.mark.parametrize("behind", ["✅", "😀", "→ben", "©", "।", "·", "،", "です", "、", "’s", "→ben@mail1.example"])
def test_a_sign_or_another_script_behind_an_address_does_not_hide_it(behind: str) -> None:
    for names in (known(frozenset({ANNA})), known(frozenset())):
        assert ANNA in find_addresses(ANNA + behind, names)
        assert ANNA in find_in_text(f"Dear {ANNA}{behind}\r\n", names)


@pytest.mark.parametrize("before", ["✉", "📧", "→", "メールは", "«", "почта:", "、"])
def test_a_sign_or_another_script_before_a_known_address_does_not_hide_it(before: str) -> None:
    names = known(frozenset({ANNA}))
    assert ANNA in find_addresses(before + ANNA, names)
    assert ANNA in find_in_text(f"Dear {before}{ANNA}\r\n", names)


@pytest.mark.parametrize(
    ("wrong", "at"), [*product(["\xff", "é", " ", "\x7f", "*"], range(24)), *product("=", [0, 1, 4, 5, 8, 9])]
)
def test_an_octet_that_is_no_base64_does_not_hide_what_is_encoded(wrong: str, at: int) -> None:
    content = base64.b64encode(f"For {ANNA} and all".encode()).decode()
    word = f"=?utf-8?b?{content[:at]}{wrong}{content[at:]}?="
    assert ANNA in find_addresses(decode_words(text_of(word.encode("latin-1"))).text)


def test_a_subject_in_broken_base64_that_shows_recipients_is_not_left_in_a_rewritten_header() -> None:
    people = build.families(12)
    content = base64.b64encode(", ".join(people).encode())
    broken = b"Subject: =?utf-8?b?" + content[:20] + b"\xff" + content[20:] + b"?="
    given = build.mail(b"To: " + ", ".join(people).encode(), broken, to=people)
    assert judge(given, Policy(), build.leaving()).judgement.verdict == "hold"


@pytest.mark.parametrize("at", range(12))
@pytest.mark.parametrize(
    ("name", "line"), [("list.ldif", "dn: cn=a\r\nmail:: {}\r\n"), ("a.vcf", "BEGIN:VCARD\r\nEMAIL;ENCODING=B:{}\r\n")]
)
def test_padding_within_a_value_of_a_list_raises_nothing_and_hides_nobody_else(name: str, line: str, at: int) -> None:
    content = base64.b64encode(b"ben@mail1.example").decode()
    text = list_text((line.format(content[:at] + "=" + content[at:]) + f"mail: {ANNA}\r\n").encode(), "", name)
    assert {ANNA, "ben@mail1.example"} <= find_in_text(text, known(frozenset()))


def test_a_letter_that_only_looks_like_one_of_base64_raises_nothing() -> None:
    assert list_text("BEGIN:VCARD\r\nEMAIL;ENCODING=B:YW5\u212auYQ\u017f=\r\n".encode(), "utf-8", "a.vcf")


@pytest.mark.parametrize("space", ["\u2008", "\u00a0", "\u3000", "\u2028", "\u200b"])
def test_white_space_that_nobody_could_see_is_in_no_recipient(space: str) -> None:
    assert parse_mailbox(f"{space}anna@mail0.example".encode(), smtputf8=True) is None
    assert parse_mailbox(f'"an{space}na"@mail0.example'.encode(), smtputf8=True) is None


def test_the_tag_of_a_domain_literal_may_be_in_lower_case() -> None:
    # RFC 5234 2.3: literal strings of a grammar are case-insensitive.
    assert build.mailbox("clerk@[ipv6:::1]").key == build.mailbox("clerk@[IPv6:::1]").key
