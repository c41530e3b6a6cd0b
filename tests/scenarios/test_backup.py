"""A copy of the state directory that is made while the service runs, as docs/operating.md says, is one to go on from."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.scenarios.test_right_money import Biller, policy, settled, spend
from tests.support.processes import run_command
from tests.support.proxy import read_records, running_proxy
from tests.support.upstream import Upstream


def back_up(state_dir: Path, to: Path) -> None:
    """Books first, by SQLite; then the journal."""
    to.mkdir()
    with (
        closing(sqlite3.connect(state_dir / "ledger.sqlite")) as books,
        closing(sqlite3.connect(to / "ledger.sqlite")) as copy,
    ):
        books.backup(copy)
    shutil.copytree(state_dir / "journal", to / "journal")


async def test_a_copy_made_under_load_is_sound_and_forgets_nothing(tmp_path: Path) -> None:
    """The audit of the restored directory finds no difference, and what was billed before the copy is counted."""
    biller = Biller(random.Random(8))
    restored = tmp_path / "restored"
    async with Upstream(biller) as upstream:
        text = policy(upstream.url, "$10")
        async with running_proxy(tmp_path, text, workers=2) as proxy:
            over = asyncio.Event()
            load = asyncio.create_task(spend(proxy, 8, over=over))
            await proxy.until("/ledger", lambda status, body: status == 200 and biller.requests > 50)
            billed = sum(record.ended["cost"] for record in read_records(proxy.state_dir).values() if record.ended)
            restored.mkdir()
            await asyncio.to_thread(back_up, proxy.state_dir, restored / "var")
            over.set()
            await load
        async with running_proxy(restored, text) as proxy:
            records = await proxy.ended_records(timeout=20)
            assert settled(records) >= billed > 0
            verified = await proxy.command("ledger", "verify", "--state-dir", str(proxy.state_dir))
            assert verified.returncode == 0, verified.stdout + verified.stderr
    verified = run_command("ledger", "verify", "--state-dir", str(restored / "var"))
    assert verified.returncode == 0, verified.stdout + verified.stderr
