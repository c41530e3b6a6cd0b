"""One exchange's entry in the journal: two lines, each written exactly once, whatever happens in between.

It also holds what has to be let go when an exchange ends, in whatever way: the call of the upstream that is running.
"""

from __future__ import annotations

from multidict import CIMultiDict

from routebook.edge.answers import KINDS, Failure, header_safe
from routebook.edge.gateway import Gateway
from routebook.edge.headers import trace_of
from routebook.edge.journal.writer import JournalUnavailable
from routebook.edge.upstream import Answer, finish
from routebook.policy.rules import Decision
from routebook.routing.affinity import Conversation
from routebook.routing.answer_cache import Recalled, Said
from routebook.routing.attempts import AttemptOutcome, Attempts
from routebook.routing.candidates import Candidate, Plan
from routebook.routing.demand import LiveDemand
from routebook.routing.endings import NORMAL, Phase, end_code
from routebook.routing.facts import RequestFacts
from routebook.routing.identity import new_id
from routebook.routing.meter import CACHED, NOTHING, Metered, metered
from routebook.routing.outcomes import Outcome, Refuse, Within
from routebook.routing.record import Ending, Heading, Line, decided_line, ended_line, unread_line

MAY_BE_BILLED = frozenset(
    {
        "client.gone",
        "client.stalled",
        "gateway.draining",
        "gateway.bug",
        "upstream.first-byte-timeout",
        "upstream.idle-timeout",
        "upstream.total-timeout",
        "upstream.cut",
        "upstream.error-event",
    }
)
"""Failures after which the upstream may have worked all the same: what it did is estimated, never taken for nothing."""


