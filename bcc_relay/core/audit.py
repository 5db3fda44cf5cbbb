"""The audit chain: each row carries the keyed digest of the one before, so that no row can be changed unseen.

What the store keeps of it is the store's affair; here rows are made and checked as values.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Detail: TypeAlias = "str | int | float | bool | Mapping[str, Detail] | tuple[Detail, ...] | None"


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One link of the audit chain. `detail` is canonical JSON without personal data; `digest` covers `previous` too."""

    seq: int
    """1, 2, 3 … without a gap."""
    at: str
    """Time in UTC, ISO 8601 with microseconds and `Z`."""
    event: str
    message_id: str
    detail: str
    previous: str
    """Digest of the row before, hexadecimal."""
    digest: str
    """HMAC-SHA-256, hexadecimal."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest link. Kept somewhere else, it shows later whether rows were cut off at the end."""

    seq: int
    digest: str


START = Head(0, "0" * 64)
"""What the first row follows."""


@dataclass(frozen=True, slots=True)
class Broken:
    """Where a chain is broken first, and a plain sentence that says how."""

    seq: int
    sentence: str


def canonical(value: Detail) -> str:
    """Write a value as JSON in the one form that is digested: sorted keys, no blanks, ASCII (after RFC 8785 3.2)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def next_row(head: Head, key: bytes, *, at: str, event: str, message_id: str, detail: Mapping[str, Detail]) -> AuditRow:
    """Return the row that follows `head`. `key` is the audit subkey; `detail` must hold no personal data."""
    seq, written = head.seq + 1, canonical(detail)
    digest = _digest(key, head.digest, seq, at, event, message_id, written)
    return AuditRow(seq, at, event, message_id, written, head.digest, digest)


def head_of(row: AuditRow | None) -> Head:
    """Return the head of a chain that ends with `row`; None is the empty chain."""
    return Head(row.seq, row.digest) if row else START


def text_digest(key: bytes, text: str) -> str:
    """Return the keyed digest under which a text kept outside the chain (a reason) stands inside it."""
    return hmac.new(key, b"text\x00" + text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def verify(rows: Iterable[AuditRow], key: bytes, *, after: Head = START, exported: Head | None = None) -> Broken | None:
    """Check a chain from the row after `after` on; return the first break, or None when it is whole.

    Rows cut off at the end leave a chain that is whole in itself. They are found only against `exported`, a head taken
    earlier and kept elsewhere; then `rows` must run to the end of the chain.
    """
    links = tuple(rows)
    head = after
    for row in links:
        if sentence := _fault(row, head, key):
            # Rows before `after` did fit the key.
            if after == START and not any(_is_genuine(link, key) for link in links):
                sentence = (
                    "no row fits this key: it is another key than the chain was written with, or all rows changed"
                )
            return Broken(min(row.seq, head.seq + 1), sentence)
        if exported and row.seq == exported.seq and row.digest != exported.digest:
            return Broken(row.seq, "the row differs from the exported head: the chain was written anew since")
        head = head_of(row)
    if exported and exported.seq > head.seq:
        return Broken(head.seq + 1, f"rows are missing at the end: the exported head names row {exported.seq}")
    return None


def _fault(row: AuditRow, head: Head, key: bytes) -> str | None:
    """Say what is wrong with `row` as the one after `head`."""
    if row.seq > head.seq + 1:
        gone = f"row {head.seq + 1} is" if row.seq == head.seq + 2 else f"rows {head.seq + 1} to {row.seq - 1} are"
        return f"{gone} missing"
    if row.seq <= head.seq:
        return "the rows are out of order, or one stands here twice"
    if not _is_genuine(row, key):
        return "the row was changed after it was written"
    if not hmac.compare_digest(row.previous, head.digest):
        return "the row does not follow the one before it: that one was changed, put in or taken out"
    return None


def _is_genuine(row: AuditRow, key: bytes) -> bool:
    """Whether the row's digest covers what stands in the row."""
    try:
        digest = _digest(key, row.previous, row.seq, row.at, row.event, row.message_id, row.detail)
    except ValueError:  # `previous` is no longer hexadecimal
        return False
    return hmac.compare_digest(digest.encode(), row.digest.encode("utf-8", "surrogatepass"))


def _digest(key: bytes, previous: str, seq: int, at: str, event: str, message_id: str, detail: str) -> str:
    row = canonical({"at": at, "detail": detail, "event": event, "message_id": message_id, "seq": seq})
    return hmac.new(key, bytes.fromhex(previous) + row.encode("ascii"), hashlib.sha256).hexdigest()
