"""The whole policy as the program uses it: what one set of files says, read, checked and compiled."""

from __future__ import annotations

from dataclasses import dataclass, field

from routebook.catalogue.callers import Client
from routebook.catalogue.models import Catalogue
from routebook.chat.features import Feature
from routebook.chat.loss import Done
from routebook.documents.problems import Location
from routebook.health.breakers import USUAL, Thresholds
from routebook.ledger.budgets import Abandoned, Budget, Limit, Orphans
from routebook.policy.conditions import Condition
from routebook.policy.facts import FactTable
from routebook.policy.rules import Rule
from routebook.policy.tree import DecisionTree
from routebook.routing.cases.case import PolicyTest
from routebook.routing.guards import Guard
from routebook.routing.outcomes import Outcome
from routebook.routing.own_tasks import OwnTask, facts_with
from routebook.routing.tracing import Traces
from routebook.scoring.scorer import Scorer
from routebook.scoring.shipped import shipped
from routebook.scoring.weighing import Weights


@dataclass(frozen=True, slots=True)
class Reach:
    """Which models a guarantee speaks of: every given attribute must match (None: not asked)."""

    models: frozenset[str] | None = None
    providers: frozenset[str] | None = None
    regions: frozenset[str] | None = None
    labels: dict[str, frozenset[str]] = field(default_factory=dict)
    capabilities: frozenset[str] | None = None
    price_at_most: int | None = None


@dataclass(frozen=True, slots=True)
class Guarantee:
    """What must hold on every hop: where `when` holds, `only` models within reach, or `never` those."""

    name: str
    when: Condition
    reach: Reach
    never: bool
    location: Location


@dataclass(frozen=True, slots=True)
class Retries:
    """How attempts go on: at most so many that fail, in at most so many rounds through a plan; further rounds begin
    after `backoff` seconds, twice as long each time, and end `within` so many seconds of the request's beginning (None:
    no limit but those of the calls). `budget` is the share of requests that may be called again, `hedge` the seconds
    after which a second candidate is called beside one that has not begun to answer (None: never)."""

    attempts: int = 4
    rounds: int = 1
    backoff: float = 0.25
    within: float | None = None
    budget: float = 0.2
    hedge: float | None = None


@dataclass(frozen=True, slots=True)
class CacheRoom:
    """How much of answers a worker keeps for `cache`: bytes in all, and of one answer."""

    bytes: int = 64 * 1024 * 1024
    entry: int = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long a session may last, and how long nothing may be said in it, in seconds."""

    longest: float = 3600.0
    idle: float = 900.0


@dataclass(frozen=True, slots=True)
class FormRoom:
    """How much of a form with a file may be kept while it is on its way: bytes in memory, so that another model can be
    tried, and bytes on disk where its fields stand behind its file."""

    memory: int = 1024 * 1024
    disk: int = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Transcoding:
    """What changes the format of sound: an ffmpeg, by its name or its path. `at_once` is how many processes of it a worker
    has at most, `within` how many seconds one may take, its wait for a place included, `longest` how many seconds of
    sound one is given."""

    program: str
    at_once: int = 2
    within: float = 20.0
    longest: float = 600.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Server-wide defaults (`settings:`). Sizes in bytes, times in seconds. `losses` is what is done with what a dialect
    cannot carry, instead of a feature's default; `expected_output` is how many tokens an answer is taken to have of which
    nothing was learnt; `max_requests` is how many a worker has under way at most (None: as many as it has descriptors for);
    without a `transcoder` the format of sound is not changed."""

    max_body: int = 32 * 1024 * 1024
    body_timeout: float = 30.0
    default_max_output: int = 4096
    stall: float = 60.0
    retries: Retries = Retries()
    breaker: Thresholds = USUAL
    record_headers: tuple[str, ...] = ()
    record_content: bool = False
    cache: CacheRoom = CacheRoom()
    injected_max_output: int | None = None
    orphans: Orphans = Orphans.HOLD
    abandoned: Abandoned = Abandoned.ESTIMATE
    losses: dict[Feature, Done] = field(default_factory=dict)
    expected_output: int = 500
    sessions: SessionLimits = SessionLimits()
    forms: FormRoom = FormRoom()
    max_requests: int | None = None
    traces: Traces = Traces.PASS
    transcoder: Transcoding | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy. `digest` is the SHA-256 of its files' names and bytes, as 16 hex digits.

    `sources` are the files it was read from, name and text, so that records can be explained after the files changed.
    `patterns` are regular expressions by name (RE2), `guards` look in their order. `weights` are those of `settings.router`
    (None: the shipped ones). `token_limits` are the numbers that its conditions put `prompt.tokens` to, the least first
    (None: not known). `tasks` are its own classes of task, in the order in which they are tried.
    """

    digest: str
    sources: tuple[tuple[str, str], ...]
    catalogue: Catalogue
    rules: tuple[Rule[Outcome], ...]
    tree: DecisionTree[Outcome]
    clients: dict[str, Client] = field(default_factory=dict)
    budgets: dict[str, Budget] = field(default_factory=dict)
    patterns: dict[str, str] = field(default_factory=dict)
    guarantees: tuple[Guarantee, ...] = ()
    tests: tuple[PolicyTest, ...] = ()
    settings: Settings = Settings()
    limits: dict[str, Limit] = field(default_factory=dict)
    weights: Weights | None = None
    guards: dict[str, Guard] = field(default_factory=dict)
    token_limits: tuple[float, ...] | None = None
    tasks: tuple[OwnTask, ...] = ()

    @property
    def facts(self) -> FactTable:
        """The facts that its rules may ask about, with its own classes of task among the values of `prompt.task`."""
        return facts_with(tuple(task.name for task in self.tasks))

    @property
    def scorer(self) -> Scorer:
        """What judges prompts: by the policy's own weights, or those that come with the program."""
        return shipped() if self.weights is None else self.weights.scorer
