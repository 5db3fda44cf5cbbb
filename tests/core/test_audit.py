"""The audit chain as values."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcc_relay.core.audit import START, AuditRow, Broken, Head, canonical, head_of, next_row, text_digest, verify

KEY = b"k" * 32
AT = "2026-11-22T10:00:00.000000Z"
FIELDS = ("seq", "at", "event", "message_id", "detail", "previous", "digest")


def chain(length: int, key: bytes = KEY) -> list[AuditRow]:
    rows: list[AuditRow] = []
    for n in range(length):
        head = head_of(rows[-1] if rows else None)
        rows.append(next_row(head, key, at=AT, event="held", message_id=f"m{n}", detail={"recipients": n}))
    return rows


def test_a_digest_covers_the_one_before_and_the_canonical_row() -> None:
    first, second = chain(2)
    row = f'{{"at":"{AT}","detail":"{{\\"recipients\\":1}}","event":"held","message_id":"m1","seq":2}}'
    expected = hmac.new(KEY, bytes.fromhex(first.digest) + row.encode(), hashlib.sha256).hexdigest()
    assert second == AuditRow(2, AT, "held", "m1", '{"recipients":1}', first.digest, expected)
    assert first.previous == START.digest


def test_canonical_json_has_one_form() -> None:
    assert canonical({"b": (1, 2.5, None, True), "a": {"ü": "\n"}}) == '{"a":{"\\u00fc":"\\n"},"b":[1,2.5,null,true]}'
    with pytest.raises(ValueError):
        canonical(float("nan"))


def test_an_empty_chain_is_whole_unless_an_exported_head_says_otherwise() -> None:
    assert verify([], KEY) is None
    assert verify([], KEY, exported=START) is None
    assert verify([], KEY, exported=Head(3, "x")) == Broken(
        1, "rows are missing at the end: the exported head names row 3"
    )


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_whole_chain_is_whole_also_in_pages_and_against_its_head(length: int) -> None:
    rows = chain(length)
    assert verify(rows, KEY) is None
    assert verify(iter(rows), KEY, exported=head_of(rows[-1])) is None
    for n in range(length):
        assert verify(rows[:n], KEY) is None
        assert verify(rows[n:], KEY, after=head_of(rows[n - 1] if n else None)) is None


def test_another_key_is_told_from_a_changed_row() -> None:
    rows = chain(4)
    wrong = verify(rows, b"other" * 8)
    assert wrong is not None
    assert "another key" in wrong.sentence
    changed = verify([replace(rows[0], event="released"), *rows[1:]], KEY)
    assert changed == Broken(1, "the row was changed after it was written")


def test_a_changed_row_that_is_alone_on_its_page_is_not_taken_for_another_key() -> None:
    rows = chain(3)
    page = [replace(rows[2], event="released")]
    assert verify(page, KEY, after=head_of(rows[1])) == Broken(3, "the row was changed after it was written")


def test_a_row_made_anew_by_someone_without_the_key_is_found() -> None:
    rows = chain(4)
    forged = next_row(head_of(rows[0]), b"guess" * 8, at=AT, event="held", message_id="m1", detail={"recipients": 0})
    broken = verify([rows[0], forged, *rows[2:]], KEY)
    assert broken is not None
    assert broken.seq == 2


def test_a_chain_written_anew_with_the_key_differs_from_the_exported_head() -> None:
    exported = head_of(chain(3)[-1])
    other = [next_row(START, KEY, at=AT, event="discarded", message_id="m0", detail={})]
    for n in (1, 2, 3):
        other.append(next_row(head_of(other[-1]), KEY, at=AT, event="held", message_id=f"m{n}", detail={}))
    assert verify(other, KEY) is None
    broken = verify(other, KEY, exported=exported)
    assert broken is not None
    assert broken.seq == 3
    assert "exported head" in broken.sentence


def test_a_row_that_stands_twice_is_found() -> None:
    rows = chain(3)
    broken = verify([rows[0], rows[1], rows[1], rows[2]], KEY)
    assert broken is not None
    assert broken.seq == 2
    assert "twice" in broken.sentence


@given(st.data())
def test_any_change_of_any_field_is_found_at_its_row_or_the_next(data: st.DataObject) -> None:
    rows = chain(data.draw(st.integers(2, 6)))
    at = data.draw(st.integers(0, len(rows) - 1))
    name = data.draw(st.sampled_from(FIELDS))
    value = data.draw(st.integers(1, 9) if name == "seq" else st.text(max_size=70))
    changed = replace(rows[at], **{name: value})
    broken = verify([*rows[:at], changed, *rows[at + 1 :]], KEY)
    if changed == rows[at]:
        assert broken is None
    else:
        assert broken is not None
        assert broken.seq <= at + 1


@given(st.permutations(range(5)), st.sets(st.integers(0, 4)))
def test_any_other_order_or_selection_is_found_unless_only_the_end_is_gone(order: list[int], gone: set[int]) -> None:
    rows = chain(5)
    given_rows = [rows[n] for n in order if n not in gone]
    is_beginning = given_rows == rows[: len(given_rows)]
    assert (verify(given_rows, KEY) is None) == is_beginning
    if len(given_rows) < 5:
        assert verify(given_rows, KEY, exported=head_of(rows[-1])) is not None


def test_a_reason_and_another_have_different_digests_that_need_the_key() -> None:
    digests = {text_digest(key, text) for key in (KEY, b"o" * 32) for text in ("", "a", "a ", "\udcff")}
    assert len(digests) == 8
