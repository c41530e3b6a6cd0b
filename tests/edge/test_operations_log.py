"""What the service says about itself: lines of JSON that no library can put a secret into."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import logging
from routebook.edge.operations_log import configure_log, operations_log
configure_log("info")
operations_log().debug("too little to say")
operations_log().info("worker serves", pid=7, name="\\x1b[31m\\nline")
try:
    raise ValueError("Authorization: Bearer sk-SECRET")
except ValueError:
    logging.getLogger("aiohttp.server").exception("Error handling request sk-SECRET %s", "sk-SECRET")
logging.getLogger("asyncio").warning("slow callback sk-SECRET")
"""


def test_lines_are_json_and_libraries_quote_nobody() -> None:
    """Each line is one object with time, level and event; a library's own words do not pass."""
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    lines = [json.loads(line) for line in run.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["worker serves", "library warning", "library warning"]
    assert all(list(line)[:3] == ["time", "level", "event"] for line in lines)
    assert lines[1]["library"] == "aiohttp.server" and lines[1]["exception"] == "ValueError"
    assert "SECRET" not in run.stdout + run.stderr
