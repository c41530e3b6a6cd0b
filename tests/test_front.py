"""Routebook behind the nginx and the Caddy of `deploy/front`: real programs, TLS, and events that are not held back."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from tests.support.asking import CHAT, chat
from tests.support.ports import free_port
from tests.support.processes import start, stop
from tests.support.proxy import in_process, small_policy
from tests.support.rawclient import post
from tests.support.upstream import Say, Step, Until, Upstream, chunk, chunks, head

FRONT = Path(__file__).parents[1] / "deploy" / "front"
UNPACKED = Path(__file__).parents[1] / ".cache" / "nginx" / "usr" / "sbin"
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:{UNPACKED}"
SECONDS = 30.0


def nginx(folder: Path, front: int, behind: int) -> list[str]:
    """Its configuration with these ports, and everything that it writes in this folder."""
    text = (FRONT / "nginx.conf").read_text()
    assert "127.0.0.1:8080" in text and "listen 8443 ssl;" in text
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{behind}").replace("listen 8443", f"listen 127.0.0.1:{front}")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"    {kind}_temp_path {kind};\n" for kind in kinds)
    (folder / "nginx.conf").write_text(text.replace("http {\n", "http {\n" + places))
    return ["nginx", "-p", str(folder), "-c", "nginx.conf", "-g", "daemon off;"]


def caddy(folder: Path, front: int, behind: int) -> list[str]:
    """Its configuration with these ports, and a certificate that it need not get."""
    text = (FRONT / "Caddyfile").read_text()
    assert "127.0.0.1:8080" in text and "models.example.com {" in text
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{behind}")
    site = f"https://localhost:{front} {{\n\tbind 127.0.0.1\n\ttls certificate.pem key.pem\n"
    text = text.replace("models.example.com {\n", site).replace("\tadmin off\n", "\tadmin off\n\tauto_https off\n")
    (folder / "Caddyfile").write_text(text)
    return ["caddy", "run", "--adapter", "caddyfile", "--config", "Caddyfile"]


async def until_it_listens(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait for the front."""
    end = time.monotonic() + SECONDS
    while True:
        assert process.poll() is None and time.monotonic() < end, (folder / "serve.log").read_text()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            await asyncio.sleep(0.05)


def stream_that_waits(seen: asyncio.Event) -> list[Step]:
    """A chat whose second word comes when the test has seen the first."""
    role, first, *rest = chunks(["first", "second"])
    begin = head(200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")])
    return [Say(begin + chunk(role) + chunk(first)), Until(seen), Say(b"".join(map(chunk, rest)) + chunk(b""))]


@pytest.mark.parametrize("configured", [nginx, caddy], ids=lambda each: each.__name__)
async def test_events_pass_a_front_as_they_come(
    tmp_path: Path, configured: Callable[[Path, int, int], list[str]]
) -> None:
    """Through TLS the first event arrives while the upstream still waits with the second; then the stream ends whole."""
    program = shutil.which(configured.__name__, path=PATH)
    if program is None:
        pytest.skip(f"{configured.__name__} is not installed")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "certificate.pem"))
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    seen = asyncio.Event()
    async with (
        Upstream(lambda _: stream_that_waits(seen)) as upstream,
        in_process(tmp_path / "proxy", small_policy(upstream.url)) as proxy,
    ):
        front = free_port()
        words = configured(tmp_path, front, int(proxy.url.rpartition(":")[2]))
        process = start([program, *words[1:]], tmp_path, {"HOME": str(tmp_path)})
        try:
            await until_it_listens(front, process, tmp_path)
            reader, writer = await asyncio.open_connection("127.0.0.1", front, ssl=trust, server_hostname="localhost")
            writer.write(post(CHAT, chat(stream=True), host=f"localhost:{front}"))
            first = await asyncio.wait_for(reader.readuntil(b"first"), SECONDS)
            assert first.startswith(b"HTTP/1.1 200") and b"second" not in first
            seen.set()
            await asyncio.wait_for(reader.readuntil(b"[DONE]"), SECONDS)
            writer.transport.abort()
        finally:
            await asyncio.to_thread(stop, process)
