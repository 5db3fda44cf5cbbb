"""Real peers for the end-to-end tests. What is missing on this system is named, and only what needs it is skipped."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme

from tests.e2e.needs import need
from tests.e2e.postfix import DAEMONS, Postfix
from tests.e2e.relay_process import Certificates, Relay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def postfix() -> Iterator[Postfix]:
    """The upstream of most tests: plain SMTP on loopback."""
    yield from _running_postfix()


@pytest.fixture(scope="session")
def certificates() -> Iterator[Certificates]:
    """A certificate for localhost from an authority made for this run."""
    authority = trustme.CA()
    own = authority.issue_cert("localhost", "127.0.0.1")
    with tempfile.TemporaryDirectory(prefix="bcc-relay-tls-") as name:
        folder = Path(name)
        authority.cert_pem.write_to_path(folder / "authority.pem")
        own.private_key_pem.write_to_path(folder / "key.pem")
        for pem in own.cert_chain_pems:
            pem.write_to_path(folder / "certificate.pem", append=True)
        own.private_key_and_cert_chain_pem.write_to_path(folder / "both.pem")
        yield Certificates(
            folder / "authority.pem", folder / "certificate.pem", folder / "key.pem", folder / "both.pem"
        )


@pytest.fixture(scope="session")
def tls_postfix(certificates: Certificates) -> Iterator[Postfix]:
    """An upstream that offers STARTTLS with the certificate for localhost."""
    yield from _running_postfix(certificates.both)


def _running_postfix(certificate: Path | None = None) -> Iterator[Postfix]:
    need("postfix", root=True)
    if not DAEMONS.exists():
        pytest.skip(f"needs Debian's Postfix, with its daemons in {DAEMONS}")
    with tempfile.TemporaryDirectory(prefix="bcc-relay-postfix-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        peer = Postfix(folder, certificate=certificate)
        peer.start()
        try:
            yield peer
        finally:
            peer.stop()


@pytest.fixture(scope="session")
def users_file(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Path:
    """A users file with USER in it, made by `bcc-relay users add`."""
    maker = Relay(tmp_path_factory.mktemp("users") / "relay", 25, certificates)
    maker.add_user()
    return maker.users_file


@pytest.fixture
def new_relay(tmp_path: Path, certificates: Certificates, users_file: Path) -> Iterator[Callable[..., Relay]]:
    """Makes relays that end with the test, however it ends."""
    yield from _relays(tmp_path, certificates, users_file)


@pytest.fixture(scope="module")
def make_relay(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, users_file: Path
) -> Iterator[Callable[..., Relay]]:
    """Makes relays that last for a file of tests."""
    yield from _relays(tmp_path_factory.mktemp("relays"), certificates, users_file)


def _relays(folder: Path, certificates: Certificates, users_file: Path) -> Iterator[Callable[..., Relay]]:
    relays: list[Relay] = []

    def make(upstream_port: int, **changes: object) -> Relay:
        made = Relay(folder / f"relay{len(relays)}", upstream_port, certificates, **changes)
        shutil.copy(users_file, made.users_file)
        relays.append(made)
        return made

    yield make
    for relay in relays:
        relay.kill()


@pytest.fixture
def relay(postfix: Postfix, new_relay: Callable[..., Relay]) -> Relay:
    """A running relay of the test's own, before Postfix, with all three kinds of listeners, one user and one reviewer."""
    made = new_relay(postfix.port)
    made.start()
    return made


@pytest.fixture(scope="module")
def shared_relay(postfix: Postfix, make_relay: Callable[..., Relay]) -> Relay:
    """The same for a whole file of tests."""
    made = make_relay(postfix.port)
    made.start()
    return made
