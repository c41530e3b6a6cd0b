"""A request and an answer in nobody's dialect: what a test asks for, and what it compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
"""A PNG of one pixel, in base64 with the characters that the URL-safe alphabet writes otherwise."""


class How(Enum):
    """In which of its ways an SDK is asked for an answer."""

    WHOLE = "whole"
    STREAM = "streamed"
    HELPER = "helper"


class End(Enum):
    """Why an answer ends."""

    STOP = "stop"
    LENGTH = "length"
    CALLS = "calls"
    REFUSED = "refused"


@dataclass(frozen=True)
class User:
    """What the user says, with a picture where there is one (PNG, base64)."""

    text: str
    image: str | None = None


@dataclass(frozen=True)
class Said:
    """What the assistant said, exactly as its SDK gave it to be sent again."""

    native: Any


@dataclass(frozen=True)
class Call:
    """One call of a tool."""

    id: str
    name: str
    arguments: Any


@dataclass(frozen=True)
class Results:
    """What the tools gave."""

    of: Sequence[tuple[Call, str]]


@dataclass(frozen=True)
class Tool:
    """A tool that may be called."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Ask:
    """A request. `extra` is laid over what the SDK is given, in its own words."""

    turns: tuple[User | Said | Results, ...]
    model: str = "m"
    system: str | None = None
    tools: tuple[Tool, ...] = ()
    most: int = 800
    thinks: bool = False
    schema: Mapping[str, Any] | None = None
    temperature: float | None = None
    stop: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """An answer. `said` is what is sent again in the next turn; usage is None where the SDK was not told."""

    text: str
    calls: tuple[Call, ...]
    thoughts: str
    end: End | None
    used: tuple[int, int] | None
    model: str
    said: Said


class Words(Protocol):
    """How one dialect's SDKs say it."""

    def base(self, root: str) -> str:
        """The base URL that an SDK is given."""

    def operation(self, how: How) -> str:
        """The order for the SDK's process."""

    def given(self, ask: Ask, how: How) -> dict[str, Any]:
        """What the SDK is given."""

    def answer(self, result: dict[str, Any], how: How) -> Answer:
        """What the SDK gave."""
