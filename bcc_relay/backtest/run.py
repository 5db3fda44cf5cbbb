"""One backtest from its paths to its totals: find, read, decide, add up. What was done already is not done again."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from bcc_relay.backtest.deciding import decide_all
from bcc_relay.backtest.recall import open_memory
from bcc_relay.backtest.sources import NotUsed, files_in, places_in
from bcc_relay.backtest.state import State, StateError, remove
from bcc_relay.backtest.totals import timed, total
from bcc_relay.backtest.workers import cores, read_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from bcc_relay.backtest.deciding import House
    from bcc_relay.backtest.reading import Read, Rules
    from bcc_relay.backtest.sources import File
    from bcc_relay.backtest.totals import Totals

    Progress = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]
    """Given what is done and how many there are, gives what is told how many more are done."""

_FILES_AT_ONCE = 500
_READ_AT_ONCE = 200
_AT_LEAST_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be tried, and by which settings."""

    paths: tuple[Path, ...]
    rules: Rules
    house: House
    settings: str
    """Tells one set of settings that decide from another."""
    workers: int = 0
    """Processes that read; 0 is one a core."""


def backtest(plan: Plan, file: Path, progress: Progress) -> Totals:
    """Do what `file`, the state, does not have yet, and add up. Raises StateError and StoreError.

    Whoever is interrupted, or killed, goes on from there with the same plan and file.
    """
    begun = time.monotonic()
    state = State(file)
    try:
        _refuse_another(plan, state)
        _find(plan, state, progress)
        _read(plan, state, progress)
        asyncio.run(_decide(plan, state, memory_of(file), progress))
        return timed(total(state, plan.house.policy.builtin), time.monotonic() - begun)
    finally:
        state.close()


def _refuse_another(plan: Plan, state: State) -> None:
    """Raise StateError when the file belongs to another plan: what it holds would be lost, or wrong."""
    organisation = plan.rules.organisation
    about = json.dumps(
        [
            [os.path.realpath(path) for path in plan.paths],
            sorted(organisation.domains),
            plan.rules.judges_all,
            plan.rules.message_bytes,
        ]
    )
    known = state.about("plan")
    if known not in (None, about):
        raise StateError(
            f"{state.file} is the state of a backtest over other mail, or for other domains;"
            " name another file with --state"
        )
    state.note("plan", about)


def _find(plan: Plan, state: State, progress: Progress) -> None:
    """List all messages; what is listed already and has not changed stays as it is."""
    run = int(state.about("run") or 0) + 1
    found = files_in(plan.paths)
    with progress("Finding mail", None) as advance:
        with state.together():
            state.note("run", str(run))
            state.forget_not_used()
        while some := list(islice(found, _FILES_AT_ONCE)):
            with state.together():
                for one in some:
                    _list(state, one, run)
            advance(len(some))
        with state.together():
            state.forget_missing(run)


def _list(state: State, one: File | NotUsed, run: int) -> None:
    if isinstance(one, NotUsed):
        state.list_not_used(one)
    elif state.has(one):
        state.seen(one, run)
    else:
        try:
            state.list_file(one, places_in(one), run)
        except OSError as error:
            state.list_not_used(NotUsed(one.path, f"cannot be read ({error.strerror})"))


def _read(plan: Plan, state: State, progress: Progress) -> None:
    """Read the messages that nobody has read yet."""
    missing = state.unread()
    if not missing:
        return
    with progress("Reading", missing) as advance:
        reads = read_all(state.to_read(), plan.rules, workers=plan.workers or cores())
        for some in _bundled(reads):
            with state.together():
                state.store(some)
            advance(len(some))


def _bundled(reads: Iterator[Read]) -> Iterator[list[Read]]:
    """Yield what was read in bundles: few, so that writing is quick, and often, so that little is lost."""
    bundle: list[Read] = []
    begun = time.monotonic()
    for one in reads:
        bundle.append(one)
        if len(bundle) >= _READ_AT_ONCE or time.monotonic() - begun > _AT_LEAST_EVERY_S:
            yield bundle
            bundle, begun = [], time.monotonic()
    if bundle:
        yield bundle


async def _decide(plan: Plan, state: State, memory: Path, progress: Progress) -> None:
    """Decide about all messages whose turn has not come; about all of them when they or the settings are others."""
    if not state.is_decided_by(plan.settings) or not _is_remembered(state, memory):
        remove(memory)
        with state.together():
            state.begin_turns(plan.settings)
            state.note("key", secrets.token_hex(32))
    missing = state.count("turns") - state.count("decided")
    if missing:
        key = bytes.fromhex(state.about("key") or "")
        async with open_memory(memory, key) as remembered:
            with progress("Deciding", missing) as advance:
                await decide_all(state, remembered, plan.house, advance)
    # All is decided: the memory has done its work, and says nothing that the state does not.
    remove(memory)


def _is_remembered(state: State, memory: Path) -> bool:
    """Whether there is a memory of what was decided so far, if that is needed still."""
    decided = state.count("decided")
    return decided in (0, state.count("turns")) or memory.exists()


def memory_of(file: Path) -> Path:
    """Return where the memory stands while messages are decided about."""
    return file.with_name(file.name + ".memory")
