"""A policy to begin with, from a few answers: whom to call, what may be spent, what must stay where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from routebook.documents.formatting.form import in_form
from routebook.documents.problems import Problems
from routebook.routing.drafting import Draft, Entry, Value, fresh, slug, written
from routebook.routing.facts import FACTS
from routebook.routing.importing.assumptions import CAPABILITIES
from routebook.routing.reading.published import policy_test_schema
from routebook.routing.vendors import base_of, vendor

AUTO = "auto"
"""The model that clients ask for who leave the choice to the policy."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """A vendor to call, its models, and its address where that is not the vendor's own."""

    vendor: str
    models: tuple[str, ...]
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """What somebody wants: `budget` as budgets write it (`$100`, `20M tokens`), `guarantee` a tag and the vendor that alone
    may see what is tagged so, `clients` by name."""

    upstreams: tuple[Upstream, ...]
    budget: str | None = None
    guarantee: tuple[str, str] | None = None
    clients: tuple[str, ...] = ()


def parse_upstream(text: str) -> Upstream:
    """`openai=gpt-5.6,gpt-5.6-mini` or `ollama=llama3.3:70b@http://127.0.0.1:11434`; raises ValueError with a reason."""
    said, at, address = text.partition("@http")
    name, equals, models = said.partition("=")
    listed = tuple(each.strip() for each in models.split(",") if each.strip())
    known = vendor(name.strip())
    if known is None:
        raise ValueError(f"`{name.strip()}` is no vendor that is known here")
    if not equals or not listed:
        raise ValueError(f"`{text}` names no model; write `{name.strip()}=MODEL,MODEL`")
    if not at and known.base_url is None:
        raise ValueError(f"`{name.strip()}` has no address of its own; write `{said}@https://...`")
    return Upstream(known.name, listed, f"http{address}" if at else None)


def starter(answers: Answers, known: Mapping[str, Entry]) -> dict[str, str]:
    """The files of a policy, by their names in its directory. `known` are models of which prices and abilities are known.

    Raises ValueError where a guarantee names a vendor that is not called.
    """
    draft = Draft(["Every rule from top to bottom: the first one whose conditions all hold decides."])
    served = {upstream.vendor: _upstream(draft, upstream, known) for upstream in answers.upstreams}
    draft.clients = {slug(name): {} for name in answers.clients}
    if answers.budget is not None:
        draft.budgets["month"] = {"limit": answers.budget, "window": "month"}
        draft.settings["default_max_output"] = "4k"
    tests: list[Entry] = []
    if answers.guarantee is not None:
        _guarantee(draft, answers.guarantee, served, tests)
    chats = [name for name, entry in draft.models.items() if "operations" not in entry]
    priced = all("price" in draft.models[name] for name in chats)
    if len(chats) > 1:
        pick: Entry = {"pick": "cheapest"} if priced else {}
        draft.rule(AUTO, {"request.model": AUTO}, {"route": {"to": chats, **pick}})
        tests.append(_test("who leaves the choice to us is served", {"request.model": AUTO}, {"rule": AUTO}))
    draft.rule("as-asked", None, {"route": {"to": "requested"}})
    first = next(iter(chats), None)
    if first is not None:
        given: Entry = {"request.model": first, **_tagged(answers)}
        tests.append(_test("whoever names a model gets it", given, {"rule": "as-asked", "model": first}))
    return {"policy": draft.text(), "tests/cases": _cases(tests)}


def unpriced(answers: Answers, known: Mapping[str, Entry]) -> list[str]:
    """Models that a budget in money cannot pay for, because nobody knows their price."""
    if answers.budget is None or not answers.budget.startswith("$"):
        return []
    return [
        name
        for upstream in answers.upstreams
        if (found := vendor(upstream.vendor)) is not None and found.variable is not None
        for name in upstream.models
        if "price" not in known.get(name, {})
    ]


def _upstream(draft: Draft, upstream: Upstream, known: Mapping[str, Entry]) -> tuple[str, list[str]]:
    found = vendor(upstream.vendor)
    assert found is not None, "names were looked up when they were read"
    address = found.base_url if upstream.address is None else base_of(found, upstream.address)
    variable = found.variable
    account: Entry = {"name": "main", "key": {"env": variable}} if variable else {"name": "none"}
    entry: Entry = {"dialect": found.dialect, "base_url": address or "", "accounts": [account]}
    if found.name == "azure":
        entry["key_header"] = "api-key"
    provider = draft.provider(found.name, entry)
    names = []
    for model in upstream.models:
        name = fresh(model, draft.models)
        details = {key: value for key, value in known.get(model, {}).items() if key != "provider"}
        identity: Entry = {} if name == model else {"id": model}
        draft.models[name] = {"provider": provider, **identity, **(details or _unknown(variable is None))}
        names.append(name)
    return provider, names


def _unknown(own: bool) -> Entry:
    """A model of which nothing is known; what stands on machines of one's own costs nothing a token."""
    price: Entry = {"price": {"input": 0, "output": 0}} if own else {}
    return {**price, "capabilities": list(CAPABILITIES)}


def _guarantee(
    draft: Draft, guarantee: tuple[str, str], served: Mapping[str, tuple[str, list[str]]], tests: list[Entry]
) -> None:
    tag, name = guarantee
    found = vendor(name)
    if found is None or found.name not in served:
        raise ValueError(f"`{name}` is none of the vendors that are called")
    provider, models = served[found.name]
    chats = [model for model in models if "operations" not in draft.models[model]]
    rule = f"{slug(tag)}-stays-with-{provider}"
    when: Value = {"tags": {"any": [tag]}}
    draft.rule(rule, when, {"route": {"to": chats}})
    draft.guarantees.append({"name": f"{rule}-always", "when": when, "only": {"provider": [provider]}})
    given: Entry = {"tags": [tag], "request.model": AUTO}
    tests.append(_test(f"what is tagged {tag} stays with {provider}", given, {"rule": rule, "model": chats[0]}))


def _tagged(answers: Answers) -> Entry:
    return {} if not answers.clients else {"client.name": slug(answers.clients[0])}


def _test(name: str, given: Entry, expect: Entry) -> Entry:
    return {"name": name, "given": given, "expect": expect}


def _cases(tests: Sequence[Entry]) -> str:
    lines = ["# What the rules must decide: `routebook check` runs these, and so does every reload.", "", "tests:"]
    for test in tests:
        first, *rest = test.items()
        lines += [f"  - {first[0]}: {written(first[1])}", *(f"    {key}: {written(value)}" for key, value in rest)]
    formed = in_form("tests", "\n".join(lines) + "\n", policy_test_schema(FACTS), Problems())
    assert formed is not None
    return formed
