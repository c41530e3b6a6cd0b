"""Candidates: whom a request may go to, in order, and everybody who was passed over, with the reason in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from routebook.catalogue.models import Model
from routebook.catalogue.providers import Account
from routebook.routing.memory import Recollection
from routebook.routing.reasons import in_words
from routebook.routing.sizes import COUNTED, Size
from routebook.scoring.judged import Judged

Numbers = Mapping[str, Any]
"""What a reason rests on, by name: counts, nano-dollars, seconds, words."""


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A model by one of its accounts that may serve the request; `path` is `provider/account`, for records.

    `estimated_cost` is nano-dollars at most, None where a price is unknown; `first_token` and `first_audio` seconds as measured,
    `quality` what is predicted of its answer (what is declared, where nobody judged the prompt). `reason` is `kept`, or
    `kept.tight` where the prompt may not fit: such candidates come last.

    `expected_cost` is nano-dollars as they are likely to be, worked out where the order goes by cost: `cached` of them are
    saved by the vendor's prompt cache. `seconds` is how long the answer is likely to take, where the order goes by that.
    `age` is how many seconds ago the last of what these rest on was learnt, None where nothing was.
    """

    model: Model
    account: Account
    path: str
    estimated_cost: int | None = None
    first_token: float | None = None
    reason: str = "kept"
    numbers: dict[str, Any] = {}
    quality: float | None = None
    expected_cost: int | None = None
    cached: int = 0
    seconds: float | None = None
    age: float | None = None
    first_audio: float | None = None

    @property
    def name(self) -> str:
        """The model's name in the policy."""
        return self.model.name

    @property
    def key(self) -> tuple[str, str]:
        """Provider and account: whose quota it draws on."""
        return self.model.provider.name, self.account.name

    @property
    def words(self) -> str:
        """Why it stands where it stands, for people."""
        return in_words(self.reason, self.numbers)


class Dropped(msgspec.Struct, frozen=True, gc=False):
    """A model (or one of its accounts) that may not serve the request. `reason` is a stable code."""

    name: str
    reason: str
    numbers: dict[str, Any] = {}
    account: str | None = None

    @property
    def words(self) -> str:
        """Why, for people: `context 128k < prompt 150k`."""
        return in_words(self.reason, self.numbers)


class Stick(msgspec.Struct, frozen=True, gc=False):
    """What became of a conversation under a rule that sticks: `event` is `initialize`, `retain` or `switch`, `before`
    where it was (a model's name and the path of its account), `why` the reason's code where it could not stay, or did not.

    `gain` is what another candidate would save from now on, in nano-dollars a request, `loss` what it would cost once
    because it has nothing of the conversation in its cache; None where that was not weighed. `bound`: the conversation
    goes on from what only its provider has.
    """

    event: str
    before: tuple[str, str] | None = None
    why: str | None = None
    gain: int | None = None
    loss: int | None = None
    bound: bool = False


class Plan(msgspec.Struct, frozen=True, gc=False):
    """A route as it stands for one request.

    `size` is the prompt as it was measured (None: no candidate came so far), `memory` what was read of it, `point` the
    request's place in a split, `share` the name that it chose there, `stick` what became of its conversation (None
    where the rule does not stick and the request goes on from no answer, or belongs to none), `place` where its
    conversation stands among a provider's accounts (None where that was not asked for), `judged` how hard the prompt is
    (None where nobody asked). `leader` is who came first in the order that what was learnt gave, `probed` who came before
    that to be measured again (a model's name and the path of its account; None where the order does not depend on that).
    `estimates` are the prompt's tokens for other families of tokenizers than that of `size`, `counted` those that were
    counted exactly, both where they were looked at.
    """

    kept: tuple[Candidate, ...]
    dropped: tuple[Dropped, ...]
    size: Size | None = None
    memory: Recollection | None = None
    point: int | None = None
    share: str | None = None
    stick: Stick | None = None
    place: int | None = None
    judged: Judged | None = None
    leader: tuple[str, str] | None = None
    probed: tuple[str, str] | None = None
    estimates: dict[str, int] = {}
    counted: dict[str, int] = {}

    def estimate_for(self, model: Model) -> int | None:
        """The prompt's tokens as they were estimated for a model, uncorrected; None where they were not."""
        size = self.size
        if size is None or size.by not in COUNTED:
            return None
        return self.estimates.get(model.tokenizer, size.tokens)
