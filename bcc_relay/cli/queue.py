"""`queue`: what waits for the upstream."""

from typing import TYPE_CHECKING

import typer

from bcc_relay.cli import records
from bcc_relay.cli.quarantine import show_message
from bcc_relay.cli.shell import ConfigOption, JsonOption, Shell
from bcc_relay.cli.stored import MOST, IdArgument, with_store

if TYPE_CHECKING:
    from bcc_relay.core.model import Record
    from bcc_relay.settings import Settings
    from bcc_relay.store.sql import SqlStore

app = typer.Typer(help="Mail that waits for delivery.", no_args_is_help=True)


@app.command(name="list")
def list_(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List what waits for delivery, oldest first."""
    from bcc_relay.core.model import State

    shell = Shell.of(context, config, as_json)

    async def work(store: "SqlStore", _: "Settings") -> "tuple[Record, ...]":
        return await store.find((State.QUEUED, State.RELEASED, State.DELIVERING), limit=MOST)

    found = with_store(shell, work)
    shell.answer([records.waiting_summary(record) for record in found], lambda: records.print_waiting(found))


@app.command()
def show(
    context: typer.Context, message_id: IdArgument, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show one message and what the upstream said about each recipient."""
    show_message(Shell.of(context, config, as_json), message_id)
