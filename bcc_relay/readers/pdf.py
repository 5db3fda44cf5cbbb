"""PDF, by PDFium: text, links, notes, form fields, properties, attached files. Pictures of text are not read."""

from __future__ import annotations

import ctypes
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import pypdfium2
from pypdfium2 import PdfAttachment, PdfDocument, PdfiumError, raw

from bcc_relay.core.contents.found import Part
from bcc_relay.core.contents.kinds import kind_of
from bcc_relay.core.damage import Closed
from bcc_relay.core.model import Channel
from bcc_relay.readers.office import xml_text
from bcc_relay.readers.opened import Opened, channel_within
from bcc_relay.readers.unpacking import Unpacking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bcc_relay.core.contents.budget import Budget

_BROKEN = (PdfiumError, OSError, ValueError, AssertionError)
_MOST_PAGES = 5000
_MOST_NOTES = 20_000
"""Links, notes and fields of one page."""
_MOST_STRING_BYTES = 16 * 1024 * 1024
_KEYS = (b"Contents", b"V", b"DV", b"T", b"TU", b"RC", b"Subj")
"""What an annotation or a form field holds as text (ISO 32000-1 12.5.2, 12.7.3)."""


class _Walk:
    """What one pass over a document collects."""

    def __init__(self, part: Part, budget: Budget) -> None:
        self.part = part
        self.budget = budget
        self.unpacking = Unpacking(budget, len(part.octets))
        self.texts: list[str] = []
        self.parts: list[Part] = []
        self.closed: set[Closed] = set()
        self.channel = channel_within(part, Channel.ATTACHED_LIST)

    def add(self, text: str) -> bool:
        """Take note of a text; whether more may follow."""
        if text:
            self.texts.append(text)
        return self.unpacking.take(len(text))


def read_pdf(part: Part, budget: Budget) -> Opened:
    """Read a document that opens without a password. What is broken is closed; what could be read before is kept."""
    walk = _Walk(part, budget)
    try:
        with closing(PdfDocument(part.octets)) as document:
            _read(document, walk)
    except _BROKEN as error:
        needs_password = isinstance(error, PdfiumError) and error.err_code == raw.FPDF_ERR_PASSWORD
        walk.closed.add(Closed.ENCRYPTED if needs_password else Closed.BROKEN)
    if walk.unpacking.is_over:
        walk.closed.add(Closed.OVER_BUDGET)
    return Opened(walk.channel, tuple(walk.texts), parts=tuple(walk.parts), closed=frozenset(walk.closed))


def _read(document: PdfDocument, walk: _Walk) -> None:
    for text in document.get_metadata_dict(skip_empty=True).values():
        walk.add(text)
    for bookmark in document.get_toc():
        if not walk.add(bookmark.get_title() or ""):
            return
    for text in _forms(document):
        if not walk.add(xml_text(text)):
            return
    _attachments(document, walk)
    for index in range(len(document)):
        if index >= _MOST_PAGES or walk.unpacking.is_over:
            walk.closed.add(Closed.OVER_BUDGET)
            return
        try:
            with closing(document[index]) as page:
                _page(document, page, walk)
        except _BROKEN:
            walk.closed.add(Closed.BROKEN)


def _page(document: PdfDocument, page: pypdfium2.PdfPage, walk: _Walk) -> None:
    with closing(page.get_textpage()) as text:
        walk.add(text.get_text_range())
    for note in (*_links(document, page), *_annotations(document, page, walk)):
        if not walk.add(note):
            return


def _links(document: PdfDocument, page: pypdfium2.PdfPage) -> Iterator[str]:
    place, link = ctypes.c_int(0), raw.FPDF_LINK()
    for _ in range(_MOST_NOTES):
        if not raw.FPDFLink_Enumerate(page, place, link):
            return
        action = raw.FPDFLink_GetAction(link)
        if action:
            yield _octets(partial(raw.FPDFAction_GetURIPath, document, action)).decode("utf-8", "replace")


def _annotations(document: PdfDocument, page: pypdfium2.PdfPage, walk: _Walk) -> Iterator[str]:
    """Yield the texts of notes and fields; what is attached to a note is noted."""
    for index in range(min(raw.FPDFPage_GetAnnotCount(page), _MOST_NOTES)):
        note = raw.FPDFPage_GetAnnot(page, index)
        if not note:
            continue
        try:
            for key in _KEYS:
                yield _wide(partial(raw.FPDFAnnot_GetStringValue, note, key))
            if attached := raw.FPDFAnnot_GetFileAttachment(note):
                _attachment(partial(PdfAttachment, attached, document), walk)
        finally:
            raw.FPDFPage_CloseAnnot(note)


def _forms(document: PdfDocument) -> Iterator[bytes]:
    """Yield the XML of a form that is described in XFA."""
    for index in range(min(raw.FPDF_GetXFAPacketCount(document), 100)):
        size = ctypes.c_ulong()
        if not raw.FPDF_GetXFAPacketContent(document, index, None, 0, size) or not 0 < size.value < _MOST_STRING_BYTES:
            continue
        buffer = ctypes.create_string_buffer(size.value)
        if raw.FPDF_GetXFAPacketContent(document, index, buffer, size.value, size):
            yield buffer.raw


def _attachments(document: PdfDocument, walk: _Walk) -> None:
    for index in range(document.count_attachments()):
        if not _attachment(partial(document.get_attachment, index), walk):
            return


def _attachment(get: Callable[[], PdfAttachment], walk: _Walk) -> bool:
    """Take note of an attached file; whether more may follow."""
    if not walk.budget.take_part() or walk.unpacking.is_over:
        walk.closed.add(Closed.OVER_BUDGET)
        return False
    try:
        attachment = get()
        name = attachment.get_name()
        octets = bytes(attachment.get_data())
    except _BROKEN:
        walk.closed.add(Closed.BROKEN)
        return True
    walk.add(name)
    walk.unpacking.take(len(octets))
    walk.parts.append(Part(walk.channel, kind_of(octets, "", name), name, octets, walk.part.depth + 1))
    return True


def _octets(get: Callable[[Any, int], int]) -> bytes:
    """Return a string by one of PDFium's functions that first tell a size in octets, with the final zero in it."""
    size = get(None, 0)
    if not 0 < size <= _MOST_STRING_BYTES:
        return b""
    buffer = ctypes.create_string_buffer(size)
    get(buffer, size)
    return buffer.raw.rstrip(b"\x00")


def _wide(get: Callable[[Any, int], int]) -> str:
    def cast(to: Any, size: int) -> int:
        return get(None if to is None else ctypes.cast(to, ctypes.POINTER(raw.FPDF_WCHAR)), size)

    size = cast(None, 0)
    if not 2 < size <= _MOST_STRING_BYTES:
        return ""
    buffer = ctypes.create_string_buffer(size)
    cast(buffer, size)
    return buffer.raw.decode("utf-16-le", "replace").rstrip("\x00")
