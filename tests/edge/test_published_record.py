"""Real records fit the published schema, key by key: it is an interface that others build on."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from routebook.documents import schema as build
from routebook.edge.journal.archive import crashed_line
from routebook.edge.ledger.entries import Draw
from routebook.routing.published_record import record_schema
from tests.support.asking import ask, chat
from tests.support.proxy import in_process
from tests.support.upstream import Reset, Upstream, chunks, failure, stream

RECORD = record_schema()

POLICY = """
version: 1
providers:
  first: {{dialect: openai, base_url: "{url}", region: eu, accounts: [{{name: main}}, {{name: spare}}]}}
  closed: {{dialect: openai, base_url: "http://127.0.0.1:9/v1", region: us, accounts: [{{name: main}}]}}
  keyed: {{dialect: openai, base_url: "{url}", accounts: [{{name: main, key: {{env: NOT_SET_ANYWHERE}}}}]}}
models:
  small: {{provider: first, price: {{input: 1, output: 2}}, context: 128k, max_output: 16k, quality: 0.5}}
  tiny: {{provider: first, price: {{input: 1}}, context: 1k, max_output: 500}}
  shut: {{provider: closed, context: 128k}}
  dear: {{provider: keyed, price: {{input: 100, output: 200}}, context: 128k, capabilities: [tools]}}
patterns:
  digits: "[0-9]{{6}}"
rules:
  - {{name: no-numbers, when: {{prompt.matches.digits: true}}, refuse: {{status: 403, message: no numbers}}}}
  - {{name: shared, when: {{request.model: canary}}, route: {{to: [small, tiny], split: {{small: 90%, tiny: 10%}}}}}}
  - {{name: frugal, when: {{request.model: auto, prompt.tokens: {{below: 2M}}}},
     route: {{to: [dear, shut, small, tiny], pick: cheapest, within: {{cost: $1}}}}}}
  - {{name: fast, when: {{request.model: fast}}, route: {{to: [small, shut], pick: fastest, within: {{region: eu}}}}}}
  - {{name: again, when: {{request.model: again}}, route: {{to: [shut, small], cache: 1m, stick: 1m}}}}
  - {{name: as-asked, route: {{to: requested}}}}
guarantees:
  - {{name: tagged-stay-home, when: {{tags: {{any: [phi]}}}}, only: {{region: eu}}}}
