"""What a policy may declare although this version does not yet act on it: said aloud, never passed over.

The language is larger than what is built; a declaration without effect would be a trap. Each line here goes when the
feature arrives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from routebook.catalogue.models import Catalogue
from routebook.documents.nodes import Mapping, Node
from routebook.documents.nodes import Sequence as ListNode
from routebook.documents.problems import Location
from routebook.policy.rules import Rule
from routebook.routing.outcomes import Outcome
from routebook.routing.sections import Sections

CODE = "policy.not-in-force"

SPOKEN = frozenset({"openai"})
"""The dialects of providers that this version can call."""

ROUTE_TERMS = {
    "shadow": "no copy of a request is sent",
    "stick": "conversations are not kept on one model",
    "cache": "no answer is used a second time",
}
"""Keys of `route` that are read and checked, and have no effect yet."""


def report_not_in_force(sections: Sections, rules: Sequence[Rule[Outcome]], catalogue: Catalogue) -> None:
    """Warn once for each thing that is declared and not in force, at its first place."""
    said: set[str] = set()
    for what, place, effect in _declared(sections, catalogue):
        if what not in said:
            said.add(what)
            sections.problems.warning(CODE, f"{what} not in force in this version: {effect}", place)


def _declared(sections: Sections, catalogue: Catalogue) -> Iterator[tuple[str, Location, str]]:
    if sections.entries["budgets"]:
        yield "`budgets` are", sections.places["budgets"], "nothing is counted or held, and `budget` facts are missing"
    for provider in catalogue.providers.values():
        if provider.dialect not in SPOKEN:
            yield (f"the dialect `{provider.dialect}` is", provider.location,
                   "models of such providers are left out of every route")
    for _, node in sections.entries["providers"]:
        yield from _limits(node)
    for rule in sections.items["rules"]:
        route = rule.get("route") if isinstance(rule, Mapping) else None
        for key, _ in route if isinstance(route, Mapping) else ():
            if key.text in ROUTE_TERMS:
                yield f"`{key.text}` is", key.location, ROUTE_TERMS[key.text]


def _limits(provider: Node) -> Iterator[tuple[str, Location, str]]:
    if not isinstance(provider, Mapping):
        return
    accounts = provider.get("accounts")
    holders = [provider, *(accounts.items if isinstance(accounts, ListNode) else ())]
    for holder in holders:
        key = holder.key("limits") if isinstance(holder, Mapping) else None
        if key is not None:
            yield "`limits` are", key.location, "an account is used until the vendor says it is too much"
