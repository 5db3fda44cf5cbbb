"""What each SMTP command does (RFC 5321 4.1). A command answers through the dialog; login and data have own files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from bcc_relay.core import replies
from bcc_relay.core.address import parse_mailbox, transport_octets
from bcc_relay.core.model import Reply
from bcc_relay.listener.data import data
from bcc_relay.listener.login import auth
from bcc_relay.listener.networks import is_in
from bcc_relay.listener.parameters import read_mail, read_rcpt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bcc_relay.core.model import Address
    from bcc_relay.listener.dialog import Dialog
    from bcc_relay.relay.ports import Login

    Command: TypeAlias = Callable[[Dialog, bytes], Awaitable[None]]

_NOT_IN_A_NAME = re.compile(rb"[^A-Za-z0-9.\-_:\[\]]")
_LONGEST_NAME_OCTETS = 255


async def ehlo(dialog: Dialog, argument: bytes) -> None:
    """Greet a client and tell it, in one piece, what is offered."""
    if not _greet(dialog, argument, extended=True):
        return
    options = dialog.door.options
    offers = [
        options.hostname,
        "PIPELINING",
        f"SIZE {options.message_bytes}",
        "8BITMIME",
        "SMTPUTF8",
        "DSN",
        "ENHANCEDSTATUSCODES",
        f"LIMITS RCPTMAX={options.recipients}",
    ]
    if options.tls == "starttls" and not dialog.secure:
        offers.append("STARTTLS")
    if dialog.door.offers_login(secure=dialog.secure):
        offers.append("AUTH PLAIN LOGIN")
    lines = [f"250-{offer}\r\n" for offer in offers[:-1]]
    dialog.answer_octets("".join((*lines, f"250 {offers[-1]}\r\n")).encode("ascii", "replace"))


async def helo(dialog: Dialog, argument: bytes) -> None:
    """Greet a client that knows no extensions."""
    if _greet(dialog, argument, extended=False):
        dialog.answer_octets(f"250 {dialog.door.options.hostname}\r\n".encode("ascii", "replace"))


def _greet(dialog: Dialog, argument: bytes, *, extended: bool) -> bool:
    if not argument:
        dialog.complain(replies.NAME_MISSING)
        return False
    dialog.reset()
    # Any name is taken, as clients call themselves what they like. It will stand in a Received field: no more than
    # the characters of a host name or an address literal.
    dialog.helo = _NOT_IN_A_NAME.sub(b"?", argument[:_LONGEST_NAME_OCTETS]).decode("ascii")
    dialog.extended = extended
    return True


async def starttls(dialog: Dialog, argument: bytes) -> None:
    """Begin TLS (RFC 3207)."""
    if dialog.door.options.tls != "starttls":
        dialog.complain(replies.NOT_OFFERED)
    elif argument:
        dialog.complain(replies.BAD_SYNTAX)
    elif dialog.secure or dialog.transaction.mail is not None:
        dialog.complain(replies.WRONG_MOMENT)
    else:
        dialog.answer(replies.READY_FOR_TLS)
        # What stands behind the command in the clear was put there by somebody else (RFC 3207 5): nobody reads it.
        dialog.inbox.take()
        if not await dialog.start_tls(b""):
            dialog.end()


async def mail(dialog: Dialog, argument: bytes) -> None:
    """Begin a transaction."""
    if dialog.helo is None:
        dialog.complain(replies.GREETING_MISSING)
        return
    refusal = _refuse_client(dialog)
    if refusal is not None:
        dialog.complain(*refusal)  # a stranger who goes on asking would fill the log
        return
    if dialog.transaction.mail is not None:
        dialog.complain(replies.WRONG_MOMENT)
        return
    if argument[:5].upper() != b"FROM:":
        dialog.complain(replies.BAD_SYNTAX)
        return
    asked = read_mail(argument[5:])
    if isinstance(asked, Reply):
        _refuse_argument(dialog, asked)
    elif asked.size_bytes > dialog.door.options.message_bytes:
        dialog.refuse(replies.TOO_LARGE, "size")
    elif dialog.login is not None and not may_send_as(dialog.login, asked.sender):
        dialog.refuse(replies.NOT_YOUR_ADDRESS, "sender_not_allowed")
    else:
        dialog.transaction.mail = asked
        dialog.answer(replies.SENDER_OK)


def _refuse_client(dialog: Dialog) -> tuple[Reply, str] | None:
    """Why this client may not send: decided by login and network alone, never by what it wants to send to whom."""
    options = dialog.door.options
    if dialog.login is not None:
        return None
    if options.auth != "required" and is_in(dialog.client, dialog.door.networks):
        return None
    if options.auth == "none":
        return replies.FOREIGN_NETWORK, "foreign_network"
    if dialog.door.offers_login(secure=dialog.secure):
        return replies.LOGIN_NEEDED, "auth_required"
    return replies.TLS_NEEDED, "auth_required"


def may_send_as(login: Login, sender: Address | None) -> bool:
    """Whether the sender is one of the login's addresses; the null sender is everybody's."""
    if sender is None:
        return True
    for text in login.addresses:
        address = parse_mailbox(text.encode("utf-8", "replace"), smtputf8=True)
        if address is not None and address.key == sender.key:
            return True
    return False


async def rcpt(dialog: Dialog, argument: bytes) -> None:
    """Add a recipient. One that is there already to the octet, case of its domain aside, is not added again."""
    transaction = dialog.transaction
    if transaction.mail is None:
        dialog.complain(replies.SENDER_MISSING if dialog.helo is not None else replies.GREETING_MISSING)
        return
    if argument[:3].upper() != b"TO:":
        dialog.complain(replies.BAD_SYNTAX)
        return
    asked = read_rcpt(argument[3:], smtputf8=transaction.mail.smtputf8)
    if isinstance(asked, Reply):
        _refuse_argument(dialog, asked)
        return
    octets = transport_octets(asked.address)
    if octets not in transaction.recipients:
        if len(transaction.recipients) >= dialog.door.options.recipients:
            dialog.refuse(replies.TOO_MANY_RECIPIENTS, "recipients")
            return
        transaction.recipients[octets] = asked
    dialog.answer(replies.RECIPIENT_OK)


def _refuse_argument(dialog: Dialog, reply: Reply) -> None:
    """A wrong address is an everyday thing in a long list; wrong syntax is a client gone astray."""
    if reply.code == replies.BAD_ADDRESS.code:
        dialog.refuse(reply, "address")
    else:
        dialog.complain(reply)


async def rset(dialog: Dialog, argument: bytes) -> None:
    """Forget the transaction."""
    if argument:
        dialog.complain(replies.BAD_SYNTAX)
        return
    dialog.reset()
    dialog.answer(replies.DONE)


async def noop(dialog: Dialog, argument: bytes) -> None:  # noqa: ARG001 - RFC 5321 4.1.1.9: a text is ignored
    """Do nothing."""
    dialog.answer(replies.DONE)


async def quit_(dialog: Dialog, argument: bytes) -> None:
    """End the dialog."""
    if argument:
        dialog.complain(replies.BAD_SYNTAX)
        return
    dialog.answer(replies.BYE)
    dialog.end()


async def vrfy(dialog: Dialog, argument: bytes) -> None:
    """Say nothing about anybody (RFC 5321 7.3), and repeat nothing."""
    if argument:
        dialog.answer(replies.NOT_VERIFIED)
    else:
        dialog.complain(replies.BAD_SYNTAX)


async def expn(dialog: Dialog, argument: bytes) -> None:  # noqa: ARG001
    """Say nothing about lists."""
    dialog.complain(replies.NOT_OFFERED)


async def help_(dialog: Dialog, argument: bytes) -> None:  # noqa: ARG001
    """Say what is spoken here."""
    dialog.answer(replies.HELP)


COMMANDS: dict[bytes, Command] = {
    b"EHLO": ehlo,
    b"HELO": helo,
    b"STARTTLS": starttls,
    b"AUTH": auth,
    b"MAIL": mail,
    b"RCPT": rcpt,
    b"DATA": data,
    b"RSET": rset,
    b"NOOP": noop,
    b"QUIT": quit_,
    b"VRFY": vrfy,
    b"EXPN": expn,
    b"HELP": help_,
}
