"""What all commands share: the two global options, answers for people and machines, and how a command fails."""

import json
import os
import pwd
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from bcc_relay.settings import Loaded

PATIENCE_S = 2.0
"""How long a command may take before it shows how far it is."""

FIRST_PERSONAL_UID = 1000
"""Below stand root and the system's accounts, which people reach through sudo."""


class Exit(IntEnum):
    """Exit codes, after sysexits(3)."""

    OK = 0
    USAGE = 64
    DATA = 65
    UNAVAILABLE = 69
    TRY_LATER = 75
    NOT_ALLOWED = 77
    CONFIGURATION = 78


class CommandError(Exception):
    """A command could not do what was asked: `sentence` for people, `code` for the caller."""

    def __init__(self, code: Exit, sentence: str) -> None:
        self.code = code
        self.sentence = sentence
        super().__init__(sentence)


ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Configuration file. [default: /etc/bcc-relay/config.yaml]"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@dataclass(frozen=True, slots=True)
class Shell:
    """How this call was made: the configuration file named, if any, and who reads the answer."""

    config: Path | None = None
    json: bool = False

    @classmethod
    def of(cls, context: typer.Context, config: Path | None, as_json: bool) -> "Shell":
        """Join the options given to the command with those given before it; the nearer `--config` counts."""
        outer = context.find_root().obj
        outer = outer if isinstance(outer, Shell) else cls()
        return cls(config or outer.config, as_json or outer.json)

    def load(self, *, check_files: bool = True) -> "Loaded":
        """Load the settings. Raises ConfigurationError, which ends the command with 78."""
        from bcc_relay.settings import load

        return load(self.config, os.environ, check_files=check_files)

    def answer(self, document: object, for_people: Callable[[], None]) -> None:
        """Print the answer: `document` as JSON with `--json`, else whatever `for_people` prints."""
        if self.json:
            print_json(document)
        else:
            for_people()


def print_json(document: object) -> None:
    """Print one JSON document, in ASCII so that no terminal acts on what strangers wrote."""
    print(json.dumps(document, indent=2))


def printable(text: object) -> str:
    """Return text on one line that no terminal acts on: control and direction characters become U+FFFD."""
    return "".join(char if char.isprintable() else "\ufffd" for char in str(text).replace("\n", " "))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, nothing: str) -> None:
    """Print a table; colour and the terminal's width on a terminal only. `nothing` is said when there are no rows."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    if not rows:
        print(nothing)
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for at, column in enumerate(columns):
        is_number = all(isinstance(row[at], int | float) for row in rows)
        # The first column is what people copy into the next command.
        table.add_column(column, justify="right" if is_number else "left", overflow="fold", no_wrap=at == 0)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console().print(table)


def console() -> Any:
    """Return rich's console on standard output: as wide as the terminal, or wide enough for a file."""
    from rich.console import Console

    is_terminal = sys.stdout.isatty()
    return Console(file=sys.stdout, width=None if is_terminal else 200, highlight=False, emoji=False, markup=False)


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Give a function that is told how many more are done; on a terminal a bar shows it after two seconds.

    The bar stands on standard error and is gone afterwards. `total` is None when nobody knows.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task(what, total=total)
    begun = time.monotonic()

    def advance(count: int) -> None:
        bar.advance(task, count)
        if not bar.live.is_started and time.monotonic() - begun > PATIENCE_S:
            bar.start()

    try:
        yield advance
    finally:
        if bar.live.is_started:
            bar.stop()


def complain(*sentences: str) -> None:
    """Say on standard error what went wrong, one sentence a line."""
    for sentence in sentences:
        print(printable(sentence), file=sys.stderr)


def person() -> str:
    """Return the login name of whoever gives the command: `SUDO_USER` under sudo.

    `SUDO_USER` is believed only of accounts that nobody logs in to, where sudo leads, or whoever enters a container:
    anyone else could set it and be two.
    """
    via_sudo = os.environ.get("SUDO_USER")
    if via_sudo and not _is_personal(os.getuid()):
        return via_sudo
    try:
        return os.getlogin()
    except OSError:
        # No terminal and no login session, as in a container.
        try:
            return pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            return f"uid-{os.getuid()}"


def _is_personal(uid: int) -> bool:
    """Whether somebody logs in to this account: not to root's and the system's, nor to one without entry or shell."""
    try:
        login_shell = pwd.getpwuid(uid).pw_shell
    except KeyError:
        return False
    return uid >= FIRST_PERSONAL_UID and Path(login_shell).name not in {"nologin", "false"}
