"""Short ways to make circles, and to have a memory take note of them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from bcc_relay.core.history import Ask, Circle, History
from tests import build

if TYPE_CHECKING:
    from bcc_relay.relay.ports import Memory

NOW = build.NOW
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
CLERK = "clerk@council.example"
EVERYTHING = Ask(
    thread=True, strangers=True, usual=True, stopped_within=7 * DAY, pieces_within=10 * MINUTE, windows=(MINUTE, DAY)
)


def keys(*names: str) -> frozenset[str]:
    return frozenset(f"{name}@family-mail.example" for name in names)


def circle(
    id: str, shown: str = "", *, blind: str = "", body: str = "", unread: str = "", minute: float = 0, **fields: object
) -> Circle:
    """People are letters. `shown` stand in the header, `body` in the body alone; `unread` of them receive nothing."""
    visible = keys(*shown)
    plain = {
        "message_id": id,
        "at": NOW + minute * MINUTE,
        "sender": CLERK,
        "shown": visible | keys(*body),
        "visible": visible,
        "readers": (visible | keys(*blind)) - keys(*unread),
        "own_id": f"<{id}@council.example>".encode(),
    }
    return Circle(**{**plain, **fields})  # type: ignore[arg-type]


async def noted(memory: Memory, *circles: Circle) -> None:
    for one in circles:
        await memory.consider(one, Ask())


async def learned(memory: Memory, *circles: Circle) -> None:
    """These were delivered as they are."""
    for one in circles:
        await memory.consider(one, Ask())
        await memory.learn(one.message_id)


async def stopped(memory: Memory, *circles: Circle, verdict: str = "hold", rule: str = "families") -> None:
    for one in circles:
        await memory.consider(one, Ask())
        await memory.decided(one.message_id, verdict, rule)


async def asked(memory: Memory, one: Circle, **ask: object) -> History:
    return await memory.consider(one, Ask(**ask))  # type: ignore[arg-type]
