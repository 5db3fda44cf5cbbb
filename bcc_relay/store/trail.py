"""What the audit says about each event of a held message, and about forgetting, as values.

No personal data: keyed pseudonyms and digests.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcc_relay.core import audit, pseudonym

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from bcc_relay.core.audit import AuditRow, Detail, Head
    from bcc_relay.core.record import Record
    from bcc_relay.relay.ports import Forgotten, Move
    from bcc_relay.store.keys import Keys


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the audit before it is chained; `reason` is kept beside it."""

    at: datetime
    event: str
    message_id: str
    detail: Mapping[str, Detail]
    reason: str | None = None

    def chained(self, head: Head, keys: Keys, at_text: str) -> AuditRow:
        """Return the row that follows `head`; `at_text` is `at` as it is stored."""
        return audit.next_row(
            head, keys.audit, at=at_text, event=self.event, message_id=self.message_id, detail=self.detail
        )


def of_hold(record: Record, keys: Keys) -> Entry:
    """The message is held."""
    judgement, sender = record.judgement, record.envelope.sender
    detail: dict[str, Detail] = {
        "to": record.state,
        "by": "relay",
        "verdict": judgement.verdict,
        "rule": judgement.rule,
        "visible_outsiders": judgement.visible_outsiders,
        "outsider_domains": judgement.outsider_domains,
        "personal_share": judgement.personal_share,
        "recipients": len(record.recipients),
        "sender": _who(sender.key if sender else None, keys),
    }
    return Entry(record.received_at, "held", record.id, detail)


def of_merge(old: Record, new: Record, at: datetime) -> Entry:
    """The held message took in the recipients of another transaction."""
    detail: dict[str, Detail] = {
        "from": old.state,
        "to": new.state,
        "by": "relay",
        "recipients": len(new.recipients),
        "recipients_added": len(new.recipients) - len(old.recipients),
    }
    return Entry(at, "merged", old.id, detail)


def of_move(old: Record, new: Record, move: Move, keys: Keys) -> Entry:
    """Someone, or delivery, moved the message."""
    detail: dict[str, Detail] = {
        "from": old.state,
        "to": new.state,
        "by": move.by,
        "person": _who(move.person, keys),
        "reason": None if move.reason is None else audit.text_digest(keys.audit, move.reason),
        "form": new.form,
        "outcomes": dict(Counter(str(r.outcome) for r in new.recipients)),
    }
    return Entry(move.at, move.event, old.id, detail, move.reason)


def is_audited(record: Record, move: Move) -> bool:
    """Whether a move belongs into the audit: every move of a message that was ever held, and every act of a person."""
    return record.held or move.person is not None


def of_delivery(old: Record, new: Record, event: str, at: datetime) -> Entry:
    """Delivery took the message (`claimed`), gave it back (`returned`) or lost its lease (`lease_lost`)."""
    return Entry(at, event, old.id, {"from": old.state, "to": new.state, "by": "relay"})


def of_forgetting(key: str, forgotten: Forgotten, at: datetime, keys: Keys) -> Entry:
    """An address was erased, in comparing form `key`. The row is about no message."""
    detail: dict[str, Detail] = {
        "address": _who(key, keys),
        "circles": forgotten.circles,
        "messages": forgotten.messages,
        "held": len(forgotten.held),
    }
    return Entry(at, "forgotten", "", detail)


def _who(name: str | None, keys: Keys) -> str | None:
    return None if name is None else pseudonym.digits(keys.pseudonym, name)
