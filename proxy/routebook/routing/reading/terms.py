"""What the rules of one policy may speak of: facts, named conditions, and the names that its sections declare."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from routebook.documents.names import suggestion
from routebook.documents.nodes import Node
from routebook.documents.problems import Location, Problems
from routebook.policy.conditions import AllOf, AnyOf, Condition, Named, OneOf, Test
from routebook.policy.facts import FactTable
from routebook.policy.reading import read_condition

FAMILIES = {
    "prompt.matches.": ("pattern", "policy.unknown-pattern"),
    "budget.": ("budget", "policy.unknown-budget"),
    "guard.": ("guard", "policy.unknown-guard"),
    "model.": ("model", "policy.unknown-model"),
}
"""Families of facts whose NAME must be declared in the policy: what it names, and the code where it does not."""

CALLERS = {"client.name": ("client", "policy.unknown-client"), "client.team": ("team", "policy.unknown-team")}
"""Facts whose values come from the `clients` section, where a policy has one."""

CREDENTIALS = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "x-api-key",
        "x-goog-api-key",
        "api-key",
        "sec-websocket-protocol",
    }
)
"""Headers that hold secrets: no rule may ask for them, no record may hold them."""

_HEADER = "request.header."


@dataclass(frozen=True, slots=True)
class Terms:
    """Reads conditions in a policy's own terms. `declared` are the names by what they name (`pattern`, `budget`), and
    how names begin that only tokens tell (`client of tokens`)."""

    table: FactTable
    problems: Problems
    declared: Mapping[str, Collection[str]]
    named: Mapping[str, Condition] = field(default_factory=dict)

    def condition(self, node: Node) -> Condition:
        """A condition as written, with problems for facts about things that the policy does not declare."""
        condition = read_condition(node, self.table, self.named, self.problems)
        self.check_all(condition)
        return condition

    def check_all(self, condition: Condition) -> None:
        """Check every test that stands in a condition itself."""
        for test in tests_of(condition):
            self.check(test)

    def check(self, test: Test) -> None:
        """Add a problem where a test asks about something that the policy does not declare, or about a secret."""
        self._check_callers(test)
        self.check_fact(test.fact, test.location)

    def check_fact(self, fact: str, location: Location) -> None:
        """Add a problem where a fact is about something that the policy does not declare, or about a secret."""
        argument = self.table.argument(fact)
        if argument is None:
            return
        if fact.startswith(_HEADER) and argument.lower() in CREDENTIALS:
            self.problems.error(
                "policy.secret-header",
                f"the header `{argument}` holds a secret",
                location,
                "rules may ask who the client is with `client.name` or `client.team`",
            )
        for prefix, (what, code) in FAMILIES.items():
            if fact.startswith(prefix) and argument not in self.declared.get(what, ()):
                self.problems.error(
                    code,
                    f"`{argument}` is not a {what} of this policy",
                    location,
                    suggestion(argument, self.declared.get(what, ())),
                )

    def _check_callers(self, test: Test) -> None:
        """Names of clients and teams that no client of the policy bears: such a rule waits for nobody."""
        known = CALLERS.get(test.fact)
        if known is None or not self.declared.get("client") or not isinstance(test.predicate, OneOf):
            return
        what, code = known
        told = tuple(self.declared.get(f"{what} of tokens", ()))
        for name in sorted(test.predicate.words - set(self.declared.get(what, ()))):
            if name.startswith(told):
                continue
            self.problems.warning(
                code,
                f"`{name}` is not a {what} of this policy",
                test.location,
                suggestion(name, self.declared.get(what, ())),
            )


def tests_of(condition: Condition) -> Iterator[Test]:
    """The tests that stand in a condition itself; those of a named condition belong to its own place."""
    match condition:
        case Test():
            yield condition
        case AllOf(inner) | AnyOf(inner):
            for each in inner:
                yield from tests_of(each)
        case Named():
            return
