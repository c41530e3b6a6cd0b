"""The table of facts for readers: plain text, plain values, and the reference page."""

from __future__ import annotations

from routebook.documents.quantities import EXAMPLES, Unit
from routebook.policy.facts import CostClass, FactSpec, FactTable, FactType
from routebook.policy.naming import JOINERS
from routebook.policy.operators import OPERATORS, Operator, operators_for
from routebook.policy.published import COSTS, written_as

_TITLES = {CostClass.GIVEN: "Given", CostClass.SCANNED: "Scanned", CostClass.SCORED: "Scored", CostClass.ASKED: "Asked"}


def facts_as_text(table: FactTable) -> str:
    """Two lines a fact, for a terminal."""
    lines = []
    for cost in CostClass:
        for spec in _of_class(table, cost):
            lines += [
                f"{spec.name}  ({written_as(spec)})".replace("`", ""),
                f"    {spec.doc}".replace("`", ""),
                f"    {cost.name.lower()}; {', '.join(operators_for(spec))}",
            ]
    return "\n".join(lines) + "\n"


def facts_as_values(table: FactTable) -> list[dict[str, object]]:
    """One mapping a fact, for programs."""
    return [_as_values(spec) for spec in table]


def facts_as_markdown(table: FactTable) -> str:
    """The page `docs/facts.md`."""
    parts = [_INTRODUCTION]
    for cost in CostClass:
        rows = _of_class(table, cost)
        if rows:
            parts.append(
                f"## {_TITLES[cost]}: {COSTS[cost]}\n\n| fact | type | what it is |\n|---|---|---|\n"
                + "".join(f"| `{spec.name}` | {_cell(written_as(spec))} | {_cell(spec.doc)} |\n" for spec in rows)
            )
    parts.append(_operators_page())
    parts.append(_units_page())
    return "\n".join(parts)


_INTRODUCTION = """\
# Facts: what a rule may ask about

<!-- Written by `make docs` from the tables that the program reads policies with. -->

A condition asks about facts: `when: {prompt.tokens: {at_least: 32k}, tags: {any: [batch]}}`. All entries of a mapping
must hold. A name with NAME in it stands for many (`client.label.NAME`: `client.label.cost-centre`).

A fact may be missing in a request. A condition on a missing fact does not hold, and neither does its negation (`not`,
`none`), unless it says `missing: holds`. `known: false` asks whether a fact is missing.

Facts have cost classes. A dear fact is asked only where a rule that may still decide needs it, so a rule about the prompt's
tokens costs nothing for requests that an earlier rule has decided.
"""


def _operators_page() -> str:
    rows = "".join(
        f"| `{name}` | {_applies_to(operator)} | {_cell(operator.doc)} |\n" for name, operator in OPERATORS.items()
    )
    joined = "".join(f"| `{name}` | conditions | {doc} |\n" for name, doc in JOINERS.items())
    return (
        "## Operators\n\nA plain value asks for equality (`client.team: research`), a list for one of several (`request.model: "
        "[auto, best]`). A set is asked with `any`, `all` or `none`. Several operators under one fact must all hold.\n\n"
        "| operator | asks | holds where |\n|---|---|---|\n" + rows + joined
    )


def _units_page() -> str:
    rows = "".join(f"| {unit.value} | {EXAMPLES[unit]} |\n" for unit in Unit)
    return (
        "## Units\n\nA number without its unit, or with another one, is an error.\n\n| unit | written as |\n|---|---|\n"
        + rows
    )


def _of_class(table: FactTable, cost: CostClass) -> list[FactSpec]:
    return [spec for spec in table if spec.cost is cost]


def _applies_to(operator: Operator) -> str:
    return "clocks" if operator.clocks else ", ".join(f"{kind.value}s" for kind in FactType if kind in operator.types)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _as_values(spec: FactSpec) -> dict[str, object]:
    shown: dict[str, object] = {
        "name": spec.name,
        "type": spec.type.value,
        "cost": spec.cost.name.lower(),
        "doc": spec.doc,
        "may_be_missing": spec.may_be_missing,
        "zoned": spec.zoned,
        "operators": list(operators_for(spec)),
    }
    if spec.type is FactType.NUMBER:
        shown["units"] = [unit.value for unit in (spec.unit, *spec.units)]
    if spec.words:
        shown["words"] = list(spec.words)
    return shown
