"""Messages, recipients, octets, audit and reasons."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables of the first version."""
    _messages()
    _parts()
    _audit()


def _messages() -> None:
    op.create_table("meta", sa.Column("name", sa.Text, primary_key=True), sa.Column("value", sa.Text, nullable=False))
    op.create_table(
        "messages",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("received_at", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("sender", sa.LargeBinary),
        sa.Column("sender_key", sa.Text),
        sa.Column("body_8bitmime", sa.Boolean, nullable=False),
        sa.Column("smtputf8", sa.Boolean, nullable=False),
        sa.Column("ret", sa.Text),
        sa.Column("envid", sa.LargeBinary),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("form", sa.Text, nullable=False),
        sa.Column("judgement", sa.Text, nullable=False),
        sa.Column("held", sa.Boolean, nullable=False),
        sa.Column("is_notice", sa.Boolean, nullable=False),
        sa.Column("expires_at", sa.Text),
        sa.Column("next_attempt_at", sa.Text),
        sa.Column("retry_since", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("released_at", sa.Text),
        sa.Column("asked_by", sa.Text),
        sa.Column("delay_warned", sa.Boolean, nullable=False),
        sa.Column("separator", sa.LargeBinary, nullable=False),
        sa.Column("has_octets", sa.Boolean, nullable=False),
        sa.Column("due_at", sa.Text),
        sa.Column("lease_owner", sa.Text),
        sa.Column("final_at", sa.Text),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("content_key", sa.Text),
        sa.Column("client_heard", sa.Boolean, nullable=False),
    )
    op.create_index("ix_messages_state_received", "messages", ["state", "received_at", "id"])
    op.create_index("ix_messages_state_expires", "messages", ["state", "expires_at", "id"])
    op.create_index("ix_messages_has_octets_final", "messages", ["has_octets", "final_at"])
    _partial("ix_messages_due", ["due_at", "id"], "due_at IS NOT NULL")
    _partial("ix_messages_unheard", ["received_at", "id"], "NOT client_heard")
    _partial("uq_messages_held_content", ["content_key"], "state = 'held'", unique=True)


def _partial(name: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, "messages", columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


def _parts() -> None:
    op.create_table(
        "recipients",
        sa.Column("message_id", sa.Text, sa.ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("octets", sa.LargeBinary, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("notify", sa.Text),
        sa.Column("orcpt", sa.LargeBinary),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("reply", sa.Text),
    )
    op.create_table(
        "octets",
        sa.Column("message_id", sa.Text, sa.ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("piece", sa.LargeBinary, nullable=False),
    )


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
    )
    op.create_table(
        "reasons",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
