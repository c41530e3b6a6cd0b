"""The official SDKs in the versions that are tested, each in a process of its own that does what it is told."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.support.processes import plain_environment

ROOT = Path(__file__).parents[2]
INSTALLED = Path(os.environ.get("SDKS") or ROOT / ".cache" / "sdk")
"""Where `make test` puts the versions that are not those of this environment."""

PATIENCE = 90.0
"""Seconds for one call of an SDK, on a machine that is busy."""


@dataclass(frozen=True)
class Sdk:
    """One SDK in one version: the script that runs it, how its version begins, and the directory of an older one."""

    script: str
    version: str
    older: str | None = None

    @property
    def is_javascript(self) -> bool:
        """Whether Node.js runs it."""
        return self.script.endswith(".cjs")

    def start(self, trusting: Path | None = None) -> Talking:
        """Begin its process, `trusting` certificates of an authority of this file; skips the test where the machine cannot
        run it."""
        if self.is_javascript:
            return self._started(["node"], Path(__file__).with_name("js"), INSTALLED / "js", "SDK_HOME", trusting)
        scripts, place = Path(__file__).with_name("clients"), INSTALLED / (self.older or "")
        return self._started([sys.executable], scripts, place, "PYTHONPATH", trusting)

    def _started(self, command: list[str], scripts: Path, place: Path, variable: str, trusting: Path | None) -> Talking:
        environment = plain_environment({"PYTHONDONTWRITEBYTECODE": "1"})
        if trusting is not None:
            environment["NODE_EXTRA_CA_CERTS" if self.is_javascript else "SSL_CERT_FILE"] = str(trusting)
        if self.is_javascript and (shutil.which("node") is None or shutil.which("npm") is None):
            pytest.skip("the SDKs for JavaScript need node and npm")
        if self.is_javascript or self.older is not None:
            assert place.is_dir(), f"{place} is missing: `make test` installs it"
            environment[variable] = str(place)
        return Talking(self, [*command, str(scripts / self.script)], environment)


SDKS: Mapping[str, Sdk] = {
    "openai-1": Sdk("openai_client.py", "1.", "openai-1"),
    "openai-3": Sdk("openai_client.py", "3."),
    "openai-js": Sdk("openai_client.cjs", ""),
    "anthropic-0": Sdk("anthropic_client.py", "0.", "anthropic-0"),
    "anthropic-2": Sdk("anthropic_client.py", "2."),
    "anthropic-js": Sdk("anthropic_client.cjs", ""),
    "google-1": Sdk("google_client.py", "1.", "google-genai-1"),
    "google-3": Sdk("google_client.py", "3."),
    "google-js": Sdk("google_client.cjs", ""),
    "voice-openai-1": Sdk("openai_voice.py", "1.", "openai-1"),
    "voice-openai-3": Sdk("openai_voice.py", "3."),
    "voice-openai-js": Sdk("openai_voice.cjs", ""),
    "voice-agents-js": Sdk("agents_voice.cjs", ""),
    "voice-google-1": Sdk("google_voice.py", "1.", "google-genai-1"),
    "voice-google-3": Sdk("google_voice.py", "3."),
    "voice-google-js": Sdk("google_voice.cjs", ""),
}


class Talking:
    """A running SDK. `version` is what it says of itself."""

    def __init__(self, sdk: Sdk, command: list[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.version = str(self._read()["version"])
        assert self.version.startswith(sdk.version), f"{command[-1]} runs version {self.version}"

    def __repr__(self) -> str:
        return f"<Talking {self.version}>"

    async def do(self, what: str, client: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """One call and what came of it."""
        order = json.dumps({"do": what, "client": client, "with": given}).encode() + b"\n"
        try:
            return await asyncio.wait_for(asyncio.to_thread(self._exchange, order), PATIENCE)
        except TimeoutError:
            self._process.kill()
            raise

    def leave(self) -> None:
        """Say that there is nothing more to do."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.stdin = None

    def close(self) -> None:
        """Wait for its end, once it was left."""
        _, complaint = self._process.communicate()
        assert self._process.returncode == 0, complaint.decode()

    def _exchange(self, order: bytes) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(order)
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, complaint = self._process.communicate()
            raise AssertionError(f"the SDK's process ended with {self._process.returncode}: {complaint.decode()}")
        result: dict[str, Any] = json.loads(line)
        return result


class Processes:
    """Those that run, begun when they are first asked for. Use as a context manager."""

    def __init__(self, trusting: Path | None = None) -> None:
        self._trusting = trusting
        self._running: dict[str, Talking] = {}

    def __repr__(self) -> str:
        return f"<Processes {sorted(self._running)}>"

    def __getitem__(self, name: str) -> Talking:
        if name not in self._running:
            self._running[name] = SDKS[name].start(self._trusting)
        return self._running[name]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in self._running.values():
            each.leave()
        for each in self._running.values():
            each.close()