"""


def _closed(schema: Any) -> Any:
    """The schema with every mapping closed, so that a key which it does not describe is a fault."""
    if isinstance(schema, dict):
        inner = {key: _closed(value) for key, value in schema.items()}
        return {**inner, "additionalProperties": False} if "properties" in schema else inner
    return [_closed(item) for item in schema] if isinstance(schema, list) else schema


CLOSED = _closed(copy.deepcopy(RECORD))


def _faults(line: object, schema: build.Schema = CLOSED) -> list[str]:
    event = line["event"] if isinstance(line, dict) else "decided"
    one = {**schema, "oneOf": [build.ref(event)]}  # the fault of the line that is meant, not of every alternative
    return list(build.faults(one, line))


async def _some_of_everything(url: str, upstream: Upstream) -> None:
    """Requests that end in as many ways as one policy allows."""
    await ask(url, chat("small"))
    await ask(url, chat("small", stream=True, max_completion_tokens=10))
    await ask(url, {"model": "small", "input": ["one", "two"]}, "/v1/embeddings")
    await ask(url, chat("small", text="number 123456"))
    await ask(url, chat("nobody"))
    await ask(url, chat("canary"), headers=[("x-routebook-tags", "phi,batch")])
    await ask(url, chat("auto", stream=True), headers=[("x-routebook-within", "cost=$0.01, first_token=9s")])
    await ask(url, chat("auto", tools=[{"type": "function", "function": {"name": "f"}}]))
    upstream.will(failure(429, headers=[("retry-after", "7")]))
    await ask(url, chat("fast"))
    upstream.will(failure(500))
    await ask(url, chat("fast", stream=True))
    upstream.will([*stream(chunks(), ends=False), Reset()])
    await ask(url, chat("fast", stream=True))
    for cache_control in ("max-age=60", "max-age=60", "no-cache"):
        await ask(url, chat("again"), headers=[("cache-control", cache_control)])
    upstream.will(failure(429, headers=[("retry-after", "60")]))
    await ask(url, chat("again", user="ann"))
    await ask(url, chat("again", user="bob"))
    await ask(url, b"{no json")
    await ask(url, chat("shut"))


@pytest.fixture
async def lines(tmp_path: Path, upstream: Upstream) -> list[dict[str, Any]]:
    """The journal of a small but eventful day."""
    async with in_process(tmp_path, POLICY.format(url=upstream.url)) as proxy:
        await _some_of_everything(proxy.url, upstream)
    journal = (tmp_path / "var" / "journal").glob("*.jsonl")
    return [json.loads(text) for segment in journal for text in segment.read_text().splitlines()]


async def test_every_line_fits_and_says_nothing_undescribed(lines: list[dict[str, Any]]) -> None:
    """Both lines of every record: each key is described, each value is of the described kind."""
    assert len(lines) >= 24
    for line in lines:
        assert _faults(line) == [], json.dumps(line, indent=1)
        assert list(build.faults(RECORD, line)) == [], "a line fits exactly one of the two kinds"


async def test_the_day_was_eventful(lines: list[dict[str, Any]]) -> None:
    """The test above would prove little if all requests had gone the same way."""
    decided = [line for line in lines if line["event"] == "decided"]
    ended = [line for line in lines if line["event"] == "ended"]
    assert {line["outcome"] for line in decided} == {"route", "refuse", "unread"}
    assert {each["verdict"] for line in decided for each in line["candidates"]} == {"kept", "dropped"}
    assert len({each["reason"] for line in decided for each in line["candidates"]}) >= 4
    assert any(len(line.get("attempts", ())) > 1 for line in ended)
    assert len({line["end"] for line in ended}) >= 4
    assert {line["usage_by"] for line in ended if "usage_by" in line} >= {"measured", "nothing", "cached"}
    assert {line["stick"]["event"] for line in decided if "stick" in line} == {"initialize", "retain", "switch"}
    assert {frozenset(line["cache"]) for line in decided if "cache" in line} == {
        frozenset({"hit"}),
        frozenset({"hit", "of", "age"}),
        frozenset({"hit", "bypass"}),
    }


def test_the_line_of_a_crash_fits() -> None:
    """What the next process writes for one that died is a line like any other."""
    line = {"event": "ended", **crashed_line("01K0000000000000000000000", "w0")}
    line["id"] = "01KABCDEFGHJKMNPQRSTVWXYZ0"
    assert _faults(line) == []


HEAD = {"id": "01KABCDEFGHJKMNPQRSTVWXYZ0", "time": "2026-11-21T10:00:00.123Z"}
DRAWS = [["budget/team-month/research", 1_795_219_200, 500, 250]]


def test_what_is_held_and_settled_fits() -> None:
    """A line between the two that says what is held, and the line of a crash that settles it."""
    assert _faults({"event": "held", **HEAD, "draws": DRAWS}) == []
    assert list(build.faults(RECORD, {"event": "held", **HEAD, "draws": DRAWS})) == []
    line = {"event": "ended", **crashed_line("x", "w0", (Draw("budget/a/-", 0, 500, 250),)), **HEAD}
    assert (line["settled"], line["cost"], line["usage_by"]) == ([["budget/a/-", 0, 250]], 250, "orphan")
    assert _faults(line) == []
    assert _faults({**line, "settled": [["budget/a/-", 0]]})
    assert _faults({"event": "held", **HEAD, "draws": [["budget/a/-", 0, -5, 0]]})
    assert _faults({"event": "held", **HEAD})


async def test_a_record_of_budgets_fits(tmp_path: Path, upstream: Upstream) -> None:
    """What is held, who was refused, what was settled: every line of requests that draw on a small budget."""
    policy = POLICY.replace("patterns:", "budgets:\n  all: {{limit: $0.1, window: day}}\npatterns:")
    async with in_process(tmp_path, policy.format(url=upstream.url)) as proxy:
        await ask(proxy.url, chat("small", max_completion_tokens=10))
        await ask(proxy.url, chat("small", max_completion_tokens=16_000, n=99))
    journal = (tmp_path / "var" / "journal").glob("*.jsonl")
    lines = [json.loads(text) for segment in journal for text in segment.read_text().splitlines()]
    assert [fault for line in lines for fault in _faults(line)] == []
    holds = [line["hold"] for line in lines if "hold" in line]
    assert any(hold["draws"] for hold in holds) and any(hold.get("refused") for hold in holds)
    assert any(line.get("settled") for line in lines)


def test_faults_are_found() -> None:
    """A wrong value, an unknown key, an absent one: each is a fault of the closed schema; new keys alone are allowed."""
    line = {"event": "ended", **crashed_line("01KABCDEFGHJKMNPQRSTVWXYZ0", "w0")}
    assert _faults({**line, "end": "??"})
    assert _faults({**line, "zebra": 1})
    assert _faults({key: value for key, value in line.items() if key != "status"})
    assert _faults({**line, "zebra": 1}, RECORD) == []


def test_the_schema_is_one() -> None:
    """It fits the metaschema, and every reference leads somewhere."""
    build.check_schema(RECORD)
