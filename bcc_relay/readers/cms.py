"""S/MIME (RFC 5652, 8551): whose keys an encrypted message names, and what a signed or compressed one holds."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from asn1crypto import cms

from bcc_relay.core.contents.found import Part
from bcc_relay.core.contents.kinds import OPENED_BY_LIBRARY, Kind, kind_of
from bcc_relay.core.damage import Closed
from bcc_relay.core.model import Channel
from bcc_relay.readers.opened import Opened, channel_within
from bcc_relay.readers.unpacking import Unpacking, zlib_pieces

if TYPE_CHECKING:
    from bcc_relay.core.contents.budget import Budget

_BROKEN = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)
_ENVELOPED = frozenset({"enveloped_data", "authenticated_enveloped_data", "signed_and_enveloped_data"})
_ENCRYPTED = frozenset({Closed.ENCRYPTED})
_WRAPPING = frozenset({"signed_data", "digested_data", "authenticated_data", "compressed_data"})


def read_cms(part: Part, budget: Budget) -> Opened:
    """Read one ContentInfo, in DER or BER. What is encrypted stays closed, and its recipients' keys are counted."""
    channel = channel_within(part, Channel.BODY)
    try:
        info = cms.ContentInfo.load(part.octets)
        kind, content = info["content_type"].native, info["content"]
        if kind in _ENVELOPED:
            infos = content["recipient_infos"]
            named_keys = sum(map(_keys_in, infos))
            # Issuers of self-signed certificates are often named by an address.
            return Opened(channel, octets=(infos.dump(),), closed=_ENCRYPTED, named_keys=named_keys)
        if kind == "encrypted_data":
            return Opened(channel, closed=_ENCRYPTED)
        octets = content["encap_content_info"]["content"].native if kind in _WRAPPING else b""
    except _BROKEN:
        return Opened(channel, closed=frozenset({Closed.BROKEN}))
    if octets is None:
        return Opened(channel)  # a detached signature
    if not octets or not isinstance(octets, bytes):
        return Opened(channel, closed=frozenset({Closed.UNKNOWN_FORMAT}))
    closed: frozenset[Closed] = frozenset()
    if kind == "compressed_data":
        octets, closed = _unpacked(octets, budget, len(part.octets))
    name = part.name.removesuffix(".p7m")
    kind = kind_of(octets, "", name)
    if kind in OPENED_BY_LIBRARY:
        # A file that was signed, as offices exchange them: list.xlsx.p7m.
        inner = Part(channel_within(part, Channel.ATTACHED_LIST), kind, name, octets, part.depth + 1)
    else:
        # A MIME entity in the place of the message's own, whose header is a protected one (RFC 8551 3.1).
        inner = Part(channel, Kind.MESSAGE, "", octets, part.depth + 1)
    return Opened(channel, parts=(inner,), closed=closed)


def _keys_in(info: Any) -> int:
    """Count the keys that one RecipientInfo names; a password names nobody (RFC 5652 6.2)."""
    if info.name == "kari":
        return len(info.chosen["recipient_encrypted_keys"])
    return 0 if info.name == "pwri" else 1


def _unpacked(octets: bytes, budget: Budget, packed_bytes: int) -> tuple[bytes, frozenset[Closed]]:
    """Unpack CompressedData (RFC 3274)."""
    unpacking = Unpacking(budget, packed_bytes)
    found, is_sound = unpacking.read(zlib_pieces(octets), (zlib.error,))
    if unpacking.is_over:
        return found, frozenset({Closed.OVER_BUDGET})
    return found, frozenset() if is_sound else frozenset({Closed.BROKEN})
