"""The sums of the ledger hold, whatever happens in whatever order: workers draw, settle, use more than they held, die
and are buried; reports come late, twice or never; the owner starts anew; windows change, and the clock jumps both ways.

The truth is a journal as workers write it, kept beside the ledger: what is settled and what is held, by counter.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from routebook.documents.problems import Location
from routebook.documents.quantities import Unit
from routebook.ledger.budgets import Budget
from routebook.ledger.claims import Claim, Counter, Grant, Kind, Refusal, Report
from routebook.ledger.purse import Purse
from routebook.ledger.vault import Vault
from routebook.ledger.windows import slice_of

HERE = Location("policy.yaml", 1, 1)
MINUTE = Budget("minute", 100, Unit.COUNT, "minute", None, HERE, allowance=15)
ROLLING = Budget("rolling", 60, Unit.COUNT, None, 120.0, HERE)
SLOTS = 6
HOLDERS = 3

amounts = st.sampled_from((1, 1, 1, 2, 2, 3, 5, 8, 20, 45, 101))
some = st.integers(0, 1000)


class Request(NamedTuple):
    """Which worker it comes to, what it needs at most, and how much of it (in halves) its death would cost."""

    who: int
    minute: int
    rolling: int
    slot: bool
    orphan: int


requests = st.builds(
    Request, some, amounts, st.just(0) | amounts, st.sampled_from((False, False, True)), st.integers(0, 2)
)


class Hold(NamedTuple):
    """What a request holds: counter, amount, and what it is settled with where its process dies."""

    draws: tuple[tuple[Counter, int, int], ...]


@dataclass
class Process:
    """A worker: what it may draw, and what it wrote."""

    name: str
    purse: Purse = field(default_factory=Purse)
    holds: dict[int, Hold] = field(default_factory=dict)
    settled: Tally[Counter] = field(default_factory=Tally)
    sent: list[Report] = field(default_factory=list)
    alive: bool = True
    leased: bool = True
    """Whether the owner that is there now leases to it: not where it was there before the owner."""


class LedgerOfOneHost(RuleBasedStateMachine):
    """One owner, up to three workers, a budget of a minute, one of two rolling minutes, and six slots."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_800_000_000.5
        self.vault = self.new_vault()
        self.processes: list[Process] = []
        self.born = 0
        self.requests = 0
        self.overspent: Tally[Counter] = Tally()
        self.begin()

    # What is drawn on, and how.

    def new_vault(self) -> Vault:
        return Vault(HOLDERS)

    def claims(self, request: Request) -> tuple[Claim, ...]:
        found = []
        for budget, amount in ((MINUTE, request.minute), (ROLLING, request.rolling)):
            if amount:
                window = slice_of(budget, self.now)
                found.append(
                    Claim(
                        f"budget/{budget.name}/-",
                        Kind.WINDOW,
                        budget.limit,
                        amount,
                        window.start,
                        window.first,
                        window.ends,
                        allowance=budget.allowance,
                    )
                )
        return (*found, Claim("slots/all/-", Kind.SLOTS, SLOTS, 1)) if request.slot else tuple(found)

    def of(self, number: int, among: list[Process]) -> Process:
        return among[number % len(among)]

    def living(self) -> list[Process]:
        return [process for process in self.processes if process.alive and process.leased]

    def holding(self) -> list[Process]:
        return [process for process in self.processes if process.alive and process.holds]

    def unburied(self) -> list[Process]:
        return [process for process in self.processes if not process.alive and process.leased]

    def lease(self, process: Process, claims: tuple[Claim, ...], plenty: bool) -> Grant | Refusal:
        before = {claim.pot: self.vault.totals(claim.pot) for claim in claims}
        answer = self.vault.lease(process.name, process.purse.lacking(claims), self.now, plenty)
        if isinstance(answer, Refusal):
            assert {claim.pot: self.vault.totals(claim.pot) for claim in claims} == before, "refused, yet drawn"
        return answer

    def recall(self, claim: Claim) -> None:
        holders = self.vault.recallable(claim)
        for process in self.living():
            if process.name in holders:
                process.purse.tighten(claim.pot)
            self.deliver(process, process.purse.report())

    def deliver(self, process: Process, report: Report | None) -> None:
        if report is not None:
            process.sent.append(report)
            self.vault.report(process.name, report, self.now)

    # What happens.

    def begin(self) -> None:
        """So many workers as there should be, each with a name of its own."""
        while len(self.living()) < HOLDERS:
            self.born += 1
            self.processes.append(Process(f"worker-{self.born}"))

    @rule(asked=st.lists(requests, min_size=1, max_size=8), plenty=st.booleans())
    def ask(self, asked: list[Request], plenty: bool) -> None:
        for request in asked:
            self.serve(request, plenty)

    def serve(self, request: Request, plenty: bool) -> None:
        process, claims = self.of(request.who, self.living()), self.claims(request)
        counters, asked = process.purse.take(claims), 0
        while counters is None:
            # Twice where the owner has moved on to a later window than the purse, and the clock went back.
            assert (asked := asked + 1) <= 2, "granted, and still not enough"
            answer = self.lease(process, claims, plenty)
            if isinstance(answer, Refusal):
                self.recall(answer.claim)
                answer = self.lease(process, claims, plenty)
            if isinstance(answer, Refusal):
                self.check_refusal(answer, claims)
                return
            process.purse.granted(answer)
            counters = process.purse.take(claims)
        assert all(start >= claim.start for (_, start), claim in zip(counters, claims, strict=True))
        self.requests += 1
        draws = tuple(
            (counter, claim.amount, claim.amount * request.orphan // 2)
            for counter, claim in zip(counters, claims, strict=True)
        )
        process.holds[self.requests] = Hold(draws)

    def check_refusal(self, refusal: Refusal, claims: tuple[Claim, ...]) -> None:
        """Nothing is refused that would fit, once every worker gave back what it does not use and the dead are buried."""
        claim = refusal.claim
        whole = next(each.amount for each in claims if each.pot == claim.pot)
        assert (refusal.retry_after is None) == (whole > claim.limit)
        if not self.unburied():
            assert self.truth_within(claim.pot, claim.first) + whole > claim.limit, "refused, though it fits"

    @precondition(lambda self: self.holding())
    @rule(which=st.lists(some, min_size=1, max_size=8), share=st.sampled_from((0.0, 0.3, 1.0)))
    def settle(self, which: list[int], share: float) -> None:
        for number in which:
            if self.holding():
                process = self.of(number, self.holding())
                for counter, amount, _ in self.end(process, number).draws:
                    self.book(process, counter, amount, int(amount * share))

    @precondition(lambda self: self.holding())
    @rule(who=some, which=some, more=st.integers(1, 30))
    def use_more_than_held(self, who: int, which: int, more: int) -> None:
        process = self.of(who, self.holding())
        for counter, amount, _ in self.end(process, which).draws:
            if counter[1]:
                self.overspent[counter] += more
            self.book(process, counter, amount, amount + more)

    @precondition(lambda self: self.holding())
    @rule(who=some, which=some)
    def give_up_unused(self, who: int, which: int) -> None:
        process = self.of(who, self.holding())
        for counter, amount, _ in self.end(process, which).draws:
            process.purse.give_back(counter, amount)
            if not process.leased and counter[1]:
                self.vault.foreign(counter, 0, -amount)

    def end(self, process: Process, which: int) -> Hold:
        return process.holds.pop(list(process.holds)[which % len(process.holds)])

    def book(self, process: Process, counter: Counter, held: int, used: int) -> None:
        if not counter[1]:
            process.purse.give_back(counter, held)
            return
        process.purse.settle(counter, held, used)
        process.settled[counter] += used
        if not process.leased:
            self.vault.foreign(counter, used, -held)

    @rule(who=some, idle=st.booleans())
    def report(self, who: int, idle: bool) -> None:
        process = self.of(who, self.living())
        self.deliver(process, process.purse.report(idle))

    @precondition(lambda self: any(process.sent for process in self.processes))
    @rule(who=some, which=some)
    def hear_a_report_again(self, who: int, which: int) -> None:
        process = self.of(who, [process for process in self.processes if process.sent])
        self.vault.report(process.name, process.sent[which % len(process.sent)], self.now)

    @rule(who=some, request=requests)
    def die(self, who: int, request: Request) -> None:
        """With a grant on its way, and a report that nobody hears."""
        process = self.of(who, self.living())
        self.lease(process, self.claims(request), True)
        process.purse.report()
        process.alive = False
        self.begin()

    @precondition(lambda self: self.unburied())
    @rule(who=some)
    def bury(self, who: int) -> None:
        process = self.of(who, self.unburied())
        for hold in process.holds.values():
            for counter, _, orphan in hold.draws:
                process.settled[counter] += orphan if counter[1] else 0
        process.holds.clear()
        self.vault.bury(process.name, {counter: used for counter, used in process.settled.items() if counter[1]})
        process.leased = False

    @precondition(lambda self: self.requests % 5 == 4)
    @rule()
    def start_owner_anew(self) -> None:
        self.vault = self.new_vault()
        for process in self.processes:
            process.purse.close()
            process.leased = False
            for request in (Request(0, 1, 0, False, 0), Request(0, 0, 1, False, 0)):
                assert process.purse.take(self.claims(request)) is None, "drawn on an owner that is gone"
        held: Tally[Counter] = Tally()
        settled: Tally[Counter] = Tally()
        for process in self.processes:
            settled.update(process.settled)
            for counter, amount in open_draws(process):
                held[counter] += amount
        self.vault.open({key: n for key, n in settled.items() if key[1]}, {key: n for key, n in held.items() if key[1]})
        self.begin()

    @precondition(lambda self: any(not each.alive and not each.leased and each.holds for each in self.processes))
    @rule()
    def write_the_ends_of_orphans(self) -> None:
        for process in self.processes:
            if not process.alive and not process.leased:
                for hold in process.holds.values():
                    for counter, amount, orphan in hold.draws:
                        if counter[1]:
                            process.settled[counter] += orphan
                            self.vault.foreign(counter, orphan, -amount)
                process.holds.clear()

    @rule(seconds=st.sampled_from((0.5, 2.0, 7.0, 30.0, 60.0, 121.0)))
    def let_time_pass(self, seconds: float) -> None:
        self.now += seconds

    @rule(seconds=st.sampled_from((2.0, 60.0, 200.0)))
    def set_the_clock_back(self, seconds: float) -> None:
        self.now -= seconds

    @rule(seconds=st.sampled_from((60.0, 200.0)))
    def set_the_clock_forward_and_back(self, seconds: float) -> None:
        """And just then the owner tidies up."""
        self.vault.sweep(self.now + seconds)

    @rule()
    def sweep(self) -> None:
        self.vault.sweep(self.now)

    # What must hold.

    def truth(self) -> Tally[Counter]:
        found: Tally[Counter] = Tally()
        for process in self.processes:
            found.update(process.settled)
            for counter, amount in open_draws(process):
                found[counter] += amount
        return found

    def truth_within(self, pot: str, first: int) -> int:
        if pot.startswith("slots/"):
            processes = [process for process in self.processes if process.leased and process.alive]
            return sum(n for process in processes for counter, n in open_draws(process) if counter[0] == pot)
        return sum(amount for (name, start), amount in self.truth().items() if name == pot and start >= first)

    @invariant()
    def no_window_is_overdrawn(self) -> None:
        truth = self.truth()
        for pot, start in truth:
            limit, length = (MINUTE.limit, 0) if "minute" in pot else (ROLLING.limit, 120)
            if start:
                drawn, over = (
                    sum(n for (name, at), n in tally.items() if name == pot and start - length <= at <= start)
                    for tally in (truth, self.overspent)
                )
                assert drawn <= limit + over, f"{pot} from {start}"

    @invariant()
    def no_more_slots_are_held_than_there_are(self) -> None:
        assert self.truth_within("slots/all/-", 0) <= SLOTS

    @invariant()
    def nothing_is_negative_and_the_owner_never_counts_too_little(self) -> None:
        truth, known = self.truth(), dict(self.vault.counters())
        assert all(amount >= 0 for amount in truth.values())
        for counter, totals in known.items():
            assert 0 <= totals.settled <= totals.drawn, counter
            assert truth[counter] <= totals.drawn + self.overspent[counter], counter

    def teardown(self) -> None:
        """After everything has ended, what is settled is what was really used, and nothing else is drawn."""
        for process in self.processes:
            while process.alive and process.holds:
                for counter, amount, _ in self.end(process, 0).draws:
                    self.book(process, counter, amount, amount // 2)
        self.write_the_ends_of_orphans()
        while self.unburied():
            self.bury(0)
        for process in self.living():
            for pot in ("budget/minute/-", "budget/rolling/-", "slots/all/-"):
                process.purse.tighten(pot)
            self.deliver(process, process.purse.report())
        truth = self.truth()
        for counter, totals in self.vault.counters():
            assert totals == (truth[counter], truth[counter]), counter
        assert self.vault.totals("slots/all/-").drawn == 0
        assert all(process.purse.report(idle=True) is None for process in self.living())


class LedgerOfOneOfSeveralHosts(LedgerOfOneHost):
    """The same where a store gives out entitlements, and is away at times."""

    def __init__(self) -> None:
        self.entitled: Tally[Counter] = Tally()
        super().__init__()

    def new_vault(self) -> Vault:
        return Vault(HOLDERS, (Kind.WINDOW,))

    def lease(self, process: Process, claims: tuple[Claim, ...], plenty: bool) -> Grant | Refusal:
        if not self.vault.away:
            for claim, spare in self.vault.spare(process.purse.lacking(claims)):
                lack = claim.amount - spare
                if lack <= 0:
                    continue
                given = sum(n for (pot, at), n in self.entitled.items() if pot == claim.pot and at >= claim.first)
                self.entitle(claim.counter, self.entitled[claim.counter] + max(0, min(2 * lack, claim.limit - given)))
        return super().lease(process, claims, plenty)

    def entitle(self, counter: Counter, amount: int) -> None:
        self.entitled[counter] = amount
        self.vault.entitle(counter, amount)

    @rule()
    def lose_the_store(self) -> None:
        self.vault.away = True

    @precondition(lambda self: self.vault.away)
    @rule()
    def find_the_store(self) -> None:
        """What was drawn meanwhile is said, and becomes this host's; of windows that are over, nobody asks."""
        self.vault.away = False
        known = dict(self.vault.counters())
        self.entitled |= Tally({counter: drawn for counter, drawn in self.truth().items() if counter not in known})
        for counter, totals in list(self.vault.counters()):
            self.entitle(counter, max(self.entitled[counter], totals.drawn))

    @precondition(lambda self: not self.vault.away)
    @rule(share=st.floats(0.0, 1.0))
    def return_entitlements(self, share: float) -> None:
        for counter, totals in list(self.vault.counters()):
            spare = self.entitled[counter] - totals.drawn
            if spare > 0:
                self.entitle(counter, self.entitled[counter] - int(spare * share))

    @precondition(lambda self: self.requests % 5 == 4)
    @rule()
    def start_owner_anew(self) -> None:
        super().start_owner_anew()
        self.entitled = Tally({counter: totals.drawn for counter, totals in self.vault.counters()})

    def check_refusal(self, refusal: Refusal, claims: tuple[Claim, ...]) -> None:
        """What other hosts have is not known here: only that what is larger than its pot is never met."""
        whole = next(each.amount for each in claims if each.pot == refusal.claim.pot)
        assert (refusal.retry_after is None) == (whole > refusal.claim.limit)

    @invariant()
    def no_window_is_overdrawn(self) -> None:
        """Nothing is drawn beyond the entitlements and one allowance a window."""
        beyond: Tally[str] = Tally()
        for counter, drawn in self.truth().items():
            if counter[1]:
                over = drawn - self.entitled[counter] - self.overspent[counter]
                assert over <= (MINUTE.allowance or 0 if "minute" in counter[0] and self.vault.away else 0), counter
                beyond[counter[0]] += max(over, 0)


def open_draws(process: Process) -> Iterator[tuple[Counter, int]]:
    """What a process holds."""
    return ((counter, amount) for hold in process.holds.values() for counter, amount, _ in hold.draws)


pytestmark = pytest.mark.timeout(900)  # a failure is made small before it is shown

TestLedgerOfOneHost = LedgerOfOneHost.TestCase
TestLedgerOfOneHost.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestLedgerOfOneOfSeveralHosts = LedgerOfOneOfSeveralHosts.TestCase
TestLedgerOfOneOfSeveralHosts.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
