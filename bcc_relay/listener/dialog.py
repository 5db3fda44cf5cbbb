"""One client's dialog: aiosmtpd's SMTP protocol with its command loop, timers, replies and shutdown made safe.

What each command does stands in `commands`, `login` and `data`; this file reads lines, writes replies and ends well.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import socket
from asyncio import sslproto
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiosmtpd.proxy_protocol import AF, PROTO, V2_CMD, get_proxy
from aiosmtpd.smtp import SMTP

from bcc_relay.core import replies
from bcc_relay.core.events import ConnectionClosed, ConnectionOpened, Failed, SmtpRefused
from bcc_relay.listener import commands
from bcc_relay.listener.inbox import Inbox, LineTooLongError
from bcc_relay.listener.networks import address_of_peer, client_key, is_in, plain_address
from bcc_relay.listener.reply_octets import reply_octets

if TYPE_CHECKING:
    from bcc_relay.core.model import Recipient, Reply
    from bcc_relay.listener.networks import Ip
    from bcc_relay.listener.parameters import MailArguments
    from bcc_relay.listener.server import Door
    from bcc_relay.relay.ports import Login

# RFC 5321 4.5.3.1.4, and what the extensions add: SIZE 26 (RFC 1870), BODY 17 (RFC 6152), SMTPUTF8 10 (RFC 6531),
# AUTH 500 (RFC 4954), DSN 100 for MAIL and 500 for RCPT (RFC 3461). One constant table, never changed by a connection.
_LINE_BYTES = {b"MAIL": 512 + 26 + 17 + 10 + 500 + 100, b"RCPT": 512 + 10 + 500, b"AUTH": 12288 + 32}
_OTHER_LINE_BYTES = 512
_LONGEST_LINE_BYTES = max(_LINE_BYTES.values())
_ERRORS_ALLOWED = 20
_CORK_BYTES = 16384
_LINES_BETWEEN_BREATHS = 64
_IGNORED_BYTES = 16 * 1024 * 1024
"""How much a client may go on sending after its dialog is over, so that it gets to read why."""

_NOT_A_LINE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_WORD = re.compile(rb"[A-Za-z0-9]{1,20}")
_HTTP_VERBS = frozenset((b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"CONNECT", b"PATCH", b"TRACE"))


class DialogOverError(Exception):
    """The dialog ends now, with this last reply."""

    def __init__(self, reply: Reply, reason: str) -> None:
        self.reply = reply
        self.reason = reason
        super().__init__(reason)


@dataclass(slots=True)
class Transaction:
    """What MAIL and RCPT said so far. Recipients are kept by their octets, domain in lower case."""

    mail: MailArguments | None = None
    recipients: dict[bytes, Recipient] = field(default_factory=dict)


class Dialog(SMTP):
    """See the module. Of aiosmtpd's class it keeps the connection, TLS and session parts.

    Its constructor is not called: it looks through the class anew for each connection, and clears a table of line
    lengths that all connections share.
    """

    # What aiosmtpd's methods ask for, once per class instead of once per connection.
    _handle_hooks: dict[str, Any] = {}  # noqa: RUF012
    _timeout_duration = 300.0

    def __init__(self, door: Door, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.inbox = Inbox(loop)
        asyncio.StreamReaderProtocol.__init__(
            self, self.inbox, client_connected_cb=self._cb_client_connected, loop=loop
        )
        self.door = door
        self.tls_context = door.ssl_context
        self.session = None
        self.envelope = None
        self.transport = None
        self._original_transport = None
        self._tls_protocol = None
        self._tls_handshake_okay = True
        self._handler_coroutine = None
        self._timeout_handle = None
        self._deadline = 0.0

        self.client: Ip = ipaddress.IPv4Address(0)
        self.client_name = ""
        self.helo: str | None = None
        self.extended = False
        self.secure = False
        self.login: Login | None = None
        self.transaction = Transaction()

        self._out = bytearray()
        self._errors = 0
        self._lines = 0
        self._over = False
        self._draining = False
        self._idle = False
        self._writing = False
        self.closed: asyncio.Future[None] = loop.create_future()
        """Done when the connection is gone."""
        self._is_room = True
        self._counted: str | None = None
        self._lingers = False
        self._ignored_bytes = 0

    # --- the connection -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected, or (aiosmtpd calls this again) its TLS handshake is done."""
        is_handshake_done = self._original_transport is not None
        if is_handshake_done:
            self.secure = True
            self.helo = None  # RFC 3207 4.2: everything said before is forgotten
            self.login = None
            super().connection_made(transport)
            return
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            # asyncio does so itself only where the listening socket named its protocol.
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._is_room = self.door.connections.enter()
        super().connection_made(transport)
        assert self._handler_coroutine is not None
        self.door.adopt(self, self._handler_coroutine)

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone. Unlike aiosmtpd's, this never cancels what the dialog is doing."""
        if self.transport is None:
            return
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
        if self._original_transport is not None:
            self._original_transport.close()
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self.transport = None
        if self._counted is not None:
            self.door.connections.leave_client(self._counted)
            self.door.observe(ConnectionClosed(self.door.options.name, self.client_name))
        self.door.connections.leave()
        self.door.open_dialogs.discard(self)
        self.closed.set_result(None)

    def eof_received(self) -> bool | None:
        """The client has closed its sending half: it still gets the answers to what it sent."""
        if self._over:
            return False
        self.inbox.feed_eof()
        # A TLS connection cannot be kept half open by asyncio; True would only raise a warning.
        return self._original_transport is None

    @property
    def is_gone(self) -> bool:
        """Whether nobody can read our replies any more."""
        return self.transport is None or self.transport.is_closing()

    # --- time ---------------------------------------------------------------------------------------------------------

    def _reset_timeout(self, duration: float | None = None) -> None:
        """Give the client `duration` seconds from now. The timer is set anew only when it runs out too late."""
        self._deadline = self.loop.time() + (duration or self.door.options.timeouts.command_s)
        if self._timeout_handle is not None:
            if self._timeout_handle.when() <= self._deadline:
                return
            self._timeout_handle.cancel()
        self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)

    def allow(self, seconds: float) -> None:
        """Give the client this long for what comes next."""
        self._reset_timeout(seconds)

    def _timeout_cb(self) -> None:
        self._timeout_handle = None
        if self.transport is None:
            return
        if self.loop.time() < self._deadline - 0.001:
            self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)
        elif self._over or self._writing:
            self.cut()  # it does not read what we write
        else:
            self.inbox.set_exception(DialogOverError(replies.TIMED_OUT, "timeout"))

    def cut(self) -> None:
        """Close the connection without another word."""
        for transport in (self._original_transport, self.transport):
            if transport is not None:
                assert isinstance(transport, asyncio.WriteTransport)
                transport.abort()

    def shut_down(self) -> None:
        """Say goodbye as soon as the dialog is between two commands, at once when it is now."""
        self._draining = True
        if self._idle:
            self.inbox.set_exception(DialogOverError(replies.SHUTTING_DOWN, "shutting_down"))

    # --- replies ------------------------------------------------------------------------------------------------------

    def answer(self, reply: Reply, *, utf8: bool = False) -> None:
        """Write a reply; it leaves with the next `flush`, so that replies to pipelined commands travel together."""
        self._out += reply_octets(reply, utf8=utf8)

    def answer_octets(self, octets: bytes) -> None:
        """Write a reply that is complete already: the greeting, EHLO, a challenge."""
        self._out += octets

    def refuse(self, reply: Reply, reason: str) -> None:
        """Answer with a refusal and say so to observers."""
        self.answer(reply)
        self.note_refusal(reason)

    def note_refusal(self, reason: str) -> None:
        """Tell observers that something was refused; `reason` is one of the closed set."""
        user = self.login.name if self.login else None
        self.door.observe(SmtpRefused(self.door.options.name, self.client_name, reason, user))

    def complain(self, reply: Reply) -> None:
        """Answer a command that makes no sense; too many of them end the dialog."""
        self._errors += 1
        if self._errors >= _ERRORS_ALLOWED:
            raise DialogOverError(replies.TOO_MANY_ERRORS, "junk")
        self.answer(reply)

    def end(self, *, lingers: bool = False) -> None:
        """Make what was answered the last word; with `lingers` to a client that is still sending."""
        self._over = True
        self._lingers = lingers

    def data_received(self, data: bytes) -> None:
        """Keep what came for the dialog; throw it away when that is over, up to a measure."""
        if not self._over:
            self.inbox.feed_data(data)
            return
        self._ignored_bytes += len(data)
        if self._ignored_bytes > _IGNORED_BYTES:
            self.cut()

    async def flush(self) -> None:
        """Send all replies; waits while the client does not read. Raises ConnectionError when it is gone."""
        if not self._out:
            return
        octets = bytes(self._out)
        self._out.clear()
        if self.is_gone:
            return
        self._writer.write(octets)
        self._writing = True
        try:
            await self._writer.drain()
        finally:
            self._writing = False

    # --- the dialog ---------------------------------------------------------------------------------------------------

    async def _handle_client(self) -> None:
        try:
            await self._converse()
        except (ConnectionError, EOFError):
            pass
        except DialogOverError as over:
            self.refuse(over.reply, over.reason)
        except Exception as error:  # noqa: BLE001 - the top of a connection
            self._confess(error)
        finally:
            self._hang_up()

    async def _converse(self) -> None:
        if not await self._meet():
            return
        self.answer_octets(f"220 {self.door.options.hostname} ESMTP\r\n".encode("ascii", "replace"))
        while not self._over and not self.is_gone:
            await self._next_command()

    async def _next_command(self) -> None:
        """Read one command and carry it out."""
        self._reset_timeout()
        try:
            line = await self.read_line(_LONGEST_LINE_BYTES)
        except LineTooLongError:
            self.complain(replies.LINE_TOO_LONG)
            return
        first = self._lines == 0
        self._lines += 1
        if self._lines % _LINES_BETWEEN_BREATHS == 0:
            await asyncio.sleep(0)  # a client that pipelines without end must not hold up the others
        try:
            await self._obey(line, first=first)
        except (ConnectionError, EOFError, DialogOverError):
            raise
        except Exception as error:  # noqa: BLE001 - the top of a request
            self.reset()
            self._confess(error)

    async def read_line(self, limit_bytes: int) -> bytes:
        """Return the next line, having sent all replies unless the line is there already.

        Raises LineTooLongError, EOFError, ConnectionError and DialogOverError.
        """
        if not self.inbox.has_line or len(self._out) > _CORK_BYTES:
            await self.flush()
        if self._draining:
            raise DialogOverError(replies.SHUTTING_DOWN, "shutting_down")
        self._idle = True
        try:
            return await self.inbox.line(limit_bytes)
        finally:
            self._idle = False

    async def _obey(self, line: bytes, *, first: bool) -> None:
        text = line[:-2]
        verb, _, argument = text.partition(b" ")
        verb = verb.upper()
        if verb in _HTTP_VERBS or (first and not _WORD.fullmatch(verb.rstrip(b"\r\n"))):
            raise DialogOverError(replies.NOT_SMTP, "junk")
        if not line.endswith(b"\r\n"):
            # A line that ends in LF alone is a line for some and half a line for others. Where replies are pipelined,
            # the two then disagree about what is a command and what is mail: refuse, and listen no further.
            self.answer(replies.BAD_LINE)
            self.note_refusal("junk")
            self.end()
            return
        if _NOT_A_LINE.search(text):
            self.complain(replies.BAD_LINE)
            return
        if len(line) > _LINE_BYTES.get(verb, _OTHER_LINE_BYTES):
            self.complain(replies.LINE_TOO_LONG)
            return
        command = commands.COMMANDS.get(verb)
        if command is None:
            self.complain(replies.UNKNOWN_COMMAND)
            return
        await command(self, argument.strip())

    def _confess(self, error: Exception) -> None:
        """Tell the client that something of ours failed, and the log what it was."""
        reference = self.door.new_id()
        self.answer(replies.internal(reference))
        self.note_refusal("internal")
        self.door.observe(Failed(reference, "listener", error_detail(error)))

    def reset(self) -> None:
        """Forget the transaction."""
        self.transaction = Transaction()

    def _set_rset_state(self) -> None:
        # aiosmtpd calls this for a new connection and after a handshake.
        self.reset()

    # --- beginning and end --------------------------------------------------------------------------------------------

    async def _meet(self) -> bool:
        """Find out who the client is, count it, and do the handshake of an implicit TLS listener."""
        assert self.session is not None
        client = address_of_peer(self.session.peer)
        self.client_name = str(client or "")
        if not self._is_room:
            self._turn_away()
            return False
        if client is not None and is_in(client, self.door.balancers):
            client = await self._read_proxy_header(client)
        if client is None or self.transport is None:
            return False
        self.client = client
        self.client_name = str(client)
        key = client_key(client)
        is_welcome = self.door.connections.enter_client(key)
        self._counted = key
        self.door.observe(ConnectionOpened(self.door.options.name, self.client_name))
        if not is_welcome:
            self._turn_away()
            return False
        if self._draining:
            raise DialogOverError(replies.SHUTTING_DOWN, "shutting_down")
        return self.door.options.tls != "implicit" or await self.start_tls(self.inbox.take())

    async def _read_proxy_header(self, balancer: Ip) -> Ip | None:
        """Return whom a trusted balancer speaks for; None when it does not say so in a way that can be trusted."""
        self._reset_timeout(self.door.options.timeouts.proxy_s)
        try:
            proxied = await get_proxy(self.inbox)
        except DialogOverError:
            return None
        if not proxied.valid:
            return None
        if proxied.command == V2_CMD.LOCAL or proxied.family == AF.UNSPEC:
            return balancer  # a health check: the balancer speaks for itself (PROXY protocol 2.1, 2.2)
        if proxied.protocol != PROTO.STREAM or not isinstance(
            proxied.src_addr, (ipaddress.IPv4Address, ipaddress.IPv6Address)
        ):
            return None
        return plain_address(proxied.src_addr)

    def _turn_away(self) -> None:
        self.note_refusal("connections")
        if self.door.options.tls != "implicit":  # there, a client could not read it before a handshake
            self.answer(replies.TOO_MANY_CONNECTIONS)

    async def start_tls(self, handshake: bytes) -> bool:
        """Put TLS under the dialog; `handshake` is what the client has sent of it. False when that failed."""
        assert self.tls_context is not None
        assert isinstance(self.transport, asyncio.Transport)
        await self.flush()
        if self.is_gone:
            return False
        waiter: asyncio.Future[None] = self.loop.create_future()
        limit_s = self.door.options.timeouts.handshake_s
        self._reset_timeout(limit_s + self.door.options.timeouts.closing_s)
        tls = sslproto.SSLProtocol(
            self.loop,
            self,
            self.tls_context,
            waiter,
            server_side=True,
            ssl_handshake_timeout=limit_s,  # type: ignore[arg-type]  # the stubs say int
        )
        self._tls_protocol = tls
        self._original_transport = self.transport
        self.transport.set_protocol(tls)
        self.transport = tls._app_transport  # noqa: SLF001 - as aiosmtpd does
        tls.connection_made(self._original_transport)
        while handshake:
            room = tls.get_buffer(len(handshake))
            size = min(len(room), len(handshake))
            room[:size] = handshake[:size]
            tls.buffer_updated(size)
            handshake = handshake[size:]
        try:
            await waiter
        except OSError:  # ssl.SSLError and a lost connection alike
            pass
        finally:
            if not self.secure:
                # asyncio does not report the loss of a connection that never finished its handshake.
                self.connection_lost(None)
        return self.secure

    def _hang_up(self) -> None:
        """Send what was answered and close; a client that does not read it is cut off after a while."""
        self._over = True
        if self.transport is None:
            return
        if self._out and not self.is_gone:
            self._writer.write(bytes(self._out))
        self._out.clear()
        if self._lingers and not self.is_gone and self._writer.can_write_eof():
            # Closing with octets unread would reset the connection, and the client might never see why.
            self._writer.write_eof()
        else:
            self.transport.close()
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
            self._timeout_handle = None
        self._reset_timeout(self.door.options.timeouts.closing_s)

    def pause_reading(self) -> None:
        """Leave what the client does next unread: so a TLS client may close its side and still read the answer."""
        if isinstance(self._original_transport, asyncio.Transport):
            self._original_transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if isinstance(self._original_transport, asyncio.Transport) and not self._original_transport.is_closing():
            self._original_transport.resume_reading()


def error_detail(error: BaseException) -> str:
    """What the log may know of an exception: its kind and its place, never values that a client sent."""
    places = []
    step = error.__traceback__
    while step is not None:
        places.append(f"{step.tb_frame.f_code.co_name}:{step.tb_lineno}")
        step = step.tb_next
    return f"{type(error).__name__} in {' > '.join(places[-4:])}"
