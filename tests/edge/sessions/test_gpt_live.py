"""Sessions of OpenAI's Live (GPT-Live), relayed: the model stands in the first event, and seconds are what is paid for."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import websockets.exceptions
from hypothesis import given
from hypothesis import strategies as st
from openai import AsyncOpenAI

from routebook.protocols.openai_live.reading import LiveReader
from routebook.protocols.sessions import Began, Finished
from tests.support.proxy import LocalProxy, in_process
from tests.support.voices import Voices, heard, until_left

SECOND = base64.b64encode(bytes(48_000)).decode()
"""A second of sound."""


def policy(upstream: str, more: str = "", dialect: str = "openai") -> str:
    """A model that is paid by the minute, and one behind it that is paid by tokens."""
    return f"""\
version: 1
providers:
  far: {{dialect: {dialect}, base_url: "{upstream}", accounts: [{{name: main}}]}}
models:
  talk: {{provider: far, id: gpt-live-1, operations: [realtime], price: {{minute: 0.6}}}}
  behind: {{provider: far, id: gpt-behind, price: {{input: 1, output: 2}}, max_output: 4096}}
{more}rules:
  - {{name: voices, when: {{request.dialect: openai-live, request.model: talk}}, route: {{to: [talk]}}}}
  - {{name: nobody, refuse: {{status: 403, message: no voice here}}}}
"""


def used(seconds: float) -> dict[str, Any]:
    """So many seconds in all, as the upstream says them."""
    return {"type": "session.usage.updated", "event_id": "event_2", "usage": {"seconds": seconds}}


STARTED = {"type": "session.started", "event_id": "event_1", "session": {"id": "live_1", "model": "gpt-live-1-2026"}}
RESPONSE = {"model": "gpt-behind", "usage": {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120}}
DELEGATED = {
    "type": "response.event",
    "event_id": "event_3",
    "delegation_id": "delegation_1",
    "event": {"type": "response.completed", "response": RESPONSE},
}


def closed(seconds: float) -> dict[str, Any]:
    """The end, as the upstream says it."""
    session = {"id": "live_1", "model": "gpt-live-1-2026"}
    return {
        "type": "session.closed",
        "event_id": "event_4",
        "reason": "close_requested",
        "session": session,
        "usage": {"seconds": seconds},
    }


async def say(socket: Any, *events: dict[str, Any]) -> None:
    """Send these."""
    for event in events:
        await socket.send_str(json.dumps(event))


def client_of(proxy: LocalProxy) -> AsyncOpenAI:
    """The official client."""
    return AsyncOpenAI(base_url=proxy.base_url, api_key="sk-test", max_retries=0)


START: Any = {"type": "session.start", "session": {"model": "talk", "instructions": "Be brief."}}


async def test_a_session_is_paid_by_the_second(tmp_path: Path) -> None:
    """The official client starts one, speaks and closes it; the upstream hears its own name of the model and nothing else
    that is changed. What was used is booked as often as it is told, what a task used at its own model's price."""
    came: list[Any] = []

    async def talk(socket: Any) -> None:
        came.append(await heard(socket))
        await say(socket, STARTED)
        came.append(await heard(socket))
        await say(socket, {"type": "session.output_audio.delta", "delta": SECOND}, used(10), DELEGATED, used(25))
        came.append(await heard(socket))
        await say(socket, closed(31))
        await until_left(socket)

    async with Voices(talk) as voices, in_process(tmp_path, policy(voices.base_url)) as proxy:
        async with client_of(proxy).live.connect() as session:
            await session.send(START)
            assert (await session.recv()).type == "session.started"
            await session.send({"type": "session.input_audio.append", "audio": SECOND})
            kinds = [(await session.recv()).type for _ in range(4)]
            await session.send({"type": "session.close"})
            end: Any = await session.recv()
        record = await proxy.only_record(30)
    assert kinds == ["session.output_audio.delta", "session.usage.updated", "response.event", "session.usage.updated"]
    assert (end.type, end.usage.seconds) == ("session.closed", 31)
    assert voices.upgrades[0].path == "/v1/live/sessions"
    assert came[0] == {"type": "session.start", "session": {"model": "gpt-live-1", "instructions": "Be brief."}}
    assert (record.decided["dialect"], record.decided["requested"]) == ("openai-live", "talk")
    assert record.ended is not None
    assert (record.ended["end"], record.ended["served"]) == ("--", "gpt-live-1-2026")
    assert record.ended["usage"] == {"input": 100, "output": 20, "heard_ms": 31_000}
    assert record.ended["cost"] == 31 * 10_000_000 + 100 * 1_000 + 20 * 2_000
    assert record.ended["usage_by"] == "measured"
    lines = [(line["status"], line["usage"]) for line in record.ended["session"]["responses"]]
    assert lines == [
        ("completed", {"heard_ms": 10_000}),
        ("delegation", {"input": 100, "output": 20}),
        ("completed", {"heard_ms": 15_000}),
        ("closed", {"heard_ms": 6_000}),
    ]


@pytest.mark.parametrize(
    ("start", "code"),
    [
        ({**START, "session": {"model": "other"}}, "policy.refused"),
        ({"type": "session.input_audio.append", "audio": ""}, "request.malformed"),
        ({"type": "session.start", "session": {}}, "request.malformed"),
    ],
)
async def test_a_refusal_is_an_error_and_a_close(tmp_path: Path, start: dict[str, Any], code: str) -> None:
    """Before anybody was asked: an `error` event of the dialect, then 1008 with the reason."""
    async with in_process(tmp_path, policy("http://127.0.0.1:9/v1")) as proxy:
        async with client_of(proxy).live.connect() as session:
            await session.send(start)  # type: ignore[arg-type]
            error: Any = await session.recv()
            with pytest.raises(websockets.exceptions.ConnectionClosedError) as raised:
                await session.recv()
        record = await proxy.only_record(30)
    assert error.type == "error" and error.error.message
    assert raised.value.rcvd is not None
    assert raised.value.rcvd.code == 1008 and code in raised.value.rcvd.reason
    assert record.ended is None or record.ended["error"] == code


