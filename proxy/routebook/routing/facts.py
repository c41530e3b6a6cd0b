"""The facts of one request, each found out when a rule first asks for it, and kept for the record."""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from routebook.catalogue.callers import Client
from routebook.catalogue.tokenizers import DEFAULT
from routebook.chat.asked import Asked
from routebook.chat.tokens import count_classes
from routebook.policy.facts import Value
from routebook.policy.operators import AMOUNT
from routebook.routing.constraints import Headers
from routebook.routing.fact_table import FACTS, WEEKDAYS
from routebook.routing.memory import Memory
from routebook.routing.own_tasks import own_task
from routebook.routing.patterns import compiled
from routebook.routing.policy import Policy
from routebook.routing.reading.terms import CREDENTIALS
from routebook.routing.sizes import (
    BYTES,
    ESTIMATE,
    EXACT,
    SMALL,
    Size,
    bytes_decide,
    exact_prompt_tokens,
    may_exceed,
    most_tokens,
    prompt_tokens,
    tokens_by_bytes,
)
from routebook.scoring.judged import Judged, classed, judged

__all__ = ["FACTS", "TAGS_HEADER", "GivenFacts", "RequestFacts"]

TAGS_HEADER: Final = "x-routebook-tags"
TAGS_ENTRY: Final = "tags"
"""The entry of a body's metadata that adds tags, as the header does: separated by commas."""

MOST_TAGS: Final = 32
LONGEST: Final = 200
"""Characters of a tag, a header or an entry of metadata beyond which it is not taken: facts are recorded."""


class Figure(NamedTuple):
    """How a budget stands in a request's scope: what is settled, of how much."""

    used: int
    limit: int


