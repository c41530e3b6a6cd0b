"""The official SDK against what a newcomer starts: `routebook serve --simulate` with the shipped policy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.conftest import Talk
from tests.sdk.processes import ROOT
from tests.support.proxy import RunningProxy, running_proxy

Call = Callable[..., dict[str, Any]]

HELLO = [{"role": "user", "content": "Say hello."}]


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[RunningProxy]:
    """The real program with the shipped policy and simulated models."""
    rules = ROOT / "rules"
    files = {str(path.relative_to(rules)): path.read_text() for path in rules.rglob("*.yaml")}
    async with running_proxy(tmp_path, files, "--simulate") as running:
        yield running


async def test_a_conversation(talk: Talk, call: Call, proxy: RunningProxy) -> None:
    """Streamed and whole say the same; tools, embeddings and the list of models work; each call has its record."""
    tool = {
        "type": "function",
        "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
    whole, streamed, tools, vectors, models = await talk(
        proxy.base_url,
        call("chat", model="gpt-5.6", messages=HELLO),
        call("stream", model="gpt-5.6", messages=HELLO),
        call("helper", model="gpt-5.6", messages=HELLO, tools=[tool], tool_choice="required"),
        call("embeddings", model="text-embedding-3-small", input=["one", "two"]),
        call("models"),
    )
    records = await proxy.ended_records(lambda records: len(records) >= 4)

    assert whole["text"] == streamed["text"]
    assert "Say hello." in whole["text"]
    assert tools["dump"]["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "weather"
    assert [len(item["embedding"]) for item in vectors["dump"]["data"]] == [256, 256]
    assert "gpt-5.6" in models["ids"]
    assert records[whole["headers"]["x-routebook-decision"]].ended["status"] == 200  # type: ignore[index]


async def test_faults_on_demand_reach_the_client_as_errors(talk: Talk, call: Call, proxy: RunningProxy) -> None:
    """A stream that the simulated upstream cuts or fails is an error of the SDK, with the text so far."""
    cut, failed, hard = await talk(
        proxy.base_url,
        call("stream", model="gpt-5.6", messages=HELLO, metadata={"simulate": "cut=1500"}),
        call("stream", model="gpt-5.6", messages=HELLO, metadata={"simulate": "error-event=4"}),
        call("chat", model="gpt-5.6", messages=HELLO, metadata={"simulate": "400"}),
    )

    assert cut["error"] == "APIError"
    assert cut["text"].startswith("This is")
    assert failed["error"] == "APIError"
    assert (hard["error"], hard["status"]) == ("BadRequestError", 400)
