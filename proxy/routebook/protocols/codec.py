"""What a dialect must offer, on either side, so that any client can be served by any upstream.

Sans-IO: bytes are fed, events are taken. A request is read into the neutral form (`chat.conversation`) and written in
the upstream's dialect; its answer is read as events (`chat.events`) and written in the client's. Where both speak the
same dialect nothing of this is used: bytes are relayed (`Dialect.stream`, `Operation.edit`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from routebook.chat.answer import ChatAnswer
from routebook.chat.conversation import ChatRequest
from routebook.chat.events import Event
from routebook.chat.faults import Fault
from routebook.chat.loss import Loss
from routebook.chat.usage import Usage
from routebook.protocols.answered import Answered
from routebook.protocols.carrying import Carries, Target, Tells

EVENTS: Final = "text/event-stream"
"""The media type of server-sent events."""

FORMS: Final = frozenset({"transcription", "translation"})
"""Operations that are asked by a form with a file."""

Kept = Callable[[str], bool]
"""Whether an answer with this id is kept, to go on from."""


class EventReader(Protocol):
    """Reads one stream of an upstream: bytes in, events out. Any cut of the bytes gives the same events.

    `done` is set by the protocol's own end and by nothing else. Raises ProtocolError of the upstream's side for what no
    reader can go on from; any other exception is a bug. A chunk that cannot be understood is passed over, unless it
    could have held content: a stream must not lose text quietly.
    """

    @property
    def done(self) -> bool:
        """Whether the protocol's own end has come."""

    def feed(self, chunk: bytes) -> Sequence[Event]:
        """What happened in these bytes, together with those that were held back."""

    def end(self) -> Sequence[Event]:
        """The connection ended in order. Where that is how the protocol ends, and it may end here, `done` is set."""


class EventWriter(Protocol):
    """Writes one stream to a client: events in, bytes out, in the exact order that the dialect's clients rely on."""

    @property
    def losses(self) -> Sequence[Loss]:
        """What of the answer the dialect could not say, so far."""

    def write(self, events: Iterable[Event]) -> bytes:
        """The bytes for some more events; a `Failed` becomes the dialect's own error, after which nothing follows."""

    def end(self) -> bytes:
        """What ends the stream in order; nothing where it has failed."""

    def keep_alive(self) -> bytes:
        """What may be sent while nothing happens without disturbing a client; nothing where there is no such thing."""


@dataclass(frozen=True, slots=True)
class ReplyTo:
    """What a writer must know of the request that it answers.

    `asked` is what the client sent, as its own dialect read it. `id` is unique in the world and the same for unary and
    streamed answers: ids that the upstream did not give are made of it. `now` is seconds since 1970. `model` is the
    name to show, where it is not the one that the upstream gave.
    """

    asked: Any
    id: str
    now: int = 0
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """An answer in a client's dialect, and what of it could not be said there."""

    body: bytes
    losses: tuple[Loss, ...] = ()


@dataclass(frozen=True, slots=True)
class Sent:
    """A request in an upstream's dialect: `path` follows the base URL, its query included; `headers` beside the key.

    It may be sent only where none of its losses is `REFUSED`.
    """

    path: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    losses: tuple[Loss, ...] = ()


@dataclass(frozen=True, slots=True)
class ClientSide:
    """How answers are written for clients of a dialect (requests are read by its operations).

    `write_count` answers the operation `count_tokens`, where the dialect has it. `media_type` is that of the stream
    which a request asks for. `models` are the paths at which its clients ask for models; where several dialects have
    the same, its clients are known by the headers `known_by`. `request_id` is the header in which they look for the id
    of an exchange, `statuses` what they are told instead of an HTTP status that is not theirs.
    """

    write_answer: Callable[[ChatAnswer, ReplyTo], Written]
    writer: Callable[[ReplyTo], EventWriter]
    tells: Tells
    write_count: Callable[[int], bytes] | None = None
    media_type: Callable[[Any], str] = lambda asked: EVENTS
    models: tuple[str, ...] = ()
    known_by: tuple[str, ...] = ()
    request_id: str = "x-request-id"
    statuses: Mapping[int, int] = field(default_factory=lambda: {529: 503})


