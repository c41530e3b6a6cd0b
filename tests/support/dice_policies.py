"""Random policies as texts, with facts of every type: what proofs, coverage and suggestions are held to."""

from __future__ import annotations

import random

CATALOGUE = """\
version: 1
providers:
  home: {dialect: openai, base_url: https://home.example/v1, region: eu, accounts: [{name: a}, {name: b}]}
  away: {dialect: anthropic, base_url: https://away.example, region: us, accounts: [{name: a}]}
models:
  near: {provider: home, price: {input: 1, output: 1}, capabilities: [tools, vision], operations: [chat, embeddings]}
  wide: {provider: home, context: 64k, capabilities: [tools], price: {input: 2, output: 2}, max_output: 4k}
  far: {provider: away, max_output: 1k, price: {input: 100, output: 1000}, capabilities: [vision]}
budgets:
  month: {limit: $100, window: month}
patterns:
  secret: "BEGIN [A-Z]+"
"""

CLIENTS = """\
clients:
  ann: {team: interns, tags: [red], labels: {tier: gold}}
  bob: {team: research, may_set_tags: [blue]}
  job: {models: [near]}
"""


class Policies:
    """A source of policies; the same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def policy(self, most: int = 8) -> str:
        """The text of a policy: some with clients, some with named conditions, the last rule takes the rest."""
        dice = self._random
        named = {f"named-{number}": self._condition(1) for number in range(dice.randint(0, 2))}
        rules = [self._rule(number, tuple(named)) for number in range(dice.randint(1, most))]
        conditions = "".join(f"  {name}: {text}\n" for name, text in named.items())
        return (
            CATALOGUE
            + (CLIENTS if dice.random() < 0.4 else "")
            + (f"conditions:\n{conditions}" if named else "")
            + "rules:\n"
            + "".join(rules)
            + "  - {name: rest, route: {to: [near, wide, far]}}\n"
        )

    def _rule(self, number: int, named: tuple[str, ...]) -> str:
        when = self._condition(2)
        if named and self._random.random() < 0.3:
            when = f"{{all_of: [{self._random.choice(named)}, {when}]}}"
        return f"  - {{name: rule-{number}, when: {when}, {self._outcome()}}}\n"

    def _outcome(self) -> str:
        return self._random.choice(
            (
                "refuse: {status: 451, code: no}",
                "route: {to: [near, far]}",
                "route: {to: requested}",
                "route: {to: [wide, near], pick: cheapest, within: {cost: $0.01}}",
                "route: {to: [near, wide], split: {near: 50%, wide: 50%}}",
            )
        )

    def _condition(self, depth: int) -> str:
        dice = self._random
        if depth and dice.random() < 0.3:
            joiner = dice.choice(("any_of", "all_of"))
            parts = ", ".join(self._condition(depth - 1) for _ in range(dice.randint(1, 3)))
            return f"{{{joiner}: [{parts}]}}"
        facts = dice.sample(_FACTS, dice.randint(1, 3))
        return "{" + ", ".join(f"{fact}: {dice.choice(ways)}" for fact, ways in facts) + "}"


_TOKENS = ("{at_least: 2k}", "{below: 2k}", "{between: [1k, 4k]}", "{above: 4k}", "{not: {between: [1k, 2k]}}", "1k")
_FACTS = (
    ("prompt.tokens", _TOKENS),
    ("request.max_output", ("{at_least: 512}", "{known: false}", "{known: true}", "{at_most: 256, missing: holds}")),
    ("tags", ("{any: [red, blue]}", "{all: [red, blue]}", "{none: [red]}", "{any: [blue], none: [green]}")),
    ("request.model", ("auto", "[auto, near]", "{prefix: gpt-}", "{not: near}", "{glob: g*4}", "{suffix: -4}")),
    ("client.team", ("interns", "{not: interns}", "[interns, research]", "{known: false}")),
    ("client.label.tier", ("gold", "{not: [gold], missing: holds}")),
    ("request.header.x-app", ("web", "{prefix: w}", "{not: web}")),
    ("request.stream", ("true", "false")),
    ("prompt.matches.secret", ("true", "false")),
    ("budget.month.left", ("{below: 10%}", "{at_least: 50%}", "{below: 5%, missing: holds}")),
    ("budget.month.used", ("{above: $50}", "{between: [$10, $50]}")),
    ("time.of_day", ('{from: "22:00", to: "06:00", zone: Europe/Berlin}', '{from: "09:00", to: "17:30"}')),
    ("time.weekday", ("[sat, sun]", "mon")),
    ("request.operation", ("chat", "[embeddings, chat]", "{not: chat}")),
    ("request.needs", ("{any: [vision]}", "{all: [tools, vision]}")),
    ("model.near.available", ("false",)),
    ("model.near.first_token", ("{above: 300ms}", "{at_most: 2s}")),
)
"""Facts with what may be asked of each."""
