"""Several readers of the same bytes: ours in C and in Python, and nginx before and behind. They agree, or one refuses.

Each case is a request that two servers could read differently, and behind it on the same connection a second one, the
hidden, and a third that closes. Whoever reads all of it must have cut it into as many requests as anybody else who did; who
stops earlier must have refused. Where nginx stands in front, it gives each request that it saw a mark of its own, which
each request that we decide must have: one that only we see has none.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.edge.test_intake import POST, SMUGGLING, wire
from tests.support.asking import CHAT, chat
from tests.support.ports import free_port
from tests.support.processes import start, stop
from tests.support.proxy import RunningProxy, running_proxy, small_policy
from tests.support.rawclient import RawClient, get, post
from tests.support.upstream import Play, Received, Upstream, chunk, completion, reply
from tests.test_front import PATH, until_it_listens

NGINX = shutil.which("nginx", path=PATH)
pytestmark = pytest.mark.skipif(NGINX is None, reason="no nginx on PATH, and none in .cache/nginx")

HOST, JSON = "Host: t", "Content-Type: application/json"
BODY = json.dumps(chat(text="first"))
LENGTH = f"Content-Length: {len(BODY)}"
CHUNKED = "Transfer-Encoding: chunked"
CHUNKS = (chunk(BODY.encode()) + chunk(b"")).decode()
SIZE = f"{len(BODY):x}"
HIDDEN = post(CHAT, chat(text="hidden"))
LAST = get("/v1/models", [("Connection", "close")])

ODD: dict[str, bytes] = {
    "plain": wire(POST, HOST, JSON, LENGTH, body=BODY),
    "chunked": wire(POST, HOST, JSON, CHUNKED, body=CHUNKS),
    "another case": wire(POST, HOST, JSON, "tRANSFER-eNCODING: CHUNKED", body=CHUNKS),
    "absolute form": wire(f"POST http://elsewhere{CHAT} HTTP/1.1", HOST, JSON, LENGTH, body=BODY),
    "empty line before": b"\r\n" + wire(POST, HOST, JSON, LENGTH, body=BODY),
    "one length twice": wire(POST, HOST, JSON, LENGTH, LENGTH, body=BODY),
    "length with noughts": wire(POST, HOST, JSON, f"Content-Length: 00{len(BODY)}", body=BODY),
    "length too short": wire(POST, HOST, JSON, f"Content-Length: {len(BODY) - 1}", body=BODY),
    "length of nothing": wire(POST, HOST, JSON, "Content-Length:", body=BODY),
    "length in a quoted list": wire(POST, HOST, JSON, f'Content-Length: "{len(BODY)}"', body=BODY),
    "no length": wire(POST, HOST, JSON, body=BODY),
    "length with an underscore": wire(POST, HOST, JSON, LENGTH, "Content_Length: 1", body=BODY),
    "chunks over a length of nought": wire(POST, HOST, JSON, "Content-Length: 0", CHUNKED, body=CHUNKS),
    "chunked twice": wire(POST, HOST, JSON, CHUNKED, CHUNKED, body=CHUNKS),
    "chunked in a list twice": wire(POST, HOST, JSON, "Transfer-Encoding: chunked, chunked", body=CHUNKS),
    "gzip, chunked": wire(POST, HOST, JSON, "Transfer-Encoding: gzip, chunked", body=CHUNKS),
    "identity": wire(POST, HOST, JSON, "Transfer-Encoding: identity", LENGTH, body=BODY),
    "tab before chunked": wire(POST, HOST, JSON, "Transfer-Encoding:\tchunked", body=CHUNKS),
    "vertical tab before chunked": wire(POST, HOST, JSON, "Transfer-Encoding: \x0bchunked", body=CHUNKS),
    "chunked in HTTP/1.0": wire(f"POST {CHAT} HTTP/1.0", HOST, JSON, CHUNKED, "Connection: keep-alive", body=CHUNKS),
    "length in HTTP/1.0": wire(f"POST {CHAT} HTTP/1.0", HOST, JSON, LENGTH, "Connection: keep-alive", body=BODY),
    "HTTP/1.2": wire(f"POST {CHAT} HTTP/1.2", HOST, JSON, LENGTH, body=BODY),
    "HTTP/0.9": b"POST " + CHAT.encode() + b"\r\n",
    "trailers": wire(POST, HOST, JSON, CHUNKED, body=f"{SIZE}\r\n{BODY}\r\n0\r\nX-A: b\r\nContent-Length: 3\r\n\r\n"),
    "chunk extension": wire(POST, HOST, JSON, CHUNKED, body=f"{SIZE};a=b\r\n{BODY}\r\n0;c\r\n\r\n"),
    "chunk size with noughts": wire(POST, HOST, JSON, CHUNKED, body=f"000{SIZE.upper()}\r\n{BODY}\r\n0\r\n\r\n"),
    "space in a chunk size": wire(POST, HOST, JSON, CHUNKED, body=f"{SIZE} \r\n{BODY}\r\n0\r\n\r\n"),
    "chunk size below nought": wire(POST, HOST, JSON, CHUNKED, body=f"-{SIZE}\r\n{BODY}\r\n0\r\n\r\n"),
    "chunk size beyond numbers": wire(POST, HOST, JSON, CHUNKED, body=f"{'f' * 17}{SIZE}\r\n{BODY}\r\n0\r\n\r\n"),
    "chunk without its end": wire(POST, HOST, JSON, CHUNKED, body=f"{SIZE}\r\n{BODY}0\r\n\r\n"),
    "LF after a chunk size": wire(POST, HOST, JSON, CHUNKED, body=f"{SIZE}\n{BODY}\r\n0\r\n\r\n"),
    "LF after a chunk": wire(POST, HOST, JSON, CHUNKED, body=f"{SIZE}\r\n{BODY}\n0\r\n\r\n"),
    "LF at the end of a line": f"{POST}\r\n{HOST}\n{JSON}\r\n{LENGTH}\r\n\r\n{BODY}".encode(),
    "CR at the end of a line": f"{POST}\r\n{HOST}\r{JSON}\r\n{LENGTH}\r\n\r\n{BODY}".encode(),
    "only LF": f"{POST}\n{HOST}\n{JSON}\n{LENGTH}\n\n{BODY}".encode(),
    "space before a header": wire(POST, HOST, JSON, f" {LENGTH}", body=BODY),
    "first header folded": wire(POST, " Host: t", HOST, JSON, LENGTH, body=BODY),
    "length folded": wire(POST, HOST, JSON, "Content-Length:", f" {len(BODY)}", body=BODY),
    "no colon": wire(POST, HOST, JSON, "X-A", LENGTH, body=BODY),
    "no name": wire(POST, HOST, JSON, ": b", LENGTH, body=BODY),
    "NUL in a name": wire(POST, HOST, JSON, "X\0A: b", LENGTH, body=BODY),
    "obs-text": wire(POST, HOST, JSON, "X-A: \xff\xfe", LENGTH, body=BODY),
    "no host": wire(POST, JSON, LENGTH, body=BODY),
    "host with a path": wire(POST, "Host: t/../u", JSON, LENGTH, body=BODY),
    "length named in connection": wire(POST, HOST, JSON, LENGTH, "Connection: Content-Length", body=BODY),
    "TE and trailers": wire(POST, HOST, JSON, CHUNKED, "TE: trailers", "Connection: TE", body=CHUNKS),
    "continue": wire(POST, HOST, JSON, LENGTH, "Expect: 100-continue", body=BODY),
    "a GET with a body": wire("GET /v1/models HTTP/1.1", HOST, LENGTH, body=BODY),
    "upgrade with a body": wire(POST, HOST, JSON, LENGTH, "Connection: Upgrade", "Upgrade: websocket", body=BODY),
    "spaces in the first line": wire(f"POST  {CHAT}  HTTP/1.1", HOST, JSON, LENGTH, body=BODY),
    "a space in the path": wire(f"POST {CHAT} HTTP/1.1 HTTP/1.1", HOST, JSON, LENGTH, body=BODY),
    "fragment": wire(f"POST {CHAT}#a HTTP/1.1", HOST, JSON, LENGTH, body=BODY),
}

CASES = {**SMUGGLING, **ODD}

SERVER = """
    server {{
        listen 127.0.0.1:{port};
        access_log log-{port} marks;
        location / {{ proxy_pass http://127.0.0.1:{to}; {more} }}
    }}"""
CONF = """
daemon off; pid pid; error_log errors; worker_processes 1;
events {{ worker_connections 256; }}
http {{
    log_format marks '$request_id';
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off;
    {servers}
}}
"""
MARKED = "proxy_set_header X-Front-Mark $request_id;"
MARKS = "settings: {record: {headers: [x-front-mark]}}"


SECONDS = 8.0
"""What is waited for an end that does not come."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What one arrangement made of the bytes: the status of each request that it read, and what the upstream was asked in
    those that were served. `ended` where the last of the three was read: then all of it was cut into requests."""

    statuses: tuple[int, ...]
    said: tuple[str, ...]
    ended: bool
    waits: bool


@dataclass(frozen=True, slots=True)
class Arrangement:
    """One way from a client to an upstream, which says what it is asked."""

    name: str
    url: str
    proxy: RunningProxy
    log: Path | None = None

    async def hears(self, words: bytes) -> Heard:
        """What becomes of this on one connection."""
        async with RawClient(self.url) as client:
            try:
                await client.send(words)
            except ConnectionError:
                pass
            answers, is_over = await client.everything(SECONDS)
        statuses = tuple(int(each) for each in re.findall(rb"HTTP/1\.\d ([2-5]\d\d)", answers))
        said = tuple(each.decode() for each in re.findall(rb'"content": "heard: ([^"]*)"', answers))
        return Heard(statuses, said, b'"owned_by"' in answers.rpartition(b"HTTP/1.")[2], not is_over)


def echo(request: Received) -> Play:
    """An upstream that says what it was asked."""
    return reply(completion(f"heard: {request.json()['messages'][0]['content']}"))


async def arranged(stack: AsyncExitStack, folder: Path) -> list[Arrangement]:
    """Ours in C and in Python, each alone and behind nginx; and ours with nginx between it and the upstream."""
    assert NGINX is not None
    upstream = await stack.enter_async_context(Upstream(echo))
    fronts, behind = [free_port(), free_port()], free_port()
    addresses = [upstream.url, upstream.url, f"http://127.0.0.1:{behind}/v1"]
    environments: list[dict[str, str]] = [{}, {"AIOHTTP_NO_EXTENSIONS": "1"}, {}]
    proxies = []
    for name, address, environment in zip("cpb", addresses, environments, strict=True):
        (folder / name).mkdir()
        policy = small_policy(address, more=MARKS)
        proxies.append(await stack.enter_async_context(running_proxy(folder / name, policy, environment=environment)))
    ports = [int(proxy.url.rpartition(":")[2]) for proxy in proxies[:2]]
    servers = [SERVER.format(port=port, to=to, more=MARKED) for port, to in zip(fronts, ports, strict=True)]
    servers.append(SERVER.format(port=behind, to=upstream.port, more=""))
    (folder / "nginx.conf").write_text(CONF.format(servers="".join(servers)))
    process = start([NGINX, "-p", str(folder), "-c", "nginx.conf"], folder)
    stack.push_async_callback(asyncio.to_thread, stop, process)
    for port in (*fronts, behind):
        await until_it_listens(port, process, folder)
    found = [Arrangement("ours, nginx behind", proxies[2].url, proxies[2])]
    for name, port, proxy in zip(("in C", "in Python"), fronts, proxies, strict=False):
        found.append(Arrangement(name, proxy.url, proxy))
        found.append(Arrangement(f"nginx, {name}", f"http://127.0.0.1:{port}", proxy, folder / f"log-{port}"))
    return found


def is_consistent(one: Heard, other: Heard) -> bool:
    """Whether two arrangements cut the same bytes into the same requests, as far as both did: who read all of them read as
    many as the other, and who stopped earlier ended with a refusal or closed without a word, or waits for more."""
    if one.waits or other.waits:
        return True
    shorter, longer = sorted((one, other), key=lambda each: len(each.statuses))
    if shorter.ended and longer.ended:
        return len(shorter.statuses) == len(longer.statuses)
    return len(shorter.statuses) == len(longer.statuses) or not shorter.statuses or shorter.statuses[-1] >= 400


def check_cut(name: str, found: dict[str, Heard]) -> None:
    """Every pair of arrangements, and that nobody heard anything but the two requests, whole and in their order."""
    for one in found.values():
        assert one.said in ((), ("first",), ("hidden",), ("first", "hidden")), (name, found)
        assert all(is_consistent(one, other) for other in found.values()), (name, found)
    if name in SMUGGLING:
        direct = [heard for arrangement, heard in found.items() if not arrangement.startswith("nginx")]
        assert all(heard.statuses == (400,) for heard in direct), (name, found)


def check_marks(arrangements: Sequence[Arrangement], found: Sequence[dict[str, Heard]]) -> None:
    """Each request that we decided behind nginx has a mark that nginx gave, and one of its own; those without a mark are
    those that came without nginx."""
    for fronted, alone in ((each, other) for each in arrangements for other in arrangements if each.log is not None):
        if alone.proxy is not fronted.proxy or alone is fronted:
            continue
        assert fronted.log is not None
        given = set(fronted.log.read_text().split())
        lines = [record.decided for record in fronted.proxy.records().values() if record.decided.get("rule")]
        kept = [line["facts"]["request.header.x-front-mark"] for line in lines]
        marks = [mark for mark in kept if mark is not None]
        assert len(set(marks)) == len(marks) and set(marks) <= given
        assert len(marks) == sum(len(heard[fronted.name].said) for heard in found) > 0
        assert kept.count(None) == sum(len(heard[alone.name].said) for heard in found) > 0


async def test_several_readers_agree_or_one_refuses(tmp_path: Path) -> None:
    """Every case in every arrangement."""
    async with AsyncExitStack() as stack:
        arrangements = await arranged(stack, tmp_path)
        at_once = asyncio.Semaphore(6)

        async def heard(words: bytes) -> dict[str, Heard]:
            async with at_once:
                all_heard = await asyncio.gather(*(each.hears(words + HIDDEN + LAST) for each in arrangements))
            return dict(zip((each.name for each in arrangements), all_heard, strict=True))

        found = await asyncio.gather(*map(heard, CASES.values()))
        for name, each in zip(CASES, found, strict=True):
            check_cut(name, each)
        assert all(each.said == ("first", "hidden") for each in found[list(CASES).index("plain")].values())
        check_marks(arrangements, found)
