"""Attachments and earlier mail, through the real process: what a reader of the body would see decides as well."""

from __future__ import annotations

import base64
import io
import os
import signal
import smtplib
import threading
import time
import zipfile
import zlib
from pathlib import Path

import pytest

from tests.e2e.mails import mail, new_subject
from tests.e2e.relay_process import USER, submit
from tests.e2e.waiting import wait_for

PARENTS = [f"parent-{n:02}@gmail.com" for n in range(12)]
"""No real person has one: this provider allows no hyphen."""


def attached(subject: str, to: list[str], name: str, octets: bytes) -> bytes:
    """A mail that shows nobody, with one file."""
    head, _, _ = mail(subject, to).partition(b"Content-Type:")
    parts = (
        b"Content-Type: text/plain\r\n\r\nThe list is attached.\r\n",
        b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
        b"Content-Disposition: attachment; filename=%s\r\n\r\n%s"
        % (name.encode(), base64.encodebytes(octets).replace(b"\n", b"\r\n")),
    )
    body = b"".join(b"--part\r\n" + part + b"\r\n" for part in parts) + b"--part--\r\n"
    return head + b"Content-Type: multipart/mixed; boundary=part\r\n\r\n" + body


def workbook(people: list[str]) -> bytes:
    """A sheet "Menu", and a very hidden one with a list of people."""
    rows = "".join(f'<row r="{n}"><c t="inlineStr"><is><t>{one}</t></is></c></row>' for n, one in enumerate(people, 1))
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("[Content_Types].xml", "<Types/>")
        package.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{main}"><sheets><sheet name="Menu" sheetId="1"/>'
            '<sheet name="Parents" sheetId="2" state="veryHidden"/></sheets></workbook>',
        )
        package.writestr("xl/worksheets/sheet1.xml", f'<worksheet xmlns="{main}"><sheetData/></worksheet>')
        package.writestr(
            "xl/worksheets/sheet2.xml", f'<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>'
        )
    return made.getvalue()


def noughts(megabytes: int) -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    return b"".join(packer.compress(bytes(1_000_000)) for _ in range(megabytes)) + packer.flush()


def workers(relay) -> list[int]:
    """The processes that read attachments. One that has ended stays on the list until a reader is needed again."""
    tasks = Path(f"/proc/{relay.process.pid}/task")
    children = [pid for task in tasks.iterdir() for pid in (task / "children").read_text().split()]
    return [int(pid) for pid in children if "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()]


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


@pytest.fixture
def relay(shared_relay):
    """One for all tests that do not stop it."""
    return shared_relay


def test_a_list_in_a_hidden_sheet_is_held_though_everybody_is_in_bcc(relay, postfix):
    subject = new_subject("lunch menu")
    code, text = relay.send(PARENTS, attached(subject, [USER], "menu.xlsx", workbook(PARENTS)))
    assert (code, text[:22]) == (250, "2.0.0 Held for review ")
    [item] = [item for item in relay.held() if item["subject"] == subject]
    assert item["rule"] == "beyond-rewriting"
    shown = relay.command("quarantine", "show", item["id"], "--json").json()
    assert [(one["channel"], one["addresses"], one["rewritable"]) for one in shown["findings"]] == [
        ("attached_list", 12, False)
    ]
    refused = relay.command("quarantine", "release", item["id"], "--as", "bcc")
    assert refused.code == 65, refused
    assert postfix.copies(subject) == []
    assert relay.command("quarantine", "discard", item["id"], "--reason", "Sent without the list").code == 0


def test_the_same_sheet_to_one_parent_leaves_to_the_byte(relay, postfix):
    subject = new_subject("lunch menu for one")
    message = attached(subject, [PARENTS[0]], "menu.xlsx", workbook([PARENTS[0]]))
    assert relay.send([PARENTS[0]], message)[0] == 250
    [copy] = postfix.arrived(subject)
    assert copy.body == message.partition(b"\r\n\r\n")[2]


def test_a_reply_in_a_known_thread_passes_after_a_reviewer_let_the_first_mail_go(relay, postfix):
    firms = [f"partner{n:02}@firm{n % 5}.example" for n in range(32)]
    subject = new_subject("consortium")
    first = mail(subject, firms)
    assert "Held" in relay.send(firms, first)[1]
    [item] = [item for item in relay.held() if item["subject"] == subject]
    for person in ("anna", "ben"):
        relay.command("quarantine", "release", item["id"], "--as", "as-is", "--reason", "One consortium", person=person)
    postfix.arrived(subject, len(firms))
    number = subject.rsplit(" ", 1)[-1]
    answer = mail(
        new_subject("Re: consortium"), firms, f"In-Reply-To: <{number}.mail@council.example>", body="Agreed.\r\n"
    )
    wait_for(lambda: "Held" not in relay.send(firms, answer)[1], "the thread to be known")


def test_the_same_list_in_pieces_is_held_before_it_is_complete(relay):
    people = [f"person{n:02}@place{n}.example" for n in range(36)]
    subject = new_subject("survey")
    texts = []
    for at in range(0, 36, 9):
        some = people[at : at + 9]
        message = mail(subject, some, body=f"Piece {at}: please fill in the survey of the borough by Friday.\r\n")
        texts.append(relay.send(some, message.replace(b".mail@", b".%d.mail@" % at))[1])
    assert ["Held" in text for text in texts] == [False, False, False, True]


def test_an_archive_that_grows_without_end_is_closed_and_keeps_nobody_else_waiting(relay):
    bomb = attached(new_subject("bomb"), [USER], "list.csv.gz", noughts(1000))
    slowest = [0.0]
    over = threading.Event()

    def others() -> None:
        with smtplib.SMTP("127.0.0.1", relay.port, timeout=60) as client:
            while not over.is_set():
                subject, started = new_subject("meanwhile"), time.monotonic()
                assert submit(client, ["ann@one.example"], mail(subject, ["ann@one.example"]))[0] == 250
                slowest[0] = max(slowest[0], time.monotonic() - started)

    beside = threading.Thread(target=others)
    beside.start()
    code, text = relay.send(PARENTS, bomb)
    over.set()
    beside.join(60)
    assert (code, text[:22]) == (250, "2.0.0 Held for review ")
    assert 0 < slowest[0] < 5, "the others wait for no more than their own upstream"


def test_a_reader_that_is_killed_is_replaced(relay):
    sheet = workbook(PARENTS[:1])
    relay.send(PARENTS[:1], attached(new_subject("before"), [USER], "menu.xlsx", sheet))
    before = workers(relay)
    assert before
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not set(before) & set(workers(relay)), "the killed readers to be gone")
    subject = new_subject("after")
    assert "Held" in relay.send(PARENTS, attached(subject, [USER], "menu.xlsx", workbook(PARENTS)))[1]
    [item] = [item for item in relay.held() if item["subject"] == subject]
    assert item["rule"] == "beyond-rewriting"


def test_no_reader_outlives_the_relay_however_it_ends(postfix, new_relay):
    for end in ("stop", "kill"):
        relay = new_relay(postfix.port)
        relay.start()
        relay.send(PARENTS[:1], attached(new_subject("one"), [USER], "menu.xlsx", workbook(PARENTS[:1])))
        readers = workers(relay)
        assert readers
        getattr(relay, end)()
        wait_for(lambda readers=readers: all(map(is_gone, readers)), "the readers to end with the relay")


def test_forgetting_an_address_is_told_and_leaves_the_audit_whole(relay):
    answer = relay.command("forget", PARENTS[3], "--json").json()
    assert answer["address"] == PARENTS[3]
    assert relay.command("audit", "verify").code == 0
