"""The whole look into one message: what core can walk, then every part that needs a library, one after the other."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from bcc_relay.core.address import known
from bcc_relay.core.contents.budget import Budget, Limits
from bcc_relay.core.contents.found import Contents, merged
from bcc_relay.core.contents.kinds import Kind
from bcc_relay.core.contents.look import look, look_at
from bcc_relay.core.contents.seen import MOST_SIGNS
from bcc_relay.core.contents.text import find_in_octets, find_in_text
from bcc_relay.core.damage import Closed
from bcc_relay.core.model import Channel
from bcc_relay.readers.ole import is_saved_message
from bcc_relay.readers.opened import Opened, channel_within
from bcc_relay.readers.table import READERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcc_relay.core.address import Known
    from bcc_relay.core.contents.found import Part
    from bcc_relay.core.model import Message

_LIMITS = Limits()


def look_into(message: Message, names: frozenset[str], limits: Limits = _LIMITS) -> Contents:
    """Return what the body of a message shows, attachments and all, in this process and without a limit of time.

    `names`: keys that are recognised also where other text is glued to them. Formats are read by libraries, some of
    them not in Python: a hostile file may end the process.
    """
    return merged(look_steps(message, names, limits))


def look_steps(message: Message, names: frozenset[str], limits: Limits) -> Iterator[Contents]:
    """Yield what is found bit by bit, the cheap and safe first. Raises nothing, MemoryError aside."""
    searched = known(names)
    budget = Budget(limits)
    looked = look(message, searched, budget)
    yield looked.contents
    waiting = deque(looked.unopened)
    while waiting:
        part = waiting.popleft()
        if (channel := _searched_first(part)) is not None:
            keys = find_in_octets(part.octets, searched)
            # In the others the reader knows where a text begins and ends; chance makes addresses of what stands around.
            keys = keys if part.kind is Kind.PDF else keys & names
            yield _shown(channel_within(part, channel), keys)
        opened = open_part(part, budget)
        yield _searched(opened, searched)
        for inner in opened.parts:
            looked = look_at(inner, searched, budget)
            yield looked.contents
            waiting.extend(looked.unopened)


def _searched_first(part: Part) -> Channel | None:
    """Return where a format counts in which much is written plainly; that is found also if the library fails."""
    match part.kind:
        case Kind.TNEF:
            return Channel.TNEF
        case Kind.OLE:
            return Channel.ATTACHED_MESSAGE if is_saved_message(part) else Channel.ATTACHED_LIST
        case Kind.PDF:
            return Channel.ATTACHED_LIST
        case Kind.TAR:
            return Channel.ARCHIVE
        case _:
            return None


def open_part(part: Part, budget: Budget) -> Opened:
    """Have the reader for its kind open a part. What no reader can cope with is closed."""
    if part.depth > budget.limits.depth:
        return Opened(part.channel, octets=(part.octets,), closed=frozenset({Closed.OVER_BUDGET}))
    if not part.octets.strip():
        return Opened(part.channel)  # there is nothing that could be read
    try:
        return READERS[part.kind](part, budget)
    except Exception as error:  # noqa: BLE001 - the top of a request to third-party code that reads hostile octets
        reason = Closed.OVER_BUDGET if isinstance(error, MemoryError) else Closed.BROKEN
        return Opened(part.channel, octets=(part.octets,), closed=frozenset({reason}))


def _searched(opened: Opened, names: Known) -> Contents:
    keys: set[str] = set()
    closed = set(opened.closed)
    for text in opened.texts:
        pieces = text.split("@", MOST_SIGNS + 1)
        if len(pieces) > MOST_SIGNS + 1:
            closed.add(Closed.OVER_BUDGET)
        keys |= find_in_text(text if len(pieces) <= MOST_SIGNS + 1 else "@".join(pieces[:-1]), names)
    for octets in opened.octets:
        keys |= find_in_octets(octets, names)
    found = _shown(opened.channel, keys)
    return replace(found, closed=frozenset(closed), damage=opened.damage, named_keys=opened.named_keys)


def _shown(channel: Channel, keys: set[str]) -> Contents:
    return Contents(((channel, frozenset(keys)),) if keys else ())
