"""The policy part of the settings: an organisation's own rules and the thresholds of the built-in ones."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from bcc_relay.core.model import Channel
from bcc_relay.settings.values import (
    Count,
    Day,
    Duration,
    FieldName,
    Net,
    Positive,
    Regex,
    SenderMatch,
    Share,
    Text,
    listed,
    parse_duration,
)

MAX_SENTENCE_CHARS = 200

RewriteTo = Literal["sender", "undisclosed", "individual"]
Mode = Literal["enforce", "monitor"]
Then = Literal["pass", "rewrite", "hold", "reject"]


class Section(BaseModel):
    """A frozen part of the tree; a key it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CountRange(Section):
    """A number's limits, both included."""

    at_least: Count | None = None
    """Smallest number that matches."""
    at_most: Count | None = None
    """Largest number that matches."""

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        _check_bounds(self.at_least, self.at_most)
        return self


class ShareRange(Section):
    """Limits of a share between 0 and 1, both included."""

    at_least: Share | None = None
    """Smallest share that matches."""
    at_most: Share | None = None
    """Largest share that matches."""

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        _check_bounds(self.at_least, self.at_most)
        return self


def _check_bounds(at_least: float | None, at_most: float | None) -> None:
    if at_least is None and at_most is None:
        raise ValueError("has no limits; write {at_least: …}, {at_most: …} or both")
    if at_least is not None and at_most is not None and at_least > at_most:
        raise ValueError("can never hold, at_least is above at_most; exchange the two")


class Window(Section):
    """How many outsiders a sender showed within a time."""

    at_least: Positive
    """Smallest number that matches."""
    within: Duration
    """How far back to count."""


OneOrMore = BeforeValidator(listed, json_schema_input_type=str | list[str])


class When(Section):
    """Conditions of a rule; all that are written must hold. Nothing written (`{}`) holds for every message."""

    sender: Annotated[tuple[SenderMatch, ...], OneOrMore] | None = None
    """Envelope senders: addresses, `@domain` (with its subdomains) or `<>` for the null sender."""
    user: Annotated[tuple[Text, ...], OneOrMore] | None = None
    """Login names."""
    network: Annotated[tuple[Net, ...], OneOrMore] | None = None
    """Networks of the client."""
    listener: Annotated[tuple[Text, ...], OneOrMore] | None = None
    """Listeners, as written in their `bind`."""
    subject: Regex | None = None
    """Regular expression on the decoded subject."""
    header: dict[FieldName, Regex] | None = None
    """Regular expressions on decoded header fields: `{Name: …}`."""
    visible_recipients: CountRange | None = None
    """Addresses in header fields, of whatever kind."""
    visible_outsiders: CountRange | None = None
    """Distinct outsiders in header fields."""
    outsider_domains: CountRange | None = None
    """Domains of the visible outsiders."""
    personal_share: ShareRange | None = None
    """Share of the visible outsiders at personal-mail providers, 0 to 1."""
    channel: Annotated[tuple[Channel, ...], OneOrMore] | None = None
    """Channels by which addresses show."""
    channel_addresses: CountRange | None = None
    """Outsiders that `channel` shows, else those of the fullest channel."""
    window_outsiders: Window | None = None
    """Outsiders this sender showed within a time."""
    is_reply: bool | None = None
    """Whether the message answers another."""
    known_thread: bool | None = None
    """Whether all outsiders shown already knew each other in this thread."""
    finding: Annotated[tuple[Text, ...], OneOrMore] | None = None
    """Names of detectors that found something."""
    damaged: bool | None = None
    """Whether the message carries damage that could hide an address."""
    unreadable: bool | None = None
    """Whether a part could not be looked into."""
    encrypted: bool | None = None
    """Whether the message or a part is encrypted."""
    size: CountRange | None = None
    """Size of the message in bytes."""
    until: Day | None = None
    """Last day (UTC) on which the rule applies."""

    @field_validator("header")
    @classmethod
    def _header_not_empty(cls, value: dict[str, object] | None) -> dict[str, object] | None:
        if value == {}:
            raise ValueError("names no header field; write {Name: expression}, or leave the condition out")
        return value


class RuleSetting(Section):
    """One rule of the organisation's own."""

    name: Annotated[Text, Field(pattern=r"\A[a-z0-9-]{1,40}\z")]
    """Name of the rule: 1 to 40 of a-z, 0-9 and the hyphen."""
    when: When
    """Conditions; `{}` for every message."""
    then: Then
    """What happens: `pass`, `rewrite`, `hold` or `reject`."""
    rewrite: RewriteTo | None = None
    """Form of this rule's rewritten messages; without it that of `rewrite.to`."""
    sentence: Annotated[Text, Field(max_length=MAX_SENTENCE_CHARS)] = ""
    """What people are told, in at most 200 characters."""
    mode: Mode = "enforce"
    """`monitor` counts and logs what the rule would do, and goes on to the next rule."""

    @model_validator(mode="after")
    def _form_fits(self) -> Self:
        if self.rewrite is not None and self.then != "rewrite":
            raise ValueError(f"has rewrite: {self.rewrite} but then: {self.then}; write then: rewrite, or drop rewrite")
        return self


