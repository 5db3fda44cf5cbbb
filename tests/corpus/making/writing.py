"""Writes mail as octets, the way mail programs do: folded address fields, MIME parts, boundaries. For `make` alone."""

from __future__ import annotations

import base64
import binascii
import quopri
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LINE = 78


@dataclass(frozen=True)
class Part:
    """A MIME entity: header lines without line ends, and the body."""

    lines: tuple[str, ...]
    body: bytes

    @property
    def octets(self) -> bytes:
        return crlf("".join(f"{line}\n" for line in self.lines)) + b"\r\n" + self.body


def crlf(text: str) -> bytes:
    """Text as UTF-8 octets with CRLF line ends."""
    return text.replace("\r\n", "\n").replace("\n", "\r\n").encode()


def named(address: str) -> str:
    """`Amelia <amelia@mail0.example>`."""
    return f"{address.partition('@')[0].rstrip('0123456789').title()} <{address}>"


def listed(name: str, addresses: Iterable[str], *, names: bool = True, separator: str = ",") -> str:
    """An address field, folded behind its separators."""
    lines, line = [], f"{name}:"
    items = [named(address) if names else address for address in addresses]
    for at, item in enumerate(items):
        piece = f" {item}" + (separator if at < len(items) - 1 else "")
        if len(line) + len(piece) > _LINE and line.strip():
            lines.append(line)
            line = ""
        line += piece
    return "\n".join([*lines, line])


def text(content: str, subtype: str = "plain", charset: str = "utf-8", encoding: str = "", more: str = "") -> Part:
    """A text part; `encoding` is chosen by the content when it is not given."""
    octets = content.replace("\r\n", "\n").replace("\n", "\r\n").encode(charset)
    encoding = encoding or ("7bit" if octets.isascii() else "8bit")
    if encoding == "base64":
        octets = wrapped(octets)
    elif encoding == "quoted-printable":
        octets = quopri.encodestring(octets.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    return Part(
        (f"Content-Type: text/{subtype}; charset={charset}{more}", f"Content-Transfer-Encoding: {encoding}"), octets
    )


def attached(octets: bytes, media_type: str, name: str, disposition: str = "attachment") -> Part:
    """A file, in base64."""
    lines = (
        f'Content-Type: {media_type}; name="{name}"' if name else f"Content-Type: {media_type}",
        "Content-Transfer-Encoding: base64",
        f'Content-Disposition: {disposition}; filename="{name}"' if name else f"Content-Disposition: {disposition}",
    )
    return Part(lines, wrapped(octets))


def wrapped(octets: bytes) -> bytes:
    """Base64 in lines of 76 characters."""
    return base64.encodebytes(octets).replace(b"\n", b"\r\n")


def inner(message: bytes, media_type: str = "message/rfc822") -> Part:
    """An attached message."""
    return Part((f"Content-Type: {media_type}", "Content-Disposition: attachment"), message)


def multipart(
    subtype: str, *parts: Part | bytes, more: str = "", boundary: str = "", preamble: str = "", epilogue: str = ""
) -> Part:
    """Parts within one; the boundary depends on the parts alone."""
    octets = [part if isinstance(part, bytes) else part.octets for part in parts]
    boundary = boundary or f"=_{binascii.crc32(b''.join(octets)):08x}"
    line = b"--" + boundary.encode()
    body = (
        crlf(preamble) + b"".join(line + b"\r\n" + one + b"\r\n" for one in octets) + line + b"--\r\n" + crlf(epilogue)
    )
    return Part((f'Content-Type: multipart/{subtype};\n boundary="{boundary}"{more}',), body)


def mail(header: str, content: Part | str | bytes, *, identifier: str, date: str = "") -> bytes:
    """A whole message: header text, then Date, Message-ID and MIME fields where it has none, then the content.

    Octets as content stand as they are behind the header, which then says all that is to be said about them.
    """
    header = header.strip("\n") + "\n"
    lower = f"\n{header.lower()}"
    if "\ndate:" not in lower:
        header += f"Date: {date or _date(identifier)}\n"
    if "\nmessage-id:" not in lower:
        header += f"Message-ID: <{identifier.replace('/', '.')}@council.example>\n"
    if isinstance(content, bytes):
        return crlf(header) + b"\r\n" + content
    part = text(content) if isinstance(content, str) else content
    if "\nmime-version:" not in lower:
        header += "MIME-Version: 1.0\n"
    return crlf(header) + part.octets


def _date(identifier: str) -> str:
    number = binascii.crc32(identifier.encode())
    day = number % 5
    names = ("Mon", "Tue", "Wed", "Thu", "Fri")
    return f"{names[day]}, {16 + day} Nov 2026 {8 + number // 8 % 9:02}:{number // 100 % 60:02}:{number // 7000 % 60:02} +0000"
