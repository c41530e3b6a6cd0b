"""Guards with real sockets: what was masked is what is sent, in every dialect; and services that are asked, or fail."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from routebook.routing.replay import decide_again, differences
from routebook.routing.telling.explanation import explain_record
from routebook.routing.telling.rendering import as_text
from tests.support.asking import ask, chat
from tests.support.clock import SetClock
from tests.support.proxy import LocalProxy, compiled, in_process, small_policy
from tests.support.rawclient import RawClient
from tests.support.upstream import Hang, Upstream, reply

CARD = "4111-1111-1111-1111"
MASK = """
patterns: {card: '\\d{4}-\\d{4}-\\d{4}-\\d{4}'}
guards:
  cards: {mask: [card], with: "[removed]"}
"""
NEAR = """\
  - {name: held-a-card, when: {guard.cards.found: true}, route: {to: [large]}}
  - {name: everything, route: {to: [small]}}"""

TOOL = {"type": "object", "properties": {"q": {"type": "string", "description": f"not {CARD}"}}}
REQUESTS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "openai-chat": (
        "/v1/chat/completions",
        {
            "model": "small",
            "messages": [
                {"role": "system", "content": f"never {CARD}"},
                {"role": "user", "content": [{"type": "text", "text": f"mine is {CARD}"}]},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {
                            "id": "c1",
                            "type": "function",
                            "function": {"name": "look", "arguments": f'{{"q": "{CARD}"}}'},
                        }
                    ],
                },
                {"role": "tool", "tool_call_id": "c1", "content": f"found {CARD}"},
            ],
            "tools": [
                {"type": "function", "function": {"name": "look", "description": f"as {CARD}", "parameters": TOOL}}
            ],
        },
    ),
    "anthropic": (
        "/v1/messages",
        {
            "model": "small",
            "max_tokens": 10,
            "system": [{"type": "text", "text": f"never {CARD}"}],
            "messages": [
                {"role": "user", "content": f"mine is {CARD}"},
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "c1", "name": "look", "input": {"q": CARD}}],
                },
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": f"found {CARD}"}]},
            ],
            "tools": [{"name": "look", "description": f"as {CARD}", "input_schema": TOOL}],
        },
    ),
    "openai-responses": (
        "/v1/responses",
        {
            "model": "small",
            "instructions": f"never {CARD}",
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": f"mine is {CARD}"}]},
                {"type": "function_call", "call_id": "c1", "name": "look", "arguments": f'{{"q": "{CARD}"}}'},
                {"type": "function_call_output", "call_id": "c1", "output": f"found {CARD}"},
            ],
            "tools": [{"type": "function", "name": "look", "description": f"as {CARD}", "parameters": TOOL}],
        },
    ),
    "gemini": (
        "/v1beta/models/small:generateContent",
        {
            "systemInstruction": {"parts": [{"text": f"never {CARD}"}]},
            "contents": [
                {"role": "user", "parts": [{"text": f"mine is {CARD}"}]},
                {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {"q": CARD}}}]},
                {
                    "role": "user",
                    "parts": [{"functionResponse": {"name": "look", "response": {"result": f"found {CARD}"}}}],
                },
            ],
            "tools": [{"functionDeclarations": [{"name": "look", "description": f"as {CARD}", "parameters": TOOL}]}],
        },
    ),
}


@pytest.mark.parametrize("spoken", ["openai", "anthropic", "gemini", "openai-responses"])
@pytest.mark.parametrize("dialect", REQUESTS)
async def test_what_was_masked_is_what_is_sent(tmp_path: Path, upstream: Upstream, dialect: str, spoken: str) -> None:
    """From every dialect into every dialect: the number is nowhere in what the upstream gets, and the rule that decided
    knew that something was masked, and saw it no more."""
    path, body = REQUESTS[dialect]
    policy = small_policy(upstream.url, NEAR, MASK).replace("dialect: openai", f"dialect: {spoken}")
    async with in_process(tmp_path, policy) as proxy:
        await ask(proxy.url, body, path)
        record = await proxy.only_record()
    assert upstream.requests, record
    for request in upstream.requests:
        sent = request.body
        assert CARD.encode() not in sent and b"4111" not in sent
        assert sent.count(b"[removed]") >= 4
    assert record.decided["rule"] == "held-a-card"
    assert record.decided["facts"]["guard.cards.found"] is True
    assert [(each["guard"], each["result"]) for each in record.decided["guards"]] == [("cards", "masked")]
    assert CARD not in json.dumps(record.decided) + json.dumps(record.ended)


async def test_what_has_nothing_to_mask_keeps_its_bytes(tmp_path: Path, upstream: Upstream) -> None:
    """And rules hear that nothing was found; where the guard does not look, they hear nothing."""
    aside = MASK.replace('"[removed]"}', '"[removed]", when: {request.stream: false}}')
    body = b'{ "model":"small-1",  "messages": [{"role":"user","content":"4111 \\u0031"}], "seed": 1.50 }'
    async with in_process(tmp_path, small_policy(upstream.url, NEAR, aside)) as proxy:
        await ask(proxy.url, body)
        await ask(proxy.url, chat(stream=True, text=CARD))
        records = await proxy.ended_records(lambda found: len(found) == 2)
    first, second = sorted(records.values(), key=lambda record: str(record.decided["time"]))
    assert b'"seed": 1.50' in upstream.requests[0].body or b'"seed":1.50' in upstream.requests[0].body
    assert first.decided["facts"]["guard.cards.found"] is False and first.decided["rule"] == "everything"
    assert "guards" not in second.decided and second.decided["rule"] == "everything"
    assert CARD.encode() in upstream.requests[1].body


@pytest.mark.parametrize("content", [[{"type": "text", "text": CARD[:10]}, {"type": "text", "text": CARD[10:]}]])
async def test_what_cannot_be_masked_is_not_sent(tmp_path: Path, upstream: Upstream, content: object) -> None:
    """What the prompt holds all the same, once it is read whole, refuses the request; the record says by which guard."""
    split = MASK.replace("\\d{4}-\\d{4}-\\d{4}-\\d{4}", "4111-1111-?\\s*1111-1111")
    body = chat(messages=[{"role": "user", "content": content}])
    async with in_process(tmp_path, small_policy(upstream.url, NEAR, split)) as proxy:
        answer = await ask(proxy.url, body)
        record = await proxy.only_record()
    assert answer.status == 403 and answer.json()["error"]["code"] == "guard.unmasked"
    assert upstream.requests == [] and CARD[:9] not in answer.body.decode()
    assert record.ended is not None and record.ended["error"] == "guard.unmasked"
    assert record.decided["guards"][0]["result"] == "unmasked"


def judging(url: str, on_failure: str = "closed", timeout: str = "2s") -> str:
    """A policy's guard that masks, and one that asks a service at this URL."""
    return (
        MASK
        + f'  words: {{webhook: {{url: "{url}/check", key: {{env: GUARD_KEY}}, timeout: {timeout}, on_failure: {on_failure}}}}}\n'
    )


