"""Where the messages of an mbox file stand. The file is read in pieces, never as a whole."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_PIECE_BYTES = 1024 * 1024
_AHEAD_BYTES = 4096
"""More than the pattern below looks at from where it begins."""
# A blank line, then a From_ line. Text may have such a line, too, where whoever wrote the file did not quote it (RFC
# 4155 names no one way), so it also has a time of day in it, or a header field behind it.
_BOUNDARY = re.compile(
    rb"\n\r?\n(?=From (?:[^\n]{0,200}[0-9]:[0-9]{2}[^\n]{0,200}\n|[^\n]{0,900}\n[!-9;-~]{1,76}[ \t]*:))"
)
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
FROM_LINE = b"From "


def messages_in(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Yield offset and length of every message in an mbox that begins at the file's beginning, From_ line included.

    The blank line before the next From_ line belongs to neither. Raises OSError.
    """
    start = 0
    for boundary, following in _boundaries(file):
        yield start, boundary - start
        start = following
    end = file.seek(0, 2)
    if end > start:
        yield start, end - start


def _boundaries(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Yield where each message but the last ends, and where the next one begins."""
    buffer, base = b"", 0
    while True:
        piece = file.read(_PIECE_BYTES)
        buffer += piece
        done = max(0, len(buffer) - _AHEAD_BYTES) if piece else len(buffer)
        for match in _BOUNDARY.finditer(buffer):
            if match.start() >= done:
                break
            yield base + match.start() + 1, base + match.end()
        if not piece:
            return
        buffer, base = buffer[done:], base + done


def unquoted(octets: bytes) -> bytes:
    """Undo what a writer of an mbox did to lines that look like a From_ line (`>From `)."""
    return _QUOTED_FROM.sub(rb"\1", octets) if b">From " in octets else octets
