"""One request, one record: also of those that ended before anything could be decided."""

from __future__ import annotations

from pathlib import Path

import pytest

from routebook.edge.processes.state import digest_key
from routebook.routing.tracing import Traces, trace_of
from tests.support.asking import CHAT, chat
from tests.support.proxy import in_process, run_command, small_policy
from tests.support.rawclient import RawClient, post
from tests.support.upstream import Upstream

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CLIENTS = 'clients: {batch: {keys: ["hmac-sha256:' + "0" * 64 + '"]}}'


@pytest.mark.parametrize(
    ("body", "more", "status", "error"),
    [
        (b"{", "", 400, "request.malformed"),
        (b'{"model": "small"}', "", 400, "request.malformed"),
        (chat(), CLIENTS, 401, "caller.unknown"),
    ],
)
async def test_a_request_that_was_turned_away_unread_has_its_record(
    tmp_path: Path, upstream: Upstream, body: object, more: str, status: int, error: str
) -> None:
    """Both lines, found by the id that the client was told, and `explain` says what happened."""
    async with in_process(tmp_path, small_policy(upstream.url, more=more)) as proxy:
        async with RawClient(proxy.url) as client:
            answer = await client.ask(post(CHAT, body))
        record = await proxy.record(str(answer.header("x-routebook-decision")))
    assert answer.status == status and upstream.requests == []
    assert (record.decided["outcome"], record.decided["client"], record.decided["rule"]) == ("unread", None, None)
    assert record.ended is not None
    assert (record.ended["status"], record.ended["error"], record.ended["usage_by"]) == (status, error, "nothing")
    told = run_command("explain", record.decided["id"], "--state-dir", str(proxy.state_dir))
    assert told.returncode == 0, told.stderr
    assert "ended before it could be decided" in told.stdout and str(status) in told.stdout


async def test_a_client_that_leaves_in_its_own_request_has_its_record(tmp_path: Path, upstream: Upstream) -> None:
    """The head came and half of the body: nobody is told, but it is written down."""
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        async with RawClient(proxy.url) as client:
            await client.send(post(CHAT, chat())[:-10])
        record = await proxy.only_record()
    assert record.ended is not None and record.ended["end"] == "CQ" and record.ended["error"] == "client.gone"


async def test_equal_prompts_have_equal_digests_and_the_trace_is_kept(tmp_path: Path, upstream: Upstream) -> None:
    """The digest is of the prompt alone; other fields of a request do not change it."""
    questions = [("why?", {}), ("why?", {"temperature": 0.5}), ("why not?", {})]
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy, RawClient(proxy.url) as client:
        digests = []
        for text, more in questions:
            body = {**chat(), "messages": [{"role": "user", "content": text}], **more}
            answer = await client.ask(post(CHAT, body, headers=[("Traceparent", f"00-{TRACE}-00f067aa0ba902b7-01")]))
            record = await proxy.record(str(answer.header("x-routebook-decision")))
            assert record.decided["trace"] == TRACE
            digests.append(record.decided["prompt"])
    assert digests[0] == digests[1] != digests[2]
    assert all(len(digest) == 32 for digest in digests)


@pytest.mark.parametrize(
    "written",
    [
        None,
        "",
        "00-short-00f067aa0ba902b7-01",
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
        f"00-{TRACE}-00f067aa0ba902b7-01\n",
    ],
)
def test_what_is_no_trace_is_none(written: str | None) -> None:
    """Only what W3C Trace Context allows is taken over."""
    assert trace_of("A", written, None, Traces.PASS).trace is None


def test_the_digest_key_stays_with_the_state_directory(tmp_path: Path) -> None:
    """Made once, read ever after, for nobody else's eyes."""
    key = digest_key(tmp_path)
    assert len(key) == 32 and digest_key(tmp_path) == key
    assert (tmp_path / "digest.key").stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir()] == ["digest.key"]
