"""`quarantine`, `queue` and `audit` on a real store, as reviewers and administrators meet them."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import sqlite3
from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from bcc_relay.cli import shell
from bcc_relay.cli.app import run
from bcc_relay.core.model import Channel, Finding, Form, OutcomeName, Reply
from bcc_relay.core.record import Judgement, State
from bcc_relay.relay.ports import Move
from bcc_relay.settings import Settings, load
from bcc_relay.wiring import open_store
from tests import build

if TYPE_CHECKING:
    from pathlib import Path

FAMILIES = build.families(36, domains=12)
RAW = build.message(build.header(", ".join(FAMILIES)))
JUDGEMENT = Judgement(
    verdict="hold",
    rule="large-circle",
    sentence="Sending this as written would show 36 outside addresses.",
    findings=(Finding("many_visible", Channel.TO, 36, rewritable=True, sentence="36 outside addresses stand in To."),),
    visible_outsiders=36,
    outsider_domains=12,
    personal_share=0.5,
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(
        "organisation: {domains: [council.example]}\n"
        'upstream: {servers: ["127.0.0.1:25"]}\n'
        f'store: {{url: "sqlite://{tmp_path}/relay.db"}}\n'
    )
    asyncio.run(fill(load(path, {}).settings))
    return path


async def fill(settings: Settings) -> None:
    """One held message, one queued one that was deferred once, one delivered one."""
    async with open_store(settings) as store:
        held = build.new_record(
            *FAMILIES,
            id="held1",
            state=State.HELD,
            raw=RAW,
            judgement=JUDGEMENT,
            form=Form.SENDER,
            subject="Term \x1b[31mdates",
            expires_at=build.NOW.replace(month=12, day=6),
        )
        await store.add(held)
        await store.add(build.new_record("a@mail.example", "b@mail.example", id="late1", subject="Late"))
        await store.add(build.new_record("c@mail.example", id="done1", state=State.QUEUED, subject="Done"))
        deferred = {1: (OutcomeName.DEFERRED, Reply(451, "4.7.1 Greylisted"))}
        for message_id, state, outcomes in (
            ("late1", State.QUEUED, deferred),
            ("done1", State.DELIVERED, {0: (OutcomeName.DELIVERED, Reply(250, "2.0.0 Ok"))}),
        ):
            (claimed,) = [
                record
                for record in await store.claim(now=build.NOW, owner="x", lease_until=build.NOW, limit=9)
                if record.id == message_id
            ] or [await store.get(message_id)]
            next_attempt = build.NOW.replace(hour=11) if state is State.QUEUED else None
            move = Move(
                message_id,
                claimed.revision,
                state,
                build.NOW,
                state.value,
                outcomes=outcomes,
                next_attempt_at=next_attempt,
                attempts=1,
            )
            assert await store.move(move)


@pytest.fixture
def cli(config: Path, capsys: pytest.CaptureFixture[str]):
    """Runs a command; returns its exit code, standard output and standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run([*arguments, "--config", str(config)])
        return code, *capsys.readouterr()

    return call


def as_json(result: tuple[int, str, str]) -> object:
    code, out, err = result
    assert (code, err) == (0, "")
    return json.loads(out)


def test_the_list_of_held_mail_has_the_shape_of_the_contract(cli) -> None:
    assert as_json(cli("quarantine", "list", "--json")) == [
        {
            "id": "held1",
            "state": "held",
            "received": "2026-11-22T10:00:00Z",
            "sender": "clerk@council.example",
            "subject": "Term \x1b[31mdates",
            "rule": "large-circle",
            "visible_outsiders": 36,
            "recipients": 36,
            "expires": "2026-12-06T10:00:00Z",
        }
    ]


def test_people_get_a_table_in_which_a_subject_cannot_steer_the_terminal(cli) -> None:
    code, out, _ = cli("quarantine", "list")
    assert code == 0
    assert all(word in out for word in ("People shown", "held1", "clerk@council.example", "large-circle", "2026-12-06"))
    assert "\x1b" not in out


def test_what_people_copy_into_the_next_command_is_never_broken(capsys: pytest.CaptureFixture[str]) -> None:
    shell.print_table(("ID", *"abcdefghijkl"), [("0123456789abcdef", *["word " * 20] * 12)], nothing="")
    assert "0123456789abcdef" in capsys.readouterr().out


