"""The laws that every dialect keeps, as functions of a subject and drawn values; `test_laws.py` holds all subjects to them.

A `Subject` is a dialect under these laws; `DIALECT/subject.py` makes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec.structs import replace

from routebook.chat.answer import ChatAnswer
from routebook.chat.assembling import assemble, events_of
from routebook.chat.conversation import ChatRequest
from routebook.chat.events import (
    ArgumentsDelta,
    Event,
    Failed,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    TranscriptDelta,
)
from routebook.chat.faults import Fault
from routebook.chat.features import Feature
from routebook.chat.loss import Loss
from routebook.protocols.carrying import Target, Way
from routebook.protocols.codec import ClientSide, Dialect, EventReader, ReplyTo, Sent, UpstreamSide
from routebook.protocols.errors import ProtocolError
from tests.protocols.conversations import ALL_PARTS, ANY_WORDS, MARKERS, answers, chats

TARGET = Target("m", max_output=4096)
NO_VALUES: st.SearchStrategy[Any] = st.nothing()


@dataclass(frozen=True)
class Subject:
    """A dialect under the laws.

    `read` reads a request that the dialect wrote, as its client side does. `asked` is a request to answer, with usage
    wanted. `owner` is whose ids it takes, `required` the fields that it cannot do without; `has_turns` where what
    neighbours of one role say is one message; `parts` and `finishes` are what its answers can say and say back,
    `most_choices` how many of them.
    """

    dialect: Dialect
    read: Callable[[Sent], ChatRequest]
    asked: Any
    owner: str
    required: frozenset[Feature] = frozenset()
    many_texts: bool = True
    has_turns: bool = False
    parts: frozenset[str] = ALL_PARTS
    finishes: frozenset[Finish] = frozenset(Finish)
    most_choices: int = 2
    target: Target = TARGET
    unlike: frozenset[Feature] = field(default_factory=frozenset)
    """Features that are carried, but not back in the same form; say why where they are named."""

    odd_streams: st.SearchStrategy[bytes] = field(kw_only=True)
    """Streams of events good and bad, in any order."""
    odd_bodies: st.SearchStrategy[list[bytes]] = field(kw_only=True)
    """Bodies of any JSON in its own words, as `in_words` makes them."""
    statuses: Sequence[int] = (400, 401, 403, 404, 429, 500, 503, 529)
    """Statuses of errors for which its streams have words."""
    spare: int = 1
    """Bytes at the end of a stream that may be missing where all has been said."""
    variant: str = ""
    """What sets it apart from another subject of the same dialect."""

    @property
    def name(self) -> str:
        """What its tests are called."""
        return f"{self.dialect.name}{self.variant}"

    @property
    def upstream(self) -> UpstreamSide:
        """Its side towards upstreams."""
        assert self.dialect.upstream is not None
        return self.dialect.upstream

    @property
    def client(self) -> ClientSide:
        """Its side towards clients."""
        assert self.dialect.client is not None
        return self.dialect.client

    @property
    def reply(self) -> ReplyTo:
        """What its answers are to."""
        return ReplyTo(self.asked, "seed", 1_763_719_200)

    def exact_chats(self) -> st.SearchStrategy[ChatRequest]:
        """Requests with everything that is carried or lost: what comes back is known to the letter."""
        changed = {
            each for each, carriage in self.upstream.carries.items() if carriage.way in (Way.CHANGED, Way.EMULATED)
        }
        return chats(
            ANY_WORDS,
            frozenset(Feature) - changed - self.unlike,
            self.dialect.name,
            self.owner,
            self.required,
            self.many_texts,
        )

    def marked_chats(self) -> st.SearchStrategy[ChatRequest]:
        """Requests with everything there is, in words that can be found again."""
        return chats(MARKERS, frozenset(Feature), self.dialect.name, self.owner, self.required, self.many_texts)

    def answers(self) -> st.SearchStrategy[ChatAnswer]:
        """Answers that it can say."""
        return answers(self.parts, self.finishes, self.most_choices, self.dialect.name)


def requests_survive(subject: Subject, chat: ChatRequest) -> None:
    """Reading what was written gives the request without what its losses name."""
    sent = subject.upstream.write_request(chat, subject.target, False)
    left = without(chat, sent.losses)
    if subject.has_turns:
        left["messages"] = _joined(left.get("messages", ()))
    assert builtins(subject.read(sent)) == left, sent.body


def nothing_is_missing(subject: Subject, chat: ChatRequest) -> None:
    """Every marked word of the request stands in the body, unless a loss names the place where it stood."""
    sent = subject.upstream.write_request(chat, subject.target, False)
    kept = set(_MARK.findall(repr(without(chat, sent.losses))))
    assert kept <= set(_MARK.findall(sent.body.decode())), sent.losses


def answers_survive(subject: Subject, answer: ChatAnswer) -> None:
    """Written and read, whole and as a stream, an answer is the same."""
    whole = subject.upstream.read_answer(subject.client.write_answer(answer, subject.reply).body, "seed")
    assert plain(whole) == plain(answer)
    assert plain(assemble(read_in(subject, written(subject, events_of(answer))))) == plain(answer)


def pieces_do_not_matter(subject: Subject, events: Sequence[Event], answer: ChatAnswer) -> None:
    """An answer that comes in small pieces is the same when it has been written, read and assembled."""
    assert plain(assemble(read_in(subject, written(subject, events)))) == plain(answer)


def errors_survive(subject: Subject, fault: Fault) -> None:
    """An error in a stream is read as one, with its status as far as the dialect has words for it, and ends it."""
    writer = subject.client.writer(subject.reply)
    stream = writer.write([Failed(fault)])
    assert writer.end() == b""
    reader = subject.upstream.reader("seed")
    events = [*reader.feed(stream), *reader.end()]
    assert [type(each) for each in events] == [Failed]
    assert events[0].fault.status // 100 == fault.status // 100
    assert events[0].fault.message == fault.message


def cuts_do_not_matter(reader: Callable[[], EventReader], data: bytes, places: Iterable[int]) -> list[Event]:
    """Whole, in pieces, and byte by byte, a stream tells the same; what it tells."""
    whole = told(reader(), [data])
    assert told(reader(), cut(data, places)) == whole
    assert told(reader(), [data[at : at + 1] for at in range(len(data))]) == whole
    return whole[0]


def a_cut_stream_is_not_done(subject: Subject, answer: ChatAnswer, short: int) -> None:
    """A stream that stops before its own end, `short` bytes or a part of them, is never taken for a whole one."""
    stream = written(subject, events_of(answer))
    longest = len(stream) - subject.spare - 1
    reader = subject.upstream.reader("seed")
    reader.feed(stream[: longest - short % longest])
    reader.end()
    assert not reader.done


def any_bytes_are_read(subject: Subject, data: bytes) -> None:
    """Whatever an upstream or a client sends, it gives a value or ProtocolError."""
    for read in (
        lambda: subject.upstream.read_answer(data, "seed"),
        lambda: told(subject.upstream.reader("seed"), [data]),
        lambda: subject.upstream.read_fault(500, data),
        lambda: [operation.read(data).chat for operation in subject.dialect.operations if operation.name == "chat"],
    ):
        try:
            read()
        except ProtocolError:
            continue


def written(subject: Subject, events: Iterable[Event]) -> bytes:
    """The events as a whole stream."""
    writer = subject.client.writer(subject.reply)
    return b"".join([*(writer.write([event]) for event in events), writer.end()])


def read_in(subject: Subject, stream: bytes) -> list[Event]:
    """The events of a whole stream."""
    reader = subject.upstream.reader("seed")
    events = [*reader.feed(stream), *reader.end()]
    assert reader.done
    return events


def in_words(
    words: Sequence[str], frames: Sequence[bytes], values: st.SearchStrategy[Any] = NO_VALUES
) -> st.SearchStrategy[list[bytes]]:
    """Any JSON whose keys are these words, in each of the frames; `%b` is where it stands, `%k` any one of the words.

    `values` are texts that mean something to the dialect, besides any others.
    """
    keys = st.sampled_from(words)
    json_ = st.recursive(
        st.none() | st.booleans() | st.integers() | ANY_WORDS | values,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=12,
    )
    return st.tuples(json_.map(lambda value: json.dumps(value).encode()), keys.map(str.encode)).map(
        lambda drawn: [frame.replace(b"%k", drawn[1]).replace(b"%b", drawn[0]) for frame in frames]
    )


def told(reader: EventReader, pieces: Iterable[bytes]) -> tuple[list[Event], bool]:
    """What a reader tells of these pieces, and whether it saw the end."""
    events = [event for piece in pieces for event in reader.feed(piece)]
    return [*events, *reader.end()], reader.done


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """The data in pieces."""
    at = sorted({place % (len(data) + 1) for place in places})
    return [data[start:end] for start, end in zip([0, *at], [*at, len(data)], strict=True)]


_DELTAS = (TextDelta, ReasoningDelta, ArgumentsDelta, RefusalDelta, TranscriptDelta)


@st.composite
def in_pieces(draw: Any, answer: ChatAnswer) -> list[Event]:
    """The answer's events with every text cut in pieces."""
    events: list[Event] = []
    for event in events_of(answer):
        if isinstance(event, _DELTAS):
            at = sorted(draw(st.lists(st.integers(1, max(1, len(event.text) - 1)), unique=True, max_size=3)))
            bounds = zip([0, *at], [*at, len(event.text)], strict=True)
            events += [replace(event, text=text) for start, end in bounds if (text := event.text[start:end])]
        else:
            events.append(event)
    return events


