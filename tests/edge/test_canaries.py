"""No secret of a client comes out again: unique words as keys, in every place and in every way to fail, and a search."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from routebook.edge.identity.keys import key_of
from routebook.edge.identity.store import KeyStore
from tests.support.asking import CHAT, chat
from tests.support.proxy import RunningProxy, running_proxy, small_policy
from tests.support.rawclient import RawClient, get, post
from tests.support.upstream import Upstream, failure, reply

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
