"""A policy's own classes of task, through a running service."""

from __future__ import annotations

from pathlib import Path

from routebook.routing.replay import decide_again, differences
from routebook.routing.telling.rendering import _judged
from tests.support.asking import ask, chat
from tests.support.proxy import in_process
from tests.support.upstream import Upstream

POLICY = """\
version: 1
providers:
  one: {{dialect: openai, base_url: "{url}", accounts: [{{name: main}}]}}
models:
  large: {{provider: one, price: {{input: 3, output: 10}}, quality: {{usual: 0.6, contracts: 0.95}}}}
  small: {{provider: one, price: {{input: 1, output: 2}}, quality: 0.8}}
patterns: {{clause: "(?i)indemnif"}}
settings:
  router:
    tasks:
      contracts: {{prompt.matches.clause: true, prompt.complexity: {{at_least: 0}}}}
      late: {{tags: {{any: [legal]}}}}
rules:
  - {{name: late, when: {{prompt.task: late}}, route: {{to: [small]}}}}
  - {{name: rest, route: {{to: [large, small], pick: best}}}}
"""


async def test_a_class_of_the_policys_own_routes_is_recorded_and_replays(tmp_path: Path, upstream: Upstream) -> None:
    """The first class that holds is the task: rules and qualities go by it, and elsewhere the scorer's word stands."""
    async with in_process(tmp_path, POLICY.format(url=upstream.url)) as proxy:
        for text, tags, task, rule, model in (
            ("Who shall indemnify whom?", "legal", "contracts", "rest", "large"),
            ("Who owes what?", "legal", "late", "late", "small"),
            ("Who owes what?", "other", "short_ask", "rest", "small"),
        ):
            body = {**chat("any"), "messages": [{"role": "user", "content": text}]}
            answer = await ask(proxy.url, body, headers=[("x-routebook-tags", tags)])
            record = await proxy.record(answer.header("x-routebook-decision") or "")
            judged = record.decided["asked"]["judged"]
            assert record.ended is not None
            assert (judged["task"], record.decided["rule"], record.ended["model"]) == (task, rule, model)
            assert bool(judged["scored"]) == (task != "short_ask")
            assert ("by the policy's own class" in _judged(judged)) == (task != "short_ask")
            assert not differences(record.decided, decide_again(proxy.gateway.policy, record.decided))
