"""A reply as it goes over the wire: status codes on every line, no character that could begin a line of its own."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bcc_relay.core.model import Reply

_ENHANCED = {kind: re.compile(rf"{kind}\.\d{{1,3}}\.\d{{1,3}}(?= |$)") for kind in (2, 4, 5)}
"""RFC 2034 4: the class of the enhanced code is that of the reply."""
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LONGEST_LINE = 510
"""RFC 5321 4.5.3.1.5: 512 octets with CRLF."""


@lru_cache(maxsize=256)
def reply_octets(reply: Reply, *, utf8: bool = False) -> bytes:
    r"""Return the reply with CRLF line ends. `\n` in its text parts the lines.

    Every 2xx, 4xx and 5xx line carries an enhanced status code (RFC 2034 4); where the reply has none, x.0.0. Text
    beyond ASCII stays with `utf8` (RFC 6531 3.7.4.2) and loses its accents without.
    """
    lines = reply.text.split("\n")
    enhanced = _ENHANCED.get(reply.code // 100)
    code = enhanced.match(lines[0]) if enhanced else None
    status = code[0] if code else f"{reply.code // 100}.0.0"
    wire = b""
    for number, line in enumerate(lines, 1):
        text = line if enhanced is None or enhanced.match(line) else f"{status} {line}"
        sign = " " if number == len(lines) else "-"
        whole = f"{reply.code}{sign}{_UNPRINTABLE.sub(' ', text)}"
        wire += _encoded(whole, utf8=utf8)[:_LONGEST_LINE] + b"\r\n"
    return wire


def _encoded(text: str, *, utf8: bool) -> bytes:
    if text.isascii():
        return text.encode("ascii")
    if utf8:
        # Cut at a character, so that the line stays UTF-8.
        return text.encode("utf-8", "replace")[:_LONGEST_LINE].decode("utf-8", "ignore").encode("utf-8")
    plain = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return plain.encode("ascii", "replace")
