"""Keys that are accepted although their part is not built yet: named at start, or refused if safety hangs on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcc_relay.settings.document import Value
    from bcc_relay.settings.model import Settings


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
    _Entry("retention.audit", _written("retention", "audit"), "is not built yet; the audit is kept for good"),
    _Entry(
        "quarantine.sender_may",
        _written("quarantine", "sender_may"),
        "is not built yet; reviewers decide with `bcc-relay quarantine`",
    ),
)


def find(settings: Settings, tree: Value) -> tuple[NotBuilt, ...]:
    """Return what was set and is not built, in the order of the table."""
    return tuple(NotBuilt(entry.key, entry.sentence, entry.unsafe) for entry in TABLE if entry.is_set(settings, tree))
