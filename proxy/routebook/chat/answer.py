"""A whole answer, in nobody's dialect: the same truth as its events."""

from __future__ import annotations

from routebook.chat.events import Finish, TokenLogprob
from routebook.chat.faults import Fault
from routebook.chat.parts import Part, Value
from routebook.chat.usage import Usage


class Choice(Value, frozen=True, gc=False):
    """One of the answers. `finish` is None where the provider did not say why it stopped; `said` is its own word."""

    parts: tuple[Part, ...] = ()
    finish: Finish | None = None
    stop_sequence: str | None = None
    said: str | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None
    refusal_logprobs: tuple[TokenLogprob, ...] | None = None


class ChatAnswer(Value, frozen=True, gc=False):
    """All answers to one request, by number. `fault` is what a stream ended with instead of its end."""

    id: str | None = None
    model: str | None = None
    created: int | None = None
    choices: tuple[Choice, ...] = ()
    usage: Usage | None = None
    tier: str | None = None
    fault: Fault | None = None
