"""What a listener is told when it is built: plain values, checked once, with complaints an administrator can act on."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass, field
from typing import Literal

from bcc_relay.core.errors import ConfigurationError

LOOPBACK = ("127.0.0.0/8", "::1/128")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a client may take, in seconds (RFC 5321 4.5.3.2), and the least speed of its data."""

    command_s: float = 300.0
    """For the next command."""
    chunk_s: float = 180.0
    """For the next piece of data."""
    answer_s: float = 660.0
    """For the relay's answer to the final dot. The client waits 600 s (RFC 5321 4.5.3.2.6)."""
    login_s: float = 30.0
    """For checking a password."""
    handshake_s: float = 60.0
    proxy_s: float = 10.0
    """For the PROXY header of a trusted balancer."""
    closing_s: float = 10.0
    """For a client to read the last reply before the connection is cut."""
    data_grace_s: float = 300.0
    """Data may be this late against `data_bytes_per_s`."""
    data_bytes_per_s: float = 500.0


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """How many failures within the window an account may have, and on how many accounts a client may fail."""

    window_s: float = 600.0
    client_accounts: int = 10
    account_failures: int = 5
    delay_s: float = 1.0
    """Before the answer to the first failure; doubled with each further one."""
    longest_delay_s: float = 8.0


@dataclass(frozen=True, slots=True)
class ListenerOptions:
    """One listener. `name` is its `bind` as configured and stands in events, metrics and rules."""

    name: str
    host: str = "127.0.0.1"
    port: int = 2525
    """0 takes a free port."""
    tls: Literal["none", "starttls", "implicit"] = "none"
    auth: Literal["none", "optional", "required"] = "none"
    networks: tuple[str, ...] = LOOPBACK
    """Clients that may send without a login, where `auth` is not `required`."""
    proxy_protocol: tuple[str, ...] = ()
    """Balancers that must speak the PROXY protocol."""
    message_bytes: int = 52_428_800
    recipients: int = 2000
    hostname: str = "localhost"
    """What the relay calls itself in its greeting."""
    timeouts: Timeouts = field(default_factory=Timeouts)


def check(options: ListenerOptions, *, bound_to: str, authenticates: bool, ssl_context: ssl.SSLContext | None) -> None:
    """Raise ConfigurationError with every complaint about this listener, each naming key and remedy.

    `bound_to` is the address that is listened on: `host`, or that of a socket that was bound before.
    """
    where = f"listeners ({options.name})"
    complaints = [
        f"{where}: {complaint}"
        for wrong, complaint in (
            (
                options.tls != "none" and ssl_context is None,
                f"tls: {options.tls} needs a certificate; set tls.certificate and tls.private_key",
            ),
            (
                ssl_context is not None and ssl_context.minimum_version < ssl.TLSVersion.TLSv1_2,
                "tls: versions below TLS 1.2 are not spoken; raise the minimum version",
            ),
            (
                options.auth != "none" and not authenticates,
                f"auth: {options.auth} needs accounts; set auth.backend, or auth: none",
            ),
            (
                options.tls == "none" and options.auth != "none" and not _is_loopback(bound_to),
                f"auth: {options.auth} without TLS shows passwords to the network; set tls, or bind to 127.0.0.1",
            ),
            (
                options.auth == "none" and not options.networks,
                "networks: nobody could send through this listener; name your clients' networks, or set auth: required",
            ),
        )
        if wrong
    ]
    if complaints:
        raise ConfigurationError(*complaints)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
