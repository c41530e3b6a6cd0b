"""Answers used again, over real sockets: what is replayed, for whom, for how long, and what is never kept."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from routebook.edge.clock import SystemClock
from routebook.edge.identity.store import KeyStore
from routebook.routing.replay import decide_again, differences
from routebook.routing.telling.explanation import explain_record
from routebook.routing.telling.rendering import as_text
from tests.support.asking import CHAT, ask, chat, events
from tests.support.proxy import in_process, small_policy
from tests.support.rawclient import Answer, RawClient, post
from tests.support.upstream import (
    Close,
    Hang,
    Play,
    Reset,
    Say,
    Upstream,
    chunks,
    completion,
    event,
    failure,
    head,
    reply,
    stream,
)

RULES = """\
  - {name: shared, when: {tags: {any: [all]}}, route: {to: [small], cache: {for: 10m, shared: true}}}
  - {name: brief, when: {tags: {any: [brief]}}, route: {to: [small], cache: 1m}}
  - {name: warm, when: {tags: {any: [warm]}}, route: {to: [small], cache: 10m, set: {temperature: 1}}}
  - {name: either, when: {tags: {any: [either]}}, route: {to: [small, large], cache: 10m}}
  - {name: fresh, when: {tags: {any: [fresh]}}, route: {to: [small]}}
  - {name: kept, route: {to: [requested], cache: 10m}}
"""


class Clock(SystemClock):
    """The machine's clock, so many seconds later."""

    def __init__(self) -> None:
        super().__init__()
        self.later = 0.0

    def monotonic(self) -> float:  # type: ignore[override]
        """Seconds, moved on by hand."""
        return SystemClock.monotonic() + self.later


def kept_policy(upstream: Upstream, more: str = "") -> str:
    """Rules that keep answers in several ways."""
    return small_policy(upstream.url, RULES, more)


def tagged(*tags: str) -> list[tuple[str, str]]:
    """The header by which a request meets another rule."""
    return [("x-routebook-tags", ",".join(tags))]


def cache_of(answer: Answer) -> str | None:
    """What an answer says of the cache."""
    return answer.header("x-routebook-cache")


def numbered(upstream: Upstream) -> None:
    """Let every answer be another one, so that a replay can be told from a call."""
    count = iter(range(1000))

    def play(request: Any) -> Play:
        text = f"answer {next(count)}"
        return stream(chunks([text])) if request.json().get("stream") else reply(completion(text))

    upstream.otherwise = play


async def test_a_stream_is_replayed_as_the_stream_it_was(tmp_path: Path, upstream: Upstream) -> None:
    """Byte for byte, comments and names of events too; what another upstream would say now does not matter."""
    said = b": hello\n\n" + b"".join(chunks([f"word {number} " * 300 for number in range(40)])[:-1])
    said += b"event: note\ndata: {}\n\n" + event("[DONE]")
    upstream.will(stream([said], piece=977))
    async with in_process(tmp_path, kept_policy(upstream)) as proxy:
        first, again = [await ask(proxy.url, chat(stream=True)) for _ in range(2)]
    assert len(said) > 100_000 and first.body == again.body == said and again.whole
    assert (cache_of(first), cache_of(again), len(upstream.requests)) == ("miss", "hit", 1)
    assert first.header("content-type") == again.header("content-type")
    assert again.header("x-routebook-model") == "small" and again.header("x-routebook-rule") == "kept"


@pytest.mark.parametrize("shows", [False, True])
async def test_what_a_client_did_not_see_it_does_not_see_again(tmp_path: Path, upstream: Upstream, shows: bool) -> None:
    """The chunk with the usage is part of the answer for those who asked for it, and of theirs alone."""
    body = chat(stream=True, **({"stream_options": {"include_usage": True}} if shows else {}))
    other = chat(stream=True, **({} if shows else {"stream_options": {"include_usage": True}}))
    async with in_process(tmp_path, kept_policy(upstream)) as proxy:
        answers = [await ask(proxy.url, each) for each in (body, body, other)]
    assert [cache_of(each) for each in answers] == ["miss", "hit", "miss"]
    assert [b'"usage"' in each.body for each in answers] == [shows, shows, not shows]


