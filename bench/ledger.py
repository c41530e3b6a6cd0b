"""What budgets and limits cost: the same requests through one proxy that counts nothing, and through the same with budgets.

    python bench/ledger.py [--rounds 3] [--seconds 2] [--only none,leases,tight,redis] [--micro]

`none` has no budgets; `leases` a budget of money, a budget of tokens for each client and a limit of requests and of
tokens a minute, with plenty left, so that workers draw on what they were granted before; in `tight` the budget of money
is nearly spent, so that every request asks the ledger's owner. In both what a request costs is far below its worst case,
and a nearly spent budget stays so. `redis` is the same in front of a Redis that several hosts could share, of which this is
one. Each has one worker and two; a bare aiohttp relay is measured beside them.

Every round measures all of them in turn; medians over the rounds are shown. CPU is that of the whole process tree, and
of the supervisor alone, where the ledger's owner lives. See `bench/proxy.py` for how things are measured. A second part
times the steps of a hold, one after the other, in one process.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.proxy import HERE, PROMPT, Subject, Wire, cpu_seconds, free_port, measure, progress, running, wire
from routebook.catalogue.callers import ANONYMOUS
from routebook.edge.ledger.desk import Desk
from routebook.edge.ledger.till import Till
from routebook.ledger.claims import Grant
from routebook.ledger.draws import Need
from routebook.ledger.purse import Purse
from routebook.ledger.vault import Vault
from routebook.protocols.openai_chat.request import read_chat
from routebook.routing.candidates import Candidate
from routebook.routing.demand import LiveDemand
from routebook.routing.drawing import Drawing, RequestDraws
from routebook.routing.facts import RequestFacts
from routebook.routing.holding import claims_of
from routebook.routing.memory import BLANK
from routebook.routing.policy import Policy
from routebook.routing.reading.loading import load_sources

ANSWER = 16_384
"""Tokens of answer that one client alone allows."""

TESTS = {"1 client": (1, ANSWER), "64 clients": (64, ANSWER // 64)}
"""Each test: connections, and the tokens that each allows: the same budget is nearly spent by one as by all."""

DEAR = 1000
"""Dollars of a million tokens at the dearest price, which no answer here comes to."""

POLICY = """\
version: 1
providers:
  bench: {{dialect: openai, base_url: "http://127.0.0.1:{upstream}/v1", accounts: [{{name: main}}]}}
models:
  bench:
    provider: bench
    id: bench-1
    price: {{input: 0.001, output: 0.001, reasoning: {dear}}}
    context: 128k
    max_output: 32k
{ledger}
rules:
  - {{name: as-asked, route: {{to: requested}}}}
"""

LEDGER = """\
budgets:
  all: {{limit: ${dollars:.2f}, window: month}}
  each: {{limit: 100000M tokens, window: day, per: client}}
limits:
  pace: {{requests_per_minute: 100M, tokens_per_minute: 1G}}
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """A proxy by what it counts, and by how many workers."""

    counts: str
    workers: int
    shared: bool = False

    @property
    def name(self) -> str:
        """As the tables have it."""
        return f"{'redis ' * self.shared}{self.counts}, {self.workers}w"

    @property
    def words(self) -> set[str]:
        """By which it may be chosen."""
        return {self.counts} if not self.shared else {"redis"}

    def policy(self, upstream: int) -> str:
        """Its policy. A nearly spent budget has room for all clients and for four more requests of each worker: below
        that, the owner grants no more than it is asked for."""
        ledger = ""
        if self.counts != "none":
            nearly_spent = ANSWER * DEAR / 1_000_000 * (1 + 4 * self.workers / 64)
            ledger = LEDGER.format(dollars=nearly_spent if self.counts == "tight" else 1_000_000)
        return POLICY.format(upstream=upstream, dear=DEAR, ledger=ledger)

    def command(self, policy: Path, port: int, redis: int | None) -> list[str]:
        """How it is started; `redis` is the port of the store that is shared."""
        serve = [sys.executable, "-m", "routebook", "serve", "--policy", str(policy), "--workers", str(self.workers)]
        listen = ["--listen", f"127.0.0.1:{port}", "--admin", "none", "--log", "warning"]
        share = (
            ["--shared-ledger", f"redis://127.0.0.1:{redis}/{KINDS.index(self)}?timeout_ms=1000"] if self.shared else []
        )
        return [*serve, *listen, *share, "--state-dir", str(policy.parent / "var")]


KINDS = [
    *(Kind(counts, workers) for workers in (1, 2) for counts in ("none", "leases", "tight")),
    *(Kind(counts, workers, shared=True) for workers in (1, 2) for counts in ("leases", "tight")),
]
"""Everything that is compared."""

Runs = dict[tuple[str, str], list[dict[str, float]]]
"""What was measured, by test and subject."""


