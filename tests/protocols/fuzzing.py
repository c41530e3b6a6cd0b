"""Fuzz every reader of a dialect for a while: `make fuzz FUZZ_SECONDS=600`, or `python -m tests.protocols.fuzzing`.

What is fed are the cases of the wire corpus, broken (bytes cut out, doubled, changed, put elsewhere), JSON in the words of
the dialect itself, and bytes of no kind. Every one of them gives events or ProtocolError, whole and in pieces the same;
anything else ends the run, and Hypothesis shows the shortest bytes that do it.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from routebook.protocols.codec import Dialect
from routebook.protocols.dialects import DIALECTS
from routebook.protocols.errors import ProtocolError
from tests.protocols import laws
from tests.protocols.conversations import ANY_WORDS

WIRE = Path(__file__).parents[1] / "corpus" / "wire"
SOURCES = Path(laws.__file__).parents[2] / "proxy" / "routebook" / "protocols"
ROUND = 500
"""Examples between two looks at the clock."""

Edit = Callable[[bytes], bytes]


def words_of(dialect: Dialect) -> list[str]:
    """The words that the dialect's own codec knows: what stands between quotation marks in its source."""
    room = SOURCES / dialect.name.replace("-", "_")
    found = {word for path in room.glob("*.py") for word in re.findall(r'"([a-zA-Z_.]{2,40})"', path.read_text())}
    fields = {
        name
        for path in room.glob("*.py")
        for name in re.findall(r"^    (\w+): [^=]+ =", path.read_text(), re.MULTILINE)
    }
    return sorted(found | fields | {re.sub(r"_(\w)", lambda each: each[1].upper(), name) for name in fields})


def cases_of(dialect: Dialect) -> list[bytes]:
    """The dialect's cases in the wire corpus."""
    room = WIRE / dialect.name.replace("-", "_")
    files = (
        [path for path in room.rglob("*") if path.is_file() and path.name.startswith("reply")] if room.exists() else []
    )
    return [path.read_bytes() for path in sorted(files)] or [b"{}"]


PLACES = st.integers(0, 100_000)
JUNK = st.binary(max_size=6) | st.sampled_from(
    [b"\n\n", b"\r\n", b"\r", b"data: ", b'"', b"{", b"}", b"[", b"]", b"\\"]
)


def _edit(draw: Any) -> Edit:
    kind, at, to = draw(st.sampled_from(["cut", "double", "put", "move"])), draw(PLACES), draw(PLACES)
    junk = draw(JUNK)

    def edited(data: bytes) -> bytes:
        start, end = sorted((at % (len(data) + 1), to % (len(data) + 1)))
        match kind:
            case "cut":
                return data[:start] + data[end:]
            case "double":
                return data[:end] + data[start:]
            case "put":
                return data[:start] + junk + data[start + (to % 3) :]
        return data[end:] + data[:end]

    return edited


@st.composite
def broken(draw: Any, cases: list[bytes]) -> bytes:
    """A case, after some edits."""
    data = draw(st.sampled_from(cases))
    for _ in range(draw(st.integers(0, 4))):
        data = _edit(draw)(data)
    return bytes(data)


def spoken(words: list[str]) -> st.SearchStrategy[bytes]:
    """JSON in these words: bare, as an event of a stream, as a line."""
    word = st.sampled_from(words)
    value = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | ANY_WORDS | word,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(word, inner, max_size=6),
        max_leaves=25,
    )
    bare = st.dictionaries(word, value, max_size=8).map(lambda each: json.dumps(each).encode())
    framed = bare.map(lambda each: b"data: %b\n\n" % each) | bare.map(lambda each: each + b"\n")
    named = st.builds(lambda name, each: b"event: %b\n%b" % (name.encode(), each), word, framed)
    return bare | st.lists(framed | named, max_size=6).map(b"".join)


def feed(dialect: Dialect, data: bytes, places: list[int]) -> None:
    """All readers of the dialect; raises what is not theirs."""
    side = dialect.upstream
    assert side is not None
    for read in (
        lambda: side.read_answer(data, "seed"),
        lambda: laws.cuts_do_not_matter(lambda: side.reader("seed"), data, places),
        lambda: side.read_fault(500, data),
        lambda: dialect.error_code(data),
        lambda: dialect.answer(data),
        lambda: _relayed(dialect, laws.cut(data, places)),
        *(lambda operation=operation: _asked(operation, data) for operation in dialect.operations),
    ):
        try:
            read()
        except ProtocolError:
            continue


def _relayed(dialect: Dialect, pieces: Iterable[bytes]) -> None:
    reader = dialect.stream(False)
    for piece in pieces:
        reader.feed(piece)
    reader.end()


def _asked(operation: Any, data: bytes) -> None:
    values = {"model": "m"} if "{model}" in operation.path else {}
    asked = operation.read(data, **operation.given, **values)
    for name in ("session", "goes_on_from", "opening", "needs", "user", "max_output", "text", "chat"):
        try:
            if name == "chat" and operation.name not in ("chat", "count_tokens"):
                continue
            getattr(asked, name)
        except ProtocolError:
            continue


def fuzz(dialect: Dialect, seconds: float, first: int) -> int:
    """Feed the dialect for so many seconds; how many examples it took. `first` is the seed of the first round."""
    data = broken(cases_of(dialect)) | spoken(words_of(dialect)) | st.binary(max_size=300)
    places = st.lists(PLACES, max_size=4)
    until, rounds = time.monotonic() + seconds, 0
    while time.monotonic() < until:

        @seed(first + rounds)
        @settings(
            max_examples=ROUND,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(data, places)
        def one_round(data: bytes, places: list[int]) -> None:
            feed(dialect, data, places)

        one_round()
        rounds += 1
    return rounds * ROUND


def main() -> None:
    """Fuzz the dialects that are named, or all."""
    parser = argparse.ArgumentParser(description="Fuzz every reader of a dialect.")
    parser.add_argument("dialects", nargs="*", choices=[[], *DIALECTS], help="which; all where none is named")
    parser.add_argument("--seconds", type=float, default=600.0, help="for each dialect")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the first round, to repeat a run")
    given_ = parser.parse_args()
    for name in given_.dialects or DIALECTS:
        print(f"{name}: seed {given_.seed}", flush=True)
        count = fuzz(DIALECTS[name], given_.seconds, given_.seed)
        print(f"{name}: {count} examples, nothing but ProtocolError", flush=True)


if __name__ == "__main__":
    main()
