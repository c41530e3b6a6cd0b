"""A row of the table of routes: what is asked, who may ask it, what is answered, and who answers."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

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


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as its row reads it: the `{names}` of the path, query and body as the row's own `Wanted` (or None)."""

    names: Mapping[str, str] = field(default_factory=dict)
    query: Any = None
    body: Any = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: a `Shown` or a mapping goes out as JSON, bytes as they are (`text/plain` of Prometheus)."""

    content: Shown | dict[str, Any] | bytes
    status: int = 200


Handler = Callable[[Service, Asked], Awaitable[Reply]]
"""Answers a request that may be answered; raises Refused."""

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
"""The media type of an answer that is no JSON."""


@dataclass(frozen=True, slots=True)
class Route:
    """One row. `answers` has the shape of each status that is no refusal; `bytes` stands for text, `dict` for a mapping."""

    method: str
    path: str
    role: Role
    summary: str
    handler: Handler
    answers: Mapping[int, type]
    query: type[Wanted] | None = None
    body: type[Wanted] | None = None
