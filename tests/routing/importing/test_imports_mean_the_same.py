"""A policy that was imported decides as the gateway would have: first calls by the same chances, fallbacks in the same order.

Chances are compared over draws that are spread evenly, with a tolerance far above what so many draws may miss by.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from routebook.documents.printing import as_text
from routebook.policy.facts import Value
from routebook.routing.candidates import Candidate
from routebook.routing.given import given_facts, plan_for_given
from routebook.routing.importing.converting import convert
from routebook.routing.outcomes import Refuse
from routebook.routing.planning import Planner
from routebook.routing.policy import Policy
from routebook.routing.reading.loading import load_sources
from tests.support.peers import Answer, BifrostRequest, bifrost, litellm, portkey

CORPUS = Path(__file__).parents[2] / "corpus" / "imports"
DRAWS = 3000
TOLERANCE = 0.05
"""More than five standard deviations of a share over so many independent draws."""

Named = Callable[[Candidate], str]


def imported(gateway: str, path: Path, models: tuple[str, ...] = ()) -> Policy:
    """The policy made of a file of the corpus, which must be fit to serve."""
    found = convert(gateway, path.name, path.read_text(), models)
    assert found.policy is not None
    loaded = load_sources([("policy.yaml", found.policy)])
    assert loaded.policy is not None, as_text(loaded.problems, loaded.documents)
    return loaded.policy


def tried(policy: Policy, given: dict[str, Value], draw: float, named: Named) -> list[str] | None:
    """Who is called, in this order; None for a refusal."""
    rule = policy.tree.decide(given_facts(policy, given)).rule
    assert rule is not None, given
    if isinstance(rule.outcome, Refuse):
        return None
    plan = plan_for_given(Planner(policy), rule.outcome, rule.name, given, draw)
    return list(dict.fromkeys(named(each) for each in plan.kept))


def agree(policy: Policy, given: dict[str, Value], expected: Answer | None, named: Named) -> None:
    """The policy answers a request as expected, over many draws."""
    once = tried(policy, given, 0.5, named)
    if expected is None:
        assert not once, given
        return
    several = len(expected.first) > 1
    orders = [tried(policy, given, (number + 0.5) / DRAWS, named) for number in range(DRAWS if several else 1)]
    firsts = Counter(order[0] for order in orders if order)
    assert set(firsts) == set(expected.first), given
    for name, share in expected.first.items():
        assert abs(Fraction(firsts[name], len(orders)) - share) <= TOLERANCE, (given, name)
    stage_of = {name: number for number, stage in reversed(list(enumerate(expected.stages))) for name in stage}
    for order in orders[:50]:
        assert order is not None and set(order) == set(stage_of), given
        assert [stage_of[name] for name in order] == sorted(stage_of[name] for name in order), (given, order)


def by_id(candidate: Candidate) -> str:
    """A candidate as its upstream calls it."""
    return candidate.model.upstream_id


def subsets(names: list[str]) -> Iterator[tuple[str, ...]]:
    """Every subset."""
    for chosen in product((False, True), repeat=len(names)):
        yield tuple(name for name, wanted in zip(names, chosen, strict=True) if wanted)


@pytest.mark.parametrize("path", sorted((CORPUS / "litellm").iterdir()), ids=lambda path: path.stem)
def test_litellm(path: Path) -> None:
    """Every group and alias, with every combination of tags, with short prompts and long ones; and a name that is none."""
    config = yaml.safe_load(path.read_text())
    policy = imported("litellm", path)
    aliases = config.get("router_settings", {}).get("model_group_alias", {})
    tags = sorted(
        {tag for each in config["model_list"] for tag in each["litellm_params"].get("tags", [])} - {"default"}
    )
    embeds = {
        each["model_name"] for each in config["model_list"] if each.get("model_info", {}).get("mode") == "embedding"
    }
    names = [*dict.fromkeys(each["model_name"] for each in config["model_list"]), *aliases, "no-such-model"]
    for name, some, tokens in product(names, subsets(tags), (10, 20_000)):
        operation = "embeddings" if name in embeds else "chat"
        given: dict[str, Value] = {
            "request.model": name,
            "tags": frozenset(some),
            "prompt.tokens": tokens,
            "request.operation": operation,
        }
        agree(policy, given, litellm(config, name, some, tokens), by_id)


# One file of the corpus has conditions that cannot be said: they are reported, and the policy means something else.
SAYABLE = sorted(path for path in (CORPUS / "portkey").iterdir() if not path.stem.startswith("much-that"))


@pytest.mark.parametrize("path", SAYABLE, ids=lambda path: path.stem)
def test_portkey(path: Path) -> None:
    """Every combination of metadata that the conditions can tell apart, of limits and of models."""
    config = json.loads(path.read_text())
    opened = path.stem == "open-models"
    policy = imported("portkey", path, ("gpt-one",) if opened else ())
    asked = ["gpt-one"] if opened else ["gpt-one", "other"]
    cases = product(
        asked,
        (None, 500, 1000),
        ("paid", "trial", "free", None),
        ("interns", "web", None),
        ("test", None),
        ("eu", None),
    )
    for model, most, plan, team, stage, region in cases:
        said = {"plan": plan, "team": team, "stage": stage, "region": region}
        metadata = {name: value for name, value in said.items() if value is not None}
        given: dict[str, Value] = {f"request.metadata.{name}": value for name, value in metadata.items()}
        given |= {"request.model": model, "request.operation": "chat"}
        params: dict[str, Any] = {"model": model}
        if most is not None:
            given["request.max_output"] = params["max_tokens"] = most
        if not config.get("strategy", {}).get("mode", "").startswith("cond") and (most, plan, team, stage) != (
            None,
            "paid",
            "web",
            None,
        ):
            continue  # nothing asks about these
        agree(policy, given, portkey(config, metadata, params), by_id)


def by_vendor(candidate: Candidate) -> str:
    """A candidate as `provider:id`, whichever of a provider's addresses it stands at."""
    return f"{candidate.model.provider.name.rpartition('-')[0] or candidate.model.provider.name}:{candidate.model.upstream_id}"


