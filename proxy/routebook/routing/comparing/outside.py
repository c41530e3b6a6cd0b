"""What two policies say otherwise outside the rules: models, providers, clients, budgets and all else that a request
meets on its way. No region of requests follows from it, so it is listed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from routebook.catalogue.callers import Client
from routebook.catalogue.models import Price
from routebook.catalogue.providers import EnvironmentKey, FileKey, Provider
from routebook.documents.problems import Location
from routebook.documents.quantities import Unit
from routebook.ledger.budgets import Budget
from routebook.policy.conditions import AllOf, AnyOf, Named, Test
from routebook.policy.coverage import tests_of
from routebook.policy.sameness import names_of_parts, same
from routebook.routing.policy import Policy
from routebook.routing.reasons import dollars

LONGEST = 80
"""Characters of a value that are shown."""

_SECRET = frozenset({"keys"})
"""Fields of which it is only said that they changed: digests tell nobody anything."""


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that is said otherwise, before and after."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Altered:
    """Something that was `added`, `removed` or `changed`: a `kind` of thing, by its name."""

    kind: str
    name: str
    how: str
    fields: tuple[Field, ...] = ()


def altered(old: Policy, new: Policy) -> Iterator[Altered]:
    """All that is said otherwise outside the rules, by kind and name."""
    for kind, before, after in (
        ("provider", old.catalogue.providers, new.catalogue.providers),
        ("model", old.catalogue.models, new.catalogue.models),
        ("pool", old.catalogue.pools, new.catalogue.pools),
        ("client", old.clients, new.clients),
        ("budget", old.budgets, new.budgets),
        ("limit", old.limits, new.limits),
        ("pattern", old.patterns, new.patterns),
        ("guard", old.guards, new.guards),
        ("class of task", _by_name(old.tasks), _by_name(new.tasks)),
        ("guarantee", _by_name(old.guarantees), _by_name(new.guarantees)),
    ):
        yield from _of_kind(kind, before, after)
    was, now = ([task.name for task in policy.tasks] for policy in (old, new))
    if was != now and sorted(was) == sorted(now):
        order = Field("order", _plain(was), _plain(now))
        yield Altered("class of task", "", "changed", (order,))
    changed = tuple(_fields("", old.settings, new.settings))
    if changed:
        yield Altered("settings", "", "changed", changed)


def _by_name(things: tuple[Any, ...]) -> Mapping[str, Any]:
    return {each.name: each for each in things}


def _of_kind(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Altered]:
    for name in (*old, *(name for name in new if name not in old)):
        if name not in new:
            yield Altered(kind, name, "removed")
        elif name not in old:
            yield Altered(kind, name, "added")
        else:
            changed = tuple(_fields("", old[name], new[name]))
            if changed:
                yield Altered(kind, name, "changed", changed)


def _fields(path: str, old: Any, new: Any, whole: Any = None) -> Iterator[Field]:
    """The parts of two things that differ; `whole` is the thing that they belong to."""
    if same(old, new):
        return
    if type(old) is type(new) and _has_parts(old):
        for part in names_of_parts(old) or ():
            name = f"{path}.{part}" if path else part
            before, after = getattr(old, part), getattr(new, part)
            if isinstance(before, Provider) and isinstance(after, Provider):
                before, after = before.name, after.name  # what else is said of it is told where it is declared
            yield from _fields(name, before, after, old)
        return
    if path in _SECRET:
        yield Field(path, "", "")
    else:
        yield Field(path, _said(path, old, whole), _said(path, new, whole))


def _has_parts(thing: Any) -> bool:
    return names_of_parts(thing) is not None and not isinstance(
        thing, Test | AllOf | AnyOf | Named | EnvironmentKey | FileKey | Location
    )


def _said(path: str, value: Any, whole: Any) -> str:
    is_money = isinstance(whole, Price) or (isinstance(whole, Budget) and whole.unit is Unit.MONEY and path == "limit")
    if is_money and isinstance(value, int):
        return dollars(value)
    text = _plain(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def _plain(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case Enum():
            return str(value.value)
        case EnvironmentKey(name):
            return f"{{env: {name}}}"
        case FileKey(path):
            return f"{{file: {path}}}"
        case Provider() | Client():
            return value.name
        case Test() | AllOf() | AnyOf() | Named():
            return ", ".join(dict.fromkeys(test.text for test in tests_of(value))) or "always"
        case Mapping():
            return "{" + ", ".join(f"{_plain(key)}: {_plain(each)}" for key, each in value.items()) + "}"
        case set() | frozenset():
            return "[" + ", ".join(sorted(map(_plain, value))) + "]"
        case list() | tuple():
            return "[" + ", ".join(map(_plain, value)) + "]"
    names = names_of_parts(value)
    if names is not None:
        parts = [(name, getattr(value, name)) for name in names]
        return "{" + ", ".join(f"{name}: {_plain(part)}" for name, part in parts if part not in (None, (), {})) + "}"
    return str(value)
