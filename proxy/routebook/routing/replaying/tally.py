"""Recorded requests decided again, counted: how many go where, what they cost, and which could not be decided.

A journal is read in pieces, each into a tally of its own; tallies add up. The two lines of a record may stand in
different pieces: what waits for its other line is carried along until they meet.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from routebook.chat.usage import Usage
from routebook.ledger.cost import cost_of
from routebook.routing.record import UNREAD
from routebook.routing.recorded import EndedThen, Recorded, decode_ended, decode_recorded, event_of
from routebook.routing.replaying.deciding import ROUTED, Destination, Redeciding
from routebook.routing.replaying.knowing import NotRecorded

EXAMPLES = 3
"""Ids of records that are kept for each way that requests take."""


@dataclass(slots=True)
class Flow:
    """Requests that went one way and go another now. Money is nano-dollars: `cost_then` as it was booked, `cost_now` what
    was used, at the price of the model that they go to. `unknown` is how many of them have no known cost now, and are in
    neither sum; `assumed` how many go to a model that nobody looked at then."""

    requests: int = 0
    cost_then: int = 0
    cost_now: int = 0
    unknown: int = 0
    assumed: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, other: Flow) -> None:
        """Take in what another tally counted."""
        self.requests += other.requests
        self.cost_then += other.cost_then
        self.cost_now += other.cost_now
        self.unknown += other.unknown
        self.assumed += other.assumed
        self.examples = sorted({*self.examples, *other.examples}, reverse=True)[:EXAMPLES]

    def count(self, identity: str) -> None:
        """One more, and its id where it is among the newest."""
        self.requests += 1
        examples = self.examples
        if len(examples) < EXAMPLES:
            examples.append(identity)
            examples.sort(reverse=True)
        elif identity > examples[-1]:
            examples[-1] = identity
            examples.sort(reverse=True)


Way = tuple[Destination, Destination]
"""Where requests went, and where they go now."""


@dataclass(slots=True)
class Tally:
    """What came of some of a journal's lines.

    `flows` are the decided requests by their way; `undecidable` those that depend on what their records do not hold, by
    what that is; `unread` ended before anything was decided; `unreadable` lines are no records. `fallbacks` is how many
    have other models, or another order, behind the first. `without` are records whose own policy is not at hand, by
    its digest: where their facts mean the same is not known.
    """

    flows: dict[Way, Flow] = field(default_factory=dict)
    undecidable: dict[str, Flow] = field(default_factory=dict)
    without: dict[str, int] = field(default_factory=dict)
    unread: int = 0
    unreadable: int = 0
    fallbacks: int = 0
    first: str = ""
    last: str = ""
    waiting: dict[str, tuple[Way, str] | None] = field(default_factory=dict)
    endings: dict[str, EndedThen] = field(default_factory=dict)

    @property
    def records(self) -> int:
        """All requests that were counted."""
        flows = (*self.flows.values(), *self.undecidable.values())
        return sum(flow.requests for flow in flows) + self.unread


class Counting:
    """Fills a tally from lines of a journal, and adds tallies up."""

    def __init__(self, redeciding: Redeciding, since: str = "") -> None:
        """Records with ids before `since` are passed over."""
        self.redeciding = redeciding
        self.tally = Tally()
        self._since = since
        self._models = redeciding.proposed.catalogue.models

    def __repr__(self) -> str:
        return f"<Counting of {self.tally.records} records under {self.redeciding.proposed.digest}>"

    def take(self, line: bytes) -> None:
        """Count one line."""
        try:
            match event_of(line):
                case "decided":
                    record = decode_recorded(line)
                    self._decided(record)
                    if record.id in self.tally.endings:
                        self._ended(self.tally.endings.pop(record.id))
                case "ended":
                    self._ended(decode_ended(line))
        except msgspec.DecodeError:
            self.tally.unreadable += 1

    def add(self, other: Tally) -> None:
        """Take in what another tally counted, and join what waits in both."""
        tally = self.tally
        for way, flow in other.flows.items():
            tally.flows.setdefault(way, Flow()).add(flow)
        for what, flow in other.undecidable.items():
            tally.undecidable.setdefault(what, Flow()).add(flow)
        for digest, number in other.without.items():
            tally.without[digest] = tally.without.get(digest, 0) + number
        tally.unread += other.unread
        tally.unreadable += other.unreadable
        tally.fallbacks += other.fallbacks
        tally.first = min(filter(None, (tally.first, other.first)), default="")
        tally.last = max(tally.last, other.last)
        tally.waiting.update(other.waiting)
        for ended in other.endings.values():
            self._ended(ended)
        for identity in [each for each in other.waiting if each in tally.endings]:
            self._ended(tally.endings.pop(identity))

    def _decided(self, record: Recorded) -> None:
        tally = self.tally
        identity = record.id
        if identity < self._since:
            return
        if not tally.first or record.time < tally.first:
            tally.first = record.time
        tally.last = max(tally.last, record.time)
        tally.waiting[identity] = None
        if record.outcome == UNREAD:
            tally.unread += 1
            return
        if self.redeciding.between(record.policy).served is None:
            tally.without[record.policy] = tally.without.get(record.policy, 0) + 1
        try:
            found = self.redeciding.decide(record)
        except NotRecorded as unknown:
            tally.undecidable.setdefault(unknown.what, Flow()).count(identity)
            return
        way = found.then, found.now
        flow = tally.flows.get(way)
        if flow is None:
            flow = tally.flows[way] = Flow()
        flow.count(identity)
        flow.assumed += found.assumed
        tally.fallbacks += found.fallbacks_differ and not found.moves
        tally.waiting[identity] = way, record.policy

    def _ended(self, ended: EndedThen) -> None:
        tally = self.tally
        if ended.id not in tally.waiting:
            if ended.id >= self._since:
                tally.endings[ended.id] = ended
            return
        waited = tally.waiting.pop(ended.id)
        if waited is None:
            return
        way, digest = waited
        flow = tally.flows[way]
        cost = self._cost(way, digest, ended)
        if cost is None:
            flow.unknown += 1
        else:
            flow.cost_then += ended.cost
            flow.cost_now += cost

    def _cost(self, way: Way, digest: str, ended: EndedThen) -> int | None:
        """What was used, at the price of who would serve it now; None where nobody knows what that would use."""
        then, now = way
        if now.outcome != ROUTED:
            return 0
        if ended.usage_by == "cached":
            return ended.cost
        if then.goes_to == now.goes_to:
            served = ended.model
            if served is None or served not in self._models or ended.usage == _NOTHING:
                return ended.cost
            if self.redeciding.between(digest).price_is_kept(served):
                return ended.cost
            return cost_of(ended.usage, self._models[served].price).total
        if ended.usage == _NOTHING:
            return None
        assert now.model is not None
        cost = cost_of(ended.usage, self._models[now.model].price)
        return None if cost.unpriced else cost.total


_NOTHING = Usage()
