"""A stream that is reset, wherever: between every two dialects the client hears of it in its own, and never an end."""

from __future__ import annotations

from pathlib import Path

import pytest

from routebook.chat.events import Failed, Finished, TextDelta
from routebook.protocols.carrying import Target
from routebook.protocols.codec import Dialect, UpstreamSide
from routebook.protocols.dialects import asked_in
from routebook.protocols.errors import ProtocolError
from tests.edge.test_every_pair import PAIRS, policy, public
from tests.edge.test_no_buffering import QUESTION, WORDS, happenings, writer_of
from tests.support.proxy import in_process
from tests.support.rawclient import Answer, RawClient, post
from tests.support.upstream import Play, Received, Say, Step, Upstream, chunk, cut_short, head

CUTS = 12
"""Places at which a stream is reset, from its first byte to its last, others in every pair."""


def whole_stream(dialect: Dialect, request: Received) -> Play:
    """All that the dialect says of the answer."""
    assert dialect.upstream is not None
    writer = writer_of(dialect, request)
    given = [("Content-Type", dialect.upstream.media_type), ("Transfer-Encoding", "chunked")]
    steps: list[Step] = [Say(head(200, given))]
    steps += [Say(chunk(said)) for event in happenings() if (said := writer.write([event]))]
    ending = writer.end()
    return [*steps, Say((chunk(ending) if ending else b"") + chunk(b""))]


def check_told(answer: Answer, side: UpstreamSide) -> bool:
    """That an answer is whole, or says in the client's dialect that it is not; whether it is."""
    if answer.status != 200:
        assert side.read_fault(answer.status, answer.body).message
        return False
    assert answer.whole
    reader = side.reader("seed")
    try:
        events = [*reader.feed(answer.body), *reader.end()]
    except ProtocolError as error:
        raise AssertionError(answer.body) from error
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert "".join(WORDS).startswith(text)
    if any(isinstance(event, Failed) for event in events):
        return False
    assert reader.done and text == "".join(WORDS) and any(isinstance(event, Finished) for event in events), answer.body
    return True


@pytest.mark.parametrize(
    ("number", "pair"), [pytest.param(number, *each.values, id=each.id) for number, each in enumerate(PAIRS)]
)
async def test_a_reset_is_told_in_the_clients_dialect(tmp_path: Path, number: int, pair: tuple[Dialect, str]) -> None:
    """At places from the first byte to the last: an error in the stream, or a refusal where nothing had come; where all had
    been said it may be whole. The record says that it was the upstream."""
    dialect, word = pair
    there, side = asked_in(word, dialect.name), dialect.upstream
    assert there is not None and side is not None
    sent = side.write_request(QUESTION, Target("m", max_output=1000), True)
    plays: list[Play] = []

    def cut(request: Received) -> Play:
        play = whole_stream(there, request)
        plays.append(play)
        size = sum(len(step.data) for step in play if isinstance(step, Say))
        return cut_short(play, (len(plays) * size - 7 * number) // CUTS)

    async with Upstream(cut) as upstream:
        text = policy(word).replace("http://127.0.0.1:1/v1", upstream.url.removesuffix("/v1"))
        async with in_process(tmp_path, text) as proxy:
            whole = 0
            for _ in range(CUTS):
                async with RawClient(proxy.url) as client:
                    answer = await client.ask(post(public(dialect, sent.path), sent.body, sent.headers), 30)
                whole += check_told(answer, side)
            records = await proxy.ended_records(lambda found: len(found) == CUTS)
    ends = [record.ended["end"] for record in records.values() if record.ended]
    assert whole <= 1 and ends.count("--") == whole and {end[0] for end in ends if end != "--"} == {"U"}
