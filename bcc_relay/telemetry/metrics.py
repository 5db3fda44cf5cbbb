"""Counts events for Prometheus, in a registry of its own. Every metric is listed in `docs/metrics.md`.

Labels come from closed sets, exported as zeroes from the start; what is not in the set counts as `other`. Never an
address, domain, subject, message id or user name.
"""

from __future__ import annotations

import platform
from itertools import product
from typing import TYPE_CHECKING, Generic, TypeVar, assert_never

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

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
    ReaderStopped,
    SmtpRefused,
    StageTimed,
    UpstreamSeen,
)
from bcc_relay.core.model import VERDICT_NAMES, OutcomeName
from bcc_relay.core.record import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from bcc_relay.core.events import Event
    from bcc_relay.relay.ports import Clock, Counts

STAGES = ("receive", "read", "decide", "rewrite", "store", "forward")
DECISIONS = ("release_as_bcc", "release_individually", "release_as_is", "discard", "expire")
DECIDERS = ("sender", "reviewer", "expiry")
READER_STOPS = ("too_slow", "crashed", "not_started")
PARTS = (
    "listener",
    "login",
    "spool",
    "intake",
    "delivery",
    "review",
    "upkeep",
    "forwarder",
    "store",
    "memory",
    "notify",
)
REPLY_CLASSES = ("2xx", "4xx", "5xx", "none")
QUARANTINE_STATES = (State.HELD, State.DISCARDED, State.EXPIRED)
QUEUE_STATES = (State.QUEUED, State.RELEASED, State.DELIVERING)
OUTCOMES = tuple(name for name in OutcomeName if name is not OutcomeName.PENDING)
OTHER = "other"

# Deciding about a small message takes 50 µs, a slow upstream up to delivery.live_deadline, 50 s.
_STAGE_BUCKETS = (
    0.00005,
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    25,
    50,
    120,
)
# From a click at once to the 14 days after which held mail expires.
_DECISION_BUCKETS = (60, 300, 900, 3600, 4 * 3600, 8 * 3600, 86400, 2 * 86400, 4 * 86400, 7 * 86400, 14 * 86400)
# 10 and 30 are the thresholds of the built-in rules, 500 the size of the mail that all this is about.
_PEOPLE_BUCKETS = (0, 1, 2, 5, 10, 15, 20, 30, 50, 100, 500)

_Metric = TypeVar("_Metric", Counter, Gauge, Histogram)


class _Children(Generic[_Metric]):
    """A metric's label children, resolved once; `[values]` gives one, unknown values as `other`."""

    def __init__(self, metric: _Metric, *labels: Iterable[str]) -> None:
        self._metric: _Metric = metric
        self._labels = tuple(frozenset(values) for values in labels)
        self._children: dict[tuple[str, ...], _Metric] = {key: metric.labels(*key) for key in product(*self._labels)}

    def __getitem__(self, key: tuple[str, ...]) -> _Metric:
        child = self._children.get(key)
        if child is None:
            known = (value if value in values else OTHER for value, values in zip(key, self._labels, strict=True))
            child = self._metric.labels(*known)
        return child

    def add(self, value: str) -> None:
        """Take a value into the set of a metric with one label."""
        self._labels = (self._labels[0] | {value},)
        self._children[value,] = self._metric.labels(value)


