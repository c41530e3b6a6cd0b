"""What a request presents to show who sends it, in every form that an official client library uses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web
from multidict import istr

from routebook.edge.identity.ephemeral import GOOGLES
from routebook.edge.identity.refusals import Reason, Refused

AUTHORIZATION: Final = istr("Authorization")
KEY_HEADERS: Final = (istr("x-api-key"), istr("x-goog-api-key"), istr("api-key"))
"""How Anthropic's, Google's and Azure's libraries send a key; OpenAI's sends a bearer token."""

OFFERED: Final = istr("Sec-WebSocket-Protocol")


@dataclass(frozen=True, slots=True)
class Door:
    """Where else than in a header a key may stand: in which parameters of the address, and behind which prefix among the
    subprotocols that a browser offers for a WebSocket (None: nowhere there)."""

    queries: frozenset[str]
    secret: str | None = None


USUAL: Final = Door(frozenset({"key"}))
"""Requests: Google's API takes a key in the address."""

MOST_PARAMETERS: Final = 100


def credential(request: web.BaseRequest, door: Door = USUAL) -> str:
    """The one credential that a request presents; raises Refused where there is none, or there are several."""
    found = set(_presented(request, door))
    if len(found) == 1:
        return found.pop()
    raise Refused(Reason.SEVERAL if found else Reason.NONE)


def _presented(request: web.BaseRequest, door: Door) -> Iterator[str]:
    """Every credential that is not empty; raises Refused for a scheme that is none of ours."""
    headers = request.headers
    for written in headers.getall(AUTHORIZATION, ()):
        scheme, _, value = written.strip().partition(" ")
        value = value.strip()
        if scheme.lower() != "bearer" and not (scheme.lower() == "token" and value.startswith(GOOGLES)):
            raise Refused(Reason.MALFORMED)
        if value:
            yield value
    for name in KEY_HEADERS:
        for written in headers.getall(name, ()):
            if value := written.strip():
                yield value
    if door.secret is not None:
        for offered in ",".join(headers.getall(OFFERED, ())).split(","):
            if (offer := offered.strip()).startswith(door.secret) and (value := offer.removeprefix(door.secret)):
                yield value
    _, mark, query = request.raw_path.partition("?")
    if mark:
        yield from _in_query(query, door.queries)


def _in_query(query: str, names: frozenset[str]) -> Iterator[str]:
    try:
        parameters = parse_qsl(query, max_num_fields=MOST_PARAMETERS)
    except ValueError:
        raise Refused(Reason.MALFORMED) from None
    yield from (value for name, value in parameters if name in names and value)
