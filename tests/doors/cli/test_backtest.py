"""`backtest`: totals over saved mail, the same ones after an interruption, and a page that names no recipient."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bcc_relay.backtest.report import RULES
from bcc_relay.cli import backtest as backtesting
from bcc_relay.cli import shell
from bcc_relay.cli.app import run
from bcc_relay.core.policy.builtin import BUILTIN
from tests import build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONFIG = f"""\
organisation: {{name: The Council, domains: [{build.OWN}], personal: [mail0.example, mail1.example]}}
upstream: {{servers: ["127.0.0.1:25"]}}
store: {{url: "sqlite:////nowhere/relay.db"}}
"""
FAMILIES = build.families(12)
START = datetime(2026, 11, 1, 9, tzinfo=UTC)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG)
    return file


@pytest.fixture
def mails(tmp_path: Path) -> Path:
    folder = tmp_path / "mails"
    folder.mkdir()
    return folder


def mail(
    *to: str,
    number: int = 1,
    sender: str = f"clerk@{build.OWN}",
    subject: str = "Term dates",
    more: str = "",
    text: str = "Hello",
) -> bytes:
    """A saved message with LF line ends; `number` says its Message-ID and how many hours after the first it is."""
    at = format_datetime(START + timedelta(hours=number))
    return (
        f"From: Somebody <{sender}>\nTo: {', '.join(to)}\nSubject: {subject}\nDate: {at}\n"
        f"Message-ID: <{number}@{build.OWN}>\n{more}\n{text}\n"
    ).encode()


def put(folder: Path, name: str, *octets: bytes) -> Path:
    """A file with one message, or an mbox with several."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    box = b"".join(b"From x Sun Nov 22 10:00:00 2026\n" + one + b"\n" for one in octets)
    file.write_bytes(octets[0] if len(octets) == 1 else box)
    return file


