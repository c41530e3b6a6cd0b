"""Fuzz what reads the words of others, dialects aside: `make fuzz`, or `python -m tests.fuzzing --seconds 600 [TARGET]`.

Each target is fed what it reads, broken, and words of its own put together anew. Nothing may come out but what it promises:
a policy with problems that have a place, events however they were cut, bodies of which nothing is lost, headers that are
safe to send, rests within bounds, prices that are sums of money. Anything else ends the run with the shortest input.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from routebook.documents.problems import Severity
from routebook.edge.headers import client_headers, retry_after, upstream_head
from routebook.health.quota_headers import LONGEST, asked_rest, last_for_now
from routebook.protocols.body import read_fields, with_fields
from routebook.protocols.errors import ProtocolError
from routebook.protocols.sse import Splitter, spans
from routebook.routing.reading.loading import load_sources
from tests.protocols import laws
from tests.protocols.fuzzing import PLACES, broken

ROOT = Path(__file__).parents[1]
NOW = 1_795_255_200.0
ROUND = 200
"""Examples between two looks at the clock."""


@dataclass(frozen=True)
class Target:
    """What is fed, and what may come of it."""

    inputs: st.SearchStrategy[Any]
    feed: Callable[[Any], None]


def policies() -> list[bytes]:
    """Every policy that is shipped, and those of the corpus of mistakes."""
    found = [*ROOT.glob("examples/*/*.yaml"), *ROOT.glob("rules/*.yaml"), *ROOT.glob("tests/corpus/*/*/policy.yaml")]
    return [data for path in sorted(found) if len(data := path.read_bytes()) < 12_000]


def read_policy(data: bytes) -> None:
    """Documents and rules: a policy, or problems each of which stands somewhere in the file."""
    text = data.decode("utf-8", "replace")
    result = load_sources((("policy.yaml", text),), proving=False)
    errors = [each for each in result.problems if each.severity is Severity.ERROR]
    assert (result.policy is None) == bool(errors)
    for problem in result.problems:
        assert problem.message and 1 <= problem.location.line <= text.count("\n") + text.count("\r") + 2
        assert problem.location.column >= 1 and "." in problem.code


PRICED = """\
version: 1
providers: {{p: {{dialect: openai, base_url: "http://127.0.0.1:1/v1"}}}}
models:
  m: {{provider: p, id: m, context: 128k, price: {price}}}