@pytest.mark.parametrize("path", sorted((CORPUS / "bifrost").iterdir()), ids=lambda path: path.stem)
def test_bifrost(path: Path) -> None:
    """Every model with and without its provider, by every client, with headers that the rules ask about and without."""
    config = json.loads(path.read_text())
    policy = imported("bifrost", path)
    keys = [each["name"] for each in config.get("governance", {}).get("virtual_keys", [])]
    clients = {name: name.replace(" ", "-") for name in keys if name.replace(" ", "-") in policy.clients}
    callers: list[str | None] = list(clients) or [None]
    named = {
        f"{provider}/{model}"
        for provider, each in config["providers"].items()
        for key in each["keys"]
        for model in key["models"]
    }
    models = [*sorted(named), *sorted({name.partition("/")[2] for name in named})]
    headers = [
        {name: value for name, value in zip(("x-tier", "x-stage", "x-kind"), values, strict=True) if value is not None}
        for values in product(("premium", None), ("dev", "live", None), ("quick one", None))
    ]
    for caller, model, sent in product(
        callers, models, headers if "routing_rules" in path.read_text() else headers[-1:]
    ):
        kind = "embedding" if "embed" in model else "chat_completion"
        expected = bifrost(config, BifrostRequest(model, caller, sent, kind))
        given: dict[str, Value] = {f"request.header.{name}": value for name, value in sent.items()}
        given |= {"request.model": model, "request.operation": "embeddings" if kind == "embedding" else "chat"}
        if caller is not None:
            given["client.name"] = clients[caller]
            expected = only(expected, lambda name, key=caller: may(config, key, name))
        if kind == "embedding":
            # a rule may lead to a model of chats, which is called there in vain and not at all here
            expected = only(expected, lambda name: "embed" in name)
        agree(policy, given, expected, by_vendor)


def may(config: dict[str, Any], caller: str, name: str) -> bool:
    """Whether a virtual key lists a provider and its model."""
    [key] = [each for each in config["governance"]["virtual_keys"] if each["name"] == caller]
    provider, _, model = name.partition(":")
    return any(
        each["provider"] == provider and ("*" in each["allowed_models"] or model in each["allowed_models"])
        for each in key["provider_configs"]
    )


def only(answer: Answer | None, good: Callable[[str], bool]) -> Answer | None:
    """What is left of an answer where not everybody may be called: the next in order takes the place of who may not."""
    if answer is None:
        return None
    stages = tuple(left for stage in answer.stages if (left := frozenset(filter(good, stage))))
    first = {name: share for name, share in answer.first.items() if good(name)}
    if not first:
        return Answer({name: Fraction(1) for name in sorted(stages[0])[:1]}, stages) if stages else None
    whole = sum(first.values(), Fraction(0))
    return Answer({name: share / whole for name, share in first.items()}, stages)
