"""The killing of several hosts, short: that it runs, kills, and ends clean; and that what it judges by can find fault."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.soak import policies
from tests.soak.chaos import NGINX, ROOT, drawn, hosts
from tests.support import redis_server
from tests.support.asking import ask, chat
from tests.support.ports import free_port
from tests.support.processes import plain_environment
from tests.support.proxy import Record, fetch
from tests.test_front import PATH

needs_programs = pytest.mark.skipif(
    redis_server.PROGRAM is None or shutil.which("nginx", path=f"{PATH}:{NGINX}") is None,
    reason="no redis-server or no nginx: neither installed, nor unpacked by `make test`",
)


@needs_programs
@pytest.mark.timeout(900)
def test_a_short_run_is_clean(tmp_path: Path) -> None:
    """Workers, hosts and the store are killed under load, and no record, no answer and no money is missing."""
    report = tmp_path / "report.json"
    words = ["--seconds", "12", "--every", "1.5", "--clients", "6", "--report", str(report), "--folder", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak.chaos", *words],
        cwd=ROOT,
        env=plain_environment(),
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(report.read_text())
    assert said["wrong"] == [] and sum(said["kills"].values()) >= 2
    assert sum(said[f"host-{number}"]["records"] for number in (1, 2, 3)) > 0


@needs_programs
@pytest.mark.timeout(900)
async def test_three_hosts_answer_behind_one_address(tmp_path: Path) -> None:
    """The example as it is: requests go through nginx to all of them, and one budget counts them together."""
    upstream = free_port()
    text = (ROOT / "deploy" / "hosts" / "rules" / "policy.yaml").read_text()
    async with hosts(tmp_path, text.replace(":8082/", f":{upstream}/"), upstream, "--pace", "1ms") as there:
        for _ in range(12):
            answer = await ask(there["front"], chat("careful"), timeout=60)
            assert answer.status == 200
        for host in there["hosts"]:
            _, text = fetch(f"{host['admin']}/metrics")
            assert "routebook_shared_ledger_away 0.0" in text
            assert 'routebook_requests_total{end="--",operation="chat",status="200"}' in text, host["name"]


def test_what_hosts_drew_is_added_up() -> None:
    """Of one budget, over all records, those without an end left out."""
    settled = {"settled": [["budget/pennies/-", 0, 7], ["budget/everybody/-", 0, 9]]}
    assert drawn({"a": Record({}, settled), "b": Record({}, dict(settled)), "c": Record({})}, "budget/pennies/-") == 14


def test_the_policy_of_a_long_run_is_good(tmp_path: Path) -> None:
    """Both forms of it pass `check`, and the broken one does not."""
    for text, code in ((policies.first, 0), (policies.second, 0), (policies.broken, 1)):
        (tmp_path / "policy.yaml").write_text(text("http://127.0.0.1:9"))
        words = [sys.executable, "-m", "routebook", "check", str(tmp_path / "policy.yaml")]
        assert (
            subprocess.run(words, capture_output=True, env=plain_environment(), timeout=120, check=False).returncode
            == code
        )
