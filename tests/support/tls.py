"""TLS in front of a server of a test: several official clients talk to nothing else.

async with TlsFront(port) as front:            # ends TLS, and passes the bytes on to 127.0.0.1:port
    ... front.url, front.trust(monkeypatch)
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
import trustme


class TlsFront:
    """A TLS server of its own authority."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()
        self._authority = trustme.CA()
        self._folder = tempfile.TemporaryDirectory()

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"https://localhost:{self._server.sockets[0].getsockname()[1]}"

    @property
    def authority(self) -> str:
        """The path of the authority's certificate."""
        path = Path(self._folder.name) / "authority.pem"
        self._authority.cert_pem.write_to_path(path)
        return str(path)

    def trust(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let clients of this process believe it."""
        monkeypatch.setenv("SSL_CERT_FILE", self.authority)

    async def __aenter__(self) -> Self:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert("localhost").configure_cert(context)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._folder.cleanup()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            theirs, ours = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.close()
            return
        try:
            await asyncio.gather(_pump(reader, ours), _pump(theirs, writer))
        except (OSError, ssl.SSLError):
            pass
        finally:
            ours.close()
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()
