"""Counts of one worker, and how they become Prometheus text.

A worker counts in plain dictionaries (0.1 to 0.3 us an event, no lock: it has one thread). At a scrape the supervisor
asks every worker for its `snapshot`, adds them up and renders them with prometheus-client (`edge.scrape`).

Labels come from the policy or from closed sets of codes, never from a client: their number is bounded.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from routebook.chat.usage import MEASURES, Usage
from routebook.documents.quantities import NANO
from routebook.ledger.pot_names import pot_named

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds of the buckets for times, in seconds: from a cached answer to a long stream."""

MOMENTS = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
"""The same for what takes no time that anybody would notice: what passing on costs."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its name without suffix, its kind, its documentation, the names of its labels, and the upper bounds of its
    buckets, where it is a histogram."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    doc: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = SECONDS


REQUESTS = Family(
    "routebook_requests",
    "counter",
    "Requests ended, by operation, status sent and end code.",
    ("operation", "status", "end"),
)
IN_PROGRESS = Family("routebook_requests_in_progress", "gauge", "Requests begun and not ended.")
DECISIONS = Family(
    "routebook_decisions", "counter", "Decisions, by rule (empty: none matched) and outcome.", ("rule", "outcome")
)
DROPPED = Family(
    "routebook_candidates_dropped",
    "counter",
    "Candidates that were not used, by model and reason.",
    ("model", "reason"),
)
ATTEMPTS = Family(
    "routebook_upstream_attempts",
    "counter",
    "Calls of an upstream, by model, account and result.",
    ("model", "account", "result"),
)
TOKENS = Family("routebook_tokens", "counter", "Tokens used, by model and kind.", ("model", "kind"))
COST = Family("routebook_cost_dollars", "counter", "What the tokens cost, in dollars, by model.", ("model",))
DURATION = Family(
    "routebook_request_duration_seconds", "histogram", "From the request's head to the last byte.", ("operation",)
)
FIRST_TOKEN = Family(
    "routebook_first_token_seconds", "histogram", "From the call of the upstream to its first byte.", ("model",)
)
FIRST_AUDIO = Family(
    "routebook_first_audio_seconds",
    "histogram",
    "From the call of the upstream, in a session from asking for a response, to the first sound.",
    ("model",),
)
SESSION_MESSAGE = Family(
    "routebook_session_message_seconds",
    "histogram",
    "How long a message of a session was inside, from its reading to its writing, by direction (to_client, to_upstream).",
    ("direction",),
    MOMENTS,
)
EVENT = Family(
    "routebook_event_seconds",
    "histogram",
    "How long a piece of a stream was inside, from its arrival to its writing, by how it was passed on (relayed, "
    "translated).",
    ("how",),
    MOMENTS,
)
REFUSED = Family(
    "routebook_ledger_refusals",
    "counter",
    "Calls that a budget or a limit did not allow, by what it counts, its name and why.",
    ("kind", "name", "why"),
)
HOLDING = Family(
    "routebook_holds", "gauge", "Calls for which something of budgets and limits is held: none where no request runs."
)
EXCEEDED = Family(
    "routebook_hold_exceeded_nanodollars",
    "counter",
    "What calls cost beyond what was held for them, in nano-dollars: by so much budgets may be overspent.",
)
RECALLED = Family(
    "routebook_cache_lookups",
    "counter",
    "Requests under rules that keep answers, by rule and what was found: hit, miss, bypass (the client wanted none).",
    ("rule", "result"),
)
KEPT = Family("routebook_cache_stored", "counter", "Answers that were kept, by rule.", ("rule",))
KEPT_BYTES = Family(
    "routebook_cache_bytes", "gauge", "Bytes of answers that are kept, by the rule that did.", ("rule",)
)
REFUSED_CALLERS = Family(
    "routebook_callers_refused", "counter", "Requests whose caller was not let in, by reason.", ("reason",)
)
REFUSED_JOURNAL = Family("routebook_journal_refused", "counter", "Requests refused because the journal was full.")

BREAKERS = Family(
    "routebook_breaker_transitions",
    "counter",
    "Breakers that opened, let a trial through (half-open) or closed, by model and account.",
    ("model", "account", "to"),
)

GUARDED = Family(
    "routebook_guards",
    "counter",
    "Looks of guards by what came of them: clean, masked, unmasked (refused), judged, failed.",
    ("guard", "result"),
)
RESTS = Family(
    "routebook_guard_opened",
    "counter",
    "Times that a guard's service failed too often, and was left alone.",
    ("guard",),
)
OPEN = Family("routebook_guard_open", "gauge", "Workers that leave the service of a guard alone, by guard.", ("guard",))
SHED = Family(
    "routebook_requests_shed",
    "counter",
    "Requests that were told to come back, by what there was too much of (requests, connections), and connections that "
    "were closed unheard.",
    ("of",),
)
LAG = Family(
    "routebook_loop_lag_seconds",
    "histogram",
    "How much later than it wanted a worker came to what it had to do, looked at twice a second.",
)
FAMILIES = (
    REQUESTS,
    IN_PROGRESS,
    DECISIONS,
    DROPPED,
    ATTEMPTS,
    TOKENS,
    COST,
    DURATION,
    FIRST_TOKEN,
    FIRST_AUDIO,
    SESSION_MESSAGE,
    EVENT,
    REFUSED,
    HOLDING,
    EXCEEDED,
    RECALLED,
    KEPT,
    KEPT_BYTES,
    REFUSED_CALLERS,
    REFUSED_JOURNAL,
    BREAKERS,
    GUARDED,
    RESTS,
    OPEN,
    SHED,
    LAG,
)
"""Everything that a worker counts."""

Labels = tuple[str, ...]
Histogram = list[float]
"""Counts of each bucket, of all above the last bound, and the sum of the values at the end."""

Snapshot = dict[str, list[tuple[Labels, float | Histogram]]]
"""What a worker has counted since it began, by family name: ready for JSON."""


class Metrics:
    """The counts of one worker since it began."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[Labels, float]] = {
            # one without labels is there from the beginning, so that its first event is an increase
            family.name: {} if family.labels else {(): 0}
            for family in FAMILIES
            if family.kind != "histogram"
        }
        self._histograms: dict[str, dict[Labels, Histogram]] = {
            family.name: {} for family in FAMILIES if family.kind == "histogram"
        }
        self._requests = self._counts[REQUESTS.name]
        self._decisions = self._counts[DECISIONS.name]
        self._dropped = self._counts[DROPPED.name]
        self._attempts = self._counts[ATTEMPTS.name]
        self._tokens = self._counts[TOKENS.name]
        self._cost = self._counts[COST.name]
        self._duration = self._histograms[DURATION.name]
        self._first_token = self._histograms[FIRST_TOKEN.name]
        self._refused = self._counts[REFUSED.name]
        self._in_progress = 0
        self._holding = 0

    def __repr__(self) -> str:
        ended = int(sum(self._requests.values()))
        return f"<Metrics {ended} requests ended, {self._in_progress} in progress>"

    @property
    def in_progress(self) -> int:
        """Requests begun and not ended."""
        return self._in_progress

    def began(self) -> None:
        """A request was read; every one of them must end by `ended`."""
        self._in_progress += 1

    def decided(self, rule: str | None, outcome: str) -> None:
        """A rule decided (None: no rule matched); `outcome` is `route` or `refuse`."""
        _add(self._decisions, (rule or "", outcome), 1)

    def dropped(self, model: str, reason: str) -> None:
        """A candidate was not used; `reason` is its stable code."""
        _add(self._dropped, (model, reason), 1)

    def attempted(self, model: str, account: str, result: str) -> None:
        """A call of an upstream is over; `result` is `ok` or the stable code of its failure."""
        _add(self._attempts, (model, account, result), 1)

    def breaker(self, model: str, account: str, to: str) -> None:
        """A breaker turned `open`, `half-open` or `closed`; `account` is `provider/account`."""
        _add(self._counts[BREAKERS.name], (model, account, to), 1)

    def first_token(self, model: str, seconds: float) -> None:
        """The first byte of an answer came so many seconds after the call."""
        observe(self._first_token, (model,), seconds)

    def first_audio(self, model: str, seconds: float) -> None:
        """The first sound of an answer came so many seconds after it was asked for."""
        observe(self._histograms[FIRST_AUDIO.name], (model,), seconds)

    def moments(self, family: Family, label: str) -> Histogram:
        """Where a metric of moments counts for one label: whoever passes on by the hundred counts there by itself."""
        return _row(self._histograms[family.name], (label,), family.bounds)

    def lagged(self, seconds: float) -> None:
        """The worker came so much too late to what it had to do."""
        observe(self._histograms[LAG.name], (), seconds)

    def recalled(self, rule: str, result: str) -> None:
        """A kept answer was looked for: `hit`, `miss` or `bypass`."""
        _add(self._counts[RECALLED.name], (rule, result), 1)

    def kept(self, rule: str, sizes: Mapping[str, int]) -> None:
        """An answer was kept; `sizes` are the bytes of all that are, by rule."""
        _add(self._counts[KEPT.name], (rule,), 1)
        self.cache_holds(sizes)

    def cache_holds(self, sizes: Mapping[str, int]) -> None:
        """So many bytes of answers are kept, by the rule that did."""
        self._counts[KEPT_BYTES.name] = {(rule,): size for rule, size in sizes.items()}

    def ended(
        self,
        operation: str,
        status: int,
        end: str,
        seconds: float,
        model: str | None = None,
        usage: Usage | None = None,
        cost: int | None = None,
    ) -> None:
        """A request is over: the status that was sent, its end code, and what it used (`cost` in nano-dollars)."""
        self._in_progress -= 1
        _add(self._requests, (operation, str(status), end), 1)
        observe(self._duration, (operation,), seconds)
        if model is not None and usage is not None:
            self._count_tokens(model, usage)
        if model is not None and cost:
            self.cost(model, cost)

    def cost(self, model: str, nano: int) -> None:
        """A call cost so many nano-dollars."""
        if nano:
            _add(self._cost, (model,), nano / NANO)

    def refused(self, pot: str, why: str) -> None:
        """A budget or a limit refused a call; the pot's scope is left out, for it may be a client's word."""
        parts = pot_named(pot)
        _add(self._refused, (parts.kind, parts.name, why), 1)

    def held(self, calls: int) -> None:
        """Something is held for so many calls more; for fewer, where the number is below zero."""
        self._holding += calls

    def exceeded(self, nano: int) -> None:
        """Calls of a request cost so many nano-dollars more than was held for them."""
        _add(self._counts[EXCEEDED.name], (), nano)

    def caller_refused(self, reason: str) -> None:
        """A caller was not let in; `reason` is one of `identity.refusals.Reason`."""
        _add(self._counts[REFUSED_CALLERS.name], (reason,), 1)

    def guarded(self, guard: str, result: str) -> None:
        """A guard of the policy has looked at a request; `result` is one of a closed set of words."""
        _add(self._counts[GUARDED.name], (guard, result), 1)

    def guards_are(self, open_: Mapping[str, bool]) -> None:
        """These guards ask services, and so they stand; of others nothing is told any more."""
        self._counts[OPEN.name] = {(guard,): int(is_open) for guard, is_open in open_.items()}

    def guard_opened(self, guard: str) -> None:
        """A guard's service is left alone from now on."""
        _add(self._counts[RESTS.name], (guard,), 1)
        self._counts[OPEN.name][(guard,)] = 1

    def guard_closed(self, guard: str) -> None:
        """A guard's service is asked again."""
        self._counts[OPEN.name][(guard,)] = 0

    def shed(self, of: str) -> None:
        """A request, or a connection, was one too many."""
        _add(self._counts[SHED.name], (of,), 1)

    def journal_refused(self) -> None:
        """A request was refused because the journal could not be written."""
        _add(self._counts[REFUSED_JOURNAL.name], (), 1)

    def snapshot(self) -> Snapshot:
        """Everything counted since the worker began."""
        self._counts[IN_PROGRESS.name][()] = self._in_progress
        self._counts[HOLDING.name][()] = self._holding
        counted: Snapshot = {name: list(rows.items()) for name, rows in self._counts.items()}
        counted.update({name: list(rows.items()) for name, rows in self._histograms.items()})
        return counted

    def _count_tokens(self, model: str, usage: Usage) -> None:
        for kind, count in usage.parts().items():
            if kind not in MEASURES:
                _add(self._tokens, (model, kind), count)


def _add(rows: dict[Labels, float], labels: Labels, amount: float) -> None:
    rows[labels] = rows.get(labels, 0) + amount


def observe(rows: dict[Labels, Histogram], labels: Labels, seconds: float) -> None:
    """Count a time in the histogram of these labels."""
    row = _row(rows, labels, SECONDS)
    row[bisect_left(SECONDS, seconds)] += 1
    row[-1] += seconds


def _row(rows: dict[Labels, Histogram], labels: Labels, bounds: tuple[float, ...]) -> Histogram:
    row = rows.get(labels)
    if row is None:
        row = rows[labels] = [0.0] * (len(bounds) + 2)
    return row
