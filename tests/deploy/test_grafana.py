"""The dashboard: stable, complete, in plain words, and every panel asks for series that exist."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.deploy.figures import ROOT, complaints, series

GRAFANA = ROOT / "config" / "grafana"
DASHBOARD = json.loads((GRAFANA / "dashboards" / "bcc-relay.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TARGETS = [(panel["title"], target) for panel in PANELS for target in panel["targets"]]
KNOWN = series()


def in_prometheus(expr: str) -> str:
    """The expression as Grafana would send it."""
    return expr.replace("$__rate_interval", "5m").replace("$__range", "1h")


def test_the_dashboard_can_be_provisioned_again_and_again():
    assert DASHBOARD["id"] is None
    assert DASHBOARD["uid"] == "bcc-relay"
    assert [(v["name"], v["type"], v["query"]) for v in DASHBOARD["templating"]["list"]] == [
        ("ds", "datasource", "prometheus")
    ]


def test_every_panel_has_its_own_id_and_place():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for box in [panel["gridPos"]]
        for x in range(box["x"], box["x"] + box["w"])
        for y in range(box["y"], box["y"] + box["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_explains_itself_and_asks_the_chosen_data_source(panel):
    assert panel["description"].endswith((".", "…"))
    assert panel["fieldConfig"]["defaults"]["unit"]
    for part in (panel, *panel["targets"]):
        assert part["datasource"] == {"type": "prometheus", "uid": "${ds}"}


@pytest.mark.parametrize(("title", "target"), TARGETS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_panel_asks_for_series_and_labels_that_exist(title, target):
    assert complaints(in_prometheus(target["expr"]), KNOWN) == []


def test_the_dashboard_shows_what_was_promised():
    expressions = " ".join(target["expr"] for _, target in TARGETS)
    for name in (
        "messages_total",
        "addresses_protected_total",
        "quarantine_messages",
        "quarantine_oldest_seconds",
        "queue_messages",
        "stage_seconds_bucket",
        "deliveries_total",
        "smtp_refusals_total",
        "upstream_up",
    ):
        assert f"bcc_relay_{name}" in expressions


def test_provisioning_finds_the_dashboard_and_prometheus():
    [provider] = yaml.safe_load((GRAFANA / "provisioning/dashboards/bcc-relay.yaml").read_text())["providers"]
    [source] = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yaml").read_text())["datasources"]
    compose = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())
    mounts = compose["services"]["grafana"]["volumes"]

    assert f"../config/grafana/dashboards:{provider['options']['path']}:ro" in mounts
    assert source["type"] == "prometheus"
    assert source["url"] == "http://prometheus:9090"
    assert "prometheus" in compose["services"]
