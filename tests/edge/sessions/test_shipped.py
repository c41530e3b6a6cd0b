"""What a newcomer starts, `routebook serve --simulate` with the shipped policy, offers a session of voice."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import aiohttp
from aiohttp import WSMsgType
from jsonschema import Draft202012Validator
from openai import AsyncOpenAI

from tests.support.proxy import running_proxy

ROOT = Path(__file__).parents[3]


async def test_the_real_program_talks_and_drains(tmp_path: Path) -> None:
    """A response by the official SDK, of a model of either API; then SIGTERM ends a quiet session with 1001, and the program ends well."""
    rules = ROOT / "rules"
    files = {str(path.relative_to(rules)): path.read_text() for path in rules.rglob("*.yaml")}
    async with running_proxy(tmp_path, files, "--simulate") as proxy:
        client = AsyncOpenAI(base_url=proxy.base_url, api_key="sk-test", max_retries=0)
        for model in ("gpt-realtime", "gemini-live-2.5-flash"):
            async with client.realtime.connect(model=model) as session:
                await session.session.update(session={"type": "realtime", "output_modalities": ["text"]})
                await session.response.create()
                kinds = []
                async with asyncio.timeout(60):
                    async for event in session:
                        kinds.append(event.type)
                        if event.type == "response.done":
                            break
            assert kinds[0] == "session.created"
        async with (
            aiohttp.ClientSession() as other,
            other.ws_connect(proxy.base_url + "/realtime?model=gpt-realtime") as socket,
        ):
            await socket.receive_str()
            proxy.process.send_signal(signal.SIGTERM)
            told = json.loads(await socket.receive_str(timeout=60))
            assert told["error"]["code"] == "gateway.draining"
            assert (await socket.receive(timeout=60)).type is WSMsgType.CLOSE
            assert socket.close_code == 1001
        assert await asyncio.to_thread(proxy.process.wait, 60) == 0
        records = proxy.records()
        verified = await proxy.command("ledger", "verify", "--state-dir", str(proxy.state_dir))
    assert verified.returncode == 0, verified.stdout + verified.stderr
    schema = Draft202012Validator(json.loads((ROOT / "schemas" / "decision-record.schema.json").read_text()))
    for record in records.values():
        assert not [error.message for line in (record.decided, record.ended) for error in schema.iter_errors(line)]
    assert sorted(each.ended["end"] for each in records.values() if each.ended is not None) == ["--", "--", "GD"]
