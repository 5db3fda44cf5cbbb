"""What stands before a subject is known in the languages that mail programs speak."""

from __future__ import annotations

import pytest

from bcc_relay.core.subject import bare_subject, is_forwarded


@pytest.mark.parametrize(
    "subject",
    [
        "Term dates",
        "RE: Term dates",
        "Re[2]: term  dates",
        "AW: WG: Term dates",
        "Fwd: re : TERM\tDATES",
        "TR:Term dates",
    ],
)
def test_a_subject_is_the_same_whatever_stands_before_it(subject: str) -> None:
    assert bare_subject(subject) == "term dates"


@pytest.mark.parametrize("subject", ["Meeting re: term dates", "Rental: term dates", "Term dates re:"])
def test_what_stands_elsewhere_or_is_another_word_stays(subject: str) -> None:
    assert bare_subject(subject) == subject.casefold()


@pytest.mark.parametrize(
    "subject",
    [
        "Fw: x",
        "FWD: x",
        "WG: x",
        "TR : x",
        "RV: x",
        "Doorst: x",
        "YML: x",
        "\u8ee2\u9001: x",
        "Fw\uff1ax",
        " fw: Re: x",
    ],
)
def test_a_forward_is_known_by_its_outermost_prefix(subject: str) -> None:
    assert is_forwarded(subject)


@pytest.mark.parametrize("subject", ["", "x", "Re: Fw: x", "About fw: x", "Forward: x", "Fw x", "W" * 100 + "fw: x"])
def test_an_answer_or_a_plain_subject_is_no_forward(subject: str) -> None:
    assert not is_forwarded(subject)
