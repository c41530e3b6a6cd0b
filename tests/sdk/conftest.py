"""The official SDKs: their processes, and a proxy with everything behind it for the tests of one module."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import product
from typing import Any

import pytest
import pytest_asyncio

from tests.sdk.house import CROSSED, KINDS, House, opened
from tests.sdk.processes import Processes

Talk = Callable[..., Awaitable[list[dict[str, Any]]]]

PAIRS = [pytest.param((name, word), id=f"{name}-on-{word}") for name, word in product(KINDS, CROSSED)]
"""Every client with every upstream that speaks what clients speak."""


@pytest.fixture(scope="session")
def processes() -> Iterator[Processes]:
    """The SDKs' processes, one for each version, for all tests."""
    with Processes() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory, processes: Processes) -> AsyncIterator[House]:
    """One proxy for the tests of a module that harm nothing."""
    async with opened(tmp_path_factory.mktemp("house"), processes) as running:
        yield running


@pytest.fixture(params=["openai-3", "openai-1"])
def talk(request: pytest.FixtureRequest, processes: Processes) -> Talk:
    """Makes calls with one version of OpenAI's SDK: `await talk(base_url, call("chat", ...), ...)` -> one result a call."""

    async def talk_with(base_url: str, *calls: dict[str, Any], max_retries: int = 0) -> list[dict[str, Any]]:
        made = {"base_url": base_url, "max_retries": max_retries}
        return [await processes[request.param].do(call["do"], made, call["with"]) for call in calls]

    return talk_with


@pytest.fixture
def call() -> Callable[..., dict[str, Any]]:
    """Describes one call: `call("chat", model=..., messages=...)`."""
    return lambda do, **given: {"do": do, "with": given}
