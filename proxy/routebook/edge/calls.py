"""One call of an upstream: who is called, what is held for it, when it began and answered, and how it ended."""

from __future__ import annotations

from routebook.chat.loss import Loss
from routebook.documents.quantities import Unit
from routebook.edge.upstream import Answer
from routebook.health.measurements import Call as Watched
from routebook.ledger.claims import Counter
from routebook.ledger.draws import Need
from routebook.routing.attempts import AttemptOutcome
from routebook.routing.candidates import Candidate
from routebook.routing.holding import Held, Sums, uses_of
from routebook.routing.meter import NOTHING, Metered


class Call:
    """A call that is about to be made, running, or over. Times are seconds since the exchange began.

    `watched` is what is remembered of it for others, `http` the answer that its upstream is giving, `metered` what the
    call used, once that is known; `losses` is what of the request its dialect could not be told; `is_closed` says that everything it held has been let go.
    """

    __slots__ = (
        "_uses",
        "_uses_of",
        "candidate",
        "first_byte",
        "held",
        "http",
        "is_closed",
        "losses",
        "metered",
        "outcome",
        "started",
        "watched",
    )

    def __init__(self, candidate: Candidate, held: Held, watched: Watched) -> None:
        self.candidate = candidate
        self.held = held
        self.watched = watched
        self.started: float | None = None
        self.first_byte: float | None = None
        self.http: Answer | None = None
        self.outcome: AttemptOutcome | None = None
        self.losses: tuple[Loss, ...] = ()
        self.metered: Metered = NOTHING
        self.is_closed = False
        self._uses: list[tuple[Counter, Need, int]] = []
        self._uses_of: tuple[Held, Metered, bool, bool] | None = None

    def __repr__(self) -> str:
        state = "not begun" if self.started is None else "running" if self.is_running else "over"
        return f"<Call of {self.candidate.name} by {self.candidate.path}, {state}>"

    @property
    def waited(self) -> float | None:
        """Seconds from the call to the first byte of its answer; None where none has come."""
        return None if self.first_byte is None or self.started is None else self.first_byte - self.started

    @property
    def is_running(self) -> bool:
        """Whether the upstream was called and no outcome is known."""
        return self.started is not None and self.outcome is None

    @property
    def money_held(self) -> int:
        """The most that is held of any budget of money, in nano-dollars."""
        return max((need.claim.amount for need in self.held.needs if need.unit is Unit.MONEY), default=0)

    @property
    def exceeded(self) -> int:
        """By how much its cost exceeds what was held for it, in nano-dollars; 0 where no money was held."""
        held = self.money_held
        return max(0, self.metered.cost.total - held) if held else 0

    def uses(self) -> list[tuple[Counter, Need, int]]:
        """What it drew on, and how much of that it used. Asked when it is over: for its record, and to let go of it."""
        of = self.held, self.metered, self.started is not None, self._counts
        if of != self._uses_of:
            self._uses_of = of
            self._uses = uses_of(*of)
        return self._uses

    def add_to(self, sums: Sums, over: bool) -> None:
        """Add what it holds of windows, or what it used of them where that was let go, or the whole exchange is over. One whose
        answer has begun has an outcome, and holds on: what it used is known at its end."""
        if over or self.is_closed:
            sums.add_used(self.uses())
        else:
            sums.add_held(self.held)

    @property
    def _counts(self) -> bool:
        """Whether it counts as a request of its client: it was answered, or may have been billed."""
        return self.metered is not NOTHING or (self.outcome is not None and self.outcome.failure is None)
