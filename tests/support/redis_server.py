"""A real redis-server on a free loopback port, in a folder and a process of its own, and everything that can befall it.

    async with RedisServer(tmp_path) as server:
        store = SharedStore(server.url, "one")
        ...
        server.kill()
        await server.start()

Where the machine has no redis-server, `make test` unpacks one into `.cache/redis`; where that is impossible, the tests
that need one are skipped (`needs_redis`).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.support.ports import free_port
from tests.support.processes import plain_environment

UNPACKED = Path(__file__).parents[2] / ".cache" / "redis" / "usr"
START_SECONDS = 30.0


def _find() -> tuple[Path | None, dict[str, str]]:
    """The program, and what it needs in its environment."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found), {}
    # the package of the tools holds the server's program under the name of one of its other uses
    program = UNPACKED / "bin" / "redis-check-rdb"
    libraries = ":".join(str(path) for path in UNPACKED.glob("lib/*-linux-gnu*"))
    return (program, {"LD_LIBRARY_PATH": libraries}) if program.exists() else (None, {})


PROGRAM, NEEDS = _find()
needs_redis = pytest.mark.skipif(
    PROGRAM is None, reason="no redis-server on PATH, and none in .cache/redis: `make test` could not unpack one"
)
"""Marks tests that need a real server."""


class RedisServer:
    """One server. `appends` keeps everything over a kill (AOF); otherwise a kill empties it."""

    def __init__(self, folder: Path, appends: bool = False, password: str = "", more: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.port = free_port()
        self._appends = appends
        self._password = password
        self._more = more
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """Its address, with a time-out that a busy machine keeps."""
        secret = f":{self._password}@" if self._password else ""
        return f"redis://{secret}127.0.0.1:{self.port}/0?timeout_ms=5000"

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        assert PROGRAM is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = {
            "port": self.port,
            "bind": "127.0.0.1",
            "dir": self.folder,
            "save": "",
            "appendonly": "yes" if self._appends else "no",
            "appendfsync": "everysec",
            "auto-aof-rewrite-percentage": 0,
            "daemonize": "no",
            "unixsocket": self.folder / "socket",
        }
        if self._password:
            settings["requirepass"] = self._password
        words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
        self._process = self._launch(PROGRAM, words)
        end = time.monotonic() + START_SECONDS
        while not await self._answers():
            assert self._process.poll() is None, (self.folder / "redis.log").read_text()
            assert time.monotonic() < end, "the server does not answer"
            await asyncio.sleep(0.01)

    def _launch(self, program: Path, words: list[str]) -> subprocess.Popen[bytes]:
        with open(self.folder / "redis.log", "ab") as log:
            return subprocess.Popen(
                ["redis-server", *words, *self._more],
                executable=program,
                cwd=self.folder,
                env=plain_environment(NEEDS),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """kill -9, and wait for the end of it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=30)
            self._process = None

    def pause(self) -> None:
        """SIGSTOP: connections stand, and nothing is answered."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT: what was asked meanwhile is answered now."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    async def say(self, *words: str) -> Any:
        """One command on a connection of its own; what the server answers, error answers as exceptions."""
        from redis.asyncio.connection import Connection

        connection = Connection(
            host="127.0.0.1",
            port=self.port,
            password=self._password or None,
            protocol=2,
            decode_responses=True,
            driver_info=None,
        )
        try:
            await connection.send_command(*words)
            return await connection.read_response()
        finally:
            await connection.disconnect()

    async def _answers(self) -> bool:
        from redis.exceptions import RedisError

        try:
            return bool(await self.say("PING") == "PONG")
        except (RedisError, OSError):
            return False
