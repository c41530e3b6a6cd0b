"""The counts of all workers as Prometheus text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from routebook.edge.metrics import FAMILIES, Family, Histogram, Labels, Snapshot


@dataclass(frozen=True, slots=True)
class Fact:
    """One metric of the supervisor itself: what it is, and its value by labels."""

    family: Family
    rows: Sequence[tuple[Labels, float | Histogram]]


def added(snapshots: Iterable[Snapshot]) -> Snapshot:
    """The sum of what several workers have counted."""
    sums: dict[str, dict[Labels, float | Histogram]] = {}
    for snapshot in snapshots:
        for name, rows in snapshot.items():
            into = sums.setdefault(name, {})
            for labels, value in rows:
                key = tuple(labels)
                into[key] = _plus(into.get(key), value)
    return {name: list(rows.items()) for name, rows in sums.items()}


def lasting(snapshot: Snapshot) -> Snapshot:
    """What is left of a snapshot when its worker is gone: what it counted, not what it held."""
    held = {family.name for family in FAMILIES if family.kind == "gauge"}
    return {name: rows for name, rows in snapshot.items() if name not in held}


def as_text(counted: Snapshot, facts: Iterable[Fact]) -> bytes:
    """Prometheus' text format (0.0.4) of what workers counted and what the supervisor knows."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(counted, tuple(facts)))
    return generate_latest(registry)


class _Collected(Collector):
    def __init__(self, counted: Snapshot, facts: Sequence[Fact]) -> None:
        self._counted = counted
        self._facts = facts

    def collect(self) -> Iterator[Metric]:
        for family in FAMILIES:
            yield _metric(family, self._counted.get(family.name, []))
        for fact in self._facts:
            yield _metric(fact.family, fact.rows)


def _metric(family: Family, rows: Iterable[tuple[Labels, float | Histogram]]) -> Metric:
    match family.kind:
        case "histogram":
            histogram = HistogramMetricFamily(family.name, family.doc, labels=family.labels)
            for labels, row in rows:
                assert isinstance(row, list)
                histogram.add_metric(labels, _buckets(row, family.bounds), row[-1])
            return histogram
        case "counter":
            counter = CounterMetricFamily(family.name, family.doc, labels=family.labels)
            for labels, value in rows:
                counter.add_metric(labels, value)  # type: ignore[arg-type]
            return counter
        case "gauge":
            gauge = GaugeMetricFamily(family.name, family.doc, labels=family.labels)
            for labels, value in rows:
                gauge.add_metric(labels, value)  # type: ignore[arg-type]
            return gauge


def _buckets(row: Histogram, bounds: Iterable[float]) -> list[tuple[str, float]]:
    """Counts up to each bound, as Prometheus wants them, from the counts between the bounds."""
    below, buckets = 0.0, []
    for bound, count in zip((*map(str, bounds), "+Inf"), row, strict=False):
        below += count
        buckets.append((bound, below))
    return buckets


def _plus(before: float | Histogram | None, value: float | Histogram) -> float | Histogram:
    if before is None:
        return value
    if isinstance(before, list) and isinstance(value, list):
        return [one + other for one, other in zip(before, value, strict=True)]
    assert not isinstance(before, list) and not isinstance(value, list)
    return before + value
