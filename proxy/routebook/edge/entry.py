"""One exchange's entry in the journal: two lines, each written exactly once, whatever happens in between.

It also holds what has to be let go when an exchange ends, in whatever way: the calls of upstreams that are running,
and what is held of budgets and limits for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from multidict import CIMultiDict

from routebook.chat.loss import Loss
from routebook.edge.answers import KINDS, Failure, header_safe
from routebook.edge.calls import Call
from routebook.edge.gateway import Gateway, Serving
from routebook.edge.journal.writer import JournalUnavailable
from routebook.edge.metering import NOBODY, OUTRUN, learn, meter, sound_of, told_of
from routebook.edge.uploads import Upload
from routebook.edge.upstream import finish
from routebook.edge.voice import Voice
from routebook.health.measurements import Bar
from routebook.ledger.claims import Refusal
from routebook.policy.rules import Decision
from routebook.routing.affinity import Conversation
from routebook.routing.answer_cache import Recalled, Said
from routebook.routing.attempts import Attempt, AttemptOutcome, Attempts
from routebook.routing.blame import verdict_of
from routebook.routing.candidates import Candidate, Plan
from routebook.routing.controls import (
    affinity_of,
    are_wanted,
    mode_of,
    selection_details,
    with_details,
    with_details_in_events,
)
from routebook.routing.demand import LiveDemand
from routebook.routing.drawing import RequestDraws
from routebook.routing.endings import NORMAL, Phase, end_code
from routebook.routing.facts import RequestFacts
from routebook.routing.holding import NOT_HELD, Held, Sums, Uses, claims_of, frees_window, is_of_window
from routebook.routing.identity import new_id
from routebook.routing.meter import CACHED, NOTHING, Metered
from routebook.routing.outcomes import Affinity, Mode, Outcome, Refuse, Route, Within
from routebook.routing.record import (
    Ending,
    Heading,
    Line,
    barred_part,
    decided_line,
    ended_line,
    hold_part,
    unread_line,
)
from routebook.routing.tracing import NO_TRACE, trace_of

NO_HEADERS: Mapping[str, str] = MappingProxyType({})
"""Those of a call that brought none."""


class Entry:
    """The record of one exchange in the making. Times are seconds since it began.

    `recalled` is what was found among the kept answers, `conversation` what the request continues: None where its rule
    keeps none, or does not stick. `answer_digest` is what requests are known by that go on from the answer with an id,
    where its dialect keeps answers; `upload` is its form, where it is one. `original` is the entry of the request that this is a copy of (`edge.shadowing`).
    """

    # What most exchanges never change stands here: fewer than 30 attributes of its own are stored without a dictionary.
    phase = Phase.REQUEST
    recalled: Recalled | None = None
    conversation: Conversation | None = None
    answer_digest: Callable[[str], bytes] | None = None
    upload: Upload | None = None
    trace = NO_TRACE
    rule = ""
    ended = _complete = _holds = False
    _on_disk: bool | None = None
    _mode: Mode | None = None
    _affinity = Affinity.STICKY
    _plan: Plan | None = None
    _draws: RequestDraws | None = None
    _answering: Call | None = None
    _told = NOBODY

    def __init__(self, gateway: Gateway, operation: str, original: Entry | None = None) -> None:
        self.gateway = gateway
        self.serving: Serving = gateway.serving if original is None else original.serving
        self._original = original
        self.policy = self.serving.policy
        self.operation = operation
        self.began = gateway.clock.monotonic()
        self.now = gateway.clock.now()
        self.draw: float = gateway.clock.draw() if original is None else original.draw
        self.id = new_id(int(self.now * 1000), gateway.clock.noise())
        self.attempts = Attempts((), 0)
        self.refusals: list[tuple[Candidate, Refusal]] = []
        self.barred: list[tuple[Candidate, Bar]] = []
        self._guarded: list[Line] = []
        self._calls: list[Call] = []
        self._unfreed: list[Uses] = []
        self.voice = Voice()
        gateway.metrics.began()

    def __repr__(self) -> str:
        return f"<Entry {self.id} {self.operation}, {'ended' if self.ended else self.phase.name.lower()}>"

    @property
    def is_recalled(self) -> bool:
        """Whether an answer that was kept is used again, so that nobody is called."""
        return self.recalled is not None and self.recalled.answer is not None

    @property
    def answering(self) -> Candidate | None:
        """Whose answer it is, once one has begun; before that, who is being called."""
        return None if self._answering is None else self._answering.candidate

    def pause(self, rounds: int) -> float | None:
        """Seconds before another round through the candidates, after so many; None where there is no time for one.

        At least as long as an upstream asked for, and spread at random, so that what failed together does not come
        back together.
        """
        retries = self.policy.settings.retries
        pause = retries.backoff * 2.0**rounds * (0.5 + self.gateway.clock.draw())
        pause = max(pause, self.attempts.retry_after or 0.0)
        return None if retries.within is not None and self.elapsed + pause >= retries.within else pause

    def draws_on(self, facts: RequestFacts, demand: LiveDemand, route: Route | None) -> RequestDraws | None:
        """What the request draws on, whoever serves it; None where that is nothing."""
        if route is None:
            return None
        drawing, client = self.serving.drawing, facts.client.name
        return drawing.of(facts, demand, client, route.caps.max_output, self.now + self.gateway.till.offset)

    def planned(self, plan: Plan | None, draws: RequestDraws | None) -> None:
        """Who may serve it, in order, and what it draws on whoever does (None: on nothing)."""
        self._plan = plan or Plan((), ())
        self._draws = draws
        retries = self.policy.settings.retries
        self.attempts = Attempts(self._plan.kept, retries.attempts, retries.rounds)
        self.gateway.retries.began(retries.budget)

    async def secure(self, candidate: Candidate, wait: bool = False, draws: RequestDraws | None = None) -> Call | None:
        """A call of this candidate with its worst case held on every budget and limit; None where one refuses.

        With `wait`, a place is queued for where a limit has a queue; `draws` is what it draws on, where that is not what
        the request does. Raises Failure where what is held cannot be recorded: what is not recorded is not done.
        """
        held = NOT_HELD
        if self._is_barred(candidate):
            return None
        if (draws := draws or self._draws) is not None:
            found = await self._hold(draws, candidate, wait)
            if isinstance(found, Refusal):
                self.refusals.append((candidate, found))
                self.gateway.metrics.refused(found.claim.pot, found.why.value)
                return None
            held = found
        watched = self.gateway.memory.begin(candidate.key, candidate.name, self.gateway.clock.monotonic())
        call = Call(candidate, held, watched)
        self._calls.append(call)
        if held.needs:
            self._holds = True
            self.gateway.metrics.held(1)
            if self._on_disk and not self._write_held():
                raise Failure("journal.unavailable", "what is held cannot be recorded at the moment")
        return call

    def _is_barred(self, candidate: Candidate) -> bool:
        """Whether something was learnt since the decision that keeps a candidate from being called. What this request
        itself learnt of one model does not keep it from another model of the same account."""
        made = self.attempts.made
        if made and any(each.candidate.key == candidate.key for each in made):
            return False
        bar = self.gateway.memory.barred(candidate.key, candidate.name, self.gateway.clock.monotonic())
        if bar is not None:
            self.barred.append((candidate, bar))
        return bar is not None

    async def _hold(self, draws: RequestDraws, candidate: Candidate, wait: bool) -> Held | Refusal:
        needs = draws.needs(candidate, again=bool(self._calls))
        if isinstance(needs, Refusal):
            return needs
        if not needs:
            return NOT_HELD
        counters = await self.gateway.till.hold(claims_of(needs), draws.who, wait)
        return counters if isinstance(counters, Refusal) else Held(needs, counters)

    def decided(self, decision: Decision[Outcome], facts: RequestFacts, demand: LiveDemand, within: Within) -> None:
        """Write the first line; raises Failure where the journal cannot take it: what is not recorded is not done."""
        assert self._plan is not None
        self._told = told_of(facts, demand)
        self.voice.expect(self.operation, demand.needs)
        headers, traces = facts.headers, self.policy.settings.traces
        self.trace = trace_of(self.id, headers.get("Traceparent"), headers.get("Tracestate"), traces)
        heading = self._heading(self.trace.trace, self.gateway.digest_of(facts.asked.prompt))
        plan = None if decision.rule is None or isinstance(decision.rule.outcome, Refuse) else self._plan
        keyless, piped = self.serving.planner.keyless, self.voice.piped
        line = decided_line(heading, facts, demand, decision, plan, self.draw, keyless, within, self.recalled, piped)
        if self._draws is not None:
            line["hold"] = hold_part(self._sums().with_orphans(), self.refusals)
        if self.barred:
            line["barred"] = [barred_part(candidate, bar) for candidate, bar in self.barred]
        if self.trace.parent is not None:
            line["parent"] = self.trace.parent
        if self._guarded:
            line["guards"] = self._guarded
        if self._original is not None:
            line["shadow"] = {"of": self._original.id}
        if not self._write(line):
            raise Failure("journal.unavailable", "decisions cannot be recorded at the moment")
        self.rule = line["rule"] or ""
        outcome = None if decision.rule is None else decision.rule.outcome
        self._mode, self._affinity = mode_of(outcome, within), affinity_of(outcome, within)
        if self._original is None:
            self._count_decision(decision)

    def guarded(self, name: str, said: Line, began: float) -> None:
        """A guard has looked, from `began` on: what came of it is recorded and counted."""
        seconds = round(self.gateway.clock.monotonic() - began, 6)
        self._guarded.append({"guard": name, **said, "seconds": seconds})
        self.gateway.metrics.guarded(name, said["result"])

    def calls(self, call: Call) -> None:
        """An upstream is about to be called."""
        self.phase = Phase.HEAD
        call.started = self.elapsed
        self._answering = call

    def answers(self, call: Call) -> None:
        """The first byte of an answer is there."""
        call.first_byte = self.elapsed
        assert call.waited is not None
        self.gateway.metrics.first_token(call.candidate.name, call.waited)

    def called(
        self, call: Call, outcome: AttemptOutcome, headers: Mapping[str, str] = NO_HEADERS, body: bytes = b""
    ) -> None:
        """The call brought an answer, or failed: it is noted, and what it tells of its account is remembered."""
        candidate, failure = call.candidate, outcome.failure
        assert call.started is not None
        call.outcome = outcome
        if failure is not None and call.metered is NOTHING:
            call.metered = self._meter(call, None, failure, 0)
            self.gateway.metrics.cost(candidate.name, call.metered.cost.total)
        self.gateway.metrics.attempted(candidate.name, candidate.account.name, failure or "ok")
        self.attempts.ended(
            Attempt(
                candidate, outcome, call.started, call.first_byte, self.elapsed, call.metered.cost.total, call.losses
            )
        )
        self._judge(call, outcome, headers, body)

    def _judge(self, call: Call, outcome: AttemptOutcome, headers: Mapping[str, str], body: bytes) -> None:
        """Remember what a call says of its account and model."""
        clock = self.gateway.clock
        verdict = verdict_of(outcome, headers, body, clock.now(), call.waited)
        self.gateway.memory.outcome(call.watched, verdict, clock.monotonic(), clock.draw())

    def passes_on(self, call: Call) -> None:
        """This call's answer is the one that goes to the client."""
        self._answering = self.voice.call = call

    def is_over(self, call: Call, outcome: AttemptOutcome) -> None:
        """A call for a part of the answer is over: what it tells of its account is remembered, what it held let go."""
        call.outcome = outcome
        self._judge(call, outcome, NO_HEADERS, b"")
        self._let_go(call)

    def outrun(self, call: Call) -> None:
        """Another call began to answer first: this one is left, and what its upstream may have done is estimated."""
        if call.is_running:
            self.called(call, AttemptOutcome(OUTRUN))
        self.passes_over(call)

    def passes_over(self, call: Call) -> None:
        """The call is over and somebody else may answer: its connection, its slots and what it did not use are let go. Where
        nobody else will, the record ends at once, and that is done then."""
        if self._answering is call:
            self._answering = None
        if not self.attempts.is_spent or any(each.is_running for each in self._calls):
            self._let_go(call)

    def marked(self, headers: CIMultiDict[str]) -> CIMultiDict[str]:
        """The headers with those by which a client finds the record."""
        headers["x-routebook-decision"] = self.id
        if self.rule:
            headers["x-routebook-rule"] = header_safe(self.rule)
        if self._answering is not None:
            headers["x-routebook-model"] = header_safe(self._answering.candidate.name)
            if losses := dict.fromkeys(loss.feature for loss in self._answering.losses):
                headers["x-routebook-losses"] = header_safe(",".join(losses))
        if self.recalled is not None:
            self._mark_recalled(headers, self.recalled)
        return headers

    def detailed(self, headers: Mapping[str, str], body: bytes) -> bytes:
        """A whole answer of a chat with how its model was selected, where the client asks for that."""
        details = self._details(headers)
        return body if details is None else with_details(body, details)

    def detailed_events(self, headers: Mapping[str, str], events: bytes) -> bytes:
        """The same for the first events of a stream."""
        details = self._details(headers)
        return events if details is None else with_details_in_events(events, details)

    def _details(self, headers: Mapping[str, str]) -> dict[str, Any] | None:
        if self.operation != "chat" or self._plan is None or not are_wanted(headers):
            return None
        return selection_details(self._mode, self.attempts.made, self._plan.stick, self._affinity)

    def end(
        self,
        status: int,
        said: Said | None = None,
        code: str | None = None,
        estimated_output: int = 0,
        losses: Sequence[Loss] = (),
    ) -> None:
        """Write the second line, the first time this is called. `code` is what failed, None where nothing did; `losses`
        is what of the answer could not be said to its client."""
        if self.ended:
            return
        self.ended = True
        self._complete = code is None
        seconds, call = self.elapsed, self._answering
        if call is not None:
            call.metered = self._meter(call, said, code, estimated_output)
        for each in self._calls:
            if each.is_running:
                self.called(each, AttemptOutcome(code))
            elif each is call and code is not None and code.startswith("upstream.") and code != "upstream.rejected":
                self._judge(each, AttemptOutcome(code), NO_HEADERS, b"")  # it broke off what it had begun well
        ending = Ending(
            end=NORMAL if code is None else end_code(KINDS[code].who, self.phase),
            status=status,
            error=code,
            metered=CACHED if self.is_recalled else NOTHING if call is None else call.metered,
            lost=self.voice.lost(self._calls, call),
            candidate=None if call is None else call.candidate,
            attempts=self.attempts.made,
            first_token=None if call is None else call.first_byte,
            seconds=seconds,
            served=None if said is None else said.model,
            finish=None if said is None else said.finish_reason,
            recalled=self.recalled,
            losses=losses,
            spoken=self.voice.spoken,
            first_audio=self.voice.first_audio,
        )
        self._remember_answer(call, said, code)
        self._write_end(ending)
        if self.operation == "chat":
            learn(self.gateway.memory.learnt, self._told, self._plan, ending, self.gateway.clock.monotonic())
        self.gateway.metrics.ended(
            self.operation if self._original is None else "shadow",
            status,
            ending.end,
            seconds,
            None if call is None else call.candidate.name,
            ending.metered.usage,
            ending.metered.cost.total,
        )

    def _remember_answer(self, call: Call | None, said: Said | None, code: str | None) -> None:
        """Where an answer was given that requests may go on from by its id."""
        if call is not None and said is not None and said.id and self.answer_digest is not None and code is None:
            place = call.candidate.name, call.candidate.path
            self.gateway.affinities.answered(self.answer_digest(said.id), place, self.gateway.clock.monotonic())

    def close(self) -> None:
        """Let go of everything. An exchange that nobody ended was ended by a fault of ours."""
        self.end(500, code="gateway.bug")
        for call in self._calls:
            self._let_go(call)
        for uses in self._unfreed:
            self.gateway.till.settle(uses)
        self._unfreed.clear()
        if self.upload is not None:
            self.upload.close()

    def _heading(self, trace: str | None = None, prompt: str | None = None) -> Heading:
        return Heading(self.id, self.gateway.instance, self.policy.digest, self.now, trace, prompt)

    def _write(self, line: Line) -> bool:
        """Write the first line; whether the journal took it."""
        try:
            self.gateway.journal.decided(line)
        except JournalUnavailable:
            self.gateway.metrics.journal_refused()
            self._on_disk = False
        else:
            self._on_disk = True
        return self._on_disk

    def _write_held(self) -> bool:
        """Write what is held now, in place of what the first line says; whether the journal took it."""
        try:
            self.gateway.journal.held({"id": self.id, "draws": self._sums().with_orphans()})
        except JournalUnavailable:
            self.gateway.metrics.journal_refused()
            return False
        return True

    def _write_end(self, ending: Ending) -> None:
        if self._on_disk is None:
            unread = unread_line(self._heading(), self.operation)
            self._write({**unread, "guards": self._guarded} if self._guarded else unread)
        if not self._on_disk:
            return
        line = ended_line(self.id, self.gateway.clock.now(), ending)
        if self._holds:
            line["settled"] = self._sums().plain()
            if exceeded := self._exceeded():
                line["exceeded"] = exceeded
                self.gateway.metrics.exceeded(exceeded)
        self._add_to(line)
        self.gateway.journal.ended(line)

    def _exceeded(self) -> int:
        """By how much calls cost more than was held for them, in nano-dollars."""
        return sum(call.exceeded for call in self._calls)

    def _add_to(self, line: Line) -> None:
        """What else the last line says."""
        if self.upload is not None:
            line["form"] = self.upload.line()
        if self.voice.transcoded:
            line["transcoded"] = self.voice.transcoded

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return self.gateway.clock.monotonic() - self.began

    def _mark_recalled(self, headers: CIMultiDict[str], recalled: Recalled) -> None:
        headers["x-routebook-cache"] = "miss" if recalled.answer is None else "hit"
        if recalled.answer is not None:
            headers["x-routebook-model"] = header_safe(recalled.model.name)

    def _sums(self) -> Sums:
        """What is held of windows by calls that are not over, and used by those that are."""
        sums = Sums()
        for call in self._calls:
            call.add_to(sums, self.ended)
        return sums

    def _meter(self, call: Call, said: Said | None, code: str | None, estimated_output: int) -> Metered:
        prompt = 0 if self._plan is None or self._plan.size is None else self._plan.size.tokens
        usage, abandoned = None if said is None else said.usage, self.policy.settings.abandoned
        return meter(call, usage, code, prompt, estimated_output, self._told, abandoned, sound_of(said))

    def _let_go(self, call: Call) -> None:
        """The call is over: its connection goes back to the others where its answer was read to the end, and what it
        held and did not use goes back to its pots."""
        if call.is_closed:
            return
        call.is_closed = True
        if call.held.needs:
            self._free(call.uses())
            self.gateway.metrics.held(-1)
        self.gateway.memory.release(call.watched, self.gateway.clock.monotonic())
        http, call.http = call.http, None
        if http is None or http.is_whole:
            return
        if call is self._answering and self._complete:
            self.gateway.look_after(finish(http))
        else:
            http.close()

    def _free(self, uses: Uses) -> None:
        """End holds of a call or response that is over. What is freed of a window is somebody else's the next moment, and
        should this process die, all that its record holds is booked: so the record says first that it holds that no more.
        Where that cannot be written, it holds it to its end."""
        if self._on_disk and not self.ended and any(map(frees_window, uses)) and not self._write_held():
            self._unfreed.append([use for use in uses if is_of_window(use)])
            uses = [use for use in uses if not is_of_window(use)]
        self.gateway.till.settle(uses)

    def _count_decision(self, decision: Decision[Outcome]) -> None:
        metrics, rule = self.gateway.metrics, decision.rule
        refuses = rule is None or isinstance(rule.outcome, Refuse)
        metrics.decided(None if rule is None else rule.name, "refuse" if refuses else "route")
        if rule is not None and self.recalled is not None:
            metrics.recalled(rule.name, self.recalled.result)
        for dropped in self._plan.dropped if self._plan is not None else ():
            metrics.dropped(dropped.name, dropped.reason)
