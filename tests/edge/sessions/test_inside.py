"""How long messages are inside: counted of every one, told in the record and to Prometheus."""

from __future__ import annotations

import json
import socket
import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routebook.edge.metrics import EVENT, MOMENTS, SESSION_MESSAGE, Metrics
from routebook.edge.scrape import added, as_text
from routebook.edge.sessions.inside import Inside
from routebook.edge.simulator.server import start_simulator
from tests.edge.sessions.test_relay import echo, session
from tests.support.asking import ask, chat
from tests.support.proxy import in_process
from tests.support.voices import Voices, voice_policy

COUNT = 40


@given(st.lists(st.floats(0.0, 0.3), min_size=1, max_size=200))
def test_what_is_told_is_what_was_measured(times: list[float]) -> None:
    """All messages, the longest as it was, and a median that is in the bucket of the real one; all sessions together have
    the same counts."""
    everybody = [0.0] * (len(MOMENTS) + 2)
    inside = Inside(everybody)
    for each in times:
        inside.took(each)
    line = inside.line()
    assert line is not None
    assert line["messages"] == len(times) == sum(everybody[:-1])
    assert everybody[-1] == pytest.approx(sum(times))
    assert line["longest"] == pytest.approx(max(times), abs=1e-6)
    low = statistics.median_low(times)
    above = next((bound for bound in MOMENTS if low <= bound), max(times))
    below = max((bound for bound in MOMENTS if bound < low), default=0.0)
    assert below - 1e-6 <= line["p50"] <= above + 1e-6


def test_where_nothing_was_said_nothing_is_told() -> None:
    """No counts are kept before there is something to count."""
    assert Inside([0.0] * (len(MOMENTS) + 2)).line() is None


def scraped(metrics: Metrics) -> str:
    """What a scrape shows of a worker's counts."""
    return as_text(added([metrics.snapshot()]), []).decode()


async def test_every_message_of_a_session_is_counted(tmp_path: Path) -> None:
    """Either way, in the record and in the metric, which any reader of Prometheus' format understands."""
    async with Voices(echo) as voices, in_process(tmp_path, voice_policy(voices.base_url)) as proxy:
        async with session(proxy) as talk:
            await talk.receive()
            for number in range(COUNT):
                await talk.send_str(json.dumps({"type": "input_audio_buffer.append", "audio": "", "n": number}))
                await talk.receive()
        record = await proxy.only_record()
        text = scraped(proxy.gateway.metrics)
    assert record.ended is not None
    inside = record.ended["session"]["inside"]
    assert inside["to_upstream"]["messages"] == COUNT
    assert inside["to_client"]["messages"] == COUNT + 1
    for line in inside.values():
        assert 0 < line["p50"] <= line["longest"]
    assert f'{SESSION_MESSAGE.name}_count{{direction="to_upstream"}} {COUNT}.0' in text
    assert f'{SESSION_MESSAGE.name}_bucket{{direction="to_client",le="+Inf"}} {COUNT + 1}.0' in text
    assert f'{SESSION_MESSAGE.name}_bucket{{direction="to_client",le="5e-05"}}' in text


async def test_pieces_of_streams_are_counted_relayed_and_translated_apart(tmp_path: Path) -> None:
    """All but the first and the last, each once."""
    simulator = await start_simulator(socket.create_server(("127.0.0.1", 0)), pace=0.005)
    policy = f"""\
version: 1
providers:
  same: {{dialect: openai, base_url: "{simulator.address}", accounts: [{{name: main}}]}}
  other: {{dialect: anthropic, base_url: "{simulator.address}", accounts: [{{name: main}}]}}
models:
  same: {{provider: same, price: {{input: 1, output: 2}}, context: 128k, max_output: 16k}}
  other: {{provider: other, price: {{input: 1, output: 2}}, context: 128k, max_output: 16k}}
rules: [{{name: all, route: {{to: requested}}}}]
"""
    try:
        async with in_process(tmp_path, policy) as proxy:
            for model, how in (("same", "relayed"), ("other", "translated")):
                answer = await ask(proxy.url, chat(model, stream=True), timeout=60)
                assert answer.status == 200, answer.body
                row = proxy.gateway.metrics.moments(EVENT, how)
                assert 5 <= sum(row[:-1]) <= answer.body.count(b"data:")
                assert row[-1] > 0
            text = scraped(proxy.gateway.metrics)
    finally:
        await simulator.close()
    assert f'{EVENT.name}_count{{how="relayed"}}' in text and f'{EVENT.name}_count{{how="translated"}}' in text
