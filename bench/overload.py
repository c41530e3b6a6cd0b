"""What becomes of a worker that is asked ten times as much as it takes on: `python bench/overload.py`.

One worker with `settings.max_requests: 16` before an upstream that answers after 50 ms. First 16 clients that ask again
as soon as they are answered; then 160, which come back after a second where they are told to. The clients run beside the
worker, so what is compared are the two runs, not a worker and nothing.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.asking import CHAT, chat
from tests.support.proxy import running_proxy, small_policy
from tests.support.rawclient import RawClient, post
from tests.support.upstream import Pause, Upstream, completion, reply

MOST = 16
SECONDS = 10.0
DELAY = 0.05


async def client(url: str, until: float, served: list[float], shed: list[int]) -> None:
    """Ask until the time is over; a refusal is heeded."""
    question = post(CHAT, chat())
    async with RawClient(url) as raw:
        while time.monotonic() < until:
            began = time.monotonic()
            answer = await raw.ask(question, 60)
            if answer.status == 200:
                served.append(time.monotonic() - began)
            else:
                shed.append(answer.status)
                await asyncio.sleep(float(answer.header("retry-after") or 1))


async def load(url: str, clients: int) -> tuple[list[float], list[int]]:
    """The times of what was served, and what was not."""
    served: list[float] = []
    shed: list[int] = []
    until = time.monotonic() + SECONDS
    await asyncio.gather(*(client(url, until, served, shed) for _ in range(clients)))
    return served, shed


async def health(url: str) -> float:
    """The longest answer of the health endpoint, in seconds, asked ten times a second until cancelled."""
    longest = 0.0
    try:
        while True:
            began = time.monotonic()
            await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=10).read())
            longest = max(longest, time.monotonic() - began)
            await asyncio.sleep(0.1)
    except asyncio.CancelledError:
        return longest


def told(name: str, served: list[float], shed: list[int]) -> float:
    """Print a run; its 99th percentile in milliseconds."""
    cuts = statistics.quantiles(served, n=100)
    print(
        f"{name:>22}: {len(served):6} served, {len(shed):6} shed, p50 {cuts[49] * 1e3:6.1f} ms, p99 {cuts[98] * 1e3:6.1f} ms"
    )
    return cuts[98]


async def main() -> None:
    """Both runs, and what they come to."""
    policy = f"settings: {{max_requests: {MOST}}}"
    with tempfile.TemporaryDirectory() as folder:
        async with (
            Upstream(lambda request: [Pause(DELAY), *reply(completion("done"))]) as upstream,
            running_proxy(Path(folder), small_policy(upstream.url, more=policy)) as proxy,
        ):
            await load(proxy.url, MOST)
            usual = told(f"{MOST} clients", *await load(proxy.url, MOST))
            looking = asyncio.create_task(health(proxy.admin + "/healthz"))
            much = told(f"{10 * MOST} clients", *await load(proxy.url, 10 * MOST))
            looking.cancel()
            slowest = 1e3 * await looking
            print(f"p99 of what is served: {much / usual:.2f} times the usual; health answered within {slowest:.0f} ms")


if __name__ == "__main__":
    asyncio.run(main())
