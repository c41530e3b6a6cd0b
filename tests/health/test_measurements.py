"""What a worker remembers of its upstreams, and what follows from it."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from routebook.catalogue.providers import Account, Provider
from routebook.documents.problems import Location
from routebook.health.breakers import Thresholds
from routebook.health.measurements import OVERLOAD_REST, QUOTA_REST, Bar, Call, Measurements
from routebook.health.standings import Standing
from routebook.health.verdicts import Kind, Rest, Verdict

A, B, C = (("p", name) for name in "abc")
"""Three accounts; the first two share a bucket."""

PROVIDER = Provider(
    "p",
    "openai",
    "http://p",
    Location("policy.yaml", 1, 1),
    (Account("a", bucket="one"), Account("b", bucket="one"), Account("c")),
)
THRESHOLDS = Thresholds(failures=0.5, of=4, within=10.0, in_a_row=3, rest=8.0, slow_after=2.0)
GOOD = Verdict(Kind.GOOD, first_byte=0.5)
FAILED = Verdict(Kind.FAILED, "503")
OVERLOADED = Verdict(Kind.OVERLOADED, "429")
REFUSED = Verdict(Kind.KEY_REFUSED, "401")


def memory(instance: str = "w0") -> Measurements:
    """Of these accounts."""
    found = Measurements(instance)
    found.take([PROVIDER], THRESHOLDS, at=0.0)
    return found


def called(
    of: Measurements, account: tuple[str, str], verdict: Verdict, at: float, took: float = 0.1, jitter: float = 0.0
) -> None:
    """One call from beginning to end."""
    call = of.begin(account, "m", at)
    of.outcome(call, verdict, at + took, jitter)
    of.release(call, at + took)


def bars(of: Measurements, at: float) -> list[Bar | None]:
    """What keeps each of the three from being called, with whole seconds."""
    found = [of.barred(account, "m", at) for account in (A, B, C)]
    return [None if each is None else (each[0], round(each[1]), each[2]) for each in found]


def test_nothing_is_known_of_what_was_never_called() -> None:
    """No measurement is not a measurement of zero."""
    fresh = memory()
    assert (fresh.first_token("m"), fresh.in_flight(A), fresh.barred(A, "m", 0.0)) == (None, 0, None)


def test_first_token_times_follow_what_is_measured() -> None:
    """The first measurement counts whole, later ones decay the past; what is no answer measures nothing."""
    of = memory()
    for first, mean in ((1.0, 1.0), (2.0, 1.2)):
        called(of, A, Verdict(Kind.GOOD, first_byte=first), 0.0)
        assert of.first_token("m") == pytest.approx(mean)
    called(of, A, Verdict(Kind.GOOD), 0.0)
    called(of, A, OVERLOADED, 0.0)
    assert of.first_token("m") == pytest.approx(1.2)


def test_calls_are_counted_in_and_out() -> None:
    """Load is what has begun and was not released, whatever came of it."""
    of = memory()
    calls = [of.begin(A, "m", 0.0) for _ in range(3)]
    of.outcome(calls[0], GOOD, 0.5, 0.0)
    assert of.in_flight(A) == 3
    of.release(calls[0], 0.6)
    assert of.in_flight(A) == 2
    assert repr(of) == "<Measurements of 1 models, 1 accounts, 2 calls running>"


def test_a_429_rests_the_whole_bucket() -> None:
    """Keys of one project share a quota; the third one is another project's."""
    of = memory()
    called(of, A, Verdict(Kind.OVERLOADED, "429", Rest(7.0, "retry-after")), 100.0, took=0.0)
    assert bars(of, 100.0) == [("account.resting", 7, "429"), ("account.resting", 7, "429"), None]
    assert bars(of, 107.0) == [None, None, None]


def test_a_refused_key_takes_out_one_account_until_the_policy_is_taken_again() -> None:
    """Its siblings of the bucket have keys of their own."""
    of = memory()
    called(of, A, REFUSED, 1.0)
    assert bars(of, 1e6) == [("account.out", 0, "401"), None, None]
    of.take([PROVIDER], THRESHOLDS, at=1e6)
    assert bars(of, 1e6) == [None, None, None]


def test_a_call_with_the_old_key_says_nothing_of_the_new_one() -> None:
    """It was running when the account was let back in."""
    of = memory()
    late = of.begin(A, "m", 1.0)
    called(of, A, REFUSED, 1.0)
    of.admit(A, 2.0)
    of.outcome(late, REFUSED, 3.0, 0.0)
    assert of.barred(A, "m", 3.0) is None