def test_a_message_is_shown_with_who_would_have_seen_how_many_and_each_recipient(cli) -> None:
    code, out, _ = cli("quarantine", "show", "held1")
    assert code == 0
    assert "Sending this as written would show 36 outside addresses." in out
    assert "each of its 36 recipients could have read these addresses, in the To field." in out
    assert "They are in 12 mail domains; 18 of them are at providers of personal mail" in out
    assert "bcc-relay quarantine release held1 --as bcc" in out
    assert all(family in out for family in FAMILIES)
    shown = as_json(cli("quarantine", "show", "held1", "--json"))
    assert shown["findings"] == [
        {
            "detector": "many_visible",
            "channel": "to",
            "addresses": 36,
            "rewritable": True,
            "sentence": "36 outside addresses stand in To.",
        }
    ]
    assert shown["outcomes"][0] == {"recipient": FAMILIES[0], "outcome": "pending", "answer": None}


def test_a_release_happens_once(cli) -> None:
    released = as_json(cli("quarantine", "release", "held1", "--as", "bcc", "--json"))
    assert (released["state"], released["form"]) == ("released", "sender")
    code, out, err = cli("quarantine", "release", "held1", "--as", "individual")
    assert (code, out) == (65, "")
    assert "not held any more" in err
    assert as_json(cli("quarantine", "list", "--json")) == []
    assert [entry["id"] for entry in as_json(cli("quarantine", "list", "--all", "--json"))] == ["held1"]
    assert "held1" in [entry["id"] for entry in as_json(cli("queue", "list", "--json"))]


def test_a_release_as_it_is_takes_a_reason_and_two_people(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def as_is(who: str, *reason: str) -> tuple[int, str, str]:
        monkeypatch.setattr("bcc_relay.cli.quarantine.person", lambda: who)
        return cli("quarantine", "release", "held1", "--as", "as-is", *reason)

    assert as_is("anna")[0] == 64
    assert as_is("anna", "--reason", "they know each other")[0] == 75
    code, out, err = as_is("anna", "--reason", "they really do")
    assert (code, out) == (75, "")
    assert "second person" in err
    assert "held; asked by anna" in cli("quarantine", "list")[1]
    shown = cli("quarantine", "show", "held1")[1]
    assert "anna asks to send it as it is" in shown
    assert "Reason given (asked, " in shown
    assert "they know each other\n" in shown
    code, out, _ = as_is("berta", "--reason", "agreed")
    assert code == 0
    assert out == "Released held1: it goes to 36 recipients, as it was written.\n"
    reasons = as_json(cli("quarantine", "show", "held1", "--json"))["reasons"]
    assert [(one["event"], one["reason"]) for one in reasons] == [
        ("asked", "they know each other"),
        ("released", "agreed"),
    ]


def test_a_safe_release_says_that_nobody_sees_the_others(cli) -> None:
    assert cli("quarantine", "release", "held1", "--as", "bcc")[1] == (
        "Released held1: it goes to 36 recipients, with the addresses hidden, nobody sees the others.\n"
    )


def test_a_message_that_is_delivered_has_no_next_attempt(cli) -> None:
    assert "Next attempt: 2026-11-22T11:00:00Z" in cli("queue", "show", "late1")[1]
    assert "Next attempt" not in cli("queue", "show", "done1")[1]


def test_whoever_may_not_read_the_store_is_sent_to_sudo(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bcc_relay.cli.stored.os.access", lambda path, _mode: not str(path).endswith("relay.db"))
    code, out, err = cli("quarantine", "list")
    assert (code, out) == (77, "")
    assert "give the command with sudo" in err


def test_a_discarded_message_is_dropped(cli) -> None:
    assert as_json(cli("quarantine", "discard", "held1", "--reason", "sent twice", "--json"))["state"] == "discarded"
    assert cli("quarantine", "discard", "held1")[0] == 65


@pytest.mark.parametrize(
    "arguments",
    [
        ("quarantine", "show", "nothing"),
        ("quarantine", "release", "nothing", "--as", "bcc"),
        ("quarantine", "discard", "nothing"),
        ("quarantine", "export", "nothing"),
        ("queue", "retry", "nothing"),
        ("queue", "delete", "nothing", "--reason", "x"),
    ],
)
def test_an_unknown_number_exits_65(cli, arguments: tuple[str, ...]) -> None:
    code, out, err = cli(*arguments)
    assert (code, out) == (65, "")
    assert "There is no message 'nothing'" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("quarantine", "release", "held1"),
        ("quarantine", "release", "held1", "--as", "usual"),
        ("queue", "retry"),
        ("queue", "retry", "late1", "--all"),
        ("queue", "delete", "late1"),
        ("audit", "verify", "--head", "nonsense"),
        ("quarantine", "export", "held1", "--json"),
    ],
)
def test_half_a_command_exits_64_and_does_nothing(cli, arguments: tuple[str, ...]) -> None:
    assert cli(*arguments)[0] == 64
    assert [entry["id"] for entry in as_json(cli("quarantine", "list", "--json"))] == ["held1"]


