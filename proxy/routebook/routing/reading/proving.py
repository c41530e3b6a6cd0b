"""What is proven of a policy at every load, and what its author hears where a proof fails.

`Proving` puts all conditions into one space; rules are looked at whatever else is wrong, the rest only once a policy
has come of the files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain

from routebook.catalogue.callers import Client
from routebook.catalogue.models import Catalogue
from routebook.documents.problems import Location, Problems
from routebook.ledger.budgets import Budget, Limit
from routebook.policy.conditions import Condition
from routebook.policy.coverage import always_holds, tests_of
from routebook.policy.facts import FactTable
from routebook.policy.proofs import (
    Contradicted,
    Covered,
    Decides,
    Ordered,
    Standing,
    Undecided,
    contradiction,
    region_of,
)
from routebook.policy.regions import Box, Region, Space, Work, intersect
from routebook.policy.rules import Rule
from routebook.routing.facts import FACTS
from routebook.routing.outcomes import REQUESTED, Outcome, Route
from routebook.routing.policy import Guarantee, Policy
from routebook.routing.reading.breaches import Breach, Guarding, Unproven
from routebook.routing.reading.examples import Example, example_of
from routebook.routing.reading.reaching import Chance, Reaching
from routebook.routing.reading.rules import UNCLEAR
from routebook.routing.reading.who_calls import callers, words_of_clients

Progress = Callable[[str, int, int], None]
"""Told what is being proven, how much of it is done, and of how much."""

SHOWN = 4
"""Places or names that one problem shows before it only counts them."""

LAST_RULE = "- {name: everything-else, route: {to: requested}}"


class Proving:
    """Proofs about one policy, told to its author as problems."""

    def __init__(
        self,
        rules: Sequence[Rule[Outcome]],
        catalogue: Catalogue,
        clients: Sequence[Client],
        guarantees: Sequence[Guarantee],
        counting: Sequence[Budget | Limit],
        problems: Problems,
        progress: Progress | None = None,
        facts: FactTable = FACTS,
    ) -> None:
        self.rules = rules
        self.catalogue = catalogue
        self.clients = clients
        self.counting = counting
        self.problems = problems
        self._progress = progress or (lambda what, done, of: None)
        conditions = [each.when for each in chain(rules, guarantees, counting)]
        self.space = Space(conditions, facts, words_told_apart(rules, conditions, catalogue, clients))
        self.ordered = Ordered(self.space, [rule.when for rule in rules])
        self._reaching = Reaching(self.space, catalogue)
        self._standings: list[Standing] = []
        self._undecided: list[tuple[str, Location]] = []

    def __repr__(self) -> str:
        return f"<Proving of {len(self.rules)} rules in {self.space!r}>"

    def check_rules(self) -> None:
        """Every rule can decide, every request meets a rule, every candidate can serve."""
        count = len(self.rules)
        self._standings = list(self.ordered.standings(lambda done: self._progress("rules", done, count)))
        for number, (rule, standing) in enumerate(zip(self.rules, self._standings, strict=True)):
            if rule.when == UNCLEAR:
                continue
            match standing:
                case Contradicted(between):
                    self._report_contradiction(rule.name, rule.location, between, "rule")
                case Covered(by):
                    self._report_covered(rule, [self.rules[each] for each in by])
                case Undecided():
                    self._undecided.append((f"whether the rule `{rule.name}` can ever decide", rule.location))
                case Decides(box) if isinstance(rule.outcome, Route):
                    self._check_candidates(number, rule, rule.outcome, box)
                case Decides():
                    pass
        self._check_gap()

    def check_policy(self, policy: Policy) -> None:
        """Guarantees hold, budgets are drawn on, clients can use what rules choose for them."""
        dead = frozenset(
            number for number, each in enumerate(self._standings) if isinstance(each, Contradicted | Covered)
        )
        guarding = Guarding(policy, self.ordered, dead)
        for number, guarantee in enumerate(policy.guarantees):
            self._check_guarantee(guarding, guarantee)
            self._progress("guarantees", number + 1, len(policy.guarantees))
        self._check_counting(dead)
        self._check_clients(dead)
        self._report_undecided()

    def _report_undecided(self) -> None:
        """Say what was left open, once for all."""
        if not self._undecided:
            return
        first, place = self._undecided[0]
        more = f", and {len(self._undecided) - 1} more" if len(self._undecided) > 1 else ""
        self.problems.warning(
            "policy.undecided",
            f"it was not found out {first}{more}",
            place,
            "too many alternatives to go through; split the conditions with the longest lists of `any_of`",
            [(location, f"nor {what}") for what, location in self._undecided[1:SHOWN]],
        )

    def _check_gap(self) -> None:
        if not self.rules or self.rules[-1].when == UNCLEAR or any(always_holds(rule.when) for rule in self.rules):
            return
        last, work = self.rules[-1], Work()
        for caller in callers(self.space, self.clients):
            gap = self.ordered.left_of((caller.box,), len(self.rules), work, towards={})
            if isinstance(gap, Undecided):
                self._undecided.append(("whether every request meets a rule", last.location))
                return
            if gap is not None:
                self._report_gap(last, example_of(self.space, gap, caller.brings))
                return

    def _report_gap(self, last: Rule[Outcome], example: Example | None) -> None:
        such = "" if example is None or not example.words else f" with {example.words}"
        shown = "" if example is None else f"; `{example.command}` shows it"
        self.problems.error(
            "policy.gap",
            f"a request{such} falls through the last rule `{last.name}`",
            last.location,
            f"add a last rule without `when`, such as `{LAST_RULE}`{shown}",
        )

    def _report_covered(self, rule: Rule[Outcome], cover: Sequence[Rule[Outcome]]) -> None:
        whole = len(cover) == 1 and always_holds(cover[0].when)
        names = _listed([each.name for each in cover])
        one = len(cover) == 1
        self.problems.error(
            "policy.unreachable-rule",
            f"the rule `{rule.name}` can never decide",
            rule.location,
            f"{names} before it {'matches' if one else 'together match'} "
            f"{'every request' if whole else 'whatever this one matches'}",
            [(each.location, "the rule that covers it" if one else "covers a part of it") for each in cover[:SHOWN]],
        )

    def _report_contradiction(self, name: str, place: Location, between: Sequence[Condition], what: str) -> None:
        tests = _listed(list(dict.fromkeys(map(_in_words, between))))
        self.problems.error(
            "policy.contradiction",
            f"the {what} `{name}` can never match: its conditions exclude each other",
            place,
            f"no request meets {tests}" + (" at once" if len(between) > 1 else ""),
        )

    def _check_candidates(self, number: int, rule: Rule[Outcome], route: Route, box: Box) -> None:
        """Warn about a model that can serve nothing that the rule decides; where no model can, that is an error."""
        writers = () if route.pipeline is None else route.pipeline.text
        chances = [
            each
            for each in self._reaching.chances(route)
            if each.name != REQUESTED and not each.is_piped and each.name not in writers
        ]
        useless = [each for each in chances if each.region and self._never_serves(number, each, box)]
        if not useless:
            return
        if len(useless) == len(chances) and REQUESTED not in route.to:
            return  # told with the reasons of each, by `report_routes_to_nowhere`
        for each in useless:
            self.problems.warning(
                "policy.unreachable-candidate",
                f"`{each.model.name}` can serve no request that the rule `{rule.name}` decides",
                rule.location,
                "it lacks a capability, an operation or the context that the rule's conditions imply; take it out",
            )

    def _never_serves(self, number: int, chance: Chance, witness: Box) -> bool:
        if intersect((witness,), chance.region):
            return False
        region = self.ordered.regions[number] or ()
        return self.ordered.left_of(intersect(region, chance.region), number) is None

    def _check_guarantee(self, guarding: Guarding, guarantee: Guarantee) -> None:
        held = region_of(self.space, guarantee.when)
        if held == ():
            self._report_contradiction(
                guarantee.name, guarantee.location, contradiction(self.space, guarantee.when), "guarantee"
            )
            return
        breaches: list[Breach] = []
        for finding in guarding.findings(guarantee):
            match finding:
                case Breach():
                    breaches.append(finding)
                    if len(breaches) > SHOWN:
                        break  # hundreds of rules may break it: nobody reads so many examples
                case Unproven(_, rule):
                    at = "" if rule is None else f" at the rule `{rule.name}`"
                    self._undecided.append((f"whether `{guarantee.name}` holds{at}", guarantee.location))
        if breaches:
            self._report_breach(breaches)

    def _report_breach(self, breaches: Sequence[Breach]) -> None:
        first = breaches[0]
        guarantee, rule, example = first.guarantee, first.rule, first.example
        others = len(breaches) - 1
        more = "" if not others else f" and {others} more" if others < SHOWN else " and many more"
        self.problems.error(
            "policy.broken-guarantee",
            f"the guarantee `{guarantee.name}` does not hold: `{rule.name}`{more} may lead to `{first.model}` "
            f"for a request with {example.words or 'nothing in particular'}{_unknown(first)}",
            guarantee.location,
            f"decide such requests in a rule before `{rule.name}`, or keep `{first.model}` out of its route; "
            f"`{example.command}` shows it",
            [
                (
                    each.rule.location,
                    f"may lead to `{each.model}`" + ("" if each is first else f", with {each.example.words}"),
                )
                for each in breaches[:SHOWN]
            ],
        )

    def _check_counting(self, dead: frozenset[int]) -> None:
        """Budgets and limits that no routed request falls under."""
        for each in self.counting:
            held = region_of(self.space, each.when)
            if held is None:
                self._undecided.append((f"whether anything draws on `{each.name}`", each.location))
            elif not held:
                self._report_contradiction(each.name, each.location, contradiction(self.space, each.when), _kind(each))
            elif self._is_idle(held, dead):
                self.problems.warning(
                    "policy.idle-budget",
                    f"nothing draws on the {_kind(each)} `{each.name}`",
                    each.location,
                    "no rule routes a request that its `when` holds for; a refused one costs nothing",
                )

    def _is_idle(self, held: Region, dead: frozenset[int]) -> bool:
        work = Work()
        return not any(
            self.ordered.left_of(intersect(held, region), number, work) is not None
            for number, (rule, region) in enumerate(zip(self.rules, self.ordered.regions, strict=True))
            if isinstance(rule.outcome, Route) and number not in dead and region is not None
        )

    def _check_clients(self, dead: frozenset[int]) -> None:
        """Clients that may use none of the models that a rule would choose for them."""
        routes = [
            (number, rule, frozenset(each.model.name for each in self._reaching.chances(rule.outcome)))
            for number, rule in enumerate(self.rules)
            if isinstance(rule.outcome, Route) and REQUESTED not in rule.outcome.to and number not in dead
        ]
        for caller in callers(self.space, self.clients):
            if caller.models is None:
                continue
            work, barred = Work(), []
            for number, rule, models in routes:
                if models & caller.models:
                    continue
                region = intersect(self.ordered.regions[number] or (), (caller.box,))
                found = self.ordered.left_of(region, number, work)
                if found is not None and not isinstance(found, Undecided):
                    barred.append(rule)
            if barred:
                self._report_conflict(caller.client, barred, caller.models)

    def _report_conflict(self, client: Client, barred: Sequence[Rule[Outcome]], models: Iterable[str]) -> None:
        names = _listed([rule.name for rule in barred])
        self.problems.warning(
            "policy.client-conflict",
            f"the client `{client.name}` may use no model of {names}, which decide{'s' if len(barred) == 1 else ''} "
            "requests of it",
            client.location,
            f"such requests are turned away; it may use {_listed(sorted(models))}",
            [(rule.location, "routes to none of these") for rule in barred[:SHOWN]],
        )


def words_told_apart(
    rules: Sequence[Rule[Outcome]], conditions: Iterable[Condition], catalogue: Catalogue, clients: Iterable[Client]
) -> dict[str, set[str]]:
    """What must be told apart although no condition names it: clients, and models where they may be asked for."""
    asked = {test.fact for condition in conditions for test in tests_of(condition)}
    words = {fact: found for fact, found in words_of_clients(clients).items() if fact in asked}
    if any(isinstance(rule.outcome, Route) and REQUESTED in rule.outcome.to for rule in rules):
        words |= Reaching.words_of_models(catalogue)
    return words


def _unknown(breach: Breach) -> str:
    if not breach.unknown:
        return ""
    return f"; {_listed(breach.unknown)} is not known of it, and what is not known does not lift a guarantee"


def _in_words(condition: Condition) -> str:
    return ", ".join(dict.fromkeys(test.text for test in tests_of(condition)))


def _kind(counting: Budget | Limit) -> str:
    return "budget" if isinstance(counting, Budget) else "limit"


def _listed(names: Sequence[str]) -> str:
    """Names in a row: `a`, `b` and `c`; those beyond a few are counted."""
    shown = [f"`{name}`" for name in names[:SHOWN]]
    if len(names) > SHOWN:
        shown.append(f"{len(names) - SHOWN} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
