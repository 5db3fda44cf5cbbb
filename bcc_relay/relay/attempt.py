"""One transaction upstream, live or from the store, with what observers are told about it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bcc_relay.core import replies
from bcc_relay.core.events import Attempted, Failed, StageTimed
from bcc_relay.core.model import OUTCOME_NAMES, InDoubt, Sent

if TYPE_CHECKING:
    from bcc_relay.core.model import Dispatch
    from bcc_relay.relay.ports import NewId, Observe, Upstream


class Attempts:
    """Tries transactions and tells observers what became of them."""

    def __init__(self, upstream: Upstream, *, new_id: NewId, observe: Observe) -> None:
        """Send to `upstream`."""
        self._upstream = upstream
        self._new_id = new_id
        self._observe = observe

    async def make(self, dispatch: Dispatch, *, live: bool, all_or_nothing: bool = False) -> Sent:
        """Try one transaction; never raises but for cancellation, after which the mail is in doubt."""
        started = time.perf_counter()
        try:
            sent = await self._upstream.send(dispatch, all_or_nothing=all_or_nothing)
        except Exception as error:  # noqa: BLE001 - a fault of ours must neither end the relay nor lose the mail
            sent = self._failed(dispatch, error)
        self._observe(StageTimed("forward", time.perf_counter() - started))
        names = [OUTCOME_NAMES[type(outcome)].value for outcome in sent.outcomes]
        counted = {name: names.count(name) for name in dict.fromkeys(names)}
        self._observe(Attempted(dispatch.message_id, counted, sent.reply.code, sent.reply.text, live))
        return sent

    def _failed(self, dispatch: Dispatch, error: Exception) -> Sent:
        reference = self._new_id()
        self._observe(Failed(reference, "forwarder", f"{type(error).__name__}: {error}", dispatch.message_id))
        reply = replies.internal(reference)
        # How far it came is not known.
        return Sent((InDoubt(reply),) * len(dispatch.envelope.recipients), reply)
