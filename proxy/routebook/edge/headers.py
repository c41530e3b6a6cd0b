"""Which headers cross the gateway, either way. What goes upstream is rebuilt from a short list; what comes back passes
but for what belongs to one connection, to the operator's account, or to the upstream's own host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from multidict import CIMultiDict, istr
from yarl import URL

from routebook.edge.answers import header_safe

FORWARDED: Final = tuple(istr(name) for name in ("User-Agent", "X-Client-Request-Id", "Traceparent", "Tracestate"))
"""What of a client's headers may go to any upstream; those of its dialect's table may also go to one that speaks the
same (`UpstreamSide.forwarded`). Credentials, cookies, addresses and encodings are not among them."""

UNTRACED: Final = FORWARDED[:2]
"""The same where upstreams are told of another trace than the client's."""

SERVER: Final = {istr("Server"): "routebook"}
"""How the gateway names itself: without the versions of what it is made of."""

HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that speak of one connection (RFC 9110, 7.6.1)."""

_OURS: Final = frozenset({"content-length", "date", "server", "x-should-retry"})
_ACCOUNTS: Final = frozenset({"set-cookie", "www-authenticate", "openai-organization", "openai-project"})
_HOSTS: Final = frozenset(
    {
        "alt-svc",
        "strict-transport-security",
        "location",
        "content-location",
        "refresh",
        "report-to",
        "nel",
        "reporting-endpoints",
        "expect-ct",
        "public-key-pins",
        "clear-site-data",
        "via",
    }
)
_WITHHELD: Final = HOP_BY_HOP | _OURS | _ACCOUNTS | _HOSTS

CONNECTION: Final = istr("Connection")

_SIMULATE: Final = istr("x-simulate")

AUTHORIZATION: Final = "Authorization"

MODEL: Final = "{model}"
"""What stands in a base URL for the model's id, where deployments have addresses of their own (Azure's older form)."""

_DECIMAL: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?", re.ASCII)

_VERSION: Final = re.compile(r"/v\d\w*/?$")

LONGEST_RETRY: Final = 86_400.0
"""Seconds; an upstream that asks for more is taken for one that asks for a day."""


POSTED: Final = ("POST", "Content-Type: application/json", "Accept-Encoding: identity")
"""How requests are sent: the method, and the lines that all have. Encoded answers are not asked for: an answer is read along
to count what was used."""


def request_head(
    base: URL, path: str, key: str | None, key_header: str = AUTHORIZATION, how: tuple[str, ...] = POSTED
) -> bytes:
    """The part of a request's head that is the same for every call of an account: where to, what, and the key: a bearer
    in `Authorization`, bare in any other header. `how` is the method, and further lines.
    """
    port = "" if base.is_default_port() else f":{base.port}"
    query = f"{'&' if '?' in path else '?'}{base.raw_query_string}" if base.raw_query_string else ""
    lines = [
        f"{how[0]} {base.raw_path.rstrip('/')}{path}{query} HTTP/1.1",
        f"Host: {base.host_subcomponent}{port}",
        *how[1:],
    ]
    if key is not None:
        lines.append(f"{key_header}: {'Bearer ' * (key_header == AUTHORIZATION)}{key}")
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1")


class Heads(dict[str, bytes]):
    """An account's `request_head` by path, made when a path is first called. Paths come from dialects and from the
    policy's models, so they are few. Where the model's id stands in the base URL (`MODEL`), the base is another for each."""

    def __init__(self, base: URL, key: str | None, key_header: str) -> None:
        super().__init__()
        self._base = base
        self._key = key
        self._key_header = key_header
        self._form = str(base) if MODEL in base.raw_path else None
        self._by_model: dict[str, Heads] = {}

    def __repr__(self) -> str:
        return f"<Heads of {len(self)} paths>"

    def of(self, path: str, model: str) -> bytes:
        """The head of a call of a model at a path below the base URL."""
        if self._form is None:
            return self[path]
        known = self._by_model.get(model)
        if known is None:
            base = URL(self._form.replace(MODEL, quote(model, safe="")), encoded=True)
            known = self._by_model[model] = Heads(base, self._key, self._key_header)
        return known[path]

    def once(self, path: str, model: str, how: tuple[str, ...], rooted: bool = False) -> bytes:
        """The head of a call that is made in another way, and is not kept; `rooted`: without the version in which base
        URLs end."""
        base = self._base if self._form is None else URL(self._form.replace(MODEL, quote(model, safe="")), encoded=True)
        if rooted:
            base = base.with_path(_VERSION.sub("", base.raw_path), encoded=True)
        return request_head(base, path, self._key, self._key_header, how)

    def __missing__(self, path: str) -> bytes:
        head = self[path] = request_head(self._base, path, self._key, self._key_header)
        return head


def upstream_head(
    begun: bytes,
    client: Mapping[str, str],
    size: int | None,
    simulated: bool,
    forwarded: Iterable[str] = (),
    ours: Sequence[tuple[str, str]] = (),
    trace: Sequence[tuple[str, str]] | None = None,
) -> bytes:
    """A request's whole head: what is the same for every call, the short list of the client's (`forwarded` besides), what
    is `ours` where the client said nothing else, and the body's size. `trace` stands in place of the client's (None: that
    one goes on).

    A body whose size nobody knows comes in chunks. A simulated upstream is also told which fault to commit.
    """
    framing = b"Transfer-Encoding: chunked" if size is None else b"Content-Length: %d" % size
    return b"%b%b%b\r\n\r\n" % (begun, _further(client, simulated, forwarded, ours, trace), framing)


def upgrade_head(
    begun: bytes,
    client: Mapping[str, str],
    simulated: bool,
    forwarded: Iterable[str],
    trace: Sequence[tuple[str, str]] | None = None,
) -> bytes:
    """The whole head of a request to change the protocol, which has no body; as `upstream_head`."""
    return b"%b%b\r\n" % (begun, _further(client, simulated, forwarded, (), trace))


def _further(
    client: Mapping[str, str],
    simulated: bool,
    forwarded: Iterable[str],
    ours: Sequence[tuple[str, str]],
    trace: Sequence[tuple[str, str]] | None,
) -> bytes:
    names = (*(FORWARDED if trace is None else UNTRACED), *forwarded)
    lines = [f"{name}: {header_safe(value)}\r\n" for name in names if (value := client.get(name)) is not None]
    if trace:
        lines += [f"{name}: {value}\r\n" for name, value in trace]
    if ours:
        said = {name.lower() for name in forwarded if name in client}
        lines += [f"{name}: {value}\r\n" for name, value in ours if name.lower() not in said]
    if simulated and (fault := client.get(_SIMULATE)) is not None:
        lines.append(f"{_SIMULATE}: {header_safe(fault)}\r\n")
    return "".join(lines).encode("ascii")


def client_headers(upstream: Mapping[str, str]) -> CIMultiDict[str]:
    """The headers of an upstream's answer that its client may see, made safe to send."""
    named = _named_by_connection(upstream.get(CONNECTION))
    headers: CIMultiDict[str] = CIMultiDict(SERVER)
    for name, value in upstream.items():
        if _passes(name) and (not named or name.lower() not in named):
            headers.add(name, value if value.isascii() and value.isprintable() else header_safe(value))
    return headers


@lru_cache(maxsize=1024)
def _passes(name: str) -> bool:
    lowered = name.lower()
    return lowered not in _WITHHELD and not lowered.startswith(("x-routebook-", "access-control-"))


def _named_by_connection(value: str | None) -> frozenset[str]:
    """Further headers that `Connection` declares to be of this connection only."""
    if value is None:
        return frozenset()
    return frozenset(word.strip().lower() for word in value.split(","))


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """When an upstream wants to be asked again, in seconds from `now` (seconds since 1970); None where it does not say,
    or nothing that can be understood."""
    milliseconds = headers.get("retry-after-ms")
    if milliseconds is not None and (number := _number(milliseconds)) is not None:
        return _bounded(number / 1000)
    written = headers.get("Retry-After")
    if written is None:
        return None
    if (number := _number(written)) is not None:
        return _bounded(number)
    try:
        return _bounded(parsedate_to_datetime(written).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def _number(text: str) -> float | None:
    return float(text) if _DECIMAL.fullmatch(text) else None


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST_RETRY)
