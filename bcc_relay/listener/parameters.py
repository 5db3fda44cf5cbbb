"""Reads the arguments of MAIL and RCPT: the path, and the parameters of the extensions that are offered.

Nothing is folded or decoded: what the client wrote is what goes upstream.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from bcc_relay.core import replies
from bcc_relay.core.address import parse_mailbox, transport_octets
from bcc_relay.core.model import Address, Recipient

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcc_relay.core.model import Reply

# RFC 5321 4.1.2. A ">" may stand in a quoted local part, so quoted strings are walked as a whole.
_PATH = re.compile(rb'[ \t]*<((?:"(?:[^"\\]|\\.)*"|[^"<>])*)>(?:[ \t]+(.*))?', re.DOTALL)
_PARAMETER = re.compile(rb"([A-Za-z0-9][A-Za-z0-9\-]*)(?:=([\x21-\x3c\x3e-\x7e\x80-\xff]+))?")
_XTEXT = re.compile(rb"(?:[\x21-\x2a\x2c-\x3c\x3e-\x7e]|\+[0-9A-F]{2})*")  # RFC 3461 4
_SIZE = re.compile(rb"[0-9]{1,20}")  # RFC 1870 4
# RFC 3461 4.2; RFC 6533 3 for the type "utf-8", whose text may hold UTF-8 and \x{...}.
_ORCPT = re.compile(rb"([A-Za-z0-9][A-Za-z0-9\-]*);((?:[\x21-\x2a\x2c-\x3c\x3e-\x7e]|\+[0-9A-F]{2})+)")
_ORCPT_UTF8 = re.compile(rb"([Uu][Tt][Ff]-8);((?:[\x21-\x2a\x2c-\x3c\x3e-\x7e\x80-\xff]|\+[0-9A-F]{2})+)")
_ESCAPED_UTF8 = re.compile(rb"\\x\{([0-9A-Fa-f]{2,6})\}")
_XTEXT_ESCAPE = re.compile(rb"\+([0-9A-F]{2})")

MAX_ENVID_OCTETS = 100  # RFC 3461 4.4
MAX_ORCPT_OCTETS = 500  # RFC 3461 4.2

Parameters: TypeAlias = dict[bytes, "bytes | None"]


@dataclass(frozen=True, slots=True)
class MailArguments:
    """What MAIL said. `size_bytes` is the client's own measure, 0 when it gave none."""

    sender: Address | None
    size_bytes: int = 0
    body_8bitmime: bool = False
    smtputf8: bool = False
    ret: str | None = None
    envid: bytes | None = None


def read_mail(argument: bytes) -> MailArguments | Reply:
    """Read what follows `MAIL FROM:`; a reply says what is wrong with it."""
    split = _split(argument)
    if split is None:
        return replies.BAD_SYNTAX
    path, parameters = split
    if parameters is None:
        return replies.BAD_PARAMETER
    wrong = _first_wrong(parameters, _MAIL_PARAMETERS)
    if wrong:
        return wrong
    smtputf8 = b"SMTPUTF8" in parameters
    sender = None if path == b"" else _mailbox(path, smtputf8=smtputf8)
    if not isinstance(sender, (Address, type(None))):
        return sender
    ret = parameters.get(b"RET")
    return MailArguments(
        sender=sender,
        size_bytes=int(parameters.get(b"SIZE") or b"0"),
        body_8bitmime=(parameters.get(b"BODY") or b"").upper() == b"8BITMIME",
        smtputf8=smtputf8,
        ret=ret.decode("ascii").upper() if ret else None,
        envid=parameters.get(b"ENVID"),
    )


def read_rcpt(argument: bytes, *, smtputf8: bool) -> Recipient | Reply:
    """Read what follows `RCPT TO:`; a reply says what is wrong with it."""
    split = _split(argument)
    if split is None:
        return replies.BAD_SYNTAX
    path, parameters = split
    if parameters is None:
        return replies.BAD_PARAMETER
    wrong = _first_wrong(parameters, _RCPT_PARAMETERS)
    if wrong:
        return wrong
    address = _mailbox(path, smtputf8=smtputf8)
    if not isinstance(address, Address):
        return address
    notify = parameters.get(b"NOTIFY")
    return Recipient(
        address=address,
        notify=tuple(notify.decode("ascii").upper().split(",")) if notify else (),
        orcpt=parameters.get(b"ORCPT"),
    )


