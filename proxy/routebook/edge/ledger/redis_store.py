"""The shared store on Redis or Valkey: this host's entitlements, drawn, told and kept alive by one task in the background.

Requests never touch the connection: they put a question into a queue and wait for its answer, at most one time-out. One
task asks the questions of all, many in one round trip, tells what has changed, beats once a second, and comes back after
every fault. So a request that is cancelled leaves nothing half read, and there is one order in which this host speaks.

What makes it safe: the store's figure for a host is never below what the host believes. It is raised in the store first
(`acquire`) and lowered here first (`push`); every message carries the absolute figure and a number that grows, so one
that comes late, or comes twice, changes nothing, and one whose answer was lost is put right by the next.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from routebook.edge.ledger.patience import patience
from routebook.edge.ledger.store import Acquired, Denied, HostState, Live, Pushed, Totals, Unavailable, Want
from routebook.edge.ledger.store_address import read_address
from routebook.edge.ledger.store_book import EntitlementBook
from routebook.edge.ledger.store_breaker import StoreBreaker
from routebook.edge.ledger.store_line import Server, StoreFailure, StoreLine
from routebook.edge.ledger.store_scripts import (
    ACQUIRE,
    HOST_SECONDS,
    JOIN,
    LEAVE,
    PUSH,
    RECOVERY_SECONDS,
    SLOT_SECONDS,
    Script,
)
from routebook.edge.operations_log import operations_log
from routebook.ledger.claims import Counter, Kind

BEAT: Final = 1.0
"""Seconds between two signs of life."""

PROBE: Final = (0.4, 0.8)
"""Seconds until a store that is away is tried again, from and to: hosts do not come back in step."""

REFRESH: Final = 600.0
"""Seconds after which everything is told again, whatever is thought to be known."""

MARGIN: Final = 3.0
"""So many seconds before others may take this host for dead it stops relying on what it had."""

TOGETHER: Final = 64
"""Questions asked in one round trip."""

STATES: Final = 200
"""Counters told in one round trip."""

_CODES = {Kind.WINDOW: 0, Kind.RATE: 1, Kind.SLOTS: 2}
_HOST = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class _Granted:
    amounts: dict[Counter, int]
    totals: dict[str, Totals]


@dataclass(slots=True)
class _Question:
    wants: tuple[Want, ...]
    answer: asyncio.Future[_Granted | Denied | Unavailable]


@dataclass(slots=True)
class _News:
    states: Mapping[Counter, HostState]
    credits: Mapping[str, int]
    answer: asyncio.Future[Pushed | Unavailable]


@dataclass(slots=True)
class _Keys:
    """The keys of one message. It names those of counters by their place among them."""

    prefix: str
    names: list[str] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names += [f"{self.prefix}:{name}" for name in ("epoch", "hosts", "awaited", "tight")]

    def place(self, key: str) -> int:
        if key not in self.places:
            self.names.append(key)
            self.places[key] = len(self.names)
        return self.places[key]


class _Aside(Exception):
    """The store answered, but not to what was asked: the word says what has to happen first."""


class SharedStore:
    """One host's part in the store; a `SharedLedger`. Raises BadAddress, ClientMissing and ValueError when it is made.

    `host` names this host among all that share the store; a second process of the same name supersedes the first.
    `prefix` stands before all keys, as their hash tag: hosts that share it share their budgets. `clock` is this host's
    time (seconds since 1970). `recovery` is how many seconds a store that may have forgotten waits for known hosts.
    """

    def __init__(
        self,
        url: str,
        host: str,
        prefix: str = "routebook",
        clock: Callable[[], float] = time.time,
        recovery: float = RECOVERY_SECONDS,
    ) -> None:
        if not _HOST.fullmatch(host):
            raise ValueError(f"`{host}` cannot name a host: letters, digits, `.`, `_` and `-` only")
        if not prefix or set(prefix) & set("{}"):
            raise ValueError(f"`{prefix}` cannot stand before keys: it is empty or has braces")
        self._address = read_address(url)
        self._line = StoreLine(self._address)
        self._breaker = StoreBreaker(str(self._address), time.monotonic)
        self._host = host
        self._prefix = f"{{{prefix}}}"
        self._clock = clock
        self._recovery = int(recovery * 1000)
        self._offset = 0.0
        self._book = EntitlementBook()
        self._queue: deque[_Question | _News] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._live: Live = dict
        self._is_joined = False
        self._is_superseded = False
        self._epoch, self._term, self._number = "", 0, 0
        self._heard = self._beaten = self._told = -float("inf")
        self._known: tuple[str, ...] = ()

    def __repr__(self) -> str:
        state = "joined" if self._is_joined else "away"
        return f"<SharedStore {self._host} at {self._address}, {state}, {len(self._book)} counters>"

    # What the desk asks.

    @property
    def is_joined(self) -> bool:
        """Whether the store knows everything of this host."""
        return self._is_joined

    @property
    def breaker(self) -> StoreBreaker:
        """Whether the store is taken to be away, why, and how often it was: for metrics."""
        return self._breaker

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that share the store, as last heard."""
        return self._known

    @property
    def server(self) -> Server | None:
        """What the store said of itself when it was last connected to; None before."""
        return self._line.server

    def start(self, live: Live) -> None:
        """Begin to reach for the store, in the background and for as long as it takes."""
        self._live = live
        self._task = asyncio.get_running_loop().create_task(self._work(), name="shared ledger")

    def now(self) -> float:
        """The store's time (seconds since 1970); this host's own until the store was heard."""
        return self._clock() + self._offset

    def entitled(self, counter: Counter) -> int:
        """What this host may settle and hold of a counter."""
        return self._book[counter]

    def entitlements_hold(self, kind: Kind) -> bool:
        """Whether this host was heard lately enough that nobody has given away what it is entitled to."""
        seconds = SLOT_SECONDS if kind is Kind.SLOTS else HOST_SECONDS
        return time.monotonic() - self._heard < seconds - MARGIN

    async def acquire(self, wants: Sequence[Want]) -> Acquired | Denied | Unavailable:
        """All or none, in one round trip. At most one want for a counter (ValueError). Takes at most one time-out."""
        counters = {want.claim.counter for want in wants}
        if len(counters) != len(wants):
            raise ValueError("a counter is wanted twice in one request")
        if away := self._away():
            return away
        question = _Question(tuple(wants), asyncio.get_running_loop().create_future())
        self._book.begin(counters)
        try:
            answer: _Granted | Denied | Unavailable = await self._put(question)
        finally:
            self._book.end(counters)
        if not isinstance(answer, _Granted):
            return answer
        entitled = {want.claim.counter for want in wants if want.claim.kind is not Kind.RATE}
        return Acquired({counter: self._book[counter] for counter in entitled}, answer.amounts, answer.totals)

    async def push(
        self, states: Mapping[Counter, HostState], credits: Mapping[str, int] | None = None
    ) -> Pushed | Unavailable:
        """Tell what has changed, absolutely, and give back what was taken of rates and not used (`credits`, by pot)."""
        self._book.note(states)
        if away := self._away():
            return away
        news = _News(dict(states), dict(credits or {}), asyncio.get_running_loop().create_future())
        pushed: Pushed | Unavailable = await self._put(news)
        return pushed

    async def close(self) -> None:
        """Leave: what this host has settled stays counted, and nobody waits for it any more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        self._give_up("closed")
        try:
            if self._is_joined:
                if not self._line.is_open:
                    await self._line.open()
                await self._tell(LEAVE, _Keys(self._prefix))
        except (StoreFailure, _Aside):
            pass
        finally:
            self._is_joined = False
            await self._line.close()

    def _away(self) -> Unavailable | None:
        if self._is_superseded:
            return Unavailable("superseded")
        if self._task is None:
            return Unavailable("closed")
        return Unavailable(self._breaker.reason) if self._breaker.is_open else None

    async def _put(self, item: Any) -> Any:
        """Wait for the answer, at most one time-out; what comes later is not for who asked any more."""
        self._queue.append(item)
        self._wake.set()
        try:
            async with patience(self._address.timeout):
                await asyncio.shield(item.answer)
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            if item.answer.done() and isinstance(item.answer.result(), _Granted):
                self._book.not_received(item.answer.result().amounts)
            item.answer.cancel()
            raise
        if item.answer.done():
            return item.answer.result()
        item.answer.cancel()
        return Unavailable("timeout")

    # The task in the background.

    async def _work(self) -> None:
        while not self._is_superseded:
            try:
                await self._step()
            except StoreFailure as failure:
                await self._fall(failure)
            except _Aside as aside:
                await self._turn(str(aside))
            except Exception as error:  # noqa: BLE001 - whatever it is, the next attempt may succeed
                operations_log().error("shared ledger broken", store=str(self._address), exception=type(error).__name__)
                await self._line.close()
                await self._fall(StoreFailure("broken"))
            else:
                self._breaker.succeeded()
                await self._pause(self._beaten + BEAT - time.monotonic())

    async def _step(self) -> None:
        """Ask or tell what is due, after coming back where that is needed."""
        if not self._is_joined or not self._line.is_open:
            await self._join()
        elif self._queue:
            if isinstance(self._queue[0], _News):
                await self._tell_news()
            else:
                await self._ask_questions()
        elif time.monotonic() - self._told >= REFRESH:
            await self._tell_everything()
        elif time.monotonic() - self._beaten >= BEAT:
            self._book.forget_past(self.now())
            await self._push(())

    async def _pause(self, seconds: float) -> None:
        """Until there is something to ask, or the time is over."""
        if self._queue or seconds <= 0:
            return
        self._wake.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _fall(self, failure: StoreFailure) -> None:
        """The store failed: whoever waits has waited long enough. Try again in a while, or when somebody asks."""
        self._breaker.failed(failure.reason, failure.timed_out)
        self._is_joined = False
        self._give_up(failure.reason)
        await self._pause(random.uniform(*PROBE))

    async def _turn(self, word: str) -> None:
        """The store is there, and something has to happen first."""
        self._breaker.succeeded()
        if word == "recovering":
            self._give_up("recovering", _Question)
            return
        self._is_joined = False
        self._is_superseded = word == "superseded"
        self._give_up("superseded" if self._is_superseded else "recovering")
        if self._is_superseded:
            operations_log().error(
                "superseded in the shared ledger", host=self._host, does="draws nothing from it until restarted"
            )
        await asyncio.sleep(random.uniform(0, 0.02))

    def _give_up(self, reason: str, which: type[_Question] | None = None) -> None:
        waiting, self._queue = self._queue, deque()
        for item in waiting:
            if which is None or isinstance(item, which):
                _resolve(item, Unavailable(reason))
            else:
                self._queue.append(item)

    async def _join(self) -> None:
        """Connect, learn whether the store still knows what it knew, and tell everything."""
        self._is_joined = False
        if not self._line.is_open:
            await self._line.open()
        server = self._line.server
        known = [name for name in self._known if name != self._host]
        fields = (server.run if server else "", uuid.uuid4().hex, [*known, self._host], self._recovery)
        self._epoch, self._term = await self._tell(JOIN, _Keys(self._prefix), *fields)
        await self._tell_everything()
        self._is_joined = True
        if server and server.evicts:
            operations_log().warning(
                "shared ledger may evict", store=str(self._address), wants="maxmemory-policy noeviction"
            )

    async def _tell_everything(self) -> None:
        due = deque(self._book.note_all(self._live()))
        while len(due) > STATES:
            await self._push([due.popleft() for _ in range(STATES)])
        await self._push(due, complete=True)
        self._told = time.monotonic()

    async def _tell_news(self) -> None:
        news = self._queue.popleft()
        assert isinstance(news, _News)
        counters, credits = list(news.states), news.credits
        totals: dict[str, Totals] = {}
        tight: frozenset[Counter] = frozenset()
        try:
            while True:  # also with nothing to tell: what others were denied is to be heard
                pushed = await self._push(counters[:STATES], credits)
                totals.update(pushed.totals)
                tight |= pushed.tight
                counters, credits = counters[STATES:], {}
                if not counters:
                    break
        except BaseException as error:
            _resolve(news, Unavailable(_why(error)))
            raise
        _resolve(news, Pushed(totals, tight))

    async def _push(
        self, counters: Iterable[Counter], credits: Mapping[str, int] | None = None, complete: bool = False
    ) -> Pushed:
        """Tell these counters, and some that are astray; the sign of life as well."""
        due = {counter: False for counter in self._book.strays(STATES)} | {counter: True for counter in counters}
        keys = _Keys(self._prefix)
        states = {counter: self._book.state(counter, as_told) for counter, as_told in due.items()}
        message = [self._told_of(counter, state, keys) for counter, state in states.items()]
        back = [[keys.place(self._rate(pot)), amount] for pot, amount in (credits or {}).items()]
        totals, tight, names = await self._tell(PUSH, keys, message, back, complete)
        self._known = tuple(names)
        self._book.heard({counter: state.entitled for counter, state in states.items()})
        self._beaten = time.monotonic()
        return Pushed(
            {counter[0]: Totals(*pair) for counter, pair in zip(states, totals, strict=True)},
            frozenset(self._named(set(tight))) if tight else frozenset(),
        )

    def _told_of(self, counter: Counter, state: HostState, keys: _Keys) -> list[int]:
        place = keys.place(self._key(counter, state.first))
        slots = int(state.kind is Kind.SLOTS)
        return [place, slots, state.first, counter[1], state.ends, state.settled, state.held, state.entitled]

    def _named(self, keys: set[str]) -> Iterable[Counter]:
        known = self._book.known()
        return (counter for counter, state in known.items() if self._key(counter, state.first) in keys)

    async def _ask_questions(self) -> None:
        """Ask what stands first in the queue, many at a time."""
        asked: list[_Question] = []
        while self._queue and isinstance(self._queue[0], _Question) and len(asked) < TOGETHER:
            question = self._queue.popleft()
            assert isinstance(question, _Question)
            if not question.answer.done():
                asked.append(question)
        if not asked:
            return
        keys = _Keys(self._prefix)
        groups = [[self._wanted(want, keys) for want in question.wants] for question in asked]
        try:
            results, names = await self._tell(ACQUIRE, keys, groups)
        except BaseException as error:
            for question in asked:
                self._book.lost(question.wants)
                _resolve(question, Unavailable(_why(error)))
            raise
        self._known = tuple(names)
        stored: dict[Counter, int] = {}
        for question, result in zip(asked, results, strict=True):
            stored |= self._answer(question, result)
        self._book.heard(stored)

    def _wanted(self, want: Want, keys: _Keys) -> list[int]:
        claim = want.claim
        key = self._rate(claim.pot) if claim.kind is Kind.RATE else self._key(claim.counter, claim.first)
        slices = (claim.first, claim.start, claim.ends)
        code, believed = _CODES[claim.kind], self._book[claim.counter]
        return [keys.place(key), code, claim.limit, *slices, believed, want.need, want.ahead]

    def _answer(self, question: _Question, result: list[Any]) -> dict[Counter, int]:
        """Hand an answer to who asked, where somebody still does; what the store counts for this host now."""
        if not result[0]:
            _, place, settled, entitled, wait = result
            want = question.wants[place - 1]
            after = wait / 1000 if want.claim.kind is Kind.RATE else None
            _resolve(question, Denied(want, Totals(settled, entitled), after))
            return {}
        rows = list(zip(question.wants, result[1], strict=True))
        if question.answer.done():
            self._book.know(question.wants)
        else:
            amounts = {want.claim.counter: row[0] for want, row in rows}
            self._book.granted(question.wants, amounts)
            _resolve(question, _Granted(amounts, {want.claim.pot: Totals(row[2], row[3]) for want, row in rows}))
        return {want.claim.counter: row[1] for want, row in rows if want.claim.kind is not Kind.RATE}

    async def _tell(self, script: Script, keys: _Keys, *fields: Any) -> list[Any]:
        """Send a message and read its answer; raises StoreFailure and _Aside."""
        self._number += 1
        message = msgspec.msgpack.encode([self._epoch, self._host, self._term, self._number, *fields])
        sent, clock = time.monotonic(), self._clock()
        answer = await self._line.ask(script, keys.names, message)
        rest: list[Any]
        word, micros, *rest = msgspec.msgpack.decode(answer)
        self._offset = micros / 1e6 - (clock + (time.monotonic() - sent) / 2)
        if word != "ok":
            raise _Aside(word)
        self._heard = sent
        return rest

    def _key(self, counter: Counter, first: int) -> str:
        """A window of the calendar has a key of its own, the slices of a rolling one share theirs."""
        pot, start = counter
        return f"{self._prefix}:c:{pot}:{start if first == start else ''}"

    def _rate(self, pot: str) -> str:
        return f"{self._prefix}:r:{pot}"


def _why(error: BaseException) -> str:
    match error:
        case StoreFailure():
            return error.reason
        case _Aside():
            return "superseded" if str(error) == "superseded" else "recovering"
        case asyncio.CancelledError():
            return "closed"
    return "broken"


def _resolve(item: _Question | _News, answer: Any) -> None:
    if not item.answer.done():
        item.answer.set_result(answer)