@pytest.mark.parametrize(("limit", "seconds"), [("$0.7", [20]), ("$1", [20, 50])])
async def test_where_the_budget_is_used_up_it_ends(tmp_path: Path, limit: str, seconds: list[int]) -> None:
    """A minute is held for at a time. Where the next one does not fit, the client is told, and nothing more is used."""

    async def talk(socket: Any) -> None:
        await heard(socket)
        await say(socket, STARTED, *map(used, seconds))
        await until_left(socket)

    budget = f"budgets:\n  all: {{limit: {limit}, window: month}}\n"
    async with Voices(talk) as voices, in_process(tmp_path, policy(voices.base_url, budget)) as proxy:
        async with client_of(proxy).live.connect() as session:
            await session.send(START)
            events: list[Any] = [await session.recv() for _ in range(2 + len(seconds))]
            with pytest.raises(websockets.exceptions.ConnectionClosedError) as raised:
                await session.recv()
        record = await proxy.only_record(30)
        assert proxy.gateway.metrics.snapshot()["routebook_holds"] == [((), 0)]
    assert [each.type for each in events] == ["session.started", *["session.usage.updated"] * len(seconds), "error"]
    assert "budget" in events[-1].error.message
    assert raised.value.rcvd is not None and raised.value.rcvd.code == 1008
    assert record.ended is not None
    assert record.ended["cost"] == seconds[-1] * 10_000_000
    assert record.ended["session"]["closed_by"] == "gateway"
    assert record.ended["error"] == events[-1].error.code


async def test_an_abrupt_end_is_estimated_by_the_sound(tmp_path: Path) -> None:
    """What was heard since the upstream last said what was used; marked as unconfirmed."""

    async def talk(socket: Any) -> None:
        await heard(socket)
        await say(socket, STARTED, used(10))
        for _ in range(3):
            await heard(socket)
        socket._req.transport.abort()

    async with Voices(talk) as voices, in_process(tmp_path, policy(voices.base_url)) as proxy:
        async with client_of(proxy).live.connect() as session:
            await session.send(START)
            for _ in range(2):
                await session.recv()
            for _ in range(3):
                await session.send({"type": "session.input_audio.append", "audio": SECOND})
            error: Any = await session.recv()
        record = await proxy.only_record(30)
    assert error.type == "error"
    assert record.ended is not None
    assert record.ended["error"] == "upstream.cut"
    assert record.ended["usage"] == {"heard_ms": 13_000} and record.ended["usage_by"] == "estimated"
    assert [line["status"] for line in record.ended["session"]["responses"]] == ["completed", "unconfirmed"]


async def test_only_a_provider_that_speaks_it_is_asked(tmp_path: Path) -> None:
    """Such sessions do not cross."""
    async with in_process(tmp_path, policy("http://127.0.0.1:9/v1", dialect="gemini")) as proxy:
        async with client_of(proxy).live.connect() as session:
            await session.send(START)
            assert (await session.recv()).type == "error"
        record = await proxy.only_record(30)
    assert "model.translation" in json.dumps(record.decided)


async def test_a_stop_waits_for_what_was_used(tmp_path: Path) -> None:
    """A session that is always running ends when the upstream next says what was used, all of which is booked."""

    async def talk(socket: Any) -> None:
        await heard(socket)
        await say(socket, STARTED)
        await heard(socket)
        await say(socket, used(10))
        await until_left(socket)

    async with Voices(talk) as voices, in_process(tmp_path, policy(voices.base_url)) as proxy:
        async with client_of(proxy).live.connect() as session:
            await session.send(START)
            await session.recv()
            proxy.listener.stop_accepting()
            await session.send({"type": "session.input_audio.append", "audio": SECOND})
            events: list[Any] = [await session.recv() for _ in range(2)]
            with pytest.raises(websockets.exceptions.ConnectionClosedOK) as raised:
                await session.recv()
        record = await proxy.only_record(30)
    assert [each.type for each in events] == ["session.usage.updated", "error"]
    assert events[1].error.code == "gateway.draining"
    assert raised.value.rcvd is not None and raised.value.rcvd.code == 1001
    assert record.ended is not None
    assert [line["usage"] for line in record.ended["session"]["responses"]] == [{"heard_ms": 10_000}]


@given(st.lists(st.floats(0, 100_000, allow_nan=False), max_size=20), st.floats(0, 100_000, allow_nan=False))
def test_seconds_are_booked_once(told: list[float], last: float) -> None:
    """Whatever the upstream says in whichever order: what is booked is the most that it said, and one thing runs at a time."""
    reader = LiveReader()
    happened = [*reader.came(json.dumps(STARTED).encode())]
    for seconds in told:
        happened += reader.came(json.dumps(used(seconds)).encode())
    happened += reader.came(json.dumps(closed(last)).encode())
    booked = [each.usage for each in happened if isinstance(each, Finished)]
    assert sum(each.heard_ms for each in booked if each is not None) == round(max([*told, last]) * 1000)
    assert [type(each) for each in happened] == [Began, Finished] * (len(happened) // 2)
    assert reader.unfinished() == []
