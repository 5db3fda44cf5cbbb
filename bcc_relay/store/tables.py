"""The tables. Their history stands in `migrations`; a test keeps the two equal."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    text,
)

if TYPE_CHECKING:
    from sqlalchemy import Dialect

OCTETS_PER_ROW = 256 * 1024
"""A body lies in pieces of this size: 50 MB are never one value."""


def instant_text(at: datetime) -> str:
    """Write a time as `2026-11-22T10:00:00.000000Z`: UTC, always with microseconds, so that text order is time order.

    Raises ValueError for a time without a zone.
    """
    if at.tzinfo is None:
        raise ValueError("a time without a zone cannot be stored")
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


class Instant(TypeDecorator[datetime]):
    """A time, as text in the form of `instant_text`."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """To the database."""
        return None if value is None else instant_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """From the database."""
        return None if value is None else datetime.fromisoformat(value)


class Plain(TypeDecorator[Any]):
    """A plain value as JSON in ASCII: strangers' text may hold what a database refuses (NUL, lone surrogates)."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """To the database."""
        return None if value is None else json.dumps(value, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any | None:  # noqa: ARG002
        """From the database."""
        return None if value is None else json.loads(value)


metadata = MetaData()

meta = Table("meta", metadata, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))

messages = Table(
    "messages",
    metadata,
    Column("id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("origin", Plain, nullable=False),
    Column("sender", LargeBinary),
    Column("sender_key", Text),
    Column("body_8bitmime", Boolean, nullable=False),
    Column("smtputf8", Boolean, nullable=False),
    Column("ret", Text),
    Column("envid", LargeBinary),
    Column("subject", Plain, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("form", Text, nullable=False),
    Column("judgement", Plain, nullable=False),
    Column("held", Boolean, nullable=False),
    Column("is_notice", Boolean, nullable=False),
    Column("expires_at", Instant),
    Column("next_attempt_at", Instant),
    Column("retry_since", Instant),
    Column("attempts", Integer, nullable=False),
    Column("released_at", Instant),
    Column("asked_by", Plain),
    Column("delay_warned", Boolean, nullable=False),
    # From here on: what only the store needs.
    Column("separator", LargeBinary, nullable=False),
    Column("has_octets", Boolean, nullable=False),
    # When delivery may take it: the next attempt while it waits, the end of the lease while it is delivered.
    Column("due_at", Instant),
    Column("lease_owner", Text),
    Column("final_at", Instant),
    Column("fingerprint", Text, nullable=False),
    Column("content_key", Text),
    Column("client_heard", Boolean, nullable=False),
    Index("ix_messages_state_received", "state", "received_at", "id"),
    Index("ix_messages_state_expires", "state", "expires_at", "id"),
    Index("ix_messages_has_octets_final", "has_octets", "final_at"),
    # Each of these holds few rows however many messages there are.
    Index(
        "ix_messages_due",
        "due_at",
        "id",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    Index(
        "ix_messages_unheard",
        "received_at",
        "id",
        sqlite_where=text("NOT client_heard"),
        postgresql_where=text("NOT client_heard"),
    ),
    Index(
        "uq_messages_held_content",
        "content_key",
        unique=True,
        sqlite_where=text("state = 'held'"),
        postgresql_where=text("state = 'held'"),
    ),
)

recipients = Table(
    "recipients",
    metadata,
    Column("message_id", Text, ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("octets", LargeBinary, nullable=False),
    Column("key", Text, nullable=False),
    Column("notify", Plain),
    Column("orcpt", LargeBinary),
    Column("outcome", Text, nullable=False),
    Column("reply", Plain),
)

# Position 0 is the header, the body follows.
octets = Table(
    "octets",
    metadata,
    Column("message_id", Text, ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("piece", LargeBinary, nullable=False),
)

# No foreign keys: the audit outlives the messages.
audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("digest", Text, nullable=False),
)

# What people wrote stands beside the audit, its keyed digest inside: it can be erased without breaking the chain.
reasons = Table(
    "reasons",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("message_id", Text, nullable=False),
    Column("reason", Plain, nullable=False),
)

# What earlier mail tells. Of addresses, Message-IDs, subjects and texts there are keyed hashes only (`keys.hashed`).
# Numbers grow with time, so that a range of them is a time.
circles = Table(
    "circles",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("message_id", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("sender", LargeBinary, nullable=False),
    Column("own_id", LargeBinary),
    Column("subject", LargeBinary),
    Column("gist", LargeBinary),
    Column("size", Integer, nullable=False),
    Column("shown", Integer, nullable=False),
    Column("verdict", Text),
    Column("rule", Text),
    Column("is_stopped", Boolean, nullable=False),
    Column("is_learned", Boolean, nullable=False),
    Index("uq_circles_message", "message_id", unique=True),
    Index("ix_circles_at", "at"),
    Index("ix_circles_sender", "sender", "at"),
    Index(
        "ix_circles_learned",
        "sender",
        "number",
        sqlite_where=text("is_learned"),
        postgresql_where=text("is_learned"),
    ),
    Index("ix_circles_stopped", "at", sqlite_where=text("is_stopped"), postgresql_where=text("is_stopped")),
)

circle_members = Table(
    "circle_members",
    metadata,
    Column("circle", BigInteger, ForeignKey("circles.number", ondelete="CASCADE"), primary_key=True),
    Column("member", LargeBinary, primary_key=True),
    Column("is_shown", Boolean, nullable=False),
    # It went to this member, or a header field says so; false for whom only its body shows.
    Column("is_reader", Boolean, nullable=False),
    Index("ix_circle_members_member", "member", "circle", "is_shown"),
    sqlite_with_rowid=False,
)

# The Message-ID of the message and those that it answers.
circle_ids = Table(
    "circle_ids",
    metadata,
    Column("circle", BigInteger, ForeignKey("circles.number", ondelete="CASCADE"), primary_key=True),
    Column("id", LargeBinary, primary_key=True),
    Index("ix_circle_ids_id", "id", "circle"),
    sqlite_with_rowid=False,
)
