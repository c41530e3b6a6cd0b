"""The policies of a long run: everything that a policy can switch on at once, in two forms to reload between, and one that is broken.

Conversations, clients and questions come from small sets (`traffic`), so that whatever remembers them is full after the warm-up:
what grows after it is a leak.
"""

from __future__ import annotations

from collections.abc import Callable

_POLICY = """\
version: 1
settings:
  default_max_output: 64
  cache: {{bytes: 1MiB, entry: 64KiB}}
  sessions: {{longest: 10m, idle: 30s}}
  breaker: {{rest: 2s}}
providers:
  plain:
    dialect: openai
    base_url: {upstream}/v1
    accounts: [{{name: one}}, {{name: two, limits: {{concurrent: 64}}}}]
  other:
    dialect: anthropic
    base_url: {upstream}
    accounts: [{{name: main}}]
  third:
    dialect: gemini
    base_url: {upstream}
    accounts: [{{name: main}}]
models:
  fast: {{provider: plain, id: fast-1, price: {{input: 1, output: 2}}, context: 128k, max_output: 16k,
         capabilities: [tools], quality: 0.5, operations: [chat, count_tokens]}}
  careful: {{provider: other, id: careful-1, price: {{input: 3, output: 15}}, context: 200k, max_output: 32k,
            capabilities: [tools], quality: 0.9}}
  wide: {{provider: third, id: wide-1, price: {{input: 2, output: 8}}, context: 1M, max_output: 32k,
         capabilities: [tools], quality: 0.8}}
  failing: {{provider: plain, id: "failing-1@503,chance=30%", price: {{input: 1, output: 2}}, context: 128k, max_output: 16k,
            quality: 0.4}}
  breaking: {{provider: plain, id: "breaking-1@cut=900,chance=50%", price: {{input: 1, output: 2}}, context: 128k,
             max_output: 16k, quality: 0.4}}
  vectors: {{provider: plain, id: vectors-1, price: {{input: 0.1}}, context: 8k, operations: [embeddings]}}
  voice: {{provider: plain, id: voice-1, operations: [realtime], max_output: 4k,
          price: {{input: 4, audio_input: 32, output: 16, audio_output: 64}}}}
budgets:
  everybody: {{limit: $1000000, window: month}}
  pennies: {{limit: $0.01, window: hour, when: {{tags: {{any: [poor]}}}}}}
  talk: {{limit: 1000M tokens, window: day, when: {{request.operation: realtime}}}}
limits:
  together: {{concurrent: 2, when: {{tags: {{any: [crowd]}}}}, queue: {{places: 4, wait: 2s}}}}
rules:
  - {{name: voices, when: {{request.operation: realtime}}, route: {{to: [voice]}}}}
  - {{name: vectors, when: {{request.operation: embeddings}}, route: {{to: [vectors]}}}}
  - {{name: kept, when: {{tags: {{any: [faq]}}}}, route: {{to: [fast], cache: {{for: 5s, shared: true}}}}}}
  - {{name: talks, when: {{tags: {{any: [talk]}}}}, route: {{to: [fast, careful], stick: 1m}}}}
  - {{name: falls-back, when: {{request.model: failing}}, route: {{to: [failing, careful]}}}}
  - {{name: {name}, route: {{to: requested{more}}}}}
"""

Policy = Callable[[str], str]
"""A policy for a simulated upstream at an address."""


def first(upstream: str) -> str:
    """What a run begins with."""
    return _POLICY.format(upstream=upstream, name="as-asked", more="")


def second(upstream: str) -> str:
    """The same with another last rule, which sends copies to another model as well."""
    return _POLICY.format(upstream=upstream, name="as-asked-and-copied", more=", shadow: {to: fast, share: 5%}")


def broken(upstream: str) -> str:
    """One that must never be served."""
    return first(upstream).replace("route: {to: [voice]}", "route: {to: [voise]}")
