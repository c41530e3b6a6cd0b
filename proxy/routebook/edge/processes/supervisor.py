"""The supervisor: owns the state directory and the sockets, keeps the workers, answers signals and the admin listener.

It never touches a request. SIGHUP reads the policy again; SIGTERM and SIGINT drain, and the second time cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import re
import signal
import socket
import sqlite3
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from routebook import __version__
from routebook.edge.admin.access import Access
from routebook.edge.admin.budgets import BudgetsShown, told
from routebook.edge.admin.ledger import CounterShown, LedgerShown
from routebook.edge.admin.listener import AdminListener, start_admin
from routebook.edge.admin.service import Doorway, PolicyShown, ReloadShown, WorkerShown
from routebook.edge.admin.tokens import LOCAL, TokensUnreadable, new_secret
from routebook.edge.doctor.finding import Verdict
from routebook.edge.doctor.machine import aiohttp_version
from routebook.edge.feedback import NotRated, Rated, rated
from routebook.edge.identity.pepper import given_pepper
from routebook.edge.identity.store import clients_without_key
from routebook.edge.journal.archive import Archive
from routebook.edge.journal.history import Change, commit_of
from routebook.edge.journal.records import Records
from routebook.edge.journal.snapshots import save_snapshot
from routebook.edge.journal.writer import Journal, JournalUnavailable
from routebook.edge.ledger.entries import Changes
from routebook.edge.ledger.owner import Owner
from routebook.edge.ledger.store import SharedLedger
from routebook.edge.operations_log import operations_log
from routebook.edge.processes import accounts, state
from routebook.edge.processes.control import Gone, Message
from routebook.edge.processes.crew import COUNT_SECONDS, Crew, CrewFailed, Hand, stamp
from routebook.edge.processes.garbage import give_back
from routebook.edge.processes.inside import doorway_to
from routebook.edge.processes.listening import Address, bind, is_loopback, written
from routebook.edge.processes.reload import Compiled, Rejected, compile_policy, rejected
from routebook.edge.processes.rollout import Reloaded, Rollout, remember
from routebook.edge.processes.vitals import CERTIFICATE_ENDS, vitals
from routebook.edge.scrape import Fact, as_text
from routebook.edge.simulator.child import Simulation
from routebook.edge.tls.certificates import Certificates
from routebook.edge.tls.pair import BadPair, Files, as_fields
from routebook.health.reports import AccountReport, combined

START_SECONDS = 30.0
"""How long the first workers may take to serve."""

DRAW_SECONDS = 10.0
"""How long workers of a supervisor that died may take to notice that, before another one begins."""

GRACE = 0.5
"""Seconds between saying `not ready` and no longer accepting, so that a balancer can look."""


OPEN_TO_ALL = "admin.open-to-all"
"""The code of an admin listener that anybody could use."""


TOO_OLD = "edge.library-too-old"
"""The code of a service whose HTTP library has holes that are known."""


class StartRefused(Exception):
    """The service cannot start; the message says why, for people."""


@dataclass(frozen=True, slots=True)
class Options:
    """What `routebook serve` was told. `admin` None: no admin listener; `tls` and `admin_tls` None: it speaks HTTP. Times in
    seconds."""

    policy: Path
    listen: Address
    admin: Address | None
    state_dir: Path
    workers: int = 1
    simulate: bool = False
    drain: float = 30.0
    reload_limit: float = 30.0
    keep_days: float = 30.0
    log: str = "info"
    shared_ledger: str | None = None
    admin_tokens_file: Path | None = None
    tls: Files | None = None
    admin_tls: Files | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """What a service that has begun to serve says of itself."""

    listen: str
    admin: str | None
    digest: str
    holds: dict[str, int]
    simulated_at: str | None
    encrypted: bool = False
    admin_encrypted: bool = False


class Supervisor:
    """One service, from its start to its end."""

    def __init__(self, options: Options, on_open: Callable[[Opening], None]) -> None:
        self._options = options
        self._on_open = on_open
        self._began = time.time()
        self._host = re.sub(r"[^A-Za-z0-9_.]", "_", platform.node()) or "host"
        self._told_to_end = asyncio.Event()
        self._told_twice = asyncio.Event()
        self._serves = False
        self._hung_up_early = False
        self._crew: Crew
        self._rollout: Rollout
        self._archive: Archive
        self._owner: Owner | None = None
        self._admin: AdminListener | None = None
        self._addresses: tuple[str, str | None]
        self._certificates = Certificates(options.tls, options.admin_tls)
        self._chore: asyncio.Task[None]

    def __repr__(self) -> str:
        return f"<Supervisor {'serving' if self._serves else 'not serving'}>"

    async def run(self) -> int:
        """Serve until told to end; the exit code. Raises StartRefused where there is nothing to serve."""
        self._hear_signals()
        async with AsyncExitStack() as stack:
            await self._open(stack)
            stack.callback(asyncio.create_task(give_back()).cancel)
            await self._told_to_end.wait()
            return 0 if await self._drain() else 1

    # What the admin listener asks (`admin.service.Service`).

    @property
    def is_ready(self) -> bool:
        """Whether a worker serves and the service is not on its way out."""
        return self._serves and bool(self._crew.serving())

    @property
    def state_dir(self) -> Path:
        """Where the records stand."""
        return self._options.state_dir

    def describe(self) -> PolicyShown:
        """The policy in force, the workers and the last reload."""
        current, last = self._rollout.current, self._rollout.tally.last
        return PolicyShown(
            digest=current.digest,
            holds=current.holds,
            files=[name for name, _ in current.sources],
            policy=str(self._options.policy),
            warnings=list(current.problems),
            workers=[WorkerShown(hand.instance, hand.child.pid, hand.digest) for hand in self._crew.serving()],
            last_reload=None if last is None else ReloadShown.of(last),
            version=__version__,
        )

    async def metrics_text(self) -> bytes:
        """All counts as Prometheus text."""
        # both at once: a worker that is stuck is waited for once
        counts, reports = await asyncio.gather(self._crew.counts(), self._reports())
        assert self._owner is not None
        found = vitals(self._rollout, self._crew, self._archive, self._owner, self._began, reports)
        return as_text(counts, [*found, Fact(CERTIFICATE_ENDS, self._certificates.shown.ends())])

    async def rate(self, decision: str, quality: float) -> Rated:
        """Note how good an answer was, and tell the workers; raises NotRated."""
        found = await asyncio.to_thread(rated, self._options.state_dir, decision, quality)
        try:
            with contextlib.closing(Journal(self._options.state_dir, f"{self._host}-rating-{stamp()}")) as journal:
                journal.feedback(found.line(accounts.OPERATOR, time.time()))
        except (OSError, JournalUnavailable) as error:
            raise NotRated("journal.unavailable", "feedback cannot be recorded at the moment") from error
        if found.task:
            self._crew.learn({"ratings": [(found.model, found.task, found.quality, 1.0)]})
        return found

    async def reload(self) -> Reloaded:
        """Read the policy again and say what came of it."""
        return await self._rollout.reload()

    def ledger(self) -> LedgerShown:
        """What the ledger's owner counts."""
        owner = self._owner
        assert owner is not None
        counters = [CounterShown(*counter, *totals) for counter, totals in owner.vault.counters()]
        return LedgerShown(owner.holders, counters)

    def budgets(self) -> BudgetsShown:
        """How every budget and limit of the policy in force stands, as the ledger's owner counts."""
        assert self._owner is not None
        return told(self._rollout.current.counting, self._owner.figures(), running=True, source="owner")

    async def accounts(self) -> list[dict[str, Any]]:
        """How every account stands, all workers together."""
        return accounts.as_json(await self._reports(), time.time())

    async def tell_account(self, provider: str, account: str, does: str, seconds: float | None) -> bool:
        """Have an account `rest` (for so long; None: until it is let back in, at most a day), or `admit` it again;
        whether there is such an account."""
        fields = {"provider": provider, "account": account, "does": does, "seconds": seconds}
        for hand in self._crew.serving():
            # one that dies over the question has told nobody: the next one is asked
            with contextlib.suppress(Gone):
                return bool((await hand.channel.ask(Message("account", fields), COUNT_SECONDS)).fields["found"])
        return False

    def doorway(self, client: str, model: str) -> Doorway:
        """The way in to a session with a model as this client of the policy, for the next minute."""
        pair = self._certificates.shown.public
        return doorway_to(self._addresses[0], pair, self._options.state_dir, client, model)

    async def _reports(self) -> list[AccountReport]:
        answers = await self._crew.ask_all(Message("accounts"))
        return combined([msgspec.convert(each.fields["accounts"], list[AccountReport]) for each in answers])

    # The way up, and the way down.

    async def _open(self, stack: AsyncExitStack) -> None:
        options = self._options
        if (library := aiohttp_version()).verdict is Verdict.FAIL:
            raise StartRefused(f"{library.says}: {library.advice} [{TOO_OLD}]")
        try:
            given_pepper(os.environ)
            stack.callback(os.close, state.own(options.state_dir))
            access = self._access(stack, options.admin) if options.admin else None
            listen = stack.enter_context(bind(options.listen))
            admin = stack.enter_context(bind(options.admin)) if options.admin else None
        except (OSError, ValueError, state.StateInUse, TokensUnreadable) as error:
            raise StartRefused(str(error)) from error
        current = await self._compile()
        if isinstance(current, Rejected):
            raise StartRefused(current.text)
        self._certificates.take()
        try:
            save_snapshot(options.state_dir, current.digest, current.sources)
        except OSError as error:
            raise StartRefused(
                f"the policy's files cannot be kept in `{options.state_dir}` ({error.strerror})"
            ) from error
        began = Change(time.time(), "began", current.digest, problems=len(current.problems))
        commit = await asyncio.to_thread(commit_of, options.policy, current.sources)
        remember(options.state_dir, msgspec.structs.replace(began, commit=commit))
        simulated_at = None
        if options.simulate:
            simulated_at = (await stack.enter_async_context(Simulation())).address
        await self._start_crew(stack, listen, current, simulated_at)
        self._addresses = written(listen), written(admin) if admin else None
        self._announce()
        stack.callback(state.withdraw, options.state_dir)
        shown = self._certificates.shown
        if admin is not None and access is not None:
            self._admin = await start_admin(self, access, admin, pair=shown.admin)
            stack.push_async_callback(self._admin.cleanup)
        self._serves = True
        if self._hung_up_early:
            self._hang_up()
        encrypted = shown.public is not None, shown.admin is not None
        self._on_open(Opening(*self._addresses, current.digest, current.holds, simulated_at, *encrypted))

    def _announce(self) -> None:
        """Write down how to reach this service, and what its admin listener's certificate is known by."""
        pair = self._certificates.shown.admin
        trusted = None if pair is None else pair.leaf
        running = state.Running(os.getpid(), *self._addresses, __version__, trusted)
        state.announce(self._options.state_dir, running)

    async def _secure(self) -> None:
        """Show the certificates that were read with the policy. Connections that are open keep the ones they have."""
        if not self._certificates.take():
            return
        shown = self._certificates.shown
        if shown.public is not None:
            await self._crew.secure(shown.public)
        if self._admin is not None:
            await self._admin.accept(shown.admin)
        self._announce()
        for (listener,), ends in shown.ends():
            operations_log().info("certificate shown", listener=listener, days_left=int((ends - time.time()) / 86400))

    def _access(self, stack: AsyncExitStack, admin: Address) -> Access:
        """Who may do what at the admin listener, with a token for commands on this machine; raises as `_open` expects."""
        options = self._options
        secret, key = new_secret(), state.digest_key(options.state_dir)
        wants = options.admin_tls is not None and options.admin_tls.client_ca is not None
        access = Access(
            options.state_dir, options.admin_tokens_file, is_loopback(admin), key, secret, wants_certificate=wants
        )
        if not access.has_tokens() and not access.on_loopback:
            raise StartRefused(
                f"`--admin {admin}` can be reached from elsewhere, and there is no admin token "
                f"[{OPEN_TO_ALL}]\nmake one with `routebook admin token create --role operate --state-dir "
                f"{options.state_dir}`, or listen on a loopback address"
            )
        state.replace_secretly(options.state_dir / LOCAL, secret.encode())
        stack.callback((options.state_dir / LOCAL).unlink, missing_ok=True)
        return access

    async def _start_crew(
        self, stack: AsyncExitStack, listen: socket.socket, current: Compiled, simulate_at: str | None
    ) -> None:
        options = self._options
        await self._until_nobody_draws()
        stack.push_async_callback(self._close_owner)  # when the archive has read what the last worker wrote
        self._archive = await stack.enter_async_context(
            Archive(options.state_dir, f"{self._host}-supervisor", options.keep_days, self._read_on)
        )
        if self._archive.opening is None:
            raise StartRefused(f"the ledger in `{options.state_dir}` cannot be opened; the log says why")
        owner = self._owner = Owner(self._archive.opening, options.workers, store=self._shared_ledger())
        await owner.start()
        fields = {
            "state_dir": str(options.state_dir),
            "simulate_at": simulate_at,
            "drain": options.drain,
            "log": options.log,
            "tls": None if self._certificates.shown.public is None else as_fields(self._certificates.shown.public),
        }
        self._crew = Crew(options.workers, listen, self._host, fields, lambda: self._rollout.current)
        self._crew.learnt.ratings.hear(await asyncio.to_thread(_ratings, options.state_dir))
        self._rollout = Rollout(current, self._compile, self._crew.serving, options.state_dir, options.policy)
        self._rollout.on_taken = self._secure
        self._crew.on_begin = lambda hand: owner.opened(hand.instance, hand.channel)
        self._crew.on_ready = self._greet
        self._crew.on_message = lambda hand, message: owner.hear(hand.instance, message)
        self._crew.on_end = partial(self._bid_farewell, owner)
        stack.callback(listen.close)
        try:
            await self._crew.start(START_SECONDS)
        except CrewFailed as error:
            raise StartRefused(str(error)) from error

    async def _until_nobody_draws(self) -> None:
        """Wait for workers of a supervisor that died to notice it: what they draw until then would be counted by nobody.
        They do within a moment, unless they are stopped or starved; raises StartRefused where they do not."""
        folder, end = self._options.state_dir, time.monotonic() + DRAW_SECONDS
        try:
            while state.may_be_drawn(folder):
                if time.monotonic() > end:
                    pids = ", ".join(map(str, state.drawers(folder)))
                    raise StartRefused(
                        f"workers of the service that ended before still draw on its budgets (processes {pids or '?'})\n"
                        "end them, and start again"
                    )
                await asyncio.sleep(0.02)
        except OSError as error:
            raise StartRefused(str(error)) from error

    async def _drain(self) -> bool:
        """Say `not ready`, wait a moment, let the workers finish; whether all ended by themselves, in time and well."""
        self._serves = False
        fallen = self._crew.fallen
        operations_log().info("draining", seconds=self._options.drain)
        twice = asyncio.create_task(self._told_twice.wait())
        await asyncio.wait({twice}, timeout=GRACE)
        draining = asyncio.create_task(self._crew.drain(0 if twice.done() else self._options.drain))
        await asyncio.wait({twice, draining}, return_when=asyncio.FIRST_COMPLETED)
        if not draining.done():
            await self._crew.drain(0)
        twice.cancel()
        clean = await draining and self._crew.fallen == fallen
        operations_log().info("ended", clean=clean)
        return clean

    async def _compile(self) -> Compiled | Rejected:
        try:
            self._certificates.read(time.time())
        except BadPair as bad:
            hint = "the listener goes on with the one it has" if self._serves else None
            return rejected("tls.bad-pair", str(bad), bad.path, hint)
        compiled = await compile_policy(self._options.policy, self._options.reload_limit)
        if isinstance(compiled, Compiled) and not compiled.holds["clients"] and not is_loopback(self._options.listen):
            return rejected(
                "edge.open-to-all",
                "the policy declares no `clients`, and everybody could call",
                self._options.policy,
                "declare `clients`, or listen on a loopback address",
            )
        if isinstance(compiled, Compiled) and self._options.shared_ledger and compiled.counting.unshareable:
            budget = compiled.counting.unshareable[0]
            return rejected(
                "ledger.limit-too-large",
                f"the limit of `{budget.name}` is more than hosts can share by a store",
                self._options.policy,
                "serve without `--shared-ledger`, or cut the budget into several",
            )
        if isinstance(compiled, Compiled) and (
            unkeyed := clients_without_key(compiled.unkeyed, self._options.state_dir)
        ):
            operations_log().warning(
                "clients without a key", clients=unkeyed, does="lets none of them in", hint="routebook keys create NAME"
            )
        return compiled

    def _greet(self, hand: Hand) -> None:
        """A worker serves: bring it to the policy in force, should that have changed while it began."""
        operations_log().info("worker serves", instance=hand.instance, pid=hand.child.pid, digest=hand.digest)
        if hand.digest != self._rollout.current.digest:
            self._chore = asyncio.create_task(self._rollout.bring(hand))

    def _shared_ledger(self) -> SharedLedger | None:
        """The store that other hosts share with this one; raises StartRefused where it is named wrongly."""
        url = self._options.shared_ledger
        if url is None:
            return None
        from routebook.edge.ledger.redis_store import SharedStore
        from routebook.edge.ledger.store_line import ClientMissing

        try:
            return SharedStore(url, state.host_name(self._options.state_dir, self._host))
        except (ValueError, ClientMissing) as error:
            raise StartRefused(f"`--shared-ledger`: {error}") from error

    async def _close_owner(self) -> None:
        if self._owner is not None:
            await self._owner.close()

    def _read_on(self, changes: Changes, buried: frozenset[str]) -> None:
        """The journal has told more of money."""
        if self._owner is not None:
            self._owner.read_on(changes, buried)

    def _bid_farewell(self, owner: Owner, hand: Hand) -> None:
        """A worker has ended: nothing is granted to it any more, and what it left is looked into."""
        owner.closed(hand.instance)
        self._archive.wake(hand.instance)

    def _hear_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, partial(self._end, number.name))

    def _hang_up(self) -> None:
        """SIGHUP: reload now, or as soon as the service is up, for the files may have been read already."""
        if self._serves:
            self._rollout.request()
        elif not self._told_to_end.is_set():
            self._hung_up_early = True

    def _end(self, name: str) -> None:
        """SIGTERM or SIGINT: drain; the second time, cut."""
        operations_log().info("told to end", signal=name, again=self._told_to_end.is_set())
        if self._told_to_end.is_set():
            self._told_twice.set()
        self._told_to_end.set()


def _ratings(state_dir: Path) -> list[tuple[str, str, float, float]]:
    """How answers were rated before the service began, as far as records are kept."""
    try:
        with Records(state_dir) as records:
            return records.ratings()
    except sqlite3.Error as error:
        operations_log().error("feedback not read", reason=str(error), does="goes by what the policy declares")
        return []
