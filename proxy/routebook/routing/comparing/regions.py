"""Which requests two policies decide otherwise: as conditions in the policy's own words, each with an example."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from routebook.policy.axes import Aspect
from routebook.policy.box_words import Said, in_words, region_in_words
from routebook.policy.differing import Change, Differing
from routebook.policy.facts import Value
from routebook.policy.regions import EVERYTHING, Box, Region, Space
from routebook.policy.rules import Rule
from routebook.policy.sameness import bare
from routebook.routing.comparing.meaning import asked_otherwise, asks, meaning
from routebook.routing.comparing.outside import Altered, altered
from routebook.routing.facts import FACTS
from routebook.routing.given import given_facts
from routebook.routing.outcomes import Outcome
from routebook.routing.own_tasks import facts_with
from routebook.routing.policy import Policy
from routebook.routing.reading.examples import Example, units_of, written_example
from routebook.routing.reading.proving import words_told_apart

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Moved:
    """Requests that one rule decided and another decides now (None: no rule), to another end.

    `where` are conditions, of which one holds, `said` the same with what they have in common once; where they are not
    `exact`, other requests may meet them too. `example`
    is a request that both policies decide as said, None where none can be written down. Where it is not `sure`, it was
    too much work to find out whether there is any such request.
    """

    old: Rule[Outcome] | None
    new: Rule[Outcome] | None
    where: tuple[str, ...]
    said: Said
    exact: bool
    sure: bool
    example: Example | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two policies compared: requests that go elsewhere, rules that only have other names, and what else has changed.

    `opaque` are patterns of which it is not known what they have in common; `patterns` regular expressions that are
    others, so that facts by their names mean something else.
    """

    old: Policy
    new: Policy
    moved: tuple[Moved, ...]
    renamed: tuple[tuple[str, str], ...]
    altered: tuple[Altered, ...]
    opaque: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether both mean the same."""
        return not (self.moved or self.renamed or self.altered)


def compare(old: Policy, new: Policy, progress: Progress | None = None) -> Comparison:
    """What changes for requests from one policy to another."""
    comparing = _Comparing(old, new)
    moved = tuple(comparing.moved(progress))
    opaque = tuple(sorted({axis.name for axis in comparing.space.axes if axis.aspect is Aspect.PATTERN}))
    return Comparison(old, new, moved, tuple(comparing.renamed()), tuple(altered(old, new)), opaque)


class _Comparing:
    def __init__(self, old: Policy, new: Policy) -> None:
        self.old, self.new = old, new
        words: dict[str, set[str]] = {}
        for policy in (old, new):
            conditions = [rule.when for rule in policy.rules]
            for fact, own in words_told_apart(
                policy.rules, conditions, policy.catalogue, list(policy.clients.values())
            ).items():
                words.setdefault(fact, set()).update(own)
        names = dict.fromkeys(task.name for policy in (old, new) for task in policy.tasks)
        self.space = Space((rule.when for rule in (*old.rules, *new.rules)), facts_with(tuple(names)), words)
        self._units = units_of(self.space)
        self._old_means = [meaning(rule, old.catalogue) for rule in old.rules]
        self._new_means = [meaning(rule, new.catalogue) for rule in new.rules]
        asked = asked_otherwise(old.catalogue, new.catalogue)
        self._asked_otherwise: Region = ()
        if asked and "request.model" in self.space:
            self._asked_otherwise = (self.space.words("request.model", asked),)

    def moved(self, progress: Progress | None) -> Iterator[Moved]:
        old, new = ([rule.when for rule in policy.rules] for policy in (self.old, self.new))
        changes = list(Differing(self.space, old, new, self._apart).changes(progress))
        for change in sorted(changes, key=lambda change: len(change.region[0])):  # the most general first
            before, after = _at(self.old.rules, change.old), _at(self.new.rules, change.new)
            where = tuple(in_words(self.space, box) for box in change.region)
            said, sure = region_in_words(self.space, change.region), change.example is not None
            yield Moved(before, after, where, said, change.exact, sure, self._example(change, before, after))

    def renamed(self) -> Iterator[tuple[str, str]]:
        """Rules that have another name and are the same otherwise."""
        names = {rule.name for rule in self.new.rules}
        before = {rule.name for rule in self.old.rules}
        others = {
            (bare(rule.when), mean): rule.name
            for rule, mean in zip(reversed(self.new.rules), reversed(self._new_means), strict=True)
            if rule.name not in before
        }
        for rule, mean in zip(self.old.rules, self._old_means, strict=True):
            name = others.get((bare(rule.when), mean))
            if name is not None and rule.name not in names:
                yield rule.name, name

    def _apart(self, old: int | None, new: int | None) -> Region:
        before = None if old is None else self._old_means[old]
        after = None if new is None else self._new_means[new]
        if (old is None) != (new is None) or before != after:
            return EVERYTHING
        return self._asked_otherwise if asks(_at(self.old.rules, old)) else ()

    def _example(self, change: Change, before: Rule[Outcome] | None, after: Rule[Outcome] | None) -> Example | None:
        """A request of the region that both policies decide as said: looked up in both."""
        for box in (change.example, *(change.region if change.exact else ())):
            values = None if box is None else self.space.example(box)
            if box is None or values is None:
                continue
            for more in ({}, self._always_known(box)):
                example = written_example({**more, **values}, self._units)
                if example is not None and self._decides(example, before, after):
                    return example
        return None

    def _decides(self, example: Example, before: Rule[Outcome] | None, after: Rule[Outcome] | None) -> bool:
        return all(
            policy.tree.decide(given_facts(policy, example.given)).rule == rule
            for policy, rule in ((self.old, before), (self.new, after))
        )

    def _always_known(self, box: Box) -> Mapping[str, Value | None]:
        """A value of each fact that every request has, also where a box leaves it open."""
        open_axes = {
            number: box.get(number, axis.full)
            for number, axis in enumerate(self.space.axes)
            if (spec := FACTS.find(axis.fact)) is not None and not spec.may_be_missing
            if axis.aspect is Aspect.VALUE
        }
        return self.space.example(open_axes) or {}


def _at(rules: Sequence[Rule[Outcome]], number: int | None) -> Rule[Outcome] | None:
    return None if number is None else rules[number]
