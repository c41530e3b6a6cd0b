"""What can be routed to: models with price, context, abilities and quality; pools of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import msgspec

from routebook.catalogue.providers import Provider
from routebook.catalogue.tokenizers import DEFAULT
from routebook.documents.problems import Location


class Price(msgspec.Struct, frozen=True, gc=False):
    """Nano-dollars per million tokens of each kind (the names are those of `chat.usage.Usage`), per million milliseconds
    (`heard_ms`) and characters, and per request.

    None is an unknown price, which is said in the record and never counted as zero.
    """

    input: int | None = None
    cached_input: int | None = None
    cache_write: int | None = None
    audio_input: int | None = None
    output: int | None = None
    reasoning: int | None = None
    audio_output: int | None = None
    cached_audio_input: int | None = None
    heard_ms: int | None = None
    characters: int | None = None
    request: int = 0


UNPRICED: Final = Price()
"""The price of what nobody declared one for."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model under the name that rules use. `upstream_id` is what the vendor calls it; tokens are counts. `quality` is
    how good its answers are over all prompts, `qualities` by class of task, where they are declared. `lacks` are features
    of its dialect that it does not take. `voices` are its provider's names of voices by those that clients use. `first_token` and `first_audio` are how many
    seconds its first token and its first sound usually take, for as long as nothing was measured."""

    name: str
    provider: Provider
    upstream_id: str
    location: Location
    price: Price = UNPRICED
    context: int | None = None
    max_output: int | None = None
    capabilities: frozenset[str] = frozenset()
    operations: frozenset[str] = frozenset({"chat"})
    quality: float | None = None
    qualities: dict[str, float] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    tokenizer: str = DEFAULT
    lacks: frozenset[str] = frozenset()
    first_token: float | None = None
    voices: dict[str, str] = field(default_factory=dict)
    first_audio: float | None = None

    @property
    def region(self) -> str | None:
        """Where its provider stands."""
        return self.provider.region


@dataclass(frozen=True, slots=True)
class Pool:
    """A named list of models."""

    name: str
    models: tuple[str, ...]
    location: Location


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that a policy may route to, by name."""

    providers: dict[str, Provider]
    models: dict[str, Model]
    pools: dict[str, Pool]
