"""Records told to a real collector, decoded there; and to files. Nothing is lost, and nothing is told that was said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from routebook.cli.main import main
from tests.support.asking import ask, chat
from tests.support.collector import attributes, collector
from tests.support.proxy import in_process, small_policy
from tests.support.upstream import Upstream, failure

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = ("traceparent", f"00-{TRACE}-{SPAN}-01")
WORDS = "the words of the prompt"


def export(state_dir: Path, to: str, *more: str) -> int:
    """Run the command to its end."""
    return main(["export", "--state-dir", str(state_dir), "--to", to, "--once", *more])


async def test_a_collector_gets_spans_histograms_and_log_records(tmp_path: Path, upstream: Upstream) -> None:
    """With the names of the GenAI conventions, in the client's trace, a span for each call; and no word of the prompt."""
    upstream.will(failure(500))
    policy = small_policy(upstream.url, "  - {name: both, route: {to: [small, large]}}", "settings: {traces: join}")
    async with in_process(tmp_path, policy) as proxy:
        await ask(proxy.url, chat(text=WORDS), headers=[PARENT, ("tracestate", "vendor=1")])
        record = await proxy.only_record()
        state_dir = proxy.state_dir
    with collector() as received:
        assert export(state_dir, received.url) == 0
        assert export(state_dir, received.url) == 0  # nothing new
        whole, failed, answered = received.spans()
        assert len(received.logs()) == 1
        assert WORDS not in str(received.requests)
    assert (whole.name, failed.name, answered.name) == ("chat large", "chat small", "chat large")
    assert {each.trace_id.hex() for each in (whole, failed, answered)} == {TRACE}
    assert whole.parent_span_id.hex() == SPAN
    assert failed.parent_span_id == answered.parent_span_id == whole.span_id
    assert (whole.kind, answered.kind, failed.status.code, whole.status.code) == (2, 3, 2, 0)
    said = attributes(whole)
    assert said["gen_ai.operation.name"] == "chat" and said["gen_ai.provider.name"] == "scripted"
    assert said["gen_ai.request.model"] == "large" and said["gen_ai.request.stream"] is False
    assert record.ended is not None and said["gen_ai.usage.input_tokens"] == record.ended["input"]
    assert said["routebook.decision.id"] == record.decided["id"] and said["routebook.decision.rule"] == "both"
    assert attributes(failed)["error.type"] == "upstream.failed"
    assert whole.start_time_unix_nano <= failed.start_time_unix_nano <= failed.end_time_unix_nano
    assert answered.end_time_unix_nano <= whole.end_time_unix_nano
    [usage, duration] = [received.metrics()[f"gen_ai.client.{name}"] for name in ("token.usage", "operation.duration")]
    by_type = {attributes(point)["gen_ai.token.type"]: point.sum for point in usage.histogram.data_points}
    assert by_type == {"input": record.ended["input"], "output": record.ended["output"]}
    assert usage.unit == "{token}" and list(usage.histogram.data_points[0].explicit_bounds)[:3] == [1, 4, 16]
    assert duration.unit == "s" and duration.histogram.data_points[0].count == 1
    [log] = received.logs()
    assert log.trace_id.hex() == TRACE and json.loads(log.body.string_value)["decided"]["id"] == record.decided["id"]
    # what the upstream was told meanwhile is the span that was exported now
    told = upstream.requests[1]
    assert told.header("traceparent") == f"00-{TRACE}-{whole.span_id.hex()}-01"
    assert told.header("tracestate") == "vendor=1"


@pytest.mark.parametrize(
    ("traces", "sent", "keeps"),
    [
        ("pass", True, True),
        ("join", True, True),
        ("restart", True, False),
        ("pass", False, False),
        ("join", False, False),
    ],
)
async def test_what_becomes_of_a_client_s_trace(
    tmp_path: Path, upstream: Upstream, traces: str, sent: bool, keeps: bool
) -> None:
    """Passed on, joined, or not believed; the record names the trace that upstreams were told of."""
    policy = small_policy(upstream.url, more=f"settings: {{traces: {traces}}}")
    headers = [PARENT, ("tracestate", "vendor=1")] if sent else []
    async with in_process(tmp_path, policy) as proxy:
        await ask(proxy.url, headers=headers)
        record = await proxy.only_record()
    [request] = upstream.requests
    told, state = request.header("traceparent"), request.header("tracestate")
    if traces == "pass":
        assert told == (PARENT[1] if sent else None)
    else:
        assert told is not None and told.split("-")[1] == record.decided["trace"] and told.split("-")[2] != SPAN
    assert (record.decided.get("trace") == TRACE) == keeps and record.decided.get("parent") == (SPAN if keeps else None)
    assert state == ("vendor=1" if keeps else None)


