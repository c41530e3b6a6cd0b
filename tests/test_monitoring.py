"""Alerts and dashboard ask for what the program counts, and for all of it; each alert is raised by what it speaks of."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from routebook.edge.identity.refusals import Reason
from routebook.edge.ledger import gauges
from routebook.edge.metrics import FAMILIES, Family
from routebook.edge.processes import vitals
from routebook.health.reports import WORDS
from routebook.ledger.pot_names import KINDS
from routebook.routing.endings import Who
from routebook.routing.published_guards import RESULTS
from tests.support.ports import free_port
from tests.support.prometheus import MATCHER, labels_of, metrics_of, needs_promtool, promtool
from tests.support.proxy import running_proxy, small_policy
from tests.test_docs import rows

ROOT = Path(__file__).parents[1]
MONITORING = ROOT / "deploy" / "monitoring"
RULES = [
    rule for group in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
]
CASES = yaml.safe_load((MONITORING / "alerts.test.yaml").read_text())["tests"]
DASHBOARD = json.loads((MONITORING / "grafana" / "dashboards" / "routebook.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]] + [
    each["expr"] for each in DASHBOARD["annotations"]["list"]
]
EXPRESSIONS = [rule["expr"] for rule in RULES] + QUERIES
ALL = [*FAMILIES, *(each for room in (vitals, gauges) for each in vars(room).values() if isinstance(each, Family))]
OF_PROMETHEUS = {"job", "instance", "le"}


def series(family: Family) -> set[str]:
    """The names under which a scrape shows a metric."""
    match family.kind:
        case "counter":
            return {f"{family.name}_total"}
        case "histogram":
            return {f"{family.name}_{part}" for part in ("bucket", "sum", "count")}
        case "gauge":
            return {family.name}


async def test_every_metric_that_is_asked_for_is_scraped(tmp_path: Path) -> None:
    """A running service with a shared ledger shows each series that an alert or a panel names."""
    away = f"redis://127.0.0.1:{free_port()}"
    policy = small_policy("http://127.0.0.1:9/v1", more="budgets: {month: {limit: $1, window: month}}")
    async with running_proxy(tmp_path, policy, "--shared-ledger", away) as proxy:
        _, text = await proxy.get_admin("/metrics")
    kinds = {family.name: family.type for family in text_string_to_metric_families(text)}
    known = {family.name: family for family in ALL}
    assert {name: known[name].kind for name in kinds} == kinds
    shown = {name for family in kinds for name in series(known[family])}
    asked = set().union(*map(metrics_of, EXPRESSIONS))
    assert asked <= shown, asked - shown


def test_everything_that_is_counted_is_looked_at() -> None:
    """Each metric stands in an alert, a panel or the dashboard's list of instances."""
    asked = set().union(*map(metrics_of, EXPRESSIONS), metrics_of(str(DASHBOARD["templating"])))
    assert not [family.name for family in ALL if not series(family) & asked]


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=range(len(EXPRESSIONS)))
def test_labels_are_those_of_the_metrics(expression: str) -> None:
    """What is matched or grouped by is a label of a metric of the expression, or Prometheus' own."""
    asked = metrics_of(expression)
    labels = {label for family in ALL if series(family) & asked for label in family.labels}
    assert labels_of(expression) <= labels | OF_PROMETHEUS


WORDS_OF = {
    "state": set(WORDS.values()),
    "reason": {reason.value for reason in Reason},
    "kind": set(KINDS),
    "end": {f"{who.value}." for who in Who},
    "result": {"ok", *RESULTS},
}


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=range(len(EXPRESSIONS)))
def test_what_is_matched_can_occur(expression: str) -> None:
    """The words in matchers are words that the program counts by."""
    for label, _, pattern in MATCHER.findall(expression):
        if label in WORDS_OF:
            words = (
                [f"{letter}." for letter in re.sub(r"[\[\].]", "", pattern)] if label == "end" else pattern.split("|")
            )
            assert set(words) <= WORDS_OF[label], (label, pattern)


@needs_promtool
@pytest.mark.parametrize("words", [("rules", "alerts.yaml"), ("config", "prometheus.yaml")], ids=" ".join)
def test_promtool_takes_the_files(words: tuple[str, str]) -> None:
    """Rules and configuration are understood by Prometheus itself."""
    assert "SUCCESS" in promtool("check", words[0], str(MONITORING / words[1]))


@needs_promtool
def test_alerts_are_raised_by_what_they_speak_of() -> None:
    """Every case of `alerts.test.yaml`: the bad series raises its alert, in these words; the one beside it does not."""
    assert "SUCCESS" in promtool("test", "rules", str(MONITORING / "alerts.test.yaml"))


@needs_promtool
def test_panels_ask_in_promql(tmp_path: Path) -> None:
    """Each query of the dashboard is one that Prometheus can parse, once Grafana has filled its variables in."""
    filled = [query.replace("$__rate_interval", "5m").replace("$instance", ".*") for query in QUERIES]
    assert not [query for query in filled if "$" in query]
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(filled)]
    path = tmp_path / "panels.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", str(path))


def test_every_alert_has_a_case_and_a_row() -> None:
    """An alert is tested, and the page says what to do about it, with the severity that it has."""
    severities = {rule["alert"]: rule["labels"]["severity"] for rule in RULES}
    assert {case["name"] for case in CASES} == severities.keys()
    assert all({each["alertname"] for each in case["alert_rule_test"]} == {case["name"]} for case in CASES)
    told = rows(ROOT / "docs" / "monitoring.md", "Alerts")
    assert {row[0].strip("`"): row[1] for row in told} == severities


def cells(panel: dict[str, Any]) -> Iterator[tuple[int, int]]:
    """The places of the dashboard's grid that a panel covers."""
    at = panel["gridPos"]
    yield from itertools.product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"]))


def test_panels_stand_beside_each_other() -> None:
    """No two cover the same place, all fit into the grid of 24, and each says what it shows, in which unit."""
    covered = [cell for panel in DASHBOARD["panels"] for cell in cells(panel)]
    assert len(covered) == len(set(covered)) and max(x for x, _ in covered) == 23
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert all(panel["description"] and panel["fieldConfig"]["defaults"]["unit"] for panel in PANELS)
