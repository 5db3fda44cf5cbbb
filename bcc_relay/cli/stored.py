"""How commands reach stored mail: the store opened for one command, and messages found by their number."""

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from bcc_relay.cli.shell import CommandError, Exit, Shell

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from bcc_relay.core.record import Record
    from bcc_relay.relay.ports import Store
    from bcc_relay.relay.review import Result, Review
    from bcc_relay.settings import Settings
    from bcc_relay.store.sql import SqlStore

T = TypeVar("T")

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Number of the message, as the list shows it.")]

MOST = 100_000
"""Most messages that a list shows."""


def with_store(shell: Shell, work: "Callable[[SqlStore], Awaitable[T]]") -> T:
    """Open the store that is configured, do `work` with it, close it, return the result."""
    from bcc_relay.wiring import open_store

    settings = _settings(shell)

    async def run() -> T:
        async with open_store(settings) as store:
            return await work(store)

    return _finish(run())


def with_review(shell: Shell, work: "Callable[[Review, Store], Awaitable[T]]") -> T:
    """As `with_store`, with the powers of a reviewer over it."""
    from bcc_relay.wiring import open_review, open_store

    settings = _settings(shell)

    async def run() -> T:
        async with open_store(settings) as store, open_review(settings, store) as review:
            return await work(review, store)

    return _finish(run())


def _finish(work: "Coroutine[None, None, T]") -> T:
    import asyncio

    with suppress(KeyboardInterrupt):
        return asyncio.run(work)
    raise CommandError(Exit.TRY_LATER, "Interrupted; give the command again")


def _settings(shell: Shell) -> "Settings":
    """Return the settings, when there is a store by them.

    A store that does not exist yet is not made: it would belong to whoever gives the command, not to the relay.
    """
    loaded = shell.load(check_files=False)
    loaded.refuse_unsafe()
    settings = loaded.settings
    path = settings.store.sqlite_path
    is_allowed = True
    try:
        if path is not None:
            path.stat()
            is_allowed = os.access(path, os.R_OK | os.W_OK)
    except FileNotFoundError:
        what = f"There is no store at {path} yet; start the relay, or name its configuration with --config"
        raise CommandError(Exit.UNAVAILABLE, what) from None
    except PermissionError:
        is_allowed = False
    if not is_allowed:
        raise CommandError(Exit.NOT_ALLOWED, f"You may not read {path}; give the command with sudo")
    return settings


async def existing(store: "Store", message_id: str) -> "Record":
    """Return the record of that number. Raises CommandError when there is none."""
    record = await store.get(message_id)
    if record is None:
        raise _unknown(message_id)
    return record


def _unknown(message_id: str) -> CommandError:
    return CommandError(Exit.DATA, f"There is no message {message_id!r}; `list` shows the numbers there are")


def settled(result: "Result", message_id: str) -> "Record":
    """Return the message as it is after a decision. Raises CommandError when the decision was not carried out."""
    from bcc_relay.relay.review import Done, NeedsSecondPerson, NotFound, Refused

    match result:
        case Done(record):
            return record
        case NotFound():
            raise _unknown(message_id)
        case Refused(why):
            raise CommandError(Exit.DATA, why)
        case NeedsSecondPerson(asked_by):
            what = f"Noted for {asked_by}; it goes when a second person gives the same command"
            raise CommandError(Exit.TRY_LATER, what)
