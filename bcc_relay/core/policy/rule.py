"""The rule language as values: what a rule is, and the thresholds of the built-in ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from bcc_relay.core.model import Form

if TYPE_CHECKING:
    from datetime import date
    from ipaddress import IPv4Network, IPv6Network

    from bcc_relay.core.model import Channel


class Pattern(Protocol):
    """A compiled regular expression that matches in linear time, ignoring case."""

    def search(self, text: str, /) -> object | None:
        """Return something true when the pattern occurs in `text`."""


class Action(StrEnum):
    """What a rule does."""

    PASS = "pass"  # noqa: S105
    REWRITE = "rewrite"
    HOLD = "hold"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Range:
    """`at_least` and `at_most`, both included; None is open."""

    at_least: float | None = None
    at_most: float | None = None

    def holds(self, number: float) -> bool:
        """Whether `number` is in the range."""
        return (self.at_least is None or number >= self.at_least) and (self.at_most is None or number <= self.at_most)


@dataclass(frozen=True, slots=True)
class Window:
    """Outsiders shown by this sender within a time; needs the memory of earlier mail."""

    outsiders: Range
    within: timedelta


@dataclass(frozen=True, slots=True)
class When:
    """Conditions of a rule; all that are given must hold. None and empty mean not given; a list matches any."""

    sender: tuple[str, ...] = ()
    """Addresses or `@domain`, in comparing form."""
    user: tuple[str, ...] = ()
    network: tuple[IPv4Network | IPv6Network, ...] = ()
    listener: tuple[str, ...] = ()
    """`bind` of the listener."""
    subject: Pattern | None = None
    header: tuple[tuple[str, Pattern], ...] = ()
    """Pairs of lower-case field name and pattern."""
    visible_recipients: Range | None = None
    visible_outsiders: Range | None = None
    outsider_domains: Range | None = None
    personal_share: Range | None = None
    channel: tuple[Channel, ...] = ()
    channel_addresses: Range | None = None
    """Outsiders that the named channels show, else those of the fullest channel."""
    window_outsiders: Window | None = None
    is_reply: bool | None = None
    known_thread: bool | None = None
    finding: tuple[str, ...] = ()
    damaged: bool | None = None
    unreadable: bool | None = None
    encrypted: bool | None = None
    size: Range | None = None
    """Octets."""
    until: date | None = None
    """The last day (UTC) on which the rule counts."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the organisation's own. `rewrite`: its form; None takes the configured one."""

    name: str
    when: When
    then: Action
    rewrite: Form | None = None
    sentence: str = ""
    monitor: bool = False
    """Counted when it matches, but the next rules decide."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """Threshold of the rule `damaged`."""

    recipients: int = 2
    """Outsiders in the envelope."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Threshold of the rule `unreadable`."""

    recipients: int = 10


@dataclass(frozen=True, slots=True)
class BeyondRewriting:
    """Thresholds of the rule `beyond-rewriting`."""

    own_recipients: int = 10
    """Outsiders among the message's own recipients, of whom `personal_share` are personal."""
    personal_share: float = 0.5
    outsiders: int = 30
    body: int = 50
    """As `outsiders`, for body text."""


@dataclass(frozen=True, slots=True)
class Families:
    """Thresholds of the rule `families`."""

    visible_outsiders: int = 10
    personal_share: float = 0.5


@dataclass(frozen=True, slots=True)
class Correction:
    """Thresholds of the rule `correction`."""

    share: float = 0.8
    """Share of the visible outsiders who were the circle of the stopped message."""
    visible_outsiders: int = 5
    """With fewer it is no message to that circle any more."""
    within: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class KnownThread:
    """The rule `known-thread` has no threshold."""


@dataclass(frozen=True, slots=True)
class UsualBcc:
    """Threshold of the rule `usual-bcc`."""

    visible_outsiders: int = 10
    """Visible outsiders whom this sender normally reaches by Bcc."""


@dataclass(frozen=True, slots=True)
class InPieces:
    """Thresholds of the rule `in-pieces`."""

    disclosed: int = 30
    """Disclosed outsiders, all pieces together."""
    within: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class LargeCircle:
    """Thresholds of the rule `large-circle`."""

    visible_outsiders: int = 30
    outsider_domains: int = 3


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The built-in rules; None switches one off."""

    damaged: Damaged | None = field(default_factory=Damaged)
    unreadable: Unreadable | None = field(default_factory=Unreadable)
    correction: Correction | None = field(default_factory=Correction)
    known_thread: KnownThread | None = field(default_factory=KnownThread)
    beyond_rewriting: BeyondRewriting | None = field(default_factory=BeyondRewriting)
    families: Families | None = field(default_factory=Families)
    usual_bcc: UsualBcc | None = field(default_factory=UsualBcc)
    large_circle: LargeCircle | None = field(default_factory=LargeCircle)
    in_pieces: InPieces | None = field(default_factory=InPieces)


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything that decides."""

    rules: tuple[Rule, ...] = ()
    builtin: Thresholds = field(default_factory=Thresholds)
    form: Form = Form.SENDER
    """The form of a rewrite for rules that name none."""
    monitor: bool = False
    """Decide, count and log, but let everything pass and notify nobody."""

    @property
    def bcc_form(self) -> Form:
        """The form of a release as Bcc: the configured one, which `individual` is not."""
        return Form.SENDER if self.form is Form.INDIVIDUAL else self.form
