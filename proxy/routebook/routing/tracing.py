"""Which trace a request belongs to (W3C Trace Context), and what its upstreams are told of it.

A span's id follows from the decision's, so whoever exports a record later (`routebook export`) and the upstream that was
called meanwhile speak of the same span, and nothing has to be remembered for it.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

_PARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)

LONGEST_STATE: Final = 512
"""Characters of a `tracestate` that are passed on (3.3.1.5)."""


class Traces(enum.Enum):
    """What becomes of a client's trace."""

    PASS = "pass"
    JOIN = "join"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Trace:
    """The trace of one request. `parent` is the client's span, None where it has none; `headers` are what upstreams are
    told instead of the client's own, None where those are passed on."""

    trace: str | None
    parent: str | None = None
    headers: tuple[tuple[str, str], ...] | None = None


NO_TRACE: Final = Trace(None)
"""That of a request that was not decided."""


def trace_of(identity: str, parent: str | None, state: str | None, traces: Traces) -> Trace:
    """The trace of the decision with this id, by the `traceparent` and `tracestate` of its request."""
    found = None if parent is None else _PARENT.fullmatch(parent)
    honoured = found is not None and set(found[1]) != {"0"} and set(found[2]) != {"0"}
    if traces is Traces.PASS:
        return Trace(found[1], found[2]) if found is not None and honoured else Trace(None)
    joins = found is not None and honoured and traces is Traces.JOIN
    trace = found[1] if found is not None and joins else new_trace(identity)
    flags = found[3] if found is not None and joins else "01"
    headers = [("traceparent", f"00-{trace}-{span_of(identity)}-{flags}")]
    if joins and state is not None and len(state) <= LONGEST_STATE and state.isascii() and state.isprintable():
        headers.append(("tracestate", state))
    return Trace(trace, found[2] if found is not None and joins else None, tuple(headers))


def span_of(identity: str, attempt: int | None = None) -> str:
    """The id of a decision's span, or of one of its calls', as 16 hex digits."""
    return blake2b(f"{identity}/{'' if attempt is None else attempt}".encode(), digest_size=8).hexdigest()


def new_trace(identity: str) -> str:
    """The id of the trace that begins with a decision, as 32 hex digits."""
    return blake2b(identity.encode(), digest_size=16, person=b"trace").hexdigest()
