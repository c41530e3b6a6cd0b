"""The sections of a policy -> the policy: each section read in the terms of those it refers to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from routebook.catalogue.callers import Client
from routebook.catalogue.models import Catalogue
from routebook.catalogue.providers import Timeouts
from routebook.catalogue.reading_clients import read_clients
from routebook.catalogue.reading_models import read_models, read_pools
from routebook.catalogue.reading_providers import read_providers
from routebook.chat.features import FEATURES
from routebook.documents.names import check_name
from routebook.documents.problems import Problems
from routebook.documents.reading import read_text
from routebook.ledger.budgets import Budget, Limit
from routebook.ledger.reading import read_budgets, read_limits
from routebook.policy.coverage import numbers_of
from routebook.policy.facts import FactTable
from routebook.policy.reading import read_conditions
from routebook.policy.rules import Rule
from routebook.policy.tree import DecisionTree
from routebook.routing.facts import FACTS
from routebook.routing.outcomes import Outcome
from routebook.routing.own_tasks import facts_with
from routebook.routing.patterns import matches_everything, pattern_fault
from routebook.routing.policy import Policy
from routebook.routing.reading.checks import check_policy
from routebook.routing.reading.expectations import Expectable
from routebook.routing.reading.guarantees import Scope, read_guarantees
from routebook.routing.reading.guards import check_guard_facts, read_guards
from routebook.routing.reading.in_force import report_not_installed
from routebook.routing.reading.money import check_amounts, report_money
from routebook.routing.reading.outcomes import Targets
from routebook.routing.reading.proving import Progress, Proving
from routebook.routing.reading.router import Attached, named_tasks, read_router, read_tasks, requalified
from routebook.routing.reading.rules import read_rules
from routebook.routing.reading.sections import Entry, Sections
from routebook.routing.reading.settings import read_settings
from routebook.routing.reading.terms import Terms
from routebook.routing.reading.tests import read_tests


def assemble(
    sections: Sections,
    digest: str,
    sources: tuple[tuple[str, str], ...],
    *,
    attached: Attached = lambda name: None,
    proving: bool = True,
    progress: Progress | None = None,
) -> Policy | None:
    """The policy, or None where its sections hold errors; these are added to the sections' problems.

    With `proving`, so are those of a policy that reads well but does not do what it should (it comes out all the same).
    """
    problems = sections.problems
    settings, timeouts = read_settings(sections.mapping("settings"), problems)
    weights = read_router(sections.mapping("settings"), attached, problems)
    facts = facts_with(named_tasks(sections.mapping("settings")))
    catalogue = requalified(_read_catalogue(sections, timeouts, facts), weights)
    clients = read_clients(sections.entries["clients"], sections.names("models"), catalogue.pools, problems)
    report_not_installed(clients.values(), problems)
    terms = _read_terms(sections, clients, facts)
    tasks = read_tasks(sections.mapping("settings"), terms)
    targets = sections.names("models") | sections.names("pools")
    rules = read_rules(sections.items["rules"], terms, Targets(catalogue.models, catalogue.pools, targets))
    guarantees = read_guarantees(sections.items["guarantees"], terms, _scope(sections, catalogue, targets))
    budgets = read_budgets(sections.entries["budgets"], facts, terms.condition, problems)
    limits = read_limits(sections.entries["limits"], facts, terms.condition, problems)
    _check_scopes([*budgets.values(), *limits.values()], terms)
    patterns = _read_patterns(sections.entries["patterns"], problems)
    guards = read_guards(sections.entries["guards"], patterns, terms.condition, problems)
    tests = read_tests(sections.items["tests"], terms, _expectable(sections, rules, budgets))
    fit = not problems.errors
    check_policy(sections, rules, catalogue)
    asking = [*(each.when for each in rules), *(each.when for each in guarantees)]
    asking += [*(each.when for each in budgets.values()), *(each.when for each in limits.values())]
    check_amounts(asking, budgets, problems)
    check_guard_facts(asking, guards, problems)
    report_money(budgets.values(), rules, catalogue, settings, problems)
    fit = fit and not problems.errors
    proofs = None
    if proving:
        counting: tuple[Budget | Limit, ...] = (*budgets.values(), *limits.values())
        proofs = Proving(rules, catalogue, tuple(clients.values()), guarantees, counting, problems, progress, facts)
        proofs.check_rules()
    if not fit:
        return None
    tree = DecisionTree(rules, facts)
    parts = clients, budgets, patterns, guarantees, tests, settings, limits, weights, guards
    limits_of = numbers_of("prompt.tokens", [*asking, *(each.when for each in tasks)])
    policy = Policy(digest, sources, catalogue, rules, tree, *parts, token_limits=limits_of, tasks=tasks)
    if proofs is not None:
        proofs.check_policy(policy)
    return policy


def _scope(sections: Sections, catalogue: Catalogue, targets: frozenset[str]) -> Scope:
    return Scope(
        catalogue.models,
        catalogue.pools,
        targets,
        catalogue.providers,
        sections.names("providers"),
        words_of(FACTS, "request.needs"),
    )


def _expectable(sections: Sections, rules: Sequence[Rule[Outcome]], budgets: Mapping[str, Budget]) -> Expectable:
    return Expectable(
        [rule.name for rule in rules if rule.name],
        sections.names("models"),
        {name: budget.unit for name, budget in budgets.items()},
        sections.names("budgets"),
    )


def _check_scopes(counting: Sequence[Budget | Limit], terms: Terms) -> None:
    for each in counting:
        if each.per is not None:
            terms.check_fact(each.per, each.location)


def words_of(table: FactTable, fact: str) -> tuple[str, ...]:
    """The closed set of words of a fact."""
    spec = table.find(fact)
    return () if spec is None else spec.words


def _read_catalogue(sections: Sections, timeouts: Timeouts, facts: FactTable) -> Catalogue:
    entries, problems = sections.entries, sections.problems
    providers = read_providers(entries["providers"], timeouts, problems)
    models = read_models(
        entries["models"],
        providers,
        sections.names("providers"),
        words_of(FACTS, "request.needs"),
        words_of(FACTS, "request.operation"),
        FEATURES,
        words_of(facts, "prompt.task"),
        problems,
    )
    pools = read_pools(entries["pools"], sections.names("models"), problems)
    return Catalogue(providers, models, pools)


def _read_terms(sections: Sections, clients: dict[str, Client], facts: FactTable) -> Terms:
    declared = {
        "pattern": sections.names("patterns"),
        "guard": sections.names("guards"),
        "budget": sections.names("budgets"),
        "model": sections.names("models"),
        "client": sections.names("clients"),
        "team": frozenset(client.team for client in clients.values() if client.team is not None),
        # what tokens say cannot be known here: any bearer, and any team where a claim names it
        "client of tokens": frozenset(client.bearers for client in clients.values() if client.bearers is not None),
        "team of tokens": frozenset("" for client in clients.values() if client.tokens and client.tokens.claims.team),
    }
    for key, _ in sections.entries["conditions"]:
        check_name(key, sections.problems, "a condition")
    named = read_conditions(sections.mapping("conditions"), facts, sections.problems)
    terms = Terms(facts, sections.problems, declared, named)
    for condition in named.values():
        terms.check_all(condition)
    return terms


def _pattern_hint(fault: str) -> str:
    """What to do about a pattern that RE2 does not take."""
    if fault.startswith("missing"):
        return "close what is open; a bracket that is meant as itself is written `\\[`, `\\(`"
    if "repetition size" in fault:
        return "a repetition counts to 1000 at most"
    return "patterns are written for RE2: no look-around, no back-references"


def _read_patterns(entries: list[Entry], problems: Problems) -> dict[str, str]:
    patterns: dict[str, str] = {}
    for key, node in entries:
        check_name(key, problems, "a pattern")
        text = read_text(node, problems, "a regular expression")
        if text is None:
            continue
        fault = pattern_fault(text)
        if fault is not None:
            problems.error(
                "policy.bad-pattern",
                f"the pattern `{key.text}` is not a regular expression: {fault}",
                node.location,
                _pattern_hint(fault),
            )
        elif matches_everything(text):
            problems.warning(
                "policy.loose-pattern",
                f"the pattern `{key.text}` matches every prompt",
                node.location,
                "it finds a match even in an empty text",
            )
        patterns[key.text] = text
    return patterns
