"""The master key and what is derived from it. Losing the key makes marks, memory, links and the audit unreadable."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bcc_relay.core.errors import ConfigurationError
from bcc_relay.store.engine import new_file, translated

if TYPE_CHECKING:
    from pathlib import Path

KEY_OCTETS = 32
"""Octets of a key that is made here, and the fewest that a key file may hold."""
HASH_OCTETS = 16


@dataclass(frozen=True, slots=True)
class Keys:
    """Subkeys of 32 octets, one for each use (HKDF-SHA-256, RFC 5869, the use's name in `info`)."""

    mark: bytes = field(repr=False)
    memory: bytes = field(repr=False)
    links: bytes = field(repr=False)
    audit: bytes = field(repr=False)
    pseudonym: bytes = field(repr=False)
    fingerprint: bytes = field(repr=False)
    identity: str
    """Tells one master key from another without saying anything about it: 32 hexadecimal digits."""


def derive(master: bytes) -> Keys:
    """Return the subkeys of a master key of 32 octets or more."""
    uses = {one.name: _subkey(master, one.name) for one in fields(Keys) if one.name != "identity"}
    return Keys(**uses, identity=_subkey(master, "identity").hex()[:32])


def _subkey(master: bytes, use: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"bcc_relay {use}".encode()).derive(master)


def hashed(key: bytes, use: str, value: bytes) -> bytes:
    """Return what stands for `value` in the memory: 16 octets of HMAC-SHA-256 (RFC 2104, cut as in its section 5).

    `use` (address, id …) keeps apart what is equal by chance.
    """
    return hmac.digest(key, use.encode() + b"\0" + value, "sha256")[:HASH_OCTETS]


def key_path(database: Path) -> Path:
    """Return where the key is kept when no `secret_file` is set: beside the database."""
    return database.with_name(database.name + ".key")


def load(secret_file: Path | None, database: Path, *, may_make: bool) -> Keys:
    """Read the master key from `secret_file`, else from beside the database, where it is made once if `may_make`.

    The file's octets are the key; a line end after more than 32 is none of it. Raises ConfigurationError for a file
    that cannot be read or is too short, StoreError when the key cannot be kept.
    """
    path = secret_file or key_path(database)
    if secret_file is None and may_make and not path.exists():
        with translated(), new_file(path) as draft:
            draft.write_bytes(secrets.token_bytes(KEY_OCTETS))
    try:
        octets = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"secret_file: cannot read the master key {path} ({error.strerror}); put the key there that {database} was"
            " made with, readable for the relay"
        ) from error
    if len(octets) > KEY_OCTETS:
        octets = octets.removesuffix(b"\n").removesuffix(b"\r")
    if len(octets) < KEY_OCTETS:
        raise ConfigurationError(
            f"secret_file: the master key {path} is shorter than {KEY_OCTETS} octets; make one with"
            f" `openssl rand -out {path} {KEY_OCTETS}`"
        )
    return derive(octets)


def another_key(secret_file: Path | None, database: Path) -> ConfigurationError:
    """Return the complaint that the store was made with another key than the one that was read."""
    path = secret_file or key_path(database)
    return ConfigurationError(
        f"secret_file: {path} is not the master key that {database} was made with; put that key back, for example from"
        " the backup of the same day, or start with a new store.url"
    )
