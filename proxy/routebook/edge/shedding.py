"""How much a worker takes on: requests beyond it are told to come back, so that those that are under way are served in time.

Two things run out. Requests: as many as the policy says (`settings.max_requests`). Descriptors: a request has two, its
client's and its upstream's, and a process has only so many; one that has none left can neither call nor record.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass
from typing import Final, Literal

RESERVED: Final = 64
"""Descriptors for what is no connection: journal, keys, the supervisor's line, what libraries open."""

RETRY_AFTER: Final = 1.0
"""Seconds after which a request that was shed may come back."""

Shed = Literal["requests", "connections"]
"""What there was too much of."""


@dataclass(frozen=True, slots=True)
class Room:
    """How many requests a worker can have under way by its descriptors, how many connections of clients it can serve, and
    how many more it can hold that are told to come back."""

    requests: int
    connections: int
    more: int

    @classmethod
    def of_process(cls) -> Room:
        """What this process has room for."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return cls.under(soft if soft != resource.RLIM_INFINITY else 1 << 20)

    @classmethod
    def under(cls, descriptors: int) -> Room:
        """A third of what is there for upstreams, the rest for clients, of whom some only keep a connection."""
        free = max(descriptors - RESERVED, 8)
        return cls(free // 3, free // 2, free // 8)

    def shed(self, running: int, connections: int, most: int | None) -> Shed | None:
        """Of what there is too much for one more request, the running ones with it; None where it can be served. `most`
        is what the policy says."""
        if running > (self.requests if most is None else min(most, self.requests)):
            return "requests"
        return "connections" if connections > self.connections else None

    def is_full(self, connections: int) -> bool:
        """Whether one more connection is not even listened to."""
        return connections > self.connections + self.more
