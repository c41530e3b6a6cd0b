"""Conditions and facts as JSON Schema: from the table of facts and the table of operators, for editors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from routebook.documents import schema as build
from routebook.documents.quantities import EXAMPLES, Unit
from routebook.documents.schema import Schema
from routebook.policy.facts import CostClass, FactSpec, FactTable, FactType
from routebook.policy.naming import JOINERS
from routebook.policy.operators import AMOUNT, OPERATORS, operators_for

COSTS = {
    CostClass.GIVEN: "known as soon as the request is read",
    CostClass.SCANNED: "takes one pass over the prompt",
    CostClass.SCORED: "takes a scorer's look at the prompt",
    CostClass.ASKED: "has to be asked of what the program remembers",
}
"""What each cost class means to an author."""

_AROUND = ("zone", "known", "missing")


def condition_schemas(table: FactTable) -> dict[str, Schema]:
    """The definition `condition`: what may stand under `when`, in `any_of` and in `conditions`.

    Beside it one definition for each kind of fact: what its value may be, and what may be asked of it.
    """
    joined = build.listed(build.ref("condition"), 1)
    mapping = _facts(table, lambda spec: build.ref(f"asked of a {_kind(spec)}"))
    mapping["properties"] |= {name: build.described(joined, doc) for name, doc in JOINERS.items()}
    mapping["minProperties"] = 1
    named = build.described({"type": "string"}, "the name of a condition from the `conditions` section")
    asked = {f"asked of a {_kind(spec)}": _question(spec) for spec in table}
    return {"condition": build.one_of_kinds(mapping, named), **asked, **value_schemas(table)}


def value_schemas(table: FactTable) -> dict[str, Schema]:
    """One definition for each kind of value that a fact may have."""
    return {f"value of a {_kind(spec)}": _value_schema(spec) for spec in table}


def given_schema(table: FactTable) -> Schema:
    """The facts of a request as a policy test gives them."""
    given = _facts(table, lambda spec: build.one_or_more(_value(spec)) if spec.type is FactType.SET else _value(spec))
    for spec in table:
        if spec.zoned:
            given["patternProperties"][f"^{re.escape(spec.name)}\\[.+\\]$"] = build.described(
                _value(spec), f"{spec.doc} (in the zone in brackets)"
            )
        if spec.units:
            given["patternProperties"][f"{_family(spec)[:-1]}\\[{AMOUNT}\\]$"] = build.described(
                _value(spec), f"{spec.doc} (as an amount, where a share is given too)"
            )
    return given


def describe(spec: FactSpec) -> str:
    """A fact in a line: what it is, how it is written, what knowing it takes."""
    return f"{spec.doc} ({written_as(spec)}; {COSTS[spec.cost]})"


def written_as(spec: FactSpec) -> str:
    """The type of a fact with its unit or words, as an author reads it."""
    match spec.type:
        case FactType.NUMBER if spec.unit is Unit.COUNT:
            return "number"
        case FactType.NUMBER:
            return "; or ".join(f"{unit.value}: {EXAMPLES[unit]}" for unit in (spec.unit, *spec.units))
        case FactType.TEXT | FactType.SET if spec.words:
            return f"{spec.type.value}: " + ", ".join(f"`{word}`" for word in spec.words)
        case kind:
            return str(kind.value)


def _facts(table: FactTable, schema_of: Callable[[FactSpec], Schema]) -> Schema:
    """A mapping whose keys are facts, families by their pattern."""
    exact = {spec.name: build.described(schema_of(spec), describe(spec)) for spec in table if not spec.is_family}
    families = {_family(spec): build.described(schema_of(spec), describe(spec)) for spec in table if spec.is_family}
    return {"type": "object", "additionalProperties": False, "properties": exact, "patternProperties": families}


def _family(spec: FactSpec) -> str:
    return "^" + r"\.".join(".+" if part == "NAME" else re.escape(part) for part in spec.name.split(".")) + "$"


def _kind(spec: FactSpec) -> str:
    """What facts with the same values and the same operators have in common."""
    match spec.type:
        case FactType.FLAG:
            return "flag"
        case FactType.NUMBER:
            return " or ".join(unit.value for unit in (spec.unit, *spec.units))
        case FactType.TEXT | FactType.SET if spec.words:
            return f"{spec.type.value} of {spec.name}"
        case FactType.TEXT | FactType.SET:
            return f"{spec.type.value}"


def _value(spec: FactSpec) -> Schema:
    return build.ref(f"value of a {_kind(spec)}")


def _value_schema(spec: FactSpec) -> Schema:
    match spec.type:
        case FactType.FLAG:
            return build.flag()
        case FactType.NUMBER:
            kinds = [build.quantity(unit) for unit in (spec.unit, *spec.units)]
            return kinds[0] if len(kinds) == 1 else build.one_of_kinds(*kinds)
        case FactType.TEXT | FactType.SET:
            if not spec.words:
                return build.text()
            words = build.word(spec.words)
            return build.one_of_kinds(words, build.text()) if spec.grows else words


def _question(spec: FactSpec) -> Schema:
    operators = _operators(spec, operators_for(spec))
    match spec.type:
        case FactType.SET:
            return operators
        case FactType.FLAG:
            return build.one_of_kinds(_value(spec), operators)
        case FactType.TEXT | FactType.NUMBER:
            return build.one_of_kinds(_value(spec), build.listed(_value(spec), 1), operators)


def _operators(spec: FactSpec, names: tuple[str, ...]) -> Schema:
    docs = {name: OPERATORS[name].doc for name in names}
    schema = build.record(docs, {name: _operand(name, spec) for name in names})
    return {**schema, "minProperties": 1}


def _operand(operator: str, spec: FactSpec) -> Schema:
    value = _value(spec)
    fixed: Mapping[str, Schema] = {
        "between": {"type": "array", "items": value, "minItems": 2, "maxItems": 2},
        "prefix": build.one_or_more(build.text()),
        "suffix": build.one_or_more(build.text()),
        "glob": build.one_or_more(build.text()),
        "zone": {"type": "string", "examples": ["Europe/Berlin", "America/New_York", "UTC"]},
        "known": build.flag(),
        "missing": build.word(["holds"]),
    }
    if operator in fixed:
        return fixed[operator]
    if operator == "not":
        inner = tuple(name for name in operators_for(spec) if name != "not" and name not in _AROUND)
        kinds = [] if spec.type is FactType.SET else [value, build.listed(value, 1)]
        return build.one_of_kinds(*kinds, *([_operators(spec, inner)] if inner else []))
    return build.one_or_more(value) if operator in ("any", "all", "none") else value
