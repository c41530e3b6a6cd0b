"""Child processes of tests: a plain environment, an orderly end, and who descends from whom."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def plain_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child: nothing of the developer's own keys, settings or proxies, but a writable cache."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().endswith("_PROXY") and not name.startswith(("ROUTEBOOK_", "OPENAI_"))
    }
    return kept | {"PYTHONUNBUFFERED": "1"} | dict(more or {})


def run_command(
    *arguments: str, environment: Mapping[str, str] | None = None, cwd: Path | None = None, timeout: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """Run `routebook` with these arguments to its end."""
    return subprocess.run(
        [sys.executable, "-m", "routebook", *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=plain_environment(environment),
        cwd=cwd,
        check=False,
    )


def start(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a service in this folder; what it prints goes to `serve.log` there."""
    with open(folder / "serve.log", "ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=plain_environment(environment),
            cwd=folder,
        )


def descendants(pid: int) -> list[int]:
    """All processes below this one."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            below = [int(text) for text in task.read_text().split()]
        except OSError:
            continue
        for child in below:
            found += [child, *descendants(child)]
    return found


def stop(process: subprocess.Popen[bytes], seconds: float = 15.0) -> None:
    """End a process and all it started: ask, then ask again, then kill each by its id."""
    below = descendants(process.pid)
    for ask in (signal.SIGTERM, signal.SIGTERM):
        if process.poll() is None:
            process.send_signal(ask)
            try:
                process.wait(seconds / 2)
            except subprocess.TimeoutExpired:
                below += descendants(process.pid)
    if process.poll() is None:
        process.kill()
        process.wait()
    for pid in below:
        try:
            if _is_ours(pid):
                os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def _is_ours(pid: int) -> bool:
    try:
        return b"routebook" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
