"""The policy that core decides by says what the settings say."""

from __future__ import annotations

from datetime import date, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest
import yaml

from bcc_relay.core.model import Channel, Form
from bcc_relay.core.policy import rule as core
from bcc_relay.core.policy.builtin import BUILTIN, EVERYTHING_ELSE
from bcc_relay.settings import load
from bcc_relay.settings.policy import policy_of
from bcc_relay.settings.rules import BUILTIN_NAMES

if TYPE_CHECKING:
    from pathlib import Path

USEFUL = {"organisation": {"domains": ["council.example"]}, "upstream": {"servers": ["smtp.council.example:25"]}}


def policy(folder: Path, **sections: object) -> core.Policy:
    (folder / "config.yaml").write_text(yaml.safe_dump({**USEFUL, **sections}))
    return policy_of(load(folder / "config.yaml", {}).settings)


def test_the_defaults_of_settings_and_core_are_the_same(tmp_path: Path) -> None:
    assert policy(tmp_path) == core.Policy()


def test_every_condition_reaches_core(tmp_path: Path) -> None:
    when = {
        "sender": ["Clerk@Council.Example", "@School.example", "<>"],
        "user": "anna",
        "network": ["10.0.0.0/8"],
        "listener": "127.0.0.1:2525",
        "subject": "befund",
        "header": {"X-Kind": "clinic"},
        "visible_recipients": {"at_least": 1},
        "visible_outsiders": {"at_most": 2},
        "outsider_domains": {"at_least": 3},
        "personal_share": {"at_least": 0.4},
        "channel": ["to", "cc"],
        "channel_addresses": {"at_least": 5},
        "window_outsiders": {"at_least": 6, "within": "1h"},
        "is_reply": True,
        "known_thread": False,
        "finding": "many_visible",
        "damaged": False,
        "unreadable": True,
        "encrypted": False,
        "size": {"at_least": 7, "at_most": 8},
        "until": "2027-03-31",
    }
    rule = {
        "name": "clinic",
        "when": when,
        "then": "rewrite",
        "rewrite": "individual",
        "sentence": "No.",
        "mode": "monitor",
    }
    (made,) = policy(tmp_path, policy={"rules": [rule]}).rules
    assert (made.name, made.then, made.rewrite, made.sentence, made.monitor) == (
        "clinic",
        core.Action.REWRITE,
        Form.INDIVIDUAL,
        "No.",
        True,
    )
    assert made.when.subject.search("Ihr Befund")
    assert made.when.header[0][0] == "x-kind"
    assert made.when.header[0][1].search("CLINIC")
    assert made.when == core.When(
        sender=("clerk@council.example", "@school.example", ""),
        user=("anna",),
        network=(ip_network("10.0.0.0/8"),),
        listener=("127.0.0.1:2525",),
        subject=made.when.subject,
        header=made.when.header,
        visible_recipients=core.Range(at_least=1),
        visible_outsiders=core.Range(at_most=2),
        outsider_domains=core.Range(at_least=3),
        personal_share=core.Range(at_least=0.4),
        channel=(Channel.TO, Channel.CC),
        channel_addresses=core.Range(at_least=5),
        window_outsiders=core.Window(core.Range(at_least=6), timedelta(hours=1)),
        is_reply=True,
        known_thread=False,
        finding=("many_visible",),
        damaged=False,
        unreadable=True,
        encrypted=False,
        size=core.Range(7, 8),
        until=date(2027, 3, 31),
    )


@pytest.mark.parametrize(
    ("written", "field", "expected"),
    [
        ({"damaged": {"recipients": 5}}, "damaged", core.Damaged(5)),
        ({"unreadable": {"recipients": 5}}, "unreadable", core.Unreadable(5)),
        (
            {"beyond-rewriting": {"own_recipients": 1, "personal_share": 0.1, "outsiders": 2, "body": 3}},
            "beyond_rewriting",
            core.BeyondRewriting(1, 0.1, 2, 3),
        ),
        ({"families": {"visible_outsiders": 15, "personal_share": 0.3}}, "families", core.Families(15, 0.3)),
        (
            {"correction": {"share": 0.6, "visible_outsiders": 3, "within": "2d"}},
            "correction",
            core.Correction(0.6, 3, timedelta(days=2)),
        ),
        ({"known-thread": True}, "known_thread", core.KnownThread()),
        ({"usual-bcc": {"visible_outsiders": 4}}, "usual_bcc", core.UsualBcc(4)),
        ({"in-pieces": {"disclosed": 7, "within": "1h"}}, "in_pieces", core.InPieces(7, timedelta(hours=1))),
        ({"large-circle": {"visible_outsiders": 40, "outsider_domains": 9}}, "large_circle", core.LargeCircle(40, 9)),
        *(({name: False}, name.replace("-", "_"), None) for name in BUILTIN),
    ],
)
def test_each_threshold_reaches_core_and_each_rule_can_be_off(
    tmp_path: Path, written: dict, field: str, expected: object
) -> None:
    assert getattr(policy(tmp_path, policy={"builtin": written}).builtin, field) == expected


def test_settings_and_core_name_the_same_rules_in_the_same_order() -> None:
    assert (*BUILTIN, EVERYTHING_ELSE) == BUILTIN_NAMES


def test_the_form_and_the_mode_reach_core(tmp_path: Path) -> None:
    made = policy(tmp_path, policy={"mode": "monitor"}, rewrite={"to": "undisclosed"})
    assert (made.form, made.monitor) == (Form.UNDISCLOSED, True)
