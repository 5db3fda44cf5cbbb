"""The command line as a whole: which commands there are, and how every failure becomes an exit code."""

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from bcc_relay.cli import audit, config, quarantine, queue, users
from bcc_relay.cli.shell import CommandError, ConfigOption, Exit, JsonOption, Shell, complain, print_json
from bcc_relay.core.errors import BccRelayError, ConfigurationError, StoreFullError

CLICK_USAGE = 2
"""What the library exits with after a usage error; sysexits says 64."""

CLICK_ABORTED = 1
"""What the library exits with when a prompt is broken off or nobody reads the output any more."""

app = typer.Typer(
    name="bcc-relay",
    help="Outgoing mail relay that keeps recipients from seeing each other's addresses.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(config.app, name="config")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(queue.app, name="queue")
app.add_typer(audit.app, name="audit")
app.add_typer(users.app, name="users")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"bcc-relay {version('bcc-relay')}")
        raise typer.Exit


@app.command()
def serve(context: typer.Context, config: ConfigOption = None) -> None:
    """Run the relay until SIGTERM; SIGHUP reads the settings again."""
    from bcc_relay.cli import serve as serving

    shell = Shell.of(context, config, as_json=False)
    serving.run(shell.load(), shell.config)


@app.command()
def demo(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="End after the story.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Play the story of the 500 families on this machine, with real SMTP."""
    from bcc_relay.cli import demo as playing

    playing.run(once=once, as_json=Shell.of(context, None, as_json).json)


@app.command()
def explain(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE.eml", readable=False, help="Messages as files.")],
    mail_from: Annotated[
        str | None, typer.Option("--mail-from", metavar="A", help="Envelope sender. Not given: the From address.")
    ] = None,
    rcpt: Annotated[
        list[str] | None,
        typer.Option("--rcpt", metavar="A", help="Recipient; may be repeated. Not given: all of To, Cc and Bcc."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what the relay would do with a message and why.

    Each file is judged by itself, without earlier mail.
    """
    from bcc_relay.cli import explain as explaining

    shell = Shell.of(context, config, as_json)
    found = explaining.explain(shell.load(check_files=False).settings, files, mail_from, rcpt or ())
    shell.answer([explaining.document(one) for one in found], lambda: explaining.print_all(found))


@app.command()
def backtest(
    context: typer.Context,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", readable=False, help="mbox files, Maildirs, folders of messages.")
    ],
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE.html", readable=False, help="Write a page for people here."),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state",
            metavar="FILE",
            readable=False,
            help="Keep what is read and decided here; another run goes on from it.",
        ),
    ] = None,
    judges_all: Annotated[
        bool, typer.Option("--all", help="Judge mail as well whose author is not one of your own.")
    ] = False,
    addresses: Annotated[bool, typer.Option("--addresses", help="Name recipients' addresses in the report.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what the relay would have done with saved mail.

    Totals are printed; --report writes a page that names every message stopped, and why.
    """
    from bcc_relay.cli import backtest as backtesting

    shell = Shell.of(context, config, as_json)
    settings = shell.load(check_files=False).settings
    totals = backtesting.backtest(
        settings, paths, state=state, report=report, addresses=addresses, judges_all=judges_all
    )
    shell.answer(backtesting.document(totals), lambda: backtesting.print_totals(totals, report))


@app.command()
def forget(
    context: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="The address to forget.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase an address.

    It goes from what is remembered, with all finished messages from or to it. Held ones are named for a decision.
    """
    from bcc_relay.cli import forget as forgetting

    forgetting.forget(Shell.of(context, config, as_json), address)


@app.callback()
def everything(
    context: typer.Context,
    config_file: ConfigOption = None,
    as_json: JsonOption = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Outgoing mail relay that keeps recipients from seeing each other's addresses."""
    del version
    context.obj = Shell(config_file, as_json)


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line (without the program's name) and return its exit code."""
    as_json = "--json" in arguments
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        app(list(arguments), prog_name="bcc-relay")
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else Exit.OK
        return {CLICK_USAGE: Exit.USAGE, CLICK_ABORTED: Exit.TRY_LATER}.get(code, code)
    except CommandError as error:
        return _failed(error.code, [error.sentence], as_json=as_json)
    except ConfigurationError as error:
        return _failed(Exit.CONFIGURATION, error.complaints, as_json=as_json)
    except StoreFullError as error:
        return _failed(Exit.TRY_LATER, [f"The store has no room left: {error}"], as_json=as_json)
    except BccRelayError as error:
        return _failed(Exit.UNAVAILABLE, [f"Not available now: {error}"], as_json=as_json)
    return Exit.OK


def _failed(code: Exit, sentences: Sequence[str], *, as_json: bool) -> int:
    if as_json:
        print_json({"exit_code": int(code), "complaints": list(sentences)})
    complain(*sentences)
    return code
