"""Answers that are small on the wire and huge when they are unpacked: they pass as they are, and are never unpacked."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import brotli
from backports import zstd

from tests.support.asking import ask
from tests.support.proxy import running_proxy, small_policy
from tests.support.upstream import Say, Upstream, head

PLAIN = 256 * 1024 * 1024
"""What the bomb unpacks to."""

ROOM = 48 * 1024 * 1024
"""Memory that may be taken to relay the quarter of a megabyte that it is."""


def packers() -> dict[str, tuple[Callable[[bytes], bytes], Callable[[], bytes]]]:
    """What packs a piece, and what ends it, by coding."""
    found = {}
    for coding, window in (("gzip", 31), ("deflate", 15)):
        deflate = zlib.compressobj(6, zlib.DEFLATED, window)
        found[coding] = (deflate.compress, deflate.flush)
    br, frame = brotli.Compressor(quality=2), zstd.ZstdCompressor()
    return found | {"br": (br.process, br.finish), "zstd": (frame.compress, frame.flush)}


def bomb(coding: str) -> bytes:
    """Very many spaces, packed."""
    pack, end = packers()[coding]
    block = b" " * 2**20
    return b"".join(pack(block) for _ in range(PLAIN // len(block))) + end()


def resident(pid: int) -> int:
    """The most memory that a process has had in use, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the kernel does not say")


async def test_a_bomb_of_an_upstream_does_not_go_off(tmp_path: Path, upstream: Upstream) -> None:
    """Neither where it is passed on nor where it must be read, in no coding: the worker's memory does not grow by what it
    unpacks to, and the client gets the bytes as they are, or an error."""
    async with running_proxy(tmp_path, small_policy(upstream.url)) as proxy:
        assert (await ask(proxy.url)).status == 200
        worker = max(proxy.children())
        before = resident(worker)
        for coding in packers():
            packed = bomb(coding)
            assert len(packed) * 500 < PLAIN
            for stream in (False, True):
                media = "text/event-stream" if stream else "application/json"
                headers = [("Content-Type", media), ("Content-Encoding", coding), ("Content-Length", str(len(packed)))]
                upstream.will([Say(head(200, headers)), Say(packed)])
                answer = await ask(proxy.url, stream=stream, timeout=60)
                assert answer.status in (200, 502)
                assert answer.body == packed or b'"error"' in answer.body
                assert resident(worker) - before < ROOM, (coding, stream)
        assert (await ask(proxy.url)).status == 200
