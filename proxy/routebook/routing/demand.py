"""What a request demands of a candidate, whoever knows it: a live request, or the record of one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from routebook.catalogue.models import Model
from routebook.chat.asked import Asked
from routebook.chat.conversation import ChatRequest
from routebook.chat.features import Feature
from routebook.chat.loss import Done
from routebook.policy.facts import Value
from routebook.routing.facts import RequestFacts
from routebook.routing.sizes import BYTES, GIVEN, Size, exact_prompt_tokens, most_tokens, tokens_by_bytes
from routebook.scoring.judged import Judged

MILLION: Final = 1_000_000


UNSIZED: Final = Size(0, GIVEN)
"""Of a prompt of which nothing is known."""


class Demand(Protocol):
    """What candidates are measured against."""

    @property
    def operation(self) -> str:
        """What is asked of a model."""

    @property
    def model(self) -> str:
        """The model asked for."""

    @property
    def dialect(self) -> str:
        """The client's dialect."""

    @property
    def stream(self) -> bool:
        """Whether the answer is wanted as a stream."""

    @property
    def needs(self) -> frozenset[str]:
        """Capabilities that it cannot do without."""

    @property
    def max_output(self) -> int | None:
        """The most tokens the client wants back."""

    @property
    def choices(self) -> int:
        """How many answers are wanted."""

    @property
    def texts(self) -> int:
        """How many prompts it holds: one, but for embeddings."""

    @property
    def most_tokens(self) -> int:
        """More tokens than its prompt can have."""

    @property
    def most_ms(self) -> int:
        """Milliseconds of sound that are to be written down, at most."""

    @property
    def characters(self) -> int:
        """Characters that are to be spoken."""

    def size(self, closely: bool) -> Size:
        """The tokens of its prompt; `closely` where a limit depends on them."""

    def estimate_in(self, family: str) -> int | None:
        """The tokens of its prompt for a family of tokenizers; None where `size` is of that family, or nobody knows."""

    def exactly_in(self, family: str) -> int | None:
        """The same, counted; None where nobody can count here."""

    def judged(self) -> Judged | None:
        """How hard its prompt is; None where nobody knows."""

    def lost_to(self, model: Model, dialect: str, verdicts: Mapping[Feature, Done]) -> Sequence[str]:
        """What of it cannot be carried to a model in another dialect, and must be: features by name."""

    def split_point(self, by: str, rule: str, draw: float) -> int:
        """Where it stands in a rule's split, in parts per million: the same for all requests of one client, or of one
        conversation."""

    def place_of_conversation(self, draw: float) -> int:
        """Where its conversation stands among a provider's accounts, in parts per million."""


class LiveDemand:
    """A request as it stands before us; raises ProtocolError where it turns out to be malformed."""

    def __init__(self, facts: RequestFacts) -> None:
        asked = facts.asked
        self._facts = facts
        self._asked: Asked = asked
        self.operation = asked.operation
        self.model = asked.model
        self.dialect = asked.dialect
        self.stream = asked.stream
        self.needs = asked.needs
        self.max_output = asked.max_output
        self.choices = asked.choices
        self.texts = asked.messages if asked.operation == "embeddings" else 1
        self.most_tokens = most_tokens(asked)
        self.most_ms = asked.most_ms
        self.characters = asked.characters
        self._lost: dict[tuple[str, str | None, frozenset[str]], tuple[str, ...]] = {}

    def __repr__(self) -> str:
        return f"<LiveDemand of {self._asked!r}>"

    def size(self, closely: bool) -> Size:
        """By the fact `prompt.tokens` where a rule has asked for it; otherwise by reading the text, where a limit
        depends on it, and by the body's size where nothing does."""
        facts = self._facts
        if closely or self._asked.most_ms or (facts.sized is not None and facts.sized.by != BYTES):
            return facts.size()
        return Size(tokens_by_bytes(self._asked.body_bytes), BYTES)

    def estimate_in(self, family: str) -> int | None:
        """Estimated; the text is read once for all families."""
        return None if family == self._facts.family else self._facts.estimate(family)

    def exactly_in(self, family: str) -> int | None:
        """Counted, where the extra `tokens` is installed."""
        return exact_prompt_tokens(self._asked, family)

    def judged(self) -> Judged | None:
        """By the scorer; texts to embed are not judged."""
        return None if self.operation == "embeddings" or self._asked.most_ms else self._facts.judged

    def lost_to(self, model: Model, dialect: str, verdicts: Mapping[Feature, Done]) -> Sequence[str]:
        """By the dialect's table; raises ProtocolError where the request cannot be read."""
        # whoever only reads and checks a policy needs no codec
        from routebook.routing.translation import refused_by, target_of

        key = dialect, model.provider.version, model.lacks
        if key not in self._lost:
            chat: ChatRequest = self._asked.chat  # type: ignore[attr-defined]  # whatever can be translated has it
            self._lost[key] = refused_by(dialect, chat, target_of(model, verdicts))
        return self._lost[key]

    def split_point(self, by: str, rule: str, draw: float) -> int:
        """A digest of who asks, or of what a conversation began with; by the draw where nobody has a name."""
        client, user = self._facts.client.name, self._asked.user or ""
        if by == "conversation" and self._asked.opening:
            who = self._asked.opening
        elif client == "anonymous" and not user:
            return int(draw * MILLION)
        else:
            who = user.encode("utf-8", "replace")
        return _point(rule, client, who)

    def place_of_conversation(self, draw: float) -> int:
        """A digest of what the conversation began with; without that, of who asks; by the draw where nobody has a
        name."""
        return self.split_point("conversation", "", draw)


