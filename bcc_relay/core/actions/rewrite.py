"""The header of a message that leaves rewritten: whole fields out, one `To:` in, all else identical to the byte."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bcc_relay.core.address import find_addresses
from bcc_relay.core.errors import NotRewritableError
from bcc_relay.core.fields import Role, role_of
from bcc_relay.core.header import decode_words, text_of, unfold

if TYPE_CHECKING:
    from bcc_relay.core.address import Organisation
    from bcc_relay.core.facts import Facts
    from bcc_relay.core.header import Field

# RFC 5321 4.4 "for" clause of a Received field, with the white space (or fold) before it.
_FOR = re.compile(rb"[ \t\r\n]+for[ \t\r\n]+(<[^<>;]*>|[^\s;<>]+)", re.IGNORECASE)
_TAG = re.compile(rb"(?:^|;)\s*([a-z]+)\s*=\s*([^;]*)", re.IGNORECASE)


def rewritten_header(facts: Facts, to_fields: bytes, organisation: Organisation) -> bytes:
    """Return the header with every field that shows recipients taken out and `to_fields` in their place.

    The new field stands where the first destination field stood, else at the end. Raises NotRewritableError for a
    damaged header, where a field might be missed, and for a foreign DKIM signature that the rewrite would break.
    """
    if facts.damage:
        raise NotRewritableError("Its header is damaged, so it cannot be changed safely.")
    hide = (facts.recipients | facts.visible | facts.visible_outsiders) - facts.authors
    shown = _keys_by_field(facts)
    lines: list[bytes] = []
    placed = False
    for field in facts.fields:
        if field.name in ("to", "cc") and not placed:
            lines.append(to_fields)
            placed = True
        line = _kept(field, shown.get(field.name, frozenset()), hide, facts, organisation)
        if line:
            lines.append(line)
    if not placed:
        lines.append(to_fields)
    return b"".join(lines)


def _keys_by_field(facts: Facts) -> dict[str, frozenset[str]]:
    """Addresses by field name: repeated fields of a name stay or go together."""
    keys: dict[str, frozenset[str]] = {}
    for shown in facts.shown:
        keys[shown.name] = keys.get(shown.name, frozenset()) | shown.keys
    return keys


def _kept(field: Field, keys: frozenset[str], hide: frozenset[str], facts: Facts, organisation: Organisation) -> bytes:
    """Return what stays of a field: all of it, nothing, or a Received without its `for` clause."""
    match role_of(field.name):
        case Role.BLIND | Role.LOCAL | Role.DESTINATION | Role.RESENT | Role.VERDICT:
            return b""
        case Role.ANSWER:
            keep = all(organisation.is_own(key) or key in facts.authors for key in keys)
            return field.raw if keep else b""
        case Role.OTHER:
            return b"" if keys & hide else field.raw
        case Role.TRACE:
            return _without_for(field, hide)
        case Role.SIGNATURE:
            return _signature(field, organisation)
        case _:
            return field.raw


def _without_for(field: Field, hide: frozenset[str]) -> bytes:
    """Take out a `for` clause that names a recipient: the clause alone, since loops are counted by this field."""

    def replace(match: re.Match[bytes]) -> bytes:
        return b"" if find_addresses(decode_words(text_of(match[1])).text) & hide else match[0]

    return _FOR.sub(replace, field.raw)


def _signature(field: Field, organisation: Organisation) -> bytes:
    """Drop a DKIM-Signature of an own domain, which the next server signs anew; refuse to break a foreign one.

    A signature that covers none of the changed fields (RFC 6376 5.4) stays.
    """
    tags = {name.lower(): value for name, value in _TAG.findall(unfold(field.value))}
    signed = {name.strip().lower() for name in unfold(tags.get(b"h", b"")).split(b":")}
    changed = {name for name in signed if role_of(name.decode("ascii", "replace")) in _CHANGED}
    if not changed:
        return field.raw
    domain = tags.get(b"d", b"").strip().decode("ascii", "replace").lower()
    if domain and organisation.is_own(f"@{domain}"):
        return b""
    raise NotRewritableError("It carries the signature of another organisation, which a change would break.")


_CHANGED = frozenset({Role.DESTINATION, Role.RESENT, Role.ANSWER, Role.OTHER, Role.TRACE, Role.VERDICT, Role.BLIND})