class MetricsObserver:
    """Counts events (`ports.Observe`). `registry` is what `/metrics` shows.

    `listeners` are the listeners' binds, `servers` how many upstream servers are configured, `rules` and `detectors`
    all names that can occur. `clock` gives the time of a reload.
    """

    def __init__(
        self,
        *,
        version: str,
        listeners: Sequence[str],
        servers: int,
        rules: Iterable[str],
        detectors: Iterable[str],
        clock: Clock,
    ) -> None:
        # The time each counter began would double the exposition, and no panel reads it.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._clock = clock
        self._make_message_metrics(listeners, rules, detectors)
        self._make_delivery_metrics(servers)
        self._make_quarantine_metrics()
        self._make_connection_metrics(listeners)
        self._make_process_metrics(version)

    def __call__(self, event: Event) -> None:  # noqa: C901, PLR0912 - a table of events
        """Count `event`."""
        match event:
            case ConnectionOpened():
                self._connections[event.listener,].inc()
            case ConnectionClosed():
                self._connections[event.listener,].dec()
            case SmtpRefused():
                self._refused(event)
            case Decided():
                self._decided(event)
            case Answered():
                self._answers[_reply_class(event.code),].inc()
            case StageTimed():
                self._stages[event.stage,].observe(event.seconds)
            case Attempted():
                self._attempted(event)
            case Moved():
                self._moved(event)
            case UpstreamSeen():
                self._upstream_up[str(event.server),].set(event.up)
            case Failed():
                self._failures[event.where.partition(".")[0],].inc()
            case ReaderStopped():
                self._readers_stopped[event.why,].inc()
            case Lifecycle():
                self._lifecycle(event)
            case _:
                assert_never(event)

    def show_counts(self, counts: Counts, now: datetime) -> None:
        """Set the gauges of quarantine and queue from the store's figures; `now` is aware."""
        for state in QUARANTINE_STATES:
            self._quarantine[state.value,].set(counts.by_state.get(state, 0))
        for state in QUEUE_STATES:
            self._queue[state.value,].set(counts.by_state.get(state, 0))
        self._quarantine_oldest.set(_age_s(counts.oldest_held, now))
        self._queue_oldest.set(_age_s(counts.oldest_waiting, now))

    def know_rules(self, rules: Iterable[str]) -> None:
        """Take in the names of rules that a reload brought."""
        for rule in rules:
            self._rules.add(rule)

    def _make_message_metrics(self, listeners: Iterable[str], rules: Iterable[str], detectors: Iterable[str]) -> None:
        self._messages = _Children(
            self._counter("messages", "Messages decided about.", "verdict", "listener"),
            VERDICT_NAMES.values(),
            listeners,
        )
        self._rules = _Children(self._counter("rule_matches", "Messages a rule matched.", "rule"), rules)
        self._findings = _Children(self._counter("findings", "Findings of detectors.", "detector"), detectors)
        self._protected = self._counter("addresses_protected", "Outsiders' addresses kept from being disclosed.")
        self._visible = self._histogram(
            "message_visible_outsiders", "Outsiders visible in a submitted message.", _PEOPLE_BUCKETS
        )
        self._recipients = self._histogram(
            "message_recipients", "Recipients in the envelope of a submitted message.", _PEOPLE_BUCKETS
        )
        self._stages = _Children(
            self._histogram("stage_seconds", "Time a stage took.", _STAGE_BUCKETS, "stage"), STAGES
        )

    def _make_delivery_metrics(self, servers: int) -> None:
        self._deliveries = _Children(
            self._counter("deliveries", "Outcomes of attempts, one a recipient.", "outcome"),
            [name.value for name in OUTCOMES],
        )
        self._upstream_replies = _Children(
            self._counter("upstream_replies", "Replies that closed a transaction upstream.", "class"), REPLY_CLASSES
        )
        self._upstream_up = _Children(
            self._gauge("upstream_up", "0 when the last contact with this upstream server failed.", "server"),
            [str(index) for index in range(servers)],
        )
        for index in range(servers):
            self._upstream_up[str(index),].set(1)  # not contacted yet is no reason for an alert
        self._queue = _Children(
            self._gauge("queue_messages", "Messages that wait for the upstream.", "state"),
            [state.value for state in QUEUE_STATES],
        )
        self._queue_oldest = self._gauge("queue_oldest_seconds", "Age of the oldest message that waits.")

    def _make_quarantine_metrics(self) -> None:
        self._quarantine = _Children(
            self._gauge("quarantine_messages", "Messages in quarantine, and those kept as a record.", "state"),
            [state.value for state in QUARANTINE_STATES],
        )
        self._quarantine_oldest = self._gauge("quarantine_oldest_seconds", "Age of the oldest held message.")
        self._decisions = _Children(
            self._counter("quarantine_decisions", "Decisions about held messages.", "decision", "by"),
            DECISIONS,
            DECIDERS,
        )
        self._decision_seconds = self._histogram(
            "quarantine_decision_seconds", "Time a message was held until it was decided.", _DECISION_BUCKETS
        )

    def _make_connection_metrics(self, listeners: Sequence[str]) -> None:
        self._connections = _Children(self._gauge("smtp_connections", "Clients connected now.", "listener"), listeners)
        self._refusals = _Children(self._counter("smtp_refusals", "Commands refused.", "reason"), REFUSAL_REASONS)
        self._auth_failures = _Children(self._counter("auth_failures", "Logins refused.", "listener"), listeners)
        self._answers = _Children(
            self._counter("smtp_answers", "Answers to submitted messages.", "class"), REPLY_CLASSES
        )
        self._failures = _Children(
            self._counter("failures", "Errors of our own, by the part they happened in.", "part"), PARTS
        )

        self._readers_stopped = _Children(
            self._counter("readers_stopped", "Processes that read attachments and ended before their time.", "why"),
            READER_STOPS,
        )

    def _make_process_metrics(self, version: str) -> None:
        self._reload_ok = self._gauge("config_last_reload_successful", "0 when the last reload was refused.")
        self._reload_ok.set(1)
        self._reload_time = self._gauge(
            "config_last_reload_success_timestamp_seconds", "When the configuration in force was read."
        )
        self._reload_time.set(self._clock().timestamp())
        build = Info("bcc_relay_build", "What is running.", registry=self.registry)
        build.info({"version": version, "python": platform.python_version()})
        ProcessCollector(namespace="bcc_relay", registry=self.registry)

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"bcc_relay_{name}_total", what, labels, registry=self.registry)

    def _gauge(self, name: str, what: str, *labels: str) -> Gauge:
        return Gauge(f"bcc_relay_{name}", what, labels, registry=self.registry)

    def _histogram(self, name: str, what: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(f"bcc_relay_{name}", what, labels, buckets=buckets, registry=self.registry)

    def _refused(self, event: SmtpRefused) -> None:
        self._refusals[event.reason,].inc()
        if event.reason == "auth_failed":
            self._auth_failures[event.listener,].inc()

    def _decided(self, event: Decided) -> None:
        self._messages[event.verdict, event.listener].inc()
        for rule in (event.rule, *event.monitored_rules):
            self._rules[rule,].inc()
        for detector in event.detectors:
            self._findings[detector,].inc()
        if event.enforced:
            self._protected.inc(event.protected)
        self._visible.observe(event.visible_outsiders)
        self._recipients.observe(event.recipients)

    def _attempted(self, event: Attempted) -> None:
        for outcome, recipients in event.outcomes.items():
            self._deliveries[outcome,].inc(recipients)
        self._upstream_replies[_reply_class(event.code),].inc()

    def _moved(self, event: Moved) -> None:
        if event.decision is None:
            return
        self._decisions[event.decision, event.by].inc()
        if event.waited_s is not None:
            self._decision_seconds.observe(event.waited_s)

    def _lifecycle(self, event: Lifecycle) -> None:
        if event.what == "reloaded":
            self._reload_ok.set(1)
            self._reload_time.set(self._clock().timestamp())
        elif event.what == "reload_failed":
            self._reload_ok.set(0)


def _reply_class(code: int) -> str:
    return f"{code // 100}xx" if code // 100 in (2, 4, 5) else "none"


def _age_s(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since else 0.0
