"""Guards at work: a request is masked, and services are asked about it, before anything is decided.

What comes back are facts about the request as it will be sent. A request in which something remains that was to be masked
is refused: a text that is split over two messages, or stands where no text may be rewritten.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import msgspec
from yarl import URL

from routebook.catalogue.providers import Timeouts
from routebook.chat.asked import Asked
from routebook.edge.answers import Failure
from routebook.edge.connections import Origin
from routebook.edge.deadlines import Deadlines, Limits
from routebook.edge.entry import Entry
from routebook.edge.faults import CallFailed
from routebook.edge.headers import request_head
from routebook.edge.operations_log import operations_log
from routebook.edge.upstream import ask, whole
from routebook.policy.conditions import holds
from routebook.protocols.paths import Found
from routebook.routing.facts import RequestFacts
from routebook.routing.guards import Mask, Webhook, is_found, masked

ANSWER_BYTES: Final = 64 * 1024
"""The longest answer of a service; it is one word."""

RESTING: Final = "resting"
"""Why there is no word, where nobody was asked: the service failed too often a moment ago."""

_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class _Said(msgspec.Struct):
    verdict: str


_SAID: Final = msgspec.json.Decoder(_Said)


async def guarded(facts: RequestFacts, found: Found, headers: Mapping[str, str], entry: Entry) -> RequestFacts:
    """What rules may know of the request as it will be sent, guards heard. Raises Failure where one lets nothing pass,
    or something that is to be masked cannot be."""
    for guard in entry.policy.guards.values():
        if not holds(guard.when, facts):
            continue
        match guard:
            case Mask():
                facts = _mask(guard, facts, partial(found.read, headers=headers), entry)
            case Webhook():
                await _ask(guard, facts, entry)
    for guard in entry.policy.guards.values():
        facts(guard.fact)  # recorded, whether or not a rule asks: another policy may
    return facts


def check_unguarded(facts: RequestFacts, entry: Entry) -> None:
    """Raise Failure where a guard looks at a request that is a session: what is said in it is not known beforehand."""
    for guard in entry.policy.guards.values():
        if holds(guard.when, facts):
            raise Failure(
                "guard.session", "sessions of this client are not open to it: what is said in them is guarded"
            )


def _mask(guard: Mask, facts: RequestFacts, read: Callable[[bytes], Asked], entry: Entry) -> RequestFacts:
    began = entry.gateway.clock.monotonic()
    asked = facts.asked
    # a body that is no JSON holds no text either: what it has is found below, if anywhere
    body, changed = masked(asked.body, guard) if asked.body[:1] == b"{" else (asked.body, 0)
    if changed:
        asked = read(body)
    if is_found(asked.text, guard):
        entry.guarded(guard.name, {"result": "unmasked"}, began)
        raise Failure("guard.unmasked", f"what `{guard.name}` masks stands where it cannot be masked in this request")
    after = (
        facts
        if not changed
        else RequestFacts(asked, facts.client, facts.headers, facts.now, entry.policy, facts.memory, facts.at)
    )
    after.guarded = {**facts.guarded, guard.fact: bool(changed)}
    entry.guarded(guard.name, {"result": "masked" if changed else "clean", "texts": changed}, began)
    return after


async def _ask(guard: Webhook, facts: RequestFacts, entry: Entry) -> None:
    clock, circuit = entry.gateway.clock, entry.serving.circuits[guard.name]
    began = clock.monotonic()
    if not circuit.may_ask(began):
        _unheard(guard, RESTING, max(1.0, circuit.rests_for(began)), entry, began)
        return
    try:
        async with asyncio.timeout(guard.timeout):
            verdict = await _verdict(guard, facts, entry)
    except (CallFailed, TimeoutError) as error:
        seconds = circuit.failed(clock.monotonic(), began, entry.policy.settings.breaker)
        if seconds is not None:
            entry.gateway.metrics.guard_opened(guard.name)
            operations_log().warning("guard rests", guard=guard.name, seconds=seconds, closed=guard.closed)
        _unheard(guard, error.code if isinstance(error, CallFailed) else "timeout", 1.0, entry, began)
        return
    except BaseException:
        circuit.let_go()
        raise
    if circuit.answered(clock.monotonic(), began):
        entry.gateway.metrics.guard_closed(guard.name)
        operations_log().info("guard answers again", guard=guard.name)
    facts.guarded = {**facts.guarded, guard.fact: verdict}
    entry.guarded(guard.name, {"result": "judged", "verdict": verdict}, began)


def _unheard(guard: Webhook, code: str, wait: float, entry: Entry, began: float) -> None:
    """No word came: recorded, and the request is refused where the guard is closed (raises Failure)."""
    entry.guarded(guard.name, {"result": "failed", "error": code}, began)
    if guard.closed:
        raise Failure(
            "guard.unavailable", f"the guard `{guard.name}` cannot be asked at the moment", retry_after=wait
        ) from None


async def _verdict(guard: Webhook, facts: RequestFacts, entry: Entry) -> str:
    """The service's word; raises CallFailed where it has none."""
    url = URL(guard.url, encoded=True)
    head = request_head(url, "", entry.serving.guard_keys.get(guard.name))
    body = msgspec.json.encode(_question(facts, entry))
    lines = b"Content-Length: %d\r\nAccept: application/json\r\n\r\n" % len(body)
    origin = Origin(url.raw_host or "", url.port or 0, url.scheme == "https")
    seconds = guard.timeout
    limits = Limits(Timeouts(seconds, seconds, seconds, seconds), seconds)
    with Deadlines(limits) as deadlines:
        answer = await ask(entry.gateway.connections, origin, head + lines, body, deadlines)
        try:
            said = await whole(answer, ANSWER_BYTES)
        finally:
            if not answer.is_whole:
                answer.close()
    if answer.status != 200:
        raise CallFailed("upstream.failed", f"it answered {answer.status}")
    try:
        verdict = _SAID.decode(said).verdict
    except (msgspec.DecodeError, RecursionError):
        raise CallFailed("upstream.garbled", "its answer has no `verdict`") from None
    if not _WORD.fullmatch(verdict):
        raise CallFailed("upstream.garbled", "its verdict is no word")
    return verdict


def _question(facts: RequestFacts, entry: Entry) -> dict[str, Any]:
    asked, client = facts.asked, facts.client
    return {
        "id": entry.id,
        "operation": asked.operation,
        "dialect": asked.dialect,
        "model": asked.model,
        "client": client.name,
        "team": client.team,
        "text": asked.text,
    }
