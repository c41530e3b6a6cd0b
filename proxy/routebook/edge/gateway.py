"""Everything a request needs, held together for one worker: the policy in force, keys, connections, journal, counts.

The policy is swapped by one assignment (`take`). An exchange reads `serving` once, at its start, and keeps what it
found, so no request ever sees two policies.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from routebook.catalogue.providers import Account, EnvironmentKey, FileKey, Provider, Timeouts
from routebook.edge.clock import Clock, SystemClock
from routebook.edge.journal.writer import Journal
from routebook.edge.metrics import Metrics
from routebook.edge.upstream import connect_limit, open_session
from routebook.health.measurements import Measurements
from routebook.protocols.dialects import OPERATIONS
from routebook.routing.planning import Planner
from routebook.routing.policy import Policy

UPSTREAM_KEEPALIVE = 15.0
"""Seconds an idle connection to an upstream is kept: shorter than vendors keep theirs, so that theirs rarely closes
under a request that was just sent."""


PATHS = ("/chat/completions", "/embeddings")
"""What is called of an upstream, after its base URL."""


@dataclass(frozen=True, slots=True)
class Access:
    """How one account of a provider is reached. `key` None: none is sent; `missing`: one is declared but not set."""

    urls: Mapping[str, URL]
    key: str | None
    missing: bool
    timeouts: Timeouts
    connect: aiohttp.ClientTimeout
    simulated: bool

    def __repr__(self) -> str:
        return f"<Access {'simulated ' * self.simulated}{'without key' if self.key is None else 'with key'}>"


@dataclass(frozen=True, slots=True)
class Serving:
    """One policy with the addresses and keys it resolved to when it was taken."""

    policy: Policy
    planner: Planner
    access: Mapping[tuple[str, str], Access]


class Gateway:
    """One worker's gateway. `simulate_at` is the base URL that replaces every provider's, when upstreams are simulated;
    no key is sent there."""

    def __init__(self, policy: Policy, journal: Journal, metrics: Metrics, clock: Clock | None = None,
                 simulate_at: str | None = None, instance: str = "local") -> None:
        self.journal = journal
        self.metrics = metrics
        self.clock: Clock = clock or SystemClock()
        self.instance = instance
        self.memory = Measurements()
        self._simulate_at = simulate_at
        self.serving = self._resolve(policy)
        self._session: aiohttp.ClientSession | None = None
        self._chores: set[asyncio.Task[None]] = set()
        self.draining = False

    def __repr__(self) -> str:
        return f"<Gateway {self.instance} policy {self.policy.digest}>"

    @property
    def policy(self) -> Policy:
        """The policy that the next request will be decided by."""
        return self.serving.policy

    def take(self, policy: Policy) -> None:
        """Decide by this policy from the next request on; running exchanges keep the one they began with."""
        self.serving = self._resolve(policy)

    @property
    def session(self) -> aiohttp.ClientSession:
        """Connections to upstreams; made on first use, in the running loop."""
        if self._session is None:
            self._session = open_session()
        return self._session

    async def close(self) -> None:
        """Close the connections to upstreams."""
        for chore in tuple(self._chores):
            chore.cancel()
        if self._session is not None:
            await self._session.close()
            self._session = None

    def look_after(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something go on that no exchange waits for."""
        chore = asyncio.get_running_loop().create_task(work)
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)

    def _resolve(self, policy: Policy) -> Serving:
        access = {(provider.name, account.name): self._access(provider, account)
                  for provider in policy.catalogue.providers.values()
                  for account in provider.accounts or (Account("none"),)}
        return Serving(policy, Planner(policy, [key for key, each in access.items() if each.missing]), access)

    def _access(self, provider: Provider, account: Account) -> Access:
        base = self._simulate_at or provider.base_url
        key = None if self._simulate_at else _secret(account)
        missing = account.key is not None and key is None and not self._simulate_at
        urls = {operation.upstream_path: URL(base.rstrip("/") + operation.upstream_path, encoded=True)
                for _, operation in OPERATIONS.values()}
        return Access(urls, key, missing, provider.timeouts, connect_limit(provider.timeouts.connect),
                      simulated=self._simulate_at is not None)


def _secret(account: Account) -> str | None:
    """The account's key, or None where it has none or it is not set."""
    match account.key:
        case EnvironmentKey(name):
            return os.environ.get(name, "").strip() or None
        case FileKey(path):
            try:
                with open(path, encoding="utf-8") as file:
                    return file.read().strip() or None
            except (OSError, UnicodeDecodeError):
                return None
        case None:
            return None
