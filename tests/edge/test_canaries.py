"""No secret comes out again, a client's or the service's own: unique words as keys, in every place and in every way to fail, and a search."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from routebook.edge.identity.keys import key_of
from routebook.edge.identity.store import KeyStore
from tests.support.asking import CHAT, chat
from tests.support.processes import run_command
from tests.support.proxy import RunningProxy, running_proxy, small_policy
from tests.support.rawclient import RawClient, get, post
from tests.support.upstream import Play, Reset, Say, Upstream, event, failure, head, reply, stream

CLIENTS = "clients: {web: {}}\n"


class Canaries:
    """Unique words, each of which is used once; a key of the right form and one without."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def word(self) -> str:
        """A new one."""
        noise = os.urandom(32)
        self.words.append(f"canary{noise.hex()}" if len(self.words) % 2 else key_of(noise))
        return self.words[-1]

    def found_in(self, text: bytes) -> list[str]:
        """Those whose beginning stands in a text: a part of a secret is one too."""
        return [word for word in self.words if word[:16].encode() in text]


def requests(canaries: Canaries, good: str) -> Iterator[bytes]:
    """Requests with a canary each, in all the places where a secret may stand; most are refused, each in its way."""
    word, body = canaries.word, chat()
    key = ("Authorization", f"Bearer {good}")
    for name in ("Authorization", "x-api-key", "x-goog-api-key", "api-key", "Proxy-Authorization", "Cookie"):
        yield post(CHAT, body, [(name, f"Bearer {word()}" if "Auth" in name else word())])
        yield post(CHAT, body, [key, (name, f"Bearer {word()}" if "Auth" in name else word())])
    yield post(CHAT, body, [("Authorization", f"Basic {word()}")])
    yield post(CHAT, body, [("Authorization", word())])
    yield post(CHAT, body, [("Authorization", f"Bearer eyJ{word()}.{word()}.{word()}")])
    yield post(f"{CHAT}?key={word()}", body)
    yield post(f"{CHAT}?key={word()}&key={word()}", body)
    yield post(f"{CHAT}?token={word()}&x={word()}", body, [key])
    yield get(f"/v1/models?key={word()}")
    yield get(f"/v1/models/{word()}", [key])
    yield get(f"/{word()}?key={word()}")
    yield post(f"/v1/models?key={word()}", body)
    # bodies: a key where none belongs, not JSON, and fields that fail
    yield post(CHAT, {**body, "api_key": word()}, [key])
    yield post(CHAT, b'{"model": "' + word().encode(), [key])
    yield post(CHAT, {**body, "model": [word()]}, [key])
    yield post(CHAT, {**body, "messages": word()}, [key])
    yield post(CHAT, {**body, "metadata": {"x-routebook-within": word()}}, [key])
    yield post(CHAT, body, [key, ("x-routebook-within", word())])
    yield post(CHAT, body, [key, ("Content-Encoding", word())])
    # heads that are none
    bad = post(CHAT, body)
    yield bad.replace(b"Host: test", f"Host: test\r\nAuthorization Bearer {word()}".encode())
    yield bad.replace(b"Host: test", f"Host: test\r\nx-api-key: {word()}\0".encode())
    yield bad.replace(b"Host: test", f"Host: test\r\nx-api-key: {word() + 'x' * 20_000}".encode())
    yield bad.replace(b"Host: test", f"Host: test\r\n{word() + 'x' * 20_000}: y".encode())
    yield bad.replace(b"POST /v1", f"{word()} /v1".encode())
    yield bad.replace(b"HTTP/1.1", f"HTTP/{word()}".encode())
    yield bad.replace(b"completions", f"completions?key={word()}{'x' * 20_000}".encode())
    yield bad.replace(b"Content-Length: ", f"Content-Length: {word()}".encode())
    yield bad.replace(b"Host: test", f"Host: test\r\nTransfer-Encoding: {word()}".encode())


async def answers(proxy: RunningProxy, wanted: Iterator[bytes]) -> bytes:
    """Everything that came back, heads and all."""
    said = b""
    for request in wanted:
        async with RawClient(proxy.url) as client:
            await client.send(request)
            try:
                answer = await client.answer(20.0)
            except (asyncio.IncompleteReadError, OSError):
                continue
            said += repr(answer.headers).encode() + answer.body
    return said


