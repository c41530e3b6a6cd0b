"""Everything a request needs, held together for one worker: the policy in force, keys, connections, journal, counts.

The policy is swapped by one assignment (`take`). An exchange reads `serving` once, at its start, and keeps what it
found, so no request ever sees two policies.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from yarl import URL

from routebook.catalogue.providers import Account, EnvironmentKey, FileKey, KeySource, Provider
from routebook.catalogue.reach import Reach, reach_of
from routebook.edge.clock import Clock, SystemClock
from routebook.edge.connections import Connections, Origin
from routebook.edge.deadlines import Limits
from routebook.edge.headers import AUTHORIZATION, Heads
from routebook.edge.identity.book import KeyBook
from routebook.edge.identity.callers import Callers
from routebook.edge.identity.ephemeral import Uses
from routebook.edge.identity.key_sets import KeySets
from routebook.edge.journal.writer import Journal
from routebook.edge.ledger.desk import Desk
from routebook.edge.ledger.till import Desk as TillDesk
from routebook.edge.ledger.till import Till
from routebook.edge.metrics import Metrics
from routebook.edge.sessions.wheel import Wheel
from routebook.edge.transcoding import Transcoder
from routebook.health.affinity import Affinities
from routebook.health.circuits import Circuit
from routebook.health.measurements import Measurements
from routebook.health.memories import Memories
from routebook.health.retry_budget import RetryBudget
from routebook.ledger.vault import Vault
from routebook.protocols.dialects import SPOKEN_BY
from routebook.routing.answer_cache import AnswerCache, room_under
from routebook.routing.drawing import Drawing
from routebook.routing.guards import Webhook
from routebook.routing.planning import Planner
from routebook.routing.policy import Policy

DIGESTED = 8 * 1024
"""Bytes at either end of a prompt that its digest is made of, besides its size: what a large one may cost is bounded, and
conversations that begin alike are told apart by what came last."""


LAST_WORDS = 1.0
"""Seconds that whatever goes on beside the exchanges has, when it is cut, to write what became of it."""


@dataclass(frozen=True, slots=True)
class Access:
    """How one account of a provider is reached.

    `heads` are the first lines of a request by the path that is called: they hold the account's key. `version` is the
    header that names the API's version, where its dialect has one. `missing`: a key is declared but not set. `key` is
    what must never be shown.
    """

    origin: Origin
    heads: Heads
    key: str | None
    missing: bool
    limits: Limits
    simulated: bool
    version: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"<Access {'simulated ' * self.simulated}{'without key' if self.key is None else 'with key'}>"


@dataclass(frozen=True, slots=True)
class Serving:
    """One policy with the addresses and keys it resolved to when it was taken, and who may call under it."""

    policy: Policy
    planner: Planner
    drawing: Drawing
    access: Mapping[tuple[str, str], Access]
    callers: Callers
    guard_keys: Mapping[str, str]
    circuits: Mapping[str, Circuit]
    transcoder: Transcoder | None = None

    @property
    def transcodes(self) -> bool:
        """Whether somebody changes the format of sound."""
        return self.transcoder is not None and self.transcoder.program is not None


class Gateway:
    """One worker's gateway. `simulate_at` is the base URL that replaces every provider's, when upstreams are simulated;
    no key is sent there. `key_book` holds the clients' keys that do not stand in the policy (None: there are none)."""

    def __init__(
        self,
        policy: Policy,
        journal: Journal,
        metrics: Metrics,
        clock: Clock | None = None,
        simulate_at: str | None = None,
        instance: str = "local",
        digest_key: bytes | None = None,
        desk: TillDesk | None = None,
        key_book: KeyBook | None = None,
    ) -> None:
        self.journal = journal
        self.metrics = metrics
        self.clock: Clock = clock or SystemClock()
        self.instance = instance
        self.memory = Measurements(instance)
        self.memory.on_breaker = metrics.breaker
        self.retries = RetryBudget()
        self.affinities = Affinities()
        self.memories = Memories()
        self.cache = AnswerCache()
        self.cache_secret = os.urandom(32)
        self.connections = Connections()
        self.till = Till(instance, desk or Desk(Vault(), self.clock.now), self.clock.monotonic)
        self.leaving: set[Callable[[], None]] = set()
        self.wheel = Wheel()
        self.uses = Uses()
        self._circuits: dict[tuple[str, str], Circuit] = {}
        self._simulate_at = simulate_at
        self._digest_key = os.urandom(32) if digest_key is None else digest_key
        self._chores: set[asyncio.Task[None]] = set()
        self._key_book = key_book or KeyBook(None)
        self._key_sets = KeySets(self.look_after)
        self.draining = False
        self.shadows = 0
        self._transcoder: Transcoder | None = None
        self.take(policy)

    def __repr__(self) -> str:
        return f"<Gateway {self.instance} policy {self.policy.digest}>"

    @property
    def conversation_secret(self) -> bytes:
        """The key under which conversations are known; the same in all workers of this host."""
        return self._digest_key

    @property
    def pepper(self) -> bytes | None:
        """What digests of clients' keys are made with; None where there are none yet."""
        return self._key_book.open(self.clock.monotonic()).pepper

    @property
    def policy(self) -> Policy:
        """The policy that the next request will be decided by."""
        return self.serving.policy

    def digest_of(self, prompt: bytes | memoryview) -> str:
        """The keyed digest under which a prompt is recorded: of its size, its first and its last 8 KiB, as 32 hex digits."""
        digest = blake2b(len(prompt).to_bytes(8, "big"), key=self._digest_key, digest_size=16)
        digest.update(prompt[:DIGESTED])
        digest.update(prompt[max(DIGESTED, len(prompt) - DIGESTED) :])
        return digest.hexdigest()

    def take(self, policy: Policy) -> None:
        """Decide by this policy from the next request on; running exchanges keep the one they began with."""
        self.serving = self._resolve(policy)
        self.metrics.cache_holds(self.cache.sizes)
        self.memory.take(policy.catalogue.providers.values(), policy.settings.breaker, self.clock.monotonic())

    def renew_keys(self) -> None:
        """Read the keys again; an account that has another one now is let back in."""
        before, self.serving = self.serving, self._resolve(self.policy)
        for key, access in self.serving.access.items():
            if access.key != before.access[key].key:
                self.memory.admit(key, self.clock.monotonic())

    async def close(self) -> None:
        """Close the connections to upstreams, and give back what was granted and not used."""
        await self.till.leave()
        chores = tuple(self._chores)
        for chore in chores:
            chore.cancel()
        if chores:
            await asyncio.wait(chores, timeout=LAST_WORDS)
        self.connections.close()

    def look_after(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something go on that no exchange waits for."""
        chore = asyncio.get_running_loop().create_task(work)
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)

    def _resolve(self, policy: Policy) -> Serving:
        self.cache.bound(room_under(policy))
        access = {
            (provider.name, account.name): self._access(provider, account, policy.settings.stall)
            for provider in policy.catalogue.providers.values()
            for account in provider.accounts or (Account("none"),)
        }
        planner = Planner(policy, [key for key, each in access.items() if each.missing])
        callers = Callers(policy.clients, self._key_book, self._key_sets, self.clock)
        guards = [each for each in policy.guards.values() if isinstance(each, Webhook)]
        guard_keys = {each.name: key for each in guards if (key := _secret(each.key)) is not None}
        # what is known of a service outlives a policy that asks the same one
        known = self._circuits
        self._circuits = {(each.name, each.url): known.get((each.name, each.url), Circuit()) for each in guards}
        circuits = {name: circuit for (name, _), circuit in self._circuits.items()}
        self.metrics.guards_are({name: circuit.is_open for name, circuit in circuits.items()})
        transcoder = self._transcoder_of(policy)
        return Serving(policy, planner, Drawing(policy), access, callers, guard_keys, circuits, transcoder)

    def _transcoder_of(self, policy: Policy) -> Transcoder | None:
        """The one that is declared; the same as before where it is declared in the same way, so that its places hold."""
        declared, before = policy.settings.transcoder, self._transcoder
        if declared is None or before is None or before.declared != declared or before.program is None:
            self._transcoder = None if declared is None else Transcoder(declared)
        return self._transcoder

    def _access(self, provider: Provider, account: Account, stall: float) -> Access:
        base = self._simulate_at or provider.base_url
        key = None if self._simulate_at else _secret(account.key)
        missing = account.key is not None and key is None and not self._simulate_at
        url = URL(base, encoded=True)
        host = url.raw_host or ""
        reach = Reach.ANY if self._simulate_at else reach_of(host, provider.allow_private)
        origin = Origin(host, url.port or 0, url.scheme == "https", reach)
        spoken = SPOKEN_BY.get(provider.dialect)
        side = None if spoken is None else spoken.upstream
        heads = Heads(url, key, provider.key_header or (AUTHORIZATION if side is None else side.key_header))
        named = (
            () if side is None or side.version is None else ((side.version[0], provider.version or side.version[1]),)
        )
        limits = Limits(provider.timeouts, stall)
        return Access(origin, heads, key, missing, limits, self._simulate_at is not None, named)


def _secret(source: KeySource | None) -> str | None:
    """A key; None where there is none, or it is not set, or it could not stand in a header."""
    match source:
        case EnvironmentKey(name):
            written = os.environ.get(name, "")
        case FileKey(path):
            try:
                with open(path, encoding="utf-8") as file:
                    written = file.read()
            except (OSError, UnicodeDecodeError):
                return None
        case None:
            return None
    key = written.strip()
    return key if key.isascii() and key.isprintable() and key else None
