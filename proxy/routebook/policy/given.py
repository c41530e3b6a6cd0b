"""Facts as people give them by hand: `prompt.tokens=90k`, `tags=nightly,batch`, `time.of_day=23:30`."""

from __future__ import annotations

from routebook.documents.problems import did_you_mean
from routebook.documents.quantities import EXAMPLES, NOUNS, parse_quantity
from routebook.policy.facts import FactSpec, FactTable, FactType, Value
from routebook.policy.naming import near_fact, zones
from routebook.policy.operators import AMOUNT


def parse_given(text: str, table: FactTable) -> tuple[str, Value]:
    """The key and value of one fact written as `name=value`; raises ValueError with a message for its author.

    A clock may name its zone (`time.of_day[Europe/Berlin]=23:30`); an amount of a fact that is a share by nature gets
    the key under which rules ask for it (`budget.team-month.left=$5` gives `budget.team-month.left[amount]`).
    """
    name, equals, written = text.partition("=")
    name = name.strip()
    if not equals:
        raise ValueError(f"`{text}` is not a fact; write `name=value`")
    spec = table.find(name)
    if spec is None:
        hint = near_fact(name, table)
        raise ValueError(f"unknown fact `{name}`" + (f"; {hint}" if hint else ""))
    if "[" in name:
        _check_mark(name, spec)
    return _value(name, written.strip(), spec)


def _check_mark(name: str, spec: FactSpec) -> None:
    mark = name.partition("[")[2]
    allowed = zones() if spec.zoned else {AMOUNT} if spec.units else set()
    if not mark.endswith("]") or mark[:-1] not in allowed:
        hint = did_you_mean(mark.rstrip("]"), allowed)
        raise ValueError(f"`{name}` is no key of `{spec.name}`" + (f"; {hint}" if hint else ""))


def _value(name: str, written: str, spec: FactSpec) -> tuple[str, Value]:
    match spec.type:
        case FactType.FLAG:
            if written not in ("true", "false"):
                raise ValueError(f"`{name}` is `true` or `false`, not `{written}`")
            return name, written == "true"
        case FactType.TEXT:
            return name, _word(written, spec)
        case FactType.SET:
            return name, frozenset(_word(word.strip(), spec) for word in written.split(",") if word.strip())
        case FactType.NUMBER:
            return _number(name, written, spec)


def _word(word: str, spec: FactSpec) -> str:
    if spec.words and word not in spec.words:
        hint = did_you_mean(word, spec.words) or "it is one of " + ", ".join(f"`{each}`" for each in spec.words)
        raise ValueError(f"`{word}` is not a value of `{spec.name}`; {hint}")
    return word


def _number(name: str, written: str, spec: FactSpec) -> tuple[str, Value]:
    if f"[{AMOUNT}]" not in name:
        number = parse_quantity(written, spec.unit)
        if number is not None:
            return name, number
    for unit in spec.units:
        number = parse_quantity(written, unit)
        if number is not None:
            return name.partition("[")[0] + f"[{AMOUNT}]", number
    ways = ", ".join(EXAMPLES[unit] for unit in (spec.unit, *spec.units))
    raise ValueError(f"`{written}` is not {NOUNS[spec.unit]}; write it as {ways}")
