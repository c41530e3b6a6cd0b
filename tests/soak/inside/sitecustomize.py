"""Loaded by every Python process whose PYTHONPATH leads here (`tests.soak.where`): told by SIGUSR2, it writes down where its
memory is, as one JSON object a line in the folder that `SOAK_INSIDE` names, under its process id.

Nothing is counted in the process itself but what its two allocators say: objects are counted in a copy (a fork), so that
looking leaves no trace in what is looked at.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import selectors
import signal
import sys
import tempfile
import time
import types
from collections import Counter
from pathlib import Path
from typing import Any


class _Mallinfo(ctypes.Structure):
    """What glibc's `mallinfo2` gives: bytes from the system and mapped, in use (`uordblks`) and free (`fordblks`)."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    ]  # fmt: skip


def _of_c() -> dict[str, int]:
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = _Mallinfo
    found = libc.mallinfo2()
    return {"C live": found.uordblks + found.hblkhd, "C free": found.fordblks}


def _of_python() -> dict[str, int]:
    """From the words of `sys._debugmallocstats`, which go to standard error."""
    with tempfile.TemporaryFile() as words:
        kept = os.dup(2)
        os.dup2(words.fileno(), 2)
        sys._debugmallocstats()
        ctypes.CDLL(None).fflush(None)
        os.dup2(kept, 2)
        os.close(kept)
        words.seek(0)
        lines = words.read().decode().splitlines()
    figures = {
        line.partition("=")[0].strip("# "): int(line.rpartition("=")[2].replace(",", ""))
        for line in lines
        if "=" in line and line.rpartition("=")[2].strip().replace(",", "").isdigit()
    }
    live = figures["bytes in allocated blocks"]
    whole = next(figures[name] for name in figures if "bytes/arena" in name)
    return {"Python live": live, "Python free": whole - live}


def _resident() -> int:
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) * 1024
    return 0


def _circles() -> dict[str, Any]:
    """What only the garbage collector would find at this moment: how many, of which kinds, and the ways of exceptions."""
    gc.unfreeze()
    for each in [each for each in gc.get_objects() if isinstance(each, selectors.EpollSelector)]:
        os.close(each.fileno())  # it is shared with the process that this is a copy of
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    kinds = Counter(type(each).__qualname__ for each in gc.garbage)
    ways = [each for each in gc.garbage if isinstance(each, types.TracebackType)]
    later = {id(each.tb_next) for each in ways}
    found = Counter(_way(each) for each in ways if id(each) not in later)
    return {"circles": len(gc.garbage), "kinds": dict(kinds.most_common(20)), "ways": dict(found.most_common(10))}


def _way(step: types.TracebackType | None) -> str:
    names = []
    while step is not None:
        names.append(f"{Path(step.tb_frame.f_code.co_filename).stem}.{step.tb_frame.f_code.co_name}:{step.tb_lineno}")
        step = step.tb_next
    return " > ".join(names[-6:])


def _asked(*_: object) -> None:
    """Between two turns of the event loop: in the middle of one, this thread may hold a lock that a fork waits for."""
    asyncio.get_running_loop().call_soon_threadsafe(_tell)


def _tell() -> None:
    folder = Path(os.environ["SOAK_INSIDE"])
    place = folder / f"{os.getpid()}.jsonl"
    told: dict[str, Any] = {"at": time.monotonic(), "resident": _resident(), **_of_c(), **_of_python()}
    while _copies and os.waitpid(_copies[0], os.WNOHANG)[0]:
        del _copies[0]
    if copy := os.fork():
        _copies.append(copy)
        return
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        line = json.dumps(told | _circles())
        with place.open("a") as file:
            file.write(line + "\n")
    finally:
        os._exit(0)


_copies: list[int] = []

if "SOAK_INSIDE" in os.environ and hasattr(sys, "_debugmallocstats"):
    signal.signal(signal.SIGUSR2, _asked)
