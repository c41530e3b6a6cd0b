"""Feedback: taken from whom it may come, written down, learnt, and learnt again after a restart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from routebook.edge.admin.route import Role
from routebook.routing.replay import decide_again, differences
from tests.support import admin
from tests.support.asking import ask, chat
from tests.support.proxy import LocalProxy, in_process, running_proxy
from tests.support.rawclient import Answer, RawClient, post
from tests.support.upstream import Upstream, failure

POLICY = """\
version: 1
providers:
  one: {{dialect: openai, base_url: "{url}", accounts: [{{name: main}}]}}
models:
  large: {{provider: one, price: {{input: 3, output: 10}}, quality: 0.8}}
  small: {{provider: one, price: {{input: 1, output: 2}}, quality: 0.8}}
rules:
  - {{name: plain, when: {{tags: {{any: [plain]}}}}, route: {{to: [small]}}}}
  - {{name: auto, route: {{to: [large, small], pick: balanced}}}}
"""


async def rate(url: str, decision: str, quality: Any, headers: Any = ()) -> Answer:
    """Say how good an answer was."""
    async with RawClient(url) as client:
        return await client.ask(post("/feedback", {"decision": decision, "quality": quality}, headers), 10.0)


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, json.loads(answer.body)["error"]["code"]


async def decide(proxy: LocalProxy, **more: Any) -> str:
    answer = await ask(proxy.url, chat("any"), **more)
    decision = answer.header("x-routebook-decision") or ""
    await proxy.record(decision)
    return decision


async def test_a_model_whose_answers_disappoint_is_left(tmp_path: Path, upstream: Upstream) -> None:
    """Twenty pseudo-counts of what is declared, against what is said: the prediction follows by arithmetic, the other
    model takes over, the record says what it rests on, and decides the same again."""
    async with in_process(tmp_path, POLICY.format(url=upstream.url)) as proxy:
        first = await proxy.record(await decide(proxy))
        assert first.ended is not None and first.ended["model"] == "small"
        task = first.decided["asked"]["judged"]["task"]
        before = {line["model"]: line["quality"] for line in first.decided["candidates"]}
        answer = await rate(proxy.url, first.decided["id"], 0)
        assert (answer.status, json.loads(answer.body)) == (
            200,
            {"decision": first.decided["id"], "model": "small", "task": task, "quality": 0.0, "learnt": True},
        )
        last = await proxy.record(await decide(proxy))
        policy = proxy.gateway.policy
    assert last.ended is not None and last.ended["model"] == "large"
    after = {line["model"]: line["quality"] for line in last.decided["candidates"]}
    assert after["large"] == before["large"] and 0.01 < before["small"] - after["small"] < 0.06
    assert last.decided["memory"]["ratings"] == [["small", task, 0.0, 1.0]]
    assert differences(last.decided, decide_again(policy, last.decided)) == []


async def test_who_may_say_what(tmp_path: Path, upstream: Upstream) -> None:
    """Each refusal has its code, and nothing is learnt of any of them."""
    async with in_process(tmp_path, POLICY.format(url=upstream.url)) as proxy:
        decision = await decide(proxy)
        upstream.will(failure(400))
        failed = await decide(proxy)
        assert code(await rate(proxy.url, "01ARZ3NDEKTSV4RRFFQ69G5FAV", 1)) == (404, "feedback.unknown-decision")
        assert code(await rate(proxy.url, failed, 1)) == (409, "feedback.unanswered")
        for wrong in (1.5, -0.1, "good", None):
            assert code(await rate(proxy.url, decision, wrong)) == (400, "request.malformed")
        assert (await rate(proxy.url, decision, 0.5)).status == 200
        assert code(await rate(proxy.url, decision, 1)) == (409, "feedback.repeated")
        async with RawClient(proxy.url) as client:
            got = await client.ask(b"GET /feedback HTTP/1.1\r\nHost: x\r\n\r\n", 10.0)
        assert (got.status, got.header("Allow")) == (405, "POST")
        plain = await decide(proxy, headers=[("x-routebook-tags", "plain")])
        assert json.loads((await rate(proxy.url, plain, 1)).body)["learnt"] is False
        assert len(proxy.gateway.memory.learnt.ratings.known()) == 1


async def test_one_client_cannot_rate_what_another_got(tmp_path: Path, upstream: Upstream) -> None:
    """In the same words as an id that does not exist; without a key, nobody may."""
    policy = POLICY.format(url=upstream.url) + "clients: {ann: {}, bob: {}}\n"
    async with running_proxy(tmp_path, policy) as proxy:
        keys = {}
        for name in ("ann", "bob"):
            made = await proxy.command("keys", "create", name, "--state-dir", str(proxy.state_dir), "--format", "json")
            keys[name] = [("Authorization", f"Bearer {json.loads(made.stdout)['key']}")]
        answer = None
        for _ in range(100):
            answer = await ask(proxy.url, chat("any"), headers=keys["ann"])
            if answer.status == 200:
                break
        assert answer is not None and answer.status == 200
        decision = answer.header("x-routebook-decision") or ""
        await proxy.record(decision)
        assert code(await rate(proxy.url, decision, 1, keys["bob"])) == (404, "feedback.unknown-decision")
        assert code(await rate(proxy.url, decision, 1)) == (401, "caller.unknown")
        assert (await rate(proxy.url, decision, 1, keys["ann"])).status == 200


@pytest.mark.parametrize("by", ["client", "operator"])
async def test_it_is_learnt_again_after_a_restart(tmp_path: Path, upstream: Upstream, by: str) -> None:
    """From the journal; whoever said it, every worker knows."""
    policy = POLICY.format(url=upstream.url)
    async with running_proxy(tmp_path, policy, workers=2) as proxy:
        answer = await ask(proxy.url, chat("any"))
        decision = answer.header("x-routebook-decision") or ""
        await proxy.record(decision)
        if by == "client":
            assert (await rate(proxy.url, decision, 0)).status == 200
        else:
            token, _ = admin.make_token(proxy.state_dir, Role.OPERATE)
            path = f"/decisions/{decision}/feedback"
            reply = await admin.ask(proxy.admin, "POST", path, token=token, body=b'{"quality": 0}')
            assert (reply.status, reply.json().get("model")) == (200, "small"), reply.body
            again = await admin.ask(proxy.admin, "POST", path, token=token, body=b'{"quality": 0}')
            assert (again.status, admin.code_of(again)) == (409, "admin.rated-already")
    async with running_proxy(tmp_path, policy, workers=2) as proxy:
        answered = {(await ask(proxy.url, chat("any"))).header("x-routebook-model") for _ in range(6)}
        assert answered == {"large"}
