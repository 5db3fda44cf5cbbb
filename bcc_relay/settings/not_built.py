"""Keys that are accepted although their part is not built yet: named at start, or refused if safety hangs on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcc_relay.core.model import Channel
from bcc_relay.settings.rules import Builtin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bcc_relay.settings.document import Value
    from bcc_relay.settings.model import Settings
    from bcc_relay.settings.rules import RuleSetting


@dataclass(frozen=True, slots=True)
class NotBuilt:
    """A key that was set and does nothing yet. `unsafe`: `serve` must not start, because someone relies on it."""

    key: str
    sentence: str
    unsafe: bool = False

    def __str__(self) -> str:
        return f"{self.key} {self.sentence}"


@dataclass(frozen=True, slots=True)
class _Entry:
    key: str
    is_set: Callable[[Settings, Value], bool]
    sentence: str
    unsafe: bool = False


def _written(*path: str) -> Callable[[Settings, Value], bool]:
    return lambda _, tree: tree.holds(path)


TABLE = (
    _Entry(
        "auth.backend",
        lambda settings, _: settings.auth.backend != "file",
        "is not built yet except for file; write backend: file and add the accounts with `bcc-relay users add`",
        unsafe=True,
    ),
    _Entry(
        "upstream.oauth",
        lambda settings, _: bool(settings.upstream.oauth),
        "is not built yet; write username and password_file",
        unsafe=True,
    ),
    _Entry(
        "quarantine.key_file",
        lambda settings, _: settings.quarantine.key_file is not None,
        "is not built yet, held mail would not be encrypted; remove it and keep the store on an encrypted disk",
        unsafe=True,
    ),
    _Entry(
        "quarantine.second_person_for",
        lambda settings, _: bool(set(settings.quarantine.second_person_for) - {"release_as_is"}),
        "is not built yet except for release_as_is; write [release_as_is] or []",
        unsafe=True,
    ),
    _Entry(
        "store.url",
        lambda settings, _: settings.store.sqlite_path is None,
        "is not built yet for PostgreSQL; write sqlite:///var/lib/bcc-relay/relay.db",
        unsafe=True,
    ),
    _Entry(
        "workers",
        lambda settings, _: (settings.workers or 1) > 1,
        "is not built yet above 1; one process runs",
    ),
    _Entry("web", _written("web"), "is not built yet; decide about held mail with `bcc-relay quarantine`"),
    _Entry(
        "notices.digest",
        lambda settings, _: settings.notices.digest != type(settings.notices)().digest,
        "is not built yet; reviewers get a notice for each held message",
    ),
    _Entry(
        "notices.language",
        lambda settings, _: settings.notices.language != "en",
        "is not built yet; notices are in English",
    ),
    _Entry("retention.memory", _written("retention", "memory"), "is not built yet; nothing is remembered"),
    _Entry("retention.audit", _written("retention", "audit"), "is not built yet; the audit is kept for good"),
    _Entry(
        "quarantine.sender_may",
        _written("quarantine", "sender_may"),
        "is not built yet; reviewers decide with `bcc-relay quarantine`",
    ),
)

BUILTIN_RULES = ("correction", "known-thread", "usual-bcc", "in-pieces")
"""Built-in rules that need the memory of earlier mail."""

CHANNELS = frozenset(
    {
        Channel.CALENDAR,
        Channel.TNEF,
        Channel.ATTACHED_MESSAGE,
        Channel.ATTACHED_LIST,
        Channel.BODY,
        Channel.QUOTED_HEADER,
        Channel.ARCHIVE,
        Channel.PROTECTED_HEADER,
    }
)
"""Channels that no detector reads yet."""


def find(settings: Settings, tree: Value) -> tuple[NotBuilt, ...]:
    """Return what was set and is not built, in the order of the tables."""
    return (
        *(NotBuilt(entry.key, entry.sentence, entry.unsafe) for entry in TABLE if entry.is_set(settings, tree)),
        *_builtin(settings, tree),
        *(found for rule in settings.policy.rules for found in _conditions(rule)),
    )


def _builtin(settings: Settings, tree: Value) -> Iterator[NotBuilt]:
    fields = {field.alias or name: name for name, field in Builtin.model_fields.items()}
    for key in BUILTIN_RULES:
        is_on = getattr(settings.policy.builtin, fields[key]) is not None
        if is_on and tree.holds(("policy", "builtin", key)):
            yield NotBuilt(f"policy.builtin.{key}", "is not built yet; the rule does not take part in deciding")


def _conditions(rule: RuleSetting) -> Iterator[NotBuilt]:
    when = rule.when
    # A pass rule that never matches only makes the relay stricter; any other would leave mail unguarded.
    strict = rule.then == "pass"
    remedy = "the rule never matches" if strict else "the rule would never match, remove it"
    if when.window_outsiders is not None:
        yield _in_rule(rule, "window_outsiders", remedy, unsafe=not strict)
    if when.known_thread:
        yield _in_rule(rule, "known_thread", remedy, unsafe=not strict)
    if when.known_thread is False:
        # Taken to hold always: harmless unless that lets mail pass.
        yield _in_rule(rule, "known_thread", "every thread counts as unknown", unsafe=strict)
    unread = [channel.value for channel in when.channel or () if channel in CHANNELS]
    if unread:
        what = f"{', '.join(unread)}: no address is looked for there yet, {remedy}"
        yield NotBuilt(f"policy.rules.{rule.name}.when.channel", what, unsafe=not strict)


def _in_rule(rule: RuleSetting, condition: str, what: str, *, unsafe: bool) -> NotBuilt:
    return NotBuilt(f"policy.rules.{rule.name}.when.{condition}", f"is not built yet; {what}", unsafe)
