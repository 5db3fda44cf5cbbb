"""Compound files (MS-CFB): Outlook's .msg, and the older Office formats. Every stream is searched as octets too."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import olefile

from bcc_relay.core.contents.found import Part
from bcc_relay.core.contents.kinds import Kind, kind_of
from bcc_relay.core.contents.rtf import words
from bcc_relay.core.damage import Closed, Damage
from bcc_relay.core.model import Channel
from bcc_relay.readers.embedded import files_in
from bcc_relay.readers.opened import Opened, channel_within
from bcc_relay.readers.rtf import NotRichTextError, unpack
from bcc_relay.readers.sheets import cells
from bcc_relay.readers.tnef import header_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcc_relay.core.contents.budget import Budget

_BROKEN = (OSError, struct.error, ValueError, TypeError, IndexError, KeyError, AttributeError, RecursionError)
_PROPERTIES = "__properties_version1.0"
_PROPERTY = "__substg1.0_"
_UNICODE, _EIGHT_BIT, _BINARY = "001F", "001E", "0102"
# Also of properties with several values, each in a stream of its own (MS-OXMSG 2.1.4).
_UNICODE_FORMS, _BINARY_FORMS = (_UNICODE, "101F"), (_BINARY, "1102")
_TEXT_FORMS = (*_UNICODE_FORMS, _EIGHT_BIT, "101E")
# Property identifiers (MS-OXPROPS).
_TRANSPORT_HEADERS, _HTML, _RICH_TEXT, _ATTACHED_DATA = "007D", "1013", "1009", "3701"
_FILE_NAMES = ("3707", "3704")
_ENCRYPTED_PACKAGES = frozenset({"encryptedpackage", "encryptioninfo"})
_WORKBOOKS = ("workbook", "book")
_FILE_PASS = 0x2F
_BIFF_BEGINS = (0x0809, 0x0409, 0x0209, 0x0009)
_MOST_RICH_TEXT = 4 * 1024 * 1024
_SLACK = 2
"""All streams together are no larger than their file, unless several of them claim the same sectors."""


def read_ole(part: Part, budget: Budget) -> Opened:
    """Read every stream. An encrypted document is closed; a .msg that does not parse is damage."""
    is_message = is_saved_message(part)
    channel = channel_within(part, Channel.ATTACHED_MESSAGE if is_message else Channel.ATTACHED_LIST)
    closed: set[Closed] = set()
    streams: list[tuple[tuple[str, ...], bytes]] = []
    try:
        with olefile.OleFileIO(io.BytesIO(part.octets)) as file:
            left = _SLACK * len(part.octets)
            for path, octets in _streams(file, len(part.octets)):
                left -= len(octets)
                if left < 0:
                    closed.add(Closed.OVER_BUDGET)
                    break
                streams.append((path, octets))
            if file.parsing_issues:
                # Something is odd, and streams may be missing: all is searched as it lies there.
                streams.append((("",), part.octets))
    except _BROKEN:
        if is_message:
            return Opened(channel, octets=(part.octets,), damage=frozenset({Damage.BROKEN_OUTLOOK_ITEM}))
        closed.add(Closed.BROKEN)
    if is_message:
        opened = _message(part, streams, budget, channel)
        return replace(opened, closed=frozenset(closed) | opened.closed)
    texts, more = _document(part, streams)
    files, missing = files_in(streams, part, channel, budget)
    searched = [octets for _, octets in streams]
    if closed:
        searched.append(part.octets)
    return Opened(channel, texts, tuple(searched), tuple(files), closed=frozenset(closed | more | missing))


def is_saved_message(part: Part) -> bool:
    """Whether a compound file is a message of Outlook's, or says it is."""
    return part.name.lower().endswith((".msg", ".oft")) or _PROPERTIES.encode("utf-16-le") in part.octets


def _streams(file: olefile.OleFileIO, most_bytes: int) -> Iterator[tuple[tuple[str, ...], bytes]]:
    """Yield path and octets of every stream. The library's own way by path looks through all names each time.

    Raises OSError for a stream that says it is larger than its file, and for storages in a circle: the library would
    go round in them.
    """
    if max(file.root.size, file.num_mini_fat_sectors * file.sector_size) > most_bytes:
        raise OSError("larger than its file")
    waiting: list[tuple[tuple[str, ...], Any]] = [((), file.root)]
    visited = set()
    while waiting:
        path, storage = waiting.pop()
        if storage.sid in visited:
            raise OSError("a storage within itself")
        visited.add(storage.sid)
        for entry in storage.kids:
            if entry.entry_type in (olefile.STGTY_STORAGE, olefile.STGTY_ROOT):
                waiting.append(((*path, entry.name), entry))
            elif entry.entry_type == olefile.STGTY_STREAM:
                if entry.size > most_bytes:
                    raise OSError("larger than its file")
                yield (*path, entry.name), file._open(entry.isectStart, entry.size).read()  # noqa: SLF001