VERDICTS = """\
  - {name: not-for-us, when: {guard.words.verdict: [violence, malware]}, refuse: {status: 451, message: "no", code: no}}
  - {name: unheard, when: {guard.words.verdict: {known: false}}, route: {to: [large]}}
  - {name: everything, route: {to: [small]}}"""


def says(verdict: str) -> Any:
    """A service that has one word for everything."""
    return lambda request: reply({"verdict": verdict})


async def test_a_service_is_heard(tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets the masked text with who asks, and its word is a fact: rules refuse by it; records, explanations and replay
    know it."""
    monkeypatch.setenv("GUARD_KEY", "secret-of-the-guard")
    async with Upstream(says("violence")) as service:
        text = small_policy(upstream.url, VERDICTS, judging(service.url))
        async with in_process(tmp_path, text) as proxy:
            answer = await ask(proxy.url, chat(text=f"how to {CARD}"))
            record = await proxy.only_record()
        [asked] = service.requests
    assert answer.status == 451 and upstream.requests == []
    question = json.loads(asked.body)
    assert question == {
        "id": record.decided["id"], "operation": "chat", "dialect": "openai-chat", "model": "small",
        "client": "anonymous", "team": None, "text": "how to [removed]",
    }  # fmt: skip
    assert asked.header("authorization") == "Bearer secret-of-the-guard" and asked.target == "/v1/check"
    assert record.decided["facts"]["guard.words.verdict"] == "violence"
    policy = compiled(text)
    assert not differences(record.decided, decide_again(policy, record.decided))
    told = as_text(explain_record(policy, record.decided, record.ended))
    assert "The guard `words` said `violence`" in told and "The guard `cards` masked something in 1 texts" in told


FAILURES = {
    "status": lambda request: reply({"verdict": "fine"}, 500),
    "no JSON": lambda request: reply("fine"),
    "no word": lambda request: reply({"verdict": "a b"}),
    "another shape": lambda request: reply({"result": 1}),
    "silence": lambda request: [Hang()],
}


@pytest.mark.parametrize("fault", FAILURES)
@pytest.mark.parametrize("on_failure", ["open", "closed"])
async def test_a_service_that_fails_does_as_is_declared(
    tmp_path: Path, upstream: Upstream, fault: str, on_failure: str
) -> None:
    """Closed: 503 with `Retry-After`, and nobody is called. Open: the request goes on without the fact."""
    async with Upstream(FAILURES[fault]) as service:
        text = small_policy(upstream.url, VERDICTS, judging(service.url, on_failure, "200ms"))
        async with in_process(tmp_path, text) as proxy:
            answer = await ask(proxy.url)
            record = await proxy.only_record()
            counted = proxy.gateway.metrics.snapshot()["routebook_guards"]
    assert record.decided["guards"][-1]["result"] == "failed"
    assert [("words", "failed"), 1] in [[tuple(labels), value] for labels, value in counted]
    if on_failure == "closed":
        assert answer.status == 503 and answer.json()["error"]["code"] == "guard.unavailable"
        assert answer.header("retry-after") == "1" and upstream.requests == []
    else:
        assert answer.status == 200 and record.decided["rule"] == "unheard"
        assert record.decided["facts"]["guard.words.verdict"] is None


async def test_a_service_that_is_not_there(tmp_path: Path, upstream: Upstream) -> None:
    """Nobody listens: the same, at once."""
    async with Upstream() as gone:
        url = gone.url
    async with in_process(tmp_path, small_policy(upstream.url, VERDICTS, judging(url))) as proxy:
        assert (await ask(proxy.url)).status == 503
    assert upstream.requests == []


@pytest.mark.parametrize("on_failure", ["open", "closed"])
async def test_a_service_that_is_down_is_asked_no_more_for_a_while(
    tmp_path: Path, upstream: Upstream, on_failure: str
) -> None:
    """After five failures requests do as is declared at once; when it has rested one request asks, twice as long where that
    fails again; a reload changes nothing of it, and once there is a word everybody asks."""
    clock = SetClock()
    async with Upstream(FAILURES["status"]) as service:
        text = small_policy(upstream.url, VERDICTS, judging(service.url, on_failure))

        async def failed(proxy: LocalProxy, times: int) -> None:
            for _ in range(times):
                answer = await ask(proxy.url)
                assert answer.status == (503 if on_failure == "closed" else 200)

        async with in_process(tmp_path, text, clock=clock) as proxy:
            await failed(proxy, 9)
            assert len(service.requests) == 5 and told(proxy) == (1, 1)
            errors = [each.decided["guards"][-1]["error"] for each in proxy.records().values()]
            assert sorted(errors) == ["resting"] * 4 + ["upstream.failed"] * 5
            if on_failure == "closed":
                assert (await ask(proxy.url)).header("retry-after") == "15"
            proxy.take(text)
            await failed(proxy, 1)
            clock.pass_by(15.0)
            await failed(proxy, 3)
            assert len(service.requests) == 6 and told(proxy) == (2, 1)
            service.otherwise = says("fine")
            clock.pass_by(29.0)
            await failed(proxy, 1)
            clock.pass_by(1.0)
            for _ in range(3):
                assert (await ask(proxy.url)).status == 200
            assert len(service.requests) == 9 and told(proxy) == (2, 0)


def told(proxy: LocalProxy) -> tuple[float, float]:
    """How often the guard's service was left alone, and whether it is now, as metrics say."""
    counted = proxy.gateway.metrics.snapshot()
    [(labels, times)], [(_, now)] = counted["routebook_guard_opened"], counted["routebook_guard_open"]
    assert labels == ("words",) and isinstance(times, int | float) and isinstance(now, int | float)
    return times, now


async def test_a_session_is_not_open_where_a_guard_looks(tmp_path: Path, upstream: Upstream) -> None:
    """What is said in one cannot be known beforehand."""
    upgrade = (
        b"GET /v1/realtime?model=small HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    async with in_process(tmp_path, small_policy(upstream.url, NEAR, MASK)) as proxy, RawClient(proxy.url) as client:
        answer = await client.ask(upgrade)
    assert answer.status == 403 and answer.json()["error"]["code"] == "guard.session"
    assert upstream.connections == 0


def form(*fields: tuple[str, str]) -> bytes:
    """A form with a file and these fields behind it, as a client sends it."""
    parts = [("file", 'filename="a.wav"', "RIFF....WAVE"), *((name, "", value) for name, value in fields)]
    body = "".join(
        f'--edge\r\nContent-Disposition: form-data; name="{name}"{"; " if more else ""}{more}\r\n\r\n{value}\r\n'
        for name, more, value in parts
    )
    data = f"{body}--edge--\r\n".encode()
    head = (
        "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: test\r\n"
        f"Content-Type: multipart/form-data; boundary=edge\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


@pytest.mark.parametrize(
    "words", [[("model", "small"), ("prompt", CARD)], [("model", "small"), ("language", "en"), ("prompt", CARD)]]
)
async def test_a_form_whose_words_would_have_to_be_masked_is_not_sent(
    tmp_path: Path, upstream: Upstream, words: list[tuple[str, str]]
) -> None:
    """Its words are known before anything is decided, wherever they stand; a form is not rewritten, so it is refused."""
    policy = small_policy(upstream.url, NEAR, MASK).replace(
        "context: 128k", "operations: [transcription], context: 128k"
    )
    async with in_process(tmp_path, policy) as proxy, RawClient(proxy.url) as client:
        answer = await client.ask(form(*words))
    assert answer.status == 403 and answer.json()["error"]["code"] == "guard.unmasked", answer.body
    assert upstream.requests == []


async def test_a_second_word_behind_the_file_is_no_way_round(tmp_path: Path, upstream: Upstream) -> None:
    """What was decided by one `prompt` is not sent with another."""
    policy = small_policy(upstream.url, NEAR, MASK).replace(
        "context: 128k", "operations: [transcription], context: 128k"
    )
    async with in_process(tmp_path, policy) as proxy, RawClient(proxy.url) as client:
        answer = await client.ask(form(("model", "small"), ("prompt", "fine"), ("prompt", CARD)))
    assert answer.status == 400 and CARD.encode() not in b"".join(each.body for each in upstream.requests)
