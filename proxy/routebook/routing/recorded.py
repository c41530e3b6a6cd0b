"""The first line of a record as it is read back: what deciding again needs of it, and nothing else.

The journal is read a million lines at a time, so the line goes from bytes to this value in one step, and parts that
nobody decides by (the steps of the walk) are passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from routebook.chat.usage import Usage
from routebook.policy.facts import Value
from routebook.routing.affinity import Conversation
from routebook.routing.demand import KnownDemand
from routebook.routing.memory import AccountKey, Remembered, Speed
from routebook.routing.outcomes import UNCONSTRAINED, Affinity, Mode, Within
from routebook.routing.sizes import Size
from routebook.scoring.judged import Judged

TimesThen = tuple[str | None, str | None, str, float | None, float | None, float]
"""Provider, account, model, the times to the first and the last of an answer, and how long ago they were measured."""


class WithinThen(msgspec.Struct, gc=False):
    """The constraints that the client declared."""

    cost: int | None = None
    first_token: float | None = None
    quality: float | None = None
    regions: list[str] | None = None
    models: list[str] | None = None
    mode: Mode | None = None
    affinity: Affinity | None = None
    first_audio: float | None = None


class AskedThen(msgspec.Struct, gc=False):
    """What the request needed; None where it was not found out."""

    bytes: int = 0
    needs: list[str] = []
    max_output: int | None = None
    choices: int = 1
    messages: int | None = None
    images: int | None = None
    tools: int | None = None
    most_tokens: int | None = None
    texts: int | None = None
    most_ms: int = 0
    characters: int = 0
    tokens: int | None = None
    tokens_by: str | None = None
    estimates: dict[str, int] = {}
    counted: dict[str, int] = {}
    fact_by: str | None = None
    within: WithinThen | None = None
    judged: Judged | None = None


class Considered(msgspec.Struct, gc=False):
    """A candidate: kept in its order, or dropped."""

    model: str
    account: str | None = None
    verdict: str = ""
    reason: str = ""
    cost: int | None = None
    expected_cost: int | None = None
    numbers: dict[str, Any] = {}


class DrawThen(msgspec.Struct, gc=False):
    """What chance said."""

    draw: float
    point: int | None = None
    conversation: int | None = None


class MemoryThen(msgspec.Struct, gc=False):
    """What was read of earlier measurements."""

    resting: list[tuple[str, str, float, str]] = []
    barred: list[tuple[str, str, str, str, float, str]] = []
    turns: dict[str, int] = {}
    in_flight: list[tuple[str, str, int]] = []
    first_token: dict[str, float] = {}
    first_audio: dict[str, float] = {}
    speeds: list[TimesThen] = []
    sounds: list[TimesThen] = []
    answers: dict[str, tuple[float, float, float, float]] = {}
    ratings: list[tuple[str, str, float, float]] = []
    billed: dict[str, float] = {}
    leader: tuple[str, str] | None = None


class PlaceThen(msgspec.Struct, gc=False):
    """A model and the path of an account."""

    model: str
    account: str | None = None


class StickThen(msgspec.Struct, gc=False):
    """Where the conversation was."""

    before: PlaceThen | None = msgspec.field(default=None, name="from")
    bound: bool = False


class HoldThen(msgspec.Struct, gc=False):
    """Whom a budget or a limit did not allow."""

    refused: list[PlaceThen] = []


class Recorded(msgspec.Struct, gc=False):
    """One decision as it was recorded. `outcome` is `route`, `refuse`, `none` or `unread`."""

    id: str
    time: str
    policy: str
    operation: str
    outcome: str
    dialect: str | None = None
    requested: str | None = None
    stream: bool = False
    client: str | None = None
    team: str | None = None
    rule: str | None = None
    asked: AskedThen = msgspec.field(default_factory=AskedThen)
    facts: dict[str, Any] = {}
    candidates: list[Considered] = []
    draw: DrawThen | None = None
    memory: MemoryThen | None = None
    stick: StickThen | None = None
    shadow: dict[str, str] | None = None
    pipeline: dict[str, Any] | None = None
    keyless: list[tuple[str, str]] = []
    barred: list[PlaceThen] = []
    hold: HoldThen | None = None


class EndedThen(msgspec.Struct, gc=False):
    """What the second line says of use and money (nano-dollars)."""

    id: str
    model: str | None = None
    usage: Usage = Usage()
    usage_by: str | None = None
    cost: int = 0


decode_recorded = msgspec.json.Decoder(Recorded).decode
"""A first line, from its bytes; raises msgspec.DecodeError where it is none."""

decode_ended = msgspec.json.Decoder(EndedThen).decode
"""A second line, from its bytes; raises msgspec.DecodeError where it is none."""


class _Event(msgspec.Struct, gc=False):
    event: str


_decode_event = msgspec.json.Decoder(_Event).decode

_WRITTEN = {event: f'{{"event":"{event}"'.encode() for event in ("decided", "ended")}
"""How the journal begins a line."""


def event_of(line: bytes) -> str:
    """Which of a record's lines this is; raises msgspec.DecodeError where it is none."""
    for event, begins in _WRITTEN.items():
        if line.startswith(begins):
            return event
    return _decode_event(line).event  # somebody has written it anew, with its keys in another order


