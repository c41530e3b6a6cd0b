"""Doing something again whenever a file of the policy changes, for somebody who looks on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from routebook.documents.places import policy_files

INTERVAL = 0.5
"""Seconds between two looks at the files: by their times, since nothing of the standard library is told of changes."""

_CLEAR = "\033[2J\033[H"

Stamps = dict[Path, tuple[int, int]]
"""Files of a policy with the time of their last change (nanoseconds) and their size."""


def watch(policy: Path, again: Callable[[], int], output: TextIO) -> int:
    """Do it now and after each change, until it is interrupted; a terminal is cleared before."""
    while True:
        seen = stamps(policy)
        if output.isatty():
            output.write(_CLEAR)
        again()
        output.write(f"watching {policy}; end with Ctrl-C\n")
        output.flush()
        while stamps(policy) == seen:
            time.sleep(INTERVAL)


def stamps(policy: Path) -> Stamps:
    """How the files of a policy stand; one that is just being replaced is left out, and seen at the next look."""
    found: Stamps = {}
    for file in policy_files(policy):
        try:
            status = file.stat()
        except OSError:
            continue
        found[file] = status.st_mtime_ns, status.st_size
    return found
