"""Upstream APIs and the accounts that pay for them."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from routebook.documents.problems import Location


@dataclass(frozen=True, slots=True)
class EnvironmentKey:
    """A key that stands in an environment variable."""

    name: str


@dataclass(frozen=True, slots=True)
class FileKey:
    """A key that stands in a file (a mounted secret); white space around it is cut off."""

    path: str


KeySource = EnvironmentKey | FileKey
"""Where a secret comes from. A literal is refused by the reader, so no secret ever stands in a policy."""


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """What the vendor grants an account; None is unlimited. A request may queue for `wait` seconds, among `places`."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent: int | None = None
    wait: float = 0.0
    places: int = 0


@dataclass(frozen=True, slots=True)
class Account:
    """One key of a provider. `bucket` groups keys that share one quota; `key` None means that none is sent."""

    name: str
    key: KeySource | None = None
    weight: int = 1
    bucket: str | None = None
    limits: AccountLimits = AccountLimits()


class Spread(enum.Enum):
    """Which of a provider's accounts a request goes to first; the others follow."""

    WEIGHTED = "weighted"
    ROUND_ROBIN = "round_robin"
    LEAST_BUSY = "least_busy"
    DRAIN_FIRST = "drain_first"
    STICKY = "sticky"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds; `first_byte` from request sent to head received, `idle` between bytes of the answer."""

    connect: float = 5.0
    first_byte: float = 120.0
    idle: float = 60.0
    total: float = 600.0


@dataclass(frozen=True, slots=True)
class Provider:
    """An upstream API: what it speaks, where it stands, who pays.

    `ask_usage`: whether usage may be asked for in a stream (`stream_options.include_usage`); some vendors refuse it.
    `allow_private`: whether its name may lead to a private address; None: as the name itself tells (`catalogue.reach`).
    `version` is that of its API, `key_header` where its key goes; None: as its dialect has it.
    """

    name: str
    dialect: str
    base_url: str
    location: Location
    accounts: tuple[Account, ...] = ()
    spread: Spread = Spread.WEIGHTED
    region: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    timeouts: Timeouts = Timeouts()
    ask_usage: bool = True
    version: str | None = None
    key_header: str | None = None
    allow_private: bool | None = None
