"""What a call holds, as its record tells it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from routebook.edge.calls import Call
from routebook.routing.attempts import AttemptOutcome
from routebook.routing.holding import NOT_HELD


class Asked:
    """Sums that only say what they were asked to add."""

    def __init__(self) -> None:
        self.added: list[str] = []

    def add_held(self, held: object) -> None:
        self.added.append("held")

    def add_used(self, uses: object) -> None:
        self.added.append("used")


@pytest.mark.parametrize(
    ("is_closed", "over", "added"), [(False, False, "held"), (True, False, "used"), (False, True, "used")]
)
def test_what_has_begun_to_answer_holds_until_it_lets_go(is_closed: bool, over: bool, added: str) -> None:
    """An outcome is there with the first byte, and what was used is known with the last: between them all is held."""
    call = Call(cast(Any, None), NOT_HELD, cast(Any, None))
    call.outcome, call.is_closed, sums = AttemptOutcome(status=200), is_closed, Asked()
    call.add_to(cast(Any, sums), over)
    assert sums.added == [added]
