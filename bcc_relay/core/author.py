"""Who wrote a message, by From or Sender: read strictly, since the answer stands in `To:` of a rewritten one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bcc_relay.core.address import parse_mailbox
from bcc_relay.core.header import unfold

if TYPE_CHECKING:
    from bcc_relay.core.model import Address

_COMMENT = re.compile(rb"\((?:[^()\\]|\\.)*\)")
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"')
_ANGLE = re.compile(rb"[^<>,;:]*<([^<>\s]+)>\s*")
_BARE = re.compile(rb"\s*([^<>\s,;:()\"]+)\s*")
_LONGEST_AUTHOR = 998


def single_mailbox(value: bytes) -> Address | None:
    """Read a From or Sender value as exactly one mailbox (RFC 5322 3.4); None when it is none, several or unclear.

    A value longer than a line of mail may be is unclear: nobody's name is that long.
    """
    if len(value) > _LONGEST_AUTHOR:
        return None
    octets = unfold(value)
    # Commas and angle brackets in comments and quoted names part nothing; a quoted local part is no name.
    bare = _COMMENT.sub(b" ", _QUOTED.sub(lambda quoted: quoted[0] if b"(" not in quoted[0] else b'""', octets))
    plain = _QUOTED.sub(b"", bare) if b"<" in bare else bare
    match = _ANGLE.fullmatch(plain) or _BARE.fullmatch(plain)
    return parse_mailbox(match[1], smtputf8=True) if match else None
