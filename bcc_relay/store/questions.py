"""Questions to the memory of earlier mail. Each goes through an index and reads a bounded number of rows.

All but `disclosed` leave out the message itself: they read what was committed before, on any connection.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, case, func, or_, select, text

from bcc_relay.core.acquaintance import Place, few_enough, have_seen
from bcc_relay.core.history import FEWEST_SHOWN, Stopped
from bcc_relay.store.batches import batches
from bcc_relay.store.tables import circle_ids, circle_members, circles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from bcc_relay.store.circles import Hashed

NEWEST_CIRCLES = 200
"""A thread, or a sender, is known by so many of its newest learned circles."""
NEWEST_OF_THREAD = 1_000
"""They are looked for among so many of its newest circles."""
MOST_PLACES = 10_000
"""Members of those circles that are looked at; a circle that does not fit any more is left out."""
MOST_MEETINGS = 50_000
"""Places in learned or other circles in which visible ones are looked for together."""


async def thread(connection: AsyncConnection, circle: Hashed) -> tuple[bool, int | None]:
    """Return whether its thread shows everybody to each other already, and how many it gains (None: not known)."""
    sizes: set[tuple[int, int]] = set()
    for some in batches(sorted(circle.thread_ids)):
        newest = select(circle_ids.c.circle).where(circle_ids.c.id.in_(some)).distinct()
        newest = newest.order_by(circle_ids.c.circle.desc()).limit(NEWEST_OF_THREAD)
        query = (
            select(circles.c.number, circles.c.size)
            .where(circles.c.number.in_(newest), *_learned_before(circle))
            .order_by(circles.c.number.desc())
            .limit(NEWEST_CIRCLES)
        )
        sizes |= {(row.number, row.size) for row in await connection.execute(query)}
    if not sizes:
        return False, None
    chosen = few_enough(sorted(sizes, reverse=True)[:NEWEST_CIRCLES], places=MOST_PLACES)
    members = circle_members.c
    query_places = select(members.circle, members.member, members.is_shown, members.is_reader)
    rows = (await connection.execute(query_places.where(members.circle.in_(chosen)))).all()
    everybody = circle.members
    places = [Place(*row) for row in rows if row.member in everybody]
    gained = len(everybody) - len({place.person for place in places})
    return have_seen(circle.shown, circle.readers, places), gained


async def strangers(connection: AsyncConnection, circle: Hashed) -> int:
    """Return how many visible ones were never shown together with another of them.

    0 when they are in so many circles that nobody can say.
    """
    if len(circle.visible) < FEWEST_SHOWN:
        return len(circle.visible)
    members = circle_members.c
    # All in one statement, because those of any two batches may have met. `MOST_MEMBERS` is below every engine's limit.
    places = (
        select(members.circle, members.member)
        .where(members.member.in_(sorted(circle.visible)), members.is_shown)
        .limit(MOST_MEETINGS)
        .cte("places")
    )
    together = select(places.c.circle).group_by(places.c.circle).having(func.count() > 1)
    meetings = select(circles.c.number).where(circles.c.number.in_(together), *_learned_before(circle))
    query = select(
        select(func.count()).select_from(places).scalar_subquery(),
        select(func.count(places.c.member.distinct())).where(places.c.circle.in_(meetings)).scalar_subquery(),
    )
    looked_at, met = (await connection.execute(query)).one()
    return 0 if looked_at == MOST_MEETINGS else len(circle.visible) - met


def _learned_before(circle: Hashed) -> tuple[ColumnElement[bool], ...]:
    return circles.c.is_learned, circles.c.message_id != circle.message_id


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
    """Return the circle stopped within that time that most of the visible ones belonged to; of equals the newest.

    Other senders do not correct a message by writing to some of its people: they must reach half of those it showed.
    """
    where = [circles.c.at >= circle.at - within, circles.c.message_id != circle.message_id]
    if circle.own_id is not None:
        where.append(or_(circles.c.own_id.is_(None), circles.c.own_id != circle.own_id))
    of_circle = (circles.c.number, circles.c.at, circles.c.sender, circles.c.shown)
    query = select(*of_circle, circles.c.message_id, circles.c.verdict, circles.c.rule)
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
    for number, count in tuple(common.items()):
        other = candidates[number]
        if other.sender != circle.sender and not 0 < other.shown <= 2 * count:
            del common[number]
    if not common:
        return None
    best = candidates[max(common, key=lambda number: (common[number], candidates[number].at, number))]
    return Stopped(best.message_id, best.verdict, best.rule, common[best.number] / len(circle.visible))


async def disclosed(
    connection: AsyncConnection, circle: Hashed, pieces_within: timedelta | None, windows: Sequence[timedelta]
) -> tuple[int, tuple[int, ...]]:
    """Return the outsiders shown by the sender's circles that share subject or text with this one, and in each window.

    What was stopped disclosed nobody.

    The first is 0 for a message that shows nobody to another: it is no piece, whatever went before.
    """
    asked = [_shown_within(circle, within) for within in windows]
    is_piece = pieces_within is not None and len(circle.shown) >= FEWEST_SHOWN
    if is_piece and pieces_within is not None:
        asked.append(_shown_within(circle, pieces_within).where(_is_like(circle)))
    if not asked:
        return 0, ()
    counts = (await connection.execute(select(*(query.scalar_subquery() for query in asked)))).one()
    return counts[-1] if is_piece else 0, tuple(counts[: len(windows)])


def _is_like(circle: Hashed) -> ColumnElement[bool]:
    same: list[ColumnElement[bool]] = [circles.c.message_id == circle.message_id]
    if circle.subject is not None:
        same.append(circles.c.subject == circle.subject)
    if circle.gist is not None:
        same.append(circles.c.gist == circle.gist)
    return or_(*same)


def _shown_within(circle: Hashed, within: timedelta) -> Select[int]:
    return (
        select(func.count(circle_members.c.member.distinct()))
        .join(circles, circles.c.number == circle_members.c.circle)
        .where(
            circles.c.sender == circle.sender,
            circles.c.at >= circle.at - within,
            circles.c.shown >= FEWEST_SHOWN,
            ~circles.c.is_stopped,
            circle_members.c.is_shown,
        )
    )
