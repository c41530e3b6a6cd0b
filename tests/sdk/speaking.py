"""A scripted upstream that says given events in whichever dialect it is asked, as each vendor's stream or whole answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from routebook.chat.assembling import assemble
from routebook.chat.events import Event
from routebook.edge.simulator.server import PATHS
from routebook.protocols.codec import ReplyTo
from tests.support.upstream import Play, Received, Say, chunk, head, reply


def says(events: Sequence[Event], piece: int = 0, **more: Any) -> Callable[[Received], Play]:
    """What an upstream does with a request: it says these events, the bytes of a stream in pieces of `piece`; `more`
    fields are laid over a whole answer."""

    def play(request: Received) -> Play:
        path, _, query = request.target.partition("?")
        found = PATHS.find(re.sub(r"/v\d\w*(?=/)", "", path, count=1), query)
        assert found is not None and found.dialect.client is not None, request.target
        asked, client = found.read(request.body), found.dialect.client
        to = ReplyTo(asked, "scripted", 1_760_000_000)
        if not asked.stream:
            return reply(json.loads(client.write_answer(assemble(events), to).body) | more)
        writer = client.writer(to)
        frames = [frame for event in events if (frame := writer.write([event]))] + [writer.end()]
        headers = [("Content-Type", client.media_type(asked)), ("Transfer-Encoding", "chunked")]
        return [Say(head(200, headers)), *(Say(chunk(frame), piece) for frame in frames if frame), Say(chunk(b""))]

    return play