def _switch(value: object) -> object:
    """`off` or false switches a built-in rule off (None), `on` or true leaves its thresholds alone."""
    if value is False or (isinstance(value, str) and value.lower() == "off"):
        return None
    if value is True or (isinstance(value, str) and value.lower() == "on"):
        return {}
    return value


Switch = BeforeValidator(_switch)


class Damaged(Section):
    """Thresholds of `damaged`."""

    recipients: Positive = 2
    """Outsiders among the recipients."""


class Unreadable(Section):
    """Thresholds of `unreadable`."""

    recipients: Positive = 10
    """Outsiders among the recipients."""


class Correction(Section):
    """Thresholds of `correction`."""

    share: Share = 0.8
    """Share of the visible outsiders who were the circle of a stopped message."""
    visible_outsiders: Positive = 5
    """Fewer visible outsiders are no message to that circle any more."""
    within: Duration = parse_duration("7d")
    """How far back to look."""


class KnownThread(Section):
    """`known-thread` has no thresholds."""


class BeyondRewriting(Section):
    """Thresholds of `beyond-rewriting`."""

    own_recipients: Positive = 10
    """The message's own recipients shown by a channel that rewriting cannot cure."""
    personal_share: Share = 0.5
    """Share of personal addresses among them."""
    outsiders: Positive = 30
    """Outsiders of any kind shown by such a channel."""
    body: Positive = 50
    """The same for body text."""


class Families(Section):
    """Thresholds of `families`."""

    visible_outsiders: Positive = 10
    """Visible outsiders."""
    personal_share: Share = 0.5
    """Share of personal addresses among them."""


class UsualBcc(Section):
    """Thresholds of `usual-bcc`."""

    visible_outsiders: Positive = 10
    """Visible outsiders whom the sender normally reaches by Bcc."""


class LargeCircle(Section):
    """Thresholds of `large-circle`."""

    visible_outsiders: Positive = 30
    """Visible outsiders."""
    outsider_domains: Positive = 3
    """Domains of these outsiders."""


class InPieces(Section):
    """Thresholds of `in-pieces`."""

    disclosed: Positive = 30
    """Disclosed outsiders that the pieces add up to."""
    within: Duration = parse_duration("10m")
    """Time in which the pieces are sent."""


class Builtin(Section):
    """The built-in rules: each takes its thresholds, or `off`. None in this tree means switched off."""

    damaged: Annotated[Damaged | None, Switch] = Damaged()
    """Holds damaged messages to several outsiders."""
    unreadable: Annotated[Unreadable | None, Switch] = Unreadable()
    """Holds messages to many outsiders with a part that could not be looked into."""
    correction: Annotated[Correction | None, Switch] = Correction()
    """Treats a correction like the message it corrects."""
    known_thread: Annotated[KnownThread | None, Switch, Field(alias="known-thread")] = KnownThread()
    """Passes conversations whose people already see each other."""
    beyond_rewriting: Annotated[BeyondRewriting | None, Switch, Field(alias="beyond-rewriting")] = BeyondRewriting()
    """Holds what rewriting cannot cure."""
    families: Annotated[Families | None, Switch] = Families()
    """Rewrites mail that shows many private addresses."""
    usual_bcc: Annotated[UsualBcc | None, Switch, Field(alias="usual-bcc")] = UsualBcc()
    """Rewrites mail to people whom the sender normally reaches by Bcc."""
    large_circle: Annotated[LargeCircle | None, Switch, Field(alias="large-circle")] = LargeCircle()
    """Holds mail that shows a large circle of organisations."""
    in_pieces: Annotated[InPieces | None, Switch, Field(alias="in-pieces")] = InPieces()
    """Holds a disclosure sent in pieces."""


BUILTIN_NAMES = (*(field.alias or name for name, field in Builtin.model_fields.items()), "everything-else")
"""Names of the built-in rules in their order."""


class Policy(Section):
    """What to do with which message."""

    mode: Mode = "enforce"
    """`monitor`: decide, count and log, but notify nobody and pass everything."""
    rules: tuple[RuleSetting, ...] = ()
    """Your own rules, tried in order before the built-in ones."""
    builtin: Builtin = Builtin()
    """Thresholds of the built-in rules, or `off` for a rule."""
