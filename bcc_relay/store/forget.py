"""Erases one address from the memory, and finished messages from or to it. The audit stays and says so."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bcc_relay.relay.ports import Forgotten
from bcc_relay.store import audit, circles, messages, trail
from bcc_relay.store.batches import batches
from bcc_relay.store.messages import ERASED_PER_STATEMENT

if TYPE_CHECKING:
    from datetime import datetime

    from bcc_relay.store.engine import Database
    from bcc_relay.store.keys import Keys


async def forget(database: Database, keys: Keys, key: str, at: datetime) -> Forgotten:
    """Erase an address in comparing form. Raises StoreError; what was erased by then stays erased.

    It goes a few rows at a time, so that others get their turn. The audit row comes last, and only if anything was
    erased.
    """
    remembered: set[int] = set()
    for operation in (
        partial(circles.erase_member, member=circles.member_hash(key, keys)),
        partial(circles.erase_from, sender=circles.sender_hash(key, keys)),
    ):
        while some := await database.write(operation):
            remembered |= some
    async with database.read() as connection:
        finished = await messages.finished_of(connection, key)
        held = await messages.held_of(connection, key)
    erased = 0
    for ids in batches(finished, ERASED_PER_STATEMENT):
        erased += await database.write(partial(messages.erase_finished, ids=ids))
    forgotten = Forgotten(len(remembered), erased, held)
    if remembered or erased:
        entry = trail.of_forgetting(key, forgotten, at, keys)
        await database.write(partial(audit.append, entry=entry, keys=keys))
    return forgotten
