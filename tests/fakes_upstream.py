"""A next mail server in memory that answers by script and remembers what it was given."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bcc_relay.core import replies
from bcc_relay.core.model import Deferred, Delivered, InDoubt, Refused, Reply, Sent

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcc_relay.core.model import Dispatch, Outcome

OK = Reply(250, "2.0.0 Ok: queued as 4F2A")
NO = Reply(550, "5.1.1 No such person")
LATER = Reply(450, "4.2.0 Greylisted")

delivered = Delivered(OK, dsn_offered=True)
refused = Refused(NO)
deferred = Deferred(LATER)
unreachable = Deferred(replies.UPSTREAM_DOWN, unreachable=True)
in_doubt = InDoubt(replies.NO_ANSWER)


def all_are(outcome: Outcome) -> Callable[[Dispatch], Sent]:
    """The whole transaction ends so."""
    return lambda dispatch: Sent((outcome,) * len(dispatch.envelope.recipients), outcome.reply)


def they_are(*outcomes: Outcome) -> Callable[[Dispatch], Sent]:
    """Each recipient fares as given, in order; the last reply of success, if any, closes the transaction."""
    closing = next((o.reply for o in outcomes if isinstance(o, Delivered)), outcomes[-1].reply)
    return lambda _: Sent(outcomes, closing)


def by_address(**fates: Outcome) -> Callable[[Dispatch], Sent]:
    """Recipients whose local part is named fare so, all others are delivered."""

    def answer(dispatch: Dispatch) -> Sent:
        locals_ = [recipient.address.text.partition("@")[0] for recipient in dispatch.envelope.recipients]
        return they_are(*(fates.get(name, delivered) for name in locals_))(dispatch)

    return answer


def breaks(_: Dispatch) -> Sent:
    """A fault that nobody foresaw."""
    raise RuntimeError("a fault of ours")


@dataclass
class FakeUpstream:
    """`relay.ports.Upstream`. `script` holds answers for the next transactions; after them `otherwise` answers.

    While `gate` is closed, nobody gets an answer. Like the real one, it sends nothing to anyone under `all_or_nothing`
    unless all are accepted.
    """

    otherwise: Callable[[Dispatch], Sent] = field(default_factory=lambda: all_are(delivered))
    script: deque[Callable[[Dispatch], Sent]] = field(default_factory=deque)
    dispatches: list[Dispatch] = field(default_factory=list)
    copies: Counter[str] = field(default_factory=Counter)
    """How often each recipient may have got the message."""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    busy: int = 0
    busiest: int = 0

    def __post_init__(self) -> None:
        self.gate.set()

    async def send(self, dispatch: Dispatch, *, all_or_nothing: bool = False) -> Sent:
        self.dispatches.append(dispatch)
        answer = self.script.popleft() if self.script else self.otherwise
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            await asyncio.sleep(0)
            await self.gate.wait()
            sent = answer(dispatch)
        finally:
            self.busy -= 1
        if all_or_nothing and any(isinstance(outcome, Refused | Deferred) for outcome in sent.outcomes):
            unsent = Deferred(replies.NOT_SENT)
            sent = Sent(tuple(unsent if isinstance(o, Delivered) else o for o in sent.outcomes), sent.reply)
        for recipient, outcome in zip(dispatch.envelope.recipients, sent.outcomes, strict=True):
            if isinstance(outcome, Delivered | InDoubt):
                self.copies[recipient.address.text] += 1
        return sent

    @property
    def last(self) -> bytes:
        """The octets of the newest transaction."""
        return b"".join(self.dispatches[-1].message.pieces())
