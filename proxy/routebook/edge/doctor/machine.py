"""The machine and the libraries: descriptors, clock, aiohttp and its parser."""

from __future__ import annotations

import ctypes
import importlib.metadata
import re
import resource
from pathlib import Path
from typing import Final

from aiohttp.http import HttpRequestParser

from routebook.edge.doctor.finding import Finding, fail, ok, warn
from routebook.edge.processes.state import find_running

FEW: Final = 4096
"""Descriptors of a process below which a busy worker may run short: a request that is relayed has two."""

TOO_FEW: Final = 256
"""Descriptors below which a worker runs short with the journal, the books and a hundred requests."""

FLOOR: Final = (3, 14, 5)
"""The version of aiohttp below which requests can be smuggled, or hang (GHSA-mfx4-hv73-q22v, GHSA-5wr8-gcqf-gqf3)."""

_UNSYNCHRONISED: Final = 0x0040
"""`STA_UNSYNC` of <sys/timex.h>."""


def descriptors(state_dir: Path) -> Finding:
    """How many descriptors a process may have: of the running service where there is one, else of this shell."""
    running = find_running(state_dir)
    limit = None if running is None else _limit_of(running.pid)
    whose = "this shell" if limit is None or running is None else f"the service (process {running.pid})"
    if limit is None:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return judged_descriptors(limit, whose)


def judged_descriptors(limit: int, whose: str) -> Finding:
    """What a limit is good for."""
    said = f"{whose} may have {limit:,} descriptors, two for each request that runs"
    advice = "raise it: `LimitNOFILE=65536` in a unit, `ulimit -n 65536` in a shell"
    if limit < TOO_FEW:
        return fail("descriptors", said, advice)
    return warn("descriptors", said, advice) if limit < FEW else ok("descriptors", said)


def _limit_of(pid: int) -> int | None:
    """The soft limit of another process; None where it may not be read."""
    try:
        text = Path(f"/proc/{pid}/limits").read_text()
    except OSError:
        return None
    found = re.search(r"^Max open files\s+(\d+)", text, re.MULTILINE)
    return None if found is None else int(found[1])


def aiohttp_version() -> Finding:
    """Whether aiohttp is at least the version that has no known hole that matters here."""
    return judged_version(importlib.metadata.version("aiohttp"))


def judged_version(version: str) -> Finding:
    """What a version of aiohttp is worth; a part that is no number (`0rc1`) counts by the number it begins with."""
    numbers = tuple(int(found[0]) for part in version.split(".") if (found := re.match(r"\d+", part)))
    floor = ".".join(map(str, FLOOR))
    if numbers < FLOOR:
        return fail("aiohttp", f"aiohttp {version}", f"install {floor} or newer: older ones let requests be smuggled")
    return ok("aiohttp", f"aiohttp {version}, at least {floor}")


def parser() -> Finding:
    """Whether HTTP is parsed in C."""
    return judged_parser(HttpRequestParser.__module__)


def judged_parser(module: str) -> Finding:
    """What the parser of this module is worth."""
    if module == "aiohttp.http_parser":
        return warn(
            "parser",
            "HTTP is parsed in Python: slower, and other requests count as malformed than those that are tested",
            "install aiohttp as a wheel with its C extensions, and unset AIOHTTP_NO_EXTENSIONS",
        )
    return ok("parser", "HTTP is parsed in C")


def clock(state_dir: Path, now: float) -> Finding:
    """Whether the clock (`now`, Unix time) is kept in time, and has not gone back behind what was written."""
    newest = max((path.stat().st_mtime for path in (state_dir / "journal").glob("*.jsonl")), default=0.0)
    return judged_clock(now, newest, _synchronised())


def judged_clock(now: float, newest: float, synchronised: bool | None) -> Finding:
    """`newest` is when the journal was last written; `synchronised` None: the kernel does not say."""
    if newest > now + 60:
        return fail(
            "clock",
            f"the clock stands {newest - now:,.0f} s before the last line of the journal",
            "set it right before you start: windows of budgets and the order of records stand on it",
        )
    if synchronised is None:
        return ok("clock", "not before the journal's last line; the kernel does not say whether it is kept in time")
    if not synchronised:
        return warn(
            "clock",
            "nobody keeps the clock in time, says the kernel",
            "run chrony or systemd-timesyncd; in a container, look at the host",
        )
    return ok("clock", "kept in time, says the kernel")


def _synchronised() -> bool | None:
    """What adjtimex(2) says; asking changes nothing."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        asked = ctypes.create_string_buffer(512)
        if library.adjtimex(asked) < 0:
            return None
    except (OSError, AttributeError):
        return None
    # struct timex: modes, then offset, freq, maxerror, esterror as longs, then status
    place = 5 * ctypes.sizeof(ctypes.c_long)
    return not int.from_bytes(asked.raw[place : place + 4], "little") & _UNSYNCHRONISED
