"""Very many sessions in which nothing is said: what they cost, and that one of them is heard at once."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.proxy import running_proxy
from tests.support.quiet import QuietClient, QuietUpstream, frame, opened
from tests.support.voices import voice_policy

SESSIONS = 5000
SOCKETS = 2 * SESSIONS
FIRST = 50
"""Sessions after which memory is looked at first: by then all that is needed once is there."""

MOST_KIB = 25
"""Of a socket; a session has two, one to the client and one to the upstream."""

BUDGET = "budgets:\n  all: {limit: $100000, window: month}\n"


@pytest.fixture
def descriptors() -> Iterator[None]:
    """As many descriptors as both ends of all sessions need, here and in what is started here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 3 * SESSIONS + 1000  # a worker keeps a third for upstreams
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"this machine allows a process {hard} descriptors, and {needed} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_ten_thousand_idle_sockets(tmp_path: Path, descriptors: None) -> None:
    """Five thousand sessions of one worker, each with a budget and a record: less than 25 KiB for each socket. One that
    speaks is answered, while all others stay; when the clients leave, the upstream is left too, and nothing is kept."""
    async with QuietUpstream() as upstream:
        policy = voice_policy(upstream.base_url, more=BUDGET)
        async with running_proxy(tmp_path, policy) as proxy:
            url = f"{proxy.base_url}/realtime?model=voice0"
            clients = await opened(url, 1, FIRST, QuietClient)
            worker = max(proxy.children(), key=sockets_of)
            memory, free = memory_of(worker), sockets_of(worker)
            clients += await opened(url, 1, SESSIONS - FIRST, QuietClient)
            assert sockets_of(worker) - free == 2 * (SESSIONS - FIRST)
            taken = (memory_of(worker) - memory) / (sockets_of(worker) - free)
            assert taken < MOST_KIB
            await clients[SESSIONS // 2].ask(frame(b'{"type": "input_audio_buffer.clear"}', masked=True))
            assert upstream.open == SESSIONS and all(each.is_open for each in clients)
            for client in clients:
                client.drop()
            async with asyncio.timeout(120):
                while upstream.open or sockets_of(worker) > free - 2 * FIRST:
                    await asyncio.sleep(0.1)
            await proxy.until("/metrics", lambda status, body: held(body) == 0)
        ended = [each.ended for each in proxy.records().values() if each.ended is not None]
    assert len(ended) == SESSIONS
    assert {end["error"] for end in ended} == {"client.gone"}


def memory_of(pid: int) -> int:
    """KiB of memory that are a process's own, or its share of what it has in common with others."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def sockets_of(pid: int) -> int:
    """How many descriptors a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def held(metrics: str) -> int:
    """For how many calls something is held."""
    return sum(int(float(line.split()[-1])) for line in metrics.splitlines() if line.startswith("routebook_holds"))
