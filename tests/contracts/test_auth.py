"""What every authenticator promises, run on each implementation; and the users file's own promises."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest
from argon2 import PasswordHasher

from bcc_relay.auth.accounts import Account, AccountError, Accounts, add, change_password, remove
from bcc_relay.auth.password_file import PasswordFile, hash_password
from bcc_relay.auth.users_file import load, save, update
from bcc_relay.core.errors import AuthUnavailableError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bcc_relay.relay.ports import Authenticate

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class CountingHasher(PasswordHasher):
    """Counts what takes the time."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.hashes: list[str] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:
        self.hashes.append(str(hash))
        return super().verify(hash, password)


def account(name: str, password: str = "secret", **more: object) -> Account:
    return Account(name, CHEAP.hash(password), **more)  # type: ignore[arg-type]


CLERK = account("clerk@council.example", "tall oak", addresses=("office@council.example",), roles=frozenset({"sender"}))
SCANNER = account("scanner", "paper", addresses=("scanner@council.example",))


def password_file(folder: Path) -> Authenticate:
    path = folder / "users.yaml"
    save(path, Accounts((CLERK, SCANNER)))
    return PasswordFile(path, hasher=CHEAP)


@pytest.fixture(params=[password_file])
def authenticate(request: pytest.FixtureRequest, tmp_path: Path) -> Authenticate:
    build: Callable[[Path], Authenticate] = request.param
    return build(tmp_path)


# --- the port ---------------------------------------------------------------------------------------------------------


async def test_the_right_password_gives_the_login(authenticate: Authenticate) -> None:
    login = await authenticate("clerk@council.example", "tall oak")
    assert login is not None
    assert login.name == "clerk@council.example"
    assert login.addresses == ("clerk@council.example", "office@council.example")
    assert login.roles == {"sender"}


async def test_a_name_that_is_no_address_sends_only_as_its_addresses(authenticate: Authenticate) -> None:
    login = await authenticate("scanner", "paper")
    assert login is not None
    assert login.addresses == ("scanner@council.example",)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("clerk@council.example", "wrong"),
        ("clerk@council.example", ""),
        ("clerk@council.example", "paper"),
        ("clerk@council.example", "tall oak\0"),
        ("nobody@council.example", "tall oak"),
        ("", "tall oak"),
        ("scanner", "tall oak"),
        ("clerk@council.example", "\ud800"),
    ],
)
async def test_anything_else_gives_none(authenticate: Authenticate, name: str, password: str) -> None:
    assert await authenticate(name, password) is None
    assert await authenticate("scanner", "paper") is not None


async def test_the_same_login_again_is_the_same_answer(authenticate: Authenticate) -> None:
    assert await authenticate("scanner", "paper") == await authenticate("scanner", "paper")
    assert await authenticate("scanner", "paper2") is None


async def test_many_at_once(authenticate: Authenticate) -> None:
    answers = await asyncio.gather(*(authenticate("scanner", "paper" if n % 2 else "wrong") for n in range(20)))
    assert [answer is not None for answer in answers] == [bool(n % 2) for n in range(20)]


# --- the users file ---------------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "users.yaml"
    save(path, Accounts((CLERK, SCANNER)))
    return path


async def test_an_unknown_name_takes_the_same_work_as_a_wrong_password(path: Path) -> None:
    hasher = CountingHasher()
    authenticate = PasswordFile(path, hasher=hasher)
    await authenticate("scanner", "wrong")
    await authenticate("nobody", "wrong")
    known, unknown = hasher.hashes
    assert known.rsplit("$", 2)[0] == unknown.rsplit("$", 2)[0], "same kind and parameters"


async def test_a_good_login_is_remembered_for_a_while_without_its_password(path: Path) -> None:
    hasher = CountingHasher()
    now = [0.0]
    authenticate = PasswordFile(path, hasher=hasher, monotonic=lambda: now[0])
    for _ in range(3):
        assert await authenticate("scanner", "paper")
    assert len(hasher.hashes) == 1
    assert await authenticate("scanner", "wrong") is None
    assert "paper" not in repr(vars(authenticate))
    now[0] = 301.0
    await authenticate("scanner", "paper")
    assert len(hasher.hashes) == 3


async def test_the_file_is_read_again_when_it_changes(path: Path) -> None:
    authenticate = PasswordFile(path, hasher=CHEAP)
    assert await authenticate("scanner", "paper")
    update(path, lambda accounts: change_password(accounts, "scanner", CHEAP.hash("ink")))
    assert await authenticate("scanner", "paper") is None
    assert await authenticate("scanner", "ink")
    update(path, lambda accounts: remove(accounts, "scanner"))
    assert await authenticate("scanner", "ink") is None


async def test_names_are_compared_without_regard_to_case(path: Path) -> None:
    login = await PasswordFile(path, hasher=CHEAP)("Clerk@Council.example", "tall oak")
    assert login is not None
    assert login.name == "clerk@council.example"


