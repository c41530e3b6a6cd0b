"""What one worker remembers of models and accounts: how they stand, how fast they are, what is under way.

The clock is an argument (`at`, monotonic seconds). Whatever changes how something stands is *news*, which the other
workers hear of (`edge.processes`); times and loads are this worker's own. All of it is a hint for choosing among
candidates, never a condition of correctness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from routebook.catalogue.providers import Provider
from routebook.health.breakers import Thresholds, Window, why_ejected, why_open
from routebook.health.habits import Habit
from routebook.health.learnt import Learnt
from routebook.health.pace import Pace
from routebook.health.quota_headers import LONGEST, LONGEST_QUOTA
from routebook.health.ratings import Rating
from routebook.health.speeds import ALL, First, Speed
from routebook.health.standings import Standing, Standings, State, of_account, of_breaker, of_bucket
from routebook.health.verdicts import Kind, Verdict

WEIGHT_OF_LATEST = 0.2
"""How much the newest first-token time of a model counts against all before it: after ten answers the past weighs a
tenth."""

OVERLOAD_REST = 5.0
"""Seconds an account rests after a 429 that did not say for how long; twice as long each further time."""

LONGEST_OVERLOAD = 300.0
"""Seconds that doubling can come to after a 429."""

QUOTA_REST = 3600.0
"""Seconds an account rests whose quota is used up and that did not say for how long."""

LONGEST_OPEN = 16
"""So many times its first rest is the longest that a breaker stays open."""

JITTER = 0.25
"""By so much at most a rest that nobody asked for is longer than computed, so that accounts do not return together."""

AccountKey = tuple[str, str]
"""Provider's name and account's name."""

Bar = tuple[str, float, str]
"""Why an account may not be called now: the reason's code, for how many seconds, and because of what."""


@dataclass(slots=True)
class _Account:
    in_flight: int = 0
    window: Window = field(default_factory=Window)


@dataclass(slots=True)
class ModelByAccount:
    """One model as one account serves it."""

    window: Window = field(default_factory=Window)
    first: Pace = field(default_factory=Pace)
    whole: Pace = field(default_factory=Pace)


@dataclass(slots=True)
class Call:
    """A call that runs: by whom, of what, since when (monotonic seconds), where it is counted, and what it is the trial
    of, as that stood when it began."""

    account: AccountKey
    model: str
    began: float
    load: _Account
    pair: ModelByAccount
    trials: tuple[tuple[str, Standing], ...] = ()
    answered: bool = False