async def test_a_clients_secrets_are_nowhere(tmp_path: Path, upstream: Upstream) -> None:
    """Not in the log at its most talkative, the journal and its index, metrics, answers, nor the state directory; and
    upstream only where a client wrote it into its own prompt or body."""
    canaries = Canaries()
    good, _ = KeyStore(tmp_path / "var", {}).create("web", 1_700_000_000, None, None)
    policy = small_policy(upstream.url, "  - {name: everything, route: {to: [small, large]}}", CLIENTS)
    async with running_proxy(tmp_path, policy, "--log", "debug") as proxy:
        upstream.will(failure(500))
        upstream.will(reply(b"not json"))
        said = await answers(proxy, requests(canaries, good))
        said += (await proxy.get_admin("/metrics"))[1].encode() + (await proxy.get_admin("/policy"))[1].encode()
        await proxy.ended_records()
        sent = b"".join(repr(request.headers).encode() + request.target.encode() for request in upstream.requests)
    canaries.words.append(good)
    places = {path: path.read_bytes() for path in (tmp_path / "var").rglob("*") if path.is_file()}
    places[Path("log")], places[Path("answers")] = (tmp_path / "serve.log").read_bytes(), said
    places[Path("upstream")] = sent
    assert len(upstream.requests) > 5 and b"caller refused" in places[Path("log")] and len(said) > 5_000
    assert not {str(path): found for path, text in places.items() if (found := canaries.found_in(text))}


