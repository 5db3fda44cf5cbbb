"""Checks passwords against the users file, off the event loop, and reads the file again whenever it changes."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from bcc_relay.auth import users_file
from bcc_relay.core.errors import AuthUnavailableError, ConfigurationError
from bcc_relay.relay.ports import Login

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bcc_relay.auth.accounts import Accounts

_REMEMBER_S = 300.0
_REMEMBERED = 1024
_NOBODYS_PASSWORD = "nobody has this password"  # noqa: S105


def hash_password(password: str) -> str:
    """Return a new argon2id hash in PHC form (RFC 9106), with a fresh salt. Takes about 50 ms of one core."""
    return PasswordHasher().hash(password)


@dataclass(frozen=True, slots=True)
class _Reading:
    """The file as it was read once, and the logins that went well since."""

    stamp: tuple[int, int, int]
    accounts: Accounts
    nobodys_hash: str
    """What an unknown name is checked against, so that it takes as long as a known one."""
    logins: dict[bytes, tuple[float, Login]] = field(default_factory=dict)
    """Keyed digest of name and password -> when it was checked, and the login. Gone with the next reading."""


class PasswordFile:
    """The port `Authenticate` on a users file."""

    def __init__(
        self,
        path: Path,
        *,
        concurrency: int = 2,
        hasher: PasswordHasher | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Check at most `concurrency` passwords at a time (each takes 64 MiB while it runs)."""
        self._path = path
        self._at_once = asyncio.Semaphore(concurrency)
        self._hasher = hasher or PasswordHasher()
        self._monotonic = monotonic
        self._key = os.urandom(32)
        self._reading: _Reading | None = None

    def check(self) -> None:
        """Read the file once, at start. Raises ConfigurationError naming file, place and remedy."""
        self._reading = self._read()

    async def __call__(self, name: str, password: str) -> Login | None:
        """See the port. Raises AuthUnavailableError while the file cannot be read or understood."""
        reading = await self._current()
        digest = hashlib.blake2b(f"{name}\0{password}".encode("utf-8", "surrogatepass"), key=self._key).digest()
        known = reading.logins.get(digest)
        if known is not None and self._monotonic() - known[0] < _REMEMBER_S:
            return known[1]
        account = reading.accounts.find(name)
        expected = account.password_hash if account else reading.nobodys_hash
        async with self._at_once:
            is_right = await asyncio.to_thread(self._verify, expected, password)
        if account is None or not is_right:
            return None
        login = Login(account.name, account.may_send_as, account.roles)
        if len(reading.logins) >= _REMEMBERED:
            del reading.logins[next(iter(reading.logins))]
        reading.logins[digest] = (self._monotonic(), login)
        return login

    async def _current(self) -> _Reading:
        """Return the file as it is now."""
        try:
            if self._is_old():
                async with self._at_once:
                    if self._is_old():
                        self._reading = await asyncio.to_thread(self._read)
            reading = self._reading
        except (OSError, ConfigurationError) as error:
            self._reading = None
            raise AuthUnavailableError("the users file cannot be read") from error
        assert reading is not None
        return reading

    def _is_old(self) -> bool:
        return self._reading is None or self._reading.stamp != self._stamp()

    def _stamp(self) -> tuple[int, int, int]:
        status = self._path.stat()
        return status.st_mtime_ns, status.st_ino, status.st_size

    def _read(self) -> _Reading:
        # The stamp first: a change while we read is then seen at the next login.
        try:
            stamp = self._stamp()
        except OSError:
            stamp = (0, 0, 0)  # reading says what is wrong
        accounts = users_file.load(self._path)
        hasher = self._hasher
        if accounts.accounts:
            hasher = PasswordHasher.from_parameters(extract_parameters(accounts.accounts[0].password_hash))
        return _Reading(stamp, accounts, hasher.hash(_NOBODYS_PASSWORD))

    def _verify(self, expected: str, password: str) -> bool:
        try:
            return self._hasher.verify(expected, password)
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            return False
