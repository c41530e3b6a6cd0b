"""Constraints, alone and in pairs, select whom a reader's own filter and sort would select.

The reference knows the catalogue as plain numbers and the request as plain needs; it shares no code with the planner.
Where nobody is left, the client is told what stood in the way.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from importlib.resources import files
from itertools import combinations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routebook.catalogue.callers import Client
from routebook.documents.problems import Location
from routebook.routing.emptiness import why_empty
from routebook.routing.memory import Remembered
from routebook.scoring.judged import Judged
from tests.support.routes import facts_of, plan, policy, reasons

PROMPTS = (
    "word " * 400,
    "please say again what you told me this morning, and thank you very much. " * 30,
    "Prove that the sequence x(n+1) = sqrt(2 + x(n)) converges, assuming 0 <= x(0) < 2, and derive its limit. " * 20,
)
"""About as long, and not at all as hard."""
MOST_ANSWER = 1000
HERE = Location("policy.yaml", 1, 1)

CONSTRAINTS = ("cost", "first_token", "quality", "region", "labels", "capability", "context", "client")
"""What may stand between a request and a model."""

WORDS = {
    "cost": "within.cost",
    "first_token": "within.first-token",
    "quality": "within.quality",
    "region": "within.region",
    "labels": "within.label",
    "capability": "model.lacks",
    "context": "model.context",
    "client": "client.not-allowed",
}
"""The reason's code of each."""

ONE_MODEL: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "input": st.sampled_from([0, 1, 3, 10]),
        "output": st.sampled_from([0, 2, 12, 40]),
        "context": st.sampled_from([1100, 2000, 100_000]),
        "quality": st.sampled_from([None, 0.3, 0.6, 0.9]),
        "region": st.sampled_from(["eu", "us"]),
        "tier": st.sampled_from(["gold", "bronze", None]),
        "tools": st.booleans(),
        "first_token": st.sampled_from([None, 0.2, 0.8, 3.0]),
        "allowed": st.booleans(),
    }
)
LIMITS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "cost": st.sampled_from([0.001, 0.01, 0.02]),
        "first_token": st.sampled_from([0.1, 0.5, 1.0]),
        "quality": st.sampled_from([0.5, 0.9, 1.0]),
        "region": st.sampled_from(["eu", "us", "asia"]),
        "labels": st.sampled_from(["gold", "bronze"]),
    }
)


def written(models: list[dict[str, Any]], limits: dict[str, Any], asked: tuple[str, ...], pick: str) -> str:
    """The catalogue and the rule as an author would write them."""
    providers, lines = [], []
    for number, model in enumerate(models):
        providers.append(
            f"  p{number}: {{dialect: openai, base_url: 'https://p{number}.example/v1', region: {model['region']}, "
            "accounts: [{name: main}]}"
        )
        parts = [
            f"provider: p{number}",
            f"price: {{input: {model['input']}, output: {model['output']}}}",
            f"context: {model['context']}",
        ]
        parts += [] if model["quality"] is None else [f"quality: {model['quality']}"]
        parts += [] if model["tier"] is None else [f"labels: {{tier: {model['tier']}}}"]
        parts += ["capabilities: [tools]"] if model["tools"] else []
        lines.append(f"  m{number}: {{{', '.join(parts)}}}")
    said = {
        "cost": f"cost: ${limits['cost']}",
        "first_token": f"first_token: {limits['first_token']}s",
        "quality": f"quality: {limits['quality']}",
        "region": f"region: {limits['region']}",
        "labels": f"labels: {{tier: {limits['labels']}}}",
    }
    within = ", ".join(said[name] for name in asked if name in said)
    names = ", ".join(f"m{number}" for number in range(len(models)))
    return "\n".join(
        [
            "version: 1",
            "providers:",
            *providers,
            "models:",
            *lines,
            f"rules: [{{name: r, route: {{to: [{names}], pick: {pick}"
            + (f", within: {{{within}}}" if within else "")
            + "}}]",
        ]
    )


def meets(model: dict[str, Any], limits: dict[str, Any], asked: tuple[str, ...], prompt: int) -> list[str]:
    """The constraints among those asked that a model does not meet."""
    cost = (prompt * model["input"] + MOST_ANSWER * model["output"]) / 1e6
    checks: dict[str, Callable[[], bool]] = {
        "cost": lambda: cost <= limits["cost"] + 1e-12,
        "first_token": lambda: model["first_token"] is None or model["first_token"] <= limits["first_token"],
        "quality": lambda: model["quality"] is not None and model["quality"] >= limits["quality"],
        "region": lambda: model["region"] == limits["region"],
        "labels": lambda: model["tier"] == limits["labels"],
        "capability": lambda: model["tools"],
        "client": lambda: model["allowed"],
    }
    failed = [name for name in asked if name in checks and not checks[name]()]
    return failed + ([] if prompt + MOST_ANSWER <= model["context"] else ["context"])


