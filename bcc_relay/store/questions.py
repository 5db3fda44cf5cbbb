"""Questions to the memory of earlier mail. Each goes through an index and reads a bounded number of rows.

All but the windows leave out the message itself. They read what was committed before, on any connection.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, case, func, or_, select, text

from bcc_relay.core.acquaintance import Place, few_enough, have_seen, met
from bcc_relay.core.history import FEWEST_SHOWN, Stopped
from bcc_relay.store.batches import batches
from bcc_relay.store.tables import circle_ids, circle_members, circles

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import timedelta

    from sqlalchemy import Column
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bcc_relay.store.circles import Hashed

NEWEST_CIRCLES = 200
"""A thread, or a sender, is known by so many of its newest learned circles."""
MOST_PLACES = 10_000
"""Members of those circles that are looked at; a circle that does not fit any more is left out."""
MOST_ROWS = 10_000
"""So many rows of a batch of members, or of identifiers, are read at once; more mean that some are in very many."""
NEWEST_OF_ONE = 100
"""Then the newest of each are looked at, one after another."""


async def thread(connection: AsyncConnection, circle: Hashed) -> tuple[bool, int | None]:
    """Return whether its thread shows everybody to each other already, and how many it gains (None: not known)."""
    learned: set[int] = set()
    for some in batches(circle.thread_ids):
        learned |= {number for number, _ in await _learned(connection, circle, circle_ids.c.id, some)}
    if not learned:
        return False, None
    sizes: list[tuple[int, int]] = []
    for numbers in batches(sorted(learned, reverse=True)[:NEWEST_CIRCLES]):
        query = select(circles.c.number, circles.c.size).where(circles.c.number.in_(numbers))
        sizes += [(row.number, row.size) for row in await connection.execute(query)]
    chosen = few_enough(sorted(sizes, reverse=True), places=MOST_PLACES)
    members = circle_members.c
    query_places = select(members.circle, members.member, members.is_shown, members.is_reader)
    rows = (await connection.execute(query_places.where(members.circle.in_(chosen)))).all()
    everybody = circle.members
    places = [Place(*row) for row in rows if row.member in everybody]
    gained = len(everybody) - len({place.person for place in places})
    return have_seen(circle.shown, circle.readers, places), gained


async def strangers(connection: AsyncConnection, circle: Hashed) -> int:
    """Return how many visible ones were never shown together with another of them."""
    if len(circle.visible) < FEWEST_SHOWN:
        return len(circle.visible)
    places: list[tuple[int, bytes]] = []
    shown = circle_members.c.is_shown
    for some in batches(sorted(circle.visible)):
        places += await _learned(connection, circle, circle_members.c.member, some, shown)
    return len(circle.visible) - len(met(places))


async def _learned(
    connection: AsyncConnection,
    circle: Hashed,
    column: Column[bytes],
    values: Sequence[bytes],
    *where: ColumnElement[bool],
) -> list[tuple[int, bytes]]:
    """Return learned circles that have one of `values` in `column`, each with that value."""
    number = column.table.c.circle
    query = (
        select(number, column, circles.c.is_learned & (circles.c.message_id != circle.message_id))
        .join(circles, circles.c.number == number)
        .where(*where)
    )
    rows = (await connection.execute(query.where(column.in_(values)).limit(MOST_ROWS))).all()
    if len(rows) == MOST_ROWS:
        rows = []
        for value in values:
            newest = query.where(column == value).order_by(number.desc()).limit(NEWEST_OF_ONE)
            rows += (await connection.execute(newest)).all()
    return [(found, value) for found, value, is_learned in rows if is_learned]


async def usually_blind(connection: AsyncConnection, circle: Hashed) -> int:
    """Return how many visible ones the sender's newest learned circles reached blind more often than shown."""
    if not circle.visible:
        return 0
    # The condition word for word as that of the index.
    newest = (
        select(circles.c.number, circles.c.size)
        .where(circles.c.sender == circle.sender, text("is_learned"), circles.c.message_id != circle.message_id)
        .order_by(circles.c.number.desc())
        .limit(NEWEST_CIRCLES)
    )
    sizes = [(row.number, row.size) for row in await connection.execute(newest)]
    members = circle_members.c
    query = (
        select(members.member)
        .where(members.circle.in_(few_enough(sizes, places=MOST_PLACES)))
        .group_by(members.member)
        .having(func.sum(case((members.is_shown, -1), else_=1)) > 0)
    )
    return len(circle.visible.intersection(await connection.scalars(query)))


async def stopped(connection: AsyncConnection, circle: Hashed, within: timedelta) -> Stopped | None:
    """Return the circle stopped within that time that most of the visible ones belonged to; of equals the newest."""
    where = [circles.c.at >= circle.at - within, circles.c.message_id != circle.message_id]
    if circle.own_id is not None:
        where.append(or_(circles.c.own_id.is_(None), circles.c.own_id != circle.own_id))
    query = select(circles.c.number, circles.c.at, circles.c.message_id, circles.c.verdict, circles.c.rule)
    candidates = {row.number: row for row in await connection.execute(query.where(text("is_stopped"), *where))}
    if not candidates or not circle.visible:
        return None
    common: Counter[int] = Counter()
    members = circle_members.c
    for some in batches(sorted(circle.visible)):
        # Older circles are no rows to look at: numbers grow with time.
        counts = (
            select(members.circle, func.count())
            .where(members.member.in_(some), members.circle >= min(candidates))
            .group_by(members.circle)
        )
        common.update({number: count for number, count in await connection.execute(counts) if number in candidates})
    if not common:
        return None
    best = candidates[max(common, key=lambda number: (common[number], candidates[number].at, number))]
    return Stopped(best.message_id, best.verdict, best.rule, common[best.number] / len(circle.visible))


async def pieces(connection: AsyncConnection, circle: Hashed, within: timedelta) -> int:
    """Return the outsiders shown by the sender's circles within that time that share subject or text with this one.

    0 for a message that shows nobody to another: it is no piece, whatever went before.
    """
    if len(circle.shown) < FEWEST_SHOWN:
        return 0
    same: list[ColumnElement[bool]] = [circles.c.message_id == circle.message_id]
    if circle.subject is not None:
        same.append(circles.c.subject == circle.subject)
    if circle.gist is not None:
        same.append(circles.c.gist == circle.gist)
    return await _disclosed(connection, circle, within, or_(*same))


async def windows(
    connection: AsyncConnection, circle: Hashed, times: Iterable[timedelta]
) -> tuple[tuple[timedelta, int], ...]:
    """Return the outsiders shown by the sender's circles within each of these times."""
    return tuple([(within, await _disclosed(connection, circle, within)) for within in times])


async def _disclosed(
    connection: AsyncConnection, circle: Hashed, within: timedelta, *where: ColumnElement[bool]
) -> int:
    query = (
        select(func.count(circle_members.c.member.distinct()))
        .join(circles, circles.c.number == circle_members.c.circle)
        .where(
            circles.c.sender == circle.sender,
            circles.c.at >= circle.at - within,
            circles.c.shown >= FEWEST_SHOWN,
            circle_members.c.is_shown,
            *where,
        )
    )
    return await connection.scalar(query) or 0
