"""The memory of a backtest answers as that of the relay does."""

from __future__ import annotations

import random
import secrets
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bcc_relay.backtest.recall import open_memory
from bcc_relay.core.errors import StoreError
from bcc_relay.core.history import Ask, Circle
from bcc_relay.store.sql import open_store
from tests import build

if TYPE_CHECKING:
    from pathlib import Path

    from bcc_relay.core.history import History
    from bcc_relay.relay.ports import Memory

WEEK = timedelta(days=7)
EVERYTHING = Ask(
    thread=True,
    strangers=True,
    usual=True,
    stopped_within=WEEK,
    pieces_within=timedelta(minutes=10),
    windows=(timedelta(hours=1),),
)


def circles(count: int) -> list[Circle]:
    """Circles of a few people each, who write to each other again and again; each fifth is a reply to the one before."""
    chance = random.Random(3)
    people = build.families(14)
    made = []
    for number in range(count):
        is_reply = number % 5 == 3
        shown = made[-1].shown if is_reply else frozenset(chance.sample(people, chance.randrange(2, 7)))
        made.append(
            Circle(
                message_id=f"m{number}",
                at=build.NOW + timedelta(minutes=4 * number),
                sender=f"desk{number % 2}@{build.OWN}",
                shown=shown,
                visible=shown,
                readers=shown if is_reply else shown | frozenset(chance.sample(people, 2)),
                own_id=b"<%d@council.example>" % number,
                thread_ids=(b"<%d@council.example>" % (number - 1 if is_reply else chance.randrange(number + 1)),),
                subject=f"matter {number % 3}",
            )
        )
    return made


async def told(memory: Memory, several: list[Circle]) -> list[History]:
    answers = []
    for number, circle in enumerate(several):
        answers.append(await memory.consider(circle, EVERYTHING))
        if number % 4:
            await memory.learn(circle.message_id)
        else:
            await memory.decided(circle.message_id, "rewrite", "families")
        if number == len(several) // 2:
            await memory.erase_memory(build.NOW + timedelta(minutes=20))
    return answers


async def test_it_answers_as_the_memory_of_a_store_does(tmp_path: Path) -> None:
    several = circles(40)
    async with open_memory(tmp_path / "memory", secrets.token_bytes(32)) as memory:
        answers = await told(memory, several)
    store = await open_store(f"sqlite://{tmp_path}/relay.db", clock=lambda: build.NOW)
    try:
        expected = await told(store.memory, several)
    finally:
        await store.close()
    assert answers == expected
    assert any(one.known_thread for one in answers)
    assert any(one.stopped for one in answers)
    assert len(set(answers)) > 20


async def test_it_remembers_when_it_is_opened_again(tmp_path: Path) -> None:
    key = secrets.token_bytes(32)
    first = circles(1)[0]
    again = replace(first, message_id="another")
    async with open_memory(tmp_path / "memory", key) as memory:
        await memory.consider(first, EVERYTHING)
        await memory.learn(first.message_id)
    async with open_memory(tmp_path / "memory", key) as memory:
        answer = await memory.consider(again, EVERYTHING)
    assert (answer.strangers, answer.stopped) == (0, None)


async def test_a_file_that_is_no_database_is_an_error_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "memory").write_text("somebody else's notes, longer than the header of a database is\n" * 9)
    with pytest.raises(StoreError):
        async with open_memory(tmp_path / "memory", secrets.token_bytes(32)):
            pass