def without_foreign_names(recipients: tuple[Recipient, ...]) -> tuple[Recipient, ...]:
    """Drop each ORCPT that names another recipient of the transaction: it would travel with this one's copy."""
    keys = {recipient.address.key for recipient in recipients}
    kept: list[Recipient] = []
    for recipient in recipients:
        named = _named_by(recipient.orcpt)
        is_foreign = named is not None and named != recipient.address.key and named in keys
        kept.append(Recipient(recipient.address, recipient.notify) if is_foreign else recipient)
    return tuple(kept)


def names_a_recipient(envid: bytes | None, recipients: tuple[Recipient, ...]) -> bool:
    """Whether the envelope identifier, which all recipients' servers see, holds the address of one of several."""
    if envid is None or len(recipients) < 2:
        return False
    text = _decoded(envid).lower()
    return any(transport_octets(recipient.address).lower() in text for recipient in recipients)


def _split(argument: bytes) -> tuple[bytes, Parameters | None] | None:
    """Part the path from the parameters; the latter are None when they are malformed or given twice."""
    match = _PATH.fullmatch(argument)
    if match is None:
        return None
    parameters: Parameters = {}
    for word in (match[2] or b"").split():
        parameter = _PARAMETER.fullmatch(word)
        if parameter is None or parameter[1].upper() in parameters:
            return match[1], None
        parameters[parameter[1].upper()] = parameter[2]
    return match[1], parameters


def _mailbox(path: bytes, *, smtputf8: bool) -> Address | Reply:
    address = parse_mailbox(path, smtputf8=smtputf8)
    if address is not None:
        return address
    if not smtputf8 and not path.isascii() and parse_mailbox(path, smtputf8=True) is not None:
        return replies.ADDRESS_NEEDS_SMTPUTF8  # RFC 6531 3.5
    return replies.BAD_ADDRESS


def _first_wrong(parameters: Parameters, known: dict[bytes, Callable[[bytes | None], bool]]) -> Reply | None:
    for keyword, value in parameters.items():
        is_valid = known.get(keyword)
        if is_valid is None:
            return replies.UNKNOWN_PARAMETER
        if not is_valid(value):
            return replies.BAD_PARAMETER
    return None


def _is_notify(value: bytes | None) -> bool:
    words = (value or b"").upper().split(b",")
    if words == [b"NEVER"]:
        return True
    return len(set(words)) == len(words) and set(words) <= {b"SUCCESS", b"FAILURE", b"DELAY"}


def _is_orcpt(value: bytes | None) -> bool:
    if value is None or len(value) > MAX_ORCPT_OCTETS:
        return False
    return bool(_ORCPT.fullmatch(value) or _ORCPT_UTF8.fullmatch(value))


def _is_xtext(value: bytes | None) -> bool:
    return value is not None and bool(_XTEXT.fullmatch(value))


_MAIL_PARAMETERS: dict[bytes, Callable[[bytes | None], bool]] = {
    b"SIZE": lambda value: value is not None and bool(_SIZE.fullmatch(value)),
    b"BODY": lambda value: (value or b"").upper() in (b"7BIT", b"8BITMIME"),
    b"SMTPUTF8": lambda value: value is None,
    b"RET": lambda value: (value or b"").upper() in (b"FULL", b"HDRS"),
    b"ENVID": lambda value: _is_xtext(value) and len(value or b"") <= MAX_ENVID_OCTETS,
    b"AUTH": _is_xtext,  # RFC 4954 5: accepted and not trusted, so not passed on
}

_RCPT_PARAMETERS: dict[bytes, Callable[[bytes | None], bool]] = {
    b"NOTIFY": _is_notify,
    b"ORCPT": _is_orcpt,
}


def _named_by(orcpt: bytes | None) -> str | None:
    """Comparing key of the address in an ORCPT, or None when it holds none."""
    if orcpt is None:
        return None
    address = parse_mailbox(_decoded(orcpt.partition(b";")[2]), smtputf8=True)
    return address.key if address else None


def _decoded(text: bytes) -> bytes:
    plain = _XTEXT_ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode("ascii")), text)
    return _ESCAPED_UTF8.sub(lambda match: _character(int(match[1], 16)), plain)


def _character(number: int) -> bytes:
    try:
        return chr(number).encode("utf-8")
    except (ValueError, OverflowError):  # not a character: a surrogate, or beyond Unicode
        return b""
