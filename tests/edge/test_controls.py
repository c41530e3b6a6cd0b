"""Azure's per-request controls: `routing_config` narrows, `model_selection_details` tell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.asking import ask, chat
from tests.support.proxy import in_process, small_policy
from tests.support.upstream import Upstream

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
