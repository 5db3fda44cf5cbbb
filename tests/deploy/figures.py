"""What `/metrics` shows, for tests that compare it with panels, alerts and documents."""

from __future__ import annotations

from pathlib import Path

import promql_parser as promql

from bcc_relay.telemetry.metrics import MetricsObserver
from tests.build import NOW

ROOT = Path(__file__).parents[2]


def observer() -> MetricsObserver:
    return MetricsObserver(
        version="0.1.0",
        listeners=["0.0.0.0:587"],
        servers=1,
        rules=["families"],
        detectors=["many_visible"],
        clock=lambda: NOW,
    )


def series() -> dict[str, list[dict[str, str]]]:
    """Every series by the name it is asked for: a list of its label sets."""
    found: dict[str, list[dict[str, str]]] = {}
    for family in observer().registry.collect():
        for sample in family.samples:
            found.setdefault(sample.name, []).append(dict(sample.labels))
    return found


def complaints(expr: str, known: dict[str, list[dict[str, str]]]) -> list[str]:
    """What an expression asks for that `known` does not have; raises ValueError when it is no PromQL."""
    tree = promql.parse(expr)
    found: list[str] = []

    def visit(node: object) -> None:
        if isinstance(node, promql.VectorSelector):
            wanted = {m.name: m.value for m in node.matchers.matchers}
            if not any(wanted.items() <= labels.items() for labels in known.get(node.name, [])):
                found.append(f"no series {node.name}{wanted}")
        elif isinstance(node, promql.AggregateExpr) and node.modifier:
            names = set(node.modifier.labels)
            below = [labels for name in _names(node.expr) for labels in known.get(name, [])]
            if not any(names <= labels.keys() for labels in below):
                found.append(f"no label {names} in {expr}")

    promql.walk(tree, visit)
    return found


def _names(expr: object) -> set[str]:
    names: set[str] = set()

    def visit(node: object) -> None:
        if isinstance(node, promql.VectorSelector):
            names.add(node.name)

    promql.walk(expr, visit)
    return names
