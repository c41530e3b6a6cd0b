"""What a decision may remember of upstreams, and the same written down so that the decision can be made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from routebook.health.speeds import First

AccountKey = tuple[str, str]
"""Provider's name and account's name."""


Bar = tuple[str, float, str]
"""Why an account may not be called now: the reason's code, for how many seconds, and because of what."""

RESTING = "account.resting"
"""The reason's code of an account that cools down, whatever the model."""


Speed = tuple[float | None, float | None, float]
"""Seconds to the first token and to the last (None: not measured), and how many seconds ago the last was measured."""

Habit = tuple[float, float, float, float]
"""Tokens of an answer, the share of the prompt that was read from a cache, how many answers that is known from (what is
old or long ago counts less), and how many seconds ago the last one was."""

Rating = tuple[float, float]
"""The sum of what answers were rated with, from 0 to 1 each, and how many there were."""

Place = tuple[str, str]
"""A model's name and the account's path (`provider/account`)."""


class Memory(Protocol):
    """What was measured (`health.measurements` is one); `at` is the moment of the request, monotonic seconds."""

    def barred(self, account: AccountKey, model: str, at: float) -> Bar | None:
        """Why the account may not be called for the model; None where it may."""

    def first_token(self, model: str) -> float | None:
        """Seconds to the first byte, as measured; None where nothing was."""

    def first_audio(self, model: str) -> float | None:
        """Seconds to the first sound, as measured; None where nothing was."""

    def speed(self, account: AccountKey | None, model: str, at: float, first: First = First.TOKEN) -> Speed | None:
        """How fast the account answers for the model (None: all accounts together); None where nothing was measured."""

    def expected_output(self, client: str, model: str, at: float) -> Habit | None:
        """What the model's answers to the client are like; None where nothing is known."""

    def rating(self, model: str, task: str) -> Rating | None:
        """How the model's answers to prompts of the class were rated; None where none was."""

    def billed(self, model: str, at: float) -> float | None:
        """Tokens of prompts that the model's upstream billed, to one that was estimated; None where nothing is known."""

    def leader(self, rule: str) -> Place | None:
        """Who came first the last time that the rule put candidates in order."""

    def in_flight(self, account: AccountKey) -> int:
        """Calls of the account that are running."""

    def turn(self, provider: str) -> int:
        """Which turn it is among the provider's accounts."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """Memory as it was: what a record says of it, or nothing at all.

    `rests` are accounts that cooled down (seconds, because), `bars` whatever else kept an account from a model.
    """

    rests: Mapping[AccountKey, tuple[float, str]] = field(default_factory=dict)
    first_tokens: Mapping[str, float] = field(default_factory=dict)
    running: Mapping[AccountKey, int] = field(default_factory=dict)
    bars: Mapping[tuple[AccountKey, str], Bar] = field(default_factory=dict)
    turns: Mapping[str, int] = field(default_factory=dict)
    speeds: Mapping[tuple[AccountKey | None, str], Speed] = field(default_factory=dict)
    sounds: Mapping[tuple[AccountKey | None, str], Speed] = field(default_factory=dict)
    habits: Mapping[str, Habit] = field(default_factory=dict)
    ratings: Mapping[tuple[str, str], Rating] = field(default_factory=dict)
    led: Place | None = None
    ratios: Mapping[str, float] = field(default_factory=dict)
    first_audios: Mapping[str, float] = field(default_factory=dict)

    def barred(self, account: AccountKey, model: str, at: float) -> Bar | None:
        """As it was at the request's moment, whatever `at` is."""
        rest = self.rests.get(account)
        return self.bars.get((account, model)) if rest is None else (RESTING, *rest)

    def first_token(self, model: str) -> float | None:
        """As it was."""
        return self.first_tokens.get(model)

    def first_audio(self, model: str) -> float | None:
        """As it was."""
        return self.first_audios.get(model)

    def speed(self, account: AccountKey | None, model: str, at: float, first: First = First.TOKEN) -> Speed | None:
        """As it was; of all accounts together also where only the time to the first token, or sound, is known."""
        of_sound = first is First.AUDIO
        known = (self.sounds if of_sound else self.speeds).get((account, model))
        firsts = self.first_audios if of_sound else self.first_tokens
        if known is None and account is None and model in firsts:
            return firsts[model], None, 0.0
        return known

    def expected_output(self, client: str, model: str, at: float) -> Habit | None:
        """As it was, for whoever asked."""
        return self.habits.get(model)

    def rating(self, model: str, task: str) -> Rating | None:
        """As it was."""
        return self.ratings.get((model, task))

    def billed(self, model: str, at: float) -> float | None:
        """As it was."""
        return self.ratios.get(model)

    def leader(self, rule: str) -> Place | None:
        """As it was, for the rule that decided."""
        return self.led

    def in_flight(self, account: AccountKey) -> int:
        """As it was."""
        return self.running.get(account, 0)

    def turn(self, provider: str) -> int:
        """As it was."""
        return self.turns.get(provider, 0)


