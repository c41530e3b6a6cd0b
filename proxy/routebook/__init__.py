"""Routebook: a declarative reverse proxy for AI model APIs.

The rooms, floor by floor; imports go down only, and rooms of one floor do not know each other
(`docs/architecture.md`, checked by import-linter):

- `documents`   YAML with lines and columns -> checked values and problems. Knows files, not rules.
- `policy`      the rule language: facts, conditions, rules, the decision tree. Has never heard of models or HTTP.
- `chat`        what a conversation with a model consists of, in nobody's dialect.
- `catalogue`   providers, accounts, models, pools, prices.
- `protocols`   bytes <-> what they mean, one package a dialect; feeds and drains, never waits.
- `ledger`      money, budgets and limits as arithmetic.
- `health`      what was measured of upstreams: cool-downs, latency, load.
- `routing`     one request's path as a calculation: facts, candidates, attempts, meter, record.
- `edge`        the only floor that waits: aiohttp, journal, reload, admin, workers.
- `cli`         one file per command.
"""

__version__ = "0.1.0"
