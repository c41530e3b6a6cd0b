"""Azure's per-request controls: `routing_config` narrows, `model_selection_details` tell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from routebook.routing.replay import decide_again, differences
from tests.support.asking import ask, chat, events, text_of
from tests.support.proxy import in_process, small_policy
from tests.support.upstream import Upstream, stream

RULES = """\
  - {name: auto, when: {request.model: auto}, route: {to: [small, large], pick: balanced}}
  - {name: as-asked, route: {to: [small, large]}}"""
ASKS = [("Foundry-Features", "Other=V1, ModelRouterControls=V1Preview")]
HARD = (
    "Prove that every bounded sequence of real numbers has a convergent subsequence, and find the error in this: " * 3
)


@pytest.mark.parametrize(
    ("config", "model", "mode"),
    [
        (None, "large", "balanced"),
        ({"mode": "quality"}, "large", "quality"),
        ({"models": ["small"]}, "small", "balanced"),
        ({"mode": "cost", "models": ["large", "unheard-of"]}, "large", "cost"),
        ({"session_affinity": {"strategy": "none"}, "require_parameters": True}, "large", "balanced"),
    ],
)
async def test_a_client_narrows_and_is_told(
    tmp_path: Path, upstream: Upstream, config: object, model: str, mode: str
) -> None:
    """The model, the mode, the attempts; the upstream never sees the field; the record has what was asked."""
    body = chat("auto", text=HARD) if config is None else chat("auto", text=HARD, routing_config=config)
    async with in_process(tmp_path, small_policy(upstream.url, RULES)) as proxy:
        answer = await ask(proxy.url, body, headers=ASKS)
        record = await proxy.only_record()
    assert answer.status == 200 and answer.header("x-routebook-model") == model
    details = json.loads(answer.body)["model_selection_details"]["model_router_details"]
    assert details["mode"] == mode
    assert details["routing_trace"][0]["attempts"] == [{"model": model, "result": {"status": 200}}]
    assert "routing_config" not in upstream.requests[0].json()
    said = record.decided["asked"].get("within", {})
    wanted = config if isinstance(config, dict) else {}
    assert said.get("mode") == wanted.get("mode") and said.get("models") == wanted.get("models")


async def test_without_the_header_nothing_is_read_and_nothing_told(tmp_path: Path, upstream: Upstream) -> None:
    """As Azure does: the field is passed over, and still goes to nobody."""
    async with in_process(tmp_path, small_policy(upstream.url, RULES)) as proxy:
        answer = await ask(proxy.url, chat("auto", text=HARD, routing_config={"models": ["small"]}))
    assert answer.header("x-routebook-model") == "large" and "model_selection_details" not in json.loads(answer.body)
    assert "routing_config" not in upstream.requests[0].json()


async def test_an_order_that_a_rule_names_stays(tmp_path: Path, upstream: Upstream) -> None:
    """A mode chooses where the rule weighs; here it does not, and no mode is told."""
    async with in_process(tmp_path, small_policy(upstream.url, RULES)) as proxy:
        answer = await ask(proxy.url, chat("other", routing_config={"mode": "quality"}), headers=ASKS)
    assert answer.header("x-routebook-model") == "small"
    assert "mode" not in json.loads(answer.body)["model_selection_details"]["model_router_details"]


@pytest.mark.parametrize("config", [{"mode": "fast"}, {"models": []}, {"mod": "cost"}, "balanced"])
async def test_what_cannot_be_read_is_refused(tmp_path: Path, upstream: Upstream, config: object) -> None:
    """It must not be taken for no constraint; nobody is called."""
    async with in_process(tmp_path, small_policy(upstream.url, RULES)) as proxy:
        answer = await ask(proxy.url, chat("auto", routing_config=config), headers=ASKS)
    assert answer.status == 400 and answer.header("x-routebook-error") == "request.constraints"
    assert "routing_config" in answer.body.decode() and upstream.requests == []


async def test_models_that_leave_nobody_are_refused_with_the_reason(tmp_path: Path, upstream: Upstream) -> None:
    """Neither candidate is one that the client names."""
    async with in_process(tmp_path, small_policy(upstream.url, RULES)) as proxy:
        answer = await ask(proxy.url, chat("auto", routing_config={"models": ["gpt-9"]}), headers=ASKS)
        record = await proxy.only_record()
    assert answer.status >= 400 and "gpt-9" in answer.body.decode()
    assert {each["reason"] for each in record.decided["candidates"]} == {"within.model"}


async def test_a_stream_is_told_in_its_first_chunk(tmp_path: Path, upstream: Upstream) -> None:
    """Once, with everything else as it came; without the header nothing is added."""
    upstream.will(stream())
    upstream.will(stream())
    async with in_process(tmp_path, small_policy(upstream.url, RULES)) as proxy:
        told = await ask(proxy.url, chat("auto", text=HARD, stream=True), headers=ASKS)
        plain = await ask(proxy.url, chat("auto", text=HARD, stream=True))
    first, *rest = [json.loads(data) for data in events(told.body) if data != "[DONE]"]
    details = first.pop("model_selection_details")["model_router_details"]
    assert details["mode"] == "balanced"
    assert details["routing_trace"][0]["attempts"] == [{"model": "large", "result": {"status": 200}}]
    assert [first, *rest] == [json.loads(data) for data in events(plain.body) if data != "[DONE]"]
    assert text_of(told.body) == text_of(plain.body) == "Hello." and events(told.body)[-1] == "[DONE]"


@pytest.mark.parametrize("streamed", [False, True])
async def test_clients_of_responses_may_say_the_same(tmp_path: Path, upstream: Upstream, streamed: bool) -> None:
    """The field narrows there too, is told nobody, and the answer says who was chosen."""
    if streamed:
        upstream.will(stream())
    body = {"model": "auto", "input": HARD, "routing_config": {"models": ["small"]}, "stream": streamed}
    async with in_process(tmp_path, small_policy(upstream.url, RULES)) as proxy:
        answer = await ask(proxy.url, body, "/v1/responses", headers=ASKS)
    assert answer.status == 200 and answer.header("x-routebook-model") == "small"
    assert "routing_config" not in upstream.requests[0].json()
    said = json.loads(answer.body) if not streamed else json.loads(events(answer.body)[0])["response"]
    details = said["model_selection_details"]["model_router_details"]
    assert details["routing_trace"][0]["attempts"] == [{"model": "small", "result": {"status": 200}}]
    assert answer.body.count(b"model_selection_details") == 1


WIDER = RULES.replace("pick: balanced", "pick: balanced, band: 0.1")
AFTERWARDS = [
    {"role": "user", "content": HARD},
    {"role": "assistant", "content": "It is so, because every such sequence has a monotone part."},
    {"role": "user", "content": "thanks!"},
]


@pytest.mark.parametrize(
    ("affinity", "model", "event"),
    [
        (None, "small", None),
        ({"strategy": "none"}, "small", None),
        ({"strategy": "sticky"}, "large", "retain"),
        ({"mode": "sticky", "session_id": "s-1"}, "large", "retain"),
        ({"strategy": "sticky", "session_id": "another"}, "small", "initialize"),
        ({"strategy": "adaptive"}, "small", "switch"),
    ],
)
async def test_a_conversation_stays_where_its_client_asks_for_it(
    tmp_path: Path, upstream: Upstream, affinity: dict[str, str] | None, model: str, event: str | None
) -> None:
    """Thanks are answered by the small model, unless the conversation stays with the large one that it began with; what
    weighs may still leave it, because nothing of the prompt is in a cache. Every record replays to itself."""
    begun = {"strategy": "sticky", "session_id": "s-1"} if affinity and "mode" in affinity else affinity
    if affinity == {"strategy": "sticky", "session_id": "another"}:
        begun = {"strategy": "sticky", "session_id": "first"}
    async with in_process(tmp_path, small_policy(upstream.url, WIDER)) as proxy:
        for said, messages in ((begun, AFTERWARDS[:1]), (affinity, AFTERWARDS)):
            config = {} if said is None else {"routing_config": {"session_affinity": said}}
            answer = await ask(proxy.url, chat("auto", messages=messages, **config), headers=ASKS)
        records = await proxy.ended_records(lambda found: len(found) == 2)
        for record in records.values():
            assert differences(record.decided, decide_again(proxy.gateway.policy, record.decided)) == []
    assert answer.header("x-routebook-model") == model
    details = json.loads(answer.body)["model_selection_details"]["model_router_details"]
    assert details.get("session_affinity", {}).get("decision") == event
    if event is not None and affinity is not None:
        strategy = affinity.get("strategy", affinity.get("mode"))
        assert details["session_affinity"]["mode"] == strategy
        assert record.decided["asked"]["within"]["affinity"] == strategy
    assert "s-1" not in json.dumps([each.decided for each in records.values()])
