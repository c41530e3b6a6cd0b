"""One session's entry in the journal: as an exchange's, with a line for each response, and who ended it."""

from __future__ import annotations

from typing import Final

from routebook.chat.usage import KINDS, Usage
from routebook.edge.calls import Call
from routebook.edge.entry import Entry
from routebook.edge.gateway import Gateway
from routebook.edge.identity.ephemeral import Grant
from routebook.ledger.claims import Counter
from routebook.ledger.cost import Cost
from routebook.ledger.draws import Need
from routebook.protocols.gemini.live_tokens import forbidden
from routebook.routing.answer_cache import Said
from routebook.routing.drawing import RequestDraws
from routebook.routing.holding import Held, Sums, uses_of
from routebook.routing.meter import NOTHING, Metered
from routebook.routing.record import Line

MOST_LINES: Final = 500
"""Responses that have a line of their own in a record; further ones are counted, and their usage is in the sums."""


class Turn:
    """What is held for one response, and what it used, once that is known."""

    __slots__ = ("asked", "held", "metered", "prompt", "sounded", "spoke")

    def __init__(self, held: Held, prompt: int, asked: float) -> None:
        self.held = held
        self.prompt = prompt
        self.asked = asked
        self.spoke: float | None = None
        self.sounded: float | None = None
        self.metered: Metered | None = None

    def __repr__(self) -> str:
        return f"<Turn {'running' if self.metered is None else 'over'}>"

    def uses(self) -> list[tuple[Counter, Need, int]]:
        """What it drew on, and how much of that it used."""
        return uses_of(self.held, self.metered or NOTHING, True, True)


class SessionEntry(Entry):
    """The record of one session in the making. `closed` says how it ended: by whom, and with which code; `grant` what its
    client was granted, where it shows a secret that was made here."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway, "realtime")
        self.closed: Line = {}
        self.grant: Grant | None = None
        self._lines: list[Line] = []
        self._more = 0
        self._running: set[Turn] = set()
        self._used: dict[Counter, tuple[Need, int]] = {}
        self._total: Metered | None = None
        self._over = 0
        self._seconds = 0.0

    @property
    def draws(self) -> RequestDraws | None:
        """What the session draws on, whoever serves it."""
        return self._draws

    @property
    def longest(self) -> float:
        """How many seconds it may last from now on: as the policy says, and as what was granted does."""
        longest = self.policy.settings.sessions.longest
        if self.grant is None or self.grant.dialect is None:
            return longest
        return max(0.0, min(longest, self.grant.expires - self.gateway.clock.now()))

    @property
    def forbidden(self) -> frozenset[str]:
        """Frames that its client may not send, by their names, because a token forbids it."""
        grant = self.grant
        return frozenset() if grant is None or grant.dialect is None else forbidden(grant.settings, grant.mask)

    def holds(self, turn: Turn) -> bool:
        """Something is held for a response from now on; whether that could be recorded."""
        self._running.add(turn)
        if not turn.held.needs:
            return True
        self._holds = True
        self.gateway.metrics.held(1)
        return self._write_held()

    def frees(self, turn: Turn) -> None:
        """A response is over, or does not come: what it did not use is let go, what it used is booked."""
        self._running.discard(turn)
        metered = turn.metered
        if metered is not None:
            self._total = metered if self._total is None else _sum(self._total, metered)
        if not turn.held.needs:
            return
        uses = turn.uses()
        for counter, need, used in uses:
            self._used[counter] = need, self._used.get(counter, (need, 0))[1] + used
            if metered is not None and need.unit is not None and need.unit.name == "MONEY":
                self._over = max(self._over, used - need.claim.amount)
        self._free(uses)
        self.gateway.metrics.held(-1)

    def drops(self, turn: Turn) -> None:
        """What was to be held for a response could not be recorded: it is let go, for nobody is asked on its account."""
        self._running.discard(turn)
        self.gateway.till.settle(turn.uses())
        self.gateway.metrics.held(-1)

    def responded(self, line: Line) -> None:
        """A line for a response that is over."""
        if len(self._lines) < MOST_LINES:
            self._lines.append(line)
        else:
            self._more += 1

    def listened(self, seconds: float) -> None:
        """So many seconds were written down by a model that is paid by the second."""
        self._seconds += seconds

    def _sums(self) -> Sums:
        sums = super()._sums()
        for turn in self._running:
            sums.add_held(turn.held)
        sums.add_used((counter, need, used) for counter, (need, used) in self._used.items())
        return sums

    def _meter(self, call: Call, said: Said | None, code: str | None, estimated_output: int) -> Metered:
        """An upgrade costs nothing; the session, what its responses do."""
        return self._total if self._total is not None and call is self._answering else NOTHING

    def _exceeded(self) -> int:
        return super()._exceeded() + self._over

    def _add_to(self, line: Line) -> None:
        part: Line = {**self.closed, "responses": self._lines}
        if self._more:
            part["more_responses"] = self._more
        if self._seconds:
            part["transcribed_seconds"] = round(self._seconds, 3)
        line["session"] = part


def _sum(one: Metered, other: Metered) -> Metered:
    usage = Usage(**{kind: getattr(one.usage, kind) + getattr(other.usage, kind) for kind in KINDS})
    parts = dict(one.cost.parts)
    for name, amount in other.cost.parts.items():
        parts[name] = parts.get(name, 0) + amount
    unpriced = tuple(dict.fromkeys((*one.cost.unpriced, *other.cost.unpriced)))
    by = one.by if one.by == other.by else "held" if "held" in (one.by, other.by) else "estimated"
    return Metered(usage, Cost(parts, unpriced), by)