def test_an_export_is_the_message_to_the_byte(config: Path, tmp_path: Path, capfdbinary) -> None:
    assert run(["quarantine", "export", "held1", "--config", str(config)]) == 0
    original = b"".join(RAW.pieces())
    assert capfdbinary.readouterr().out == original
    file = tmp_path / "out.eml"
    assert run(["quarantine", "export", "held1", "-o", str(file), "--config", str(config)]) == 0
    assert file.read_bytes() == original
    assert file.stat().st_mode & 0o777 == 0o600
    assert run(["quarantine", "export", "held1", "-o", str(file), "--config", str(config)]) == 64
    capfdbinary.readouterr()


def test_the_queue_shows_what_the_upstream_said(cli) -> None:
    assert as_json(cli("queue", "list", "--json")) == [
        {
            "id": "late1",
            "state": "queued",
            "received": "2026-11-22T10:00:00Z",
            "sender": "clerk@council.example",
            "subject": "Late",
            "recipients": 2,
            "waiting_recipients": 2,
            "attempts": 1,
            "next_attempt": "2026-11-22T11:00:00Z",
            "last_answer": "451 4.7.1 Greylisted",
        }
    ]
    assert "Greylisted" in cli("queue", "list")[1]
    assert "Greylisted" in cli("queue", "show", "late1")[1]


@pytest.mark.parametrize("which", ["late1", "--all"])
def test_a_retry_makes_a_message_due_now(cli, which: str) -> None:
    (moved,) = as_json(cli("queue", "retry", which, "--json"))
    assert moved["id"] == "late1"
    assert moved["next_attempt"] != "2026-11-22T11:00:00Z"


def test_what_is_delivered_can_be_neither_retried_nor_deleted(cli) -> None:
    assert cli("queue", "retry", "done1")[0] == 65
    assert cli("queue", "delete", "done1", "--reason", "x")[0] == 65


def test_a_deleted_message_leaves_the_queue(cli) -> None:
    assert cli("queue", "delete", "late1", "--reason", "wrong list")[0] == 0
    assert as_json(cli("queue", "list", "--json")) == []
    assert cli("queue", "list")[1] == "Nothing waits for delivery.\n"


def test_a_whole_audit_verifies_and_a_changed_or_shortened_one_exits_65(cli, tmp_path: Path) -> None:
    cli("quarantine", "release", "held1", "--as", "bcc")
    whole = as_json(cli("audit", "verify", "--json"))
    assert whole["whole"] is True
    assert whole["rows"] >= 2
    assert cli("audit", "verify", "--head", whole["head"])[0] == 0
    tamper(tmp_path, "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)")
    assert cli("audit", "verify")[0] == 0
    code, _, err = cli("audit", "verify", "--head", whole["head"])
    assert code == 65
    assert "missing at the end" in err
    tamper(tmp_path, "UPDATE audit SET event = 'discarded' WHERE seq = 1")
    code, _, err = cli("audit", "verify")
    assert code == 65
    assert "broken at row 1" in err


def tamper(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "relay.db")) as database, database:
        database.execute(statement)


def test_a_store_that_is_not_there_exits_69_and_is_not_made(cli, tmp_path: Path) -> None:
    for file in tmp_path.glob("relay.db*"):
        file.unlink()
    code, out, err = cli("quarantine", "list")
    assert (code, out) == (69, "")
    assert "There is no store at" in err
    assert not (tmp_path / "relay.db").exists()


def test_another_master_key_exits_78(cli, tmp_path: Path) -> None:
    (tmp_path / "relay.db.key").write_bytes(b"k" * 32)
    code, _, err = cli("queue", "list")
    assert code == 78
    assert "is not the master key" in err


@pytest.mark.parametrize(
    ("uid", "login_shell", "expected"),
    [
        (0, "/bin/bash", "anna"),
        (997, "/usr/sbin/nologin", "anna"),
        (10001, "/usr/sbin/nologin", "anna"),  # the account in a container
        (10001, None, "anna"),
        (1000, "/bin/bash", "berta"),
    ],
)
def test_the_person_is_the_login_name_and_under_sudo_whoever_called_it(
    uid: int, login_shell: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def entry(_uid: int) -> SimpleNamespace:
        if login_shell is None:
            raise KeyError
        return SimpleNamespace(pw_shell=login_shell)

    monkeypatch.setenv("SUDO_USER", "anna")
    monkeypatch.setattr(os, "getuid", lambda: uid)
    monkeypatch.setattr(os, "getlogin", lambda: "berta")
    monkeypatch.setattr(pwd, "getpwuid", entry)
    assert shell.person() == expected
