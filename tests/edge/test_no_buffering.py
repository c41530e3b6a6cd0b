"""Nothing is held back: an upstream that says its next word only when the client has read the last one is heard to the end.

No clock is asked. Were any word kept until the next one comes, by relay or translation, neither side would go on.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from routebook.chat.conversation import ChatRequest, Message, Role
from routebook.chat.events import Event, Finish, Finished, Started, TextDelta, UsageSeen
from routebook.chat.parts import Text
from routebook.chat.usage import Usage
from routebook.protocols.carrying import Target
from routebook.protocols.codec import Dialect, EventWriter, ReplyTo, UpstreamSide
from routebook.protocols.dialects import asked_in
from tests.edge.test_every_pair import PAIRS, policy, public
from tests.support.proxy import in_process
from tests.support.rawclient import RawClient, post
from tests.support.upstream import Play, Received, Say, Step, Until, Upstream, chunk, head

WORDS = [f"word {number} " for number in range(40)]
QUESTION = ChatRequest("m", (Message(Role.USER, (Text("Forty words, please."),)),), max_output=500)
SECONDS = 60.0
"""After so long without a word one was held back: a limit for a test that fails, which one that passes never sees."""


def happenings() -> Iterator[Event]:
    """An answer, word by word."""
    yield Started("answer-1", "up-1", 1_760_000_000)
    for word in WORDS:
        yield TextDelta(word)
    yield Finished(Finish.STOP)
    yield UsageSeen(Usage(input=7, output=80))


def writer_of(dialect: Dialect, request: Received) -> EventWriter:
    """How the dialect tells a stream to whoever sent this request to its upstream."""
    assert dialect.client is not None
    for operation in dialect.operations:
        form = re.escape(operation.upstream_path).replace(r"\{model\}", "(?P<model>[^/:]+)")
        if found := re.fullmatch(form, request.target):
            asked = operation.read(request.body, **operation.given, **found.groupdict())
            return dialect.client.writer(ReplyTo(asked, "seed"))
    raise AssertionError(f"{dialect.name} has nothing at {request.target}")


def waiting(dialect: Dialect, request: Received, read: list[asyncio.Event]) -> Play:
    """The answer in this dialect: after each word the upstream waits until it has been read."""
    assert dialect.upstream is not None
    writer = writer_of(dialect, request)
    given = [("Content-Type", dialect.upstream.media_type), ("Transfer-Encoding", "chunked")]
    steps: list[Step] = [Say(head(200, given))]
    waits = iter(read)
    for event in happenings():
        if said := writer.write([event]):
            steps.append(Say(chunk(said)))
        if isinstance(event, TextDelta):
            steps.append(Until(next(waits)))
    ending = writer.end()
    return [*steps, Say((chunk(ending) if ending else b"") + chunk(b""))]


async def hear(client: RawClient, side: UpstreamSide, read: list[asyncio.Event]) -> list[str]:
    """The words of a stream, each of them acknowledged before anything else is read."""
    assert (await client.head())[0] == 200
    reader, heard = side.reader("seed"), list[str]()
    while piece := await client.chunk():
        for event in reader.feed(piece):
            if isinstance(event, TextDelta) and event.text:
                read[len(heard)].set()
                heard.append(event.text)
    reader.end()
    assert reader.done
    return heard


@pytest.mark.parametrize("pair", PAIRS)
async def test_every_word_is_passed_on_before_the_next_is_said(tmp_path: Path, pair: tuple[Dialect, str]) -> None:
    """Relayed, and translated from every dialect into every other: forty words come in forty pieces."""
    dialect, word = pair
    there = asked_in(word, dialect.name)
    assert there is not None and dialect.upstream is not None
    read = [asyncio.Event() for _ in WORDS]
    sent = dialect.upstream.write_request(QUESTION, Target("m", max_output=1000), True)
    async with Upstream(lambda request: waiting(there, request, read)) as upstream:
        text = policy(word).replace("http://127.0.0.1:1/v1", upstream.url.removesuffix("/v1"))
        async with in_process(tmp_path, text) as proxy, RawClient(proxy.url) as client, asyncio.timeout(SECONDS):
            await client.send(post(public(dialect, sent.path), sent.body, sent.headers))
            assert await hear(client, dialect.upstream, read) == WORDS
