"""From a submission to its judgement: looks into the body, reads the facts, asks the memory, and decides."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

from bcc_relay.core.events import StageTimed
from bcc_relay.core.history import NO_HISTORY
from bcc_relay.core.judge import conclude, examine
from bcc_relay.core.model import Pass
from bcc_relay.core.remembering import ask_of, circle_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcc_relay.core.contents.found import Contents
    from bcc_relay.core.facts import Facts
    from bcc_relay.core.history import Circle, History
    from bcc_relay.core.judge import Judged
    from bcc_relay.core.model import Submission
    from bcc_relay.relay.options import RelayOptions
    from bcc_relay.relay.ports import Look, Memory, Observe

    Result = TypeVar("Result")

LARGE_HEADER_BYTES = 8192
MANY_ADDRESSES = 500
"""A larger header, or a body that shows more addresses, is judged in a thread, so that others do not wait for it."""


class Judging:
    """Judges submissions, one after another or many at once."""

    def __init__(self, look: Look, memory: Memory, *, observe: Observe) -> None:
        """`look` looks into bodies; `memory` knows earlier mail."""
        self._look = look
        self._memory = memory
        self._observe = observe

    async def judge(self, submission: Submission, options: RelayOptions) -> Judged:
        """Judge by `options`, and have the memory take note of what it may be asked about later.

        Raises StoreError when the memory does not answer, and whatever reading strangers' octets may raise: the caller
        holds the message then.
        """
        laps: list[tuple[str, float]] = [("", time.perf_counter())]

        def lap(stage: str) -> None:
            laps.append((stage, time.perf_counter()))

        facts, circle = await self._read(submission, options)
        lap("read")
        history, is_noted = await self._recalled(circle, options)
        judged = await _aside(
            submission,
            facts.contents,
            lambda: conclude(submission, options.policy, options.leaving, facts, history, lap=lap),
        )
        if is_noted and not isinstance(judged.verdict, Pass):
            await self._memory.decided(submission.id, judged.judgement.verdict, judged.verdict.rule)
        for (_, before), (stage, after) in pairwise(laps):
            self._observe(StageTimed(stage, after - before))
        return replace(judged, is_noted=is_noted)

    async def facts(self, submission: Submission, options: RelayOptions) -> Facts:
        """Look into the body and read the facts. Raises whatever reading strangers' octets may raise."""
        facts, _ = await self._read(submission, options)
        return facts

    async def _read(self, submission: Submission, options: RelayOptions) -> tuple[Facts, Circle]:
        envelope = submission.envelope
        names = {recipient.address.key for recipient in envelope.recipients}
        if envelope.sender is not None:
            names.add(envelope.sender.key)
        contents = await self._look(submission.message, frozenset(names))

        def read() -> tuple[Facts, Circle]:
            facts = examine(submission, options.leaving, contents)
            return facts, circle_of(submission, facts)

        return await _aside(submission, contents, read)

    async def _recalled(self, circle: Circle, options: RelayOptions) -> tuple[History, bool]:
        """Ask the memory, if there is anything to ask; also whether the message was noted there."""
        ask = ask_of(circle, options.policy)
        if ask is None:
            return NO_HISTORY, False
        return await self._memory.consider(circle, ask), circle.is_noteworthy


async def _aside(submission: Submission, contents: Contents, work: Callable[[], Result]) -> Result:
    """Do `work` here, or in a thread when there is much to do."""
    shown = sum(len(keys) for _, keys in contents.shown)
    if len(submission.message.header) > LARGE_HEADER_BYTES or shown > MANY_ADDRESSES:
        return await asyncio.to_thread(work)
    return work()
