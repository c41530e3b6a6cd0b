"""The admin listener: what it shows, what it does, and whom it does not answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from tests.support.proxy import RunningProxy, running_proxy, small_policy
from tests.support.rawclient import Answer, RawClient, get, post

NOWHERE = "http://127.0.0.1:9/v1"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningProxy]:
    """A service without an upstream, for all tests of this file."""
    async with running_proxy(tmp_path_factory.mktemp("admin"), small_policy(NOWHERE)) as running:
        yield running


async def ask(url: str, request: bytes) -> Answer:
    """One request on a connection of its own."""
    async with RawClient(url) as client:
        return await client.ask(request)


async def test_it_shows_health_policy_and_metrics(proxy: RunningProxy) -> None:
    """What an operator looks at: alive, ready, which policy, which workers, counts that Prometheus can read."""
    assert await proxy.get_admin("/healthz") == (200, '{"status":"ok"}\n')
    assert (await proxy.get_admin("/readyz"))[0] == 200
    shown = json.loads((await proxy.get_admin("/policy"))[1])
    assert shown["holds"]["rules"] == 1
    assert shown["files"] == ["policy.yaml"]
    assert [worker["digest"] for worker in shown["workers"]] == [shown["digest"]]
    families = {
        family.name: family for family in text_string_to_metric_families((await proxy.get_admin("/metrics"))[1])
    }
    assert families["routebook_policy_info"].samples[0].labels == {"digest": shown["digest"]}
    assert families["routebook_config_last_reload_successful"].samples[0].value == 1
    assert families["routebook_requests"].type == "counter"


@pytest.mark.parametrize(
    "host, status",
    [
        ("127.0.0.1:1", 200),
        ("localhost", 200),
        ("localhost:8081", 200),
        ("[::1]:8081", 200),
        ("[::1]", 200),
        ("evil.example", 403),
        ("evil.example:8081", 403),
        ("localhost.evil.example", 403),
        ("", 403),
        ("127.0.0.1.evil", 403),
    ],
)
async def test_another_name_in_host_is_refused(proxy: RunningProxy, host: str, status: int) -> None:
    """A web page whose name was pointed at this machine (DNS rebinding) reaches nothing."""
    assert (await ask(proxy.admin, get("/policy", host=host))).status == status


async def test_a_web_page_cannot_reload(proxy: RunningProxy) -> None:
    """A browser says where a request comes from; such a request does nothing."""
    refused = await ask(proxy.admin, post("/reload", b"", [("Origin", "http://evil.example")], host="127.0.0.1"))
    assert refused.status == 403
    assert 'routebook_reloads_total{result="unchanged"} 0.0' in (await proxy.get_admin("/metrics"))[1]


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("GET", "/reload", 405),
        ("POST", "/policy", 405),
        ("GET", "/", 404),
        ("GET", "/../etc/passwd", 404),
        ("GET", "/v1/models", 404),
        ("POST", "/v1/chat/completions", 404),
    ],
)
async def test_other_routes_are_not_there(proxy: RunningProxy, method: str, path: str, status: int) -> None:
    """The routes are closed; clients' routes are not among them."""
    request = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n".encode()
    assert (await ask(proxy.admin, request)).status == status


@pytest.mark.parametrize("path", ["/metrics", "/policy", "/healthz", "/readyz", "/reload"])
async def test_clients_do_not_reach_the_admin_listener(proxy: RunningProxy, path: str) -> None:
    """Nothing of it stands on the public port."""
    for method in ("GET", "POST"):
        request = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode()
        assert (await ask(proxy.url, request)).status in (404, 405)
