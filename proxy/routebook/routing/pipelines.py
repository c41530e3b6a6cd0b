"""Spoken answers of two models (`pipeline:`): one writes, another speaks what it wrote, sentence by sentence.

A pipeline serves where no model of the route can: a chat whose answer is to be sound, and nobody who speaks and may.
Both models are decided by the checks of any request: guarantees, the client's models, `within` and what the client asks
for itself hold for either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from routebook.chat.conversation import ChatRequest
from routebook.chat.lazily import lazily
from routebook.routing.demand import KnownDemand
from routebook.routing.outcomes import Route, Within
from routebook.routing.sizes import Size

SPOKEN_NEED: Final = "audio_out"
"""The capability that a pipeline stands in for."""


def is_heard(operation: str, needs: frozenset[str]) -> bool:
    """Whether an answer is sound, or may be."""
    return operation in ("realtime", "speech") or SPOKEN_NEED in needs


LONGEST: Final = 1000
"""Characters that are spoken at once at most; speech models take 4,096."""

SHORTEST: Final = 12
"""Characters that a sentence has at least: what is shorter may be an abbreviation, and is spoken with the next."""

_END: Final = re.compile(r"(?:[.!?…]+[\"'»”’)\]]*\s+|[。！？]+|\n+)")


def text_route(route: Route) -> Route | None:
    """Where the words come from; None where the route has no pipeline."""
    piped = route.pipeline
    return None if piped is None else Route(piped.text, within=route.within, caps=route.caps)


def speech_route(route: Route) -> Route | None:
    """Where the sound comes from; None where the route has no pipeline. Constraints on cost and the first token are
    the writer's: of a sentence nobody knows beforehand. That on the first sound is the voice's, from its call on."""
    piped = route.pipeline
    return None if piped is None else Route(piped.speech, within=speech_constraints(route))


def speech_constraints(route: Route) -> Within:
    """What of a route's constraints holds for whoever speaks: where it stands, and its labels."""
    return msgspec.structs.replace(route.within, cost=None, first_token=None, quality=None)


def applies(route: Route, operation: str, needs: frozenset[str]) -> bool:
    """Whether a request that nobody of the route can serve may be served by its pipeline."""
    return route.pipeline is not None and operation == "chat" and SPOKEN_NEED in needs


class Written:
    """A request for a spoken answer as its writer is asked it: for words, as a stream. All else is the client's own
    (`chat.asked.Asked`)."""

    stream: Final = True
    wants_usage: Final = True

    def __init__(self, asked: Any) -> None:
        self._asked = asked

    def __repr__(self) -> str:
        return f"<Written {self._asked!r}>"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._asked, name)

    @property
    def needs(self) -> frozenset[str]:
        """Capabilities that the writer needs."""
        needs: frozenset[str] = self._asked.needs
        return needs - {SPOKEN_NEED}

    @property
    def chat_of_client(self) -> ChatRequest:
        """The conversation as the client has it."""
        chat: ChatRequest = self._asked.chat
        return chat

    @lazily
    def chat(self) -> ChatRequest:
        """The conversation, without a word of sound in its answer."""
        chat: ChatRequest = self._asked.chat
        return msgspec.structs.replace(chat, modalities=(), audio=None)


def sentence_demand(text: str, model: str) -> KnownDemand:
    """What a sentence that is to be spoken demands of a speech model."""
    size = len(text.encode("utf-8", "replace"))
    return KnownDemand(
        operation="speech",
        model=model,
        most_tokens=size,
        known_size=Size(-(-size // 4), "estimate"),
        characters=len(text),
        stream=True,
    )


class Sentences:
    """Words as they come, out as sentences."""

    def __init__(self) -> None:
        self._held = ""

    def __repr__(self) -> str:
        return f"<Sentences, {len(self._held)} characters held>"

    def feed(self, text: str) -> list[str]:
        """The sentences that are whole now, each with the white space behind it."""
        self._held += text
        whole: list[str] = []
        begun = at = 0
        while found := _END.search(self._held, at):
            at = found.end()
            if at - begun >= SHORTEST and (at < len(self._held) or self._held[at - 1].isspace()):
                whole.append(self._held[begun:at])
                begun = at
        self._held = self._held[begun:]
        while len(self._held) > LONGEST:
            cut = self._held.rfind(" ", SHORTEST, LONGEST) + 1 or LONGEST
            whole.append(self._held[:cut])
            self._held = self._held[cut:]
        return whole

    def end(self) -> str:
        """What is left."""
        left, self._held = self._held, ""
        return left


@dataclass(slots=True)
class Spoken:
    """What became of the spoken half of an answer, for its record: by whom, how many sentences, how many milliseconds,
    what that used and cost (nano-dollars), and when it began, in seconds since the request did."""

    model: str
    account: str
    sentences: int = 0
    milliseconds: int = 0
    characters: int = 0
    cost: int = 0
    parts: dict[str, int] | None = None
    started: float | None = None
    first_audio: float | None = None
    failed: str | None = None

    def line(self) -> Mapping[str, Any]:
        """As the record says it."""
        line: dict[str, Any] = {
            "model": self.model,
            "account": self.account,
            "sentences": self.sentences,
            "characters": self.characters,
            "milliseconds": self.milliseconds,
            "cost": self.cost,
        }
        if self.first_audio is not None:
            line["first_audio"] = round(self.first_audio, 6)
        if self.failed is not None:
            line["code"] = self.failed
        return line
