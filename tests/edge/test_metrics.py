"""Counts: cheap to take, right when added up over workers, and still there when a worker has died."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import orjson
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from routebook.chat.usage import Usage
from routebook.edge.metrics import Metrics
from routebook.edge.scrape import added, as_text, lasting
from tests.support.proxy import RunningProxy, running_proxy, small_policy
from tests.support.rawclient import RawClient, post
from tests.support.upstream import Upstream

CHAT = post("/v1/chat/completions", {"model": "small", "messages": [{"role": "user", "content": "hello"}]})


def families(text: str) -> dict[str, Metric]:
    """Prometheus text, read by Prometheus' own reader."""
    return {family.name: family for family in text_string_to_metric_families(text)}


def one_request(metrics: Metrics, seconds: float) -> None:
    """Count what a request counts."""
    metrics.began()
    metrics.decided("night", "route")
    metrics.dropped("large", "context")
    metrics.attempted("small", "main", "ok")
    metrics.first_token("small", seconds / 2)
    metrics.ended("chat", 200, "--", seconds, "small", Usage(input=10, output=5), 2_500_000_000)


def test_what_two_workers_counted_is_one_text() -> None:
    """Counters, sums and buckets add up, also after the way through JSON; buckets are cumulative."""
    workers = [Metrics(), Metrics()]
    for worker in workers:
        one_request(worker, 0.2)
        one_request(worker, 1000.0)
    workers[0].began()
    snapshots = [orjson.loads(orjson.dumps(worker.snapshot())) for worker in workers]
    shown = families(as_text(added(snapshots), []).decode())
    assert [(sample.labels, sample.value) for sample in shown["routebook_requests"].samples] == [
        ({"operation": "chat", "status": "200", "end": "--"}, 4)
    ]
    assert shown["routebook_requests_in_progress"].samples[0].value == 1
    assert {sample.labels["kind"]: sample.value for sample in shown["routebook_tokens"].samples} == {
        "input": 40,
        "output": 20,
    }
    assert shown["routebook_cost_dollars"].samples[0].value == 10.0
    buckets = {
        sample.labels["le"]: sample.value
        for sample in shown["routebook_request_duration_seconds"].samples
        if sample.name.endswith("_bucket")
    }
    assert (buckets["0.1"], buckets["0.25"], buckets["300.0"], buckets["+Inf"]) == (0, 2, 2, 4)


def test_what_a_dead_worker_held_is_gone_with_it() -> None:
    """Its counts last; what it had in progress and in memory does not."""
    metrics = Metrics()
    metrics.began()
    metrics.recalled("kept", "miss")
    metrics.kept("kept", {"kept": 700, "other": 0})
    shown = families(as_text(added([lasting(metrics.snapshot()), metrics.snapshot()]), []).decode())
    assert shown["routebook_cache_stored"].samples[0].value == 2
    assert shown["routebook_cache_lookups"].samples[0].labels == {"rule": "kept", "result": "miss"}
    held = {sample.labels["rule"]: sample.value for sample in shown["routebook_cache_bytes"].samples}
    assert held == {"kept": 700, "other": 0}
    assert shown["routebook_requests_in_progress"].samples[0].value == 1


def test_counting_a_request_costs_little() -> None:
    """All counts of one request take some microseconds (2 on the machine this was written on)."""
    metrics = Metrics()
    began = time.process_time()
    for _ in range(10_000):
        one_request(metrics, 0.2)
    assert (time.process_time() - began) / 10_000 < 20e-6


async def chat(proxy: RunningProxy) -> int:
    """The status of one request on a connection of its own."""
    async with RawClient(proxy.url) as client:
        return (await client.ask(CHAT)).status


async def test_counts_of_all_workers_are_one_scrape(tmp_path: Path, upstream: Upstream) -> None:
    """Requests spread over workers are counted once each, also those of a worker that has left."""
    async with running_proxy(tmp_path, small_policy(upstream.url), workers=2) as proxy:
        for _ in range(20):
            assert await chat(proxy) == 200
        shown = families((await proxy.get_admin("/metrics"))[1])
        assert sum(sample.value for sample in shown["routebook_requests"].samples) == 20
        assert {sample.labels["rule"]: sample.value for sample in shown["routebook_decisions"].samples} == {
            "everything": 20
        }
        seconds = shown["routebook_request_duration_seconds"].samples
        assert [sample.value for sample in seconds if sample.name.endswith("_count")] == [20]
        tokens = {sample.labels["kind"]: sample.value for sample in shown["routebook_tokens"].samples}
        assert tokens == {"input": 140, "output": 40}


async def test_what_a_dead_worker_said_it_counted_is_not_forgotten(tmp_path: Path, upstream: Upstream) -> None:
    """A counter never goes back: the last scrape's counts of a worker outlive it."""
    async with running_proxy(tmp_path, small_policy(upstream.url)) as proxy:
        for _ in range(5):
            assert await chat(proxy) == 200
        assert families((await proxy.get_admin("/metrics"))[1])["routebook_requests"].samples[0].value == 5
        os.kill(json.loads((await proxy.get_admin("/policy"))[1])["workers"][0]["pid"], signal.SIGKILL)
        await asyncio.sleep(0.1)
        assert await chat(proxy) == 200
        shown = families((await proxy.get_admin("/metrics"))[1])
        assert shown["routebook_requests"].samples[0].value == 6
        assert shown["routebook_workers_replaced"].samples[0].value == 1
