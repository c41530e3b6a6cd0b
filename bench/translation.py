"""What translation costs: CPU of a request on its way there and of each event on its way back, for every pair of dialects.

    python bench/translation.py [--quick]

Only the work of the codecs is timed, without the network, which costs the same in every pair; events arrive one at a time,
as models send them, and 50 at a time, as they come after a pause. Times are CPU times of the process, the best of several
rounds (others on the machine only ever add); trust ratios, not absolute figures.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from urllib.parse import parse_qsl

from routebook.chat.conversation import ChatRequest, Message, Role, Tool
from routebook.chat.events import Event, Finish, Finished, Started, TextDelta, UsageSeen
from routebook.chat.parts import Json, Text
from routebook.chat.usage import Usage
from routebook.protocols.carrying import Target
from routebook.protocols.codec import ReplyTo
from routebook.protocols.dialects import DIALECTS, SERVED, SPOKEN_BY, Dialect, asked_in
from routebook.protocols.streams import Translated
from routebook.routing.outcomes import Caps

EVENTS = 200
TOGETHER = 50
AIM = 2.0
"""A translated stream is to cost at most so many times a relayed one, the transport included."""

TRANSPORT = 25.0
"""Microseconds that an event costs beside the codec, about: read off one socket, awaited, and written to another."""

CHAT = ChatRequest(
    "m",
    tuple(
        Message(
            Role.ASSISTANT if number % 2 else Role.USER, (Text("What is the capital of France, and where is it? " * 4),)
        )
        for number in range(9)
    ),
    (Text("Answer in one short sentence."),),
    tuple(Tool(f"tool_{number}", "does something", Json('{"type":"object","properties":{}}')) for number in range(4)),
    max_output=256,
)


def events() -> list[Event]:
    """A usual stream."""
    return [
        Started(None, "m", 1_760_000_000),
        *(TextDelta(" token") for _ in range(EVENTS)),
        Finished(Finish.STOP),
        UsageSeen(Usage(input=28, output=EVENTS)),
    ]


def best(work: Callable[[], object], rounds: int) -> float:
    """CPU seconds of the quickest of several rounds."""
    found = []
    for _ in range(rounds):
        gc.collect()
        gc.disable()
        before = time.process_time()
        work()
        found.append(time.process_time() - before)
        gc.enable()
    return min(found)


def request_of(dialect: Dialect) -> tuple[bytes, Callable[[bytes], object], Callable[..., bytes]]:
    """A request in a client's dialect: its bytes, and what reads and edits it."""
    assert dialect.upstream is not None
    sent = dialect.upstream.write_request(CHAT, Target("m", max_output=4096), True)
    for operation in dialect.operations:
        before, _, after = operation.upstream_path.partition("{model}")
        if operation.name == "chat" and sent.path.startswith(before) and sent.path.endswith(after):
            asked = dict(parse_qsl(sent.path.partition("?")[2]))  # the form of a stream: `alt=sse`
            given = {**operation.given, **{name: asked[name] for name in operation.queries if name in asked}}
            given |= {"model": "m"} if "{" in operation.path else {}
            return sent.body, partial(operation.read, **given), operation.edit
    raise LookupError(dialect.name)


def frames_of(dialect: Dialect) -> list[bytes]:
    """A stream as an upstream of a dialect sends it, an event each."""
    assert dialect.client is not None
    body, read, _ = request_of(dialect)
    writer = dialect.client.writer(ReplyTo(read(body), "bench", 1_760_000_000))
    frames = [frame for event in events() if (frame := writer.write([event]))]
    return [*frames, *([last] if (last := writer.end()) else [])]


def cost_of_requests(client: Dialect, upstream: Dialect, rounds: int, times: int) -> float:
    """Microseconds from a client's bytes to an upstream's."""
    assert upstream.upstream is not None
    body, read, edit = request_of(client)
    write, target = upstream.upstream.write_request, Target("up", max_output=4096)

    def work() -> None:
        for _ in range(times):
            asked = read(body)
            if upstream is client:
                edit(asked, "up", True, Caps())
            else:
                write(asked.chat, target, True)  # type: ignore[attr-defined]  # what can be translated has it

    return best(work, rounds) / times * 1e6


def cost_of_events(client: Dialect, upstream: Dialect, together: int, rounds: int) -> float:
    """Microseconds from an upstream's event to a client's."""
    assert upstream.upstream is not None and client.client is not None
    body, read, _ = request_of(client)
    frames = frames_of(upstream)
    pieces = [b"".join(frames[at : at + together]) for at in range(0, len(frames), together)]
    side, told, reply = upstream.upstream, client.client, ReplyTo(read(body), "bench", 1_760_000_000)

    def work() -> None:
        stream = client.stream(False) if upstream is client else Translated(side.reader("x"), told.writer(reply))
        for piece in pieces:
            stream.feed(piece)
        stream.end()
        assert stream.done

    return best(work, rounds) / len(frames) * 1e6


def row(first: str, cells: Sequence[str]) -> str:
    """One line of a table."""
    return f"  {first:<34}" + "".join(f"{cell:>16}" for cell in cells)


def main() -> int:
    """Measure and print; 1 where a pair misses the aim."""
    parser = argparse.ArgumentParser(description="Measure what translation costs.")
    parser.add_argument("--quick", action="store_true", help="few rounds, to see that it works")
    quick = parser.parse_args().quick
    rounds, times = (3, 20) if quick else (15, 200)
    print(
        f"a request of {len(CHAT.messages)} messages and {len(CHAT.tools)} tools; a stream of {EVENTS} tokens; CPU us\n"
    )
    print(row("client to upstream", ["request", "event", f"event of {TOGETHER}", "x, with transport"]))
    missed = False
    for client in SERVED:
        if client.client is None or client.upstream is None:
            continue
        relayed = cost_of_events(client, client, 1, rounds)
        targets = dict.fromkeys(found.name for word in SPOKEN_BY if (found := asked_in(word, client.name)) is not None)
        for upstream in (DIALECTS[name] for name in targets):
            one = cost_of_events(client, upstream, 1, rounds)
            many = cost_of_events(client, upstream, TOGETHER, rounds)
            ratio = (one + TRANSPORT) / (relayed + TRANSPORT)
            missed = missed or ratio > AIM
            cells = [
                f"{cost_of_requests(client, upstream, rounds, times):,.0f}",
                f"{one:.1f}",
                f"{many:.1f}",
                f"{ratio:.2f}",
            ]
            print(row(f"{client.name} to {upstream.name}", cells), flush=True)
    print(f"\naim: at most {AIM:g} times a relayed stream: {'MISSED' if missed else 'kept'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
