"""The sample configurations load as they stand, and every name in their comments exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import trustme
import yaml

from bcc_relay.core.judge import judge
from bcc_relay.core.model import Form, Rewrite
from bcc_relay.settings import Loaded, load
from bcc_relay.settings.policy import policy_of
from tests import build

CONFIG = Path(__file__).parents[2] / "config"
SAMPLES = ("single-office.yaml", "sidecar-postfix.yaml")


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_loads_as_it_stands_and_needs_nothing_that_is_not_built(name: str) -> None:
    loaded = load(CONFIG / name, {}, check_files=False)
    assert loaded.settings.organisation.domains == ("council.example",)
    assert loaded.not_built == ()


def test_the_office_sample_loads_with_its_files_in_place(tmp_path: Path) -> None:
    made = trustme.CA().issue_cert("smtp.council.example")
    made.cert_chain_pems[0].write_to_path(tmp_path / "fullchain.pem")
    made.private_key_pem.write_to_path(tmp_path / "privkey.pem")
    (tmp_path / "upstream-password").write_text("geheim\n")
    text = (CONFIG / "single-office.yaml").read_text("utf-8").replace("/etc/bcc-relay/tls/", f"{tmp_path}/")
    (tmp_path / "config.yaml").write_text(text)
    settings = load(tmp_path / "config.yaml", {}).settings
    assert [(str(listener.bind), listener.auth) for listener in settings.listeners] == [
        ("0.0.0.0:587", "required"),
        ("0.0.0.0:465", "required"),
        ("127.0.0.1:2525", "none"),
    ]
    assert settings.upstream.password.get_secret_value() == "geheim"


def test_the_sidecar_hands_mail_back_to_postfix_in_the_clear_on_loopback_only() -> None:
    settings = load(CONFIG / "sidecar-postfix.yaml", {}).settings
    assert (settings.upstream.tls, settings.upstream.is_loopback) == ("none", True)
    assert all(listener.bind.is_loopback for listener in settings.listeners)
    text = (CONFIG / "sidecar-postfix.yaml").read_text("utf-8")
    assert f"smtpd_proxy_filter={settings.listeners[0].bind}" in text
    assert f"{settings.upstream.servers[0]} inet n - n - - smtpd" in text


def offered(name: str, folder: Path) -> Loaded:
    """The sample with what it offers in comments."""
    text = (CONFIG / name).read_text("utf-8")
    # A commented block takes the place of the empty value above it.
    blocks = re.findall(r"^  # ((?:rules|builtin):.*(?:\n  #   .*)*)$", text, re.MULTILINE)
    assert len(blocks) == 2
    policy = {}
    for block in blocks:
        policy.update(yaml.safe_load(block.replace("\n  # ", "\n")))
    tree = yaml.safe_load(text)
    tree["policy"].update(policy)
    (folder / "config.yaml").write_text(yaml.safe_dump(tree))
    return load(folder / "config.yaml", {}, check_files=False)


@pytest.mark.parametrize(("name", "rules"), [("single-office.yaml", 3), ("sidecar-postfix.yaml", 1)])
def test_what_a_sample_offers_in_comments_loads_too(name: str, rules: int, tmp_path: Path) -> None:
    loaded = offered(name, tmp_path)
    assert len(loaded.settings.policy.rules) == rules
    assert loaded.settings.policy.builtin.large_circle is None


@pytest.mark.parametrize(
    ("sender", "subject", "people", "rule"),
    [
        ("clerk@council.example", "Minutes", 40, "governors"),
        ("clinic@council.example", "Your appointment", 2, "clinic"),
        ("clinic@council.example", "Your appointment", 1, "everything-else"),
        ("office@council.example", "SEND review on Monday", 2, "sensitive-subjects"),
        ("office@council.example", "Re: Safeguarding", 2, "sensitive-subjects"),
        ("office@council.example", "Please send the form", 2, "everything-else"),
    ],
)
def test_the_office_sample_s_rules_guard_what_is_sensitive(
    sender: str, subject: str, people: int, rule: str, tmp_path: Path
) -> None:
    policy = policy_of(offered("single-office.yaml", tmp_path).settings)
    to = tuple(f"person{n}@firm.example" for n in range(people))
    given = build.mail(f"To: {', '.join(to)}".encode(), f"Subject: {subject}".encode(), to=to, sender=sender)
    judged = judge(given, policy, build.leaving())
    assert judged.verdict.rule == rule
    assert judged.form is (Form.INDIVIDUAL if isinstance(judged.verdict, Rewrite) else Form.AS_IS)
