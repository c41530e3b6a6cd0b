"""Headers that cross, headers that stay, and secrets that are nowhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from routebook.edge.answers import KINDS, header_safe
from routebook.edge.headers import LONGEST_RETRY, client_headers, request_head, retry_after, upstream_head
from tests.support.asking import ask, chat
from tests.support.proxy import in_process, running_proxy, small_policy
from tests.support.upstream import Upstream, completion, failure, reply

HOP = [
    ("Connection", "keep-alive, X-Private"),
    ("X-Private", "1"),
    ("Keep-Alive", "timeout=5"),
    ("TE", "trailers"),
    ("Proxy-Authorization", "Basic eA=="),
    ("Proxy-Connection", "keep-alive"),
    ("Trailer", "X-T"),
]


async def test_what_belongs_to_one_connection_stays_there(tmp_path: Path, upstream: Upstream) -> None:
    """Neither side's hop-by-hop headers reach the other, those that `Connection` names included."""
    back = [
        *HOP[:-1],
        ("Set-Cookie", "a=b"),
        ("Alt-Svc", 'h3="evil:443"'),
        ("Strict-Transport-Security", "max-age=1"),
        ("Location", "http://trap/"),
        ("X-Routebook-Rule", "forged"),
        ("OpenAI-Organization", "org-of-ours"),
        ("Proxy-Authenticate", "Basic"),
    ]
    upstream.will(reply(completion(), headers=back))
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        answer = await ask(proxy.url, headers=HOP)
    received = {name.lower() for name, _ in upstream.requests[0].headers}
    assert received <= {"host", "content-type", "content-length", "accept-encoding", "user-agent", "accept"}
    returned = {name.lower() for name, _ in answer.headers}
    assert not returned & {
        "x-private",
        "keep-alive",
        "te",
        "proxy-authorization",
        "proxy-connection",
        "set-cookie",
        "alt-svc",
        "strict-transport-security",
        "location",
        "openai-organization",
        "proxy-authenticate",
        "connection",
    }
    assert answer.header("x-routebook-rule") == "everything" and answer.header("server") == "routebook"


async def test_an_upstream_is_what_the_policy_says_and_nothing_else(tmp_path: Path, upstream: Upstream) -> None:
    """No header, field or query of a client names an address; the trap hears nothing."""
    async with Upstream() as trap, in_process(tmp_path, small_policy(upstream.url)) as proxy:
        body = chat(
            api_base=trap.url,
            base_url=trap.url,
            extra_body={"base_url": trap.url},
            tools=[{"type": "function", "function": {"name": "f"}, "server_url": trap.url}],
        )
        headers = [
            ("X-Forwarded-Host", f"127.0.0.1:{trap.port}"),
            ("X-Portkey-Custom-Host", trap.url),
            ("X-Upstream", trap.url),
            ("Forwarded", f"host=127.0.0.1:{trap.port}"),
            ("Referer", trap.url),
        ]
        answer = await ask(
            proxy.url, body, f"/v1/chat/completions?api_base={trap.url}&base_url={trap.url}", headers=headers
        )
        assert answer.status == 200 and trap.connections == 0 and len(upstream.requests) == 1
    assert upstream.requests[0].target == "/v1/chat/completions"


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    """The key would go with it."""
    async with Upstream() as trap:
        away = reply(b"", 307, [("Location", trap.url)])
        async with Upstream(lambda _: away) as upstream, in_process(tmp_path, small_policy(upstream.url)) as proxy:
            answer = await ask(proxy.url)
        assert answer.status == 502 and answer.json()["error"]["code"] == "upstream.redirected"
        assert trap.connections == 0


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\x00b", "caf\xe9", "\x7f", "a\tb", "x" * 9000, "\udcff", "日本"])
def test_whatever_becomes_a_header_is_made_safe(value: str) -> None:
    """Printable ASCII of a bounded length, so that no value can break an answer's head."""
    safe = header_safe(value)
    assert safe.isascii() and safe.isprintable() and len(safe) <= 200


async def test_odd_bytes_in_an_upstreams_headers_do_not_break_the_answer(tmp_path: Path, upstream: Upstream) -> None:
    """Bytes that are no ASCII arrive as `?`; the answer itself is whole."""
    upstream.will(reply(completion(), headers=[("X-Note", "caf\udce9 \udcff"), ("X-Fine", "yes")]))
    async with in_process(tmp_path, small_policy(upstream.url)) as proxy:
        answer = await ask(proxy.url, headers=[("User-Agent", "caf\xe9")])
    assert answer.status == 200 and answer.whole and answer.header("x-fine") == "yes"
    assert (answer.header("x-note") or "").startswith("caf?")


CANARIES = {
    "client": "sk-client-canary-1",
    "provider": "sk-provider-canary-2",
    "query": "canary-3-in-query",
    "prompt": "canary-4-in-prompt",
    "header": "canary-5-in-header",
    "cookie": "canary-6-in-cookie",
}


