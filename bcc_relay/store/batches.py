"""Long lists of values reach the database some at a time: a statement takes only so many."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import insert

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import Table
    from sqlalchemy.ext.asyncio import AsyncConnection

T = TypeVar("T")

ROWS_PER_STATEMENT = 500


def batches(values: Iterable[T], size: int = ROWS_PER_STATEMENT) -> Iterator[list[T]]:
    """Yield `values` in lists of `size`, the last one shorter."""
    rest = iter(values)
    while some := list(islice(rest, size)):
        yield some


async def insert_rows(
    connection: AsyncConnection, table: Table, values: Iterable[dict[str, Any]], at_once: int = ROWS_PER_STATEMENT
) -> None:
    """Insert rows, `at_once` of them with a statement."""
    for some in batches(values, at_once):
        await connection.execute(insert(table), some)
