"""Where saved mail is: mbox files, Maildirs, and folders with a message a file. Nothing is read but beginnings."""

from __future__ import annotations

import os
import re
import stat
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcc_relay.backtest import mbox

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_BEGINNING_BYTES = 8192
_MAILDIR = ("cur", "new", "tmp")
_DRAFT = re.compile(rb":2,[A-Za-z]*D[A-Za-z]*\Z")
_FIELD_FIRST = re.compile(rb"(?:\xef\xbb\xbf)?[!-9;-~]+[ \t]*:")
_MAIL_FIELD = re.compile(
    rb"^(from|to|cc|date|subject|message-id|received|return-path|delivered-to|mime-version|sender|reply-to)[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)
_FEWEST_MAIL_FIELDS = 2


@dataclass(frozen=True, slots=True)
class File:
    """A file with mail in it, one message or many. Names are octets: a name of a file need not be text."""

    path: bytes
    size_bytes: int
    changed_ns: int
    is_mbox: bool


@dataclass(frozen=True, slots=True)
class NotUsed:
    """A file or folder without mail that can be judged. `is_draft`: a message that was never sent."""

    path: bytes
    why: str
    is_draft: bool = False


def files_in(paths: Sequence[Path]) -> Iterator[File | NotUsed]:
    """Yield every file below these paths, in order of their names. Never raises for what it finds there.

    Folders are walked to their ends. In a Maildir only `cur`, `new` and folders within it count, elsewhere hidden files
    do not. Links to files are followed, links to folders are not, unless named.
    """
    for path in paths:
        yield from _below(os.fsencode(path))


def _below(start: bytes) -> Iterator[File | NotUsed]:
    waiting = [(start, False)]
    while waiting:
        path, is_in_maildir = waiting.pop()
        try:
            status = os.stat(path)  # noqa: PTH116 - octets are no Path
            if not stat.S_ISDIR(status.st_mode):
                yield _file(path, status, is_in_maildir=is_in_maildir)
                continue
            entries = _entries(path)
        except OSError as error:
            yield NotUsed(path, f"cannot be read ({error.strerror})")
            continue
        waiting.extend(reversed(_chosen(path, entries, is_in_maildir=is_in_maildir)))


def _entries(folder: bytes) -> dict[bytes, bool]:
    """Return the names in a folder, in order, and which are folders. Links to folders might lead in a circle."""
    with os.scandir(folder) as found:
        return dict(
            sorted(
                (entry.name, entry.is_dir(follow_symlinks=False))
                for entry in found
                if not (entry.is_symlink() and entry.is_dir())
            )
        )


def _chosen(folder: bytes, entries: dict[bytes, bool], *, is_in_maildir: bool) -> list[tuple[bytes, bool]]:
    is_maildir = all(entries.get(name.encode()) for name in _MAILDIR)
    chosen = []
    for name, is_folder in entries.items():
        path = os.path.join(folder, name)  # noqa: PTH118 - octets are no Path
        if is_maildir:
            # The rest are notes of the mail server.
            if is_folder and name != b"tmp":
                chosen.append((path, name in (b"cur", b"new")))
        elif not name.startswith(b"."):
            chosen.append((path, is_in_maildir and not is_folder))
    return chosen


def _file(path: bytes, status: os.stat_result, *, is_in_maildir: bool) -> File | NotUsed:
    if not stat.S_ISREG(status.st_mode):
        return NotUsed(path, "is no file")
    if not status.st_size:
        return NotUsed(path, "is empty")
    if is_in_maildir and _DRAFT.search(path):
        return NotUsed(path, "is a draft", is_draft=True)
    with closing(os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC), "rb")) as file:
        beginning = file.read(_BEGINNING_BYTES)
    is_message = is_in_maildir or path.lower().endswith(b".eml")
    is_mbox = beginning.startswith(mbox.FROM_LINE) and not is_message
    if not (is_message or is_mbox or _looks_like_mail(beginning)):
        return NotUsed(path, "is not mail")
    return File(path, status.st_size, status.st_mtime_ns, is_mbox)


def _looks_like_mail(beginning: bytes) -> bool:
    if not _FIELD_FIRST.match(beginning):
        return False
    names = {name.lower() for name in _MAIL_FIELD.findall(beginning)}
    return len(names) >= _FEWEST_MAIL_FIELDS


def places_in(file: File) -> Iterator[tuple[int, int]]:
    """Yield offset and length of each message in a file. Raises OSError."""
    if not file.is_mbox:
        yield 0, file.size_bytes
        return
    with closing(os.fdopen(os.open(file.path, os.O_RDONLY | os.O_CLOEXEC), "rb")) as opened:
        yield from mbox.messages_in(opened)