def plain(answer: ChatAnswer) -> ChatAnswer:
    """The answer without the words in which its reasons to stop were said."""
    return replace(answer, choices=tuple(replace(choice, said=None) for choice in answer.choices))


def builtins(chat: ChatRequest) -> dict[str, Any]:
    """A request as plain values, without what says nothing: empty messages, wishes and parts."""
    return without(chat, ())


def without(chat: ChatRequest, losses: Iterable[Loss]) -> dict[str, Any]:
    """What the losses leave of a request, as plain values."""
    left: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(chat))
    for loss in losses:
        _remove(left, loss.path)
    return _tidy(left)


_SAMPLING = frozenset(("temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "seed", "logit_bias"))
_STEP = re.compile(r"([a-z_]+)|\[(\d+)\]")
_MARK = re.compile(r"mk[a-z]{10}")


def _remove(left: dict[str, Any], path: str) -> None:
    """Blank what stands at a path of a loss; what blank entries mean is for `_tidy`."""
    if path in _SAMPLING:
        path = f"sampling.{path}"
    extras = left.get("extras", [])
    if path not in left and any(extra and extra["field"] == path for extra in extras):
        left["extras"] = [extra for extra in extras if extra["field"] != path]
        return
    *steps, last = [name or int(index) for name, index in _STEP.findall(path)]
    place: Any = left
    for step in steps:
        place = None if place is None else place[step] if isinstance(step, int) else place.get(step)
    if place is not None:
        if isinstance(last, int):
            place[last] = None
        else:
            place.pop(last, None)


def _tidy(value: Any) -> Any:
    """Plain values without blanks: a message without parts is none."""
    if isinstance(value, list):
        return [_tidy(each) for each in value if each is not None and not _is_blank(each)]
    if isinstance(value, dict):
        kept = {key: _tidy(each) for key, each in value.items() if each is not None}
        return {key: each for key, each in kept.items() if not (each in ([], {}) or _is_bare(each))}
    return value


def _joined(messages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages, those of neighbours of one role together."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        if turns and turns[-1]["role"] == message["role"]:
            turns[-1] = {**turns[-1], "parts": [*turns[-1]["parts"], *message["parts"]]}
        else:
            turns.append(message)
    return turns


def _is_blank(value: Any) -> bool:
    return isinstance(value, dict) and value.get("is") == "Message" and not _tidy(value["parts"])


def _is_bare(value: Any) -> bool:
    return isinstance(value, dict) and value.get("is") in ("Sampling", "ReasoningWish") and len(value) == 1
