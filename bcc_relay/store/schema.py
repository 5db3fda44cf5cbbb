"""Brings a database to the newest schema with the migrations of this package, and keeps what describes it (`meta`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, insert, inspect, select, text

from bcc_relay.core.errors import ConfigurationError
from bcc_relay.store.tables import meta

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

HEAD = "0002"
"""The newest migration. Alembic is loaded only when the database is at another."""
MIGRATIONS = Path(__file__).parent / "migrations"
KEY_IDENTITY = "key_identity"
"""Name in `meta` of the master key's identity."""


async def upgrade(connection: AsyncConnection) -> None:
    """Run the migrations that are missing, in the caller's transaction.

    Raises ConfigurationError for a database of a newer version.
    """
    if await connection.run_sync(_version) != HEAD:
        await connection.run_sync(migrate)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return version


def migrate(connection: Connection, revision: str = "head") -> None:
    """Bring the database to `revision`. Raises ConfigurationError as `upgrade`."""
    from alembic.command import upgrade as run
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        run(config, revision)
    except CommandError as error:
        raise ConfigurationError(
            f"store.url: the database is at version {_version(connection)}, which this program does not know; it was"
            " made by a newer one: run that, or restore a backup"
        ) from error


async def get_meta(connection: AsyncConnection, name: str) -> str | None:
    """Return a value that describes the database, or None."""
    value: str | None = await connection.scalar(select(meta.c.value).where(meta.c.name == name))
    return value


async def put_meta(connection: AsyncConnection, name: str, value: str) -> None:
    """Keep a new value that describes the database."""
    await connection.execute(insert(meta), {"name": name, "value": value})
