"""`quarantine`: decide about held mail from a terminal."""

import os
import sys
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bcc_relay.cli import records
from bcc_relay.cli.shell import CommandError, ConfigOption, Exit, JsonOption, Shell, person
from bcc_relay.cli.stored import MOST, IdArgument, existing, settled, with_review, with_store

if TYPE_CHECKING:
    from bcc_relay.core.model import Form, Message
    from bcc_relay.core.record import Record
    from bcc_relay.relay.ports import Store
    from bcc_relay.relay.review import Result, Review
    from bcc_relay.store import Reason
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
    from bcc_relay.core.record import State

    shell = Shell.of(context, config, as_json)
    states = tuple(State) if everything else (State.HELD,)

    async def work(store: "SqlStore") -> "list[Record]":
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

    async def work(store: "SqlStore") -> "tuple[Record, tuple[Reason, ...]]":
        return await existing(store, message_id), await store.reasons(message_id)

    record, given = with_store(shell, work)
    shell.answer(records.details_with_reasons(record, given), lambda: records.print_details(record, given))


class As(StrEnum):
    """Ways to release a message."""

    BCC = "bcc"
    AS_IS = "as-is"
    INDIVIDUAL = "individual"


def _form(way: As) -> "Form | None":
    """Return the form a message leaves in; None is the configured one, in which nobody sees the others."""
    from bcc_relay.core.model import Form

    return {As.BCC: None, As.AS_IS: Form.AS_IS, As.INDIVIDUAL: Form.INDIVIDUAL}[way]


@app.command()
def release(
    context: typer.Context,
    message_id: IdArgument,
    way: Annotated[
        As,
        typer.Option(
            "--as",
            help="bcc: nobody sees the others; individual: a copy for each recipient; as-is: as it was written, which "
            "needs a reason and a second person.",
        ),
    ],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept with the decision.")] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a held message go."""
    shell = Shell.of(context, config, as_json)
    if way is As.AS_IS and not reason.strip():
        raise CommandError(Exit.USAGE, "Sending it as it is needs a reason in writing; add --reason TEXT")

    async def work(review: "Review", _: "Store") -> "Result":
        return await review.release(message_id, _form(way), person=person(), reason=reason)

    record = settled(with_review(shell, work), message_id)
    count = records.count(len(record.recipients), "recipient")
    what = f"Released {record.id}: it goes to {count}, {records.in_words(record.form)}."
    shell.answer(records.details(record), lambda: print(what))


@app.command()
def discard(
    context: typer.Context,
    message_id: IdArgument,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; the sender is told.")] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Drop a held message; its sender is told."""
    shell = Shell.of(context, config, as_json)

    async def work(review: "Review", _: "Store") -> "Result":
        return await review.discard(message_id, person=person(), reason=reason)

    record = settled(with_review(shell, work), message_id)
    shell.answer(records.details(record), lambda: print(f"Discarded {record.id}: nobody receives it."))


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

    async def work(store: "SqlStore") -> "tuple[Record, Message | None]":
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
