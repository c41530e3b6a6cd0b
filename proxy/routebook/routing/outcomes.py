"""What a rule decides: a route with its terms, or a refusal."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

REQUESTED = "requested"
"""The word in `to:` that stands for the model the client asked for."""


class Pick(enum.Enum):
    """How candidates that meet every constraint are ordered."""

    __hash__ = object.__hash__  # enum's own is written in Python

    IN_ORDER = "in_order"
    CHEAPEST = "cheapest"
    FASTEST = "fastest"
    BEST = "best"
    BALANCED = "balanced"
    LEAST_BUSY = "least_busy"
    WEIGHTED = "weighted"


class Mode(enum.Enum):
    """What a client asks of a route that weighs quality and cost."""

    BALANCED = "balanced"
    COST = "cost"
    QUALITY = "quality"


class Affinity(enum.Enum):
    """What a client asks for its conversation: to stay on its model while that does not cost more than moving, to stay
    wherever it may, or to be decided anew each time."""

    ADAPTIVE = "adaptive"
    STICKY = "sticky"
    NONE = "none"


BANDS: Final[Mapping[Pick, float | None]] = {Pick.BALANCED: 0.02, Pick.BEST: 0.0, Pick.CHEAPEST: None}
"""Ways to pick that weigh the quality predicted of an answer against its cost: how far below the best predicted quality
the cheapest is taken where the rule does not say. None: however far, so that nobody predicts."""


class Within(msgspec.Struct, frozen=True):
    """Constraints that every candidate must meet; None asks nothing.

    `cost` is nano-dollars for this request at most, `first_token` and `first_audio` seconds, `quality` from 0 to 1 at least. A client may
    also name `models`, of which one must serve, the `mode` of choosing, what of its conversation's
    `affinity`, and what it calls the `session` (never recorded).
    """

    cost: int | None = None
    first_token: float | None = None
    quality: float | None = None
    regions: frozenset[str] | None = None
    labels: dict[str, str] = {}
    models: frozenset[str] | None = None
    mode: Mode | None = None
    affinity: Affinity | None = None
    session: str | None = None
    first_audio: float | None = None


UNCONSTRAINED: Final = Within()
"""No constraints."""


@dataclass(frozen=True, slots=True)
class Split:
    """Shares of traffic by model or pool name, as parts per million; `by` keeps one client or conversation together."""

    shares: tuple[tuple[str, int], ...]
    by: str = "client"


@dataclass(frozen=True, slots=True)
class Caps:
    """Caps and defaults on the outgoing request (`set:`)."""

    max_output: int | None = None
    temperature: float | None = None
    reasoning_effort: str | None = None


@dataclass(frozen=True, slots=True)
class Reuse:
    """How an answer may be used again: for so many seconds, by the client who got it or, where `shared`, by all."""

    seconds: float
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Who serves a chat that is to be spoken, where nobody of the route can: models that write, models that speak what was
    written, and the voice (None: the one that the client names)."""

    text: tuple[str, ...]
    speech: tuple[str, ...]
    voice: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Send the request to the first of these that can serve it.

    `to` holds model names, pool names and `requested`, as written; `weights` belong to `pick: weighted`.
    `band` is how far below the best predicted quality a cheaper candidate is still taken (None: the usual of `pick`);
    `stick` is seconds for which a conversation stays after each of its answers; `shadow` is (model, share in parts per
    million).
    """

    to: tuple[str, ...]
    pick: Pick = Pick.IN_ORDER
    weights: dict[str, int] = field(default_factory=dict)
    within: Within = UNCONSTRAINED
    split: Split | None = None
    stick: float | None = None
    shadow: tuple[str, int] | None = None
    caps: Caps = Caps()
    cache: Reuse | None = None
    band: float | None = None
    pipeline: Pipeline | None = None

    @property
    def judges(self) -> bool:
        """Whether the order depends on how hard the prompt is."""
        return self.band is not None or BANDS.get(self.pick) is not None

    @property
    def weighs_cost(self) -> bool:
        """Whether the order depends on what the request costs, and not only where two are equally good."""
        return self.band is not None or self.pick in (Pick.CHEAPEST, Pick.BALANCED)


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with an error of the policy's own wording."""

    status: int = 403
    message: str = "refused by policy"
    code: str = "refused_by_policy"


Outcome = Route | Refuse
"""What a rule decides."""
