"""Metrics: every one exported from the start, closed label sets, counted from events."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bcc_relay.core.events import (
    REFUSAL_REASONS,
    Answered,
    Attempted,
    ConnectionClosed,
    ConnectionOpened,
    Decided,
    Failed,
    Lifecycle,
    Moved,
    SmtpRefused,
    StageTimed,
    UpstreamSeen,
)
from bcc_relay.core.record import State
from bcc_relay.relay.ports import Counts
from bcc_relay.telemetry.metrics import DECISIONS, MetricsObserver
from tests.build import NOW

LISTENER = "127.0.0.1:2525"


@pytest.fixture
def metrics() -> MetricsObserver:
    return MetricsObserver(
        version="0.1.0",
        listeners=[LISTENER, "0.0.0.0:587"],
        servers=2,
        rules=["families", "everything-else"],
        detectors=["many_visible"],
        clock=lambda: NOW,
    )


def value(metrics: MetricsObserver, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"bcc_relay_{name}", labels)


def decided(**fields: object) -> Decided:
    usual = {
        "message_id": "m1",
        "listener": LISTENER,
        "verdict": "rewrite",
        "rule": "families",
        "detectors": ("many_visible",),
        "sender": "clerk@council.example",
        "recipients": 500,
        "visible_outsiders": 487,
        "protected": 487,
        "damage": (),
        "size_bytes": 4000,
    }
    return Decided(**{**usual, **fields})


def test_every_label_is_there_as_zero_from_the_start(metrics):
    for verdict in ("pass", "rewrite", "hold", "reject"):
        for listener in (LISTENER, "0.0.0.0:587"):
            assert value(metrics, "messages_total", verdict=verdict, listener=listener) == 0
    for reason in REFUSAL_REASONS:
        assert value(metrics, "smtp_refusals_total", reason=reason) == 0
    for outcome in ("delivered", "deferred", "refused", "in_doubt"):
        assert value(metrics, "deliveries_total", outcome=outcome) == 0
    for stage in ("receive", "read", "decide", "rewrite", "store", "forward"):
        assert value(metrics, "stage_seconds_count", stage=stage) == 0
    for decision in DECISIONS:
        for by in ("sender", "reviewer", "expiry"):
            assert value(metrics, "quarantine_decisions_total", decision=decision, by=by) == 0
    for state in ("queued", "released", "delivering"):
        assert value(metrics, "queue_messages", state=state) == 0
    assert value(metrics, "quarantine_messages", state="held") == 0
    assert value(metrics, "rule_matches_total", rule="families") == 0
    assert value(metrics, "findings_total", detector="many_visible") == 0
    assert value(metrics, "smtp_connections", listener=LISTENER) == 0
    assert value(metrics, "addresses_protected_total") == 0


def test_a_decision_counts_message_rule_findings_and_people(metrics):
    metrics(decided())

    assert value(metrics, "messages_total", verdict="rewrite", listener=LISTENER) == 1
    assert value(metrics, "rule_matches_total", rule="families") == 1
    assert value(metrics, "findings_total", detector="many_visible") == 1
    assert value(metrics, "addresses_protected_total") == 487
    assert value(metrics, "message_visible_outsiders_bucket", le="100.0") == 0
    assert value(metrics, "message_visible_outsiders_bucket", le="500.0") == 1
    assert value(metrics, "message_recipients_sum") == 500


def test_nothing_is_protected_by_a_decision_that_is_not_enforced(metrics):
    metrics(decided(enforced=False))

    assert value(metrics, "addresses_protected_total") == 0


def test_rules_in_monitor_mode_are_counted_beside_the_one_that_decided(metrics):
    metrics(decided(rule="everything-else", monitored_rules=("families",)))

    assert value(metrics, "rule_matches_total", rule="families") == 1
    assert value(metrics, "rule_matches_total", rule="everything-else") == 1


def test_a_label_outside_its_set_counts_as_other(metrics):
    metrics(decided(rule="unheard-of", listener="somewhere"))

    assert value(metrics, "rule_matches_total", rule="other") == 1
    assert value(metrics, "messages_total", verdict="rewrite", listener="other") == 1


def test_rules_of_a_reload_get_their_own_count(metrics):
    metrics.know_rules(["governors"])
    metrics(decided(rule="governors"))

    assert value(metrics, "rule_matches_total", rule="governors") == 1


def test_clients_are_counted_while_they_are_connected(metrics):
    metrics(ConnectionOpened(LISTENER, "192.0.2.1"))
    metrics(ConnectionOpened(LISTENER, "192.0.2.1"))
    metrics(ConnectionClosed(LISTENER, "192.0.2.1"))

    assert value(metrics, "smtp_connections", listener=LISTENER) == 1


def test_a_refused_login_counts_as_refusal_and_as_failed_login(metrics):
    metrics(SmtpRefused(LISTENER, "192.0.2.1", "auth_failed", "jane@family-mail.example"))
    metrics(SmtpRefused(LISTENER, "192.0.2.1", "size"))

    assert value(metrics, "smtp_refusals_total", reason="auth_failed") == 1
    assert value(metrics, "smtp_refusals_total", reason="size") == 1
    assert value(metrics, "auth_failures_total", listener=LISTENER) == 1


def test_an_attempt_counts_each_recipient_and_one_reply(metrics):
    metrics(Attempted("m1", {"delivered": 3, "refused": 1}, 250, "2.0.0 ok", live=True))
    metrics(Attempted("m1", {"in_doubt": 1}, 0, "", live=False))

    assert value(metrics, "deliveries_total", outcome="delivered") == 3
    assert value(metrics, "deliveries_total", outcome="refused") == 1
    assert value(metrics, "upstream_replies_total", **{"class": "2xx"}) == 1
    assert value(metrics, "upstream_replies_total", **{"class": "none"}) == 1


def test_an_upstream_is_up_until_it_fails(metrics):
    assert value(metrics, "upstream_up", server="1") == 1
    metrics(UpstreamSeen(1, up=False))
    assert value(metrics, "upstream_up", server="1") == 0
    metrics(UpstreamSeen(1, up=True))
    assert value(metrics, "upstream_up", server="1") == 1


def test_a_decision_about_held_mail_counts_with_the_time_it_waited(metrics):
    metrics(Moved("m1", "held", "released", "reviewer", "jane", "release_as_bcc", 600.0))
    metrics(Moved("m1", "released", "delivering"))

    assert value(metrics, "quarantine_decisions_total", decision="release_as_bcc", by="reviewer") == 1
    assert value(metrics, "quarantine_decision_seconds_sum") == 600


def test_stages_answers_and_failures_are_counted(metrics):
    metrics(StageTimed("decide", 0.004))
    metrics(Answered("m1", 451, "4.3.0 later"))
    metrics(Failed("r1", "store.add", "disk"))
    metrics(Failed("r2", "nowhere", "odd"))

    assert value(metrics, "stage_seconds_bucket", stage="decide", le="0.005") == 1
    assert value(metrics, "smtp_answers_total", **{"class": "4xx"}) == 1
    assert value(metrics, "failures_total", part="store") == 1
    assert value(metrics, "failures_total", part="other") == 1


def test_a_reload_that_failed_shows_until_one_succeeds(metrics):
    metrics(Lifecycle("reload_failed"))
    assert value(metrics, "config_last_reload_successful") == 0
    metrics(Lifecycle("reloaded"))
    assert value(metrics, "config_last_reload_successful") == 1
    assert value(metrics, "config_last_reload_success_timestamp_seconds") == NOW.timestamp()


def test_gauges_show_the_figures_of_the_store_and_fall_back_to_zero(metrics):
    hour = timedelta(hours=1)
    metrics.show_counts(Counts({State.HELD: 2, State.QUEUED: 3}, NOW - hour, NOW - 2 * hour), NOW)
    assert value(metrics, "quarantine_messages", state="held") == 2
    assert value(metrics, "queue_messages", state="queued") == 3
    assert value(metrics, "quarantine_oldest_seconds") == 3600
    assert value(metrics, "queue_oldest_seconds") == 7200

    metrics.show_counts(Counts({}, None, None), NOW)
    assert value(metrics, "quarantine_messages", state="held") == 0
    assert value(metrics, "queue_oldest_seconds") == 0
