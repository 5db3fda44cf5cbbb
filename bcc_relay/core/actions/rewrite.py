"""The header of a message that leaves rewritten: whole fields out, one `To:` in, all else identical to the byte."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bcc_relay.core.address import find_addresses, known
from bcc_relay.core.errors import NotRewritableError
from bcc_relay.core.fields import GONE, Role, role_of
from bcc_relay.core.header import decode_words, split_fields, text_of
from bcc_relay.core.signature import signature_of

if TYPE_CHECKING:
    from bcc_relay.core.address import Known
    from bcc_relay.core.facts import Facts
    from bcc_relay.core.header import Field
    from bcc_relay.core.organisation import Organisation

# RFC 5321 4.4 "for" clause of a Received field, with the white space (or fold) before it. Some servers list several.
_PATH = rb"(?:<[^<>;]*>|[^\s;<>,]+)"
_FOR = re.compile(
    rb"(?<![ \t\r\n])[ \t\r\n]+for[ \t\r\n]+(" + _PATH + rb"(?:[ \t\r\n]*,[ \t\r\n]*" + _PATH + rb")*)",
    re.IGNORECASE,
)


def rewritten_header(facts: Facts, to_fields: bytes, organisation: Organisation) -> bytes:
    """Return the header with every field that shows recipients taken out and `to_fields` in their place.

    The new field stands where the first destination field stood, else at the end. Raises NotRewritableError for a
    damaged header, where a field might be missed, and for a foreign DKIM signature that the rewrite would break.
    """
    if facts.damage:
        raise NotRewritableError("Its header is damaged, so it cannot be changed safely.")
    added = split_fields(to_fields)
    # Whom the new fields show need not be hidden elsewhere.
    stays = facts.authors.union(*(find_addresses(decode_words(text_of(field.value)).text) for field in added))
    hide = known((facts.recipients | facts.visible | facts.visible_outsiders) - stays)
    shown = _keys_by_field(facts)
    kept = [_kept(field, shown.get(field.name, set()), hide, facts, organisation) for field in facts.fields]
    changed = {field.name for field, line in zip(facts.fields, kept, strict=True) if line != field.raw}
    changed |= {"to", *(field.name for field in added)}
    lines: list[bytes] = []
    placed = False
    for field, line in zip(facts.fields, kept, strict=True):
        if field.name in ("to", "cc") and not placed:
            lines.append(to_fields)
            placed = True
        broken = role_of(field.name) is Role.SIGNATURE and _is_broken(field.value, changed, organisation)
        lines.append(b"" if broken else line)
    if not placed:
        lines.append(to_fields)
    return b"".join(lines)


def _keys_by_field(facts: Facts) -> dict[str, set[str]]:
    """Addresses by field name: repeated fields of a name stay or go together."""
    keys: dict[str, set[str]] = {}
    for shown in facts.shown:
        keys.setdefault(shown.name, set()).update(shown.keys)
    return keys


def _kept(field: Field, keys: set[str], hide: Known, facts: Facts, organisation: Organisation) -> bytes:
    """Return what stays of a field: all of it, nothing, or a Received without its `for` clause."""
    match role_of(field.name):
        case role if role in GONE:
            return b""
        case Role.ANSWER:
            keep = all(organisation.is_own(key) or key in facts.authors for key in keys)
            return field.raw if keep else b""
        case Role.DRAFT:
            return b"" if keys else field.raw
        case Role.OTHER:
            return b"" if keys & hide.keys else field.raw
        case Role.TRACE:
            return _without_for(field, hide)
        case _:
            return field.raw


def _without_for(field: Field, hide: Known) -> bytes:
    """Take out a `for` clause that names a recipient: the clause alone, since loops are counted by this field."""

    def replace(match: re.Match[bytes]) -> bytes:
        return b"" if find_addresses(decode_words(text_of(match[1])).text, hide) & hide.keys else match[0]

    return _FOR.sub(replace, field.raw)


def _is_broken(value: bytes, changed: set[str], organisation: Organisation) -> bool:
    """Whether a DKIM-Signature of an own domain breaks, which the next server makes anew; a foreign one may not break.

    A signature that covers none of the changed fields stays.
    """
    signature = signature_of(value)
    if not signature.breaks(changed):
        return False
    if signature.domain and organisation.is_own(f"@{signature.domain}"):
        return True
    raise NotRewritableError("It carries the signature of another organisation, which a change would break.")
