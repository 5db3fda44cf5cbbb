"""`users`: the accounts for SMTP and the web, in the file that the relay rereads when it changes."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bcc_relay.cli.shell import CommandError, ConfigOption, Exit, JsonOption, Shell, complain, print_table

if TYPE_CHECKING:
    from bcc_relay.auth.accounts import Account, Accounts

MAX_PASSWORD_BYTES = 4096

app = typer.Typer(help="Accounts for SMTP and the web.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Login name, such as clerk@council.example.")]
PasswordOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from the first line of standard input.")
]


@app.command()
def add(
    context: typer.Context,
    name: NameArgument,
    address: Annotated[
        list[str] | None,
        typer.Option("--address", metavar="A", help="An address it may send as, beside its own name. May be repeated."),
    ] = None,
    role: Annotated[
        list[str] | None,
        typer.Option("--role", metavar="R", help="sender, reviewer, auditor or administrator. May be repeated."),
    ] = None,
    password_stdin: PasswordOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add an account; the password is asked for."""
    from bcc_relay.auth import accounts
    from bcc_relay.auth.password_file import hash_password

    shell = Shell.of(context, config, as_json)
    file = _file(shell)
    with _failures(file):
        _current(file, lambda now: accounts.add(now, _draft(name, address, role)))
        account = _draft(name, address, role, hash_password(_password(stdin=password_stdin)))
        _change(file, lambda now: accounts.add(now, account))
    if not account.may_send_as:
        complain(f"{name} is no mail address, so it may not send mail yet; remove it and add it with --address")
    shell.answer(_entry(account), lambda: print(f"Added {name} to {file}."))


@app.command()
def passwd(
    context: typer.Context,
    name: NameArgument,
    password_stdin: PasswordOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change the password of an account."""
    from bcc_relay.auth import accounts
    from bcc_relay.auth.password_file import hash_password

    shell = Shell.of(context, config, as_json)
    file = _file(shell)
    with _failures(file):
        # Asked before the password is, so that nobody types one for an account that is not there.
        _current(file, lambda now: accounts.change_password(now, name, ""))
        digest = hash_password(_password(stdin=password_stdin))
        changed = _change(file, lambda now: accounts.change_password(now, name, digest)).find(name)
    shell.answer(changed and _entry(changed), lambda: print(f"Changed the password of {name}."))


@app.command()
def remove(
    context: typer.Context, name: NameArgument, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Remove an account."""
    from bcc_relay.auth import accounts

    shell = Shell.of(context, config, as_json)
    file = _file(shell)
    with _failures(file):
        _change(file, lambda now: accounts.remove(now, name))
    shell.answer({"removed": name}, lambda: print(f"Removed {name} from {file}."))


@app.command(name="list")
def list_(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the accounts."""
    from bcc_relay.auth import users_file

    shell = Shell.of(context, config, as_json)
    file = _file(shell)
    accounts = users_file.load(file, missing_is_empty=True).accounts
    rows = [(account.name, ", ".join(account.may_send_as), ", ".join(sorted(account.roles))) for account in accounts]
    shell.answer(
        [_entry(account) for account in accounts],
        lambda: print_table(("Name", "May send as", "Roles"), rows, nothing=f"There are no accounts in {file}."),
    )


def _file(shell: Shell) -> Path:
    return shell.load(check_files=False).settings.auth.file


def _draft(name: str, addresses: list[str] | None, roles: list[str] | None, password_hash: str = "") -> "Account":
    from bcc_relay.auth.accounts import Account

    return Account(name, password_hash or _ANY_HASH, tuple(addresses or ()), frozenset(roles or ()))


# Of no password: stands in while it is checked whether the account can be added at all.
_ANY_HASH = "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def _entry(account: "Account") -> dict[str, object]:
    return {"name": account.name, "addresses": list(account.may_send_as), "roles": sorted(account.roles)}


def _current(file: Path, change: "Callable[[Accounts], Accounts]") -> None:
    """Try a change on the accounts as they are, and keep nothing of it."""
    from bcc_relay.auth import users_file

    change(users_file.load(file, missing_is_empty=True))


def _change(file: Path, change: "Callable[[Accounts], Accounts]") -> "Accounts":
    from bcc_relay.auth import users_file

    return users_file.update(file, change)


@contextmanager
def _failures(file: Path) -> Iterator[None]:
    """Turn what can go wrong with the file of accounts into an exit code and a sentence."""
    from bcc_relay.auth.accounts import AccountError

    try:
        yield
    except AccountError as error:
        raise CommandError(Exit.DATA, str(error)) from error
    except PermissionError as error:
        raise CommandError(Exit.NOT_ALLOWED, f"You may not change {file}; give the command with sudo") from error
    except OSError as error:
        what = f"{file} cannot be written ({error.strerror}); check its folder, or correct auth.file"
        raise CommandError(Exit.UNAVAILABLE, what) from error


def _password(*, stdin: bool) -> str:
    """Return the password that is typed twice, or stands on the first line of standard input."""
    if not stdin:
        if not sys.stdin.isatty():
            what = "There is no terminal to ask for the password on; pipe it in with --password-stdin"
            raise CommandError(Exit.USAGE, what)
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    line = sys.stdin.buffer.readline(MAX_PASSWORD_BYTES + 1)
    try:
        password = line.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise CommandError(Exit.DATA, "The password is not UTF-8 text; type another") from None
    if not password or len(line) > MAX_PASSWORD_BYTES:
        raise CommandError(Exit.DATA, f"The password is empty or longer than {MAX_PASSWORD_BYTES} bytes; give another")
    return password
