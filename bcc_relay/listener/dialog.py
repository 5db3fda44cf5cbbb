"""One client's dialog: who it is, then its commands, one line at a time. What each does stands in `commands`."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiosmtpd.proxy_protocol import AF, PROTO, V2_CMD, get_proxy

from bcc_relay.core import replies
from bcc_relay.core.events import ConnectionClosed, ConnectionOpened, Failed, SmtpRefused
from bcc_relay.listener import commands
from bcc_relay.listener.connection import Connection, DialogOverError
from bcc_relay.listener.inbox import LineTooLongError
from bcc_relay.listener.networks import address_of_peer, client_key, is_in, plain_address

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
_NOT_A_LINE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_WORD = re.compile(rb"[A-Za-z0-9]{1,20}")
_HTTP_VERBS = frozenset((b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"CONNECT", b"PATCH", b"TRACE"))


@dataclass(slots=True)
class Transaction:
    """What MAIL and RCPT said so far. Recipients are kept by their octets, domain in lower case."""

    mail: MailArguments | None = None
    recipients: dict[bytes, Recipient] = field(default_factory=dict)


class Dialog(Connection):
    """A connection with what was said on it."""

    def __init__(self, door: Door, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(door, loop)
        self.client: Ip = ipaddress.IPv4Address(0)
        self.client_name = ""
        self.helo: str | None = None
        self.extended = False
        self.login: Login | None = None
        self.transaction = Transaction()
        self._counted_as: str | None = None
        self._errors = 0
        self._lines = 0

    def reset(self) -> None:
        """Forget the transaction."""
        self.transaction = Transaction()

    def _set_rset_state(self) -> None:
        # aiosmtpd calls this for a new connection and after a handshake (RFC 3207 4.2: everything is forgotten).
        self.helo = None
        self.login = None
        self.reset()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        if self._counted_as is not None:
            self.door.connections.leave_client(self._counted_as)
            self.door.observe(ConnectionClosed(self.door.options.name, self.client_name))
            self._counted_as = None
        super().connection_lost(error)

    # --- replies ------------------------------------------------------------------------------------------------------

    def refuse(self, reply: Reply, reason: str) -> None:
        """Answer with a refusal and say so to observers."""
        self.answer(reply)
        self.note_refusal(reason)

    def note_refusal(self, reason: str) -> None:
        """Tell observers that something was refused; `reason` is one of the closed set."""
        user = self.login.name if self.login else None
        self.door.observe(SmtpRefused(self.door.options.name, self.client_name, reason, user))

    def complain(self, reply: Reply, reason: str | None = None) -> None:
        """Answer a command that makes no sense or is not this client's to give; too many of them end the dialog.

        With a `reason` observers are told as well.
        """
        self._errors += 1
        if self._errors >= _ERRORS_ALLOWED:
            raise DialogOverError(replies.TOO_MANY_ERRORS, "junk")
        self.answer(reply)
        if reason is not None:
            self.note_refusal(reason)

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

    # --- who is there -------------------------------------------------------------------------------------------------

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
        self._counted_as = key
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
        self.refuse(replies.TOO_MANY_CONNECTIONS, "connections")


def error_detail(error: BaseException) -> str:
    """What the log may know of an exception: its kind and its place, never values that a client sent."""
    places = []
    step = error.__traceback__
    while step is not None:
        places.append(f"{step.tb_frame.f_code.co_name}:{step.tb_lineno}")
        step = step.tb_next
    return f"{type(error).__name__} in {' > '.join(places[-4:])}"
