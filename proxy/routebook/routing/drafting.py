"""A policy in the making: sections of names and values, and their text in the one form of policy files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from math import gcd

from routebook.documents.formatting.form import in_form
from routebook.documents.names import is_name
from routebook.documents.problems import Problems
from routebook.documents.schema import Schema
from routebook.routing.facts import FACTS
from routebook.routing.reading.published import policy_schema

Value = str | int | bool | Decimal | Sequence["Value"] | Mapping[str, "Value"]
"""What can be written; a text is put in quotes where it needs them."""

Entry = dict[str, Value]

_PLAIN = re.compile(r"[A-Za-z0-9_./$](?:[A-Za-z0-9_./@%+$*-]|:(?=[A-Za-z0-9_./]))*(?: [A-Za-z0-9_./@%+$*-]+)*\Z")
_LIKE_A_VALUE = re.compile(r"(?i:true|false|null|yes|no|on|off|y|n|~)\Z|[-+.]?[0-9][0-9_.:eE+-]*\Z")
_MOST = 1_000_000


@dataclass(slots=True)
class Draft:
    """The sections of a policy that is being drawn up; `heading` are lines of comment for its beginning."""

    heading: list[str] = field(default_factory=list)
    providers: dict[str, Entry] = field(default_factory=dict)
    models: dict[str, Entry] = field(default_factory=dict)
    clients: dict[str, Entry] = field(default_factory=dict)
    budgets: dict[str, Entry] = field(default_factory=dict)
    limits: dict[str, Entry] = field(default_factory=dict)
    rules: list[Entry] = field(default_factory=list)
    guarantees: list[Entry] = field(default_factory=list)
    settings: Entry = field(default_factory=dict)

    def provider(self, wanted: str, entry: Entry) -> str:
        """The name of a provider of this kind: one that is there already, or a new one named as near as may be."""
        for name, there in self.providers.items():
            if there == entry:
                return name
        name = fresh(wanted, self.providers)
        self.providers[name] = entry
        return name

    def rule(self, wanted: str, when: Value | None, outcome: Entry) -> None:
        """Add a rule; its name is as near to the wanted one as may be."""
        name = fresh(wanted, {str(rule["name"]) for rule in self.rules})
        condition: Entry = {} if when is None else {"when": when}
        self.rules.append({"name": name, **condition, **outcome})

    def text(self) -> str:
        """The policy as a file, in form."""
        lines = [f"# {line}".rstrip() for line in self.heading] + ["", "version: 1", ""]
        for section in ("providers", "models", "clients", "budgets", "limits"):
            lines += _section(section, getattr(self, section))
        lines += [*_listed("rules", self.rules), *_listed("guarantees", self.guarantees)]
        lines += [f"settings: {written(self.settings)}"] if self.settings else []
        problems = Problems()
        formed = in_form("draft", "\n".join(lines) + "\n", _schema(), problems)
        if formed is None:
            raise AssertionError(problems.found)
        return formed


@cache
def _schema() -> Schema:
    return policy_schema(FACTS)


def _section(name: str, entries: Mapping[str, Entry]) -> list[str]:
    if not entries:
        return []
    return [f"{name}:", *(f"  {written(key)}: {written(value)}" for key, value in entries.items()), ""]


def _listed(name: str, entries: Sequence[Entry]) -> list[str]:
    if not entries:
        return []
    lines = [f"{name}:"]
    for entry in entries:
        first, *rest = entry.items()
        lines += [f"  - {first[0]}: {written(first[1])}", *(f"    {key}: {written(value)}" for key, value in rest), ""]
    return lines


def written(value: Value) -> str:
    """A value on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case Decimal():
            return f"{value.normalize():f}"
        case str():
            plain = _PLAIN.match(value) and not _LIKE_A_VALUE.match(value)
            return value if plain else json.dumps(value, ensure_ascii=not value.isprintable())
        case Mapping():
            return "{" + ", ".join(f"{written(key)}: {written(inner)}" for key, inner in value.items()) + "}"
        case _:
            return "[" + ", ".join(written(inner) for inner in value) + "]"


def slug(text: str) -> str:
    """A text as a name: what a name cannot hold becomes a hyphen."""
    plain = re.sub(r"[^A-Za-z0-9._:/@+-]+", "-", text).strip("-._:/@+")[:100]
    return plain if is_name(plain) else "unnamed"


def fresh(wanted: str, taken: Iterable[str]) -> str:
    """The wanted name, with a number where it is taken or the language's own."""
    name, known, number = slug(wanted), {*taken, "requested", "by", "account"}, 2
    while name in known:
        name = f"{slug(wanted)}-{number}"
        number += 1
    return name


def whole_weights(shares: Mapping[str, Decimal]) -> dict[str, int]:
    """Shares as whole weights of the same ratio, as small as may be; rounded where no whole numbers below a million fit."""
    places = max((-int(share.as_tuple().exponent) for share in shares.values()), default=0)
    scaled = {name: int(share * 10 ** max(0, places)) for name, share in shares.items()}
    least = gcd(*scaled.values()) or 1
    weights = {name: weight // least for name, weight in scaled.items()}
    most = max(weights.values(), default=0)
    return weights if most <= _MOST else {name: round(weight * _MOST / most) for name, weight in weights.items()}


def route(to: Sequence[str], weights: Mapping[str, int] | None = None, terms: Entry | None = None) -> Entry:
    """A route: to one model, to several in order, or drawn by weights, those without a weight in order after them."""
    rest = dict(terms or {})
    if len(to) == 1 or not weights or sum(1 for name in to if weights.get(name)) <= 1:
        first = [name for name in to if weights and weights.get(name)]
        return {"route": {"to": list(dict.fromkeys([*first, *to])), **rest}}
    return {"route": {"to": list(to), "pick": "weighted", "weights": dict(weights), **rest}}


def seconds(value: Decimal) -> str:
    """A number of seconds as the language writes durations."""
    return f"{value.normalize():f}s" if value >= 1 else f"{(value * 1000).normalize():f}ms"


def dollars(value: Decimal | None) -> str | None:
    """An amount of money as the language writes it, rounded down to what it counts in; None where nothing is left."""
    nano = 0 if value is None else int(value * 1_000_000_000)
    return f"${(Decimal(nano) / 1_000_000_000).normalize():f}" if nano > 0 else None