BLANK = Remembered()
"""A memory of nothing: every account is ready, nothing was measured."""


class Recollection:
    """A memory that notes what was asked of it and was not the usual, for the record."""

    __slots__ = (
        "_memory",
        "bars",
        "first_audios",
        "first_tokens",
        "habits",
        "led",
        "ratings",
        "ratios",
        "rests",
        "running",
        "sounds",
        "speeds",
        "turns",
    )

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.rests: dict[AccountKey, tuple[float, str]] = {}
        self.first_tokens: dict[str, float] = {}
        self.first_audios: dict[str, float] = {}
        self.running: dict[AccountKey, int] = {}
        self.bars: dict[tuple[AccountKey, str], Bar] = {}
        self.turns: dict[str, int] = {}
        self.speeds: dict[tuple[AccountKey | None, str], Speed] = {}
        self.sounds: dict[tuple[AccountKey | None, str], Speed] = {}
        self.habits: dict[str, Habit] = {}
        self.ratings: dict[tuple[str, str], Rating] = {}
        self.ratios: dict[str, float] = {}
        self.led: Place | None = None

    def __repr__(self) -> str:
        return f"<Recollection rests {self.rests}, first tokens {self.first_tokens}, running {self.running}>"

    def barred(self, account: AccountKey, model: str, at: float) -> Bar | None:
        """Why the account may not be called for the model; None where it may."""
        bar = self._memory.barred(account, model, at)
        if bar is None:
            return None
        code, seconds, because = bar
        if code == RESTING:
            self.rests[account] = seconds, because
        else:
            self.bars[account, model] = bar
        return bar

    def first_token(self, model: str) -> float | None:
        """Seconds to the first byte, as measured; None where nothing was."""
        seconds = self._memory.first_token(model)
        if seconds is not None:
            self.first_tokens[model] = seconds
        return seconds

    def first_audio(self, model: str) -> float | None:
        """Seconds to the first sound, as measured; None where nothing was."""
        seconds = self._memory.first_audio(model)
        if seconds is not None:
            self.first_audios[model] = seconds
        return seconds

    def speed(self, account: AccountKey | None, model: str, at: float, first: First = First.TOKEN) -> Speed | None:
        """How fast the account answers for the model (None: all accounts together); None where nothing was measured."""
        speed = self._memory.speed(account, model, at, first)
        if speed is not None:
            (self.sounds if first is First.AUDIO else self.speeds)[account, model] = speed
        return speed

    def expected_output(self, client: str, model: str, at: float) -> Habit | None:
        """What the model's answers to the client are like; None where nothing is known."""
        habit = self._memory.expected_output(client, model, at)
        if habit is not None:
            self.habits[model] = habit
        return habit

    def rating(self, model: str, task: str) -> Rating | None:
        """How the model's answers to prompts of the class were rated; None where none was."""
        rating = self._memory.rating(model, task)
        if rating is not None:
            self.ratings[model, task] = rating
        return rating

    def billed(self, model: str, at: float) -> float | None:
        """Tokens billed to one that was estimated, the same for the whole of a plan; None where nothing is known."""
        ratio = self.ratios.get(model)
        if ratio is None:
            ratio = self._memory.billed(model, at)
            if ratio is not None:
                self.ratios[model] = ratio
        return ratio

    def leader(self, rule: str) -> Place | None:
        """Who came first the last time that the rule put candidates in order."""
        self.led = self._memory.leader(rule)
        return self.led

    def in_flight(self, account: AccountKey) -> int:
        """Calls of the account that are running."""
        running = self._memory.in_flight(account)
        if running:
            self.running[account] = running
        return running

    def turn(self, provider: str) -> int:
        """Which turn it is among the provider's accounts: the same for the whole of a plan."""
        turn = self.turns.get(provider)
        if turn is None:
            turn = self.turns[provider] = self._memory.turn(provider)
        return turn
