"""Sets up a connection with aiosmtplib (greeting, EHLO, TLS, AUTH) and hands its transport over to a `Line`.

aiosmtplib is used for this alone. Each of its steps is called by itself, so that nothing is tried twice, skipped, or
done in a weaker way when a server offers less than was asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import aiosmtplib

from bcc_relay.core.errors import ConfigurationError
from bcc_relay.forwarder.commands import Offers
from bcc_relay.forwarder.line import Line
from bcc_relay.forwarder.options import Tls

if TYPE_CHECKING:
    from bcc_relay.forwarder.options import Options, Server

MAX_DETAIL_CHARS = 200


class UnreachableError(Exception):
    """This server cannot be used now. `detail` is for the log only. `login_refused`: it rejected name and password."""

    def __init__(self, detail: str, *, login_refused: bool = False) -> None:
        self.detail = "".join(c if c.isprintable() else " " for c in detail)[:MAX_DETAIL_CHARS]
        self.login_refused = login_refused
        super().__init__(self.detail)


@dataclass(slots=True, eq=False)
class Connection:
    """An open connection, ready for MAIL. `server` is the index of its server."""

    line: Line
    offers: Offers
    server: int
    tls_version: str = ""
    """Such as `TLSv1.3`; empty when not encrypted."""
    transactions: int = 0
    idle_since_s: float = 0.0


def tls_context(options: Options) -> ssl.SSLContext | None:
    """Build the context that verifies certificate and host name, TLS 1.2 or later; None for `Tls.NONE`.

    Reads the file of authorities: call it at start. Raises ConfigurationError when it cannot be read.
    """
    if options.tls is Tls.NONE:
        return None
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=options.ca_file)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"upstream.ca_file: {options.ca_file} cannot be read; give a PEM file of certificates"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def connect(options: Options, server: int, context: ssl.SSLContext | None) -> Connection:
    """Connect to `options.servers[server]`, ready for MAIL. Raises UnreachableError, whatever the cause."""
    step = "connect"
    try:
        sock = await _reach(options.servers[server], options.limits.connect_s)
        smtp = aiosmtplib.SMTP(
            hostname=options.servers[server].host,
            local_hostname=options.hello_name,
            use_tls=options.tls is Tls.IMPLICIT,
            start_tls=False,
            tls_context=context,
            timeout=None,
        )
        try:
            step = "greeting"
            async with asyncio.timeout(options.limits.greeting_s):
                # Without a time limit of its own, connect() takes the socket over before its first pause: no leak.
                await smtp.connect(sock=sock)
            step = "EHLO"
            async with asyncio.timeout(options.limits.hello_s):
                await smtp.ehlo()
            if options.tls is Tls.STARTTLS:
                step = "STARTTLS"
                async with asyncio.timeout(options.limits.hello_s):
                    await smtp.starttls()
                    await smtp.ehlo()
            if options.username:
                step = "AUTH"
                async with asyncio.timeout(options.limits.hello_s):
                    await _log_in(smtp, options)
            return _hand_over(smtp, server)
        except BaseException:
            _drop(smtp, sock)
            raise
    except aiosmtplib.SMTPAuthenticationError as error:
        raise UnreachableError(f"{step}: {error}", login_refused=error.code // 100 == 5) from error
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        # OSError: also TimeoutError and every ssl.SSLError. ValueError: also UnicodeError.
        raise UnreachableError(f"{step}: {type(error).__name__} {error}") from error


async def _reach(server: Server, limit_s: float) -> socket.socket:
    """Open a socket to the first address of `server` that answers; each address gets its share of the time."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(limit_s):
        # IPPROTO_TCP makes asyncio switch Nagle's algorithm off.
        found = await loop.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    failure: OSError = ConnectionError("no address")
    for family, kind, protocol, _, address in found:
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        try:
            async with asyncio.timeout(limit_s / len(found)):
                await loop.sock_connect(sock, address)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure


async def _log_in(smtp: aiosmtplib.SMTP, options: Options) -> None:
    """Try the password once: servers count the attempts (aiosmtplib's own login() tries every mechanism)."""
    password = options.password if isinstance(options.password, str) else options.password()
    offered = smtp.server_auth_methods
    if "plain" in offered:
        await smtp.auth_plain(options.username, password)
    elif "login" in offered:
        await smtp.auth_login(options.username, password)
    elif "cram-md5" in offered:
        await smtp.auth_crammd5(options.username, password)
    else:
        raise aiosmtplib.SMTPException("the server offers none of PLAIN, LOGIN, CRAM-MD5")


def _hand_over(smtp: aiosmtplib.SMTP, server: int) -> Connection:
    """Take the transport away from aiosmtplib, between two replies and without a pause in between."""
    transport, protocol = smtp.transport, smtp.protocol
    if transport is None or protocol is None or transport.is_closing():
        raise aiosmtplib.SMTPServerDisconnected("connection lost")
    if protocol._buffer:  # noqa: SLF001 - no public way to ask; octets left here would answer our first command
        raise aiosmtplib.SMTPException("the server said more than it was asked for")
    offers = Offers.of(smtp.esmtp_extensions)
    line = Line(cast("asyncio.Transport", transport))
    encrypted = transport.get_extra_info("ssl_object")
    smtp.transport = smtp.protocol = None
    return Connection(line, offers, server, tls_version=encrypted.version() if encrypted else "")


def _drop(smtp: aiosmtplib.SMTP, sock: socket.socket) -> None:
    """Break off. The socket is shut down too: a TLS transport that was closed politely would linger."""
    if smtp.transport is not None:
        cast("asyncio.Transport", smtp.transport).abort()
    smtp.close()
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
