"""Addresses in headers within a body: those of parts, of attached messages, and the protected one of a signed part."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bcc_relay.core.address import find_addresses
from bcc_relay.core.contents.parameters import parameters, text_parameter
from bcc_relay.core.fields import Role, role_of
from bcc_relay.core.header import decode_words, split_fields, text_of, unfold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcc_relay.core.address import Known
    from bcc_relay.core.header import Field

_MAY_SHOW = re.compile(rb"@|=\?|&|%40|\*[0-9]*\*?[ \t]*=|[(\[{]\s*[aA][tT]|[\x80-\xff]")
_MOST_FIELDS = 5000
# What machines write into these is no address, save where it is that of a recipient.
_MACHINE_MADE = (Role.TRACE, Role.SIGNATURE, Role.VERDICT)
_FOR = re.compile(r"\bfor\s+<?([^\s<>;]+@[^\s<>;]+)", re.IGNORECASE)
# What stands in the header of a part, were it no message: all other fields belong to a message, and are protected ones.
_OF_A_PART = (Role.KEPT, Role.OTHER, Role.DRAFT)


def in_part_header(header: bytes, names: Known, protected: bool) -> Iterator[tuple[bool, set[str]]]:
    """Yield the addresses of each field in the header of a part, and whether they stand in a protected header.

    `protected`: the part says that it protects the message's header (RFC 9788 2.1). Then all fields but its own are
    protected ones, without it those that have no meaning for a part (RFC 2045 3).
    """
    for field in _fields(header):
        if keys := _addresses(field, names):
            of_a_part = field.name.startswith("content-") or (
                not protected and field.name != "hp-outer" and role_of(field.name) in _OF_A_PART
            )
            yield not of_a_part, keys


def in_message_header(header: bytes, names: Known) -> set[str]:
    """Return the addresses in the header of an attached message, or in reports that are made of fields (RFC 3464 2.1).

    Identifiers are none.
    """
    return set[str]().union(*(_addresses(field, names) for field in _fields(header)))


def _fields(header: bytes) -> Iterator[Field]:
    if _MAY_SHOW.search(header):
        for field in split_fields(header, _MOST_FIELDS):
            if _MAY_SHOW.search(field.value if field.name else field.raw):
                yield field


def _addresses(field: Field, names: Known) -> set[str]:
    role = role_of(field.name) if field.name else Role.OTHER
    if role is Role.IDENTIFIER:
        return set()
    octets = field.value if field.name else field.raw
    text = decode_words(text_of(octets), fallback="latin_1").text
    keys = find_addresses(text, names)
    if not octets.isascii():
        # Where octets are no UTF-8, many readers show a mark in their place, and the address behind it.
        keys |= find_addresses(unfold(octets).decode("utf-8", "replace"), names) & names.keys
    if role in _MACHINE_MADE:
        keys &= names.keys
        for clause in _FOR.findall(text) if role is Role.TRACE else ():
            keys |= find_addresses(clause, names)
    if b"*" in octets and field.name.startswith("content-"):
        # RFC 2231 3: a parameter may be continued in the middle of an address.
        for value in parameters(unfold(octets).decode("latin-1")).values():
            keys |= find_addresses(text_parameter(value), names)
    return keys