async def test_verifying_leaves_the_event_loop_free(path: Path) -> None:
    seen: list[int] = []

    class Slow(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:
            seen.append(threading.get_ident())
            return super().verify(hash, password)

    authenticate = PasswordFile(path, hasher=Slow(time_cost=1, memory_cost=8, parallelism=1))
    await authenticate("scanner", "paper")
    assert seen != [threading.get_ident()]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("accounts:\n- name: [\n", "line 3: is not YAML"),
        ("users: []", "needs one key, accounts"),
        ("- scanner", "needs one key, accounts"),
        ("accounts: {}", "needs one key, accounts"),
        ("accounts:\n- scanner\n", "accounts[0]: an account is a mapping"),
        ("accounts:\n- {name: scanner, pasword: x}\n", '"pasword" is not known'),
        ("accounts:\n- {name: 12, password: x}\n", "name is missing or not text"),
        ("accounts:\n- {name: scanner}\n", "password of scanner is missing"),
        ("accounts:\n- {name: scanner, password: paper}\n", "not an argon2 hash"),
        ("accounts:\n- {name: scanner, password: $argon2id$x}\n", "not an argon2 hash"),
        ("accounts:\n- {name: scanner, password: HASH, addresses: office}\n", "addresses of scanner is not a list"),
        ("accounts:\n- {name: scanner, password: HASH, addresses: [office]}\n", '"office" of account scanner is not'),
        ("accounts:\n- {name: scanner, password: HASH, roles: [king]}\n", "roles are sender, reviewer"),
        ("accounts:\n- {name: a, password: HASH}\n- {name: A, password: HASH}\n", "accounts[1]: A is there twice"),
        ("\xff\xfe\x00", "not YAML"),
        ("accounts: !!python/object:os.system {}", "not YAML"),
        ("[" * 3000, "YAML"),
    ],
)
async def test_a_broken_file_is_complained_about_at_start_and_a_temporary_failure_later(
    path: Path, content: str, words: str
) -> None:
    authenticate = PasswordFile(path, hasher=CHEAP)
    authenticate.check()
    path.write_bytes(content.replace("HASH", f'"{SCANNER.password_hash}"').encode("latin-1"))
    with pytest.raises(ConfigurationError) as caught:
        PasswordFile(path).check()
    complaint = "; ".join(caught.value.complaints)
    assert words in complaint
    assert str(path) in complaint
    with pytest.raises(AuthUnavailableError) as seen:
        await authenticate("scanner", "paper")
    assert str(path) not in str(seen.value)
    save(path, Accounts((SCANNER,)))
    assert await authenticate("scanner", "paper"), "it comes back when the file is mended"


async def test_a_missing_file(tmp_path: Path) -> None:
    missing = tmp_path / "users.yaml"
    with pytest.raises(ConfigurationError, match="users add"):
        PasswordFile(missing).check()
    with pytest.raises(AuthUnavailableError):
        await PasswordFile(missing)("scanner", "paper")


def test_writing_replaces_the_file_whole_and_keeps_strangers_out(path: Path) -> None:
    path.chmod(0o644)
    before = path.stat().st_ino
    update(path, lambda accounts: add(accounts, account("new@council.example")))
    assert stat.S_IMODE(path.stat().st_mode) == (0o640 if os.geteuid() == 0 else 0o600)
    assert path.stat().st_ino != before
    assert os.listdir(path.parent) == ["users.yaml"]
    assert load(path).find("new@council.example") is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who alone gives files away")
def test_what_root_writes_the_relays_own_user_can_read(tmp_path: Path) -> None:
    relays_group = 65534
    os.chown(tmp_path, 0, relays_group)
    tmp_path.chmod(0o750)
    path = tmp_path / "users.yaml"
    for name in ("first@council.example", "second@council.example"):
        update(path, lambda accounts, name=name: add(accounts, account(name)))
        status = path.stat()
        assert (status.st_uid, status.st_gid) == (0, relays_group)
        assert stat.S_IMODE(status.st_mode) == 0o640


def test_what_is_written_is_read_back(path: Path) -> None:
    assert load(path) == Accounts((CLERK, SCANNER))
    save(path, Accounts())
    assert load(path) == Accounts()


def test_a_change_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    before = path.read_bytes()
    for change in (
        lambda accounts: add(accounts, account("SCANNER")),
        lambda accounts: add(accounts, account("new", roles=frozenset({"king"}))),
        lambda accounts: add(accounts, account("new", addresses=("nowhere",))),
        lambda accounts: add(accounts, account("new\nline")),
        lambda accounts: add(accounts, Account("new", "plain text")),
        lambda accounts: change_password(accounts, "nobody", "x"),
        lambda accounts: remove(accounts, "nobody"),
    ):
        with pytest.raises(AccountError):
            update(path, change)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["users.yaml"]


def test_the_first_account_makes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "users.yaml"
    update(path, lambda accounts: add(accounts, CLERK))
    assert load(path) == Accounts((CLERK,))


def test_a_hash_is_salted_argon2id() -> None:
    first, second = hash_password("tall oak"), hash_password("tall oak")
    assert first.startswith("$argon2id$")
    assert first != second
    assert PasswordHasher().verify(first, "tall oak")


def test_no_hash_in_what_people_see() -> None:
    assert CLERK.password_hash not in repr(Accounts((CLERK,)))
