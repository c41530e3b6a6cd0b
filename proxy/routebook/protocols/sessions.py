"""What a dialect of sessions must offer: conversations over one WebSocket, in which either side speaks when it likes.

Sans-IO: frames are shown, what happened is told. Both sides of a session speak the same dialect, so its frames pass as
they are; a reader only looks along, to know what is asked, what was used, and what broke off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import msgspec

from routebook.chat.usage import Usage


@dataclass(frozen=True, slots=True)
class SessionAsked:
    """A session as routing sees it when it is asked for (`chat.asked.Asked`): nothing has been said in it yet, so of a
    prompt there is nothing. `purpose` is what else its address says (`transcription`); `body` the client's first frame,
    where its dialect names the model there; `settings` what the session begins with, as JSON of the dialect."""

    dialect: str
    model: str
    purpose: str | None = None
    body: bytes = b""
    settings: bytes = b""
    operation: str = "realtime"
    stream: bool = True
    max_output: int | None = None
    user: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    body_bytes: int = 0
    messages: int = 0
    images: int = 0
    tools: int = 0
    needs: frozenset[str] = frozenset()
    prompt: bytes = b""
    text: str = ""
    latest: str = ""
    choices: int = 1
    tool_bytes: int = 0
    counted_tokens: int = 0
    form: Mapping[str, str] = field(default_factory=dict)
    heard_ms: int = 0
    most_ms: int = 0
    characters: int = 0
    was_read: bool = True
    opening: bytes = b""
    goes_on_from: str | None = None
    session: str | None = None


class Began(msgspec.Struct, frozen=True, gc=False):
    """The upstream has begun a response."""

    id: str


class Spoke(msgspec.Struct, frozen=True, gc=False):
    """The first of a response has come: sound or words."""

    id: str


class Sounded(msgspec.Struct, frozen=True, gc=False):
    """The first sound of a response has come; `Spoke` came before it, or comes with it."""

    id: str


class Finished(msgspec.Struct, frozen=True, gc=False):
    """A response is over, whole or not; `usage` None where the upstream did not say, `estimate` what it comes to by
    what passed. `status` is the dialect's word, `reason` why it is not whole."""

    id: str
    status: str
    reason: str | None
    usage: Usage | None
    estimate: Usage


class Heard(msgspec.Struct, frozen=True, gc=False):
    """A model of its own has done something in the session: written down what was said, or a task that was delegated
    (`what`). Its tokens, or the seconds that it listened. `by` is its name in the vendor's words (None: the session's transcriber)."""

    usage: Usage | None
    seconds: float = 0.0
    by: str | None = None
    what: str = "transcription"


class Erred(msgspec.Struct, frozen=True, gc=False):
    """The upstream told an error."""

    code: str | None
    message: str


Happening = Began | Spoke | Sounded | Finished | Heard | Erred

NOTHING: Final[tuple[Happening, ...]] = ()


class Wish(msgspec.Struct, frozen=True, gc=False):
    """What a frame of a client comes to: whether it asks for a response outright, or, where `speaks`, may lead to one;
    `event` is its own id, by which an error refers to it. `instead` is what goes on in its place (None: itself)."""

    asks: bool = False
    speaks: bool = False
    event: str | None = None
    instead: bytes | None = None


class Unfinished(msgspec.Struct, frozen=True, gc=False):
    """A response of which nobody knows the end, and what it has used as far as can be told from what passed."""

    id: str
    usage: Usage


class SessionReader(Protocol):
    """Looks along in one session. Never raises: what it cannot read passes all the same."""

    @property
    def model(self) -> str | None:
        """The model that serves, in the vendor's words."""

    @property
    def transcriber(self) -> str | None:
        """The model that writes down what is said, in the vendor's words."""

    @property
    def most_input(self) -> int:
        """More tokens than the next response can have to read."""

    def sent(self, frame: bytes) -> Wish:
        """A frame of the client, on its way to the upstream."""

    def came(self, frame: bytes) -> Sequence[Happening]:
        """A frame of the upstream, on its way to the client."""

    def unfinished(self) -> Sequence[Unfinished]:
        """The responses that are running."""

    def broke(self) -> Sequence[Finished]:
        """The connection has ended, and the session goes on over another: what was running does not."""


@dataclass(frozen=True, slots=True)
class Older:
    """How a client says that it knows the API's events as they were: by a header with this value among others, or, in a
    browser, by a subprotocol that it offers."""

    header: str
    value: str
    offered: str

    def is_said(self, headers: Mapping[str, str]) -> bool:
        """Whether these headers of a client (whatever the case of their names) say so."""
        said = headers.get(self.header, "").split(",")
        offers = headers.get("Sec-WebSocket-Protocol", "").split(",")
        return any(each.strip() == self.value for each in said) or any(each.strip() == self.offered for each in offers)


@dataclass(frozen=True, slots=True)
class SessionDialect:
    """One API of sessions. `name` is the word of facts and records; `refuses_as` the dialect whose errors its clients
    know over HTTP. `paths` are where clients ask, `queries` the parameters in which they may show a key.

    Where `first`, the model stands in the client's first frame, else in its address. `read` takes the
    path, the parameters of the address and that frame, and raises ProtocolError; `path` takes what was asked and the upstream's
    name of the model, and is what follows a base URL, or, where it is `rooted`, what it is without its version. `opening` is the client's first frame with that name in it.
    `error` writes an error as a frame. `protocol` is chosen from what a client offers, where it is offered; what begins
    with `secret` there is a key. `spoken_by` are the words of providers that speak it; `greets` says that their first
    frame comes unasked. `reader` takes the name by which the client knows the model, and the upstream's. `settle` makes
    settings that a session begins with a frame. `constrained` is the client's first frame under the settings of a secret, of
    which those hold that a mask names (None: all). `purpose` is that of sessions which clients of other dialects ask for.
    `older` is there where clients may know other events than those that codecs write. `says_why` says that clients may hear
    an error before a session has begun; `always_runs` that a session costs something all the time, so that it ends where
    nothing more may be spent.
    """

    name: str
    refuses_as: str
    paths: tuple[str, ...]
    read: Callable[[str, Mapping[str, str], bytes], SessionAsked]
    path: Callable[[SessionAsked, str], str]
    reader: Callable[[str, str], SessionReader]
    error: Callable[..., bytes]
    spoken_by: tuple[str, ...]
    queries: frozenset[str] = frozenset()
    first: bool = False
    opening: Callable[[SessionAsked, str], bytes] = lambda asked, model: asked.body
    protocol: str | None = None
    secret: str | None = None
    forwarded: tuple[str, ...] = ()
    greets: bool = True
    rooted: bool = False
    settle: Callable[[bytes], bytes] | None = None
    constrained: Callable[[bytes, dict[str, Any], str | None], bytes] | None = None
    purpose: str | None = None
    older: Older | None = None
    says_why: bool = False
    always_runs: bool = False
