"""What earlier mail tells about a message: the question put to the memory, and its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta

FEWEST_SHOWN = 2
"""A message that shows fewer outsiders tells nothing about who knows whom."""
FEWEST_BLIND = 10
"""A message that hides so many outsiders tells whom its sender reaches by Bcc."""
MOST_MEMBERS = 5000
"""A larger circle is not remembered, so that nobody can fill the memory with one message."""


@dataclass(frozen=True, slots=True)
class Circle:
    """Who reads about whom in one message. Addresses are keys of outsiders, the authors never among them."""

    message_id: str
    """The submission's own identifier."""
    at: datetime
    sender: str
    """Key of the envelope sender; empty for the null sender."""
    shown: frozenset[str]
    """Outsiders whom the message shows to another outsider, by any channel."""
    visible: frozenset[str]
    """Those of them who stand in header fields."""
    readers: frozenset[str]
    """Outsiders in the envelope."""
    own_id: bytes = b""
    """Message-ID."""
    thread_ids: tuple[bytes, ...] = ()
    """Message-IDs that it answers: References and In-Reply-To."""
    subject: str = ""
    """Without `Re:` and `Fw:`, in lower case; empty when it says nothing."""
    gist: bytes = b""
    """Digest of its text (`Contents.gist`)."""

    @property
    def is_noteworthy(self) -> bool:
        """Whether the memory takes note of it at all."""
        if self.is_too_large:
            return False
        return len(self.shown) >= FEWEST_SHOWN or len(self.blind) >= FEWEST_BLIND

    @property
    def is_too_large(self) -> bool:
        """Whether it has more members than anything is remembered or asked about."""
        return len(self.shown | self.readers) > MOST_MEMBERS

    @property
    def blind(self) -> frozenset[str]:
        """Outsiders who receive it and are not shown."""
        return self.readers - self.shown


@dataclass(frozen=True, slots=True)
class Ask:
    """What a policy wants to know; what nobody asks for is not looked up."""

    thread: bool = False
    """Does this thread show all of them to each other already?"""
    strangers: bool = False
    usual: bool = False
    stopped_within: timedelta | None = None
    pieces_within: timedelta | None = None
    windows: tuple[timedelta, ...] = ()


@dataclass(frozen=True, slots=True)
class Stopped:
    """An earlier message that was stopped (or would have been), and how much of this one's circle was its circle."""

    message_id: str
    verdict: str
    rule: str
    share: float
    """Share of the visible outsiders of this message who belonged to that circle, 0 to 1."""


@dataclass(frozen=True, slots=True)
class History:
    """The answers. Each default is what nothing remembered means."""

    known_thread: bool = False
    """Every outsider shown was already visible to every other outsider among those shown and in the envelope, in this
    thread."""
    gained: int | None = None
    """Outsiders shown or written to whom this thread did not have before; None when the thread is not known."""
    strangers: int = 0
    """Visible outsiders who were never visible together with any other of them."""
    usually_blind: int = 0
    """Visible outsiders whom this sender reached by Bcc more often than openly."""
    stopped: Stopped | None = None
    """The best match among circles that were stopped, by share."""
    pieces: int = 0
    """Outsiders disclosed by this sender's messages that share subject or text, this one included."""
    windows: tuple[tuple[timedelta, int], ...] = ()
    """For each time asked for, the outsiders this sender disclosed within it, this message included."""

    def within(self, time: timedelta) -> int:
        """Return the outsiders disclosed within one of the times asked for."""
        return dict(self.windows).get(time, 0)


NO_HISTORY = History()