@dataclass(frozen=True, slots=True)
class UpstreamSide:
    """How requests are written for upstreams of a dialect, and how their answers are read.

    `write_request` takes whether a stream is wanted. `read_answer` takes a whole answer of a successful call and raises
    ProtocolError where it is none; `read_fault` takes the status and the body of any other, and never raises. The text
    that `read_answer` and `reader` take last is unique in the world: ids that the upstream leaves out are made of it.
    `write_count` and `read_count` ask the upstream to count the tokens of a request, where it can. `owned` are the names
    whose ids and signatures it takes (those of its table `carries`).

    A key goes in the header `key_header`, bare, or as a bearer in `Authorization`. `version` is the header that names the
    API's version, with the one that is spoken where the policy names none. `forwarded` are headers of a client that may
    go along where both speak the dialect. `media_type` is that of its streams. `hears` are the media types of coded sound
    that it takes, samples apart; where there are none, it takes no sound.
    """

    write_request: Callable[[ChatRequest, Target, bool], Sent]
    read_answer: Callable[[bytes, str], ChatAnswer]
    reader: Callable[[str], EventReader]
    read_fault: Callable[[int, bytes], Fault]
    carries: Carries
    write_count: Callable[[ChatRequest, Target], Sent] | None = None
    read_count: Callable[[bytes], int] | None = None
    owned: frozenset[str] = frozenset()
    key_header: str = "Authorization"
    version: tuple[str, str] | None = None
    forwarded: tuple[str, ...] = ()
    media_type: str = EVENTS
    hears: frozenset[str] = frozenset()


class Relaying(Protocol):
    """Reads a stream along while its bytes pass, unchanged or translated. The attributes say what was seen so far."""

    @property
    def usage(self) -> Usage | None:
        """What was used, as the upstream counted."""

    @property
    def finish_reason(self) -> str | None:
        """Why the model stopped."""

    @property
    def model(self) -> str | None:
        """The model that served, in the vendor's words."""

    @property
    def id(self) -> str | None:
        """The answer's id, where a later request may go on from it."""

    @property
    def saw_error(self) -> bool:
        """Whether the upstream told an error."""

    @property
    def error_code(self) -> str | None:
        """The code of that error, where it has one."""

    @property
    def events(self) -> int:
        """How many events have passed."""

    @property
    def done(self) -> bool:
        """Whether the protocol's own end has passed."""

    @property
    def estimated_output(self) -> int:
        """Tokens that came out, by the size of what passed."""

    def feed(self, chunk: bytes) -> bytes:
        """What may go to the client now."""

    def end(self) -> bytes:
        """What may still go to the client now that the connection has ended in order; `done` says whether all came."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked in a dialect, named as the fact `request.operation` names it.

    `path` is the client's, with a name in braces where a part of it is a value (`/v1beta/models/{model}:countTokens`);
    `upstream_path` follows a base URL, with `{model}` where the upstream's name of the model stands in it, its query
    included. `read` takes the body, and by name the values in the path, what is `given` by it, and those parameters of
    the query that stand in `queries` and headers that stand in `headers`, by the name that `read` has for them (as texts,
    where the client sent them). `edit` takes the request, the upstream's
    name of the model, whether to ask for usage, and a rule's caps. `demands` is what the vendor demands beyond what a
    reader must understand: it takes the request, its headers and what answers are kept, and raises ProtocolError;
    `waivers` are what may stand in the place of a signature, and the simulated upstream alone is so strict. Where
    it `keeps` answers, later requests may go on from them. `reader` reads an answer along that is not of the dialect's usual
    kind, given the request and the answer's media type: every such answer is relayed as it comes. Where the reader
    `is_opaque`, no error can be told in it, so one that breaks off is cut. `answer` reads one that is there as a whole, and
    is no JSON of the dialect's usual kind: given the request, the media type and the body, None where it is no answer;
    then `reader` is for events alone.
    """

    name: str
    path: str
    upstream_path: str
    read: Callable[..., Any]
    edit: Callable[..., bytes]
    given: Mapping[str, Any] = field(default_factory=dict)
    queries: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    demands: Callable[[Any, Mapping[str, str], Kept], None] | None = None
    waivers: frozenset[str] = frozenset()
    keeps: bool = False
    reader: Callable[[Any, str], Any] | None = None
    answer: Callable[[Any, str, bytes], Answered | None] | None = None

    @property
    def is_form(self) -> bool:
        """Whether it is asked by a form with a file: `read` then takes a `FormReader`, and the sizes of form and file."""
        return self.name in FORMS


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one API looks like from both sides.

    `name` is the word of facts and records, `spoken_by` that of a provider. The first group serves exchanges in which
    both sides speak the dialect (`stream` makes a `Relaying`, and is told whether to hide usage that only we asked for),
    the second clients in whatever exchange, the last all other exchanges; a side that is None cannot be translated to.
    """

    name: str
    spoken_by: str
    operations: tuple[Operation, ...]
    stream: Callable[[bool], Any]
    answer: Callable[[bytes], Any]
    error_code: Callable[[bytes], str | None]
    error_body: Callable[..., bytes]
    error_event: Callable[..., bytes]
    models: Callable[..., bytes]
    model: Callable[..., bytes]
    client: ClientSide | None = None
    upstream: UpstreamSide | None = None
    relays: Callable[[Any, str | None], bool] = lambda asked, version: True
    serves: bool = True
