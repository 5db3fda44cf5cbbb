"""`queue`: what waits for the upstream."""

from typing import TYPE_CHECKING, Annotated

import typer

from bcc_relay.cli import records
from bcc_relay.cli.quarantine import show_message
from bcc_relay.cli.shell import CommandError, ConfigOption, Exit, JsonOption, Shell, person, progress
from bcc_relay.cli.stored import MOST, IdArgument, settled, with_review, with_store

if TYPE_CHECKING:
    from bcc_relay.core.record import Record
    from bcc_relay.relay.ports import Store
    from bcc_relay.relay.review import Result, Review
    from bcc_relay.store.sql import SqlStore

app = typer.Typer(help="Mail that waits for delivery.", no_args_is_help=True)


@app.command(name="list")
def list_(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List what waits for delivery, oldest first."""
    from bcc_relay.core.record import State

    shell = Shell.of(context, config, as_json)

    async def work(store: "SqlStore") -> "tuple[Record, ...]":
        return await store.find((State.QUEUED, State.RELEASED, State.DELIVERING), limit=MOST)

    found = with_store(shell, work)
    shell.answer([records.waiting_summary(record) for record in found], lambda: records.print_waiting(found))


@app.command()
def show(
    context: typer.Context, message_id: IdArgument, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show one message and what the upstream said about each recipient."""
    show_message(Shell.of(context, config, as_json), message_id)


@app.command()
def retry(
    context: typer.Context,
    message_id: Annotated[str | None, typer.Argument(metavar="ID", help="Number of the message.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Try everything that waits.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Try to deliver now, without waiting for the next attempt."""
    shell = Shell.of(context, config, as_json)
    if (message_id is None) == (not everything):
        raise CommandError(Exit.USAGE, "Name one message, or give --all for everything that waits")

    async def one(review: "Review", _: "Store") -> "list[Record]":
        assert message_id is not None
        return [settled(await review.retry(message_id, person=person()), message_id)]

    moved = with_review(shell, _retry_all if message_id is None else one)
    count = f"{len(moved)} {'message' if len(moved) == 1 else 'messages'}"
    shell.answer([records.waiting_summary(record) for record in moved], lambda: print(f"Trying {count} now."))


async def _retry_all(review: "Review", store: "Store") -> "list[Record]":
    """Retry whatever still waits when its turn comes; what is being delivered at that moment needs no retry."""
    from bcc_relay.core.record import State
    from bcc_relay.relay.review import Done

    waiting = await store.find((State.QUEUED, State.RELEASED), limit=MOST)
    moved: list[Record] = []
    with progress("Retrying", len(waiting)) as advance:
        for record in waiting:
            result = await review.retry(record.id, person=person())
            if isinstance(result, Done):
                moved.append(result.record)
            advance(1)
    return moved


@app.command()
def delete(
    context: typer.Context,
    message_id: IdArgument,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept with the decision.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a message out of the queue for good; its sender is not told."""
    shell = Shell.of(context, config, as_json)

    async def work(review: "Review", _: "Store") -> "Result":
        return await review.delete(message_id, person=person(), reason=reason)

    record = settled(with_review(shell, work), message_id)
    shell.answer(records.details(record), lambda: print(f"Deleted {record.id}: it is not delivered any more."))
