"""Random policies and requests for measurements, from a seed: two families that real rule files resemble, and chaos.

*tenant*: rules for teams, with round thresholds and a few models; most rules name a team. *wild*: no fact that most
rules name, and as many different thresholds as rules. *chaos*: every fact, every operator, alternatives, negations.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from routebook.documents.problems import Location
from routebook.documents.quantities import Unit
from routebook.policy.conditions import (
    ALWAYS,
    AllOf,
    AnyOf,
    Condition,
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
    Test,
)
from routebook.policy.facts import CostClass, FactSpec, FactTable, FactType, Value
from routebook.policy.rules import Rule

NOWHERE = Location("bench.yaml", 1, 1)

TABLE = FactTable(
    (
        FactSpec("client.team", FactType.TEXT, CostClass.GIVEN, "team"),
        FactSpec("request.model", FactType.TEXT, CostClass.GIVEN, "model asked for"),
        FactSpec("tags", FactType.SET, CostClass.GIVEN, "tags"),
        FactSpec("prompt.tokens", FactType.NUMBER, CostClass.SCANNED, "tokens", Unit.TOKENS),
        FactSpec("budget.NAME.left", FactType.NUMBER, CostClass.ASKED, "what is left", Unit.SHARE),
    )
)
"""The facts of the tenant and wild families."""

MODELS = [
    f"{family}-{size}-{version}"
    for family in ("gpt", "claude", "gemini", "llama", "mistral")
    for size in ("large", "small", "nano", "pro")
    for version in ("4", "5", "5.1", "6")
]
TAGS = [f"tag-{number}" for number in range(40)]
ROUND = [1000, 2000, 4000, 8000, 16000, 32000, 64000, 128000]

Sheet = dict[str, Value | None]


def _test(fact: str, predicate: Predicate) -> Test:
    return Test(fact, predicate, f"{fact}: ...", NOWHERE)


def _tags(random_: random.Random) -> Test:
    some = frozenset(random_.sample(TAGS, random_.randint(1, 2)))
    return _test("tags", random_.choice((HasAny(some), HasAll(some), Not(HasAny(some)), HasAny(some))))


def _model(random_: random.Random) -> Test:
    model = random_.choice(MODELS)
    return _test("request.model", random_.choice((OneOf(frozenset((model,))), Glob(model.rpartition("-")[0] + "*"))))


def _interval(random_: random.Random, points: list[int]) -> InIntervals:
    low = random_.choice(points)
    either = random_.choice((Interval(low), Interval(None, low, high_closed=False), Interval(low, low * 4)))
    return InIntervals((either,))


def _share_interval(random_: random.Random) -> InIntervals:
    low = round(random_.random(), 3)
    return InIntervals((Interval(low, low + 0.2),))


def _rules(whens: list[Condition]) -> tuple[Rule[int], ...]:
    whens[-1] = ALWAYS
    return tuple(Rule(f"rule-{number}", when, number, NOWHERE) for number, when in enumerate(whens))


def tenant(count: int, seed: int = 1) -> tuple[Rule[int], ...]:
    """Rules for teams: one team for about ten rules."""
    random_ = random.Random(seed)
    whens: list[Condition] = []
    for _ in range(count):
        team = OneOf(frozenset((f"team-{random_.randrange(count // 10 + 3)}",)))
        tests: list[Condition] = [_test("client.team", team)]
        extra = (
            _tags(random_),
            _model(random_),
            _test("prompt.tokens", _interval(random_, ROUND)),
            _test("budget.month.left", InIntervals((Interval(None, random_.choice((0.05, 0.1, 0.2))),))),
        )
        tests += random_.sample(extra, random_.randint(1, 3))
        whens.append(AllOf(tuple(tests)))
    return _rules(whens)


def wild(count: int, seed: int = 1) -> tuple[Rule[int], ...]:
    """Rules that share no fact, with as many thresholds as rules."""
    random_ = random.Random(seed)
    points = [random_.randrange(200_000) for _ in range(count)]
    whens: list[Condition] = []
    for _ in range(count):
        team = OneOf(frozenset(f"team-{random_.randrange(count // 10 + 3)}" for _ in range(2)))
        choices = (
            _test("client.team", team),
            _tags(random_),
            _model(random_),
            _test("prompt.tokens", _interval(random_, points)),
            _test("budget.month.left", _share_interval(random_)),
        )
        whens.append(AllOf(tuple(random_.sample(choices, random_.randint(2, 4)))))
    return _rules(whens)


def sheet(random_: random.Random, rules: int, *, cold: bool = False) -> Sheet:
    """The facts of one request; with `cold`, a model and tags that no request had before."""
    fresh = f"-{random_.getrandbits(48):x}" if cold else ""
    return {
        "client.team": f"team-{random_.randrange(rules // 10 + 3)}",
        "request.model": random_.choice(MODELS) + fresh,
        "tags": frozenset(random_.sample(TAGS, random_.randint(0, 3))) | ({fresh} if cold else frozenset()),
        "prompt.tokens": random_.randrange(200_000),
        "budget.month.left": round(random_.random(), 3),
    }


@dataclass(frozen=True, slots=True)
class Chaos:
    """Rules over every fact of a table with every operator. `words` and `names` are the sizes of the vocabularies."""

    table: FactTable
    words: int = 50_000
    names: int = 300

    def rules(self, count: int, seed: int = 1) -> tuple[Rule[int], ...]:
        """Random rules; three in ten with alternatives."""
        random_ = random.Random(seed)
        specs = tuple(self.table)
        whens: list[Condition] = []
        for _ in range(count):
            parts: list[Condition] = [self._test(random_, random_.choice(specs)) for _ in range(random_.randint(1, 5))]
            if random_.random() < 0.3:
                ways = tuple(self._test(random_, random_.choice(specs)) for _ in range(random_.randint(2, 4)))
                parts.append(AnyOf(ways))
            whens.append(AllOf(tuple(parts)))
        return _rules(whens)

    def sheet(self, random_: random.Random) -> Callable[[str], Value | None]:
        """An asker that makes up values as it is asked for them, one in ten missing; the same for the same fact."""
        made: Sheet = {}

        def ask(key: str) -> Value | None:
            if key not in made:
                made[key] = None if random_.random() < 0.1 else self._value(random_, key)
            return made[key]

        return ask

    def _test(self, random_: random.Random, spec: FactSpec) -> Test:
        key = spec.name.replace("NAME", f"name-{random_.randrange(self.names)}")
        if spec.zoned:
            key += random_.choice(("", "[Europe/Berlin]", "[UTC]", "[America/New_York]"))
        if random_.random() < 0.05:
            return Test(key, None, f"{key}: {{known: ...}}", NOWHERE, known=random_.random() < 0.5)
        predicate = self._predicate(random_, spec)
        if random_.random() < 0.2:
            predicate = Not(predicate)
        return Test(key, predicate, f"{key}: ...", NOWHERE, missing_holds=random_.random() < 0.1)

    def _predicate(self, random_: random.Random, spec: FactSpec) -> Predicate:
        match spec.type:
            case FactType.FLAG:
                return IsFlag(random_.random() < 0.5)
            case FactType.TEXT:
                return self._text(random_)
            case FactType.NUMBER:
                low, high = sorted((_any_number(random_), _any_number(random_)))
                return InIntervals((random_.choice((Interval(low), Interval(None, high), Interval(low, high))),))
            case FactType.SET:
                some, others = self._words(random_), self._words(random_)
                return random_.choice((HasAny(some), HasAll(some), Every((HasAny(some), Not(HasAny(others))))))

    def _text(self, random_: random.Random) -> Predicate:
        word = self._word(random_)
        return random_.choice(
            (
                OneOf(self._words(random_)),
                Glob(word[:-1] + "*"),
                Glob("*" + word[3:]),
                Glob(f"*{word[2:]}*"),
                Glob(f"w*{word[-2:]}?"),
                Every((Glob("word*"), Not(OneOf(frozenset((word,)))))),
            )
        )

    def _word(self, random_: random.Random) -> str:
        return f"word-{random_.randrange(self.words)}"

    def _words(self, random_: random.Random) -> frozenset[str]:
        return frozenset(self._word(random_) for _ in range(random_.randint(1, 6)))

    def _value(self, random_: random.Random, key: str) -> Value:
        spec = self.table.find(key)
        assert spec is not None
        match spec.type:
            case FactType.FLAG:
                return random_.random() < 0.5
            case FactType.TEXT:
                return self._word(random_)
            case FactType.NUMBER:
                return _any_number(random_)
            case FactType.SET:
                return self._words(random_)


def _any_number(random_: random.Random) -> float:
    return float(random_.random() * 10 ** random_.randint(0, 6))
