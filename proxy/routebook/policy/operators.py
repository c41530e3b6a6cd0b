"""The questions that a rule may put to a fact: one table of operators, and how each becomes a predicate.

An operator belongs to types of facts. The table is the source of the reference page and of the editor's schema.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from routebook.documents.nodes import Mapping, Node, Scalar, Sequence
from routebook.documents.problems import Problems, did_you_mean
from routebook.documents.quantities import EXAMPLES, Unit, parse_quantity
from routebook.documents.reading import kind_of, read_flag, read_list, read_quantity, read_texts, read_word
from routebook.policy.conditions import (
    Every,
    Glob,
    HasAll,
    HasAny,
    InIntervals,
    Interval,
    IsFlag,
    Not,
    OneOf,
    Predicate,
)
from routebook.policy.facts import FactSpec, FactType

AMOUNT = "amount"
"""The mark in a fact's key that asks for it in a further unit: `budget.team-month.left[amount]`."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator: the fact types it applies to, whether it belongs to clocks only, and what it asks."""

    types: tuple[FactType, ...]
    doc: str
    clocks: bool = False


_NUMBERS = (FactType.NUMBER,)
_TEXTS = (FactType.TEXT,)
_ALL = tuple(FactType)

OPERATORS: dict[str, Operator] = {
    "not": Operator(
        (FactType.FLAG, FactType.TEXT, FactType.NUMBER, FactType.SET),
        "the value is known and none of these: a value, a list, or operators",
    ),
    "at_least": Operator(_NUMBERS, "the number is this or more"),
    "above": Operator(_NUMBERS, "the number is more than this"),
    "at_most": Operator(_NUMBERS, "the number is this or less"),
    "below": Operator(_NUMBERS, "the number is less than this"),
    "between": Operator(_NUMBERS, "the number lies between two, both included"),
    "prefix": Operator(_TEXTS, "the text begins with this, or with one of these"),
    "suffix": Operator(_TEXTS, "the text ends with this, or with one of these"),
    "glob": Operator(_TEXTS, "the text matches this pattern, or one of these (`*` any run, `?` any one character)"),
    "any": Operator((FactType.TEXT, FactType.SET), "the text is one of these; the set has at least one of these"),
    "all": Operator((FactType.SET,), "the set has all of these"),
    "none": Operator((FactType.SET,), "the set is known and has none of these"),
    "from": Operator((FactType.NUMBER, FactType.TEXT), "the clock reads this or later", clocks=True),
    "to": Operator(
        (FactType.NUMBER, FactType.TEXT),
        "the clock reads earlier than this (a time of day), or this at most (a date, a weekday)",
        clocks=True,
    ),
    "zone": Operator(
        (FactType.NUMBER, FactType.TEXT), "the time zone in which the clock is read (default UTC)", clocks=True
    ),
    "known": Operator(_ALL, "whether the fact is known at all: `true` or `false`"),
    "missing": Operator(_ALL, "`holds`: the condition holds where the fact is missing"),
}
"""Every operator, in the order in which the reference shows them."""

_AROUND = ("zone", "known", "missing")
"""Operators that say how a fact is asked, not what its value must be."""


