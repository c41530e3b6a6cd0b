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
from routebook.routing.own_tasks import TASK, own_task
from routebook.routing.recorded import Recorded, value_of
from routebook.routing.replaying.between import Between, Caller
from routebook.routing.sizes import BYTES, COUNTED, bytes_decide
from routebook.scoring.judged import classed

_UNASKED: Final = object()
"""Of a fact that the record does not speak of: another thing than one that was missing."""

_LABEL: Final = "client.label."


class NotRecorded(Exception):
    """A decision depends on something that the record does not hold; `what` is a fact, or says it in words."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class RecordedFacts:
    """Answers for one record (`policy.facts.Ask`); raises NotRecorded for what it cannot vouch for."""

    __slots__ = ("_between", "_caller", "_client", "_facts", "_record")

    def __init__(self, record: Recorded, between: Between, caller: Caller) -> None:
        """`caller` must be let in."""
        assert caller.client is not None
        self._record = record
        self._facts = record.facts
        self._between = between
        self._caller = caller
        self._client: Client = caller.client

    def __repr__(self) -> str:
        return f"<RecordedFacts of {self._record.id}>"

    def __call__(self, key: str) -> Value | None:
        judged = self._record.asked.judged
        if key == TASK and (not self._between.tasks_alike or (self._between.served is None and judged is not None)):
            return self._task()
        written: Any = self._facts.get(key, _UNASKED)
        if key == "prompt.tokens" and self._record.asked.fact_by == BYTES and not self._bytes_decide():
            written = _UNASKED
        if written is not _UNASKED and self._between.vouches(key) and (self._caller.is_kept or self._stands(key)):
            return value_of(written)
        return self._derived(key)

    def _task(self) -> Value | None:
        """The class of task by the proposed policy's own classes, else by the scorer as it judged then."""
        own = own_task(self._between.proposed.tasks, self)
        judged = self._record.asked.judged
        if own is None and judged is None:
            raise NotRecorded(TASK)
        return own if judged is None else classed(judged, own).task

    def _bytes_decide(self) -> bool:
        """Whether the prompt's bytes alone decide the proposed policy's conditions on its tokens, as they did then."""
        limits, most = self._between.proposed.token_limits, self._record.asked.most_tokens
        return most is not None and bytes_decide(most, limits)

    def _stands(self, key: str) -> bool:
        """Whether a recorded fact is what it was although the proposed policy says something else of the client."""
        if key == "tags":
            return self._caller.tags_are_kept
        return key not in ("client.name", "client.team") and (not key.startswith(_LABEL) or self._is_claimed(key))

    def _is_claimed(self, key: str) -> bool:
        """Whether a client's team or label comes from its token, and not from the policy."""
        claims = None if self._client.tokens is None else self._client.tokens.claims
        if claims is None:
            return False
        return claims.team is not None if key == "client.team" else key.removeprefix(_LABEL) in claims.labels

    def _derived(self, key: str) -> Value | None:
        """What follows from the parts that every record has, and from what the policy declares of the client."""
        record, asked, name = self._record, self._record.asked, key.partition("[")[0]
        reader = _READERS.get(key)
        if reader is not None:
            return reader(record)
        if name in CLOCKS:
            return CLOCKS[name](_clock(record.time, key.partition("[")[2].rstrip("]") or "UTC"))
        if key == "client.name":
            return self._client.name if self._client.bearers is None else record.client
        if key == "client.team":
            return record.team if self._is_claimed(key) else self._client.team
        if key.startswith(_LABEL) and not self._is_claimed(key):
            return self._client.labels.get(key.removeprefix(_LABEL))
        if key == "prompt.tokens" and asked.tokens_by in COUNTED:
            return asked.tokens
        if asked.judged is not None and key in ("prompt.complexity", "prompt.task"):
            return asked.judged.complexity if key == "prompt.complexity" else asked.judged.task
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


def _clock(written: str, zone: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(written).astimezone(_zone(zone))


@lru_cache(maxsize=64)
def _zone(name: str) -> zoneinfo.ZoneInfo:
    return zoneinfo.ZoneInfo(name)
