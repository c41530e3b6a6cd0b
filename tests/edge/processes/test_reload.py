"""Reload: all workers take a new policy or none does, whatever the files do to whoever reads them."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import pickle
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from routebook.edge.gateway import Gateway
from routebook.edge.journal.snapshots import read_snapshot
from routebook.edge.journal.writer import Journal
from routebook.edge.metrics import Metrics
from routebook.edge.processes.garbage import Garbage
from routebook.routing.reading.loading import digest_of
from tests.support.mistakes import mistakes
from tests.support.ports import free_port
from tests.support.proxy import RunningProxy, compiled, running_proxy, small_policy
from tests.support.rawclient import RawClient, post
from tests.support.sseload import SseLoad
from tests.support.upstream import Play, Received, Upstream, chunks, stream

NOWHERE = "http://127.0.0.1:9/v1"

STORM_SECONDS = 20.0
STORM_PAUSE = 0.02
"""Fifty hang-ups a second."""

BROKEN = small_policy(NOWHERE, rules="  - {name: everything, route: {to: [smal]}}")
OTHER = small_policy(NOWHERE, rules="  - {name: other, route: {to: [large]}}")


async def state_of(proxy: RunningProxy) -> dict[str, Any]:
    """What the service says it serves."""
    return dict(json.loads((await proxy.get_admin("/policy"))[1]))


async def reload(proxy: RunningProxy) -> tuple[int, dict[str, Any]]:
    """POST /reload: the status and the outcome."""
    status, body = await proxy.get_admin("/reload", "POST", timeout=60)
    return status, json.loads(body)


async def metric(proxy: RunningProxy, name: str) -> float:
    """The value of a metric without labels."""
    lines = (await proxy.get_admin("/metrics"))[1].splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def two_policies(url: str) -> dict[str, tuple[str, str, str]]:
    """Two policies that nothing may mix: by digest, the text, the rule and the model."""
    texts = {
        (rule, model): small_policy(url, rules=f"  - {{name: {rule}, route: {{to: [{model}]}}}}")
        for rule, model in (("rule-a", "small"), ("rule-b", "large"))
    }
    return {digest_of([("policy.yaml", text)]): (text, rule, model) for (rule, model), text in texts.items()}


@asynccontextmanager
async def hang_ups(proxy: RunningProxy, texts: list[str]) -> AsyncIterator[list[int]]:
    """Fifty SIGHUPs a second while the block runs, each after the files were written anew."""
    sent: list[int] = []
    dice = random.Random(1)

    async def storm() -> None:
        began = time.monotonic()
        while True:
            proxy.write_policy(dice.choice(texts))
            proxy.hang_up()
            sent.append(len(sent))
            await asyncio.sleep(began + len(sent) * STORM_PAUSE - time.monotonic())

    storming = asyncio.create_task(storm())
    try:
        yield sent
    finally:
        storming.cancel()
        await asyncio.wait({storming})


def slowly(request: Received) -> Play:
    """Streams that last long enough for many reloads to happen in their middle."""
    asked = request.json()
    model, texts = asked["model"], ["word "] * (40 if "long" in str(asked["messages"]) else 3)
    return stream(chunks(texts, model=model), pause=0.05 if len(texts) > 3 else 0.002)


async def test_a_storm_of_hang_ups_fails_no_request_and_mixes_no_policies(tmp_path: Path) -> None:
    """50 SIGHUP/s for 20 s between two policies under load: every answer whole, every record by one of the two."""
    async with Upstream(slowly) as upstream:
        policies = two_policies(upstream.url)
        texts = [text for text, _, _ in policies.values()]
        async with running_proxy(tmp_path, texts[0], workers=2) as proxy:
            long = SseLoad(proxy.base_url, 8, body=lambda number: asking(f"long {number}"))
            short = SseLoad(proxy.base_url, 8, body=lambda number: asking(f"short {number}"), pause=0.02)
            async with long.running(), short.running(), hang_ups(proxy, texts) as sent:
                await asyncio.sleep(STORM_SECONDS)
            assert [*long.failures, *short.failures] == []
            assert len(sent) >= 0.8 * STORM_SECONDS / STORM_PAUSE
            answers = [*long.answers, *short.answers]
            assert len(long.answers) > 50 and len(short.answers) > 200
            records = await proxy.ended_records(lambda found: len(found) >= len(answers), timeout=10)
            for record in records.values():
                _, rule, _ = policies[record.decided["policy"]]
                assert record.decided["rule"] == rule
            for answer in answers:
                assert answer.decision is not None
                _, rule, model = policies[records[answer.decision].decided["policy"]]
                assert (answer.rule, answer.model) == (rule, model)
                assert f'"model": "{model}-1"'.encode() in answer.body
            used = {record.decided["policy"] for record in records.values()}
            assert used == set(policies)
            assert await metric(proxy, "routebook_config_last_reload_successful") == 1


def asking(text: str) -> dict[str, Any]:
    """A streaming request."""
    return {"model": "small", "stream": True, "messages": [{"role": "user", "content": text}]}


async def test_a_stream_keeps_the_policy_it_began_under(tmp_path: Path) -> None:
    """Its record names the old policy, while a request that begins meanwhile is decided by the new one."""
    async with Upstream(slowly) as upstream:
        old, new = two_policies(upstream.url).items()
        async with running_proxy(tmp_path, old[1][0]) as proxy, RawClient(proxy.url) as streaming:
            await streaming.send(post("/v1/chat/completions", asking("long")))
            _, headers = await streaming.head()
            begun = dict(headers)
            proxy.write_policy(new[1][0])
            assert (await reload(proxy))[1]["result"] == "swapped"
            async with RawClient(proxy.url) as other:
                answer = await other.ask(post("/v1/chat/completions", asking("short")))
            assert (answer.status, answer.header("x-routebook-rule")) == (200, "rule-b")
            while await streaming.chunk():
                pass
            record = await proxy.record(begun["x-routebook-decision"])
            assert (record.decided["policy"], record.decided["rule"]) == (old[0], "rule-a")
            assert record.ended is not None and record.ended["end"] == "--"


async def test_a_bad_policy_keeps_the_old_one_and_is_seen_everywhere(tmp_path: Path) -> None:
    """Exit code and text of `reload --wait`, answer and state of the admin listener, metric and log all say so."""
    async with running_proxy(tmp_path, small_policy(NOWHERE)) as proxy:
        before = (await state_of(proxy))["digest"]
        proxy.write_policy(BROKEN)
        command = await proxy.command("reload", "--wait", "--state-dir", str(proxy.state_dir))
        assert command.returncode == 1
        assert "policy.yaml:11:37" in command.stderr and "`smal`" in command.stderr and "^" in command.stderr
        assert f"policy {before} goes on serving" in command.stderr
        status, outcome = await reload(proxy)
        assert (status, outcome["result"], outcome["digest"]) == (422, "rejected", before)
        assert [(problem["line"], problem["severity"]) for problem in outcome["problems"]] == [(11, "error")]
        assert (await state_of(proxy))["digest"] == before
        assert (await state_of(proxy))["last_reload"]["result"] == "rejected"
        assert await metric(proxy, "routebook_config_last_reload_successful") == 0
        said = [json.loads(line) for line in proxy.log.splitlines() if line.startswith("{")]
        rejections = [line for line in said if line["event"] == "reload rejected"]
        assert rejections and rejections[0]["keeps"] == before
        assert rejections[0]["place"].endswith("policy.yaml:11:37")
        proxy.write_policy(OTHER)
        command = await proxy.command("reload", "--wait", "--state-dir", str(proxy.state_dir))
        assert (command.returncode, command.stderr) == (0, "")
        assert await metric(proxy, "routebook_config_last_reload_successful") == 1
        assert (await state_of(proxy))["digest"] != before


async def test_every_kind_of_mistake_keeps_the_old_policy_and_names_its_place(
    tmp_path: Path, upstream: Upstream
) -> None:
    """One broken policy for each error code of the corpus: after each the old one serves, and the answer names file, line
    and column. (What is said of every mistake is the same calculation, tested without processes.)"""
    async with running_proxy(tmp_path, small_policy(upstream.url)) as proxy, RawClient(proxy.url) as client:
        before = (await state_of(proxy))["digest"]
        corpus = list({mistake.code: mistake for mistake in mistakes()}.values())
        assert len(corpus) >= 60
        for mistake in corpus:
            mistake.copy_to(proxy.policy_dir)
            status, outcome = await reload(proxy)
            assert (status, outcome["result"], outcome["digest"]) == (422, "rejected", before), mistake.name
            assert outcome["text"].replace(str(proxy.policy_dir), mistake.name) == mistake.expected
            answer = await client.ask(post("/v1/chat/completions", asking("short")))
            assert (answer.status, answer.header("x-routebook-rule")) == (200, "everything"), mistake.name
        proxy.write_policy(small_policy(upstream.url))
        assert (await reload(proxy))[1]["result"] == "unchanged"
        rejected = [line for line in proxy.log.splitlines() if '"reload rejected"' in line]
        assert len(rejected) == len(corpus)
        assert all(json.loads(line)["keeps"] == before for line in rejected)


async def test_unchanged_files_swap_nothing_and_that_is_said(tmp_path: Path) -> None:
    """The same digest is no new policy."""
    async with running_proxy(tmp_path, small_policy(NOWHERE)) as proxy:
        command = await proxy.command("reload", "--wait", "--state-dir", str(proxy.state_dir))
        assert command.returncode == 0
        assert "have not changed" in command.stdout
        assert (await reload(proxy))[1]["result"] == "unchanged"


async def test_reloads_asked_for_at_once_become_few_and_all_hear_of_the_last_files(tmp_path: Path) -> None:
    """Whoever asks while one runs shares the next, which reads the files as they stand then."""
    async with running_proxy(tmp_path, small_policy(NOWHERE)) as proxy:
        first = asyncio.create_task(reload(proxy))
        await helper_of(proxy)
        proxy.write_policy(OTHER)

        async def ask() -> str:
            async with RawClient(proxy.admin) as client:
                return str((await client.ask(post("/reload", b"", host="127.0.0.1"), 30)).json()["digest"])

        digests = await asyncio.gather(*(ask() for _ in range(20)))
        await first
        assert set(digests) == {digest_of([("policy.yaml", OTHER)])}
        done = [line for line in proxy.log.splitlines() if '"event":"reload ' in line]
        assert len(done) <= 3


async def test_reload_without_a_service_says_so(tmp_path: Path) -> None:
    """Nobody there is a failure, not silence, with the file of a crashed service lying about too."""
    from tests.support.proxy import run_command

    (tmp_path / "routebook.json").write_text('{"pid": 1, "listen": "x", "admin": "127.0.0.1:9", "version": "0"}')
    for extra in ([], ["--wait"]):
        command = await asyncio.to_thread(run_command, "reload", "--state-dir", str(tmp_path), *extra)
        assert command.returncode == 1
        assert "no service runs" in command.stderr


def helpers_of(proxy: RunningProxy) -> list[int]:
    """Process ids of reload helpers."""
    return [pid for pid in proxy.children() if b"policy_helper" in Path(f"/proc/{pid}/cmdline").read_bytes()]


async def helper_of(proxy: RunningProxy) -> int:
    """Wait for a reload helper; its process id."""
    async with asyncio.timeout(10):
        while not (found := helpers_of(proxy)):
            await asyncio.sleep(0.002)
    return found[0]


@pytest.mark.parametrize(
    "harm, code, limit",
    [
        (signal.SIGKILL, "reload.helper-died", 30),
        (signal.SIGSEGV, "reload.helper-died", 30),
        (signal.SIGSTOP, "reload.too-slow", 5),
    ],
)
async def test_whatever_happens_to_the_helper_the_old_policy_serves(
    tmp_path: Path, harm: signal.Signals, code: str, limit: int
) -> None:
    """Killed, crashed or hanging: the reload fails within its limit, and the next one succeeds."""
    async with running_proxy(tmp_path, small_policy(NOWHERE), "--reload-limit", str(limit)) as proxy:
        before = await state_of(proxy)
        proxy.write_policy(OTHER)
        reloading = asyncio.create_task(reload(proxy))
        os.kill(await helper_of(proxy), harm)
        async with asyncio.timeout(limit + 5):
            status, outcome = await reloading
        assert (status, outcome["problems"][0]["code"]) == (422, code)
        after = await state_of(proxy)
        assert (after["digest"], after["workers"]) == (before["digest"], before["workers"])
        assert helpers_of(proxy) == []
        assert (await reload(proxy))[1]["result"] == "swapped"


@pytest.mark.parametrize(
    "hostile",
    [
        "[" * 200_000,
        "a: " * 100_000,
        "x: &a [*a]",
        "\x00",
        "- " * 50_000,
        "version: 1\nrules: " + "{a: " * 50_000,
        "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n",
    ],
    ids=["brackets", "keys", "recursive-alias", "nul", "lists", "braces", "alias-bomb"],
)
async def test_a_hostile_file_harms_nobody(tmp_path: Path, hostile: str) -> None:
    """Files that crash YAML parsers are refused with a place, by a service that goes on as before."""
    async with running_proxy(tmp_path, small_policy(NOWHERE)) as proxy:
        before = await state_of(proxy)
        proxy.write_policy({"policy.yaml": small_policy(NOWHERE), "zz.yaml": hostile})
        status, outcome = await reload(proxy)
        assert status == 422
        assert all(problem["line"] >= 1 and problem["file"] for problem in outcome["problems"])
        assert (await state_of(proxy))["workers"] == before["workers"]


async def test_an_open_door_is_refused(tmp_path: Path) -> None:
    """A policy without clients is not served to other machines, neither at the start nor by a reload."""
    from tests.support.proxy import run_command, write_policy

    write_policy(tmp_path / "rules", small_policy(NOWHERE))
    command = await asyncio.to_thread(
        run_command,
        "serve",
        "--policy",
        str(tmp_path / "rules"),
        "--state-dir",
        str(tmp_path / "var"),
        "--listen",
        f"0.0.0.0:{free_port()}",
        "--admin",
        "none",
    )
    assert command.returncode == 1
    assert "edge.open-to-all" in command.stderr


async def test_files_that_served_are_kept_by_digest(tmp_path: Path) -> None:
    """A record of last week is explained by the policy of last week."""
    async with running_proxy(tmp_path, small_policy(NOWHERE)) as proxy:
        first = (await state_of(proxy))["digest"]
        proxy.write_policy(OTHER)
        second = (await reload(proxy))[1]["digest"]
        proxy.write_policy(BROKEN)
        await reload(proxy)
        assert read_snapshot(proxy.state_dir, first) == (("policy.yaml", small_policy(NOWHERE)),)
        assert read_snapshot(proxy.state_dir, second) == (("policy.yaml", OTHER),)
        assert len(list((proxy.state_dir / "policies").iterdir())) == 2


async def test_a_worker_that_dies_in_a_reload_comes_back_with_the_new_policy(tmp_path: Path) -> None:
    """All or none holds for successors too."""
    async with running_proxy(tmp_path, small_policy(NOWHERE), workers=2) as proxy:
        for turn in range(6):
            proxy.write_policy(OTHER if turn % 2 == 0 else small_policy(NOWHERE))
            reloading = asyncio.create_task(reload(proxy))
            await asyncio.sleep(0.03 * turn)
            os.kill((await state_of(proxy))["workers"][0]["pid"], signal.SIGKILL)
            status, outcome = await reloading
            assert (status, outcome["result"]) == (200, "swapped")
            await proxy.until(
                "/policy",
                lambda _, body, digest=outcome["digest"]: (
                    [worker["digest"] for worker in json.loads(body)["workers"]] == [digest, digest]
                ),
            )


def memory_and_files(pid: int) -> tuple[float, int]:
    """Resident MiB and open files of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    resident = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
    return resident / 1024, len(os.listdir(f"/proc/{pid}/fd"))


