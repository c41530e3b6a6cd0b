"""The official OpenAI SDK for Python, in its current major version and in the one before."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import plain_environment

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("conversation.py")
MAJORS = {"current": "3", "previous": "2"}

Talk = Callable[..., Awaitable[list[dict[str, Any]]]]


@pytest.fixture(params=MAJORS)
def talk(request: pytest.FixtureRequest) -> Talk:
    """Makes calls with one version of the SDK: `await talk(base_url, call("chat", ...), ...)` -> one result a call."""
    name: str = request.param
    environment = plain_environment({"PYTHONDONTWRITEBYTECODE": "1"})
    if name == "previous":
        place = Path(os.environ.get("OPENAI_OLD") or ROOT / ".cache" / "sdk" / "openai-2")
        assert (place / "openai").is_dir(), "the previous SDK is not installed: run `make test`, which installs it"
        environment["PYTHONPATH"] = str(place)

    async def talk_with(base_url: str, *calls: dict[str, Any], max_retries: int = 0) -> list[dict[str, Any]]:
        order = json.dumps({"base_url": base_url, "calls": calls, "max_retries": max_retries})
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(SCRIPT),
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, complaint = await asyncio.wait_for(process.communicate(order.encode()), 120)
        assert process.returncode == 0, complaint.decode()
        said = json.loads(out)
        assert said["version"].split(".")[0] == MAJORS[name]
        return list(said["results"])

    return talk_with


@pytest.fixture
def call() -> Callable[..., dict[str, Any]]:
    """Describes one call: `call("chat", model=..., messages=...)`."""
    return lambda do, **given: {"do": do, "with": given}