# --- .msg (MS-OXMSG) -------------------------------------------------------------------------------------------------


def _message(part: Part, streams: list[tuple[tuple[str, ...], bytes]], budget: Budget, channel: Channel) -> Opened:
    """Read the properties of a message, its recipients, its attachments and the messages attached to it alike."""
    texts: list[str] = []
    embedded = [(path, octets) for path, octets in streams if not path[-1].startswith(_PROPERTY)]
    others = [octets for _, octets in embedded]
    parts, closed = files_in(embedded, part, channel, budget)
    names = _file_names(streams)
    for path, octets in streams:
        name = path[-1]
        if not name.startswith(_PROPERTY):
            continue
        which, form = name[len(_PROPERTY) :][:4].upper(), name[len(_PROPERTY) + 4 :][:4].upper()
        if form in _TEXT_FORMS:
            text = octets.decode("utf-16-le" if form in _UNICODE_FORMS else "cp1252", "replace")
            texts.append(header_text(text) if which == _TRANSPORT_HEADERS else text)
        if which == _RICH_TEXT and form == _BINARY:
            texts.extend(_rich_text(octets, closed))
        elif which == _HTML:
            html = octets.decode("utf-16-le", "replace").encode("utf-8") if form == _UNICODE else octets
            parts.append(Part(channel, Kind.HTML, "", html, part.depth + 1))
        elif which == _ATTACHED_DATA and form == _BINARY:
            if not budget.take_part():
                closed.add(Closed.OVER_BUDGET)
                break
            attached = names.get(path[:-1], "")
            parts.append(Part(channel, kind_of(octets, "", attached), attached, octets, part.depth + 1))
        elif form in _BINARY_FORMS:
            others.append(octets)
    return Opened(channel, tuple(texts), tuple(others), tuple(parts), closed=frozenset(closed))


def _file_names(streams: list[tuple[tuple[str, ...], bytes]]) -> dict[tuple[str, ...], str]:
    """Return the file name of each attachment by its storage, the long one where there are two."""
    names: dict[tuple[str, ...], str] = {}
    for which in reversed(_FILE_NAMES):
        for path, octets in streams:
            if path[-1].upper() == f"{_PROPERTY}{which}{_UNICODE}".upper():
                names[path[:-1]] = octets.decode("utf-16-le", "replace").rstrip("\x00")
            elif path[-1].upper() == f"{_PROPERTY}{which}{_EIGHT_BIT}".upper():
                names[path[:-1]] = octets.decode("cp1252", "replace").rstrip("\x00")
    return names


def _rich_text(octets: bytes, closed: set[Closed]) -> Iterator[str]:
    try:
        rich = unpack(octets, _MOST_RICH_TEXT)
    except NotRichTextError:
        return
    if len(rich) >= _MOST_RICH_TEXT:
        closed.add(Closed.OVER_BUDGET)
    yield words(rich)


# --- .xls, .doc, .ppt ------------------------------------------------------------------------------------------------


def _document(part: Part, streams: list[tuple[tuple[str, ...], bytes]]) -> tuple[tuple[str, ...], set[Closed]]:
    """Return what calamine reads in a workbook, and whether the document is encrypted."""
    by_name = {path[-1].lower(): octets for path, octets in streams}
    if not _ENCRYPTED_PACKAGES.isdisjoint(by_name):
        return (), {Closed.ENCRYPTED}
    if _is_encrypted_word(by_name.get("worddocument", b"")) or _is_encrypted_slides(by_name.get("current user", b"")):
        return (), {Closed.ENCRYPTED}
    workbooks = [by_name[name] for name in _WORKBOOKS if name in by_name]
    if any(map(_has_file_pass, workbooks)):
        return (), {Closed.ENCRYPTED}
    if not workbooks:
        return (), set()
    text, closed = cells(part.octets)
    return (text,), set(closed)


def _is_encrypted_word(octets: bytes) -> bool:
    """FibBase.fEncrypted (MS-DOC 2.5.2)."""
    return len(octets) > 11 and bool(octets[11] & 0x01)


def _is_encrypted_slides(octets: bytes) -> bool:
    """CurrentUserAtom.headerToken (MS-PPT 2.3.2)."""
    return octets[12:16] == b"\xdf\xc4\xd1\xf3"


def _has_file_pass(octets: bytes) -> bool:
    """Whether a FilePass record stands among the first of a workbook (MS-XLS 2.4.117)."""
    at = 0
    for _ in range(64):
        head = octets[at : at + 4]
        if len(head) < 4:
            return False
        record, length = struct.unpack("<HH", head)
        if at == 0 and record not in _BIFF_BEGINS:
            return False
        if record == _FILE_PASS:
            return True
        at += 4 + length
    return False
