"""Money in a session: what is held before a response, and booked after it.

What the whole session draws on, a place among requests at the same time and itself as a request, is held from the
upgrade to the close. Money and tokens are held for one response at a time. Where the ledger allows no more, the next
response is not asked for; one that runs is never cut off.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from routebook.catalogue.models import Model
from routebook.chat.usage import Usage
from routebook.documents.quantities import Unit
from routebook.edge.answers import Failure, held_back
from routebook.edge.calls import Call
from routebook.edge.sessions.entry import SessionEntry, Turn
from routebook.edge.voice import sounded
from routebook.ledger.budgets import Abandoned
from routebook.ledger.claims import Refusal
from routebook.ledger.cost import Cost, cost_of
from routebook.ledger.draws import Need
from routebook.protocols.sessions import Finished, Heard, SessionReader
from routebook.routing.holding import NOT_HELD, Held, claims_of
from routebook.routing.meter import Metered, as_held
from routebook.routing.record import Line

AGAIN: Final = 1.0
"""Seconds after which a speaker's session whose budget was used up looks whether that has changed."""


MS: Final = 1000
"""Milliseconds of a second, in which sound is counted that is paid by its length."""


class Spending:
    """What one session spends. Responses are known by the upstream's ids."""

    def __init__(self, entry: SessionEntry, call: Call, reader: SessionReader) -> None:
        self._entry = entry
        self._call = call
        self._reader = reader
        self._model = call.candidate.model
        self._running: dict[str, Turn] = {}
        self._promised: list[Turn] = []
        self._ready: Turn | None = self._deposit()
        self._refused: Failure | None = None
        self._look_again = 0.0

    def __repr__(self) -> str:
        return f"<Spending of {self._model.name}, {len(self._running)} responses running>"

    @property
    def is_quiet(self) -> bool:
        """Whether no response is running or asked for."""
        return not self._running and not self._promised

    @property
    def covers_speech(self) -> bool:
        """Whether something is held for what the upstream may answer to what is said now."""
        return self._ready is not None or bool(self._running) or bool(self._promised)

    async def asks(self) -> Failure | None:
        """The client asks for a response: hold what it may cost, or say why it may not be asked for."""
        ready, self._ready = self._ready, None
        prompt = self._prompt
        if ready is not None and (ready.prompt < prompt and ready.held.needs):
            self._entry.frees(ready)
            ready = None
        turn = ready or await self._take(prompt)
        if isinstance(turn, Failure):
            return turn
        turn.asked = self._entry.elapsed
        self._promised.append(turn)
        return None

    async def listens(self) -> Failure | None:
        """The client speaks, and the upstream will answer when it likes: hold what that may cost, or say why it may not be
        spoken to. What a running response holds for is enough until it is over."""
        if self.covers_speech:
            return None
        if self._refused is not None and self._entry.elapsed < self._look_again:
            return self._refused
        turn = await self._take(self._prompt)
        if isinstance(turn, Failure):
            self._refused, self._look_again = turn, self._entry.elapsed + AGAIN
            return turn
        self._refused, self._ready = None, turn
        return None

    async def began(self, identity: str) -> Failure | None:
        """A response runs. Where nothing is held for it, whatever it uses is booked all the same; why that is."""
        turn: Turn | Failure
        failure: Failure | None = None
        is_promised = bool(self._promised)
        if is_promised:
            turn = self._promised.pop(0)
        else:
            ready, self._ready = self._ready, None
            turn = ready or await self._take(self._prompt)
        if isinstance(turn, Failure):
            failure, turn = turn, await self._unheld()
        if not is_promised:
            turn.asked = self._entry.elapsed  # the upstream asks for it itself, where it hears the end of what is said
        self._running[identity] = turn
        return failure

    def spoke(self, identity: str) -> None:
        """The first of a response has come."""
        if (turn := self._running.get(identity)) is not None and turn.spoke is None:
            turn.spoke = self._entry.elapsed
            first, gateway = turn.spoke - turn.asked, self._entry.gateway
            gateway.memory.began(self._call.watched, first, gateway.clock.monotonic())
            gateway.metrics.first_token(self._model.name, first)

    def sounded(self, identity: str) -> None:
        """The first sound of a response has come."""
        if (turn := self._running.get(identity)) is not None and turn.sounded is None:
            turn.sounded = self._entry.elapsed
            sounded(self._call, turn.sounded - turn.asked, self._entry.gateway)

    async def finished(self, done: Finished) -> None:
        """A response is over: its usage is booked, as the upstream counted, or as it was estimated."""
        turn = self._running.pop(done.id, None) or await self._unheld()
        counted = done.usage
        usage = done.estimate if counted is None else counted
        turn.metered = Metered(usage, cost_of(usage, self._model.price), "estimated" if counted is None else "measured")
        self._book(turn, done.id, done.status, done.reason)

    async def heard(self, heard: Heard) -> None:
        """A model of its own has done something in the session, which costs something of its own."""
        self._entry.listened(heard.seconds)
        usage = heard.usage or Usage(heard_ms=round(heard.seconds * MS))
        if usage == Usage():
            return
        model = self._known(heard.by or self._reader.transcriber)
        cost = Cost({}, (heard.what,)) if model is None else cost_of(usage, model.price)
        turn = await self._unheld()
        turn.metered = Metered(usage, cost, "measured")
        self._entry.frees(turn)
        self._entry.responded({"id": None, "status": heard.what, **_used(turn.metered)})

    def close(self) -> None:
        """The session is over. What of its responses nobody saw end is estimated; what was held for others is let go."""
        books_hold = self._entry.policy.settings.abandoned is Abandoned.HOLD
        for left in self._reader.unfinished():
            turn = self._running.pop(left.id, None)
            if turn is not None:
                found = Metered(left.usage, cost_of(left.usage, self._model.price), "estimated")
                money = max((each.claim.amount for each in turn.held.needs if each.unit is Unit.MONEY), default=0)
                turn.metered = as_held(found, money) if books_hold and turn.held.needs else found
                self._book(turn, left.id, "unconfirmed", None)
        for turn in (*self._running.values(), *self._promised, *(() if self._ready is None else (self._ready,))):
            self._entry.frees(turn)
        self._running.clear()
        self._promised.clear()
        self._ready = None

    def _book(self, turn: Turn, identity: str, status: str, reason: str | None) -> None:
        metered = turn.metered
        assert metered is not None
        self._entry.frees(turn)
        line: Line = {"id": identity[:100], "status": status, "asked": round(turn.asked, 6)}
        if reason is not None:
            line["reason"] = reason
        if turn.spoke is not None:
            line["spoke"] = round(turn.spoke, 6)
        if turn.sounded is not None:
            line["sounded"] = round(turn.sounded, 6)
        line["ended"] = round(self._entry.elapsed, 6)
        self._entry.responded({**line, **_used(metered)})
        self._entry.gateway.metrics.cost(self._model.name, metered.cost.total)

    @property
    def _prompt(self) -> int:
        most = self._reader.most_input
        return most if self._model.context is None else min(most, self._model.context)

    def _known(self, said: str | None) -> Model | None:
        """The model of this provider that it calls so."""
        provider = self._model.provider.name
        models = self._entry.policy.catalogue.models.values()
        return next((each for each in models if each.upstream_id == said and each.provider.name == provider), None)

    def _deposit(self) -> Turn:
        """What the upgrade held for a first answer becomes that of the first response; the rest stays the session's."""
        held = self._call.held
        pairs = list(zip(held.counters, held.needs, strict=True))
        own = [(counter, need) for counter, need in pairs if _is_spent(need)]
        rest = [(counter, need) for counter, need in pairs if not _is_spent(need)]
        if held.needs and not rest:
            self._entry.gateway.metrics.held(-1)
        self._call.held = _held(rest)
        turn = Turn(_held(own), 0, self._entry.elapsed)
        self._entry.holds(turn)
        return turn

    async def _take(self, prompt: int) -> Turn | Failure:
        """Hold for a response with so many tokens to read at most."""
        draws = self._entry.draws
        needs = () if draws is None else draws.needs(self._call.candidate, again=True, prompt=prompt)
        if isinstance(needs, Refusal):
            return held_back([needs])
        return await self._hold(tuple(each for each in needs if _is_spent(each)), prompt)

    async def _unheld(self) -> Turn:
        """For what is used without having been held for: counters to book it under, as far as the ledger gives them."""
        draws = self._entry.draws
        needs = () if draws is None else draws.needs(self._call.candidate, again=True, prompt=0)
        if isinstance(needs, Refusal):
            needs = ()
        free = tuple(replace(each, claim=replace(each.claim, amount=0), orphan=0) for each in needs if _is_spent(each))
        turn = await self._hold(free, 0)
        return Turn(NOT_HELD, 0, self._entry.elapsed) if isinstance(turn, Failure) else turn

    async def _hold(self, needs: tuple[Need, ...], prompt: int) -> Turn | Failure:
        entry, draws = self._entry, self._entry.draws
        if not needs or draws is None:
            return Turn(NOT_HELD, prompt, entry.elapsed)
        counters = await entry.gateway.till.hold(claims_of(needs), draws.who)
        if isinstance(counters, Refusal):
            entry.gateway.metrics.refused(counters.claim.pot, counters.why.value)
            return held_back([counters])
        turn = Turn(Held(needs, counters), prompt, entry.elapsed)
        if not entry.holds(turn):
            entry.drops(turn)
            return Failure("journal.unavailable", "what is held cannot be recorded at the moment")
        return turn


def _is_spent(need: Need) -> bool:
    """Whether a response uses it up, and not the session as a whole."""
    return need.unit in (Unit.MONEY, Unit.TOKENS)


def _held(pairs: list[tuple[tuple[str, int], Need]]) -> Held:
    return Held(tuple(need for _, need in pairs), tuple(counter for counter, _ in pairs))


def _used(metered: Metered) -> Line:
    usage: Usage = metered.usage
    line: Line = {"usage": usage.parts(), "usage_by": metered.by, "cost": metered.cost.total}
    if metered.cost.unpriced:
        line["unpriced"] = list(metered.cost.unpriced)
    return line