class RequestFacts:
    """What rules may know of one request (`policy.facts.Ask`); asking may raise ProtocolError.

    `seen` is everything that was asked for, None where it is missing: enough to decide again. `now` is seconds since
    1970, `at` monotonic seconds. `figures` are those of the budgets that rules ask about, `guarded` what guards say, by
    their facts.
    """

    __slots__ = (
        "_classes",
        "_ignored",
        "_judged",
        "_policy",
        "asked",
        "at",
        "client",
        "figures",
        "guarded",
        "headers",
        "memory",
        "now",
        "seen",
        "sized",
    )

    def __init__(
        self,
        asked: Asked,
        client: Client,
        headers: Headers,
        now: float,
        policy: Policy,
        memory: Memory,
        at: float = 0.0,
    ) -> None:
        self.asked = asked
        self.client = client
        self.headers = headers
        self.now = now
        self.at = at
        self.memory = memory
        self._policy = policy
        self.seen: dict[str, Value | None] = {}
        self.figures: Mapping[str, Figure] = {}
        self.guarded: Mapping[str, Value] = {}
        self._ignored: tuple[str, ...] | None = None
        self._judged: Judged | None = None
        self._classes: list[int] | None = None
        self.sized: Size | None = None
        """The fact `prompt.tokens` and how it was found, where a condition has asked."""

    def __call__(self, key: str) -> Value | None:
        seen = self.seen
        if key in seen:
            return seen[key]
        reader = _READERS.get(key)
        value = self._of_family(key) if reader is None else reader(self)
        seen[key] = value
        return value

    def __repr__(self) -> str:
        return f"<RequestFacts of {self.asked!r}, {len(self.seen)} seen>"

    @property
    def recorded(self) -> Mapping[str, Value | None]:
        """Everything that was asked, and the headers that the policy keeps beside (`settings.record.headers`)."""
        for name in self._policy.settings.record_headers:
            self(f"request.header.{name}")
        return self.seen

    @property
    def ignored_tags(self) -> tuple[str, ...]:
        """The tags that the client may not set, or that are too many or long; known also where no rule asks for tags."""
        if self._ignored is None:
            self._tags()
        return self._ignored or ()

    @property
    def judged(self) -> Judged:
        """How hard what the user wrote last is, and of what kind; found out once."""
        if self._judged is None:
            # kept before classes are tried: their conditions may ask how hard the prompt is
            self._judged = judged(self._policy.scorer.score(self.asked.latest))
            if self._policy.tasks:
                self._judged = classed(self._judged, own_task(self._policy.tasks, self))
        return self._judged

    @property
    def was_judged(self) -> bool:
        """Whether anybody has asked."""
        return self._judged is not None

    @property
    def family(self) -> str:
        """Whose tokens `prompt.tokens` are: those of the model asked for, where the policy knows it."""
        model = self._policy.catalogue.models.get(self.asked.model)
        return DEFAULT if model is None else model.tokenizer

    def estimate(self, family: str) -> int:
        """The prompt's tokens for a family of tokenizers, estimated; its text is read once for all of them."""
        if self._classes is None:
            self._classes = count_classes(self.asked.text)
        return prompt_tokens(self.asked, family, self._classes)

    def size(self) -> Size:
        """The prompt's tokens by its text, whether or not a condition depends on them."""
        sized = self.sized
        return Size(self.estimate(self.family), ESTIMATE) if sized is None or sized.by == BYTES else sized

    def _tokens(self) -> int:
        """As closely as conditions depend on it: by the body's bytes where it is large and they decide them all, else by an
        estimate, or counted where the estimate's error could turn one and the extra `tokens` is installed."""
        limits = self._policy.token_limits
        if self.asked.body_bytes > SMALL and bytes_decide(most_tokens(self.asked), limits):
            self.sized = Size(tokens_by_bytes(self.asked.body_bytes), BYTES)
            return self.sized.tokens
        found = self.estimate(self.family)
        self.sized = Size(found, ESTIMATE)
        for limit in limits or ():
            if may_exceed(found, limit):
                counted = exact_prompt_tokens(self.asked, self.family)
                if counted is not None:
                    self.sized = Size(counted, EXACT)
                break
        return self.sized.tokens

    def _of_family(self, key: str) -> Value | None:
        name, argument = _split(key)
        if name in _OF_BUDGETS and argument is not None:
            return self._of_budget(argument, name == "budget.NAME.left", is_amount=key.endswith(f"[{AMOUNT}]"))
        reader = _FAMILIES.get(name)
        return None if reader is None or argument is None else reader(self, argument)

    def _tags(self) -> frozenset[str]:
        written = self.headers.get(TAGS_HEADER)
        entry = self.asked.metadata.get(TAGS_ENTRY)
        self._ignored = ()
        if written is None and entry is None:
            return self.client.tags
        wanted = [tag for text in (written, entry) if text for tag in map(str.strip, text.split(",")) if tag]
        may = self.client.may_set_tags
        taken = [tag for tag in dict.fromkeys(wanted) if len(tag) <= LONGEST and (may is None or tag in may)][
            :MOST_TAGS
        ]
        self._ignored = tuple(tag[:LONGEST] for tag in dict.fromkeys(wanted) if tag not in taken)[:MOST_TAGS]
        return self.client.tags.union(taken)

    def _header(self, name: str) -> str | None:
        return None if name.lower() in CREDENTIALS else _bounded(self.headers.get(name))

    def _matches(self, name: str) -> bool | None:
        pattern = self._policy.patterns.get(name)
        return None if pattern is None else compiled(pattern).search(self.asked.text) is not None

    def _available(self, name: str) -> bool | None:
        model = self._policy.catalogue.models.get(name)
        if model is None:
            return None
        provider = model.provider
        return any(
            self.memory.barred((provider.name, account.name), name, self.at) is None for account in provider.accounts
        )

    def _of_budget(self, name: str, left: bool, is_amount: bool) -> Value | None:
        """What is used of a budget, or left of it (never less than nothing), as an amount or as a share."""
        figure = self.figures.get(name)
        if figure is None:
            return None
        amount = max(0, figure.limit - figure.used) if left else figure.used
        return amount if is_amount else amount / figure.limit

    def _clock(self, zone: str) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(self.now, _zone(zone))