def operators_for(spec: FactSpec) -> tuple[str, ...]:
    """The operators that apply to a fact."""
    return tuple(
        name
        for name, operator in OPERATORS.items()
        if spec.type in operator.types and (spec.zoned or not operator.clocks)
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """What must be true of a fact's value.

    `unit` is the further unit in which its numbers were written, if not the fact's own: then it is asked as an amount.
    """

    predicate: Predicate
    unit: Unit | None = None


def read_question(node: Node, spec: FactSpec, problems: Problems) -> list[Asked]:
    """What a rule writes under a fact: a value, a list of values, or operators that must all hold.

    Operators that say how to ask (`zone`, `known`, `missing`) are passed over; the caller reads them.
    """
    match node:
        case Mapping():
            return _read_operators(node, spec, problems)
        case _ if spec.type is FactType.SET:
            problems.error(
                "policy.wrong-operator",
                f"`{spec.name}` is a set, found {kind_of(node)}",
                node.location,
                "ask a set with `any`, `all` or `none`: `{any: [batch]}`",
            )
            return []
        case Sequence():
            return _read_values(node, spec, problems)
        case Scalar() if node.is_null:
            problems.error(
                "policy.empty-question",
                f"nothing is asked of `{spec.name}`",
                node.location,
                "write a value, a list of values or operators; `{known: false}` asks whether it is missing",
            )
            return []
        case Scalar():
            return _read_values(node, spec, problems)


def _read_operators(node: Mapping, spec: FactSpec, problems: Problems) -> list[Asked]:
    asked: list[Asked] = []
    for key, value in node:
        if key.text in operators_for(spec) and key.text not in (*_AROUND, "from", "to"):
            asked += _READERS[key.text](value, spec, problems)
    if spec.zoned and (node.get("from") is not None or node.get("to") is not None):
        asked += _read_from_to(node, spec, problems)
    return asked


def _read_values(node: Node, spec: FactSpec, problems: Problems) -> list[Asked]:
    """Equality, or one of several values."""
    items = _items(node, problems)
    if not items:
        return []
    match spec.type:
        case FactType.FLAG:
            flags = [read_flag(item, problems) for item in items]
            if len(flags) > 1:
                problems.error("policy.wrong-operator", f"`{spec.name}` is a flag and takes one value", node.location)
            return [Asked(IsFlag(flags[0]))] if flags[0] is not None else []
        case FactType.TEXT | FactType.SET:
            return _words(OneOf, node, spec, problems)
        case FactType.NUMBER:
            numbers = [_number(item, spec, problems) for item in items]
            units = {number[1] for number in numbers if number is not None}
            if len(units) > 1:
                problems.error("policy.mixed-units", "one list mixes a share and amounts", node.location)
            return [
                Asked(InIntervals(tuple(Interval(number[0], number[0]) for number in numbers if number)), unit)
                for unit in units
            ]


def _items(node: Node, problems: Problems) -> tuple[Node, ...]:
    items = read_list(node, problems, "a value or a list of values")
    if isinstance(node, Sequence) and not items:
        problems.error("policy.empty-list", "an empty list holds for nothing", node.location)
    return items


def _words(make: Callable[[frozenset[str]], Predicate], node: Node, spec: FactSpec, problems: Problems) -> list[Asked]:
    """Words for a text or a set; where the fact has a closed set of words, each must be one of them."""
    items = _items(node, problems)
    if spec.words:
        texts = [read_word(item, spec.words, problems, f"a value of `{spec.name}`") for item in items]
    else:
        texts = [text for item in items for text in _text(item, problems)]
    known = frozenset(text for text in texts if text is not None)
    return [Asked(make(known))] if known else []


def _text(item: Node, problems: Problems) -> tuple[str, ...]:
    if isinstance(item, Scalar) and item.quoted:
        return (item.text,)
    return read_texts(item, problems)


_SIGNS = {">=": "at_least", "=>": "at_least", ">": "above", "<=": "at_most", "=<": "at_most", "<": "below", "!=": "not"}
"""Signs that other languages compare with, and the operators that mean the same."""


def _compares_by_sign(node: Node, problems: Problems) -> bool:
    """Whether a number is compared by a sign, which is reported with the operator that means it."""
    sign = next((sign for sign in _SIGNS if isinstance(node, Scalar) and node.text.startswith(sign)), None)
    if sign is None or not isinstance(node, Scalar):
        return False
    number = node.text.removeprefix(sign).strip()
    problems.error(
        "policy.unknown-operator",
        f"`{sign}` is no operator of this language",
        node.location,
        f"write `{{{_SIGNS[sign]}: {number}}}`",
    )
    return True


def _number(node: Node, spec: FactSpec, problems: Problems) -> tuple[int | float, Unit | None] | None:
    """A number in the fact's own unit (None), or in a further one."""
    if _compares_by_sign(node, problems):
        return None
    if isinstance(node, Scalar) and parse_quantity(node.text, spec.unit) is None:
        for unit in spec.units:
            amount = parse_quantity(node.text, unit)
            if amount is not None:
                return amount, unit
        if spec.units:
            ways = ", ".join(EXAMPLES[unit] for unit in (spec.unit, *spec.units))
            problems.error(
                "document.wrong-unit",
                f"`{node.text}` is no quantity of `{spec.name}`",
                node.location,
                f"write it as {ways}",
            )
            return None
    number = read_quantity(node, spec.unit, problems)
    return None if number is None else (number, None)


def _read_bound(make: Callable[[int | float], Interval]) -> Callable[[Node, FactSpec, Problems], list[Asked]]:
    def read(node: Node, spec: FactSpec, problems: Problems) -> list[Asked]:
        number = _number(node, spec, problems)
        return [] if number is None else [Asked(InIntervals((make(number[0]),)), number[1])]

    return read


def _read_between(node: Node, spec: FactSpec, problems: Problems) -> list[Asked]:
    if not isinstance(node, Sequence) or len(node.items) != 2:
        problems.error(
            "policy.wrong-operator",
            f"`between` takes two values, found {f'{len(node.items)}' if isinstance(node, Sequence) else kind_of(node)}",
            node.location,
            "write `between: [low, high]`; both ends are included",
        )
        return []
    low, high = (_number(item, spec, problems) for item in node)
    if low is None or high is None:
        return []
    if low[1] != high[1]:
        problems.error("policy.mixed-units", "`between` mixes a share and an amount", node.location)
        return []
    if low[0] > high[0]:
        first, second = (item.text if isinstance(item, Scalar) else "" for item in node)
        problems.error(
            "policy.contradiction",
            f"no number lies between `{first}` and `{second}`: the first is the larger",
            node.location,
            f"write `between: [{second}, {first}]`",
        )
        return []
    return [Asked(InIntervals((Interval(low[0], high[0]),)), low[1])]


def _read_not(node: Node, spec: FactSpec, problems: Problems) -> list[Asked]:
    if isinstance(node, Mapping):
        for key, _ in node:
            if key.text in _AROUND:
                problems.error(
                    "policy.wrong-operator",
                    f"`{key.text}` does not belong under `not`",
                    key.location,
                    f"write it beside `not`: `{{not: ..., {key.text}: ...}}`",
                )
            elif key.text not in operators_for(spec):
                report_operator(key, spec, problems)
    elif spec.type is FactType.SET:
        problems.error(
            "policy.wrong-operator",
            f"`{spec.name}` is a set, found {kind_of(node)}",
            node.location,
            "write `none: [...]` for a set that has none of these",
        )
        return []
    asked = read_question(node, spec, problems)
    units = {each.unit for each in asked}
    if len(units) > 1:
        problems.error("policy.mixed-units", "one `not` mixes a share and an amount", node.location)
    return [Asked(Not(every([each.predicate for each in asked if each.unit is unit])), unit) for unit in units]


def report_operator(key: Scalar, spec: FactSpec, problems: Problems) -> None:
    """Say that an operator does not exist, or does not fit the type of the fact."""
    fitting = ", ".join(f"`{name}`" for name in operators_for(spec))
    kind = "clock" if spec.zoned else spec.type.value
    if key.text in OPERATORS:
        problems.error(
            "policy.wrong-operator",
            f"`{key.text}` cannot be asked of `{spec.name}`, a {kind}",
            key.location,
            f"a {kind} takes {fitting}",
        )
    else:
        problems.error(
            "policy.unknown-operator",
            f"unknown operator `{key.text}`",
            key.location,
            did_you_mean(key.text, operators_for(spec)) or f"a {kind} takes {fitting}",
        )


def every(predicates: list[Predicate]) -> Predicate:
    """All of the predicates as one."""
    return predicates[0] if len(predicates) == 1 else Every(tuple(predicates))


def _any_glob(make: Callable[[str], str]) -> Callable[[Node, FactSpec, Problems], list[Asked]]:
    """Globs from plain texts (`prefix`, `suffix`) or patterns; a list holds where one of them matches."""

    def read(node: Node, spec: FactSpec, problems: Problems) -> list[Asked]:
        globs: list[Predicate] = []
        for item in _items(node, problems):
            for text in read_texts(item, problems):
                if make(text) != text and ("*" in text or "?" in text):
                    problems.error(
                        "policy.wrong-operator",
                        f"`{text}` is not plain text",
                        item.location,
                        "`*` and `?` stand for other characters in `glob` only",
                    )
                globs.append(Glob(make(text)))
        return [Asked(any_of(globs))] if globs else []

    return read


def any_of(predicates: list[Predicate]) -> Predicate:
    """At least one of the predicates, said with `Not` and `Every`."""
    return predicates[0] if len(predicates) == 1 else Not(Every(tuple(Not(each) for each in predicates)))


def _read_from_to(node: Mapping, spec: FactSpec, problems: Problems) -> list[Asked]:
    """A stretch of the clock: a time of day up to but not including `to`, dates and weekdays with both ends."""
    start, end = node.get("from"), node.get("to")
    if spec.type is FactType.TEXT:
        return _read_days(start, end, spec, problems)
    low = None if start is None else read_quantity(start, spec.unit, problems)
    high = None if end is None else read_quantity(end, spec.unit, problems)
    if (start is not None and low is None) or (end is not None and high is None):
        return []
    closed = spec.unit is Unit.DATE
    if not closed and low is not None and high is not None and low >= high:
        if low == high:
            problems.error(
                "policy.contradiction",
                "`from` and `to` are the same time, which is never",
                node.location,
                "leave both out for the whole day",
            )
            return []
        return [Asked(InIntervals((Interval(low, None), Interval(None, high, high_closed=False))))]
    return [Asked(InIntervals((Interval(low, high, high_closed=closed),)))]


def _read_days(start: Node | None, end: Node | None, spec: FactSpec, problems: Problems) -> list[Asked]:
    what = f"a value of `{spec.name}`"
    first = spec.words[0] if start is None else read_word(start, spec.words, problems, what)
    last = spec.words[-1] if end is None else read_word(end, spec.words, problems, what)
    if first is None or last is None:
        return []
    low, high = spec.words.index(first), spec.words.index(last)
    days = spec.words[low : high + 1] if low <= high else spec.words[low:] + spec.words[: high + 1]
    return [Asked(OneOf(frozenset(days)))]


def _any(node: Node, spec: FactSpec, problems: Problems) -> list[Asked]:
    return _words(HasAny if spec.type is FactType.SET else OneOf, node, spec, problems)


def _none(node: Node, spec: FactSpec, problems: Problems) -> list[Asked]:
    return _words(lambda members: Not(HasAny(members)), node, spec, problems)


_READERS: dict[str, Callable[[Node, FactSpec, Problems], list[Asked]]] = {
    "not": _read_not,
    "at_least": _read_bound(lambda number: Interval(number, None)),
    "above": _read_bound(lambda number: Interval(number, None, low_closed=False)),
    "at_most": _read_bound(lambda number: Interval(None, number)),
    "below": _read_bound(lambda number: Interval(None, number, high_closed=False)),
    "between": _read_between,
    "prefix": _any_glob(lambda text: text + "*"),
    "suffix": _any_glob(lambda text: "*" + text),
    "glob": _any_glob(lambda text: text),
    "any": _any,
    "all": lambda node, spec, problems: _words(HasAll, node, spec, problems),
    "none": _none,
}
