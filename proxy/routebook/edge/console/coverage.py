"""What real traffic made of a policy: how often each rule decided and when, and the same in its decision tree."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from routebook.edge.admin.service import Service
from routebook.edge.console.charts import Bar, bars
from routebook.edge.console.shelf import SHELF
from routebook.edge.console.spans import Span
from routebook.edge.console.words import share
from routebook.edge.journal.records import Records
from routebook.edge.journal.tallies import Sum
from routebook.routing.drawings.policy_tree import View, draw_policy, matching
from routebook.routing.drawings.sketch import Shape, Sketch, counted
from routebook.routing.drawings.svg import as_svg
from routebook.routing.outcomes import Refuse
from routebook.routing.policy import Policy
from routebook.routing.telling.wording import outcome_in_words


@dataclass(frozen=True, slots=True)
class Covered:
    """A rule and what it decided: how many requests, how many of them ended badly, for how much, and when last."""

    rule: str
    where: str
    decides: str
    refuses: bool
    requests: int
    failed: int
    cost: int
    last: str | None
    steps: tuple[int, ...] = ()

    @property
    def picture(self) -> Any:
        """When it decided: a bar for each part of the time."""
        found = [Bar(each, 0, f"{each:,} requests") for each in self.steps]
        return bars(found, f"{self.requests:,} requests over time", 150, 22)


def covered(service: Service, policy: Policy, span: Span) -> tuple[list[Covered], list[Sum]]:
    """The rules of a policy in order, with what they decided in a span; and the sums of rules that it does not have."""
    since = time.time() - span.seconds
    with Records(service.state_dir) as records:
        steps = records.sums("rule", since, span.step)
    sums: dict[str, Sum] = {}
    places = span.places(time.time())
    by_rule: dict[str, list[int]] = {}
    for each in steps:
        sums[each.name] = sums[each.name].plus(each) if each.name in sums else each
        if each.bucket in places:
            by_rule.setdefault(each.name, [0] * len(places))[places[each.bucket]] += each.requests
    found = []
    for rule in policy.rules:
        own = sums.pop(rule.name, Sum(rule.name, 0))
        found.append(
            Covered(
                rule.name,
                f"{rule.location.file}:{rule.location.line}",
                outcome_in_words(rule.outcome),
                isinstance(rule.outcome, Refuse),
                own.requests,
                own.failed,
                own.cost,
                own.last or None,
                tuple(by_rule.get(rule.name, [0] * len(places))),
            )
        )
    return found, sorted(sums.values(), key=lambda each: -each.requests)


def tree(
    state_dir: Path, digest: str, pattern: str | None, depth: int | None, rules: Sequence[Covered], span: Span
) -> str | None:
    """The decision tree of a policy that is kept, to stand in a page, with how many requests ended where; None where no
    rule's name matches."""
    sketch = _sketch(state_dir, digest, pattern, depth)
    if sketch is None:
        return None
    return as_svg(trodden(sketch, {each.rule: each.requests for each in rules}, span.words), within="tree-")


@lru_cache(maxsize=32)
def _sketch(state_dir: Path, digest: str, pattern: str | None, depth: int | None) -> Sketch | None:
    """The same for the same policy, so it is made once."""
    policy = SHELF.take(state_dir, digest)
    return draw_policy(policy, View(depth, pattern)) if policy is not None and matching(policy, pattern) else None


def trodden(sketch: Sketch, requests: Mapping[str, int], when: str) -> Sketch:
    """A tree that says at each of its ends how many requests it decided, and which ends nobody came to.

    `requests` are counted by rule: one that stands at several ends is counted at all of them together. Where nothing was
    decided at all, nothing is said.
    """
    total = sum(requests.values())
    if not total:
        return sketch
    ends = Counter(name for shape in sketch.shapes for name in shape.rules)
    shapes = tuple(_counted(shape, requests, total, ends) for shape in sketch.shapes)
    idle = sum(shape.idle for shape in shapes)
    says = f"{sketch.says} Each end says how many of {counted(total, 'request')} it decided in {when}; {idle} decided none."
    return replace(sketch, shapes=shapes, says=says)


def _counted(shape: Shape, requests: Mapping[str, int], total: int, ends: Mapping[str, int]) -> Shape:
    names = dict.fromkeys(shape.rules)
    if not names:
        return shape
    own = sum(requests.get(name, 0) for name in names)
    if not own:
        return replace(shape, lines=(*shape.lines, "decided nothing"), idle=True)
    words = f"{counted(own, 'request')}, {share(own, total)}"
    if any(ends[name] > 1 for name in names):
        words += ", at all its ends" if len(names) == 1 else ", with other ends"
    never = sum(not requests.get(name) for name in names)
    if never:
        words += f"; {counted(never, 'rule')} of them decided nothing"
    return replace(shape, lines=(*shape.lines, words))
