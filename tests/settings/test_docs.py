"""The pages for administrators name every key, default and condition there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from bcc_relay.core.contents.found import Contents
from bcc_relay.core.damage import Damage
from bcc_relay.core.detectors import DETECTORS
from bcc_relay.core.judge import judge
from bcc_relay.core.model import Channel, Form, Hold
from bcc_relay.settings import load
from bcc_relay.settings.environment import CREDENTIALS
from bcc_relay.settings.keys import every_key, keys_of
from bcc_relay.settings.policy import policy_of
from bcc_relay.settings.rules import BUILTIN_NAMES, RuleSetting, When
from tests import build
from tests.settings.reference import PAGE, page_with, tables

DOCS = Path(__file__).parents[2] / "docs"
RULES = DOCS / "rules.md"
PAGES = (RULES, *(DOCS / "detectors" / f"{name}.md" for name in DETECTORS))
USEFUL = {"organisation": {"domains": ["council.example"]}, "upstream": {"servers": ["smtp.council.example:25"]}}


def examples(page: Path) -> list[dict]:
    """The policies that stand on a page as YAML."""
    blocks = re.findall(r"^```yaml\n(policy:\n.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [yaml.safe_load(block) for block in blocks]


def test_the_tables_of_the_settings_page_are_those_of_the_tree() -> None:
    text = PAGE.read_text("utf-8")
    assert page_with(text, tables()) == text, "run: python -m tests.settings.reference"


def test_the_settings_page_names_every_key() -> None:
    text = PAGE.read_text("utf-8")
    for key, _ in every_key():
        if not key.startswith("policy.rules"):
            name = key.removeprefix("policy.builtin.")
            assert f"`{name}`" in text or f"`{name}." in text or f"`{name}[]" in text, key


def test_the_settings_page_names_every_credential() -> None:
    text = PAGE.read_text("utf-8")
    for name, path in CREDENTIALS.items():
        assert f"| `{name}` | `{'.'.join(path)}` |" in text


def test_the_rules_page_names_every_condition_key_channel_detector_damage_and_built_in_rule() -> None:
    text = RULES.read_text("utf-8")
    kinds = (*Channel, *Damage)
    names = (*keys_of(When), *keys_of(RuleSetting), *DETECTORS, *BUILTIN_NAMES, *(kind.value for kind in kinds))
    for name in names:
        assert f"`{name}`" in text, name


def test_one_page_leads_to_the_pages_of_all_detectors() -> None:
    text = (DOCS / "detectors" / "README.md").read_text(encoding="utf-8")
    linked = re.findall(r"\[`(\w+)`\]\(\1\.md\)", text)
    assert sorted(linked) == sorted(DETECTORS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_example_of_a_policy_loads_as_it_stands(page: Path, tmp_path: Path) -> None:
    policies = examples(page)
    assert policies
    for policy in policies:
        (tmp_path / "config.yaml").write_text(yaml.safe_dump({**USEFUL, **policy}))
        loaded = load(tmp_path / "config.yaml", {})
        assert loaded.not_built == ()
        assert policy_of(loaded.settings).rules


CLINIC, OFFICE = "clinic@council.example", "office@council.example"
LISTED = (Channel.ATTACHED_LIST, frozenset({"anna@firm.example", "ben@firm.example"}))


@pytest.mark.parametrize(
    ("sender", "subject", "people", "shown", "rule", "form"),
    [
        (CLINIC, "Your appointment", 1, (), "everything-else", Form.AS_IS),
        (CLINIC, "Your appointment", 2, (), "clinic", Form.INDIVIDUAL),
        (CLINIC, "Your appointment", 2, (LISTED,), "clinic-lists", None),
        ("desk@health.council.example", "Your appointment", 2, (), "clinic", Form.INDIVIDUAL),
        (OFFICE, "Your appointment", 2, (LISTED,), "everything-else", Form.AS_IS),
        (OFFICE, "RE: Safeguarding concern", 2, (), "sensitive-subjects", Form.INDIVIDUAL),
        (OFFICE, "SEND panel", 2, (), "sensitive-subjects", Form.INDIVIDUAL),
        (OFFICE, "Please send the form", 2, (), "everything-else", Form.AS_IS),
        (OFFICE, "=?utf-8?q?Disciplinary_hearing?=", 1, (), "everything-else", Form.AS_IS),
        (OFFICE, "=?utf-8?q?Disciplinary_hearing?=", 2, (), "sensitive-subjects", Form.INDIVIDUAL),
    ],
)
def test_the_worked_example_guards_sensitive_senders_and_subjects(
    sender: str, subject: str, people: int, shown: tuple, rule: str, form: Form | None, tmp_path: Path
) -> None:
    (policy,) = (one for one in examples(RULES) if one["policy"]["rules"][0]["name"] == "clinic-lists")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({**USEFUL, **policy}))
    to = tuple(f"person{n}@firm.example" for n in range(people))
    given = build.mail(f"To: {', '.join(to)}".encode(), f"Subject: {subject}".encode(), to=to, sender=sender)
    made = policy_of(load(tmp_path / "config.yaml", {}).settings)
    judged = judge(given, made, build.leaving(), contents=Contents(shown=shown))
    assert judged.verdict.rule == rule
    assert isinstance(judged.verdict, Hold) if form is None else judged.form is form
