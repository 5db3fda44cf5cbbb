"""The page on detection names every field, kind of damage, detector and channel as the code knows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bcc_relay.core.damage import Damage
from bcc_relay.core.detectors import DETECTORS
from bcc_relay.core.fields import Role, table
from bcc_relay.core.model import Channel

PAGE = (Path(__file__).parents[2] / "docs" / "detection.md").read_text("utf-8")


@pytest.mark.parametrize(("role", "names"), table(), ids=[role.value for role, _ in table()])
def test_the_page_lists_the_names_of_each_role_in_one_row(role: Role, names: tuple[str, ...]) -> None:
    cell = ", ".join(f"`{name}`" for name in names) or "any other name"
    rows = [line for line in PAGE.splitlines() if line.startswith(f"| {cell} |")]
    assert len(rows) == 1, f"the row of {role.value} should begin: | {cell} |"


@pytest.mark.parametrize("name", [*Damage, *DETECTORS])
def test_the_page_explains_each_kind_of_damage_and_each_detector(name: str) -> None:
    assert f"| `{name}` | " in PAGE


@pytest.mark.parametrize("channel", Channel)
def test_the_page_names_each_channel(channel: Channel) -> None:
    assert f"`{channel.value}`" in PAGE