async def test_a_whole_answer_is_replayed_whole(tmp_path: Path, upstream: Upstream) -> None:
    """With its own bytes, and without what its upstream said of that one exchange."""
    body = b'{ "choices":[{"index":0,"finish_reason":"stop"}], "x": 1.50 }\n'
    upstream.will(reply(body, headers=[("x-request-id", "1"), ("x-ratelimit-remaining-requests", "5")]))
    async with in_process(tmp_path, kept_policy(upstream)) as proxy:
        first, again = [await ask(proxy.url) for _ in range(2)]
    assert first.body == again.body == body and (cache_of(again), again.status) == ("hit", 200)
    assert first.header("x-request-id") == "1"
    assert again.header("x-request-id") is None and again.header("x-ratelimit-remaining-requests") is None


async def test_vectors_are_kept_too(tmp_path: Path, upstream: Upstream) -> None:
    """An answer of a kind that has no reason to stop."""
    vectors = "models:\n  vectors: {provider: scripted, operations: [embeddings]}\n"
    policy = kept_policy(upstream).replace("models:\n", vectors)
    async with in_process(tmp_path, policy) as proxy:
        answers = [
            await ask(proxy.url, {"model": "vectors", "input": text}, "/v1/embeddings") for text in ("a", "a", "b")
        ]
    assert [(each.status, cache_of(each)) for each in answers] == [(200, "miss"), (200, "hit"), (200, "miss")]


async def test_a_stream_and_a_whole_answer_are_two(tmp_path: Path, upstream: Upstream) -> None:
    """Neither stands for the other."""
    async with in_process(tmp_path, kept_policy(upstream)) as proxy:
        answers = [await ask(proxy.url, stream=mode) for mode in (True, False, True, False)]
    assert [cache_of(each) for each in answers] == ["miss", "miss", "hit", "hit"]
    assert answers[0].body == answers[2].body and answers[1].body == answers[3].body


async def test_a_request_that_differs_is_another_one(tmp_path: Path, upstream: Upstream) -> None:
    """In a field of its body, in what a rule sets on it, in a header that may change the answer."""
    numbered(upstream)
    asks: list[tuple[dict[str, object], list[tuple[str, str]]]] = [
        (chat(), []),
        (chat(text="Hello!"), []),
        (chat(seed=1), []),
        (chat(temperature=0.5), []),
        (chat(user="ann"), []),
        (chat("large"), []),
        (chat(), tagged("warm")),
        (chat(), [("OpenAI-Beta", "x")]),
    ]
    async with in_process(tmp_path, kept_policy(upstream)) as proxy:
        first = [await ask(proxy.url, body, headers=headers) for body, headers in asks]
        again = [await ask(proxy.url, body, headers=headers) for body, headers in asks]
        unlike = [
            ("User-Agent", "other"),
            ("X-Client-Request-Id", "7"),
            ("Traceparent", f"00-{'a' * 32}-{'b' * 16}-01"),
        ]
        alike = await ask(proxy.url, chat(), headers=unlike)
    assert {cache_of(each) for each in first} == {"miss"} and {cache_of(each) for each in again} == {"hit"}
    assert [each.body for each in first] == [each.body for each in again]
    assert len({each.body for each in first}) == len(asks) == len(upstream.requests)
    assert alike.body == first[0].body


async def test_an_answer_grows_old(tmp_path: Path, upstream: Upstream) -> None:
    """Then the upstream is asked again, and the new answer is kept."""
    numbered(upstream)
    clock = Clock()
    async with in_process(tmp_path, kept_policy(upstream), clock=clock) as proxy:

        async def at(seconds: float, *tags: str) -> tuple[str | None, bytes]:
            clock.later = seconds
            answer = await ask(proxy.url, headers=tagged(*tags))
            return cache_of(answer), answer.body

        said = [await at(seconds) for seconds in (0.0, 598.0, 601.0, 1199.0)]
        brief = await at(1199.0, "brief")
    assert [found for found, _ in said] == ["miss", "hit", "miss", "hit"]
    assert said[0][1] == said[1][1] != said[2][1] == said[3][1]
    assert brief[0] == "miss", "another rule finds it too old, although the one that kept it does not"