def recorded_of(record: Mapping[str, Any] | Recorded) -> Recorded:
    """A first line that somebody has read already."""
    return record if isinstance(record, Recorded) else msgspec.convert(record, Recorded)


def value_of(written: Any) -> Value | None:
    """A fact's value as rules expect it: only sets are written as lists."""
    return frozenset(written) if isinstance(written, list) else written


def demand_of(record: Recorded) -> KnownDemand:
    """What the request demanded of candidates."""
    asked, draw = record.asked, record.draw
    return KnownDemand(
        operation=record.operation,
        model=record.requested or "",
        needs=frozenset(asked.needs),
        max_output=asked.max_output,
        choices=asked.choices,
        texts=1 if asked.texts is None else asked.texts,
        most_tokens=asked.most_tokens or 0,
        known_size=Size(asked.tokens or 0, asked.tokens_by or "given"),
        point=None if draw is None else draw.point,
        dialect=record.dialect or "",
        lost={each.model: each.numbers["lost"] for each in record.candidates if each.reason == "model.loses"},
        conversation=None if draw is None else draw.conversation,
        known_judged=asked.judged,
        stream=record.stream,
        most_ms=asked.most_ms,
        characters=asked.characters,
        estimates=asked.estimates,
        counted=asked.counted,
    )


def memory_of(record: Recorded) -> Remembered:
    """What was remembered of upstreams at the moment of the decision."""
    memory = record.memory
    if memory is None:
        return _BLANK
    return Remembered(
        rests={(provider, account): (seconds, because) for provider, account, seconds, because in memory.resting},
        first_tokens=memory.first_token,
        first_audios=memory.first_audio,
        running={(provider, account): running for provider, account, running in memory.in_flight},
        bars={
            ((provider, account), model): (code, seconds, because)
            for provider, account, model, code, seconds, because in memory.barred
        },
        turns=memory.turns,
        speeds=_times(memory.speeds),
        sounds=_times(memory.sounds),
        habits=memory.answers,
        ratings={(model, task): (total, number) for model, task, total, number in memory.ratings},
        led=memory.leader,
        ratios=memory.billed,
    )


def _times(rows: list[TimesThen]) -> dict[tuple[AccountKey | None, str], Speed]:
    return {
        (None if provider is None or account is None else (provider, account), model): (first, whole, age)
        for provider, account, model, first, whole, age in rows
    }


_BLANK = Remembered()


def within_of(record: Recorded) -> Within:
    """The constraints that the client declared."""
    said = record.asked.within
    if said is None:
        return UNCONSTRAINED
    return Within(
        said.cost,
        said.first_token,
        said.quality,
        None if said.regions is None else frozenset(said.regions),
        models=None if said.models is None else frozenset(said.models),
        mode=said.mode,
        affinity=said.affinity,
        first_audio=said.first_audio,
    )


def conversation_of(record: Recorded) -> Conversation | None:
    """The conversation under a rule that sticks, None where it had none."""
    stick = record.stick
    if stick is None:
        return None
    before = stick.before
    place = None if before is None or before.account is None else (before.model, before.account)
    return Conversation(place, bound=stick.bound)


def keyless_of(record: Recorded) -> frozenset[AccountKey]:
    """Accounts whose key was not set."""
    return frozenset(record.keyless)