def test_a_used_up_quota_rests_the_bucket_for_long_and_longer() -> None:
    """An hour, then two: nothing mends that by itself."""
    of = memory()
    called(of, B, Verdict(Kind.NO_QUOTA, "402"), 0.0, took=0.0)
    assert bars(of, 0.0)[:2] == [("account.resting", QUOTA_REST, "402")] * 2
    called(of, B, Verdict(Kind.NO_QUOTA, "402"), 3700.0, took=0.0)
    assert bars(of, 3700.0)[0] == ("account.resting", 2 * QUOTA_REST, "402")


def test_after_a_rest_one_request_tries_and_its_success_opens_the_gate() -> None:
    """The others hear that the account is on trial."""
    of = memory()
    called(of, C, OVERLOADED, 0.0, took=0.0)
    assert bars(of, 0.0)[2] == ("account.resting", OVERLOAD_REST, "429")
    trial = of.begin(C, "m", 6.0)
    assert bars(of, 6.1)[2] == ("account.probing", 0, "429")
    of.outcome(trial, GOOD, 6.5, 0.0)
    assert bars(of, 6.5)[2] is None


def test_a_trial_that_shows_nothing_makes_room_for_the_next() -> None:
    """The client left; or the call was released without a verdict."""
    of = memory()
    called(of, C, OVERLOADED, 0.0, took=0.0)
    trial = of.begin(C, "m", 6.0)
    of.outcome(trial, Verdict(Kind.BLAMELESS), 6.5, 0.0)
    assert of.barred(C, "m", 6.5) is None
    of.release(of.begin(C, "m", 7.0), 7.5)
    assert of.barred(C, "m", 7.5) is None


def test_rests_double_while_trials_fail_and_nobody_returns_at_the_same_moment() -> None:
    """5, 10, 20 seconds and so on, a quarter longer at most; what the upstream asks for counts where it is more."""
    of, at, found = memory(), 0.0, []
    for jitter in (0.0, 0.0, 0.0, 0.5):
        called(of, C, OVERLOADED, at, took=0.0, jitter=jitter)
        bar = of.barred(C, "m", at)
        assert bar is not None
        found.append(bar[1])
        at += bar[1] + 1
    assert found == [5.0, 10.0, 20.0, 45.0]
    called(of, C, Verdict(Kind.OVERLOADED, "429", Rest(600.0, "retry-after")), at, took=0.0)
    assert bars(of, at)[2] == ("account.resting", 600, "429")


def test_the_last_answer_for_now_rests_the_bucket_before_anybody_is_refused() -> None:
    """And leaves it ready, not on trial."""
    of = memory()
    called(of, A, Verdict(Kind.GOOD, rest=Rest(3.0, "x-ratelimit-remaining-requests"), first_byte=0.1), 0.0, took=0.0)
    assert bars(of, 1.0)[1] == ("account.resting", 2, "x-ratelimit-remaining-requests")
    of.begin(A, "m", 4.0)
    assert bars(of, 4.0) == [None, None, None]


def test_a_breaker_opens_for_one_model_of_one_account_and_closes_again() -> None:
    """Open, half-open, open for twice as long, half-open, closed; each turn is counted."""
    of = memory()
    turns: list[tuple[str, str, str]] = []
    of.on_breaker = lambda model, account, to: turns.append((model, account, to))
    for number in range(3):
        called(of, C, FAILED, number / 10, took=0.0)
    assert bars(of, 0.2)[2] == ("breaker.open", 8, "3 failures in a row")
    assert of.barred(C, "other", 0.2) is None
    called(of, C, FAILED, 9.0, took=0.0)
    assert bars(of, 9.0)[2] == ("breaker.open", 16, "a failed trial")
    trial = of.begin(C, "m", 26.0)
    assert bars(of, 26.0)[2] == ("account.probing", 0, "a failed trial")
    of.outcome(trial, GOOD, 26.5, 0.0)
    assert bars(of, 26.5)[2] is None
    assert turns == [("m", "p/c", to) for to in ("open", "half-open", "open", "half-open", "closed")]


def test_slow_first_tokens_open_a_breaker_too() -> None:
    """Where `slow_after` is declared."""
    of = memory()
    for number in range(4):
        called(of, C, Verdict(Kind.GOOD, first_byte=2.5), number / 10, took=0.0)
    assert bars(of, 0.3)[2] is not None
    quick = memory()
    for number in range(4):
        called(quick, C, Verdict(Kind.GOOD, first_byte=1.5), number / 10, took=0.0)
    assert bars(quick, 0.3)[2] is None


def test_calls_that_fail_after_the_breaker_opened_do_not_keep_it_open() -> None:
    """They began before it did."""
    of = memory()
    late = [of.begin(C, "m", 0.0) for _ in range(10)]
    for number in range(3):
        called(of, C, FAILED, number / 10, took=0.0)
    for call in late:
        of.outcome(call, FAILED, 7.0, 0.0)
    assert bars(of, 8.3)[2] is None


