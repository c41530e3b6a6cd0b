"""Load of streams: many clients at once, each asking again as soon as its answer is whole, every failure counted.

load = SseLoad(proxy.base_url, clients=32)
async with load.running():
    ...                                   # reload, kill, drain
assert load.failures == []
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.rawclient import RawClient, post

DONE = b"data: [DONE]"


@dataclass(frozen=True, slots=True)
class Streamed:
    """One whole answer as a client saw it. Times in seconds: to the first event, between events, to the last byte."""

    decision: str | None
    """`x-routebook-decision`."""
    model: str | None
    """`x-routebook-model`."""
    rule: str | None
    """`x-routebook-rule`."""
    began: float
    first_event: float
    longest_gap: float
    took: float
    body: bytes


@dataclass(slots=True)
class SseLoad:
    """Streaming clients against one address. `body` makes the request with this number."""

    base_url: str
    clients: int = 16
    body: Callable[[int], dict[str, Any]] = lambda number: {
        "model": "small",
        "stream": True,
        "messages": [{"role": "user", "content": f"request {number}"}],
    }
    pause: float = 0.0
    """Seconds that a client waits between two requests."""
    answers: list[Streamed] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _sent: int = 0
    _ending: bool = False

    async def answered(self, count: int, timeout: float = 30.0) -> None:
        """Wait until so many answers have come whole; raises TimeoutError."""
        async with asyncio.timeout(timeout):
            while len(self.answers) < count:
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def running(self, settle: float = 10.0) -> AsyncIterator[SseLoad]:
        """Keep the load up while the block runs, then let every client finish the answer it is reading."""
        tasks = [asyncio.create_task(self._client()) for _ in range(self.clients)]
        try:
            yield self
        finally:
            self._ending = True
            _, late = await asyncio.wait(tasks, timeout=settle)
            for task in late:
                task.cancel()
                self.failures.append("an answer did not end")
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _client(self) -> None:
        while not self._ending:
            try:
                async with RawClient(self.base_url) as client:
                    while not self._ending and await self._ask(client):
                        await asyncio.sleep(self.pause)
            except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                await asyncio.sleep(0.01)

    async def _ask(self, client: RawClient) -> bool:
        """One request; whether the connection may be used again."""
        self._sent += 1
        began = last = time.monotonic()
        await client.send(post("/v1/chat/completions", self.body(self._sent)))
        status, headers = await client.head()
        fields = {name.lower(): value for name, value in headers}
        first, gap, body, piece = 0.0, 0.0, b"", b""
        while fields.get("transfer-encoding") == "chunked" and (piece := await client.chunk() or b""):
            now = time.monotonic()
            first, gap, last = first or now - began, max(gap, now - last) if body else gap, now
            body += piece
        if status != 200 or DONE not in body:
            self.failures.append(f"status {status}, {len(body)} bytes, ends {body[-80:]!r}")
            return False
        self.answers.append(
            Streamed(
                fields.get("x-routebook-decision"),
                fields.get("x-routebook-model"),
                fields.get("x-routebook-rule"),
                began,
                first,
                gap,
                last - began,
                body,
            )
        )
        return fields.get("connection", "").lower() != "close"
