"""Upstreams that count one side of a request and not the other: what is not known is estimated, and said to be."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.protocols.anthropic.subject import sse
from tests.support.asking import CHAT
from tests.support.proxy import in_process
from tests.support.rawclient import RawClient, post
from tests.support.upstream import Play, Say, Upstream, chunk, head, reply

MESSAGES = "/v1/messages"
ASKED: dict[str, Any] = {"model": "m", "max_tokens": 500, "messages": [{"role": "user", "content": "Hello?"}]}
START = {"id": "msg_1", "type": "message", "role": "assistant", "model": "up-1", "content": []}
BOTH = pytest.mark.parametrize("path", [MESSAGES, CHAT])
"""A client whose bytes are relayed, and one for whom the answer is translated."""


def policy(upstream: Upstream) -> str:
    """One model of a provider that speaks Messages."""
    return f"""\
version: 1
providers: {{up: {{dialect: anthropic, base_url: "{upstream.url}", accounts: [{{name: main}}]}}}}
models: {{m: {{provider: up, id: up-1, price: {{input: 1, output: 2}}, context: 128k, max_output: 8k}}}}
rules: [{{name: all, route: {{to: [m]}}}}]
"""


def stream(said: Iterable[bytes]) -> Play:
    """A chunked answer, one chunk each, that ends in order."""
    given = [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")]
    return [Say(head(200, given)), *(Say(chunk(each)) for each in said), Say(chunk(b""))]


def words(count: int, **usage: int) -> list[bytes]:
    """The beginning of a stream that was counted at its begin alone."""
    return [
        sse("message_start", message={**START, "usage": usage}),
        sse("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        *(sse("content_block_delta", index=0, delta={"type": "text_delta", "text": "word"}) for _ in range(count)),
    ]


ENDS = [
    sse("content_block_stop", index=0),
    sse("message_delta", delta={"stop_reason": "end_turn"}),
    sse("message_stop"),
]


async def counted(tmp_path: Path, path: str, play: Play, stream: bool) -> dict[str, Any]:
    """The record's last line of a request that is answered so."""
    async with Upstream() as upstream, in_process(tmp_path, policy(upstream)) as proxy:
        upstream.will(play)
        async with RawClient(proxy.url) as raw:
            assert (await raw.ask(post(path, {**ASKED, "stream": stream}), 20)).status == 200
        ended = (await proxy.only_record()).ended
    assert ended is not None
    return ended


@BOTH
async def test_a_whole_answer_with_half_a_count(tmp_path: Path, path: str) -> None:
    """What came out is not nothing because nobody counted it."""
    usage = {"input_tokens": 25}
    body = {**START, "content": [{"type": "text", "text": "word " * 40}], "stop_reason": "end_turn", "usage": usage}
    ended = await counted(tmp_path, path, reply(body), stream=False)
    assert ended["usage_by"] == "estimated"
    assert ended["output"] >= 40


@BOTH
async def test_a_stream_counted_before_its_words(tmp_path: Path, path: str) -> None:
    """The count at its begin says one token, and is none of what followed."""
    ended = await counted(tmp_path, path, stream([*words(40, input_tokens=25, output_tokens=1), *ENDS]), stream=True)
    assert ended["end"] == "--"
    assert ended["usage_by"] == "estimated"
    assert ended["output"] >= 40


@BOTH
async def test_a_stream_that_breaks_off_before_its_count(tmp_path: Path, path: str) -> None:
    """What went in was counted and stays; what came out is more than the one token of the begin."""
    ended = await counted(tmp_path, path, stream(words(40, input_tokens=25, output_tokens=1)), stream=True)
    assert ended["error"] == "upstream.cut"
    assert ended["usage_by"] == "estimated"
    assert (ended["input"], ended["output"]) == (25, 40)
