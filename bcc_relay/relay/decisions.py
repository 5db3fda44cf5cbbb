"""Shows decisions about held mail to observers, whoever made them: this relay's clock, a command, another relay.

The audit is where all of them are written, so its new rows are what is followed.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from bcc_relay.core.events import Moved
from bcc_relay.core.model import Form

if TYPE_CHECKING:
    from bcc_relay.core.audit import AuditRow
    from bcc_relay.relay.ports import Observe, Store

_RELEASES = {Form.AS_IS: "release_as_is", Form.INDIVIDUAL: "release_individually"}


class Decisions:
    """Follows the audit from where it stands at the first look."""

    def __init__(self, store: Store, observe: Observe) -> None:
        """Nothing is read before `follow`."""
        self._store = store
        self._observe = observe
        self._seen: int | None = None

    async def follow(self) -> None:
        """Show what was decided since the last call; the first call only notes where the audit stands."""
        if self._seen is None:
            self._seen = await self._store.audit_seq()
            return
        while rows := await self._store.audit_rows(after=self._seen):
            for row in rows:
                await self._show(row)
                self._seen = row.seq

    async def _show(self, row: AuditRow) -> None:
        detail = json.loads(row.detail)
        decision = _decision(row.event, detail)
        if decision is None:
            return
        record = await self._store.get(row.message_id)
        waited = (datetime.fromisoformat(row.at) - record.received_at).total_seconds() if record else None
        self._observe(
            Moved(
                row.message_id,
                detail["from"],
                detail["to"],
                detail["by"],
                person=detail.get("person"),
                decision=decision,
                waited_s=waited,
            )
        )


def _decision(event: str, detail: dict[str, str]) -> str | None:
    match event:
        case "released":
            return _RELEASES.get(Form(detail["form"]), "release_as_bcc")
        case "discarded":
            return "discard"
        case "expired":
            return "expire"
        case _:
            return None
