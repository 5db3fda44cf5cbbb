"""AUTH PLAIN and LOGIN (RFC 4954, RFC 4616). Passwords are checked elsewhere; here is the exchange, and patience."""

from __future__ import annotations

import asyncio
import binascii
from base64 import b64decode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bcc_relay.core import replies
from bcc_relay.core.errors import AuthUnavailableError
from bcc_relay.core.events import Failed
from bcc_relay.core.model import Reply
from bcc_relay.listener.inbox import LineTooLongError
from bcc_relay.listener.networks import client_key

if TYPE_CHECKING:
    from bcc_relay.listener.dialog import Dialog

_LONGEST_TOKEN_OCTETS = 12288 + 2
"""RFC 4954 4, with CRLF."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the client claims, already decoded."""

    name: str
    password: str = field(repr=False)


async def auth(dialog: Dialog, argument: bytes) -> None:
    """Log a client in."""
    refusal = _refuse_moment(dialog)
    if refusal is not None:
        dialog.complain(refusal)
        return
    client = client_key(dialog.client)
    refusal = dialog.door.failed_logins.refuse_client(client)
    if refusal is not None:
        dialog.refuse(refusal, "auth_failed")
        dialog.end()
        return
    mechanism, _, initial = argument.partition(b" ")
    exchange = _EXCHANGES.get(mechanism.upper())
    if exchange is None:
        dialog.complain(replies.UNKNOWN_MECHANISM if mechanism else replies.BAD_SYNTAX)
        return
    credentials = await exchange(dialog, initial.strip())
    if isinstance(credentials, Reply):
        if credentials is replies.LOGIN_FAILED:
            await _fail(dialog, client, "")
        else:
            dialog.complain(credentials)
        return
    refusal = dialog.door.failed_logins.refuse_account(client, credentials.name)
    if refusal is not None:
        dialog.refuse(refusal, "auth_failed")
        return
    await _check(dialog, client, credentials)


def _refuse_moment(dialog: Dialog) -> Reply | None:
    """Why AUTH is not possible now."""
    if not dialog.door.offers_login(secure=True):
        return replies.NOT_OFFERED
    if not dialog.door.offers_login(secure=dialog.secure):
        return replies.TLS_NEEDED_FOR_LOGIN
    if dialog.helo is None:
        return replies.GREETING_MISSING
    if dialog.login is not None or dialog.transaction.mail is not None:  # RFC 4954 4
        return replies.WRONG_MOMENT
    return None


async def _check(dialog: Dialog, client: str, credentials: Credentials) -> None:
    door = dialog.door
    assert door.authenticate is not None
    limit_s = door.options.timeouts.login_s
    dialog.allow(limit_s + door.options.timeouts.command_s)
    try:
        async with asyncio.timeout(limit_s):
            login = await door.authenticate(credentials.name, credentials.password)
    except (AuthUnavailableError, TimeoutError) as error:
        dialog.refuse(replies.LOGIN_UNAVAILABLE, "internal")
        door.observe(Failed(door.new_id(), "login", type(error).__name__))
        return
    if login is None:
        await _fail(dialog, client, credentials.name)
        return
    door.failed_logins.succeeded(client, credentials.name)
    dialog.login = login
    dialog.answer(replies.LOGGED_IN)


async def _fail(dialog: Dialog, client: str, account: str) -> None:
    """Answer a failed login, later the more there were."""
    delay_s = dialog.door.failed_logins.failed(client, account)
    dialog.allow(delay_s + dialog.door.options.timeouts.command_s)
    await dialog.door.pause(delay_s)
    dialog.refuse(replies.LOGIN_FAILED, "auth_failed")


async def _plain(dialog: Dialog, initial: bytes) -> Credentials | Reply:
    r"""RFC 4616: `[authzid] NUL authcid NUL passwd`. Acting for somebody else is refused."""
    message = _decode(initial) if initial else await _ask(dialog, b"")
    if isinstance(message, Reply):
        return message
    parts = message.split(b"\0")
    if len(parts) != 3:
        return replies.BAD_BASE64
    for_whom, name, password = parts
    if for_whom not in (b"", name):
        return replies.LOGIN_FAILED
    return _credentials(name, password)


async def _login(dialog: Dialog, initial: bytes) -> Credentials | Reply:
    """The undocumented LOGIN, as Outlook and scanners speak it: name, then password."""
    name = _decode(initial) if initial else await _ask(dialog, b"VXNlcm5hbWU6")  # "Username:"
    if isinstance(name, Reply):
        return name
    password = await _ask(dialog, b"UGFzc3dvcmQ6")  # "Password:"
    if isinstance(password, Reply):
        return password
    return _credentials(name, password)


_EXCHANGES = {b"PLAIN": _plain, b"LOGIN": _login}


async def _ask(dialog: Dialog, challenge: bytes) -> bytes | Reply:
    dialog.answer_octets(b"334 " + challenge + b"\r\n")
    try:
        line = await dialog.read_line(_LONGEST_TOKEN_OCTETS)
    except LineTooLongError:
        return replies.LINE_TOO_LONG
    if not line.endswith(b"\r\n"):
        return replies.BAD_LINE
    answer = line[:-2].strip()
    return replies.LOGIN_CANCELLED if answer == b"*" else _decode(answer)


def _decode(token: bytes) -> bytes | Reply:
    """Decode a base64 token; `=` alone is an empty one (RFC 4954 4)."""
    if token == b"=":
        return b""
    if len(token) > _LONGEST_TOKEN_OCTETS:
        return replies.LINE_TOO_LONG
    try:
        return b64decode(token, validate=True)
    except binascii.Error:
        return replies.BAD_BASE64


def _credentials(name: bytes, password: bytes) -> Credentials | Reply:
    try:
        credentials = Credentials(name.decode("utf-8"), password.decode("utf-8"))
    except UnicodeDecodeError:
        return replies.LOGIN_FAILED
    if not name or not password or b"\0" in name + password:
        return replies.LOGIN_FAILED
    return credentials