def subjects(stack: ExitStack, upstream: int, by: Wire, folder: Path, only: set[str]) -> list[Subject]:
    """Start everything that is to be compared."""
    port = free_port()
    relay = [sys.executable, str(HERE / "bare_relay.py"), str(port), f"http://127.0.0.1:{upstream}"]
    found = [
        Subject("direct", upstream),
        Subject("aiohttp", port, stack.enter_context(running(relay, port, by.proxy_cores, folder))),
    ]
    chosen = [kind for kind in KINDS if not only or kind.words & only]
    redis = store(stack, by, folder) if any(kind.shared for kind in chosen) else None
    for kind in chosen:
        if kind.shared and redis is None:
            continue
        own, port = folder / kind.name.replace(", ", "-").replace(" ", "-"), free_port()
        own.mkdir()
        (own / "policy.yaml").write_text(kind.policy(upstream))
        command = kind.command(own / "policy.yaml", port, redis)
        found.append(Subject(kind.name, port, stack.enter_context(running(command, port, by.proxy_cores, own))))
    return found


def store(stack: ExitStack, by: Wire, folder: Path) -> int | None:
    """The port of a Redis of our own, beside the load; None where there is none to start."""
    server = shutil.which("redis-server") or shutil.which("valkey-server")
    if server is None:
        print("neither redis-server nor valkey-server is installed: left out\n")
        return None
    port, own = free_port(), folder / "redis"
    own.mkdir()
    command = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    stack.enter_context(running(command, port, by.load_cores, own))
    return port


