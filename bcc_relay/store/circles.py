"""Circles of earlier mail as rows: noted, decided, learned and erased. Each runs in the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, delete, insert, select, update

from bcc_relay.core.acquaintance import few_enough
from bcc_relay.core.history import MOST_MEMBERS
from bcc_relay.store.batches import insert_rows
from bcc_relay.store.keys import hashed
from bcc_relay.store.tables import circle_ids, circle_members, circles

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from bcc_relay.core.history import Circle
    from bcc_relay.store.keys import Keys

ERASED_CIRCLES = 200
"""So many at most, and not more than `MOST_MEMBERS` members, are erased in one transaction: others get their turn."""


@dataclass(frozen=True, slots=True)
class Hashed:
    """A circle as it is stored: hashes in place of everything that says something."""

    message_id: str
    at: datetime
    sender: bytes
    own_id: bytes | None
    thread_ids: frozenset[bytes]
    subject: bytes | None
    gist: bytes | None
    shown: frozenset[bytes]
    visible: frozenset[bytes]
    readers: frozenset[bytes]
    """In the envelope, or shown by a header field."""

    @property
    def members(self) -> frozenset[bytes]:
        """Everybody in it."""
        return self.shown | self.readers


def hash_circle(circle: Circle, keys: Keys) -> Hashed:
    """Return `circle` with hashes; each address costs about three microseconds."""
    key = keys.memory
    members = {one: member_hash(one, keys) for one in circle.shown | circle.visible | circle.readers}

    def hashes(addresses: frozenset[str]) -> frozenset[bytes]:
        return frozenset(map(members.__getitem__, addresses))

    return Hashed(
        message_id=circle.message_id,
        at=circle.at,
        sender=sender_hash(circle.sender, keys),
        own_id=hashed(key, "id", circle.own_id) if circle.own_id else None,
        thread_ids=frozenset(hashed(key, "id", one) for one in circle.thread_ids if one),
        subject=hashed(key, "subject", _octets(circle.subject)) if circle.subject else None,
        gist=hashed(key, "gist", circle.gist) if circle.gist else None,
        shown=hashes(circle.shown),
        visible=hashes(circle.visible),
        readers=hashes(circle.readers | (circle.visible & circle.shown)),
    )


def member_hash(address_key: str, keys: Keys) -> bytes:
    """Return what stands for an address as a member."""
    return hashed(keys.memory, "address", _octets(address_key))


def sender_hash(address_key: str, keys: Keys) -> bytes:
    """Return what stands for an address as a sender."""
    return hashed(keys.memory, "sender", _octets(address_key))


def _octets(text: str) -> bytes:
    # Strangers' text may hold lone surrogates.
    return text.encode("utf-8", "surrogatepass")


async def note(connection: AsyncConnection, circle: Hashed) -> None:
    """Keep a circle; it takes the place of an earlier one of the same message."""
    await connection.execute(delete(circles).where(circles.c.message_id == circle.message_id))
    members = circle.members
    number = await connection.scalar(
        insert(circles).returning(circles.c.number),
        {
            "message_id": circle.message_id,
            "at": circle.at,
            "sender": circle.sender,
            "own_id": circle.own_id,
            "subject": circle.subject,
            "gist": circle.gist,
            "size": len(members),
            "shown": len(circle.shown),
            "is_stopped": False,
            "is_learned": False,
        },
    )
    # In order, so that neighbours in the index are written together.
    rows = (
        {"circle": number, "member": one, "is_shown": one in circle.shown, "is_reader": one in circle.readers}
        for one in sorted(members)
    )
    await insert_rows(connection, circle_members, rows)
    ids = circle.thread_ids | ({circle.own_id} if circle.own_id else set())
    await insert_rows(connection, circle_ids, ({"circle": number, "id": one} for one in sorted(ids)))


async def is_noted(connection: AsyncConnection, message_id: str) -> bool:
    """Whether there is a circle of this message."""
    return await connection.scalar(select(circles.c.number).where(circles.c.message_id == message_id)) is not None


async def decided(connection: AsyncConnection, message_id: str, verdict: str, rule: str) -> None:
    """Keep what was decided about the message of a circle."""
    await connection.execute(
        update(circles).where(circles.c.message_id == message_id),
        {"verdict": verdict, "rule": rule, "is_stopped": verdict != "pass"},
    )


async def learn(connection: AsyncConnection, message_id: str) -> None:
    """The people of this circle know each other now; it guards no longer."""
    await connection.execute(
        update(circles).where(circles.c.message_id == message_id), {"is_learned": True, "is_stopped": False}
    )


async def erase_before(connection: AsyncConnection, before: datetime) -> int:
    """Drop some circles that are older; return how many, 0 when all is done."""
    return len(await _erase(connection, circles.c.at < before))


async def erase_from(connection: AsyncConnection, sender: bytes) -> set[int]:
    """Drop some circles of one sender; return their numbers, none when all is done."""
    return await _erase(connection, circles.c.sender == sender)


async def erase_member(connection: AsyncConnection, member: bytes) -> set[int]:
    """Take one member out of some circles; return their numbers, none when all is done."""
    query = select(circle_members.c.circle).where(circle_members.c.member == member).limit(ERASED_CIRCLES)
    found = (await connection.scalars(query)).all()
    if found:
        where = (circle_members.c.circle.in_(found), circle_members.c.member == member)
        await connection.execute(delete(circle_members).where(*where))
    return set(found)


async def _erase(connection: AsyncConnection, where: ColumnElement[bool]) -> set[int]:
    query = select(circles.c.number, circles.c.size).where(where).limit(ERASED_CIRCLES)
    found = [(row.number, row.size) for row in await connection.execute(query)]
    # No circle is larger than that, so there is always one that fits.
    numbers = few_enough(found, places=MOST_MEMBERS)
    if numbers:
        await connection.execute(delete(circles).where(circles.c.number.in_(numbers)))
    return set(numbers)