async def test_no_client_gets_what_another_was_told_unless_the_rule_shares(tmp_path: Path, upstream: Upstream) -> None:
    """Two clients with the same question: two answers, and one under a rule that says `shared`."""
    numbered(upstream)
    store = KeyStore(tmp_path / "var", {})
    (tmp_path / "var").mkdir()
    key = {name: ("x-api-key", store.create(name, time.time(), None, None)[0]) for name in ("ann", "bob")}
    clients = "clients: {ann: {team: red}, bob: {team: red}}\n"
    async with in_process(tmp_path, clients + kept_policy(upstream)) as proxy:
        alone = [await ask(proxy.url, headers=[key[name]]) for name in ("ann", "bob", "ann")]
        shared = [await ask(proxy.url, headers=[*tagged("all"), key[name]]) for name in ("ann", "bob", "bob")]
    assert [cache_of(each) for each in alone] == ["miss", "miss", "hit"]
    assert [cache_of(each) for each in shared] == ["miss", "hit", "hit"]
    assert alone[0].body == alone[2].body != alone[1].body and len({each.body for each in shared}) == 1


DONE = event("[DONE]")
ODD: dict[str, tuple[bool, Play]] = {
    "cut": (True, [*stream(chunks(), ends=False)[:-1], Reset()]),
    "ends without its mark": (True, stream(chunks()[:-1])),
    "error event": (True, stream([*chunks()[:-2], event({"error": {"message": "no"}}), DONE])),
    "no reason to stop": (True, stream([*chunks()[:-2], DONE])),
    "error as the reason": (
        True,
        stream([*chunks()[:-2], event({"choices": [{"index": 0, "finish_reason": "error"}]}), DONE]),
    ),
    "error in a 200": (False, reply({"error": {"message": "no", "code": "x"}})),
    "refused": (False, failure(400)),
    "overloaded": (False, failure(429, headers=[("Retry-After", "0")])),
    "cut whole": (
        False,
        [Say(head(200, [("Content-Type", "application/json"), ("Content-Length", "999")]) + b'{"choices":'), Close()],
    ),
    "too large": (False, reply(completion("x" * 70_000))),
    "stream too large": (True, stream(chunks(["x" * 500] * 200))),
    "unknown coding": (False, reply(b"\x01\x02", headers=[("Content-Encoding", "br")])),
}


@pytest.mark.parametrize("what", ODD)
async def test_what_did_not_end_well_is_never_kept(tmp_path: Path, upstream: Upstream, what: str) -> None:
    """The same request is sent upstream again, and its good answer is kept."""
    streamed, play = ODD[what]
    upstream.will(play)
    async with in_process(tmp_path, kept_policy(upstream, "settings: {cache: {bytes: 64KiB, entry: 64KiB}}")) as proxy:
        before = await ask(proxy.url, stream=streamed)
        assert cache_of(before) == "miss" and proxy.gateway.cache.bytes == 0
        good, again = [await ask(proxy.url, stream=streamed) for _ in range(2)]
    assert (good.status, cache_of(good), cache_of(again)) == (200, "miss", "hit")
    assert good.body == again.body


async def test_a_client_that_left_leaves_no_copy(tmp_path: Path, upstream: Upstream) -> None:
    """What it had read so far is no answer."""
    upstream.will([*stream(chunks()[:2], ends=False), Hang()])
    async with in_process(tmp_path, kept_policy(upstream)) as proxy:
        async with RawClient(proxy.url) as client:
            await client.send(post(CHAT, chat(stream=True)))
            await client.head()
            await client.chunk()
        record = await proxy.only_record()
        assert record.ended is not None and record.ended["error"] == "client.gone"
        assert cache_of(await ask(proxy.url, chat(stream=True))) == "miss"


