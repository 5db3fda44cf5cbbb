"""Learning from mail that was delivered: whoever saw whom in it knows them from now on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.events import Failed
from bcc_relay.core.model import Form

if TYPE_CHECKING:
    from bcc_relay.core.record import Record
    from bcc_relay.relay.options import Current
    from bcc_relay.relay.ports import Memory, NewId, Observe
    from bcc_relay.relay.under_way import UnderWay


class Learning:
    """Tells the memory which messages were delivered as they are. Nobody waits for it."""

    def __init__(
        self, current: Current, memory: Memory, under_way: UnderWay, *, new_id: NewId, observe: Observe
    ) -> None:
        """In monitor mode nothing is learned: mail passes there that would have been stopped."""
        self._current = current
        self._memory = memory
        self._under_way = under_way
        self._new_id = new_id
        self._observe = observe

    def passed(self, message_id: str, verdict: str, form: Form) -> None:
        """Take note that a message was delivered right after `verdict`."""
        if verdict == "pass" and form is Form.AS_IS:
            self._begin(message_id)

    def delivered(self, record: Record) -> None:
        """Take note that a stored message was delivered to somebody. Released as it is counts as passed."""
        if record.released_at is not None and record.form is Form.AS_IS:
            self._begin(record.id)
        elif not record.is_notice:
            self.passed(record.id, record.judgement.verdict, record.form)

    def _begin(self, message_id: str) -> None:
        if not self._current.options.policy.monitor:
            self._under_way.start(self._learn(message_id))

    async def _learn(self, message_id: str) -> None:
        try:
            await self._memory.learn(message_id)
        except Exception as error:  # noqa: BLE001 - top of a task; the mail is out, and forgetting it does no harm
            self._observe(Failed(self._new_id(), "memory", f"{type(error).__name__}: {error}", message_id))
