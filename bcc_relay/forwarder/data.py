"""A message as it goes over the wire after DATA: the same octets, dots doubled, never copied whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.model import PIECE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcc_relay.core.model import Message

END = b".\r\n"


class BareOctetError(Exception):
    """The content holds a CR or LF outside CRLF, or a NUL: sent as it is, it could smuggle a second message."""


def is_ascii(message: Message) -> bool:
    """Whether no octet has its eighth bit set. Stops at the first that has."""
    return message.header.isascii() and all(piece.isascii() for piece in message.body.pieces())


def wire_pieces(message: Message) -> Iterator[bytes]:
    """Yield the content with dots doubled (RFC 5321 4.5.2), ending in CRLF, without the final dot; `END` follows it.

    Each piece is checked before it is given out, so a piece that would end the data early is never sent. Small pieces
    come together. Raises BareOctetError.
    """
    tail = b"\r\n"
    waiting: list[bytes] = []
    waiting_bytes = 0
    for piece in message.pieces():
        if not piece:
            continue
        _check(piece, tail)
        waiting.append(_double_dots(piece, tail))
        waiting_bytes += len(piece)
        tail = (tail + piece[-2:])[-2:]
        if waiting_bytes >= PIECE_BYTES:
            yield b"".join(waiting)
            waiting, waiting_bytes = [], 0
    if tail[-1:] == b"\r":
        raise BareOctetError
    if tail != b"\r\n":
        waiting.append(b"\r\n")
    yield b"".join(waiting)


def _check(piece: bytes, tail: bytes) -> None:
    pairs = piece.count(b"\r\n")
    joined = tail[-1:] == b"\r"
    if joined and piece[:1] != b"\n":
        raise BareOctetError
    if piece.count(b"\n") != pairs + joined or piece.count(b"\r") != pairs + (piece[-1:] == b"\r") or b"\0" in piece:
        raise BareOctetError


def _double_dots(piece: bytes, tail: bytes) -> bytes:
    doubled = piece.replace(b"\r\n.", b"\r\n..")
    if tail == b"\r\n" and piece[:1] == b".":
        return b"." + doubled
    if tail[-1:] == b"\r" and piece[:2] == b"\n.":
        return b"\n." + doubled[1:]
    return doubled