class GivenFacts:
    """Facts given by hand or by a record; what is not given is missing. `seen` is what was asked for."""

    def __init__(self, given: Mapping[str, Value]) -> None:
        self.given = given
        self.seen: dict[str, Value | None] = {}

    def __call__(self, key: str) -> Value | None:
        value = self.seen[key] = self.given.get(key)
        return value

    def __repr__(self) -> str:
        return f"<GivenFacts {dict(self.given)!r}>"


def _bounded(text: str | None) -> str | None:
    return None if text is None or len(text) > LONGEST else text


def _seconds(clock: datetime.datetime) -> int:
    return clock.hour * 3600 + clock.minute * 60 + clock.second


@lru_cache(maxsize=4096)
def _split(key: str) -> tuple[str, str | None]:
    """A key that is not a plain name: its row's name, and what stands for NAME or in brackets."""
    spec = FACTS.find(key)
    if spec is None:
        return key, None
    return spec.name, key.partition("[")[2].rstrip("]") if spec.zoned else FACTS.argument(key)


@lru_cache(maxsize=64)
def _zone(name: str) -> zoneinfo.ZoneInfo:
    return zoneinfo.ZoneInfo(name)


_READERS: Final[Mapping[str, Callable[[RequestFacts], Value | None]]] = {
    "request.operation": lambda facts: facts.asked.operation,
    "request.dialect": lambda facts: facts.asked.dialect,
    "request.model": lambda facts: facts.asked.model,
    "request.stream": lambda facts: facts.asked.stream,
    "request.max_output": lambda facts: facts.asked.max_output,
    "request.needs": lambda facts: facts.asked.needs,
    "prompt.bytes": lambda facts: facts.asked.body_bytes,
    "prompt.messages": lambda facts: facts.asked.messages,
    "prompt.images": lambda facts: facts.asked.images,
    "prompt.tools": lambda facts: facts.asked.tools,
    "prompt.tokens": RequestFacts._tokens,
    "prompt.complexity": lambda facts: facts.judged.complexity,
    "prompt.task": lambda facts: facts.judged.task,
    "client.name": lambda facts: facts.client.name,
    "client.team": lambda facts: facts.client.team,
    "tags": RequestFacts._tags,
    "time.of_day": lambda facts: _seconds(facts._clock("UTC")),
    "time.weekday": lambda facts: WEEKDAYS[facts._clock("UTC").weekday()],
    "time.date": lambda facts: facts._clock("UTC").toordinal(),
}

_FAMILIES: Final[Mapping[str, Callable[[RequestFacts, str], Value | None]]] = {
    "request.header.NAME": RequestFacts._header,
    "request.form.NAME": lambda facts, name: _bounded(facts.asked.form.get(name)),
    "request.metadata.NAME": lambda facts, name: _bounded(facts.asked.metadata.get(name)),
    "prompt.matches.NAME": RequestFacts._matches,
    "client.label.NAME": lambda facts, name: facts.client.labels.get(name),
    "time.of_day": lambda facts, zone: _seconds(facts._clock(zone)),
    "time.weekday": lambda facts, zone: WEEKDAYS[facts._clock(zone).weekday()],
    "time.date": lambda facts, zone: facts._clock(zone).toordinal(),
    "guard.NAME.found": lambda facts, name: facts.guarded.get(f"guard.{name}.found"),
    "guard.NAME.verdict": lambda facts, name: facts.guarded.get(f"guard.{name}.verdict"),
    "model.NAME.available": RequestFacts._available,
    "model.NAME.first_token": lambda facts, name: facts.memory.first_token(name),
    "model.NAME.first_audio": lambda facts, name: facts.memory.first_audio(name),
}
"""Facts by row, with what stands for NAME or the zone."""

_OF_BUDGETS: Final = frozenset({"budget.NAME.left", "budget.NAME.used"})