def compare(rounds: int, seconds: float, only: set[str]) -> Runs:
    """Measure all subjects in turn, round by round."""
    runs: Runs = {}
    with tempfile.TemporaryDirectory(prefix="routebook-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        by, upstream = wire(folder), free_port()
        stack.enter_context(running([*by.upstream, str(upstream)], upstream, by.load_cores, folder))
        compared = subjects(stack, upstream, by, folder, only)
        for subject in compared:
            until_it_answers(subject)
        warm_up(compared, folder, by)
        for number in range(rounds):
            for test, (connections, answer) in TESTS.items():
                body = folder / "body.json"
                body.write_text(question(answer))
                for subject in compared:
                    progress(f"round {number + 1} of {rounds}: {test}: {subject.name}")
                    runs.setdefault((test, subject.name), []).append(measured(subject, connections, seconds, body, by))
        progress("")
    return runs


def question(answer: int) -> str:
    """A request's body."""
    return json.dumps({"model": "bench", "messages": PROMPT, "max_tokens": answer})


def until_it_answers(subject: Subject) -> None:
    """A service accepts before its workers are there: what it costs to start is not to be measured."""
    connection = http.client.HTTPConnection("127.0.0.1", subject.port, timeout=60)
    connection.request("POST", "/v1/chat/completions", question(1), {"Content-Type": "application/json"})
    connection.getresponse().read()
    connection.close()


def warm_up(compared: list[Subject], folder: Path, by: Wire) -> None:
    """A moment of load for each, which does not count."""
    body = folder / "body.json"
    body.write_text(question(ANSWER // 64))
    for subject in compared:
        measure(subject, 64, 0.3, body, by)


def measured(subject: Subject, connections: int, seconds: float, body: Path, by: Wire) -> dict[str, float]:
    """One run; beside what `bench/proxy.py` measures, the CPU of the supervisor, where there is one."""
    before = 0.0 if subject.pid is None else cpu_seconds(subject.pid, below=False)
    run = measure(subject, connections, seconds, body, by)
    if subject.pid is not None:
        run["owner_us"] = (cpu_seconds(subject.pid, below=False) - before) / max(run["all"], 1) * 1e6
    return run


def table(runs: Runs) -> None:
    """Medians of the rounds; what budgets add is the median of the differences between neighbours in a round."""
    for test in TESTS:
        print(
            f"\n{test}\n  {'':<18}{'CPU us':>9}{'x aiohttp':>11}{'x none':>9}{'owner us':>10}{'p50 us':>9}{'p99 us':>9}"
            f"{'added over direct':>19}{'over none':>11}"
        )
        for name in dict.fromkeys(each for asked, each in runs if asked == test):
            own = runs[test, name]
            none = runs.get((test, f"none, {name[-2:]}"))
            cells = [
                _median(own, "cpu_us") if name != "direct" else "-",
                _ratio(own, runs.get((test, "aiohttp"))) if name != "direct" else "-",
                _ratio(own, none) if "," in name else "-",
                _median(own, "owner_us") if "," in name else "-",
                _median(own, "p50"),
                _median(own, "p99"),
                _difference(own, runs[test, "direct"]),
                _difference(own, none) if "," in name else "-",
            ]
            widths = (9, 11, 9, 10, 9, 9, 19, 11)
            failed = sum(each["failures"] for each in own)
            print(
                f"  {name:<18}"
                + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
                + (f"   {failed:.0f} FAILED" if failed else "")
            )


def _median(runs: list[dict[str, float]], key: str) -> str:
    return f"{statistics.median(each[key] for each in runs):,.0f}"


def _ratio(runs: list[dict[str, float]], others: list[dict[str, float]] | None) -> str:
    if not others:
        return "-"
    pairs = zip(runs, others, strict=True)
    return f"{statistics.median(one['cpu_us'] / max(other['cpu_us'], 1e-9) for one, other in pairs):.2f}"


def _difference(runs: list[dict[str, float]], others: list[dict[str, float]] | None) -> str:
    if not others:
        return "-"
    return f"{statistics.median(one['p50'] - other['p50'] for one, other in zip(runs, others, strict=True)):,.0f}"


def request_draws(drawing: Drawing, policy: Policy, body: bytes) -> RequestDraws:
    """What one request draws on, as the exchange finds it out."""
    facts = RequestFacts(read_chat(body), ANONYMOUS, {}, 1.7e9, policy, BLANK)
    draws = drawing.of(facts, LiveDemand(facts), "anonymous", None, 1.7e9)
    assert draws is not None
    return draws


def steps() -> None:
    """The steps of a hold, each alone: microseconds, the best of several rounds."""
    policy = load_sources([("policy.yaml", Kind("leases", 1).policy(1))]).policy
    assert policy is not None
    drawing, model = Drawing(policy), policy.catalogue.models["bench"]
    candidate = Candidate(model, model.provider.accounts[0], "bench/main")
    body = question(256).encode()
    draws = request_draws(drawing, policy, body)
    needs = draws.needs(candidate)
    assert isinstance(needs, tuple)
    claims = claims_of(needs)
    print(
        f"\nthe steps of a hold of {len(claims)} claims (two budgets, a limit of requests and of tokens a minute), in us"
    )
    _say("read the request, find what counts it", _best(lambda: request_draws(drawing, policy, body)))
    _say("RequestDraws.needs", _best(lambda: draws.needs(candidate)))
    purse, vault = Purse(), Vault()

    def granted() -> Grant:
        grant = vault.lease("worker", claims, 1.7e9)
        assert isinstance(grant, Grant)
        return grant

    for _ in range(1000):
        purse.granted(granted())
    _say("Purse.take and Purse.settle of each", _best(lambda: _taken(purse, needs)))
    _say("Vault.lease", _best(granted))
    ahead, alone = asyncio.run(_till(needs, 1000)), asyncio.run(_till(needs, 0))
    _say("Till.hold and Till.settle, granted ahead", ahead)
    _say("Till.hold and Till.settle, the desk is asked", alone)


def _taken(purse: Purse, needs: tuple[Need, ...]) -> None:
    counters = purse.take(claims_of(needs))
    assert counters is not None
    for counter, need in zip(counters, needs, strict=True):
        purse.settle(counter, need.claim.amount, 0)


async def _till(needs: tuple[Need, ...], ahead: int) -> float:
    """Microseconds of a hold and its end, of a worker that was granted for so many requests; 0: exactly what it asks."""
    vault, claims = Vault(), claims_of(needs)
    till = Till("worker", Desk(vault, lambda: 1.7e9), time.monotonic)
    best = 1e9
    for _ in range(20):
        began = time.perf_counter()
        for _ in range(500):
            counters = await till.hold(claims, "anonymous")
            assert isinstance(counters, tuple)
            till.settle((counter, need, 0) for counter, need in zip(counters, needs, strict=True))
            if not ahead:
                for claim in claims:
                    till.tighten(claim.pot)
        best = min(best, (time.perf_counter() - began) / 500)
        await asyncio.sleep(0)
    till.close()
    return best * 1e6


def _best(work: Callable[[], object]) -> float:
    """Microseconds of one call."""
    best = 1e9
    for _ in range(20):
        began = time.perf_counter()
        for _ in range(500):
            work()
        best = min(best, (time.perf_counter() - began) / 500)
    return best * 1e6


def _say(what: str, microseconds: float) -> None:
    print(f"  {what:<48}{microseconds:>8.1f}")


def main() -> int:
    """Measure and print; 1 where any request failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--only", default="", help="of none, leases, tight, redis; comma-separated")
    parser.add_argument("--micro", action="store_true", help="the steps of a hold alone")
    args = parser.parse_args()
    runs: Runs = {}
    if not args.micro:
        runs = compare(args.rounds, args.seconds, set(filter(None, args.only.split(","))))
        print("what budgets and limits cost, journal on; CPU microseconds a request of the whole process tree")
        table(runs)
    steps()
    return 1 if any(each["failures"] for found in runs.values() for each in found) else 0


if __name__ == "__main__":
    sys.exit(main())
