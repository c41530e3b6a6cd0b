"""The official SDKs over the listener's own TLS, with an authority that they are told to trust."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.sdk.house import CROSSED, House, opened
from tests.sdk.processes import Processes
from tests.sdk.words.asking import Ask, How, User
from tests.support.certificates import written
from tests.support.proxy import encrypted

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIENTS = ("chat-3", "chat-js", "responses-js", "anthropic-2", "anthropic-js", "google-3", "google-js")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def over_tls(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[House, str]]:
    """A proxy and the address of its listener that speaks TLS; the SDKs' processes trust it, and leave before it ends."""
    folder = tmp_path_factory.mktemp("house")
    made = written(folder / "tls")
    processes = Processes(made.authority)
    async with opened(folder, processes) as house, encrypted(house.proxy, made) as url:
        with processes:
            yield house, url


@pytest.mark.parametrize("name", CLIENTS)
async def test_whole_and_streamed_over_tls(over_tls: tuple[House, str], name: str) -> None:
    """Answers of each dialect of upstreams, whole and streamed."""
    house, url = over_tls
    client = house.client(name)
    client.options["base_url"] = client.kind.words.base(url)
    for word in CROSSED:
        for how in (How.WHOLE, How.STREAM):
            assert "Say hello." in (await client.ask(Ask((User("Say hello."),), word), how)).text