def totals(capsys: pytest.CaptureFixture[str], config: Path, *arguments: object) -> dict[str, Any]:
    assert run(["backtest", *map(str, arguments), "--config", str(config), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert isinstance(answer, dict)
    return answer


def told(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without how long it took."""
    return {name: value for name, value in answer.items() if name != "seconds"}


def a_mailbox(folder: Path) -> None:
    """An mbox, a Maildir and single files: 30 ordinary messages, and some of every other kind."""
    ordinary = [mail("one@mail0.example", number=n, sender=f"desk{n % 3}@{build.OWN}") for n in range(30)]
    put(folder, "box", *ordinary[:15], mail(*FAMILIES, number=40))
    put(folder, "md/cur/1:2,S", mail(*FAMILIES, number=41, subject="Recall"))
    for n, octets in enumerate(ordinary[15:]):
        put(folder, f"md/new/{n}", octets)
    (folder / "md" / "tmp").mkdir()
    listed = "\n".join(build.families(60))
    put(folder, "sent/list.eml", mail(*FAMILIES[:3], number=42, text=f"Please write to\n{listed}"))
    put(folder, "sent/in.eml", mail(f"clerk@{build.OWN}", number=43, sender=FAMILIES[0]))
    put(folder, "sent/notes.txt", b"no mail")


def test_totals_have_the_keys_that_the_contract_names(
    capsys: pytest.CaptureFixture[str], config: Path, mails: Path
) -> None:
    a_mailbox(mails)
    answer = totals(capsys, config, mails)
    assert isinstance(answer.pop("seconds"), float)
    stopped = answer.pop("stopped")
    assert [(Path(one["file"]).name, one["rule"], one["verdict"]) for one in stopped] == [
        ("box", "families", "rewrite"),
        ("1:2,S", "correction", "rewrite"),
        ("list.eml", "beyond-rewriting", "hold"),
    ]
    assert {one["threshold"] for one in answer.pop("thresholds")} >= {5, 10, 30, 50, 100}
    assert answer == {
        "messages": 33,
        "verdicts": {"pass": 30, "rewrite": 2, "hold": 1, "reject": 0},
        "rules": {"beyond-rewriting": 1, "correction": 1, "families": 1},
        "disclosed_addresses": 0,
        "unreadable": 0,
        "protected_addresses": 60,
        "incoming": 1,
        "duplicates": 0,
        "drafts": 0,
        "departments": [
            {"domain": build.OWN, "local_part": "clerk", "messages": 3, "rewrite": 2, "hold": 1, "reject": 0}
        ],
        "failed": 1,
        "failed_files": [{"file": str(mails / "sent" / "notes.txt"), "why": "is not mail"}],
    }


def test_messages_are_decided_in_order_of_their_dates_with_a_memory_of_those_before(
    capsys: pytest.CaptureFixture[str], config: Path, mails: Path
) -> None:
    first = mail(*FAMILIES[:9], number=1)
    # Nine of them knew each other when this reply was sent, though it stands first.
    answer_ = mail(*FAMILIES[:9], number=2, more=f"In-Reply-To: <1@{build.OWN}>\n")
    put(mails, "box", answer_, first)
    config.write_text(CONFIG + "policy: {builtin: {families: {visible_outsiders: 5}, correction: off}}\n")
    assert totals(capsys, config, mails)["rules"] == {"families": 2}
    exception = "rules: [{name: first, when: {is_reply: false}, then: pass}]"
    config.write_text(CONFIG + f"policy: {{builtin: {{families: {{visible_outsiders: 5}}}}, {exception}}}\n")
    assert totals(capsys, config, mails)["rules"] == {"first": 1, "known-thread": 1}


def test_copies_of_one_message_are_judged_once_with_all_recipients(
    capsys: pytest.CaptureFixture[str], config: Path, mails: Path
) -> None:
    own = f"desk@{build.OWN}"
    listed = "\n".join(FAMILIES)
    put(mails, "inbox/1.eml", b"Received: by here; x\n" + mail(own, text=listed))
    put(mails, "sent/1.eml", mail(own, text=listed, more=f"Bcc: {', '.join(FAMILIES)}\n"))
    answer = totals(capsys, config, mails)
    assert (answer["messages"], answer["duplicates"], answer["rules"]) == (1, 1, {"beyond-rewriting": 1})


def test_incoming_mail_is_judged_only_when_asked_for(
    capsys: pytest.CaptureFixture[str], config: Path, mails: Path
) -> None:
    put(mails, "1.eml", mail(*FAMILIES, sender="club@mail1.example"))
    answer = totals(capsys, config, mails)
    assert (answer["messages"], answer["incoming"]) == (0, 1)
    answer = totals(capsys, config, mails, "--all")
    assert (answer["messages"], answer["incoming"], answer["rules"]) == (1, 0, {"families": 1})


def test_what_passes_discloses_those_it_shows_to_another_outsider(
    capsys: pytest.CaptureFixture[str], config: Path, mails: Path
) -> None:
    put(mails, "box", mail(*FAMILIES[:3]), mail(*FAMILIES[2:4], number=2), mail(FAMILIES[5], number=3))
    answer = totals(capsys, config, mails)
    assert (answer["disclosed_addresses"], answer["protected_addresses"]) == (4, 0)


def test_in_monitor_mode_it_says_what_enforcing_would_do(
    capsys: pytest.CaptureFixture[str], config: Path, mails: Path
) -> None:
    config.write_text(CONFIG + "policy: {mode: monitor}\n")
    put(mails, "1.eml", mail(*FAMILIES))
    assert totals(capsys, config, mails)["verdicts"]["rewrite"] == 1


def test_parts_that_cannot_be_looked_into_are_counted(
    capsys: pytest.CaptureFixture[str], config: Path, mails: Path
) -> None:
    put(mails, "1.eml", mail(FAMILIES[0], more='Content-Type: message/partial; id="x"; number=1; total=2\n'))
    answer = totals(capsys, config, mails)
    assert (answer["unreadable"], answer["verdicts"]["pass"]) == (1, 1)


@pytest.mark.parametrize("name", ["nothing", "empty.eml"])
def test_where_no_mail_is_found_it_says_so_and_fails(
    capsys: pytest.CaptureFixture[str], config: Path, mails: Path, name: str
) -> None:
    (mails / "empty.eml").touch()
    assert run(["backtest", str(mails / name), "--config", str(config)]) == 65
    assert capsys.readouterr().err.startswith(f"No mail was found there ({mails / name} ")


def test_people_get_tables_and_hear_of_files_that_were_not_read(
    capsys: pytest.CaptureFixture[str], config: Path, mails: Path
) -> None:
    a_mailbox(mails)
    assert run(["backtest", str(mails), "--config", str(config)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("33 outgoing messages judged, from 2026-11-01 to 2026-11-03, in ")
    assert "Stopped: 3, that is 1 in 11." in out
    assert f"clerk@{build.OWN}" in out
    assert err == f"{mails / 'sent' / 'notes.txt'} is not mail\n"


# --- going on --------------------------------------------------------------------------------------------------------


def interrupted(after: int) -> Callable[[str, int | None], Any]:
    """A progress bar that ends the run, as a signal would, after so many steps."""
    left = after

    @contextmanager
    def progress(_what: str, _total: int | None) -> Iterator[Callable[[int], None]]:
        def advance(_: int) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt

        yield advance

    return progress


def test_a_run_goes_on_where_it_was_interrupted_and_comes_to_the_same(
    capsys: pytest.CaptureFixture[str],
    config: Path,
    mails: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a_mailbox(mails)
    state = tmp_path / "state"
    whole = totals(capsys, config, mails)
    codes = []
    for after in (0, 1, 4, 8, 8, 1):
        monkeypatch.setattr(backtesting, "progress", interrupted(after))
        codes.append(run(["backtest", str(mails), "--config", str(config), "--state", str(state)]))
        assert capsys.readouterr().err == "Interrupted; give the same command again to go on\n"
    # What was interrupted is nobody else's to read.
    left = [file for file in tmp_path.iterdir() if file.name.startswith("state")]
    assert {"state", "state.memory"} <= {file.name for file in left}
    assert {file.stat().st_mode & 0o777 for file in left} == {0o600}
    monkeypatch.setattr(backtesting, "progress", shell.progress)
    assert set(codes) == {75}
    assert told(totals(capsys, config, mails, "--state", state)) == told(whole)


def test_what_is_decided_is_not_decided_again_and_no_memory_is_left(
    capsys: pytest.CaptureFixture[str],
    config: Path,
    mails: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a_mailbox(mails)
    folder = tmp_path / "kept"
    folder.mkdir()
    first = totals(capsys, config, mails, "--state", folder / "state")
    assert [file.name for file in folder.iterdir()] == ["state"]
    assert (folder / "state").stat().st_mode & 0o777 == 0o600
    # Three groups of files are found again, and nothing else is done.
    monkeypatch.setattr(backtesting, "progress", interrupted(1))
    assert told(totals(capsys, config, mails, "--state", folder / "state")) == told(first)


def test_other_settings_decide_anew_over_what_was_read(
    capsys: pytest.CaptureFixture[str], config: Path, mails: Path, tmp_path: Path
) -> None:
    a_mailbox(mails)
    state = tmp_path / "state"
    totals(capsys, config, mails, "--state", state)
    config.write_text(CONFIG + "policy: {builtin: {families: {visible_outsiders: 13}, correction: off}}\n")
    assert totals(capsys, config, mails, "--state", state)["rules"] == {"beyond-rewriting": 1}


def test_new_changed_and_deleted_files_are_noticed(
    capsys: pytest.CaptureFixture[str], config: Path, mails: Path, tmp_path: Path
) -> None:
    a_mailbox(mails)
    state = tmp_path / "state"
    totals(capsys, config, mails, "--state", state)
    put(mails, "new.eml", mail(*FAMILIES, number=50))
    put(mails, "sent/list.eml", mail(FAMILIES[0], number=42, text="Never mind"))
    (mails / "md" / "cur" / "1:2,S").unlink()
    assert told(totals(capsys, config, mails, "--state", state)) == told(totals(capsys, config, mails))


def test_a_state_of_something_else_is_refused(
    capsys: pytest.CaptureFixture[str], config: Path, mails: Path, tmp_path: Path
) -> None:
    put(mails, "1.eml", mail(*FAMILIES))
    state, text, database = tmp_path / "state", tmp_path / "text", tmp_path / "other.db"
    totals(capsys, config, mails, "--state", state)
    text.write_text("notes that somebody wants to keep, longer than a page would be\n" * 10)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE mine (x)")
    for file, path, sentence in (
        (state, tmp_path, f"{state} is the state of a backtest over other mail, or for other domains"),
        (text, mails, f"{text} is not the state of a backtest by this version"),
        (database, mails, f"{database} is not the state of a backtest by this version"),
    ):
        assert run(["backtest", str(path), "--config", str(config), "--state", str(file)]) == 65
        assert capsys.readouterr().err == f"{sentence}; name another file with --state\n"
    assert text.read_text().startswith("notes")


def test_two_runs_do_not_share_a_state(
    capsys: pytest.CaptureFixture[str], config: Path, mails: Path, tmp_path: Path
) -> None:
    put(mails, "1.eml", mail(*FAMILIES))
    state = tmp_path / "state"
    totals(capsys, config, mails, "--state", state)
    with closing(sqlite3.connect(state, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert run(["backtest", str(mails), "--config", str(config), "--state", str(state)]) == 65
    assert "is in use by another backtest" in capsys.readouterr().err


# --- the page --------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What stands in a page: tags with their attributes, and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def page(config: Path, mails: Path, *options: str) -> str:
    file = mails.parent / "report.html"
    assert run(["backtest", str(mails), "--config", str(config), "--report", str(file), *options]) == 0
    return file.read_text()


def test_the_page_names_senders_and_numbers_but_no_recipient(config: Path, mails: Path) -> None:
    a_mailbox(mails)
    put(mails, "subject.eml", mail(*FAMILIES, number=60, subject=f"About {FAMILIES[3]} and others"))
    text = page(config, mails)
    assert "mail0.example" not in text
    assert "About [address] and others" in text
    read = Page(text).text
    assert "Of 34 outgoing messages, 4 would have been stopped (1 in 8)." in read
    assert f"clerk @{build.OWN}" in read
    assert "mail from 1 November 2026 to 3 November 2026" in read


def test_the_page_names_recipients_when_asked_to(config: Path, mails: Path) -> None:
    a_mailbox(mails)
    text = page(config, mails, "--addresses")
    assert all(family in text for family in FAMILIES)
    assert "Addresses of recipients stand on this page." in text


def test_the_page_loads_nothing_and_runs_nothing_but_its_own(config: Path, mails: Path) -> None:
    put(mails, "1.eml", mail(*FAMILIES, subject="<script>alert(1)</script><img src=x onerror=alert(1)>"))
    read = Page(page(config, mails))
    assert [tag for tag, _ in read.tags if tag in ("script", "style", "img", "link", "iframe", "form")] == [
        "style",
        "script",
    ]
    outside = [attributes for _, attributes in read.tags for name in ("src", "href") if name in attributes]
    assert all(str(attributes["href"]).startswith("#") for attributes in outside)
    (policy,) = [str(attributes["content"]) for tag, attributes in read.tags if "http-equiv" in attributes]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert not any("style" in attributes or "onclick" in attributes for _, attributes in read.tags)


def test_the_page_says_everything_without_a_script(config: Path, mails: Path) -> None:
    a_mailbox(mails)
    read = Page(page(config, mails))
    sliders = [attributes for tag, attributes in read.tags if tag == "input"]
    hidden = [attributes for tag, attributes in read.tags if attributes.get("class") == "slider"]
    assert len(sliders) == len(hidden) == 5
    assert all("hidden" in attributes for attributes in hidden)
    labels = {attributes["for"] for tag, attributes in read.tags if tag == "label"}
    assert labels == {attributes["id"] for attributes in sliders}
    rows = [attributes for _, attributes in read.tags if "data-threshold" in attributes]
    assert [row["data-threshold"] for row in rows if row.get("class") == "now"] == ["10", "30", "10", "30", "50"]
    assert any(
        "1 more than now." in str(row["data-said"]) or "fewer than now." in str(row["data-said"]) for row in rows
    )


def test_every_column_of_the_page_has_a_heading(config: Path, mails: Path) -> None:
    a_mailbox(mails)
    tags = Page(page(config, mails)).tags
    assert {attributes.get("scope") for tag, attributes in tags if tag == "th"} == {"row", "col"}
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = {str(attributes.get("aria-labelledby")) for tag, attributes in tags if tag == "section"}
    assert named <= set(ids)


def test_a_page_about_nothing_stopped_can_be_read_too(config: Path, mails: Path) -> None:
    put(mails, "1.eml", mail(FAMILIES[0]))
    read = Page(page(config, mails)).text
    assert "Of 1 outgoing message, none would have been stopped." in read
    assert "No rule matched any message." in read


def test_every_built_in_rule_is_explained() -> None:
    assert set(BUILTIN) <= set(RULES)


def test_a_report_that_cannot_be_written_is_told_before_the_work(
    capsys: pytest.CaptureFixture[str], config: Path, mails: Path
) -> None:
    put(mails, "1.eml", mail(FAMILIES[0]))
    file = mails / "nowhere" / "report.html"
    assert run(["backtest", str(mails), "--config", str(config), "--report", str(file)]) == 64
    assert capsys.readouterr().err == f"{file} cannot be written; name another file with --report\n"