@pytest.mark.parametrize("parent", ["", "00-0-0-01", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", "x" * 60])
async def test_a_trace_that_is_none_begins_anew(tmp_path: Path, upstream: Upstream, parent: str) -> None:
    """What W3C's recommendation calls invalid is not joined."""
    async with in_process(tmp_path, small_policy(upstream.url, more="settings: {traces: join}")) as proxy:
        await ask(proxy.url, headers=[("traceparent", parent), ("tracestate", "vendor=1")])
    told = upstream.requests[0].header("traceparent")
    assert (
        told is not None and told[3:35] not in (TRACE, "0" * 32) and upstream.requests[0].header("tracestate") is None
    )


async def test_what_is_not_taken_is_told_again(
    tmp_path: Path, upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    """A collector that refuses or is away costs nothing but time: the exit code says so, and all comes later, once."""
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        for _ in range(5):
            await ask(proxy.url)
        records = await proxy.ended_records(lambda found: len(found) == 5)
        state_dir = proxy.state_dir
    with collector() as received:
        received.refuses = {"/v1/traces"}
        assert export(state_dir, received.url) == 1 and "told again" in capsys.readouterr().err
        received.refuses = set()
        assert export(state_dir, received.url) == 0
        told = [attributes(span)["routebook.decision.id"] for span in received.spans() if span.kind == 2]
    assert sorted(told) == sorted(records)


async def test_a_share_of_traces_is_told(tmp_path: Path, upstream: Upstream) -> None:
    """By the trace's id, whoever decides; measurements are of all."""
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        traces = [f"{number:016x}{number * 2**58:016x}" for number in range(1, 64)]
        for trace in traces:
            await ask(proxy.url, headers=[("traceparent", f"00-{trace}-{SPAN}-01")])
        await proxy.ended_records(lambda found: len(found) == 63)
        state_dir = proxy.state_dir
    with collector() as received:
        assert export(state_dir, received.url, "--sample", "25%", "--signals", "traces,metrics") == 0
        kept = {span.trace_id.hex() for span in received.spans()}
        counted = received.metrics()["gen_ai.client.operation.duration"].histogram.data_points[0].count
        assert received.logs() == []
    assert kept == set(traces[:15]) and counted == 63


async def test_files_and_standard_output(
    tmp_path: Path, upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    """One JSON object a record, each once, each destination with a place of its own; or only what comes from now on."""
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        await ask(proxy.url)
        await proxy.only_record()
        state_dir, file = proxy.state_dir, tmp_path / "told.jsonl"
        assert export(state_dir, str(file)) == export(state_dir, str(file)) == 0
        late = ["--place", str(tmp_path / "late.sqlite"), "--from-now"]
        assert export(state_dir, "-", *late) == 0 and capsys.readouterr().out == ""
        await ask(proxy.url)
        records = await proxy.ended_records(lambda found: len(found) == 2)
        assert export(state_dir, str(file)) == export(state_dir, "-", *late) == 0
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [each["decided"]["id"] for each in lines] == sorted(records)
    assert all(each["ended"]["id"] == each["decided"]["id"] for each in lines)
    assert json.loads(capsys.readouterr().out)["decided"]["id"] == max(records)


@pytest.mark.parametrize("wrong", [["--signals", "dreams"], ["--sample", "often"], ["--sample", "120%"]])
def test_wrong_use(tmp_path: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, with the word that is wrong."""
    assert export(tmp_path, "http://127.0.0.1:9", *wrong) == 2
    assert f"`{wrong[0]}`" in capsys.readouterr().err
    assert export(tmp_path / "nowhere", "-") == 1
