"""Every broken policy of the corpus, put in front of a running server: the old one serves, and it is visible why."""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp

from tests.support.mistakes import mistakes
from tests.support.proxy import RunningProxy, compiled, running_proxy, small_policy
from tests.support.upstream import Upstream

FAILED = "routebook_config_last_reload_successful 0.0"
SUCCEEDED = "routebook_config_last_reload_successful 1.0"


async def served_by(session: aiohttp.ClientSession, proxy: RunningProxy) -> str:
    """The digest of the policy that decides now, as the record says."""
    body = {"model": "any", "messages": [{"role": "user", "content": "hello"}]}
    async with session.post(f"{proxy.base_url}/chat/completions", json=body) as answer:
        assert answer.status == 200, await answer.text()
    record = await proxy.record(answer.headers["x-routebook-decision"])
    digest: str = record.decided["policy"]
    return digest


async def test_a_bad_policy_keeps_the_old_one_and_says_where_and_why(tmp_path: Path) -> None:
    """For each fault: 422 with every place the author must hear of, the old digest on the next decision, the gauge."""
    assert len(mistakes()) >= 40
    async with Upstream() as upstream, aiohttp.ClientSession() as session:
        good = small_policy(upstream.url)
        digest = compiled(good).digest
        async with running_proxy(tmp_path, good) as proxy:
            for mistake in mistakes():
                mistake.copy_to(proxy.policy_dir)
                status, body = await proxy.get_admin("/reload", "POST")
                assert status == 422, f"{mistake.name}: {body}"
                told = json.loads(body)["text"]
                for place in mistake.places:
                    here = place.replace(f"{mistake.name}:", f"{proxy.policy_dir.name}:")
                    assert here in told, f"{mistake.name}: {here} is not told:\n{told}"
                assert await served_by(session, proxy) == digest, mistake.name
                assert FAILED in (await proxy.get_admin("/metrics"))[1], mistake.name
            shown = await proxy.command("reload", "--wait", "--state-dir", str(proxy.state_dir))
            assert shown.returncode == 1
            assert mistakes()[-1].places[0] in shown.stdout + shown.stderr
            proxy.write_policy(good + "# mended\n")
            mended = await proxy.command("reload", "--wait", "--state-dir", str(proxy.state_dir))
            assert mended.returncode == 0, mended.stdout + mended.stderr
            assert SUCCEEDED in (await proxy.get_admin("/metrics"))[1]
            assert await served_by(session, proxy) == compiled(good + "# mended\n").digest
