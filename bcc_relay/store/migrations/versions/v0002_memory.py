"""Circles, their members and their Message-IDs: the memory of earlier mail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables of the memory."""
    _circles()
    _members()
    _ids()


def _circles() -> None:
    op.create_table(
        "circles",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("sender", sa.LargeBinary, nullable=False),
        sa.Column("own_id", sa.LargeBinary),
        sa.Column("subject", sa.LargeBinary),
        sa.Column("gist", sa.LargeBinary),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("shown", sa.Integer, nullable=False),
        sa.Column("verdict", sa.Text),
        sa.Column("rule", sa.Text),
        sa.Column("is_stopped", sa.Boolean, nullable=False),
        sa.Column("is_learned", sa.Boolean, nullable=False),
    )
    op.create_index("uq_circles_message", "circles", ["message_id"], unique=True)
    op.create_index("ix_circles_at", "circles", ["at"])
    op.create_index("ix_circles_sender", "circles", ["sender", "at"])
    _partial("ix_circles_learned", ["sender", "number"], "is_learned")
    _partial("ix_circles_stopped", ["at"], "is_stopped")


def _partial(name: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, "circles", columns, sqlite_where=condition, postgresql_where=condition)


def _members() -> None:
    op.create_table(
        "circle_members",
        sa.Column("circle", sa.BigInteger, sa.ForeignKey("circles.number", ondelete="CASCADE"), primary_key=True),
        sa.Column("member", sa.LargeBinary, primary_key=True),
        sa.Column("is_shown", sa.Boolean, nullable=False),
        sa.Column("is_reader", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_circle_members_member", "circle_members", ["member", "circle", "is_shown"])


def _ids() -> None:
    op.create_table(
        "circle_ids",
        sa.Column("circle", sa.BigInteger, sa.ForeignKey("circles.number", ondelete="CASCADE"), primary_key=True),
        sa.Column("id", sa.LargeBinary, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_circle_ids_id", "circle_ids", ["id", "circle"])
