"""A proxy in front of the simulated upstream in every dialect, with a tap between them; and the SDKs as its clients."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from routebook.edge.simulator.server import start_simulator
from tests.sdk.processes import Processes
from tests.sdk.words.anthropic import Anthropic
from tests.sdk.words.asking import Answer, Ask, How, Words
from tests.sdk.words.chat import Chat
from tests.sdk.words.google import Google
from tests.sdk.words.responses import Responses
from tests.support.proxy import LocalProxy, in_process
from tests.support.tapping import Tap

UPSTREAMS = ("openai", "openai-responses", "anthropic", "gemini", "ollama")
"""What providers speak, as a policy says it; each is also the name of a model that one of them serves."""

CROSSED = UPSTREAMS[:4]
"""Those that clients speak too."""

OWN = {"chat": "openai", "responses": "openai-responses", "anthropic": "anthropic", "google": "gemini"}
"""The upstream that speaks what a family of clients speaks."""

_ABLE = "capabilities: [tools, vision, documents, json_schema, reasoning, logprobs]"


def policy(more: str = "", settings: str = "", rule: str = "") -> str:
    """A provider and two models for each dialect of upstreams, and each model under its own name."""
    providers = "".join(
        f'  {word}: {{dialect: {word}, base_url: "http://127.0.0.1:1/v1", accounts: [{{name: main}}]}}\n'
        for word in UPSTREAMS
    )
    models = "".join(
        f"  {name}: {{provider: {word}, id: {name}-9, price: {{input: 1, output: 2}}, context: 128k, max_output: 8k,\n"
        f"    {_ABLE}}}\n"
        for word in UPSTREAMS
        for name in (word, f"{word}-other")
    )
    return f"""\
version: 1
providers:
{providers}  newer: {{dialect: anthropic, version: "2026-10-21", base_url: "http://127.0.0.1:1/v1", accounts: [{{name: main}}]}}
models:
{models}  anthropic-newer: {{provider: newer, id: newer-1, price: {{input: 1, output: 2}}, context: 128k, max_output: 8k,
    {_ABLE}}}
  vectors: {{provider: openai, id: vectors-1, price: {{input: 1}}, context: 8k, operations: [embeddings]}}
  vectors-google: {{provider: gemini, id: vectors-2, price: {{input: 1}}, context: 8k, operations: [embeddings]}}
rules: [{rule + ", " if rule else ""}{{name: as-asked, route: {{to: requested}}}}]
settings: {{breaker: {{of: 100k, in_a_row: 100k}}{settings}}}
{more}"""


@dataclass(frozen=True)
class Kind:
    """A way to be a client: which SDK, and in which words."""

    sdk: str
    words: Words


def _kinds() -> Mapping[str, Kind]:
    found: dict[str, Kind] = {}
    for major in ("1", "3", "js"):
        found[f"chat-{major}"] = Kind(f"openai-{major}", Chat())
        found[f"responses-{major}"] = Kind(f"openai-{major}", Responses())
    found |= {f"anthropic-{major}": Kind(f"anthropic-{major}", Anthropic()) for major in ("0", "2", "js")}
    found |= {f"google-{major}": Kind(f"google-{major}", Google()) for major in ("1", "3", "js")}
    return found


KINDS: Mapping[str, Kind] = _kinds()
"""Every client by its name: the API that it speaks, and the SDK's major version, or `js`."""


@dataclass
class House:
    """A running proxy with what stands before and behind it."""

    proxy: LocalProxy
    tap: Tap
    processes: Processes

    def client(self, name: str, **options: Any) -> Client:
        """One of `KINDS` as a client of this proxy; `options` are for how its SDK is made."""
        return Client(name, KINDS[name], self, options)

    async def record_of(self, result: Mapping[str, Any]) -> Any:
        """The decision record of what came of a call."""
        return await self.proxy.record(str(result["headers"]["x-routebook-decision"]))


@dataclass
class Client:
    """An SDK that asks a proxy. `last` is what it gave or raised the last time, as it is."""

    name: str
    kind: Kind
    house: House
    options: dict[str, Any] = field(default_factory=dict)
    last: dict[str, Any] = field(default_factory=dict)

    @property
    def family(self) -> str:
        """Which API it speaks: `chat`, `responses`, `anthropic` or `google`."""
        return self.name.rpartition("-")[0]

    async def do(self, what: str, **given: Any) -> dict[str, Any]:
        """One call of the SDK, whatever comes of it."""
        made = {"base_url": self.kind.words.base(self.house.proxy.url), **self.options}
        self.last = await self.house.processes[self.kind.sdk].do(what, made, given)
        return self.last

    async def try_to(self, ask: Ask, how: How = How.WHOLE) -> dict[str, Any]:
        """Ask, whatever comes of it."""
        words = self.kind.words
        return await self.do(words.operation(how), **words.given(ask, how))

    async def ask(self, ask: Ask, how: How = How.WHOLE) -> Answer:
        """The answer to a request that is served."""
        result = await self.try_to(ask, how)
        assert "error" not in result, result
        return self.kind.words.answer(result, how)


@asynccontextmanager
async def opened(
    folder: Path, processes: Processes, more: str = "", settings: str = "", rule: str = ""
) -> AsyncIterator[House]:
    """Serve until the block ends, with `more` in the policy and its `settings`, and a `rule` before the one that does as
    is asked; the simulated upstream does not take its time."""
    running = await start_simulator(socket.create_server(("127.0.0.1", 0)), pace=0)
    try:
        async with (
            Tap(running.address) as tap,
            in_process(folder, policy(more, settings, rule), simulate_at=tap.url) as proxy,
        ):
            yield House(proxy, tap, processes)
    finally:
        await running.close()
