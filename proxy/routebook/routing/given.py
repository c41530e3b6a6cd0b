"""Facts given by hand, in policy tests and in `explain --given`, completed with what follows from them.

A clock without a zone is what the clock shows in every zone that a rule names. A client that the policy knows brings its
team, its labels and its tags. A request is a chat without tags or special needs where nothing else is said, as most are.
Everything else that is not given is missing.
"""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain

from routebook.catalogue.callers import ANONYMOUS, Client, client_named
from routebook.policy.coverage import tests_of
from routebook.policy.facts import Value
from routebook.routing.candidates import Plan
from routebook.routing.demand import demand_of_facts
from routebook.routing.fact_table import FACTS, WEEKDAYS
from routebook.routing.facts import GivenFacts
from routebook.routing.memory import BLANK, AccountKey, Bar, Memory, Remembered
from routebook.routing.outcomes import Route
from routebook.routing.own_tasks import TASK, own_task
from routebook.routing.planning import Planner
from routebook.routing.policy import Policy

USUAL: Mapping[str, Value] = {"request.operation": "chat", "request.needs": frozenset(), "tags": frozenset()}
"""What a request is where nothing else is said. Real requests always have these facts, so they cannot be missing."""

MIDDLE = 0.5
"""The draw of a request that was never made."""


def given_facts(policy: Policy, given: Mapping[str, Value], clocks: Collection[str] | None = None) -> GivenFacts:
    """What a request with these facts would answer to the policy's questions. `clocks` are its `zoned_keys`, where they
    are at hand."""
    if clocks is None:
        clocks = zoned_keys(policy) if any(key in CLOCKS for key in given) else ()
    client = client_of(policy, given)
    known = {**USUAL, **zoned_facts(clocks, given), **_of_client(client, given), **given, **_tags(client, given)}
    own = None if TASK in known else own_task(policy.tasks, known.get)
    return GivenFacts(known if own is None else {**known, TASK: own})


def clock_facts(policy: Policy, now: float) -> dict[str, Value]:
    """What the clock shows at a moment (seconds since 1970), in every zone that the policy names."""
    facts: dict[str, Value] = {}
    for key in {*CLOCKS, *(key for key in _asked(policy) if key.partition("[")[0] in CLOCKS)}:
        name, _, zone = key.partition("[")
        facts[key] = CLOCKS[name](datetime.datetime.fromtimestamp(now, zoneinfo.ZoneInfo(zone.rstrip("]") or "UTC")))
    return facts


CLOCKS: Mapping[str, Callable[[datetime.datetime], Value]] = {
    "time.of_day": lambda clock: clock.hour * 3600 + clock.minute * 60 + clock.second,
    "time.weekday": lambda clock: WEEKDAYS[clock.weekday()],
    "time.date": lambda clock: clock.toordinal(),
}
"""Facts of the clock, from the moment in the zone that a rule names."""


def plan_for_given(
    planner: Planner, route: Route, rule: str, given: Mapping[str, Value], draw: float = MIDDLE, memory: Memory = BLANK
) -> Plan:
    """Who would serve a request with these facts; by default with every account ready and nothing measured.

    Where chance decides (`split` without a name to go by, `weighted`), the draw does: by default the middle.
    """
    policy = planner.policy
    facts = given_facts(policy, given)
    return planner.plan(
        route, rule, demand_of_facts(dict(facts.given)), facts, client_of(policy, given), memory, at=0.0, draw=draw
    )


def memory_of(policy: Policy, given: Mapping[str, Value]) -> Remembered:
    """What upstreams did, as far as facts say so: `model.NAME.available`, `.first_token` and `.first_audio`."""
    bars: dict[tuple[AccountKey, str], Bar] = {}
    first_tokens: dict[str, float] = {}
    first_audios: dict[str, float] = {}
    for key, value in given.items():
        if not key.startswith("model."):
            continue
        name = FACTS.argument(key) or ""
        model = policy.catalogue.models.get(name)
        if key.endswith(".available") and value is False and model is not None:
            bars |= {((model.provider.name, each.name), name): _NOT_AVAILABLE for each in model.provider.accounts}
        elif key.endswith(".first_token") and isinstance(value, int | float):
            first_tokens[name] = float(value)
        elif key.endswith(".first_audio") and isinstance(value, int | float):
            first_audios[name] = float(value)
    return Remembered(bars=bars, first_tokens=first_tokens, first_audios=first_audios)


_NOT_AVAILABLE: Bar = ("account.out", 0.0, "`available: false` was given")


def client_of(policy: Policy, given: Mapping[str, Value]) -> Client:
    """The client that the facts name; one that the policy does not know may use everything, as `anonymous` may."""
    name = given.get("client.name")
    return client_named(policy.clients, name) if isinstance(name, str) else ANONYMOUS


def zoned_keys(policy: Policy) -> frozenset[str]:
    """The clocks of a zone of their own that the policy asks about, by key."""
    return frozenset(key for key in _asked(policy) if key.endswith("]") and key.partition("[")[0] in CLOCKS)


def zoned_facts(keys: Iterable[str], given: Mapping[str, Value]) -> dict[str, Value]:
    """What such clocks show where one is given without a zone."""
    return {key: given[name] for key in keys if (name := key.partition("[")[0]) in given}


def _asked(policy: Policy) -> Iterator[str]:
    conditions = chain(
        (rule.when for rule in policy.rules),
        (guarantee.when for guarantee in policy.guarantees),
        (budget.when for budget in policy.budgets.values()),
        (limit.when for limit in policy.limits.values()),
        (task.when for task in policy.tasks),
    )
    for condition in conditions:
        for test in tests_of(condition):
            yield test.fact


def _of_client(client: Client, given: Mapping[str, Value]) -> dict[str, Value]:
    if "client.name" not in given:
        return {}
    team: dict[str, Value] = {} if client.team is None else {"client.team": client.team}
    return team | {f"client.label.{name}": text for name, text in client.labels.items()}


def _tags(client: Client, given: Mapping[str, Value]) -> dict[str, Value]:
    tags = given.get("tags", USUAL["tags"])
    return {"tags": tags | client.tags} if isinstance(tags, frozenset) else {}