class Entry:
    """The record of one exchange in the making. Times are seconds since it began.

    `recalled` is what was found among the kept answers, `conversation` what the request continues: None where its rule
    keeps none, or does not stick.
    """

    def __init__(self, gateway: Gateway, operation: str) -> None:
        self.gateway = gateway
        self.serving = gateway.serving
        self.policy = self.serving.policy
        self.operation = operation
        self.began = gateway.clock.monotonic()
        self.now = gateway.clock.now()
        self.draw = gateway.clock.draw()
        self.id = new_id(int(self.now * 1000), gateway.clock.noise())
        self.phase = Phase.REQUEST
        self.attempts = Attempts((), 0)
        self.http: Answer | None = None
        self.recalled: Recalled | None = None
        self.conversation: Conversation | None = None
        self.rule = ""
        self.ended = False
        self._complete = False
        self._on_disk: bool | None = None
        self._plan: Plan | None = None
        self._calling: Candidate | None = None
        self._noted = False
        self._called_at = 0.0
        self._first_byte: float | None = None
        gateway.metrics.began()

    def __repr__(self) -> str:
        return f"<Entry {self.id} {self.operation}, {'ended' if self.ended else self.phase.name.lower()}>"

    def decided(
        self, decision: Decision[Outcome], facts: RequestFacts, demand: LiveDemand, plan: Plan | None, within: Within
    ) -> None:
        """Write the first line; raises Failure where the journal cannot take it: what is not recorded is not done."""
        heading = self._heading(trace_of(facts.headers.get("Traceparent")), self.gateway.digest_of(facts.asked.prompt))
        line = decided_line(
            heading, facts, demand, decision, plan, self.draw, self.serving.planner.keyless, within, self.recalled
        )
        if not self._write(line):
            raise Failure("journal.unavailable", "decisions cannot be recorded at the moment")
        self._plan = plan or Plan((), ())
        self.rule = line["rule"] or ""
        self.attempts = Attempts(self._plan.kept, self.policy.settings.retries.attempts)
        self._count_decision(decision)

    def calls(self, candidate: Candidate) -> None:
        """An upstream is about to be called."""
        self.phase = Phase.HEAD
        self._calling = candidate
        self._noted = False
        self._called_at = self._elapsed()
        self._first_byte = None
        self.gateway.memory.began(candidate.key)

    def answers(self) -> None:
        """The first byte of an answer is there."""
        assert self._calling is not None
        self._first_byte = self._elapsed()
        took = self._first_byte - self._called_at
        self.gateway.memory.answered(self._calling.name, took)
        self.gateway.metrics.first_token(self._calling.name, took)

    def called(self, outcome: AttemptOutcome) -> None:
        """The call brought an answer, or failed. What brought an answer is kept until the exchange ends."""
        candidate = self._calling
        assert candidate is not None
        self._noted = True
        self.attempts.ended(outcome, self._called_at, self._first_byte, self._elapsed())
        failure = outcome.failure
        self.gateway.metrics.attempted(candidate.name, candidate.account.name, failure or "ok")
        if failure is None or failure == "upstream.rejected" or not failure.startswith("upstream."):
            # what a client or this program did wrong says nothing of the account: callers who hang up must not rest it
            return
        memory = self.gateway.memory
        rest = outcome.rest(memory.failures(candidate.key) + 1)
        if rest is not None:
            memory.rest(candidate.key, self.gateway.clock.monotonic(), *rest)
        self._let_go(failed=True)

    def marked(self, headers: CIMultiDict[str]) -> CIMultiDict[str]:
        """The headers with those by which a client finds the record."""
        headers["x-routebook-decision"] = self.id
        if self.rule:
            headers["x-routebook-rule"] = header_safe(self.rule)
        if self._calling is not None:
            headers["x-routebook-model"] = header_safe(self._calling.name)
        if self.recalled is not None:
            self._mark_recalled(headers, self.recalled)
        return headers

    def end(self, status: int, said: Said | None = None, code: str | None = None, estimated_output: int = 0) -> None:
        """Write the second line, the first time this is called. `code` is what failed, None where nothing did."""
        if self.ended:
            return
        self.ended = True
        seconds = self._elapsed()
        candidate = self._calling
        if candidate is not None and not self._noted:
            self.called(AttemptOutcome(code))
        self._complete = code is None
        meter = self._meter(said, code, estimated_output)
        ending = Ending(
            end=NORMAL if code is None else end_code(KINDS[code].who, self.phase),
            status=status,
            error=code,
            metered=meter,
            candidate=candidate,
            attempts=self.attempts.made,
            first_token=self._first_byte,
            seconds=seconds,
            served=None if said is None else said.model,
            finish=None if said is None else said.finish_reason,
            recalled=self.recalled,
        )
        if self._on_disk is None:
            self._write(unread_line(self._heading(), self.operation))
        if self._on_disk:
            self.gateway.journal.ended(ended_line(self.id, self.gateway.clock.now(), ending))
        self.gateway.metrics.ended(
            self.operation,
            status,
            ending.end,
            seconds,
            None if candidate is None else candidate.name,
            meter.usage,
            meter.cost.total,
        )

    def close(self) -> None:
        """Let go of everything. An exchange that nobody ended was ended by a fault of ours."""
        self.end(500, code="gateway.bug")
        self._let_go(failed=False)

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

    def _elapsed(self) -> float:
        return self.gateway.clock.monotonic() - self.began

    def _mark_recalled(self, headers: CIMultiDict[str], recalled: Recalled) -> None:
        headers["x-routebook-cache"] = "miss" if recalled.answer is None else "hit"
        if recalled.answer is not None:
            headers["x-routebook-model"] = header_safe(recalled.model.name)

    def _meter(self, said: Said | None, code: str | None, estimated_output: int) -> Metered:
        if self.recalled is not None and self.recalled.answer is not None:
            return CACHED
        candidate, usage = self._calling, None if said is None else said.usage
        if candidate is None or (code is not None and code not in MAY_BE_BILLED and usage is None):
            return NOTHING
        prompt = 0 if self._plan is None or self._plan.size is None else self._plan.size.tokens
        return metered(candidate.model, usage, prompt, estimated_output)

    def _let_go(self, failed: bool) -> None:
        """The call is over: its connection goes back to the others where its answer was read to the end."""
        if self._calling is not None:
            self.gateway.memory.ended(self._calling.key, failed)
        self._calling = None
        http, self.http = self.http, None
        if http is None or http.is_whole:
            return
        if self._complete:
            self.gateway.look_after(finish(http))
        else:
            http.close()

    def _count_decision(self, decision: Decision[Outcome]) -> None:
        metrics, rule = self.gateway.metrics, decision.rule
        metrics.decided(
            None if rule is None else rule.name,
            "refuse" if rule is None or isinstance(rule.outcome, Refuse) else "route",
        )
        if rule is not None and self.recalled is not None:
            metrics.recalled(rule.name, self.recalled.result)
        for dropped in self._plan.dropped if self._plan is not None else ():
            metrics.dropped(dropped.name, dropped.reason)
