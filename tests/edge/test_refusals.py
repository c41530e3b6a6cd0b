"""Why nobody serves a request, in the words that official clients go by: whose fault it is, and whether to come back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.asking import ask, chat
from tests.support.proxy import in_process, small_policy
from tests.support.upstream import Upstream

GUARANTEE = "guarantees: [{name: home, only: {model: large}}]"
REFUSES = "  - {name: no, refuse: {status: %d, message: not now, code: no}}"
CASES = {
    "no model can do it": ("", "", chat(max_tokens=10_000_000), 400, "invalid_request_error", "policy.no-candidate"),
    "a guarantee forbids all": (GUARANTEE, "", chat(), 403, "permission_error", "policy.no-candidate"),
    "a rule says no": ("", REFUSES % 451, chat(), 451, "permission_error", "policy.refused"),
    "a rule says later": ("", REFUSES % 503, chat(), 503, "server_error", "policy.refused"),
}


@pytest.mark.parametrize("case", CASES)
async def test_the_type_says_whose_fault_it_is(tmp_path: Path, upstream: Upstream, case: str) -> None:
    """What a client must change is no `server_error`, which it would send again; what is ours to mend is."""
    more, rules, body, status, kind, code = CASES[case]
    policy = small_policy(upstream.url, more=more) if not rules else small_policy(upstream.url, rules, more)
    async with in_process(tmp_path, policy) as proxy:
        answer = await ask(proxy.url, body)
    error = answer.json()["error"]
    assert (answer.status, error["type"], answer.header("x-routebook-error")) == (status, kind, code), error
    assert upstream.requests == []
