"""Regular expressions that every supported Python reads alike."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "bcc_relay"
POSSESSIVE_GROUP = re.compile(r"\)(?:[*+?]|\{[0-9,]+\})\+(?!\+)")


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_no_group_is_repeated_possessively(file: Path) -> None:
    """Python before 3.11.5, so that of Debian 12, loses matches there; single characters may be."""
    assert not POSSESSIVE_GROUP.search(file.read_text("utf-8"))
