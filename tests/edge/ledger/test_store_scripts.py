"""The messages of the shared store: what comes late, or twice, or from another time, changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from routebook.edge.ledger.store_address import read_address
from routebook.edge.ledger.store_line import StoreLine
from routebook.edge.ledger.store_scripts import ACQUIRE, JOIN, PUSH, Script
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.sharing import TODAY

pytestmark = needs_redis

COUNTER = "{p}:c:budget/b/-:"
KEYS = ["{p}:epoch", "{p}:hosts", "{p}:awaited", "{p}:tight", COUNTER]


class Speaker:
    """Says messages word for word, with whatever number."""

    def __init__(self, line: StoreLine) -> None:
        self.line = line
        self.epoch, self.term = "", 0

    async def say(self, script: Script, number: int, *fields: object, term: int | None = None) -> list[Any]:
        """One message; the answer without the time."""
        message = [self.epoch, "a", self.term if term is None else term, number, *fields]
        word, _, *rest = msgspec.msgpack.decode(await self.line.ask(script, KEYS, msgspec.msgpack.encode(message)))
        return [word, *rest]

    async def acquire(self, number: int, believed: int, need: int, term: int | None = None) -> list[Any]:
        """Want so much beyond what is believed."""
        group = [[5, 0, 1000, TODAY, TODAY, TODAY, believed, need, 0]]
        return await self.say(ACQUIRE, number, [group], term=term)

    async def push(self, number: int, settled: int, held: int, entitled: int) -> list[Any]:
        """Have so much."""
        return await self.say(PUSH, number, [[5, 0, TODAY, TODAY, TODAY, settled, held, entitled]], [], False)

    async def stands(self) -> tuple[int, int, int]:
        """Settled, held and entitled, as they stand in the store."""
        words = (await self.line._exchange("HGET", COUNTER, f"{TODAY}/a")).split()
        return int(words[2]), int(words[3]), int(words[4])


@pytest.fixture
async def speaker(tmp_path: Path) -> AsyncIterator[Speaker]:
    """A host that has joined, in a store that waits for nobody."""
    async with RedisServer(tmp_path / "redis") as server:
        line = StoreLine(read_address(server.url, {}))
        await line.open()
        found = Speaker(line)
        _, found.epoch, found.term = await found.say(JOIN, 1, "run", "nonce", ["a"], 1000)
        await server.say("HSET", "{p}:epoch", "until", "0")
        yield found
        await line.close()


async def test_a_late_push_changes_nothing(speaker: Speaker) -> None:
    """What was said before something else that is known already is not news."""
    await speaker.push(5, settled=10, held=20, entitled=500)
    await speaker.push(4, settled=0, held=0, entitled=0)
    assert await speaker.stands() == (10, 20, 500)


async def test_a_push_said_twice_is_said_once(speaker: Speaker) -> None:
    """The same message again leaves what it left the first time."""
    for _ in range(2):
        await speaker.push(5, settled=10, held=20, entitled=30)
        assert await speaker.stands() == (10, 20, 30)


async def test_a_late_acquire_grants_nothing(speaker: Speaker) -> None:
    """A question that arrives after a newer word of the same host is nobody's any more."""
    await speaker.push(5, settled=0, held=0, entitled=100)
    assert await speaker.acquire(4, believed=0, need=10) == ["late"]
    assert await speaker.acquire(5, believed=100, need=10) == ["late"]
    assert await speaker.stands() == (0, 0, 100)


async def test_an_acquire_whose_answer_was_lost_is_put_right_by_the_next(speaker: Speaker) -> None:
    """Figures are absolute: what was granted and not heard of is not granted twice."""
    await speaker.acquire(5, believed=0, need=400)
    answer = await speaker.acquire(6, believed=0, need=700)
    assert answer[1][0][0] == 1
    assert (await speaker.stands())[2] == 700


async def test_what_was_settled_is_never_less_again(speaker: Speaker) -> None:
    """Settled amounts only grow while the same life of a host speaks."""
    await speaker.push(5, settled=300, held=0, entitled=300)
    await speaker.push(6, settled=200, held=0, entitled=250)
    assert await speaker.stands() == (300, 0, 300)


async def test_another_life_or_epoch_is_not_heard(speaker: Speaker) -> None:
    """A message of an older life, of a life the store does not know, or of an epoch that is over is refused."""
    assert await speaker.acquire(5, 0, 10, term=speaker.term - 1) == ["superseded"]
    assert await speaker.acquire(6, 0, 10, term=speaker.term + 1) == ["unknown"]
    speaker.epoch = "another"
    assert await speaker.acquire(7, 0, 10) == ["epoch"]
    assert await speaker.push(8, 0, 0, 10) == ["epoch"]
    assert await speaker.line._exchange("EXISTS", COUNTER) == 0


async def test_a_server_that_started_again_begins_an_epoch(speaker: Speaker) -> None:
    """A server of another identity may have forgotten: nothing is granted until the known hosts have told everything."""
    old = speaker.epoch
    _, speaker.epoch, _ = await speaker.say(JOIN, 5, "another run", "another nonce", ["a", "b"], 60_000)
    assert speaker.epoch != old
    assert await speaker.acquire(6, 0, 10) == ["recovering"]
    await speaker.say(PUSH, 7, [], [], True)
    assert await speaker.acquire(8, 0, 10) == ["recovering"]
    await speaker.line._exchange("SREM", "{p}:awaited", "b")
    assert (await speaker.acquire(9, 0, 10))[0] == "ok"
