"""`explain`: the verdict that a message would get, its reasons, and the header as it would leave."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bcc_relay.cli.app import run
from tests import build

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = f"""\
organisation: {{domains: [{build.OWN}], personal: [mail0.example]}}
upstream: {{servers: ["127.0.0.1:25"]}}
store: {{url: "sqlite:////nowhere/relay.db"}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG)
    return file


def eml(folder: Path, *to: str, more: bytes = b"", line_end: bytes = b"\r\n") -> Path:
    file = folder / "a.eml"
    octets = build.header(", ".join(to), more=more) + b"\r\nHello\r\n"
    file.write_bytes(octets.replace(b"\r\n", line_end))
    return file


def explained(capsys: pytest.CaptureFixture[str], config: Path, *arguments: str) -> list[dict[str, Any]]:
    assert run(["explain", *arguments, "--config", str(config), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert isinstance(answer, list)
    return answer


def test_a_mail_to_families_is_explained_with_rule_counts_and_findings(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    file = eml(tmp_path, *build.families(12))
    (answer,) = explained(capsys, config, str(file))
    assert answer == {
        "file": str(file),
        "verdict": "rewrite",
        "rule": "families",
        "sentence": "Sending this as written would have shown 12 people's addresses to each other.",
        "visible_outsiders": 12,
        "outsider_domains": 1,
        "personal_share": 1.0,
        "findings": answer["findings"],
        "damage": [],
    }
    assert answer["findings"][0] == {
        "detector": "many_visible",
        "channel": "to",
        "addresses": 12,
        "rewritable": True,
        "sentence": "12 outside addresses stand in the To field.",
    }


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"], ids=["CRLF", "LF"])
def test_saved_mail_is_read_whatever_its_line_ends(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path, line_end: bytes
) -> None:
    file = eml(tmp_path, *build.families(12), line_end=line_end)
    file.write_bytes(b"From clerk Sun Nov 22 10:00:00 2026" + line_end + file.read_bytes())
    (answer,) = explained(capsys, config, str(file))
    assert (answer["verdict"], answer["damage"]) == ("rewrite", [])


def test_the_envelope_can_be_given(capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path) -> None:
    file = eml(tmp_path, *build.families(12))
    own = f"desk@{build.OWN}"
    (answer,) = explained(capsys, config, str(file), "--mail-from", f"clerk@{build.OWN}", "--rcpt", own)
    assert (answer["verdict"], answer["visible_outsiders"]) == ("pass", 0)


def test_people_get_a_diff_of_the_header(capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path) -> None:
    families = build.families(12)
    assert run(["explain", str(eml(tmp_path, *families)), "--config", str(config)]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert "a.eml: rewrite, by the rule families" in lines[0]
    assert f"- To: {', '.join(families)}" in lines
    assert f"+ To: Clerk <clerk@{build.OWN}>" in lines


def test_people_read_tabs_as_blanks_and_one_as_one(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    file = eml(tmp_path, "a@mail0.example", more=b"Keywords: one,\r\n\ttwo\r\nBcc: b@mail1.example\r\n")
    assert run(["explain", str(file), "--rcpt", "a@mail0.example", "--config", str(config)]) == 0
    told = capsys.readouterr().out
    assert "\ufffd" not in told
    assert "          two" in told
    assert "  1 recipient, 1 outside; " in told


def test_people_are_told_what_is_left_to_do_with_a_damaged_message(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    file = eml(tmp_path, "a@mail0.example", "b@mail1.example", more=b"not a field\r\n")
    assert run(["explain", str(file), "--config", str(config)]) == 0
    told = capsys.readouterr().out
    assert "hold, by the rule damaged" in told
    assert "  Damage: not_a_field\n" in told
    assert "  It can be released as it is, or discarded; not as Bcc.\n" in told


def test_a_file_that_is_not_there_is_told_in_one_sentence(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    missing = tmp_path / "missing.eml"
    assert run(["explain", str(missing), "--config", str(config)]) == 65
    assert capsys.readouterr().err.strip() == f"{missing} cannot be read (No such file or directory)"


def test_an_address_that_is_none_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    file = eml(tmp_path, "a@mail0.example")
    assert run(["explain", str(file), "--rcpt", "nobody", "--config", str(config)]) == 64
    assert "'nobody' is not an address" in capsys.readouterr().err


def in_the_body(folder: Path, *keys: str) -> Path:
    """A mail to these people by Bcc whose text lists them all."""
    file = folder / "list.eml"
    block = build.header(f"desk@{build.OWN}", more=f"Bcc: {', '.join(keys)}\r\n".encode())
    file.write_bytes(block + b"\r\nDear all,\r\n" + "\r\n".join(keys).encode() + b"\r\n")
    return file


def test_what_the_body_shows_is_found_and_decides(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    (answer,) = explained(capsys, config, str(in_the_body(tmp_path, *build.families(12))))
    assert (answer["verdict"], answer["rule"], answer["visible_outsiders"]) == ("hold", "beyond-rewriting", 0)
    (found,) = [one for one in answer["findings"] if one["channel"] == "body" and one["addresses"]]
    assert (found["addresses"], found["rewritable"]) == (12, False)


def test_people_read_where_in_the_body_addresses_stand(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    assert run(["explain", str(in_the_body(tmp_path, *build.families(12))), "--config", str(config)]) == 0
    told = capsys.readouterr().out
    assert "hold, by the rule beyond-rewriting" in told
    assert any("body" in line and "12 outside addresses" in line and "no" in line for line in told.splitlines())


def test_several_files_are_each_judged_by_themselves_and_that_is_said(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    file = str(eml(tmp_path, *build.families(12)))
    # With a memory, the second would go to the circle of a message that was stopped.
    assert [one["rule"] for one in explained(capsys, config, file, file)] == ["families", "families"]
    assert run(["explain", file, file, "--config", str(config)]) == 0
    assert "Each file was judged by itself." in capsys.readouterr().out


def test_of_a_field_with_hundreds_of_lines_only_the_ends_are_printed(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    families = build.families(500)
    file = eml(tmp_path, ",\r\n ".join(families))
    assert run(["explain", str(file), "--config", str(config)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 60
    assert any(line.strip().startswith("- To: ") and families[0] in line for line in lines)
    assert any(families[-1] in line for line in lines)
    assert any(line.strip() == "- … 480 more lines" for line in lines)


@pytest.mark.parametrize(
    ("name", "octets", "sentence"),
    [
        ("empty.eml", b"\r\n", "is empty"),
        (
            "several",
            b"From a Sun Nov 22 10:00:00 2026\nTo: a@b.example\n\nx\n\nFrom a Sun Nov 22 10:00:00 2026\nTo: a@b.example\n\n",
            "holds several messages; `backtest` takes mbox files",
        ),
        ("large.eml", b"x" * 2000, "is larger than limits.message_bytes; the relay would not take it"),
    ],
)
def test_a_file_that_is_not_one_message_is_told_in_one_sentence(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path, name: str, octets: bytes, sentence: str
) -> None:
    config.write_text(CONFIG + "limits: {message_bytes: 1500}\n")
    file = tmp_path / name
    file.write_bytes(octets)
    assert run(["explain", str(file), "--config", str(config)]) == 65
    assert capsys.readouterr().err.strip() == f"{file} {sentence}"


def test_a_folder_belongs_to_backtest(capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path) -> None:
    assert run(["explain", str(tmp_path), "--config", str(config)]) == 65
    assert capsys.readouterr().err.strip() == f"{tmp_path} is a folder; `backtest` takes folders"


def test_a_file_that_cannot_even_be_looked_at_is_told_in_one_sentence(
    capsys: pytest.CaptureFixture[str], config: Path
) -> None:
    name = f"{'x' * 300}.eml"
    assert run(["explain", name, "--config", str(config)]) == 65
    assert capsys.readouterr().err.strip() == f"{name} cannot be read (File name too long)"
