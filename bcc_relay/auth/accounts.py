"""The accounts of the users file as frozen values, and how they change. The file itself is `users_file`."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field, replace

from argon2 import extract_parameters
from argon2.exceptions import InvalidHashError

from bcc_relay.core.address import parse_mailbox
from bcc_relay.core.errors import BccRelayError

ROLES = ("sender", "reviewer", "auditor", "administrator")


class AccountError(BccRelayError):
    """This change of the accounts is not possible; the text is a plain sentence for whoever asked for it."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account. `password_hash` is an argon2 hash in PHC form (`$argon2id$…`)."""

    name: str
    password_hash: str = field(repr=False)
    addresses: tuple[str, ...] = ()
    """Addresses given to it, beside its own name where that is one."""
    roles: frozenset[str] = frozenset()

    @property
    def may_send_as(self) -> tuple[str, ...]:
        """Addresses it may send as; notices go to the first. A name that is an address counts, first."""
        if is_address(self.name) and self.name not in self.addresses:
            return (self.name, *self.addresses)
        return self.addresses


@dataclass(frozen=True, slots=True)
class Accounts:
    """All accounts, in the order of the file. Names are compared without regard to case (NFC, case-folded)."""

    accounts: tuple[Account, ...] = ()

    def find(self, name: str) -> Account | None:
        """Return the account of that name."""
        key = _name_key(name)
        return next((account for account in self.accounts if _name_key(account.name) == key), None)


def add(accounts: Accounts, account: Account) -> Accounts:
    """Return the accounts with one more. Raises AccountError when there is one of that name, or it is not valid."""
    complaint = complaint_about(account)
    if complaint:
        raise AccountError(complaint)
    if accounts.find(account.name):
        raise AccountError(f"There is an account {account.name} already; use passwd to change its password")
    return Accounts((*accounts.accounts, account))


def change_password(accounts: Accounts, name: str, password_hash: str) -> Accounts:
    """Return the accounts with another password for one. Raises AccountError when there is no such account."""
    found = _existing(accounts, name)
    return Accounts(
        tuple(replace(a, password_hash=password_hash) if a is found else a for a in accounts.accounts),
    )


def remove(accounts: Accounts, name: str) -> Accounts:
    """Return the accounts without one. Raises AccountError when there is no such account."""
    found = _existing(accounts, name)
    return Accounts(tuple(account for account in accounts.accounts if account is not found))


def complaint_about(account: Account) -> str | None:
    """Say in a sentence what is wrong with an account; None when nothing is."""
    if not account.name or len(account.name) > 255 or not account.name.isprintable() or account.name.strip("\t ") == "":
        return "An account needs a name of 1 to 255 printable characters"
    if not _is_hash(account.password_hash):
        return f"The password of {account.name} is not an argon2 hash"
    for address in account.addresses:
        if not is_address(address):
            return f'"{address}" of account {account.name} is not a mail address'
    for role in sorted(account.roles):
        if role not in ROLES:
            return f'"{role}" of account {account.name} is not a role; roles are {", ".join(ROLES)}'
    return None


def is_address(text: str) -> bool:
    """Whether the text is one whole mail address."""
    return parse_mailbox(text.encode("utf-8", "replace"), smtputf8=True) is not None


def _is_hash(text: str) -> bool:
    try:
        extract_parameters(text)
    except (InvalidHashError, ValueError):
        return False
    return True


def _existing(accounts: Accounts, name: str) -> Account:
    account = accounts.find(name)
    if account is None:
        raise AccountError(f"There is no account {name}; list shows those there are")
    return account


def _name_key(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
