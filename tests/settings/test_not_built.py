"""Keys whose part is not built: named in one line, and refused where somebody would rely on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from bcc_relay.core.errors import ConfigurationError
from bcc_relay.core.model import Channel
from bcc_relay.settings import Loaded, load

if TYPE_CHECKING:
    from pathlib import Path

USEFUL = {"organisation": {"domains": ["council.example"]}, "upstream": {"servers": ["smtp.council.example:25"]}}

CASES = [
    ({"auth": {"backend": "ldap"}}, "auth.backend", True),
    ({"auth": {"backend": "upstream"}}, "auth.backend", True),
    ({"upstream": {**USEFUL["upstream"], "username": "u", "oauth": {"client": "x"}}}, "upstream.oauth", True),
    ({"quarantine": {"key_file": "key"}}, "quarantine.key_file", True),
    ({"quarantine": {"second_person_for": ["release_as_is", "discard"]}}, "quarantine.second_person_for", True),
    ({"store": {"url": "postgresql://db/relay"}}, "store.url", True),
    ({"workers": 4}, "workers", False),
    ({"web": {"public_url": "https://relay.council.example"}}, "web", False),
    ({"notices": {"digest": "07:00"}}, "notices.digest", False),
    ({"notices": {"language": "de"}}, "notices.language", False),
    ({"retention": {"audit": "1y"}}, "retention.audit", False),
    ({"quarantine": {"sender_may": ["discard"]}}, "quarantine.sender_may", False),
]


def loaded(folder: Path, more: dict) -> Loaded:
    (folder / "key").write_text("k")
    (folder / "config.yaml").write_text(yaml.safe_dump({**USEFUL, **more}))
    return load(folder / "config.yaml", {})


@pytest.mark.parametrize(("more", "key", "unsafe"), CASES, ids=[key for _, key, _ in CASES])
def test_a_key_without_its_part_is_named_or_refused(tmp_path: Path, more: dict, key: str, unsafe: bool) -> None:
    result = loaded(tmp_path, more)
    assert [(found.key, found.unsafe) for found in result.not_built] == [(key, unsafe)]
    assert "not built yet" in str(result.not_built[0])
    if unsafe:
        with pytest.raises(ConfigurationError, match=key.replace(".", r"\.")):
            result.refuse_unsafe()
    else:
        result.refuse_unsafe()


def test_nothing_is_named_when_nothing_of_it_was_written(tmp_path: Path) -> None:
    written = {
        "policy": {
            "builtin": {"in-pieces": {"disclosed": 20}, "families": {"visible_outsiders": 5}},
            "rules": [
                {"name": "known", "when": {"known_thread": True}, "then": "pass"},
                {"name": "clinic", "when": {"channel": [channel.value for channel in Channel]}, "then": "hold"},
                {"name": "burst", "when": {"window_outsiders": {"at_least": 9, "within": "1h"}}, "then": "hold"},
            ],
        },
        "retention": {"memory": "30d"},
        "workers": 1,
        "quarantine": {"second_person_for": []},
        "notices": {"digest": "08:00", "language": "en"},
    }
    assert loaded(tmp_path, written).not_built == ()
