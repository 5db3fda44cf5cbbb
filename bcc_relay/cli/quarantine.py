"""`quarantine`: decide about held mail from a terminal."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bcc_relay.cli import records
from bcc_relay.cli.shell import CommandError, ConfigOption, Exit, JsonOption, Shell
from bcc_relay.cli.stored import MOST, IdArgument, existing, with_store

if TYPE_CHECKING:
    from bcc_relay.core.model import Message, Record
    from bcc_relay.settings import Settings
    from bcc_relay.store.sql import SqlStore

app = typer.Typer(help="Held mail: look at it and decide.", no_args_is_help=True)


@app.command(name="list")
def list_(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Show decided messages too, as long as they are kept.")] = (
        False
    ),
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what waits for a decision, oldest first."""
    from bcc_relay.core.model import State

    shell = Shell.of(context, config, as_json)
    states = tuple(State) if everything else (State.HELD,)

    async def work(store: "SqlStore", _: "Settings") -> "list[Record]":
        return [record for record in await store.find(states, limit=MOST) if record.held]

    found = with_store(shell, work)
    shell.answer([records.held_summary(record) for record in found], lambda: records.print_held(found))


@app.command()
def show(
    context: typer.Context, message_id: IdArgument, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show one message: why it stopped, who would have seen what, and each recipient."""
    show_message(Shell.of(context, config, as_json), message_id)


def show_message(shell: Shell, message_id: str) -> None:
    """Print everything known about one stored message, held or queued."""

    async def work(store: "SqlStore", _: "Settings") -> "Record":
        return await existing(store, message_id)

    record = with_store(shell, work)
    shell.answer(records.details(record), lambda: records.print_details(record))


@app.command()
def export(
    context: typer.Context,
    message_id: IdArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write it there instead; the file must be new."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the message as it was submitted, as .eml, to standard output."""
    shell = Shell.of(context, config, as_json)
    if output is None and shell.json:
        raise CommandError(Exit.USAGE, "With --json the message needs a file of its own; add -o FILE")
    if output is None and sys.stdout.isatty():
        what = "A stranger's message must not reach the terminal as it is; redirect it, or add -o FILE"
        raise CommandError(Exit.USAGE, what)

    async def work(store: "SqlStore", _: "Settings") -> "tuple[Record, Message | None]":
        return await existing(store, message_id), await store.message(message_id)

    record, message = with_store(shell, work)
    if message is None:
        raise CommandError(Exit.DATA, f"The content of {message_id} has been erased; only its record is left")
    if output is None:
        for piece in message.pieces():
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    _write(output, message)
    document = {"id": record.id, "file": str(output), "size_bytes": message.size_bytes}
    shell.answer(document, lambda: print(f"Wrote {message.size_bytes} bytes to {output}."))


def _write(file: Path, message: "Message") -> None:
    """Write the message into a new file that only its owner may read."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise CommandError(Exit.USAGE, f"{file} exists already; name a new file") from None
    except OSError as error:
        raise CommandError(Exit.USAGE, f"{file} cannot be written ({error.strerror}); name another file") from None
    try:
        with os.fdopen(descriptor, "wb") as opened:
            for piece in message.pieces():
                opened.write(piece)
    except OSError as error:
        with suppress(OSError):
            file.unlink()
        raise CommandError(Exit.TRY_LATER, f"{file} cannot be written ({error.strerror}); make room") from None