class Measurements:
    """What one worker remembers of its upstreams. `instance` names the worker among the others."""

    def __init__(self, instance: str = "local") -> None:
        self.standings = Standings()
        self.learnt = Learnt()
        self.pairs: dict[tuple[AccountKey, str], ModelByAccount] = {}
        self.on_news: Callable[[], object] = lambda: None
        self.on_breaker: Callable[[str, str, str], object] = lambda model, account, to: None
        self._instance = instance
        self._news: dict[str, Standing] = {}
        self._first_token: dict[str, float] = {}
        self._first_audio: dict[str, float] = {}
        self._accounts: dict[AccountKey, _Account] = {}
        self._turns: dict[str, int] = {}
        self._thresholds = Thresholds()
        self._quotas: dict[AccountKey, str] = {}
        self._siblings: dict[str, tuple[AccountKey, ...]] = {}
        self._leaders: dict[str, tuple[str, str]] = {}

    def __repr__(self) -> str:
        busy = sum(account.in_flight for account in self._accounts.values())
        return (
            f"<Measurements of {len(self._first_token)} models, {len(self._accounts)} accounts, {busy} calls running>"
        )

    def take(self, providers: Iterable[Provider], thresholds: Thresholds, at: float) -> None:
        """Go by this policy from now on: which accounts share a quota, and when a breaker opens. Accounts that were out
        are let back in: their keys have been read again."""
        self._thresholds = thresholds
        self._quotas.clear()
        self._siblings.clear()
        self._leaders.clear()
        for provider in providers:
            self._siblings[provider.name] = tuple((provider.name, each.name) for each in provider.accounts)
            for account in provider.accounts:
                if account.bucket is not None:
                    self._quotas[provider.name, account.name] = of_bucket(provider.name, account.bucket)
        for name, standing in list(self.standings):
            if standing.out:
                self._put(name, standing.forgiven(at))

    # What a decision asks (`routing.memory.Memory`).

    def barred(self, account: AccountKey, model: str, at: float) -> Bar | None:
        """Why the account may not be called for the model now; None where it may."""
        if not self.standings:
            return None
        for name in self._names(account, model):
            standing = self.standings.of(name)
            match standing.state(at):
                case State.OUT:
                    return "account.out", 0.0, standing.out
                case State.RESTING:
                    code = "breaker.open" if name.startswith("breaker") else "account.resting"
                    return code, standing.until - at, standing.because
                case State.PROBING:
                    return "account.probing", 0.0, standing.because
        return None

    def first_token(self, model: str) -> float | None:
        """The decaying mean of first-token times in seconds; None where nothing was measured."""
        return self._first_token.get(model)

    def first_audio(self, model: str) -> float | None:
        """The decaying mean of the times to the first sound in seconds; None where nothing was measured."""
        return self._first_audio.get(model)

    def speed(self, account: AccountKey | None, model: str, at: float, first: First = First.TOKEN) -> Speed | None:
        """How fast the account answers for the model (None: all accounts together); None where nothing was measured."""
        return self.learnt.times(first).of(account or ALL, model, at)

    def expected_output(self, client: str, model: str, at: float) -> Habit | None:
        """What the model's answers to the client are like; None where nothing is known."""
        return self.learnt.habits.of(client, model, at)

    def rating(self, model: str, task: str) -> Rating | None:
        """How the model's answers to prompts of the class were rated; None where none was."""
        return self.learnt.ratings.of(model, task)

    def billed(self, model: str, at: float) -> float | None:
        """Tokens of prompts that the model's upstream billed, to one that was estimated; None where nothing is known."""
        return self.learnt.billing.ratio(model, at)

    def leader(self, rule: str) -> tuple[str, str] | None:
        """Model and account (`provider/account`) that the rule's order put first the last time."""
        return self._leaders.get(rule)

    def in_flight(self, account: AccountKey) -> int:
        """Calls of the account that are running."""
        known = self._accounts.get(account)
        return 0 if known is None else known.in_flight

    def turn(self, provider: str) -> int:
        """Which turn it is among the provider's accounts; each time it is asked, the next one's."""
        turn = self._turns.get(provider, 0)
        self._turns[provider] = turn + 1
        return turn

    # What the edge reports.

    def led(self, rule: str, leader: tuple[str, str]) -> None:
        """The rule's order has put this model by this account (`provider/account`) first."""
        self._leaders[rule] = leader

    def begin(self, account: AccountKey, model: str, at: float) -> Call:
        """A call begins; each must be told to `release`, and most of them to `outcome` before. Where the account or the
        breaker is on trial, this call is the trial."""
        load = self._of(account)
        load.in_flight += 1
        call = Call(account, model, at, load, self._pair(account, model))
        for name in self._names(account, model) if self.standings else ():
            standing = self.standings.of(name)
            if standing.state(at) is State.ON_TRIAL:
                tried = standing.tried(at, self._instance)
                call.trials += ((name, tried),)
                self._put(name, tried)
                self._turned(name, "half-open")
        return call

    def outcome(self, call: Call, verdict: Verdict, at: float, jitter: float) -> None:
        """What came of a call, as soon as that is known: with its first byte, where it is an answer. An answer that
        breaks off later has a second outcome. `jitter` is from 0 to below 1."""
        match verdict.kind:
            case Kind.GOOD:
                self._good(call, verdict, at)
            case Kind.FAILED:
                self._failed(call, verdict, at, jitter)
            case Kind.OVERLOADED:
                quota = self._quota(call.account)
                seconds = self._seconds(quota, call, verdict, OVERLOAD_REST, LONGEST_OVERLOAD, jitter)
                self._strike(quota, call, at, min(seconds, LONGEST), verdict.because)
            case Kind.NO_QUOTA:
                quota = self._quota(call.account)
                seconds = self._seconds(quota, call, verdict, QUOTA_REST, LONGEST_QUOTA, jitter)
                self._strike(quota, call, at, min(seconds, LONGEST_QUOTA), verdict.because)
            case Kind.KEY_REFUSED:
                name = of_account(*call.account)
                standing = self.standings.of(name)
                if call.began >= standing.since:
                    self._put(name, standing.taken_out(verdict.because))
            case Kind.BLAMELESS:
                pass
        if call.trials:
            self._end_trials(call)

    def release(self, call: Call, at: float) -> None:
        """A call is over, in whatever way."""
        call.load.in_flight -= 1
        if call.answered:
            call.pair.whole.note(at - call.began)
            self.learnt.speeds.ended(call.account, call.model, at - call.began, at)
        if call.trials:
            self._end_trials(call)

    # What operators and other workers say.

    def pause(self, account: AccountKey, at: float, seconds: float, because: str) -> None:
        """Leave the account alone for so long, whatever its state; a longer rest already begun stays."""
        name = of_account(*account)
        self._put(name, self.standings.of(name).paused(at, min(seconds, LONGEST_QUOTA), because))

    def admit(self, account: AccountKey, at: float) -> None:
        """Let the account back in, with its quota and its breakers."""
        breakers = of_breaker(*account, "")
        for name, standing in list(self.standings):
            if name in (of_account(*account), self._quota(account)) or name.startswith(breakers):
                self._put(name, standing.forgiven(at))

    def take_news(self) -> dict[str, Standing]:
        """How everything stands that has changed here since this was last asked."""
        news, self._news = self._news, {}
        return news

    def hear(self, news: Mapping[str, Standing]) -> bool:
        """Take in what other workers have learnt; whether an account that was out is let back in."""
        was_out = {name for name in news if self.standings.of(name).out}
        heard = self.standings.hear(news)
        for name, standing in heard.items():
            if not standing.strikes:
                self._forget(name)
        return any(name in was_out and not standing.out for name, standing in heard.items())

    @property
    def holds_out(self) -> bool:
        """Whether an account is out."""
        return any(standing.out for _, standing in self.standings)

    def recent(self, account: AccountKey, at: float) -> tuple[int, int, int]:
        """Calls of the account in the latest window, failures among them, and failures in a row."""
        window = self._of(account).window
        return *window.counts(at, self._thresholds.within), window.in_a_row

    # What came of it.

    def began(self, call: Call, first: float, at: float) -> None:
        """What was asked for by a call began to come after so many seconds; in a session, this is so of each response."""
        _follow(self._first_token, call.model, first)
        call.pair.first.note(first)
        self.learnt.speeds.began(call.account, call.model, first, at)

    def sounded(self, call: Call, first: float, at: float) -> None:
        """The first sound of a call's answer, or of a session's response, came after so many seconds."""
        _follow(self._first_audio, call.model, first)
        self.learnt.sounds.began(call.account, call.model, first, at)

    def _good(self, call: Call, verdict: Verdict, at: float) -> None:
        call.answered = verdict.first_byte is not None
        slow_after, first = self._thresholds.slow_after, verdict.first_byte
        if first is not None:
            self.began(call, first, at)
        slow = slow_after is not None and first is not None and first > slow_after
        for name in self._names(call.account, call.model) if self.standings else ():
            if not (slow and name.startswith("breaker")):
                standing = self.standings.of(name)
                if self._put(name, standing.proven(at, call.began)):
                    self._forget(name)
                    self._turned(name, "closed")
        if verdict.rest is not None:
            quota = self._quota(call.account)
            self._put(quota, self.standings.of(quota).paused(at, verdict.rest.seconds, verdict.rest.because))
        self._count(call, slow, at, 0.0)

    def _failed(self, call: Call, verdict: Verdict, at: float, jitter: float) -> None:
        if verdict.rest is not None:
            self._strike(of_account(*call.account), call, at, min(verdict.rest.seconds, LONGEST), verdict.because)
        self._count(call, True, at, jitter)

    def _count(self, call: Call, failed: bool, at: float, jitter: float) -> None:
        """Count a call. What began before the breaker opened tells nothing new."""
        if self.standings and call.began < self.standings.of(of_breaker(*call.account, call.model)).since:
            return
        thresholds = self._thresholds
        call.pair.window.note(at, thresholds.within, failed)
        call.load.window.note(at, thresholds.within, failed)
        if failed:
            self._look_into(call, at, jitter)

    def _look_into(self, call: Call, at: float, jitter: float) -> None:
        """Open the breaker, or set the account aside, where that was one failure too many."""
        thresholds, pair, window = self._thresholds, call.pair, call.load.window
        breaker = of_breaker(*call.account, call.model)
        standing = self.standings.of(breaker)
        reason = "a failed trial" if standing.strikes else why_open(pair.window, thresholds, at)
        if reason is not None:
            self._open(breaker, call, at, jitter, reason)
            self._turned(breaker, "open")
            pair.window.forget()
        others = [each for each in self._siblings.get(call.account[0], ()) if each != call.account]
        reason = why_ejected(window, [self._of(each).window for each in others], thresholds, at)
        if reason is not None and self._away(others, at) + 1 <= (len(others) + 1) // 2:
            self._open(of_account(*call.account), call, at, jitter, reason)
            window.forget()

    def _open(self, name: str, call: Call, at: float, jitter: float, reason: str) -> None:
        rest = self._thresholds.rest
        seconds = _doubled(self.standings.of(name), call, rest, rest * LONGEST_OPEN) * (1 + JITTER * jitter)
        self._strike(name, call, at, seconds, reason)

    def _seconds(self, name: str, call: Call, verdict: Verdict, first: float, longest: float, jitter: float) -> float:
        """As long as the upstream asks for; doubled where it has failed again since, or does not say."""
        standing = self.standings.of(name)
        if verdict.rest is not None and not standing.strikes:
            return verdict.rest.seconds
        asked = 0.0 if verdict.rest is None else verdict.rest.seconds
        return max(asked, _doubled(standing, call, first, longest) * (1 + JITTER * jitter))

    def _away(self, accounts: Iterable[AccountKey], at: float) -> int:
        """How many of the accounts may not be called."""
        states = (self.standings.of(of_account(*each)).state(at) for each in accounts)
        return sum(state in (State.RESTING, State.OUT) for state in states)

    # How things stand.

    def _names(self, account: AccountKey, model: str) -> Iterator[str]:
        yield of_account(*account)
        quota = self._quotas.get(account)
        if quota is not None:
            yield quota
        yield of_breaker(*account, model)

    def _quota(self, account: AccountKey) -> str:
        return self._quotas.get(account) or of_account(*account)

    def _strike(self, name: str, call: Call, at: float, seconds: float, because: str) -> None:
        self._put(name, self.standings.of(name).struck(at, call.began, seconds, because))

    def _end_trials(self, call: Call) -> None:
        trials, call.trials = call.trials, ()
        for name, tried in trials:
            self._put(name, self.standings.of(name).judged(tried))

    def _put(self, name: str, standing: Standing) -> bool:
        if not self.standings.put(name, standing):
            return False
        is_first = not self._news
        self._news[name] = standing
        if is_first:
            self.on_news()
        return True

    def _turned(self, name: str, to: str) -> None:
        """A breaker opens, closes, or lets a trial through."""
        kind, *parts = name.split(" ")
        if kind == "breaker":
            provider, account, model = parts
            self.on_breaker(model, f"{provider}/{account}", to)

    def _forget(self, name: str) -> None:
        kind, *parts = name.split(" ")
        if kind == "breaker":
            provider, account, model = parts
            if (pair := self.pairs.get(((provider, account), model))) is not None:
                pair.window.forget()

    def _of(self, account: AccountKey) -> _Account:
        known = self._accounts.get(account)
        if known is None:
            known = self._accounts[account] = _Account()
        return known

    def _pair(self, account: AccountKey, model: str) -> ModelByAccount:
        of = account, model
        pair = self.pairs.get(of)
        if pair is None:
            pair = self.pairs[of] = ModelByAccount()
        return pair


def _doubled(standing: Standing, call: Call, first: float, longest: float) -> float:
    """Twice as long for each strike that this call could know of."""
    strikes = standing.strikes if call.began >= standing.since else max(standing.strikes - 1, 0)
    return min(first * 2.0 ** min(strikes, 20), longest)


def _follow(means: dict[str, float], model: str, latest: float) -> None:
    """A decaying mean with one time more."""
    before = means.get(model)
    means[model] = latest if before is None else before + WEIGHT_OF_LATEST * (latest - before)