async def test_a_bug_tells_no_secret(tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception whose words are the key itself: neither the answer nor the log has them."""
    from structlog.testing import capture_logs

    from routebook.edge.identity.callers import Callers
    from tests.support.proxy import in_process

    canary = Canaries().word()

    def breaks(*_: object) -> None:
        raise RuntimeError(canary)

    monkeypatch.setattr(Callers, "identify", breaks)
    async with in_process(tmp_path, small_policy(upstream.url, more=CLIENTS)) as proxy, RawClient(proxy.url) as client:
        with capture_logs() as log:
            answer = await client.ask(post(CHAT, chat(), [("x-api-key", canary)]))
        record = await proxy.only_record()
    assert answer.status == 500 and canary[:16] not in f"{answer} {log} {record}"
    assert "bug" in str(log)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A store that quotes what it was told in its refusals, a password perhaps."""
    try:
        while said := await reader.read(4096):
            writer.write(b"-WRONGPASS " + said.replace(b"\r\n", b" ") + b"\r\n")
    except OSError:
        pass
    finally:
        writer.close()


def indiscreet(key: str) -> list[Play]:
    """Failures of upstreams that quote the key they were called with. (An answer that is one is passed on as it came.)"""
    quoted = f"the key {key} is not welcome"
    sse = [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")]
    return [
        failure(401, quoted),
        failure(403, quoted, key),
        failure(400, quoted, key),
        failure(404, quoted),
        failure(429, quoted, headers=[("Retry-After", key), ("x-ratelimit-reset-requests", key)]),
        failure(500, quoted),
        failure(302, quoted, headers=[("Location", f"http://127.0.0.1/?key={key}")]),
        stream([event({"error": {"message": quoted, "code": key}})]),
        [Say(f"HTTP/1.1 {key}\r\n\r\n".encode())],
        [Say(head(200, [("Content-Type", key), ("x-key\0", key)])), Reset()],
        [Say(head(200, sse) + f"{key}\r\n".encode()), Reset()],
        reply(key.encode()),
    ]


def admin_requests(canaries: Canaries, good: str) -> Iterator[bytes]:
    """What the admin listener is asked with tokens that are none, in all places; and with a good one in wrong ones."""
    word = canaries.word
    for path in ("/decisions", "/accounts", "/ledger", "/policy", "/nowhere"):
        yield get(path, [("Authorization", f"Bearer {word()}")])
        yield get(path, [("Authorization", word())])
        yield get(f"{path}?token={word()}&limit={word()}")
        yield get(f"{path}?token={good}", [("x-api-key", good)])
        yield get(f"{path}/{word()}", [("Authorization", f"Bearer {good}")])
        yield post(path, {"token": word(), word(): good}, [("Authorization", f"Bearer {word()}")])
    yield post("/reload", b"{" + word().encode(), [("Authorization", f"Bearer {good}")])
    yield get("/ledger").replace(b"Host: test", f"Authorization {word()}\r\nHost: {word()}".encode())
    yield get("/ledger").replace(b"HTTP/1.1", word().encode())


SHOWN = (["accounts"], ["budgets"], ["ledger", "verify"], ["ledger", "export"], ["decisions"], ["explain", "last"])
"""Commands that show what a service knows."""


async def test_secrets_of_the_service_are_nowhere(tmp_path: Path) -> None:
    """The providers' keys, the shared store's password and the admin tokens: however upstreams, the store and clients
    quote them, they stand in no answer, log, record, metric, file or command's output."""
    canaries = Canaries()
    provider_key, password, token = (canaries.word() for _ in range(3))
    (tmp_path / "tokens").write_text(f"operate {token}\n")
    (tmp_path / "tokens").chmod(0o600)
    store = await asyncio.start_server(echo, "127.0.0.1", 0)
    address = f"redis://user:{password}@127.0.0.1:{store.sockets[0].getsockname()[1]}/0"
    budget = "budgets: {all: {limit: $5, window: day, on_store_down: {allowance: $5}}}"
    environment = {"PROVIDER_KEY": provider_key, "ROUTEBOOK_SHARED_LEDGER": address}
    async with store, Upstream() as upstream:
        policy = small_policy(upstream.url, more=budget).replace(
            "{name: main}", "{name: main, key: {env: PROVIDER_KEY}}"
        )
        options = ("--log", "debug", "--admin-tokens-file", str(tmp_path / "tokens"))
        bearer = [("Authorization", f"Bearer {token}")]
        async with running_proxy(tmp_path, policy, *options, environment=environment) as proxy:
            said = b""
            for play in indiscreet(provider_key):
                for streams in (False, True):
                    upstream.will(play)
                    said += await answers(proxy, iter([post(CHAT, chat(stream=streams), bearer)]))
                    admitted = await at_admin(proxy, post("/accounts/scripted/main/admit", {}, bearer))
                    assert b'"error"' not in admitted and admitted
            said += await answers(proxy, iter([post(CHAT, chat())]))
            assert len(upstream.requests) > 2 * len(indiscreet(""))
            assert {request.header("Authorization") for request in upstream.requests} == {f"Bearer {provider_key}"}
            for request in admin_requests(canaries, token):
                said += await at_admin(proxy, request)
            for path in ("/metrics", "/policy", "/accounts", "/ledger", "/decisions"):
                said += await at_admin(proxy, get(path, bearer))
            for command in SHOWN:
                more = ["--policy", str(proxy.policy_dir)] if command[0] in ("budgets",) else []
                shown = await proxy.command(*command, "--state-dir", str(proxy.state_dir), *more)
                said += (shown.stdout + shown.stderr).encode()
            await proxy.ended_records()
    for bad in (f"redis://:{password}@host:port", f"http://{password}", f"redis://h?{password}={password}"):
        refused = run_command(
            "serve", "--policy", str(proxy.policy_dir), "--shared-ledger", bad, "--state-dir", str(tmp_path / "v")
        )
        assert refused.returncode != 0
        said += (refused.stdout + refused.stderr).encode()
    places = {path: path.read_bytes() for path in (tmp_path / "var").rglob("*") if path.is_file()}
    places[Path("log")], places[Path("answers")] = (tmp_path / "serve.log").read_bytes(), said
    assert len(said) > 10_000
    assert not {str(path): found for path, text in places.items() if (found := canaries.found_in(text))}


async def at_admin(proxy: RunningProxy, request: bytes) -> bytes:
    """What the admin listener answers, head and all."""
    async with RawClient(proxy.admin) as client:
        await client.send(request.replace(b"Host: test", b"Host: localhost"))
        try:
            answer = await client.answer(20.0)
        except (asyncio.IncompleteReadError, OSError):
            return b""
        return repr(answer.headers).encode() + answer.body
