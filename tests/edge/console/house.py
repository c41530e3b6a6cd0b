"""A service with a console and everything behind it: rules of every kind, budgets, and decisions of every end, among them
requests whose every free word is hostile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.asking import ask, chat
from tests.support.proxy import RunningProxy, running_proxy

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "'-alert(3)-'",
    "{{7*7}}{% raw %}",
    "javascript:alert(4)",
    "</textarea></title><svg onload=alert(5)>",
    '=HYPERLINK("http://evil.example")',
    "\u202egpj.exe\u2028\u0000\x1b[31m",
)
"""Texts that would run, break out, steer or compute where somebody forgot to treat them as text."""

POLICY = """\
version: 1
# <script>alert("comment")</script> </textarea>
providers:
  near: {dialect: openai, base_url: "http://near.example/v1", region: eu, accounts: [{name: main}, {name: spare}]}
  far: {dialect: openai, base_url: "http://far.example/v1", region: us, accounts: [{name: main}]}
models:
  small: {provider: near, price: {input: 1, output: 2}, context: 128k, max_output: 16k, quality: 0.5}
  large: {provider: far, price: {input: 10, output: 20}, context: 400k, max_output: 64k, quality: 0.9}
  broken: {provider: far, id: "broken@503", price: {input: 1, output: 2}, context: 128k, max_output: 16k}
pools: {any: [small, large]}
budgets:
  month: {limit: $100, window: month}
  day: {limit: 1M tokens, window: 24h}
  tight: {limit: $0.002, window: day, when: {tags: {any: [tight]}}}
limits:
  slow: {requests_per_minute: 1000, concurrent: 50}
patterns: {secret: "password"}
rules:
  - name: no-secrets
    when: {prompt.matches.secret: true}
    refuse: {status: 403, message: '<img src=x onerror=alert("message")>', code: secret_in_prompt}
  - name: never-used
    when: {tags: {any: [never]}}
    route: {to: [large]}
  - name: shaky
    when: {tags: {any: [shaky]}}
    route: {to: [broken, small]}
  - name: cheapest
    when: {request.model: auto}
    route: {to: any, pick: cheapest}
  - name: as-asked
    route: {to: requested}
"""


async def traffic(proxy: RunningProxy) -> None:
    """Requests of every kind, each ended when this returns."""
    tags = "x-routebook-tags"
    asked = [
        *[(chat("auto", text="word " * length), []) for length in (1, 50, 400)],
        *[(chat("small"), []), (chat("large"), []), (chat("large", stream=True), [])],
        (chat("small", text="my password"), []),
        *[(chat("auto"), [(tags, "shaky")])] * 2,
        (chat("large", max_tokens=4000), [(tags, "tight")]),
        *[(chat(word), [(tags, "x")]) for word in HOSTILE],
    ]
    answers = await asyncio.gather(*(ask(proxy.url, body, headers=headers, timeout=60) for body, headers in asked))
    assert {answer.status for answer in answers} >= {200, 403, 404, 429}
    await proxy.ended_records(lambda records: len(records) >= len(asked), timeout=30)


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[RunningProxy]:
    """The service with its traffic, until the block ends."""
    async with running_proxy(folder, POLICY, "--simulate") as proxy:
        await traffic(proxy)
        yield proxy
