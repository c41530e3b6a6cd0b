"""Values of facts as people write them in rules: `90k`, `10%`, `22:00`, `[batch, nightly]`."""

from __future__ import annotations

import datetime

from routebook.documents.quantities import NANO, Unit
from routebook.policy.facts import FactTable, FactType, Value
from routebook.policy.operators import AMOUNT


def say_value(fact: str, value: Value | None, table: FactTable, unit: Unit | None = None) -> str:
    """The value of a fact in its unit, or in a further one; `missing` where there is none.

    An amount without its unit, and a fact that is not in the table, speak plainly.
    """
    spec = table.find(fact)
    match value:
        case None:
            return "missing"
        case bool():
            return "true" if value else "false"
        case frozenset():
            return f"[{', '.join(sorted(value))}]"
        case str():
            return value if value else '""'
        case _:
            if spec is None or spec.type is not FactType.NUMBER or (unit is None and f"[{AMOUNT}]" in fact):
                return f"{value:.10g}"
            return say_amount(value, unit or spec.unit)


def say_amount(number: float, unit: Unit) -> str:
    """A number in a unit's Python form, as people write it."""
    match unit:
        case Unit.TOKENS | Unit.COUNT:
            return _scaled(number)
        case Unit.BYTES:
            return _bytes(number)
        case Unit.MONEY:
            return "$" + (f"{number / NANO:.2f}" if number % (NANO // 100) == 0 else f"{number / NANO:.9f}".rstrip("0"))
        case Unit.SHARE:
            return f"{number * 100:.10g}%"
        case Unit.DURATION:
            return f"{number * 1000:.10g}ms" if number < 1 else f"{number:.10g}s"
        case Unit.CLOCK:
            return _clock(int(number))
        case Unit.DATE:
            return datetime.date.fromordinal(int(number)).isoformat()
        case Unit.SCORE:
            return f"{number:.10g}"


def _scaled(number: float) -> str:
    for scale, letter in ((1_000_000, "M"), (1_000, "k")):
        if number >= scale and number % scale == 0:
            return f"{number // scale:g}{letter}"
    return str(number)


def _bytes(number: float) -> str:
    for scale, name in ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB")):
        if number >= scale and number % scale == 0:
            return f"{number // scale:g}{name}"
    return str(number)


def _clock(seconds: int) -> str:
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours:02}:{minutes:02}" + (f":{seconds % 60:02}" if seconds % 60 else "")
