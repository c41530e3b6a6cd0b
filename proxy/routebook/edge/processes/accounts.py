"""What workers tell each other of accounts, by way of the supervisor; and what operators ask and say of them.

A worker's news goes to the supervisor, which keeps all that is known and passes on what was new to it. Standings merge
whatever order they come in (`health.standings`), so nothing is ever asked twice, and a worker that begins is told all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from routebook.edge.gateway import Gateway
from routebook.edge.operations_log import operations_log
from routebook.edge.processes.control import Channel, Gone, Message
from routebook.health.quota_headers import LONGEST_QUOTA
from routebook.health.reports import AccountReport, report
from routebook.health.standings import Standing, Standings

GATHER_SECONDS = 0.01
"""How long a worker gathers news before it tells them."""

KEY_SECONDS = 1.0
"""How often a worker whose account is out looks whether its key has changed."""

OPERATOR = "an operator"
"""Because of what an account rests that was told to."""


class Reporter:
    """A worker's side: tells what it learns, takes in what others have, looks after the keys of accounts that are out."""

    def __init__(self, channel: Channel, gateway: Gateway) -> None:
        self._channel = channel
        self._gateway = gateway
        self._telling: asyncio.Task[None] | None = None
        gateway.memory.on_news = self._gather

    def __repr__(self) -> str:
        return f"<Reporter of {self._gateway.memory!r}>"

    def hear(self, told: Mapping[str, Any]) -> None:
        """Take in news. An account that somebody let back in may have a new key."""
        if self._gateway.memory.hear(_standings(told)):
            self._gateway.renew_keys()

    def reports(self) -> list[Any]:
        """How every account of the policy stands here, ready for JSON."""
        gateway = self._gateway
        return [
            msgspec.to_builtins(report(gateway.memory, provider.name, account, gateway.clock.monotonic()))
            for provider in gateway.policy.catalogue.providers.values()
            for account in provider.accounts
        ]

    async def obey(self, fields: Mapping[str, Any]) -> bool:
        """Do what an operator says of an account, and tell the others first; whether there is such an account."""
        gateway, key = self._gateway, (fields["provider"], fields["account"])
        if key not in gateway.serving.access:
            return False
        now = gateway.clock.monotonic()
        if fields["does"] == "rest":
            gateway.memory.pause(key, now, fields["seconds"] or LONGEST_QUOTA, OPERATOR)
        else:
            gateway.renew_keys()
            gateway.memory.admit(key, now)
        await self._tell()
        return True

    async def watch_keys(self) -> None:
        """Let an account back in whose key has changed, for as long as the worker runs."""
        while True:
            await asyncio.sleep(KEY_SECONDS)
            if self._gateway.memory.holds_out:
                self._gateway.renew_keys()

    def _gather(self) -> None:
        if self._telling is None or self._telling.done():
            self._telling = asyncio.get_running_loop().create_task(self._tell_soon())

    async def _tell_soon(self) -> None:
        await asyncio.sleep(GATHER_SECONDS)
        await self._tell()

    async def _tell(self) -> None:
        news = self._gateway.memory.take_news()
        if not news:
            return
        try:
            await self._channel.send(Message("health", {"standings": _told(news)}))
        except Gone:
            return


class Board:
    """The supervisor's side: everything that any worker has learnt, and what is said of it in the log, once."""

    def __init__(self) -> None:
        self._standings = Standings()

    def __repr__(self) -> str:
        return f"<Board of {self._standings!r}>"

    def all(self) -> dict[str, Any]:
        """What a worker that begins has to know."""
        return _told(dict(self._standings))

    def hear(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """Take in a worker's news; what of it the others have to hear."""
        news = _standings(told)
        before = {name: self._standings.of(name) for name in news}
        heard = self._standings.hear(news)
        for name, standing in heard.items():
            _say(name, before[name], standing)
        return _told(heard)


def as_json(reports: Iterable[AccountReport], now: float) -> list[dict[str, Any]]:
    """Accounts as `GET /accounts` shows them; `now` is seconds since 1970."""
    return [_shown(each, now) for each in reports]


def _shown(each: AccountReport, now: float) -> dict[str, Any]:
    first, total = each.first_token, each.total
    return {
        "provider": each.provider,
        "account": each.account,
        "bucket": each.bucket,
        "state": each.state,
        "because": each.because or None,
        "seconds": round(each.seconds, 3) or None,
        "until": _utc(now + each.seconds) if each.seconds else None,
        "in_flight": each.in_flight,
        "calls": each.calls,
        "failed": each.failed,
        "failures_in_a_row": each.in_a_row,
        "first_token": {"p50": _rounded(first[0]), "p95": _rounded(first[1])},
        "total": {"p50": _rounded(total[0]), "p95": _rounded(total[1])},
        "breakers": [msgspec.to_builtins(breaker) for breaker in each.breakers],
    }


def _say(name: str, before: Standing, now: Standing) -> None:
    kind, provider, *rest = name.split(" ", 2)
    if now.out and not before.out:
        operations_log().error("account is out", provider=provider, account=rest[0], because=now.out)
    elif before.out and not now.out:
        operations_log().info("account is back", provider=provider, account=rest[0])
    elif kind == "breaker" and now.strikes > before.strikes:
        account, model = rest[0].split(" ", 1)
        operations_log().warning("breaker opened", provider=provider, account=account, model=model, because=now.because)


def _told(standings: Mapping[str, Standing]) -> dict[str, Any]:
    return {name: msgspec.to_builtins(standing) for name, standing in standings.items()}


def _standings(told: Mapping[str, Any]) -> dict[str, Standing]:
    return msgspec.convert(told, dict[str, Standing])


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
