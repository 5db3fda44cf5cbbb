"""Each broken configuration gets its complaint: where, which key, and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bcc_relay.core.errors import ConfigurationError
from bcc_relay.settings import load

CASES = yaml.safe_load((Path(__file__).parent / "broken.yaml").read_text("utf-8"))

USEFUL = {"organisation": {"domains": ["council.example"]}, "upstream": {"servers": ["smtp.council.example:25"]}}


def written(case: dict) -> str:
    """The file of a case: as it stands, or its settings laid over the smallest useful file."""
    if "file" in case:
        return case["file"]
    sections = {
        key: {**USEFUL.get(key, {}), **value} if isinstance(value, dict) else value
        for key, value in case["settings"].items()
    }
    return yaml.safe_dump({**USEFUL, **sections}, sort_keys=False, allow_unicode=True)


@pytest.mark.parametrize("case", CASES, ids=[case["what"].replace(" ", "-") for case in CASES])
def test_a_broken_configuration_is_told_file_key_and_remedy(case: dict, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(written(case), "utf-8")
    (tmp_path / "empty").touch()
    (tmp_path / "password").write_text("geheim\n")

    with pytest.raises(ConfigurationError) as raised:
        load(file, case.get("environment", {}))

    complaints = raised.value.complaints
    for words in case["complaints"]:
        assert any(all(word in complaint for word in words.split(" | ")) for complaint in complaints), (
            words,
            complaints,
        )
    assert len(complaints) == len(case["complaints"]), complaints
    for complaint in complaints:
        assert complaint.startswith((str(file), "environment variable")), complaint
        assert complaint.isprintable()
        assert not any(secret in complaint for secret in case.get("absent", ()))