def order(models: list[dict[str, Any]], kept: list[int], pick: str, prompt: int, judged: Judged | None) -> list[int]:
    """Whom of those a reader would take first."""

    def likely(number: int) -> float:
        return float(prompt * models[number]["input"] + 500 * models[number]["output"])

    def soon(number: int) -> float:
        first = models[number]["first_token"]
        return float("inf") if first is None else float(first)

    if pick in BANDS:
        predicted = dict(zip(range(len(models)), chances([model["quality"] for model in models], judged), strict=True))
        floor = max((predicted[number] for number in kept), default=0.0) - BANDS[pick]
        near = [number for number in kept if predicted[number] >= floor]
        below = [number for number in kept if predicted[number] < floor]
        return [*sorted(near, key=likely), *sorted(below, key=lambda number: -predicted[number])]
    return {"in_order": kept, "cheapest": sorted(kept, key=likely), "fastest": sorted(kept, key=soon)}[pick]


BANDS = {"best": 0.0, "balanced": 0.02, "balanced, band: 0.15": 0.15}
"""How far below the best predicted quality the cheapest is taken."""


def chances(qualities: list[float | None], judged: Judged | None) -> list[float]:
    """The quality of each model's answer, as the page on the model router says it: the declared one in log-odds, less
    how much harder than usual the prompt is, plus how far the model is above the others times how much more than usual a
    strong one gains (never less than nothing). Whoever declares none is taken for worthless."""
    assert judged is not None

    def odds(share: float) -> float:
        return math.log(share / (1 - share))

    declared = [odds(quality) for quality in qualities if quality is not None]
    middle = sum(declared) / len(declared) if declared else 0.0
    usual_difficulty, usual_gain = WEIGHTS["levels"][""]
    more = judged.gain - usual_gain
    gained = more if more > -0.5 else 0.5 * math.exp(2 * more + 1) - 1
    found = []
    for quality in qualities:
        if quality is None:
            found.append(0.0)
            continue
        value = odds(quality) - (judged.difficulty - usual_difficulty) + (odds(quality) - middle) * gained
        found.append(round(1 / (1 + math.exp(-value)), 4))
    return found


WEIGHTS = json.loads((files("routebook.scoring") / "weights.json").read_text("utf-8"))


PAIRS = [(), *((name,) for name in CONSTRAINTS), *combinations(CONSTRAINTS, 2)]


@pytest.mark.parametrize("asked", PAIRS, ids=["+".join(asked) or "none" for asked in PAIRS])
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    models=st.lists(ONE_MODEL, min_size=1, max_size=5),
    limits=LIMITS,
    pick=st.sampled_from(["in_order", "cheapest", "fastest", *BANDS]),
    prompt_text=st.sampled_from(PROMPTS),
)
def test_constraints_select_whom_a_brute_force_reference_selects(
    asked: tuple[str, ...], models: list[dict[str, Any]], limits: dict[str, Any], pick: str, prompt_text: str
) -> None:
    """The same models in the same order, everybody else dropped for something that it does not meet; and where nobody is
    left, a refusal that names what stood in the way."""
    if "context" not in asked:
        models = [{**model, "context": 100_000} for model in models]
    under = policy("", written(models, limits, asked, pick))
    allowed = frozenset(f"m{number}" for number, model in enumerate(models) if model["allowed"])
    client = Client("ann", HERE, models=allowed if "client" in asked else None)
    tools = {"tools": [{"type": "function", "function": {"name": "f"}}]} if "capability" in asked else {}
    facts = facts_of(
        under, client, max_tokens=MOST_ANSWER, messages=[{"role": "user", "content": prompt_text}], **tools
    )
    times = {f"m{n}": model["first_token"] for n, model in enumerate(models) if model["first_token"] is not None}
    found = plan(under, facts, memory=Remembered(first_tokens=times))
    prompt = 0 if found.size is None else found.size.tokens
    failed = {
        f"m{n}": meets(model, limits, asked, prompt or _tokens(under, client, tools, prompt_text))
        for n, model in enumerate(models)
    }
    kept = [n for n in range(len(models)) if not failed[f"m{n}"]]
    assert [each.name for each in found.kept if each.reason == "kept"] == [
        f"m{n}" for n in order(models, kept, pick, prompt, found.judged) if not _tight(found, f"m{n}")
    ]
    assert {each.name for each in found.kept} == {f"m{n}" for n in kept}
    for dropped in found.dropped:
        assert dropped.reason in {WORDS[name] for name in failed[dropped.name]}
    if not found.kept:
        refusal = why_empty(found)
        assert refusal.status >= 400
        if {each.reason for each in found.dropped} == {"client.not-allowed"}:
            assert "that you may use" in refusal.message
        else:
            assert any(words in refusal.message for words in reasons(found).values()), (refusal, reasons(found))


def _tight(found: Any, name: str) -> bool:
    return any(each.name == name and each.reason != "kept" for each in found.kept)


def _tokens(under: Any, client: Client, tools: dict[str, Any], prompt_text: str) -> int:
    """The estimate that a plan goes by, where none was needed because everybody fell before it."""
    from routebook.routing.sizes import prompt_tokens

    facts = facts_of(
        under, client, max_tokens=MOST_ANSWER, messages=[{"role": "user", "content": prompt_text}], **tools
    )
    return prompt_tokens(facts.asked)
