"""The pages for administrators name every key, default and condition there is."""

from __future__ import annotations

from pathlib import Path

from bcc_relay.core.damage import Damage
from bcc_relay.core.detectors import DETECTORS
from bcc_relay.core.model import Channel
from bcc_relay.settings.environment import CREDENTIALS
from bcc_relay.settings.keys import every_key, keys_of
from bcc_relay.settings.rules import BUILTIN_NAMES, RuleSetting, When
from tests.settings.reference import PAGE, page_with, tables

RULES = Path(__file__).parents[2] / "docs" / "rules.md"


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