def test_an_outlier_is_set_aside_but_never_more_than_half() -> None:
    """Of two accounts that fail while the third does not, one stays."""
    of = Measurements("w0")
    of.take([PROVIDER], Thresholds(failures=1.0, of=4, within=60.0, in_a_row=100), at=0.0)
    for number in range(8):
        called(of, C, GOOD, number / 10, took=0.0)
    for account in (A, B):
        for number in range(4):
            called(of, account, FAILED if number % 2 else GOOD, 1 + number / 10, took=0.0)
    assert bars(of, 2.0) == [("account.resting", 14, "50% failed, 0% with the other accounts"), None, None]


def test_an_operator_rests_an_account_and_lets_it_back_in() -> None:
    """With its bucket and its breakers; a success meanwhile changes nothing."""
    of = memory()
    of.pause(A, 0.0, 600.0, "an operator")
    called(of, A, GOOD, 1.0)
    called(of, B, OVERLOADED, 0.0)
    for number in range(3):
        called(of, A, FAILED, number / 10)
    assert bars(of, 1.0)[0] == ("account.resting", 599, "an operator")
    of.admit(A, 1.0)
    assert bars(of, 1.0) == [None, None, None]


def test_turns_go_round() -> None:
    """Each provider's for itself."""
    of = memory()
    assert [of.turn("p"), of.turn("q"), of.turn("p"), of.turn("p")] == [0, 0, 1, 2]


def test_one_learns_what_another_has_learnt_and_that_a_new_one_needs_to_know() -> None:
    """News is told once, what was heard is not told on, and hearing it twice changes nothing."""
    one, other = memory("w0"), memory("w1")
    told: list[int] = []
    one.on_news = lambda: told.append(1)
    called(one, A, OVERLOADED, 0.0)
    called(one, C, REFUSED, 0.0)
    news = one.take_news()
    assert told == [1] and len(news) == 2 and not one.take_news()
    for _ in range(2):
        assert other.hear(news) is False
    assert bars(other, 1.0) == bars(one, 1.0)
    assert not other.take_news()
    other.admit(C, 2.0)
    assert one.hear(other.take_news()) is True
    assert bars(one, 2.0)[2] is None


class Workers(RuleBasedStateMachine):
    """Two workers, any calls, news heard late and in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 0.0
        self.workers = [memory("w0"), memory("w1")]
        self.running: list[tuple[Measurements, Call]] = []
        self.under_way: list[tuple[int, dict[str, Standing]]] = []

    @rule(seconds=st.floats(0.01, 40.0))
    def time_passes(self, seconds: float) -> None:
        """For both."""
        self.at += seconds

    @rule(who=st.integers(0, 1), account=st.sampled_from([A, B, C]))
    def begin(self, who: int, account: tuple[str, str]) -> None:
        """As the loop does it: only where nothing bars it."""
        worker = self.workers[who]
        if worker.barred(account, "m", self.at) is not None:
            return
        call = worker.begin(account, "m", self.at)
        if call.trials:
            assert worker.barred(account, "m", self.at) is not None, "two trials at a time"
        self.running.append((worker, call))

    @rule(
        which=st.integers(0, 99), verdict=st.sampled_from([GOOD, FAILED, OVERLOADED, REFUSED]), jitter=st.floats(0, 1)
    )
    def end(self, which: int, verdict: Verdict, jitter: float) -> None:
        """A call ends somehow."""
        if self.running:
            worker, call = self.running.pop(which % len(self.running))
            worker.outcome(call, verdict, self.at, jitter)
            worker.release(call, self.at)

    @rule(who=st.integers(0, 1))
    def tell(self, who: int) -> None:
        """News sets out."""
        self.under_way.append((1 - who, self.workers[who].take_news()))

    @rule(which=st.integers(0, 99))
    def arrive(self, which: int) -> None:
        """News arrives, whichever set out first."""
        if self.under_way:
            to, news = self.under_way.pop(which % len(self.under_way))
            self.workers[to].hear(news)

    @rule(account=st.sampled_from([A, B, C]), who=st.integers(0, 1))
    def admit(self, account: tuple[str, str], who: int) -> None:
        """An operator lets an account back in."""
        self.workers[who].admit(account, self.at)

    @invariant()
    def what_is_counted_is_what_runs(self) -> None:
        """No call is lost and none is counted twice."""
        for worker in self.workers:
            counted = sum(worker.in_flight(account) for account in (A, B, C))
            assert counted == sum(of is worker for of, _ in self.running)

    def teardown(self) -> None:
        """Once everything is heard, all know the same."""
        for who in (0, 1):
            self.tell(who)
        for to, news in self.under_way:
            self.workers[to].hear(news)
        one, other = (dict(worker.standings) for worker in self.workers)
        assert one == other


Workers.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestWorkers = Workers.TestCase
