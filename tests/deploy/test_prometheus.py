"""Scraping and alerts: valid, tested with Prometheus's own tool, and about series that exist."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
import yaml
from prometheus_client import generate_latest

from tests.deploy.figures import ROOT, complaints, observer, series

PROMETHEUS = ROOT / "config" / "prometheus"
ALERTS = yaml.safe_load((PROMETHEUS / "bcc-relay.rules.yml").read_text())["groups"][0]["rules"]
KNOWN = series() | {"up": [{"job": "bcc-relay", "instance": "relay:9125"}]}
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian package prometheus)"
)


def promtool(*arguments: str, stdin: bytes = b"") -> None:
    done = subprocess.run(
        ["promtool", *arguments], cwd=PROMETHEUS, input=stdin, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_asks_for_what_exists_and_says_what_to_do(alert):
    assert complaints(alert["expr"], KNOWN) == []
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert alert["annotations"]["summary"]
    assert alert["annotations"]["runbook"]


def test_every_alert_fires_in_a_test():
    tests = (PROMETHEUS / "bcc-relay.test.yml").read_text()
    assert [alert["alert"] for alert in ALERTS if tests.count(alert["alert"]) == 0] == []


@needs_promtool
def test_alerts_fire_when_they_should_and_only_then():
    promtool("test", "rules", "bcc-relay.test.yml")


@needs_promtool
def test_the_scrape_configuration_is_valid():
    promtool("check", "config", "prometheus.yml")


@needs_promtool
def test_metrics_follow_the_naming_conventions():
    promtool("check", "metrics", stdin=generate_latest(observer().registry))


def test_every_metric_is_documented_and_every_documented_metric_exists():
    documented = set(re.findall(r"^\| `(bcc_relay_\w+)` \|", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE))
    exported = {re.sub("_(bucket|sum|count)$", "", name) for name in KNOWN if name != "up"}
    assert documented == exported
