"""Which requests a candidate of a route could serve, as boxes: the static half of the checks that a plan makes.

What depends on the moment (cool-downs, what was measured, what is left) counts as favourable: whoever could serve on a
good day is a candidate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from routebook.catalogue.models import Catalogue, Model
from routebook.policy.facts import Value
from routebook.policy.regions import Box, Region, Space, meet
from routebook.protocols.spoken import SPOKEN
from routebook.routing.outcomes import REQUESTED, Route, Within
from routebook.routing.pipelines import SPOKEN_NEED, speech_constraints
from routebook.routing.reach import label_of


@dataclass(frozen=True, slots=True)
class Chance:
    """A model that a route may lead to, by the name in the route that stands for it, and the requests it could serve."""

    model: Model
    name: str
    region: Region
    asked: frozenset[str] = frozenset()
    """Where the name is `requested`: what clients may ask for to get it."""
    is_piped: bool = False
    """Whether it is a stage of the route's pipeline."""


class Reaching:
    """The candidates of routes, each with what it could serve."""

    def __init__(self, space: Space, catalogue: Catalogue) -> None:
        self.space = space
        self.catalogue = catalogue
        self._asked: dict[str, set[str]] = {name: {name} for name in catalogue.models}
        for pool in catalogue.pools.values():
            for name in pool.models:
                self._asked.setdefault(name, set()).add(pool.name)
        self._boxes: dict[tuple[str, int | None], Box | None] = {}

    @staticmethod
    def words_of_models(catalogue: Catalogue) -> dict[str, set[str]]:
        """What may be asked for, by the fact that says so."""
        return {"request.model": {*catalogue.models, *catalogue.pools}}

    def chances(self, route: Route) -> Iterator[Chance]:
        """Every model that a route may lead to on any hop, its shadow included, in order."""
        names = route.to if route.shadow is None else (*route.to, route.shadow[0])
        seen: set[str] = set()
        for name in names:
            for model in self._models(name):
                if model.name in seen:
                    continue
                asked = frozenset(self._asked[model.name]) if name == REQUESTED else frozenset[str]()
                region = self._region(model, route, asked)
                if name != REQUESTED:
                    seen.add(model.name)
                yield Chance(model, name, region, asked)
        yield from self._piped(route)

    def _piped(self, route: Route) -> Iterator[Chance]:
        """The models of a pipeline: whoever wants sound of a chat may reach any of them. What else such a request needs is
        left open, which is safe."""
        if route.pipeline is None:
            return
        space = self.space
        box = meet(space.words("request.operation", {"chat"}), space.member("request.needs", SPOKEN_NEED, True))
        for name in dict.fromkeys((*route.pipeline.text, *route.pipeline.speech)):
            for model in self._models(name):
                region = () if box is None or not may_meet(model, speech_constraints(route)) else (box,)
                yield Chance(model, name, region, is_piped=True)

    def _models(self, name: str) -> Iterator[Model]:
        models, pools = self.catalogue.models, self.catalogue.pools
        if name == REQUESTED:
            yield from models.values()
        elif name in models:
            yield models[name]
        elif name in pools:
            yield from (models[each] for each in dict.fromkeys(pools[name].models) if each in models)

    def _region(self, model: Model, route: Route, asked: frozenset[str]) -> Region:
        if model.provider.dialect not in SPOKEN or not may_meet(model, route.within):
            return ()
        cap = route.caps.max_output
        key = model.name, cap
        if key not in self._boxes:
            self._boxes[key] = self._served(model, cap)
        box = self._boxes[key]
        if box is not None and asked:
            box = meet(box, self.space.words("request.model", asked))
        return () if box is None else (box,)

    def _served(self, model: Model, cap: int | None) -> Box | None:
        space = self.space
        box: Box | None = space.words("request.operation", model.operations)
        for need in space.members("request.needs"):
            if need not in model.capabilities:
                box = None if box is None else meet(box, space.member("request.needs", need, False))
        # several texts to embed have a context each, so their tokens together say nothing
        if model.context is not None and "embeddings" not in model.operations:
            box = _narrowed(box, space.values("prompt.tokens", _at_most(model.context)))
        if model.max_output is not None and (cap is None or cap > model.max_output):
            box = _narrowed(box, space.values("request.max_output", _at_most(model.max_output)))
        return box


def _narrowed(box: Box | None, by: Box) -> Box | None:
    return None if box is None else meet(box, by)


def _at_most(limit: int) -> Callable[[Value | None], bool]:
    return lambda value: not isinstance(value, int | float) or value <= limit


def may_meet(model: Model, within: Within) -> bool:
    """Whether a model may ever meet a route's constraints: by what it is, not by what is measured."""
    if within.quality is not None and (model.quality is None or model.quality < within.quality):
        return False
    if within.regions is not None and model.region not in within.regions:
        return False
    if within.cost is not None and (model.price.input is None or model.price.request > within.cost):
        return False
    return all(label_of(model, name) == wanted for name, wanted in within.labels.items())