rules: [{{name: all, route: {{to: [m]}}}}]
"""
PRICE_KEYS = [
    "input",
    "output",
    "cached_input",
    "cache_write",
    "reasoning",
    "minute",
    "request",
    "above",
    "per",
    "then",
]
AMOUNTS = [
    "0",
    "1",
    "-1",
    "1e3",
    "$2",
    "$0.000000001",
    "1_000",
    "0x1",
    ".5",
    "1.",
    "nan",
    "inf",
    "1e999",
    "9" * 40,
    "''",
    "~",
    "[]",
    "2 per 1k",
    "128k",
]


def prices() -> st.SearchStrategy[str]:
    """A price, of its own words and of any."""
    amount = st.sampled_from(AMOUNTS) | st.floats().map(str) | st.integers().map(str) | st.text(max_size=8).map(repr)
    pairs = st.lists(st.tuples(st.sampled_from(PRICE_KEYS), amount), max_size=6)
    flat = pairs.map(lambda each: "{" + ", ".join(f"{key}: {value}" for key, value in each) + "}")
    return flat | amount | st.lists(flat, max_size=3).map(lambda each: f"[{', '.join(each)}]")


def read_price(price: str) -> None:
    """What a model costs: whole nano-dollars that are not below zero, or a problem."""
    result = load_sources((("policy.yaml", PRICED.format(price=price)),), proving=False)
    if result.policy is not None:
        [model] = result.policy.catalogue.models.values()
        for amount in numbers(msgspec.to_builtins(model.price)):
            assert isinstance(amount, int) and 0 <= amount < 2**63


def numbers(value: object) -> list[object]:
    """Every number in a structure."""
    match value:
        case dict():
            return [number for each in value.values() for number in numbers(each)]
        case list() | tuple():
            return [number for each in value for number in numbers(each)]
        case bool() | None | str():
            return []
    return [value]


LINES = [
    b"data: a",
    b"data:",
    b"data",
    b"event: x",
    b":",
    b"id: 1",
    b"\n",
    b"\r\n",
    b"\r",
    b"\n\n",
    b"\r\r",
    b"\xef\xbb\xbf",
    b"\0",
    "ü".encode(),
]


def split_events(given_: tuple[bytes, list[int]]) -> None:
    """However they are cut, the same events pass, and none of their bytes is lost."""
    data, places = given_

    def passed(pieces: list[bytes]) -> tuple[bytes, bytes]:
        splitter = Splitter()
        return b"".join(splitter.feed(piece) for piece in pieces), bytes(splitter.held)

    whole = passed([data])
    assert whole == passed(list(laws.cut(data, places))) == passed([data[at : at + 1] for at in range(len(data))])
    assert b"".join(whole) == data and b"".join(spans(whole[0])) == whole[0]


BODIES = [
    b'{"model":"m","messages":[]}',
    b'{"a":1,"a":2}',
    b'{"\\u0061":1,"a":2}',
    b'{"a":{"a":[1,2]},"b":"\\ud83d\\ude00"}',
    b"[]",
    b'"x"',
    b'{"n":1e400,"s":""}',
]


def view_body(data: bytes) -> None:
    """A body is refused, or what goes on is what was read, every key once."""
    try:
        fields = read_fields(data)
    except ProtocolError:
        return
    for new in ({}, {"model": "other"}):
        sent = with_fields(data, fields, new)
        again = read_fields(sent)
        assert set(again) == set(fields) | set(new)
        assert all(bytes(again[key]) == bytes(value) for key, value in fields.items() if key not in new)
        assert with_fields(sent, again, {}) == sent


WORDS = [
    "",
    "close",
    "x-a, x-b",
    "chunked",
    "\r\nx: y",
    "\0",
    "\x7f",
    "ü",
    "\udcff",
    "a" * 300,
    "\t",
    "429",
    "text/event-stream",
]
NAMES = [
    "Connection",
    "X-A",
    "x-b",
    "Keep-Alive",
    "Transfer-Encoding",
    "Content-Length",
    "Set-Cookie",
    "x-routebook-rule",
    "Accept",
    "User-Agent",
    "traceparent",
    "x-simulate",
    "Upgrade",
    "Trailer",
    "Content-Type",
    "Proxy-Authenticate",
]
OF_A_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "upgrade", "trailer", "proxy-authenticate", "te"}


def filter_headers(pairs: list[tuple[str, str]]) -> None:
    """What passes either way is printable, of this connection no word, and cuts no line in two."""
    headers = CIMultiDict(pairs)
    named = {word.strip().lower() for word in headers.get("Connection", "").split(",")}
    for name, value in client_headers(headers).items():
        assert value.isascii() and value.isprintable() and name.lower() not in OF_A_CONNECTION | named
    head = upstream_head(b"POST / HTTP/1.1\r\n", headers, 7, True, ("Accept", "X-A"))
    lines = head.split(b"\r\n")
    assert lines[-2:] == [b"", b""] and lines[-3] == b"Content-Length: 7"
    assert all(line.isascii() and line.decode().isprintable() and b":" in line for line in lines[1:-2])


SAID = [
    "retry-after",
    "retry-after-ms",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-requests-reset",
]
TIMES = [
    "0",
    "7",
    "-1",
    "1e9",
    "9" * 15,
    "0.5",
    " 7 ",
    "6m0s",
    "20ms",
    "1d2h",
    "2026-11-21T10:00:07Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "Fri, 21 Nov 2026 10:00:07 GMT",
    "Fri, 31 Feb 2026 25:61:61 -9999",
    "21 Nov 99999 10:00",
    "Mon",
    ",",
    "nan",
    "inf",
    "١",
]


def rest(said: tuple[list[tuple[str, str]], bytes]) -> None:
    """How long an upstream wants to be left alone: a bounded time, or nothing that was understood."""
    pairs, body = said
    headers = CIMultiDict(pairs)
    wait = retry_after(headers, NOW)
    assert wait is None or (math.isfinite(wait) and wait >= 0)
    for found in (asked_rest(headers, body, NOW), last_for_now(headers, NOW)):
        assert found is None or 0 <= found.seconds <= LONGEST


def _times() -> st.SearchStrategy[str]:
    words = st.sampled_from(
        ["Fri,", "21", "Nov", "2026", "10:00:07", "GMT", "+", "-", ":", "", "T", "Z", "9" * 9, "(", "\\", "."]
    )
    return st.sampled_from(TIMES) | st.lists(words, max_size=8).map(" ".join) | st.text(max_size=24)


DETAILS = [b'{"error":{"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.07s"}]}}']
PAIRS = st.tuples(st.sampled_from(NAMES), st.sampled_from(WORDS) | st.text(max_size=20))
TARGETS = {
    "policy": Target(broken(policies()), read_policy),
    "price": Target(prices(), read_price),
    "events": Target(
        st.tuples(
            st.lists(st.sampled_from(LINES), max_size=20).map(b"".join) | st.binary(max_size=60),
            st.lists(PLACES, max_size=4),
        ),
        split_events,
    ),
    "body": Target(broken(BODIES) | st.binary(max_size=60), view_body),
    "headers": Target(st.lists(PAIRS, max_size=8), filter_headers),
    "retry-after": Target(
        st.tuples(st.lists(st.tuples(st.sampled_from(SAID), _times()), max_size=4), broken(DETAILS)), rest
    ),
}


def fuzz(name: str, seconds: float, first: int, examples: int = ROUND) -> int:
    """Feed a target for so many seconds, one round at least; how many examples it took. `first` is the first round's seed."""
    target = TARGETS[name]
    until, rounds = time.monotonic() + seconds, 0
    while rounds == 0 or time.monotonic() < until:

        @seed(first + rounds)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(target.inputs)
        def one_round(given_: Any) -> None:
            target.feed(given_)

        one_round()
        rounds += 1
    return rounds * examples


def main() -> None:
    """Fuzz the targets that are named, or all."""
    parser = argparse.ArgumentParser(description="Fuzz what reads the words of others.")
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], help="which; all where none is named")
    parser.add_argument("--seconds", type=float, default=600.0, help="for each target")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the first round, to repeat a run")
    asked = parser.parse_args()
    for name in asked.targets or TARGETS:
        print(f"{name}: seed {asked.seed}", flush=True)
        print(f"{name}: {fuzz(name, asked.seconds, asked.seed)} examples, nothing but what it promises", flush=True)


if __name__ == "__main__":
    main()
