"""`audit`: check the chain of what was decided."""

from typing import TYPE_CHECKING, Annotated

import typer

from bcc_relay.cli.shell import CommandError, ConfigOption, Exit, JsonOption, Shell, progress
from bcc_relay.cli.stored import with_store

if TYPE_CHECKING:
    from bcc_relay.core.audit import Broken, Head
    from bcc_relay.store.sql import SqlStore

AT_ONCE = 5000
"""Rows that are checked in one go."""

app = typer.Typer(help="The chain of what was decided.", no_args_is_help=True)


@app.callback()
def everything() -> None:
    """The chain of what was decided."""


@app.command()
def verify(
    context: typer.Context,
    head: Annotated[
        str | None,
        typer.Option("--head", metavar="SEQ:DIGEST", help="A head noted earlier: finds rows cut off since at the end."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check every row of the audit; exit code 65 when one was changed, added or removed."""
    shell = Shell.of(context, config, as_json)
    exported = _head(head)

    async def work(store: "SqlStore") -> "tuple[Broken | None, Head]":
        return await _verified(store, exported)

    broken, reached = with_store(shell, work)
    if broken is not None:
        raise CommandError(Exit.DATA, f"The audit is broken at row {broken.seq}: {broken.sentence}")
    shell.answer(
        {"rows": reached.seq, "head": f"{reached.seq}:{reached.digest}", "whole": True},
        lambda: print(f"The audit is whole: {reached.seq} rows. Head: {reached.seq}:{reached.digest}"),
    )


async def _verified(store: "SqlStore", exported: "Head | None") -> "tuple[Broken | None, Head]":
    """Check the chain piece by piece; return the first break, if any, and how far it is whole."""
    from bcc_relay.core import audit

    reached = audit.START
    with progress("Checking", None) as advance:
        while rows := await store.audit_rows(after=reached.seq, limit=AT_ONCE):
            inside = exported if exported and exported.seq <= rows[-1].seq else None
            broken = audit.verify(rows, store.keys.audit, after=reached, exported=inside)
            if broken is not None:
                return broken, reached
            reached = audit.head_of(rows[-1])
            advance(len(rows))
    return audit.verify((), store.keys.audit, after=reached, exported=exported), reached


def _head(text: str | None) -> "Head | None":
    from bcc_relay.core.audit import Head

    if text is None:
        return None
    seq, _, digest = text.partition(":")
    if not (seq.isascii() and seq.isdigit() and digest):
        raise CommandError(Exit.USAGE, "--head takes what `audit verify` printed before, such as 12:1f0c…")
    return Head(int(seq), digest)
