"""A row of the table of routes: what is asked, who may ask it, what is answered, and who answers."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Protocol

import msgspec
from aiohttp import web

from routebook.edge.admin.service import Service, Shown


class Role(enum.Enum):
    """What a caller may do. Each includes those before it."""

    ANYONE = "anyone"
    READ = "read"
    OPERATE = "operate"

    def includes(self, needed: Role) -> bool:
        """Whether a caller of this role may do what needs that one."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(needed)


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a query or a body may hold, by field: all else is refused, with the field's name."""


class Upload(msgspec.Struct, frozen=True):
    """A file that a form sends."""

    name: str
    text: str


class Door(Protocol):
    """Where browsers change a token for a session (`admin.access.Access`)."""

    def open_session(self, secret: str) -> tuple[str, str]:
        """Who presents this token, and a session for it; raises Refused."""
        ...

    def close_session(self, session: str) -> None:
        """End a session."""
        ...


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks, as pages show it: `may_operate` whether they may change something, `session` the cookie that they came
    with (None: none), `origin` what the browser says that it shows."""

    who: str = ""
    may_operate: bool = False
    session: str | None = None
    origin: str | None = None
    door: Door | None = None
    is_admitted: Callable[[], bool] = lambda: True
    """Whether they would still be let in now: what lasts longer than an answer ends with a session or a token."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as its row reads it: the `{names}` of the path, query and body as the row's own `Wanted` (or None).

    `path` and `search` are those of the address, as they came; `visitor` is who asks."""

    names: Mapping[str, str] = field(default_factory=dict)
    query: Any = None
    body: Any = None
    path: str = ""
    search: str = ""
    visitor: Visitor = Visitor()


class Text(bytes):
    """An answer that is no JSON: each kind is a class with its media type."""

    media: ClassVar[str] = "text/plain; charset=utf-8"


class Html(Text):
    """A page of the console."""

    media = "text/html; charset=utf-8"


class Csv(Text):
    """A table (RFC 4180)."""

    media = "text/csv; charset=utf-8"


class Css(Text):
    """How pages look."""

    media = "text/css; charset=utf-8"


class Image(Text):
    """A picture."""

    media = "image/svg+xml"


class Script(Text):
    """What pages do by themselves."""

    media = "text/javascript; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Conversation:
    """What goes on over a WebSocket, where that is the answer: it takes the request, upgrades it, and returns when it is
    over. Before that it may raise Refused."""

    goes_on: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: a `Shown` or a mapping goes out as JSON, a `Text` as what it is, other bytes as text of Prometheus."""

    content: Shown | dict[str, Any] | bytes | Conversation
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Service, Asked], Awaitable[Reply]]
"""Answers a request that may be answered; raises Refused."""

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
"""The media type of an answer that is no JSON."""


CONSOLE: Final = "/console"
"""Where the paths of the console begin: all that a browser may ask."""


@dataclass(frozen=True, slots=True)
class Route:
    """One row. `answers` has the shape of each status that is no refusal; `bytes` stands for text, `dict` for a mapping,
    `Conversation` for a WebSocket.

    `body` is JSON, `form` what a page sends."""

    method: str
    path: str
    role: Role
    summary: str
    handler: Handler
    answers: Mapping[int, type]
    query: type[Wanted] | None = None
    body: type[Wanted] | None = None
    form: type[Wanted] | None = None

    @property
    def is_console(self) -> bool:
        """Whether a browser may ask for it."""
        return self.path == CONSOLE or self.path.startswith(f"{CONSOLE}/")

    @property
    def is_page(self) -> bool:
        """Whether it answers with a page."""
        return self.answers.get(200) is Html
