"""What `routebook top` shows: two looks at a running service, and what came between them, each second.

A look is the service's metrics with its accounts, budgets and policy. Counters only ever grow, so a rate is a difference; where
one has become smaller, the service began anew, and what it says now is all that came.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Labels = frozenset[tuple[str, str]]
Series = dict[str, dict[Labels, float]]
"""Values of samples by name and labels, as Prometheus' text has them."""


@dataclass(frozen=True, slots=True)
class Look:
    """A service at a moment (`at`, Unix seconds): its samples, and what its admin listener says."""

    at: float
    series: Series
    accounts: list[dict[str, Any]]
    budgets: dict[str, Any]
    policy: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """A model between two looks. Seconds to the first token, None where nobody asked it; dollars a minute."""

    model: str
    calls_per_second: float
    failed_per_second: float
    first_token_p50: float | None
    first_token_p95: float | None
    tokens_per_second: float
    dollars_per_minute: float


@dataclass(frozen=True, slots=True)
class RuleFigures:
    """A rule between two looks; the one without a name stands for requests that no rule decided."""

    rule: str
    decisions_per_second: float


@dataclass(frozen=True, slots=True)
class EndFigures:
    """Requests that ended alike and not well, between two looks."""

    status: str
    end: str
    per_second: float


@dataclass(frozen=True, slots=True)
class Figures:
    """A service between two looks. Latencies are of whole requests, in seconds; `began` is Unix seconds."""

    at: float
    seconds: float
    version: str
    digest: str
    reload_ok: bool
    workers: int
    replaced: int
    began: float
    requests_per_second: float
    failed_per_second: float
    refused_per_second: float
    in_progress: int
    waiting: int
    dollars_per_minute: float
    tokens_per_second: float
    latency_p50: float | None
    latency_p95: float | None
    models: list[ModelFigures]
    rules: list[RuleFigures]
    ends: list[EndFigures]
    accounts: list[dict[str, Any]]
    budgets: list[dict[str, Any]]
    limits: list[dict[str, Any]]


def read_series(text: str) -> Series:
    """The samples of Prometheus' text."""
    from prometheus_client.parser import text_string_to_metric_families

    found: Series = defaultdict(dict)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name][frozenset(sample.labels.items())] = sample.value
    return dict(found)


def between(before: Look, now: Look) -> Figures:
    """What came between two looks."""
    change = _Change(before, now)
    gauges = now.series
    return Figures(
        at=now.at,
        seconds=round(change.seconds, 3),
        version=str(now.policy["version"]),
        digest=str(now.policy["digest"]),
        reload_ok=bool(_sum(gauges, "routebook_config_last_reload_successful")),
        workers=int(_sum(gauges, "routebook_workers")),
        replaced=int(_sum(gauges, "routebook_workers_replaced_total")),
        began=_sum(gauges, "routebook_start_time_seconds"),
        requests_per_second=change.rate("routebook_requests_total"),
        failed_per_second=sum(
            each.per_second for each in change.ends() if each.status >= "500" or each.end[0] in "UTG"
        ),
        refused_per_second=sum(each.per_second for each in change.ends() if each.status == "429"),
        in_progress=int(_sum(gauges, "routebook_requests_in_progress")),
        waiting=int(_sum(gauges, "routebook_queue_waiting")),
        dollars_per_minute=change.rate("routebook_cost_dollars_total") * 60,
        tokens_per_second=change.rate("routebook_tokens_total"),
        latency_p50=change.quantile("routebook_request_duration_seconds", 0.5),
        latency_p95=change.quantile("routebook_request_duration_seconds", 0.95),
        models=change.models(),
        rules=change.rules(),
        ends=change.ends(),
        accounts=now.accounts,
        budgets=now.budgets["budgets"],
        limits=now.budgets["limits"],
    )


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """Below which time this share of what was counted lies, by bounds with counts up to each; linear within a bucket."""
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if total <= 0:
        return None
    wanted, low, below = share * total, 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= wanted:
            # nothing is known beyond the last finite bound, so that is what is said
            return low if bound == float("inf") else low + (bound - low) * (wanted - below) / (buckets[bound] - below)
        low, below = bound, buckets[bound]
    return low


class _Change:
    """The differences between two looks."""

    def __init__(self, before: Look, now: Look) -> None:
        self.seconds = max(now.at - before.at, 1e-3)
        self._before, self._now = before.series, now.series

    def __repr__(self) -> str:
        return f"<_Change of {self.seconds:g} s>"

    def rate(self, name: str, **labels: str) -> float:
        """Growth a second of all series of this name that have these labels."""
        return round(sum(self._grown(name, labels.items()).values()) / self.seconds, 6)

    def quantile(self, name: str, share: float, **labels: str) -> float | None:
        """A quantile of what a histogram counted."""
        buckets: dict[float, float] = defaultdict(float)
        for found, grown in self._grown(f"{name}_bucket", labels.items()).items():
            buckets[float(dict(found)["le"])] += grown
        exact = quantile(buckets, share)
        return None if exact is None else round(exact, 4)

    def models(self) -> list[ModelFigures]:
        """Every model that was ever asked, the busiest first."""
        attempts = "routebook_upstream_attempts_total"
        found = []
        for model in self._values(attempts, "model"):
            calls, well = self.rate(attempts, model=model), self.rate(attempts, model=model, result="ok")
            found.append(
                ModelFigures(
                    model,
                    calls,
                    round(calls - well, 6),
                    self.quantile("routebook_first_token_seconds", 0.5, model=model),
                    self.quantile("routebook_first_token_seconds", 0.95, model=model),
                    self.rate("routebook_tokens_total", model=model),
                    self.rate("routebook_cost_dollars_total", model=model) * 60,
                )
            )
        return sorted(found, key=lambda each: (-each.calls_per_second, each.model))

    def rules(self) -> list[RuleFigures]:
        """Every rule that ever decided, the busiest first."""
        name = "routebook_decisions_total"
        found = [RuleFigures(rule, self.rate(name, rule=rule)) for rule in self._values(name, "rule")]
        return sorted(found, key=lambda each: (-each.decisions_per_second, each.rule))

    def ends(self) -> list[EndFigures]:
        """What ended not well between the looks, the most frequent first."""
        found = []
        for labels, grown in self._grown("routebook_requests_total", ()).items():
            named = dict(labels)
            if named["end"] != "--" and grown > 0:
                found.append(EndFigures(named["status"], named["end"], round(grown / self.seconds, 6)))
        return sorted(found, key=lambda each: (-each.per_second, each.status, each.end))

    def _values(self, name: str, label: str) -> list[str]:
        return sorted({dict(labels).get(label, "") for labels in self._now.get(name, {})})

    def _grown(self, name: str, wanted: Iterable[tuple[str, str]]) -> dict[Labels, float]:
        before, asked = self._before.get(name, {}), set(wanted)
        return {
            labels: value - before.get(labels, 0.0) if value >= before.get(labels, 0.0) else value
            for labels, value in self._now.get(name, {}).items()
            if asked <= labels
        }


def _sum(series: Series, name: str) -> float:
    return sum(series.get(name, {}).values())
