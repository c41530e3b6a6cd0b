"""Upstreams that keep their own count: how much was asked of them at once, and by whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from tests.support.upstream import Exchange, Pause, Play, Received, Upstream, answer_politely

Scope = Callable[[Received], str]


class Crowd:
    """What an upstream sees at the same time, by whatever tells requests apart; each takes `seconds`."""

    def __init__(self, scope: Scope, seconds: float = 0.03) -> None:
        self._scope = scope
        self._seconds = seconds
        self._open: list[Exchange] = []
        self.upstream: Upstream
        self.most: Counter[str] = Counter()
        self.served: Counter[str] = Counter()

    def __call__(self, request: Received) -> Play:
        """Count, and answer after a while."""
        self._open = [each for each in self._open if not each.finished and each.gone_at is None]
        self._open.append(self.upstream.exchanges[-1])
        now = Counter(self._scope(each.request) for each in self._open)
        scope = self._scope(request)
        self.most[scope] = max(self.most[scope], now[scope])
        self.served[scope] += 1
        return [Pause(self._seconds), *answer_politely(request)]
