"""The users file on disk: read with complaints that name place and remedy, replaced whole or not at all."""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import yaml

from bcc_relay.auth.accounts import Account, Accounts, complaint_about
from bcc_relay.core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_HEAD = "# Accounts of bcc-relay. Changed by `bcc-relay users`; passwords are argon2 hashes.\n"
_KEYS = ("name", "password", "addresses", "roles")
_OWNER_ALONE = 0o600
_OWNER_AND_GROUP = 0o640
_LARGEST_BYTES = 16 * 1024 * 1024


def load(path: Path, *, missing_is_empty: bool = False) -> Accounts:
    """Read the file. Raises ConfigurationError, naming file, place and remedy, when it cannot be read or understood."""
    try:
        with path.open("rb") as file:
            octets = file.read(_LARGEST_BYTES + 1)
    except FileNotFoundError as error:
        if missing_is_empty:
            return Accounts()
        raise ConfigurationError(f"{path}: there is no such file; make it with bcc-relay users add") from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigurationError(f"{path}: cannot be read ({reason}); let the relay's user read it") from error
    if len(octets) > _LARGEST_BYTES:
        raise ConfigurationError(f"{path}: is larger than {_LARGEST_BYTES} bytes; is this the file of accounts?")
    return read(octets, str(path))


def read(octets: bytes, where: str) -> Accounts:
    """Understand the octets of a users file; `where` names it in complaints. Raises ConfigurationError."""
    try:
        document = yaml.load(octets, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigurationError(f"{where}, line {line}: is not YAML ({error.problem}); mend that line") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ConfigurationError(f"{where}: is not YAML in UTF-8; restore it, or add the accounts anew") from error
    if document is None:
        return Accounts()
    if not isinstance(document, dict) or set(document) != {"accounts"} or not isinstance(document["accounts"], list):
        raise ConfigurationError(f"{where}: needs one key, accounts, with a list of accounts below it")
    accounts: list[Account] = []
    complaints: list[str] = []
    for number, entry in enumerate(document["accounts"]):
        account = _account(entry)
        place = f"{where}, accounts[{number}]"
        if isinstance(account, str):
            complaints.append(f"{place}: {account}")
        elif Accounts(tuple(accounts)).find(account.name):
            complaints.append(f"{place}: {account.name} is there twice; remove one")
        else:
            accounts.append(account)
    if complaints:
        raise ConfigurationError(*complaints)
    return Accounts(tuple(accounts))


def _account(entry: object) -> Account | str:
    """Return the account that an entry of the file describes, or a complaint."""
    if not isinstance(entry, dict):
        return "an account is a mapping with name and password"
    unknown = [str(key) for key in entry if key not in _KEYS]
    if unknown:
        return f'"{unknown[0]}" is not known; keys are {", ".join(_KEYS)}'
    name, password = entry.get("name"), entry.get("password")
    if not isinstance(name, str):
        return 'name is missing or not text; write it in quotes: name: "…"'
    if not isinstance(password, str):
        return f"password of {name} is missing; set one with bcc-relay users passwd"
    lists = []
    for key in ("addresses", "roles"):
        value = entry.get(key) or []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            return f"{key} of {name} is not a list of text; write it as [one, two]"
        lists.append(value)
    account = Account(name, password, tuple(lists[0]), frozenset(lists[1]))
    complaint = complaint_about(account)
    return f"{complaint}; mend it with bcc-relay users" if complaint else account


def save(path: Path, accounts: Accounts) -> None:
    """Replace the file in one step that survives a crash; only its owner may read it. Raises OSError.

    Where root writes it, owner and group are those of the old file, else of the folder, and the group may read it: the
    relay runs as a user of its own and must be able to.
    """
    entries = [
        {
            "name": account.name,
            "password": account.password_hash,
            **({"addresses": list(account.addresses)} if account.addresses else {}),
            **({"roles": sorted(account.roles)} if account.roles else {}),
        }
        for account in accounts.accounts
    ]
    text = _HEAD + yaml.safe_dump({"accounts": entries}, sort_keys=False, allow_unicode=True, width=1000)
    folder = path.parent
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), _OWNER_ALONE)
            if os.geteuid() == 0:
                owner = (path if path.exists() else folder).stat()
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
                os.fchmod(file.fileno(), _OWNER_AND_GROUP)
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)  # noqa: PTH105 - both names as they are
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)  # noqa: PTH108
        raise
    _flush_folder(folder)


def update(path: Path, change: Callable[[Accounts], Accounts]) -> Accounts:
    """Read, change and replace the file while nobody else does; return the new accounts.

    Raises ConfigurationError for a broken file, OSError, and whatever `change` raises; the file is then as it was.
    """
    with _alone_in(path.parent):
        accounts = change(load(path, missing_is_empty=True))
        save(path, accounts)
    return accounts


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