async def test_an_answer_of_the_second_is_not_taken_for_the_first_ones(tmp_path: Path, upstream: Upstream) -> None:
    """It is kept as the answer of whoever gave it, and found when that one is whom the request would go to."""
    numbered(upstream)
    upstream.will(failure(500))
    async with in_process(tmp_path, kept_policy(upstream)) as proxy:
        fallen, first, again = [await ask(proxy.url, headers=tagged("either")) for _ in range(3)]
        straight = await ask(proxy.url, chat("large"))
    assert [fallen.header("x-routebook-model"), first.header("x-routebook-model")] == ["large", "small"]
    assert [cache_of(each) for each in (fallen, first, again)] == ["miss", "miss", "hit"]
    assert (cache_of(straight), straight.body) == ("hit", fallen.body)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("no-cache", ["miss", "hit", "miss", "hit"]),
        ("no-store", ["miss", "hit", "miss", "hit"]),
        ("max-age=0", ["miss", "hit", "miss", "hit"]),
        ("max-age=600, no-transform", ["miss", "hit", "hit", "hit"]),
    ],
)
async def test_a_client_may_want_a_fresh_answer(
    tmp_path: Path, upstream: Upstream, said: str, found: list[str]
) -> None:
    """`no-cache` and an age that is passed are answered anew, and the answer kept; `no-store` leaves nothing behind."""
    numbered(upstream)
    async with in_process(tmp_path, kept_policy(upstream)) as proxy:
        answers = [
            await ask(proxy.url, headers=[("Cache-Control", each)] if each else []) for each in ("", "", said, "")
        ]
    assert [cache_of(each) for each in answers] == found
    assert answers[0].body == answers[1].body
    assert (answers[3].body == answers[2].body) is (said != "no-store")
    assert said != "no-store" or answers[3].body == answers[0].body


async def test_no_store_keeps_nothing(tmp_path: Path, upstream: Upstream) -> None:
    """Not even the first answer."""
    async with in_process(tmp_path, kept_policy(upstream)) as proxy:
        await ask(proxy.url, headers=[("Cache-Control", "no-store")])
        assert proxy.gateway.cache.bytes == 0 and cache_of(await ask(proxy.url)) == "miss"


async def test_a_rule_that_keeps_nothing_says_nothing(tmp_path: Path, upstream: Upstream) -> None:
    """No header, no word in the record."""
    async with in_process(tmp_path, kept_policy(upstream)) as proxy:
        answers = [await ask(proxy.url, headers=tagged("fresh")) for _ in range(2)]
        records = await proxy.ended_records(lambda found: len(found) == 2)
    assert [cache_of(each) for each in answers] == [None, None] and len(upstream.requests) == 2
    assert all("cache" not in record.decided for record in records.values())


async def test_a_hit_is_a_decision_that_costs_nothing(tmp_path: Path, upstream: Upstream) -> None:
    """The record says whose answer it was, how old, and what it had used; replayed, the decision is the same."""
    clock = Clock()
    async with in_process(tmp_path, kept_policy(upstream), clock=clock) as proxy:
        first = await ask(proxy.url, stream=True)
        clock.later = 60.0
        again = await ask(proxy.url, stream=True)
        await ask(proxy.url, stream=True, headers=[("Cache-Control", "no-cache")])
        filled, hit = [await proxy.record(each.header("x-routebook-decision") or "") for each in (first, again)]
        bypassed = next(each for name, each in proxy.records().items() if each not in (filled, hit))
        policy = proxy.gateway.policy
    assert filled.decided["cache"] == {"hit": False} and bypassed.decided["cache"] == {
        "hit": False,
        "bypass": "no-cache",
    }
    assert hit.decided["cache"].items() >= {"hit": True, "of": filled.decided["id"]}.items()
    assert 60 <= hit.decided["cache"]["age"] < 90
    assert filled.ended is not None and hit.ended is not None and "cached" not in filled.ended
    assert (hit.ended["end"], hit.ended["status"], hit.ended["error"], hit.ended["attempts"]) == ("--", 200, None, [])
    assert (hit.ended["cost"], hit.ended["usage"], hit.ended["usage_by"]) == (0, {}, "cached")
    assert hit.ended["cached"] == {"usage": filled.ended["usage"], "cost": filled.ended["cost"]}
    assert (hit.ended["model"], hit.ended["account"], hit.ended["finish"]) == ("small", None, "stop")
    for record in (filled, hit, bypassed):
        assert differences(record.decided, decide_again(policy, record.decided)) == []
    told = as_text(explain_record(policy, hit.decided, hit.ended))
    assert f"The answer to {filled.decided['id']} was used again, " in told and "nobody was called" in told
    assert "It had used 7 input, 2 output tokens when it was first given, worth $0.000011" in told
    assert "The client wanted a fresh answer (`Cache-Control: no-cache`)" in as_text(
        explain_record(policy, bypassed.decided, bypassed.ended)
    )


