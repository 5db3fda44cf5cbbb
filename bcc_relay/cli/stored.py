"""How commands reach stored mail: the store opened for one command, and messages found by their number."""

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from bcc_relay.cli.shell import CommandError, Exit, Shell

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bcc_relay.core.model import Record
    from bcc_relay.relay.ports import Store
    from bcc_relay.settings import Settings
    from bcc_relay.store.sql import SqlStore

T = TypeVar("T")

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Number of the message, as the list shows it.")]

MOST = 100_000
"""Most messages that a list shows."""


def with_store(shell: Shell, work: "Callable[[SqlStore, Settings], Awaitable[T]]") -> T:
    """Open the store that is configured, do `work` with it, close it, return the result.

    A store that does not exist yet is not made: it would belong to whoever gives the command, not to the relay.
    """
    import asyncio

    from bcc_relay.wiring import open_store

    loaded = shell.load(check_files=False)
    loaded.refuse_unsafe()
    settings = loaded.settings
    path = settings.store.sqlite_path
    try:
        if path is not None:
            path.stat()
    except FileNotFoundError:
        what = f"There is no store at {path} yet; start the relay, or name its configuration with --config"
        raise CommandError(Exit.UNAVAILABLE, what) from None
    except PermissionError:
        raise CommandError(Exit.NOT_ALLOWED, f"You may not read {path}; give the command with sudo") from None

    async def run() -> T:
        async with open_store(settings) as store:
            return await work(store, settings)

    with suppress(KeyboardInterrupt):
        return asyncio.run(run())
    raise CommandError(Exit.TRY_LATER, "Interrupted; give the command again")


async def existing(store: "Store", message_id: str) -> "Record":
    """Return the record of that number. Raises CommandError when there is none."""
    record = await store.get(message_id)
    if record is None:
        raise CommandError(Exit.DATA, f"There is no message {message_id!r}; `list` shows the numbers there are")
    return record
