"""The memory of earlier mail, as plainly as can be: what the real one is compared with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bcc_relay.core.history import FEWEST_SHOWN, NO_HISTORY, Ask, Circle, History, Stopped

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from bcc_relay.core.errors import StoreError


@dataclass
class _Noted:
    circle: Circle
    shown: int
    verdict: str = ""
    rule: str = ""
    is_stopped: bool = False
    is_learned: bool = False

    @property
    def members(self) -> frozenset[str]:
        return self.circle.shown | self.circle.readers

    @property
    def saw_it(self) -> frozenset[str]:
        return _who_sees(self.circle)


def _who_sees(circle: Circle) -> frozenset[str]:
    return circle.readers | (circle.visible & circle.shown)


class MemoryOfMail:
    """`relay.ports.Memory` with plain addresses, as the promises are written: pair by pair, circle by circle.

    Set `failing` to an error to have every call raise it.
    """

    def __init__(self) -> None:
        self.failing: StoreError | None = None
        self.noted: dict[str, _Noted] = {}

    async def consider(self, circle: Circle, ask: Ask) -> History:
        self._check()
        if circle.is_too_large:
            return NO_HISTORY
        if circle.is_noteworthy:
            # The newest stands last.
            self.noted.pop(circle.message_id, None)
            self.noted[circle.message_id] = _Noted(circle, len(circle.shown))
        known_thread, gained = self._thread(circle) if ask.thread else (False, None)
        return History(
            known_thread=known_thread,
            gained=gained,
            strangers=self._strangers(circle) if ask.strangers else 0,
            usually_blind=self._usually_blind(circle) if ask.usual else 0,
            stopped=self._stopped(circle, ask.stopped_within) if ask.stopped_within is not None else None,
            pieces=self._pieces(circle, ask.pieces_within) if ask.pieces_within is not None else 0,
            windows=tuple((within, len(self._disclosed(circle, within))) for within in ask.windows),
        )

    async def decided(self, message_id: str, verdict: str, rule: str) -> None:
        self._check()
        if one := self.noted.get(message_id):
            one.verdict, one.rule, one.is_stopped = verdict, rule, verdict != "pass"

    async def learn(self, message_id: str) -> None:
        self._check()
        if one := self.noted.get(message_id):
            one.is_learned, one.is_stopped = True, False

    async def erase_memory(self, before: datetime) -> int:
        self._check()
        old = [name for name, one in self.noted.items() if one.circle.at < before]
        for name in old:
            del self.noted[name]
        return len(old)

    def forget(self, key: str) -> int:
        having = [name for name, one in self.noted.items() if key == one.circle.sender or key in one.members]
        for name in having:
            circle = self.noted[name].circle
            if circle.sender == key:
                del self.noted[name]
            else:
                without = {part: getattr(circle, part) - {key} for part in ("shown", "visible", "readers")}
                self.noted[name].circle = replace(circle, **without)
        return len(having)

    def _check(self) -> None:
        if self.failing:
            raise self.failing

    def _others(self, circle: Circle) -> list[_Noted]:
        return [one for name, one in self.noted.items() if name != circle.message_id]

    def _learned(self, circle: Circle) -> list[_Noted]:
        return [one for one in self._others(circle) if one.is_learned]

    def _thread(self, circle: Circle) -> tuple[bool, int | None]:
        asked = set(circle.thread_ids) - {b""}
        known = [one for one in self._learned(circle) if asked & {one.circle.own_id, *one.circle.thread_ids}]
        if not known:
            return False, None
        sees = _who_sees(circle)
        everybody = circle.shown | sees
        knows = all(
            any(
                shown in one.circle.shown and reader in (one.saw_it if reader in sees else one.members) for one in known
            )
            for shown in circle.shown
            for reader in everybody
            if reader != shown
        )
        return knows, len(everybody - {member for one in known for member in one.members})

    def _strangers(self, circle: Circle) -> int:
        together = [circle.visible & one.circle.shown for one in self._learned(circle)]
        return len(circle.visible - {one for some in together if len(some) > 1 for one in some})

    def _usually_blind(self, circle: Circle) -> int:
        mine = [one for one in self._learned(circle) if one.circle.sender == circle.sender][-200:]
        blind = [
            sum(1 if member in one.circle.blind else -(member in one.circle.shown) for one in mine)
            for member in circle.visible
        ]
        return sum(balance > 0 for balance in blind)

    def _stopped(self, circle: Circle, within: timedelta) -> Stopped | None:
        best: tuple[float, datetime, int] | None = None
        found = None
        for at, one in enumerate(self._others(circle)):
            other = one.circle
            if not one.is_stopped or other.at < circle.at - within or (circle.own_id and other.own_id == circle.own_id):
                continue
            common = len(circle.visible & one.members)
            if other.sender != circle.sender and (not other.shown or 2 * common < len(other.shown)):
                continue
            share = common / len(circle.visible) if circle.visible else 0
            if share and (best is None or (share, other.at, at) > best):
                best, found = (share, other.at, at), Stopped(other.message_id, one.verdict, one.rule, share)
        return found

    def _pieces(self, circle: Circle, within: timedelta) -> int:
        if len(circle.shown) < FEWEST_SHOWN:
            return 0
        return len(self._disclosed(circle, within, same=True))

    def _disclosed(self, circle: Circle, within: timedelta, *, same: bool = False) -> set[str]:
        def is_like_it(other: Circle) -> bool:
            by_subject = circle.subject and other.subject == circle.subject
            by_text = circle.gist and other.gist == circle.gist
            return bool(other.message_id == circle.message_id or by_subject or by_text)

        return {
            member
            for one in self.noted.values()
            if one.circle.sender == circle.sender and one.circle.at >= circle.at - within and one.shown >= FEWEST_SHOWN
            if not one.is_stopped and (not same or is_like_it(one.circle))
            for member in one.circle.shown
        }
