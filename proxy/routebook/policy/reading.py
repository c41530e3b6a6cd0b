"""Reading conditions: from what an author wrote to values, with every problem on the way.

    when: {tags: {any: [batch]}, prompt.tokens: {at_least: 32k}, any_of: [office-hours, {client.team: support}]}

A mapping holds where all its entries hold. Its keys are facts, `any_of` or `all_of`; a plain text is the name of a
condition from the `conditions` section. Where something cannot be read, a problem is added and `ALWAYS` stands in for
it: a policy with problems is never used.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field

from routebook.documents.nodes import Mapping, Node, Scalar, Sequence
from routebook.documents.problems import Problems, did_you_mean
from routebook.documents.quantities import Unit
from routebook.documents.reading import kind_of, read_flag, read_text
from routebook.policy.conditions import ALWAYS, AllOf, AnyOf, Condition, Named, Predicate, Test
from routebook.policy.contradictions import can_hold
from routebook.policy.facts import FactSpec, FactTable
from routebook.policy.given import parse_given
from routebook.policy.naming import JOINERS, near_fact, near_zone, zones
from routebook.policy.operators import AMOUNT, OPERATORS, every, operators_for, read_question, report_operator

__all__ = ["parse_given", "read_condition", "read_conditions", "read_zone", "tests_in", "written"]

MAX_TESTS = 1000
"""How many tests one condition may come to with its named conditions spelled out. Names that use each other twice
double at each level, so without a bound thirty lines could stand for a billion tests."""

MAX_NESTING = 64
"""How deep a condition may nest, named conditions spelled out; no deeper than a document may."""


def read_condition(node: Node, table: FactTable, named: MappingOf[str, Condition], problems: Problems) -> Condition:
    """A condition as written, in terms of the facts in the table and the named conditions."""
    return _check_size(_Reader(table, problems, named).read(node), node, problems)


def read_conditions(section: Mapping, table: FactTable, problems: Problems) -> dict[str, Condition]:
    """The `conditions` section: each may use others, before or after it, but not itself in the end."""
    library = _Library(table, problems, {key.text: (key, node) for key, node in section})
    return {key.text: library.resolve(key) for key, _ in section}


@dataclass(slots=True)
class _Library:
    """The named conditions while they are read: each one when it is first asked for."""

    table: FactTable
    problems: Problems
    written: dict[str, tuple[Scalar, Node]]
    done: dict[str, Condition] = field(default_factory=dict)
    under_way: list[str] = field(default_factory=list)

    def resolve(self, asked: Scalar) -> Condition:
        """The condition of a name; `asked` is the place that names it."""
        name = asked.text
        if name in self.done:
            return self.done[name]
        key, node = self.written[name]
        if name in self.under_way:
            circle = " -> ".join(f"`{each}`" for each in (*self.under_way[self.under_way.index(name) :], name))
            self.problems.error(
                "policy.circular-condition",
                f"the condition `{name}` rests on itself: {circle}",
                asked.location,
                related=[(key.location, "where it is defined")],
            )
            return ALWAYS
        if len(self.under_way) >= MAX_NESTING:
            self.problems.error(
                "policy.condition-too-large",
                f"named conditions lead into each other more than {MAX_NESTING} deep",
                asked.location,
            )
            return ALWAYS
        self.under_way.append(name)
        condition = _check_size(_Reader(self.table, self.problems, self.written, self).read(node), node, self.problems)
        self.under_way.pop()
        self.done[name] = condition
        return condition


@dataclass(slots=True)
class _Reader:
    """Reads conditions; `names` are those that may be referred to, `library` is where unread ones come from."""

    table: FactTable
    problems: Problems
    names: MappingOf[str, object]
    library: _Library | None = None

    def read(self, node: Node) -> Condition:
        match node:
            case Mapping(()):
                self.problems.error(
                    "policy.empty-condition",
                    "an empty condition asks nothing",
                    node.location,
                    "a rule without `when` matches every request",
                )
                return ALWAYS
            case Mapping():
                return _all([part for key, value in node for part in self._entry(key, value)])
            case Scalar() if not node.is_null:
                return self._named(node)
            case _:
                hint = "write `any_of: [...]` or `all_of: [...]`" if isinstance(node, Sequence) else None
                self.problems.error(
                    "document.wrong-type", f"expected a condition, found {kind_of(node)}", node.location, hint
                )
                return ALWAYS

    def _named(self, node: Scalar) -> Condition:
        if node.text not in self.names:
            hint = did_you_mean(node.text, self.names)
            if hint is None and self.table.find(node.text) is not None:
                hint = f"to ask about the fact, write `{{{node.text}: ...}}`"
            self.problems.error("policy.unknown-condition", f"unknown condition `{node.text}`", node.location, hint)
            return ALWAYS
        if self.library is not None:
            return Named(node.text, self.library.resolve(node))
        condition = self.names[node.text]
        assert isinstance(condition, Test | AllOf | AnyOf | Named)
        return Named(node.text, condition)

    def _entry(self, key: Scalar, node: Node) -> list[Condition]:
        if key.text in JOINERS:
            return [self._joined(key, node)]
        spec = None if "[" in key.text else self.table.find(key.text)
        if spec is None:
            self._unknown_fact(key)
            return []
        return list(_read_tests(key, node, spec, self.problems))

    def _joined(self, key: Scalar, node: Node) -> Condition:
        if not isinstance(node, Sequence):
            self.problems.error(
                "document.wrong-type",
                f"expected a list of conditions under `{key.text}`, found {kind_of(node)}",
                node.location,
                f"write a list, each with its own braces: `{key.text}: [{{...}}, {{...}}]`",
            )
            return ALWAYS
        if not node.items:
            self.problems.error("policy.empty-list", f"`{key.text}` needs at least one condition", node.location)
            return ALWAYS
        parts = tuple(self.read(item) for item in node)
        return AllOf(parts) if key.text == "all_of" else AnyOf(parts)

    def _unknown_fact(self, key: Scalar) -> None:
        if key.text in OPERATORS:
            hint: str | None = f"an operator stands under its fact: `{{FACT: {{{key.text}: ...}}}}`"
        elif "[" in key.text:
            hint = "the zone stands beside the question: `time.of_day: {from: ..., to: ..., zone: Europe/Berlin}`"
        elif key.text in self.names:
            hint = f"a named condition stands in a list: `all_of: [{key.text}, ...]`"
        else:
            hint = near_fact(key.text, self.table)
        self.problems.error("policy.unknown-fact", f"unknown fact `{key.text}`", key.location, hint)


def _all(parts: list[Condition]) -> Condition:
    return parts[0] if len(parts) == 1 else AllOf(tuple(parts))


def _check_size(condition: Condition, node: Node, problems: Problems) -> Condition:
    """The condition, or ALWAYS and a problem where it comes to too much."""
    tests, depth = extent(condition)
    if tests > MAX_TESTS:
        problems.error(
            "policy.condition-too-large",
            f"the condition comes to more than {MAX_TESTS} tests",
            node.location,
            "a list of values is one test, however long it is",
        )
    elif depth > MAX_NESTING:
        problems.error(
            "policy.condition-too-large",
            f"the condition nests more than {MAX_NESTING} deep",
            node.location,
            "conditions that all hold together need no nesting: write them side by side",
        )
    else:
        return condition
    return ALWAYS


def extent(condition: Condition) -> tuple[int, int]:
    """How many tests a condition comes to and how deep it nests, named conditions spelled out; stops counting at
    `MAX_TESTS`. A condition that asks nothing counts as one test: it takes its place in whatever it is named in."""
    match condition:
        case Test():
            return 1, 1
        case Named(_, inner):
            tests, depth = extent(inner)
            return tests, depth + 1
        case AllOf(parts) | AnyOf(parts):
            tests, deepest = 0, 0
            for part in parts:
                more, depth = extent(part)
                tests, deepest = tests + more, max(deepest, depth)
                if tests > MAX_TESTS:
                    break
            return max(1, tests), deepest + 1


def tests_in(condition: Condition) -> int:
    """How many tests a condition comes to, named ones spelled out (see `extent`)."""
    return extent(condition)[0]


def _read_tests(key: Scalar, node: Node, spec: FactSpec, problems: Problems) -> list[Test]:
    """What one entry asks of a fact: a test for its value, and one for being known where that is asked."""
    before = len(problems.found)
    zone, known, missing_holds = _read_around(node, spec, problems)
    asked = read_question(node, spec, problems)
    text = f"{key.text}: {written(node)}"
    tests = [] if known is None else [Test(key.text + _mark(zone), None, text, key.location, known=known)]
    by_unit: dict[Unit | None, list[Predicate]] = {}
    for each in asked:
        by_unit.setdefault(each.unit, []).append(each.predicate)
    for unit, predicates in by_unit.items():
        predicate = every(predicates)
        if len(problems.found) == before and not can_hold(predicate, spec):
            problems.error("policy.contradiction", f"`{text}` can never hold", key.location)
        fact = key.text + _mark(AMOUNT if unit is not None else zone)
        tests.append(Test(fact, predicate, text, key.location, missing_holds, unit=unit))
    if len(problems.found) == before:
        _check_sense(key, known, missing_holds, bool(by_unit), problems)
    return tests


def _check_sense(key: Scalar, known: bool | None, missing_holds: bool, asks_value: bool, problems: Problems) -> None:
    """Whether what is asked about being missing goes together with what is asked about the value."""
    if known is None and not asks_value:
        problems.error(
            "policy.empty-question",
            f"nothing is asked of `{key.text}`",
            key.location,
            "write what its value must be; `{known: true}` asks whether there is one",
        )
    elif known is not None and missing_holds:
        problems.error(
            "policy.contradiction",
            "`known` and `missing: holds` exclude each other",
            key.location,
            "keep `missing: holds` to let the condition hold for a missing fact, too",
        )
    elif known is False and asks_value:
        problems.error(
            "policy.contradiction",
            f"a missing `{key.text}` has no value to ask about",
            key.location,
            "write `missing: holds` beside the operators, without `known`",
        )


def _mark(mark: str) -> str:
    return f"[{mark}]" if mark else ""


def _read_around(node: Node, spec: FactSpec, problems: Problems) -> tuple[str, bool | None, bool]:
    """How the fact is asked: in which zone, whether for being known, and whether it holds when missing."""
    if not isinstance(node, Mapping):
        return "", None, False
    zone, known, missing_holds = "", None, False
    for key, value in node:
        if key.text not in operators_for(spec):
            report_operator(key, spec, problems)
        elif key.text == "zone":
            zone = read_zone(value, problems) or ""
        elif key.text == "known":
            known = read_flag(value, problems)
        elif key.text == "missing":
            missing_holds = read_text(value, problems, "`holds`") == "holds"
            if not missing_holds:
                problems.error(
                    "document.unknown-word",
                    "`missing` can only say `holds`",
                    value.location,
                    "without it, a condition on a missing fact does not hold",
                )
    return zone, known, missing_holds


def read_zone(node: Node, problems: Problems) -> str | None:
    """The name of a time zone, as in `Europe/Berlin`."""
    text = read_text(node, problems, "a time zone")
    if text is None or text in zones():
        return text
    problems.error("policy.unknown-zone", f"unknown time zone `{text}`", node.location, near_zone(text))
    return None


def written(node: Node) -> str:
    """A node on one line, much as its author wrote it."""
    match node:
        case Scalar():
            return f'"{node.text}"' if node.quoted else node.text
        case Sequence(items):
            return f"[{', '.join(map(written, items))}]"
        case Mapping(entries):
            return f"{{{', '.join(f'{written(key)}: {written(value)}' for key, value in entries)}}}"
