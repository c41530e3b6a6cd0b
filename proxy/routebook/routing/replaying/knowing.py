"""The facts of a recorded request under a policy that is proposed: those that were asked for then, and those that follow
from what every record holds."""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from routebook.catalogue.callers import Client
from routebook.policy.facts import Value
from routebook.routing.given import CLOCKS
from routebook.routing.recorded import Recorded, value_of
from routebook.routing.replaying.between import OF_CLIENTS, Between

_UNASKED: Final = object()
"""Of a fact that the record does not speak of: another thing than one that was missing."""

_LABEL: Final = "client.label."


class NotRecorded(Exception):
    """A decision depends on something that the record does not hold; `what` is a fact, or says it in words."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class RecordedFacts:
    """Answers for one record (`policy.facts.Ask`); raises NotRecorded for what it cannot vouch for.

    `client` is the caller as the proposed policy has it, `client_is_kept` whether all of that is as it was.
    """

    __slots__ = ("_between", "_client", "_client_is_kept", "_facts", "_record")

    def __init__(self, record: Recorded, between: Between, client: Client, client_is_kept: bool) -> None:
        self._record = record
        self._facts = record.facts
        self._between = between
        self._client = client
        self._client_is_kept = client_is_kept

    def __repr__(self) -> str:
        return f"<RecordedFacts of {self._record.id}>"

    def __call__(self, key: str) -> Value | None:
        written: Any = self._facts.get(key, _UNASKED)
        if written is not _UNASKED and self._between.vouches(key) and (self._client_is_kept or not _of_client(key)):
            return value_of(written)
        return self._derived(key)

    def _derived(self, key: str) -> Value | None:
        record, name = self._record, key.partition("[")[0]
        reader = _READERS.get(key)
        if reader is not None:
            return reader(record)
        if name in CLOCKS:
            return CLOCKS[name](_clock(record.time, key.partition("[")[2].rstrip("]") or "UTC"))
        if key == "client.name":
            return self._client.name if self._client.bearers is None else record.client
        claims = None if self._client.tokens is None else self._client.tokens.claims
        if key == "client.team":
            return record.team if claims is not None and claims.team is not None else self._client.team
        if key.startswith(_LABEL) and (claims is None or key.removeprefix(_LABEL) not in claims.labels):
            return self._client.labels.get(key.removeprefix(_LABEL))
        asked = record.asked
        if key == "prompt.tokens" and asked.tokens_by == "estimate":
            return asked.tokens
        counted = {"prompt.messages": asked.messages, "prompt.images": asked.images, "prompt.tools": asked.tools}
        if counted.get(key) is not None:
            return counted[key]
        raise NotRecorded(key)


_READERS: Final[Mapping[str, Callable[[Recorded], Value | None]]] = {
    "request.operation": lambda record: record.operation,
    "request.dialect": lambda record: record.dialect,
    "request.model": lambda record: record.requested,
    "request.stream": lambda record: record.stream,
    "request.max_output": lambda record: record.asked.max_output,
    "request.needs": lambda record: frozenset(record.asked.needs),
    "prompt.bytes": lambda record: record.asked.bytes,
}
"""Facts that every record holds, whatever its rules asked."""


def _of_client(key: str) -> bool:
    return key in OF_CLIENTS or key == "client.name" or key.startswith(_LABEL)


def _clock(written: str, zone: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(written).astimezone(_zone(zone))


@lru_cache(maxsize=64)
def _zone(name: str) -> zoneinfo.ZoneInfo:
    return zoneinfo.ZoneInfo(name)