async def test_reloads_leave_nothing_behind(tmp_path: Path) -> None:
    """After many reloads neither supervisor nor worker has more open files, or noticeably more memory."""
    async with running_proxy(tmp_path, small_policy(NOWHERE)) as proxy:
        worker = (await state_of(proxy))["workers"][0]["pid"]

        async def many(count: int) -> None:
            for number in range(count):
                proxy.write_policy(small_policy(NOWHERE, rules=f"  - {{name: r{number % 7}, route: {{to: [small]}}}}"))
                assert (await reload(proxy))[0] == 200

        await many(10)
        before = [memory_and_files(pid) for pid in (proxy.process.pid, worker)]
        await many(40)
        after = [memory_and_files(pid) for pid in (proxy.process.pid, worker)]
        for (memory, files), (more_memory, more_files) in zip(before, after, strict=True):
            assert more_files <= files + 2
            assert more_memory < memory + 5


def large_policy(url: str, name: str, rules: int = 2000) -> str:
    """A policy of so many rules that the upstream's answer still comes from `small`."""
    lines = [
        f"  - {{name: {name}-{number}, when: {{request.model: m-{number}, prompt.tokens: {{above: {number}}}}}, "
        f"route: {{to: [large]}}}}"
        for number in range(rules)
    ]
    return small_policy(url, rules="\n".join([*lines, "  - {name: otherwise, route: {to: [small]}}"]))


async def test_a_large_policy_does_not_stall_the_worker(tmp_path: Path) -> None:
    """While a worker takes 2,000 rules, its event loop turns at least every 20 ms: streams go on.

    Counted is what this process computes between two turns, in the best of six swaps: a busy machine may spoil some,
    a worker that stalls does so every time.
    """
    pickled = [pickle.dumps(compiled(large_policy(NOWHERE, f"turn{turn}"))) for turn in range(7)]
    journal = Journal(tmp_path, "test")
    garbage = Garbage()
    gateway = Gateway(await garbage.unpickle(pickled[0]), journal, Metrics())
    turns: list[float] = []
    longest: list[float] = []

    async def turn_and_turn() -> None:
        while True:
            await asyncio.sleep(0.001)
            turns.append(time.process_time())

    turning = asyncio.create_task(turn_and_turn())
    for each in pickled[1:]:
        turns[:] = [time.process_time()]
        gateway.take(await garbage.unpickle(each))
        await asyncio.sleep(0.01)
        assert len(turns) > 5
        longest.append(max(later - earlier for earlier, later in itertools.pairwise(turns)))
    turning.cancel()
    await gateway.close()
    journal.close()
    assert min(longest) < 0.02, longest