@dataclass(frozen=True, slots=True)
class KnownDemand:
    """A demand whose every part is known: from a record, or from facts given by hand."""

    operation: str
    model: str
    needs: frozenset[str] = frozenset()
    max_output: int | None = None
    choices: int = 1
    texts: int = 1
    most_tokens: int = 0
    known_size: Size = UNSIZED
    point: int | None = None
    conversation: int | None = None
    dialect: str = "openai-chat"
    lost: Mapping[str, Sequence[str]] = field(default_factory=dict)
    known_judged: Judged | None = None
    stream: bool = False
    most_ms: int = 0
    characters: int = 0
    estimates: Mapping[str, int] = field(default_factory=dict)
    counted: Mapping[str, int] = field(default_factory=dict)

    def judged(self) -> Judged | None:
        """As it was."""
        return self.known_judged

    def lost_to(self, model: Model, dialect: str, verdicts: Mapping[Feature, Done]) -> Sequence[str]:
        """As it was, by the model's name; nothing where that is not known."""
        return self.lost.get(model.name, ())

    def size(self, closely: bool) -> Size:
        """As it was."""
        return self.known_size

    def estimate_in(self, family: str) -> int | None:
        """As it was; of older records nothing is known but the size."""
        return self.estimates.get(family)

    def exactly_in(self, family: str) -> int | None:
        """As it was, where it was counted."""
        return self.counted.get(family)

    def split_point(self, by: str, rule: str, draw: float) -> int:
        """As it was; by the draw where that is not known."""
        return int(draw * MILLION) if self.point is None else self.point

    def place_of_conversation(self, draw: float) -> int:
        """As it was; by the draw where that is not known."""
        return int(draw * MILLION) if self.conversation is None else self.conversation


def demand_of_facts(given: dict[str, Value]) -> KnownDemand:
    """The demand of a request of which only facts are known (`explain --given`)."""
    tokens, most = given.get("prompt.tokens"), given.get("request.max_output")
    needs, operation, model = given.get("request.needs"), given.get("request.operation"), given.get("request.model")
    dialect = given.get("request.dialect")
    size = int(tokens) if isinstance(tokens, int | float) else 0
    return KnownDemand(
        operation=operation if isinstance(operation, str) else "chat",
        model=model if isinstance(model, str) else "",
        needs=needs if isinstance(needs, frozenset) else frozenset(),
        max_output=int(most) if isinstance(most, int | float) else None,
        most_tokens=size,
        known_size=Size(size, "given"),
        dialect=dialect if isinstance(dialect, str) else "openai-chat",
        stream=given.get("request.stream") is True,
    )


def _point(rule: str, client: str, who: bytes) -> int:
    digest = hashlib.blake2b(digest_size=8)
    for part in (rule.encode(), client.encode(), who):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return int.from_bytes(digest.digest(), "big") * MILLION >> 64