async def test_secrets_are_nowhere(tmp_path: Path) -> None:
    """Keys, cookies, queries and prompts: not in the log, the journal, the metrics, the answers or the index, whatever
    goes wrong; and the account's key goes to its upstream alone."""
    plays = [
        reply(completion()),
        failure(500),
        failure(401, f"bad key {CANARIES['provider']}"),
        failure(400, f"bad key {CANARIES['provider']}"),
        reply(b"{"),
        [*reply(b"", 302)],
    ]
    async with Upstream(lambda _: plays.pop(0) if plays else reply(completion())) as upstream:
        policy = small_policy(upstream.url).replace("{name: main}", "{name: main, key: {env: CANARY_KEY}}")
        async with running_proxy(tmp_path, policy, environment={"CANARY_KEY": CANARIES["provider"]}) as proxy:
            headers = [
                ("Authorization", f"Bearer {CANARIES['client']}"),
                ("X-Custom", CANARIES["header"]),
                ("Cookie", CANARIES["cookie"]),
                ("x-routebook-within", "nonsense"),
            ]
            seen = b""
            for number in range(9):
                answer = await ask(
                    proxy.url,
                    chat(text=CANARIES["prompt"]) if number % 2 else b"{" + b"x" * 10,
                    f"/v1/chat/completions?key={CANARIES['query']}",
                    headers=headers[: 3 + number % 3 // 2],
                )
                seen += answer.body + repr(answer.headers).encode()
            for path in ("/metrics", "/policy", "/healthz", "/readyz"):
                seen += (await proxy.get_admin(path))[1].encode()
        for request in upstream.requests:
            assert request.header("authorization") == f"Bearer {CANARIES['provider']}"
            assert CANARIES["client"].encode() not in repr(request).encode()
    for root, _, names in os.walk(tmp_path):
        for name in names:
            seen += (Path(root) / name).read_bytes()
    assert len(upstream.requests) >= 2
    assert [name for name, canary in CANARIES.items() if canary.encode() in seen] == []


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "-1"}, 0.0),
        ({}, None),
        ({"Retry-After": "1000000000"}, LONGEST_RETRY),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"retry-after-ms": "250", "Retry-After": "1"}, 0.25),
        ({"Retry-After": "Thu, 01 Jan 1970 00:01:40 GMT"}, 40.0),
        ({"Retry-After": "Wed, 31 Dec 1969 23:59:59 GMT"}, 0.0),
        ({"Retry-After": "1e9"}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "٣"}, None),
        ({"Retry-After": "Mon, 99 Foo 2026 99:99:99 GMT"}, None),
    ],
)
def test_when_to_come_back(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, milliseconds or a date, bounded; what cannot be understood was not said."""
    assert retry_after(headers, now=60.0) == seconds


@given(st.text(max_size=40))
def test_any_retry_after_is_seconds_or_nothing(text: str) -> None:
    """Whatever an upstream writes there, the answer is bounded."""
    seconds = retry_after({"Retry-After": text}, now=1e9)
    assert seconds is None or 0 <= seconds <= LONGEST_RETRY


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=8))
def test_any_headers_of_an_upstream_become_safe_ones(headers: dict[str, str]) -> None:
    """No value comes out that could not be sent, and nothing is added."""
    safe = client_headers(headers)
    assert all(value.isascii() and value.isprintable() for value in safe.values())
    assert {name.lower() for name in safe} <= {name.lower() for name in headers} | {"server"}


def test_only_a_short_list_of_a_clients_headers_goes_upstream() -> None:
    """Credentials and cookies are not on it, and what a fault to simulate is, only a simulator is told."""
    client = {
        "Authorization": "Bearer client",
        "Cookie": "a",
        "X-Api-Key": "k",
        "Accept": "*/*\r\nX-Evil: 1",
        "x-simulate": "429",
    }
    begun = request_head(URL("https://api.example:8443/v1/"), "/chat/completions", "account")
    head = upstream_head(begun, client, 7, False, ("Accept",))
    assert head.decode().split("\r\n") == [
        "POST /v1/chat/completions HTTP/1.1",
        "Host: api.example:8443",
        "Content-Type: application/json",
        "Accept-Encoding: identity",
        "Authorization: Bearer account",
        "Accept: */*??X-Evil: 1",
        "Content-Length: 7",
        "",
        "",
    ]
    assert b"x-simulate: 429\r\n" in upstream_head(request_head(URL("http://[::1]/v1"), "/x", None), client, 0, True)


def test_the_host_is_named_as_the_policy_names_it() -> None:
    """Without a port where it is the usual one; an address of IPv6 in its brackets."""
    assert b"\r\nHost: api.openai.com\r\n" in request_head(URL("https://api.openai.com/v1"), "/x", None)
    assert b"POST /v1/x HTTP/1.1\r\nHost: [::1]:8000\r\n" in request_head(URL("http://[::1]:8000/v1"), "/x", None)


def test_every_code_says_whose_side_it_was() -> None:
    """By its first word; so an answer's code alone tells a gateway's failure from an upstream's."""
    sides = {
        "request",
        "caller",
        "model",
        "policy",
        "budget",
        "limit",
        "ledger",
        "upstream",
        "client",
        "gateway",
        "journal",
        "feedback",
        "guard",
        "session",
    }
    assert {code.partition(".")[0] for code in KINDS} == sides


async def test_headers_that_the_policy_keeps_are_in_the_record(tmp_path: Path, upstream: Upstream) -> None:
    """Whether or not a rule asks for them; one that is not sent is known to be missing, and others are not kept."""
    policy = small_policy(upstream.url, more="settings: {record: {headers: [x-request-id, x-absent]}}")
    async with in_process(tmp_path, policy) as proxy:
        await ask(proxy.url, headers=[("X-Request-Id", "seven"), ("X-Other", "eight")])
        record = await proxy.only_record()
    kept = {key: value for key, value in record.decided["facts"].items() if key.startswith("request.header.")}
    assert kept == {"request.header.x-request-id": "seven", "request.header.x-absent": None}
