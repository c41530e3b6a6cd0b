"""Decisions over the admin listener: the filters of `routebook decisions`, page by page, and one record whole."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.admin import ask, code_of
from tests.support.asking import ask as ask_model
from tests.support.proxy import RunningProxy, read_records, running_proxy, small_policy

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningProxy]:
    """A service that has answered three requests and failed one."""
    folder = tmp_path_factory.mktemp("decided")
    async with running_proxy(folder, small_policy("http://127.0.0.1:9/v1"), "--simulate") as running:
        for _ in range(3):
            assert (await ask_model(running.url, timeout=60)).status == 200
        assert (await ask_model(running.url, b"{", timeout=60)).status == 400
        await running.ended_records(lambda records: len(records) == 4)
        yield running


async def listed(proxy: RunningProxy, query: str = "") -> dict[str, Any]:
    """GET /decisions; fails the test where it is refused."""
    answer = await ask(proxy.admin, "GET", f"/decisions{query}")
    assert answer.status == 200, answer.body
    return dict(answer.json())


async def test_rows_are_those_of_the_command(proxy: RunningProxy) -> None:
    """The same records, in the same order, with the same fields."""
    command = await proxy.command("decisions", "--state-dir", str(proxy.state_dir), "--format", "json")
    rows = [json.loads(line) for line in command.stdout.splitlines()]
    shown = await listed(proxy)
    assert shown["next"] is None
    assert [{**row, "stream": row["stream"] and bool(row["stream"])} for row in rows] == shown["decisions"]
    assert len(rows) == 4


async def test_filters_are_those_of_the_command(proxy: RunningProxy) -> None:
    """All that are given must hold."""
    assert len((await listed(proxy, "?status=2xx"))["decisions"]) == 3
    assert len((await listed(proxy, "?end=ok&client=anonymous&rule=everything"))["decisions"]) == 3
    assert len((await listed(proxy, "?failed=true"))["decisions"]) == 1
    assert len((await listed(proxy, "?since=1h"))["decisions"]) == 4
    assert (await listed(proxy, "?since=2999-01-01"))["decisions"] == []
    assert (await listed(proxy, "?model=small&status=400"))["decisions"] == []


async def test_pages_follow_each_other(proxy: RunningProxy) -> None:
    """`next` of one page is `before` of the following; the last says that it is."""
    pages, query = [], "?limit=3"
    while query:
        page = await listed(proxy, query)
        pages.append([row["id"] for row in page["decisions"]])
        query = f"?limit=3&before={page['next']}" if page["next"] else ""
    assert [len(page) for page in pages] == [3, 1]
    assert [identity for page in pages for identity in page] == sorted(read_records(proxy.state_dir), reverse=True)
    assert (await listed(proxy, "?limit=4"))["next"] is None


async def test_a_record_is_shown_as_the_journal_holds_it(proxy: RunningProxy) -> None:
    """Both lines; an id that nothing has is not found."""
    for identity, record in read_records(proxy.state_dir).items():
        answer = await ask(proxy.admin, "GET", f"/decisions/{identity}")
        assert answer.json() == {"decided": record.decided, "ended": record.ended}
    unknown = await ask(proxy.admin, "GET", "/decisions/01JD8ZB5E2M3T4V6W8X9Y0Z1A2")
    assert (unknown.status, code_of(unknown)) == (404, "admin.unknown-record")


@pytest.mark.parametrize(
    "query", ["?status=abc", "?since=soon", "?limit=0", "?limit=1001", "?limit=x", "?failed=maybe", "?sience=1h"]
)
async def test_a_filter_that_cannot_be_read_is_refused(proxy: RunningProxy, query: str) -> None:
    """Rather than passed over, which would show records that nobody asked for."""
    answer = await ask(proxy.admin, "GET", f"/decisions{query}")
    assert (answer.status, code_of(answer)) == (400, "admin.bad-request")
