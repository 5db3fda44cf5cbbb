"""What a worker may answer: plain values of known kinds, in bounds, and nothing else."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcc_relay.core.contents.found import Contents, Quoted
from bcc_relay.core.damage import Closed, Damage
from bcc_relay.core.model import Channel
from bcc_relay.readers.wire import (
    LENGTH,
    MAX_ANSWER_BYTES,
    MAX_FRAME_BYTES,
    MAX_KEYS,
    Answer,
    NotAnAnswerError,
    Sifter,
    end,
)

WHO = "family1@mail1.example"


def frames(octets: bytes) -> list[bytes]:
    found = []
    while octets:
        (size,) = LENGTH.unpack_from(octets)
        found.append(octets[4 : 4 + size])
        octets = octets[4 + size :]
    return found


def told(*several: Contents, names: frozenset[str] = frozenset()) -> Answer:
    sifter, answer = Sifter(names), Answer()
    for contents in several:
        for octets in sifter.frames(contents):
            for frame in frames(octets):
                assert len(frame) <= MAX_FRAME_BYTES
                answer.take(frame)
    for frame in frames(end(goes_on=True)):
        answer.take(frame)
    return answer


keys = st.text(min_size=1, max_size=30).map(lambda text: f"{text}@mail1.example".encode("utf-8", "replace").decode())
contents_ = st.builds(
    Contents,
    st.dictionaries(st.sampled_from(Channel), st.frozensets(keys, min_size=1), max_size=3).map(
        lambda d: tuple(d.items())
    ),
    st.frozensets(st.sampled_from(Closed)),
    st.frozensets(st.sampled_from(Damage)),
    st.integers(0, 500),
    st.binary(max_size=32),
    st.lists(st.builds(Quoted, st.frozensets(keys, max_size=2), st.frozensets(keys, max_size=3)), max_size=2).map(
        tuple
    ),
)


@given(contents_)
def test_what_is_told_arrives(contents: Contents) -> None:
    answer = told(contents)
    assert answer.is_whole
    assert answer.goes_on
    assert answer.contents() == contents


@given(contents_, contents_)
def test_several_findings_add_up(one: Contents, other: Contents) -> None:
    both = told(one, other).contents()
    assert both.closed == one.closed | other.closed
    assert both.named_keys == one.named_keys + other.named_keys
    for channel, seen in (*one.shown, *other.shown):
        assert seen <= dict(both.shown)[channel]


def test_too_many_addresses_are_over_the_budget_and_those_of_the_message_are_told() -> None:
    many = frozenset(f"family{n}@mail1.example" for n in range(MAX_KEYS + 10))
    contents = told(
        Contents(((Channel.BODY, many),)), Contents(((Channel.CALENDAR, many),)), names=frozenset({WHO})
    ).contents()
    assert contents.closed == {Closed.OVER_BUDGET}
    assert dict(contents.shown) == {Channel.BODY: {WHO}, Channel.CALENDAR: {WHO}}


def test_quoted_headers_are_told_whole_or_not_at_all() -> None:
    people = [frozenset(f"{block}-{n}@mail1.example" for n in range(MAX_KEYS // 3)) for block in range(4)]
    blocks = tuple(Quoted(frozenset(), one) for one in people)
    assert told(Contents(quoted=blocks[:1])).contents().quoted == blocks[:1]
    assert told(Contents(quoted=blocks[:2]), Contents(quoted=blocks[2:])).contents().quoted == ()


def test_what_can_be_no_address_is_not_told() -> None:
    odd = frozenset({"no sign", "a\ud800@mail1.example", "x" * 5000 + "@mail1.example", WHO})
    assert dict(told(Contents(((Channel.BODY, odd),))).contents().shown) == {Channel.BODY: {WHO}}


@pytest.mark.parametrize(
    "value",
    [
        ["shown", "body", ["no address"]],
        ["shown", "body", [WHO, 1]],
        ["shown", "body", ["\ud800@mail1.example"]],
        ["shown", "nowhere", [WHO]],
        ["shown", "body", WHO],
        ["shown", "body", [WHO], []],
        ["seen", ["unheard of"], [], 0, ""],
        ["seen", [], ["unheard of"], 0, ""],
        ["seen", [[]], [], 0, ""],
        ["seen", [], [], -1, ""],
        ["seen", [], [], 10**9, ""],
        ["seen", [], [], 0, "no digits"],
        ["seen", [], [], 0.5, ""],
        ["end", "yes"],
        ["ready"],
        {"shown": "body"},
        None,
        [],
    ],
)
def test_what_is_no_answer_is_refused(value: object) -> None:
    with pytest.raises(NotAnAnswerError):
        Answer().take(json.dumps(value).encode())


@given(
    st.one_of(
        st.binary(),
        st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists).map(
            lambda v: json.dumps(v).encode()
        ),
    )
)
def test_nothing_but_a_refusal_comes_of_noise(octets: bytes) -> None:
    answer = Answer()
    with suppress(NotAnAnswerError):
        answer.take(octets)


def test_brackets_without_end_are_refused() -> None:
    with pytest.raises(NotAnAnswerError):
        Answer().take(b"[" * 200_000)


def test_an_answer_ends_once_and_has_a_longest_length() -> None:
    answer = told()
    with pytest.raises(NotAnAnswerError):
        answer.take(b'["end", true]')
    answer = Answer()
    frame = json.dumps(["shown", "body", [f"{'x' * 900}{n}@mail1.example" for n in range(200)]]).encode()
    taken = 0
    with suppress(NotAnAnswerError):
        for _ in range(200):
            answer.take(frame)
            taken += len(frame)
    assert MAX_ANSWER_BYTES - len(frame) < taken <= MAX_ANSWER_BYTES
