"""Whose address it is."""

from __future__ import annotations

import pytest

from bcc_relay.core.organisation import Organisation, matches

ORGANISATION = Organisation(
    frozenset({"council.example", "xn--bcher-kva.example"}), frozenset({"partner.example"}), frozenset({"mail.example"})
)


@pytest.mark.parametrize(
    ("key", "own", "outsider"),
    [
        ("a@council.example", True, False),
        ("a@school.council.example", True, False),
        ("a@xn--bcher-kva.example", True, False),
        ("a@notcouncil.example", False, True),
        ("a@council.example.org", False, True),
        ("a@partner.example", False, False),
        ("a@eu.partner.example", False, False),
        ("a@mail.example", False, True),
    ],
)
def test_own_and_partner_domains_cover_what_is_below_them(key: str, own: bool, outsider: bool) -> None:
    assert ORGANISATION.is_own(key) is own
    assert ORGANISATION.is_outsider(key) is outsider


def test_personal_is_the_domain_itself() -> None:
    assert ORGANISATION.is_personal("a@mail.example")
    assert not ORGANISATION.is_personal("a@staff.mail.example")


@pytest.mark.parametrize(
    ("key", "pattern", "expected"),
    [
        ("a@x.example", "a@x.example", True),
        ("b@x.example", "a@x.example", False),
        ("a@x.example", "@x.example", True),
        ("a@sub.x.example", "@x.example", True),
        ("a@nox.example", "@x.example", False),
        ("", "", True),
        ("", "@x.example", False),
    ],
)
def test_patterns_are_whole_addresses_or_domains_with_what_is_below(key: str, pattern: str, expected: bool) -> None:
    assert matches(key, (pattern,)) is expected
