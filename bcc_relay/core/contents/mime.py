"""The structure of a body (RFC 2045, 2046): where parts begin and end, in every way a reader might see it.

Regions are places in a buffer that all share; nothing large is copied. Line ends are CRLF or LF.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from bcc_relay.core.model import Content


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """The octets from `start` to `end` of a buffer."""

    content: Content
    start: int
    end: int
    seen: set[tuple[int, int]] = field(default_factory=set)
    """Regions of this buffer that were handed out as parts already; shared by all of them."""

    def __len__(self) -> int:
        return max(0, self.end - self.start)

    def octets(self, most: int | None = None) -> bytes:
        """Return a copy, of the first `most` octets when given."""
        return self.content[self.start : self.end if most is None else min(self.end, self.start + most)]

    def within(self, start: int, end: int) -> Region:
        """Return another region of the same buffer."""
        return Region(self.content, start, end, self.seen)


# --- header and body of a part ---------------------------------------------------------------------------------------

_FIELDS = re.compile(rb"(?:[!-9;-~]++[ \t]*+:[^\n]*+(?:\n|\Z)(?:[ \t]++[^\s][^\n]*+(?:\n|\Z))*)*")
_MIME_LINE = re.compile(
    rb"\ncontent-(type|transfer-encoding|disposition)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*)", re.IGNORECASE
)
_BLANK = re.compile(rb"\r?(?:\n|\Z)")
_BLANK_LINE = re.compile(rb"(?:\A|(?<=\n))\r?\n")
MOST_HEADER_OCTETS = 256 * 1024
"""What is more is text, too."""


def entities(region: Region) -> list[tuple[bytes, Region]]:
    """Part a region into header (lines end with CRLF) and body, in one or two ways.

    Some readers end a header at the first line that is no field, or is white space alone; some only at an empty line.
    """
    content, start, end = region.content, region.start, region.end
    match = _FIELDS.match(content, start, end)
    odd = match.end() if match else start
    if blank := _BLANK.match(content, odd, end):
        return [(crlf(content[start:odd]), region.within(blank.end(), end))]
    ways = [(crlf(content[start:odd]), region.within(odd, end))]
    later = _BLANK_LINE.search(content, odd, min(end, odd + MOST_HEADER_OCTETS))
    # Where no field stands before the odd line, it begins a text, unless the header goes on behind it.
    if later and (odd > start or _MIME_LINE.search(content, odd, later.start())):
        ways.append((crlf(content[start : later.start()]), region.within(later.end(), end)))
    return ways


def crlf(header: bytes) -> bytes:
    """Return a header whose lines all end with CRLF."""
    if header.count(b"\n") == header.count(b"\r\n"):
        return header
    return header.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


MOST_OF_A_FIELD = 16
"""So many differing fields of one name are read."""


class MimeLines(NamedTuple):
    """The values of those fields that say how to read a body, each once, with their folds."""

    types: tuple[bytes, ...]
    encodings: tuple[bytes, ...]
    dispositions: tuple[bytes, ...]


def mime_lines(header: bytes) -> MimeLines:
    """Return Content-Type, Content-Transfer-Encoding and Content-Disposition of a header."""
    types: dict[bytes, None] = {}
    encodings: dict[bytes, None] = {}
    dispositions: dict[bytes, None] = {}
    for name, value in _MIME_LINE.findall(b"\n" + header):
        of = {4: types, 17: encodings}.get(len(name), dispositions)
        if len(of) < MOST_OF_A_FIELD:
            of[value.strip()] = None
    return MimeLines(tuple(types), tuple(encodings), tuple(dispositions))


# --- multipart -------------------------------------------------------------------------------------------------------


class Delimiter(NamedTuple):
    """One boundary line: from the line end before it to the begin of the next line."""

    at: int
    next: int
    closes: bool
    is_exact: bool
    """Nothing but white space follows the boundary, or the two hyphens that close."""


class Divided(NamedTuple):
    """A multipart region in all its readings."""

    parts: tuple[Region, ...]
    """In order of their first octet; those of several readings may overlap."""
    outside: tuple[Region, ...]
    """Preamble, and what follows a closing line."""
    rest: Region | None
    """What is left when there are more parts than were asked for."""


def delimiters(region: Region, boundary: bytes, most: int) -> list[Delimiter]:
    """Return the lines that begin with two hyphens and the boundary (RFC 2046 5.1.1), at most so many."""
    content, start, end = region.content, region.start, region.end
    needle = b"\n--" + boundary
    found: list[Delimiter] = []
    # The first line has no line end before it.
    begins = content[start : min(end, start + len(needle) - 1)] == needle[1:]
    at = start - 1 if begins else content.find(needle, start, end)
    while (at >= 0 or begins) and len(found) < most:
        begins = False
        after = at + len(needle)
        line_end = content.find(b"\n", after, end)
        if line_end < 0:
            line_end = end
        tail = content[after : min(line_end, after + 80)].strip()
        found.append(Delimiter(max(at, start), min(line_end + 1, end), tail[:2] == b"--", tail in (b"", b"--")))
        at = content.find(needle, line_end, end)
    return found


# Some readers go on behind a closing line that comes too early.
_MIME_FIELD = re.compile(rb"\s*content-[a-z\-]{1,40}[ \t]*:", re.IGNORECASE)


def divided(region: Region, boundary: bytes, most: int) -> Divided | None:
    """Part a region at its boundary; None when no line shows it. At most `most` parts are told apart.

    Where another boundary begins with this one, readers that compare beginnings see more parts than others: both
    readings are in the answer. Octets that were handed out before are not handed out again.
    """
    lines = delimiters(region, boundary, most + 1)
    if not lines:
        return None
    cut = lines[most:]
    exact = [line for line in lines if line.is_exact]
    readings = [lines] if not exact or len(exact) == len(lines) else [exact, lines]
    spans: set[tuple[int, int]] = set()
    outside: set[tuple[int, int]] = set()
    for reading in readings:
        outside.add((region.start, reading[0].at))
        ends = [line.at for line in reading[1:]] + [cut[0].at if cut else region.end]
        for line, end in zip(reading, ends, strict=True):
            span = (line.next, max(line.next, end))
            if line.closes:
                outside.add(span)
            if not line.closes or _MIME_FIELD.match(region.content, *span):
                spans.add(span)
    if cut:
        last = cut[0]
        spans = {span for span in spans if span[0] < last.at}
    new = sorted(span for span in spans - region.seen if span[0] < span[1])
    region.seen.update(new)
    return Divided(
        tuple(region.within(*span) for span in new),
        tuple(region.within(*span) for span in sorted(outside) if span[0] < span[1]),
        region.within(cut[0].at, region.end) if cut else None,
    )


_FIRST_LINE = re.compile(rb"(?:\A|(?<=\n))--([!-~]{1,200})[ \t]*\r?\n(?=[!-9;-~]+:|\r?\n)")


def guessed_boundary(region: Region) -> bytes:
    """Return what looks like the boundary of a multipart that names none; empty when nothing does."""
    match = _FIRST_LINE.search(region.octets(4096))
    return match[1] if match else b""


_MBOX_LINE = re.compile(rb"(?:\A|(?<=\n))(?:>?From [^\n]*\n)+(?=[!-9;-~]+[ \t]*:)")


def mails_of(region: Region, most: int) -> tuple[tuple[Region, ...], Region | None]:
    """Part an mbox into its messages (RFC 4155), and what is left beyond `most`; one that is no mbox is one message."""
    content, start, end = region.content, region.start, region.end
    if content[start : start + 5] != b"From ":
        return (region,), None
    lines = []
    for match in _MBOX_LINE.finditer(content, start, end):
        lines.append((match.start(), match.end()))
        if len(lines) > most:
            break
    if not lines:
        return (region,), None
    ends = [begin for begin, _ in lines[1:]] + [end]
    mails = tuple(region.within(after, stop) for (_, after), stop in zip(lines, ends, strict=True))
    return (mails, None) if len(lines) <= most else (mails[:most], mails[most])
