"""How many tokens a prompt has for each candidate: of its family of tokenizers, corrected by what its upstream bills.

Texts are read once, and only where something depends on them. What a limit is too near to for an estimate is counted, where
the extra `tokens` is installed. All of it stands in the record, so that whoever decides again need not have the text.
"""

from __future__ import annotations

from routebook.catalogue.models import Model
from routebook.chat.tokens import FIT_MARGIN
from routebook.routing.demand import Demand
from routebook.routing.memory import Memory
from routebook.routing.sizes import COUNTED, EXACT, Size, may_exceed


class Measured:
    """One request's prompt. `size` is of the family of the model asked for (None: nobody has measured), `estimates` are
    those of other families, `counted` what was counted exactly because a context is near."""

    def __init__(self, demand: Demand, memory: Memory, at: float) -> None:
        self._demand = demand
        self._memory = memory
        self._at = at
        self.size: Size | None = None
        self.estimates: dict[str, int] = {}
        self.counted: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<Measured {self.size}, {self.estimates}, {self.counted}>"

    def measure(self, closely: bool) -> Size:
        """Its size, by its text where something depends on it."""
        if self.size is None:
            self.size = self._demand.size(closely)
        return self.size

    def tokens(self, model: Model) -> int:
        """Its tokens for a model; by its bytes, the same for all, where nothing depends on them."""
        size = self.measure(False)
        if size.by not in COUNTED:
            return size.tokens
        found = self._estimate(model.tokenizer)
        if found is None and size.by == EXACT:
            return size.tokens
        ratio = self._memory.billed(model.name, self._at)
        found = size.tokens if found is None else found
        return found if ratio is None else round(found * ratio)

    def against(self, model: Model, limit: int) -> tuple[int, int]:
        """Its tokens, and how many they are at most, where they are put to a limit: counted where the error of an
        estimate could turn the answer and somebody can count here."""
        prompt = self.tokens(model)
        if may_exceed(prompt, limit) and (counted := self._counted(model.tokenizer)) is not None:
            return counted, counted
        return prompt, int(prompt * FIT_MARGIN)

    def _estimate(self, family: str) -> int | None:
        """The estimate for another family; None where it is the one of `size`."""
        found = self.estimates.get(family)
        if found is None:
            found = self._demand.estimate_in(family)
            if found is not None:
                self.estimates[family] = found
        return found

    def _counted(self, family: str) -> int | None:
        if self.measure(False).by not in COUNTED:
            return None
        found = self.counted.get(family)
        if found is None:
            found = self._demand.exactly_in(family)
            if found is not None:
                self.counted[family] = found
        return found
