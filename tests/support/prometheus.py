"""promtool: the machine's own, or the one that `make test` unpacks into `.cache/prometheus`; and reading of expressions."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNPACKED = Path(__file__).parents[2] / ".cache" / "prometheus" / "usr" / "bin" / "promtool"


def _find() -> str | None:
    return shutil.which("promtool") or (str(UNPACKED) if UNPACKED.exists() else None)


PROGRAM = _find()
needs_promtool = pytest.mark.skipif(
    PROGRAM is None, reason="no promtool on PATH, and none in .cache/prometheus: `make test` could not unpack one"
)
"""Marks tests that need it."""

MATCHER = re.compile(r'(\w+)\s*(=~|!=|!~|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")


def promtool(*words: str) -> str:
    """Run it to a good end; returns what it printed."""
    assert PROGRAM is not None
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def metrics_of(expression: str) -> set[str]:
    """Every series of ours that an expression asks for, by name."""
    return set(re.findall(r"\brouteb\w+", MATCHER.sub("", expression)))


def labels_of(expression: str) -> set[str]:
    """Every label that it matches or groups by."""
    grouped = [name.strip() for names in GROUPING.findall(expression) for name in names.split(",")]
    return {name for name, _, _ in MATCHER.findall(expression)} | {name for name in grouped if name}