async def test_what_is_counted(tmp_path: Path, upstream: Upstream) -> None:
    """Lookups by rule and result, answers and bytes kept; a hit uses no tokens and costs nothing."""
    async with in_process(tmp_path, kept_policy(upstream)) as proxy:
        for cache_control in ("max-age=9", "max-age=9", "max-age=9", "no-cache"):
            await ask(proxy.url, headers=[("Cache-Control", cache_control)])
        await ask(proxy.url, headers=tagged("all"))
        counted = {name: dict(rows) for name, rows in proxy.gateway.metrics.snapshot().items()}
        size = proxy.gateway.cache.bytes
        proxy.take(small_policy(upstream.url))
        left = dict(proxy.gateway.metrics.snapshot()["routebook_cache_bytes"])
    assert counted["routebook_cache_lookups"] == {
        ("kept", "miss"): 1,
        ("kept", "hit"): 2,
        ("kept", "bypass"): 1,
        ("shared", "miss"): 1,
    }
    assert counted["routebook_cache_stored"] == {("kept",): 2, ("shared",): 1}
    assert sum(counted["routebook_cache_bytes"].values()) == size > 500  # type: ignore[arg-type]
    assert counted["routebook_tokens"][("small", "input")] == 3 * 7
    assert set(left.values()) == {0}, "a policy without `cache` leaves no answer in memory"


async def test_memory_is_bounded(tmp_path: Path, upstream: Upstream) -> None:
    """However many answers come: the oldest go, the latest are there."""
    upstream.otherwise = lambda request: reply(completion("x" * 10_000))
    async with in_process(tmp_path, kept_policy(upstream, "settings: {cache: {bytes: 64KiB}}")) as proxy:
        for number in range(20):
            await ask(proxy.url, chat(text=f"question {number}"))
            assert proxy.gateway.cache.bytes <= 65_536
        found = [cache_of(await ask(proxy.url, chat(text=f"question {number}"))) for number in (19, 18, 0)]
    assert found == ["hit", "hit", "miss"]


async def test_an_answer_outlives_a_change_of_the_rules(tmp_path: Path, upstream: Upstream) -> None:
    """It does not depend on them; one that goes elsewhere now is not found there."""
    async with in_process(tmp_path, kept_policy(upstream)) as proxy:
        await ask(proxy.url)
        proxy.take(small_policy(upstream.url, "  - {name: renamed, route: {to: [small], cache: 1h}}"))
        renamed = await ask(proxy.url)
        proxy.take(small_policy(upstream.url, "  - {name: moved, route: {to: [large], cache: 1h}}"))
        moved = await ask(proxy.url)
    assert [(cache_of(each), each.header("x-routebook-model")) for each in (renamed, moved)] == [
        ("hit", "small"),
        ("miss", "large"),
    ]


async def test_a_client_that_stops_reading_a_replay_is_left(tmp_path: Path, upstream: Upstream) -> None:
    """As with any answer: its record says that it stalled, and nothing was called."""
    upstream.will(stream(chunks(["x" * 10_000] * 800)))
    settings = "settings: {stream: {stall: 300ms}, cache: {entry: 32MiB}}"
    async with in_process(tmp_path, kept_policy(upstream, settings)) as proxy:
        await ask(proxy.url, chat(stream=True))
        async with RawClient(proxy.url, receive_buffer=4096) as client:
            await client.send(post(CHAT, chat(stream=True)))
            await client.head()
            records = await proxy.ended_records(lambda found: len(found) == 2, timeout=15)
        ended = [record.ended for record in records.values() if record.decided["cache"]["hit"]]
    assert ended[0] is not None and (ended[0]["error"], ended[0]["end"]) == ("client.stalled", "TD")
    assert (ended[0]["usage_by"], ended[0]["cost"], len(upstream.requests)) == ("cached", 0, 1)


async def test_requests_at_the_same_moment_are_each_sent(tmp_path: Path, upstream: Upstream) -> None:
    """Only an answer that is there can be used again; whichever came last is kept."""
    upstream.otherwise = lambda request: stream(chunks(), pause=0.02)
    async with in_process(tmp_path, kept_policy(upstream)) as proxy:
        answers = await asyncio.gather(*(ask(proxy.url, chat(stream=True)) for _ in range(3)))
        again = await ask(proxy.url, chat(stream=True))
    assert [cache_of(each) for each in answers] == ["miss"] * 3 and cache_of(again) == "hit"
    assert len(upstream.requests) == 3 and events(again.body)[-1] == "[DONE]"
