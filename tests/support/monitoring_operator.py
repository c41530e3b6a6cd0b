"""What the schemas of Prometheus' operator say against an object: those that `make test` unpacks into `.cache/monitors`."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

UNPACKED = Path(__file__).parents[2] / ".cache" / "monitors"
NODE = shutil.which("node")
needs_operator = pytest.mark.skipif(
    NODE is None or not UNPACKED.exists(),
    reason="no node, or no schemas in .cache/monitors: `make test` gets them where there are node and npm",
)
"""Marks tests that need them."""


def said_against(objects: Sequence[Mapping[str, Any]]) -> list[str]:
    """For each object what is wrong with it, or nothing. Fields that there are not are passed over: the schemas let them."""
    assert NODE is not None
    done = subprocess.run(
        [NODE, str(Path(__file__).with_name("monitors") / "validate.mjs"), str(UNPACKED)],
        input=json.dumps(objects),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[: len(objects)]
