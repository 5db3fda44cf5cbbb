"""A DKIM signature is broken by a change of what it covers, and by nothing else."""

from __future__ import annotations

import pytest

from bcc_relay.core.signature import Signature, signature_of
from tests import build


def test_domain_and_fields_are_read_across_folds_and_spaces() -> None:
    value = b" v=1; a=rsa-sha256; D = Club.Example ;\r\n\th=From : To:\r\n Cc; bh=x; b=y"
    assert signature_of(value) == Signature("club.example", frozenset({"from", "to", "cc"}))


@pytest.mark.parametrize(
    ("value", "changed", "broken"),
    [
        (b"d=club.example; h=From:To", {"to"}, True),
        (b"d=club.example; h=From:Date", {"to", "cc"}, False),
        (b"d=club.example", {"x-any"}, True),
        (b"", {"to"}, True),
    ],
)
def test_a_change_breaks_what_covers_it_and_what_does_not_say(value: bytes, changed: set[str], broken: bool) -> None:
    assert signature_of(value).breaks(changed) is broken


def test_only_signatures_of_other_domains_are_foreign() -> None:
    lines = (b"DKIM-Signature: d=council.example; h=To", b"DKIM-Signature: d=club.example; h=To", b"DKIM-Signature: x")
    facts = build.facts(build.mail(*lines, to=("anna@family-mail.example",)))
    assert [signature.domain for signature in facts.foreign_signatures] == ["club.example", ""]
