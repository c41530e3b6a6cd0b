"""Responses over a WebSocket: each is a request; and the socket between them."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType

from routebook.edge.simulator.server import start_simulator
from tests.edge.sessions.test_relay import refusal, session
from tests.support.proxy import LocalProxy, in_process, small_policy

PATH = "/v1/responses"


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[LocalProxy]:
    """Before a simulated chat that is not of the same dialect."""
    simulator = await start_simulator(socket.create_server(("127.0.0.1", 0)), pace=0)
    more = "budgets:\n  all: {limit: $1, window: 30d}\nsettings: {sessions: {idle: 30s}}\n"
    async with in_process(tmp_path, small_policy(simulator.address, more=more)) as running:
        yield running
    await simulator.close()


def create(text: str, **more: Any) -> str:
    """An event that asks for a response."""
    return json.dumps({"type": "response.create", "model": "small", "input": text, **more})


async def until_over(talk: Any) -> list[dict[str, Any]]:
    """The events of one response."""
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] not in ("response.completed", "response.failed", "error"):
        events.append(json.loads(await talk.receive_str(timeout=30)))
    return events


async def test_responses_follow_each_other(proxy: LocalProxy) -> None:
    """Asked for all at once, they come one after the other; each has its record and its money."""
    async with session(proxy, PATH) as talk:
        for text in ("one", "two", "three"):
            await talk.send_str(create(text))
        answers = [await until_over(talk) for _ in range(3)]
    for text, events in zip(("one", "two", "three"), answers, strict=True):
        said = "".join(each["delta"] for each in events if each["type"] == "response.output_text.delta")
        assert events[0]["type"] == "response.created" and text in said
    records = await proxy.ended_records(lambda records: len(records) == 3)
    assert {each.decided["operation"] for each in records.values()} == {"chat"}
    assert all(each.ended is not None and each.ended["cost"] > 0 for each in records.values())
    assert all(each.ended is not None and each.ended["end"] == "--" for each in records.values())


@pytest.mark.parametrize("wrong", ["not JSON", "[]", '{"type":"response.stop"}', "{}", '{"type":7}'])
async def test_what_is_no_request_is_told_and_the_socket_goes_on(proxy: LocalProxy, wrong: str) -> None:
    """As an error event with the status that it would have had."""
    async with session(proxy, PATH) as talk:
        await talk.send_str(wrong)
        told = json.loads(await talk.receive_str(timeout=30))
        assert (told["type"], told["status"], told["error"]["code"]) == ("error", 400, "request.malformed")
        await talk.send_str(create("hello"))
        assert (await until_over(talk))[-1]["type"] == "response.completed"


async def test_who_may_not_ask_is_refused_at_the_upgrade(proxy: LocalProxy) -> None:
    """In the API's words; what is no upgrade is refused too."""
    proxy.take("clients: {app: {}}\n" + small_policy("http://127.0.0.1:9/v1"))
    assert (await refusal(proxy, PATH))[0] == 401
    assert (await refusal(proxy, PATH, **{"Sec-WebSocket-Version": "8"}))[0] == 400


async def test_a_drain_lets_a_response_end(proxy: LocalProxy) -> None:
    """A quiet socket is closed at once with 1001, one on which a response runs after it."""
    async with session(proxy, PATH) as quiet, session(proxy, PATH) as busy:
        await quiet.send_str(create("hello"))
        await until_over(quiet)
        await busy.send_str(create("hello", metadata={"simulate": "pace=50ms"}))
        await busy.receive_str(timeout=30)
        draining = asyncio.create_task(proxy.listener.drain(30))
        message = await quiet.receive(timeout=30)
        assert (message.type, message.data) == (WSMsgType.CLOSE, 1001)
        assert (await until_over(busy))[-1]["type"] == "response.completed"
        message = await busy.receive(timeout=30)
        assert (message.type, message.data) == (WSMsgType.CLOSE, 1001)
        await draining


async def test_a_client_that_leaves_ends_its_response(proxy: LocalProxy) -> None:
    """The upstream is left too, and the record says who left."""
    async with session(proxy, PATH) as talk:
        await talk.send_str(create("hello", metadata={"simulate": "stall=2"}))
        await talk.receive_str(timeout=30)
        talk._response.connection.transport.abort()
        record = await proxy.only_record(30)
    assert record.ended is not None
    assert record.ended["error"] == "client.gone"
