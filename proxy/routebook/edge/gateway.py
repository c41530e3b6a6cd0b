"""Everything a request needs, held together for one worker: the policy in force, keys, connections, journal, counts.

The policy is swapped by one assignment (`take`). An exchange reads `serving` once, at its start, and keeps what it
found, so no request ever sees two policies.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from yarl import URL

from routebook.catalogue.providers import Account, EnvironmentKey, FileKey, Provider
from routebook.edge.clock import Clock, SystemClock
from routebook.edge.journal import Journal
from routebook.edge.metrics import Metrics
from routebook.routing.policy import Policy

UPSTREAM_KEEPALIVE = 15.0
"""Seconds an idle connection to an upstream is kept: shorter than vendors keep theirs, so that theirs rarely closes
under a request that was just sent."""


@dataclass(frozen=True, slots=True)
class Access:
    """How one account of a provider is reached. `key` None: none is sent; `missing`: one is declared but not set."""

    base: URL
    key: str | None
    missing: bool = False

    def __repr__(self) -> str:
        return f"<Access {self.base} {'no key' if self.key is None else 'key set'}>"


@dataclass(frozen=True, slots=True)
class Serving:
    """One policy with the addresses and keys it resolved to when it was taken."""

    policy: Policy
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
        self._simulate_at = URL(simulate_at) if simulate_at else None
        self.serving = self._resolve(policy)
        self._session: aiohttp.ClientSession | None = None
        self._chores: set[asyncio.Task[None]] = set()

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
            self._session = _session()
        return self._session

    async def close(self) -> None:
        """Close the connections to upstreams."""
        for chore in tuple(self._chores):
            chore.cancel()
        if self._session is not None:
            await self._session.close()

    def _resolve(self, policy: Policy) -> Serving:
        return Serving(policy, {(provider.name, account.name): self._access(provider, account)
                                for provider in policy.catalogue.providers.values()
                                for account in provider.accounts})

    def _access(self, provider: Provider, account: Account) -> Access:
        if self._simulate_at is not None:
            return Access(self._simulate_at, None)
        base = URL(provider.base_url)
        key = _secret(account)
        return Access(base, key, missing=account.key is not None and key is None)


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


def _session() -> aiohttp.ClientSession:
    """A client that adds nothing of its own: no cookies, no proxies from the environment, no decoding, no limits."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=UPSTREAM_KEEPALIVE),
        cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False,
        timeout=aiohttp.ClientTimeout(total=None), skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"))
