"""Finding saved mail: mbox files, Maildirs and folders, whatever else lies there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bcc_relay.backtest.sources import File, NotUsed, files_in

if TYPE_CHECKING:
    from pathlib import Path

MAIL = b"From: clerk@council.example\nTo: family@mail.example\nSubject: x\n\nHello\n"


def put(folder: Path, name: str | bytes, octets: bytes = MAIL) -> None:
    path = os.path.join(os.fsencode(folder), os.fsencode(name))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(octets)


def found(folder: Path) -> tuple[list[str], dict[str, str]]:
    """Names of the files with mail in them, and of the others with the reason."""
    used, others = [], {}
    for one in files_in([folder]):
        name = os.fsdecode(os.path.relpath(one.path, os.fsencode(folder)))
        match one:
            case File():
                used.append(name)
            case NotUsed(why=why):
                others[name] = why
    return used, others


def test_messages_are_found_below_folders_whatever_their_names(tmp_path: Path) -> None:
    for name in ("b/2.eml", "a/1", "a/1700000000.M1.host", "c.EML"):
        put(tmp_path, name)
    put(tmp_path, "d/box", b"From x Sun Nov 22 10:00:00 2026\n" + MAIL)
    assert found(tmp_path) == (["a/1", "a/1700000000.M1.host", "b/2.eml", "c.EML", "d/box"], {})


def test_of_a_maildir_only_mail_is_found_and_no_drafts(tmp_path: Path) -> None:
    for name in ("cur/1:2,S", "cur/2:2,DS", "new/3", "tmp/4", ".Sent/cur/5:2,RS", ".Sent/new/6", "dovecot-uidlist"):
        put(tmp_path, name, MAIL if name != "new/3" else b"A mail whose header is damaged\n")
    put(tmp_path, ".Sent/tmp/7")
    assert found(tmp_path) == ([".Sent/cur/5:2,RS", ".Sent/new/6", "cur/1:2,S", "new/3"], {"cur/2:2,DS": "is a draft"})


def test_what_is_no_mail_is_named_with_the_reason(tmp_path: Path) -> None:
    put(tmp_path, "notes.txt", b"Subject: to change\nno more\n")
    put(tmp_path, "empty.eml", b"")
    put(tmp_path, ".hidden")
    os.mkfifo(tmp_path / "pipe")
    assert found(tmp_path) == (
        [],
        {"empty.eml": "is empty", "notes.txt": "is not mail", "pipe": "is no file"},
    )
    (missing,) = files_in([tmp_path / "missing"])
    assert isinstance(missing, NotUsed)
    assert missing.why == "cannot be read (No such file or directory)"


def test_names_need_not_be_text(tmp_path: Path) -> None:
    put(tmp_path, b"caf\xe9.eml")
    (one,) = files_in([tmp_path])
    assert one.path.endswith(b"caf\xe9.eml")


def test_folders_that_link_to_each_other_are_walked_once(tmp_path: Path) -> None:
    put(tmp_path, "a/1.eml")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    assert found(tmp_path)[0] == ["a/1.eml"]
