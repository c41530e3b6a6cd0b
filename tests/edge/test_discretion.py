"""A connection says nothing of a client that has left, and does not hide a fault of ours behind one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from routebook.edge.discretion import QUIET, DiscreetConnection
from tests.support.circles import left_in_circles
from tests.support.rawclient import RawClient

QUESTION = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Connection(DiscreetConnection):
    """Both answers that a connection may give by itself."""

    __slots__ = ()

    def malformed(self, status: int) -> web.Response:
        """What is no HTTP."""
        return web.Response(status=status, text="malformed")

    def bug(self) -> web.Response:
        """A fault of ours."""
        return web.Response(status=500, text="bug")


class Server(web.Server):
    """Serves such connections."""

    def __call__(self) -> web.RequestHandler:
        return Connection(self, loop=asyncio.get_running_loop(), logger=QUIET, access_log=None)


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[str]:
    """The address of a listener whose requests go to `handler`."""
    server = Server(handler)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    finally:
        listener.close()
        await server.shutdown(1.0)


async def fails(request: web.BaseRequest) -> web.StreamResponse:
    """A reset of some other connection, which nobody expected here."""
    raise ConnectionResetError("a secret that a client sent")


async def begins_and_fails(request: web.BaseRequest) -> web.StreamResponse:
    """The same in the middle of an answer."""
    answer = web.StreamResponse()
    await answer.prepare(request)
    await answer.write(b"begun")
    raise ConnectionResetError("a secret that a client sent")


async def test_a_reset_of_our_own_is_a_bug_that_the_log_tells() -> None:
    """The client, which is still there, is told; the log says where it happened, and not in what words."""
    with capture_logs() as log:
        async with served(fails) as url, RawClient(url) as client:
            answer = await client.ask(QUESTION)
    assert (answer.status, answer.body) == (500, b"bug")
    [line] = log
    assert line["code"] == "gateway.bug" and line["log_level"] == "error"
    assert line["reason"] == "ConnectionResetError" and line["place"].startswith("fails:")
    assert "secret" not in str(line)


async def test_one_in_the_middle_of_an_answer_is_told_to_the_log_alone() -> None:
    """What has begun cannot be taken back: the connection ends, and the log says why."""
    with capture_logs() as log:
        async with served(begins_and_fails) as url, RawClient(url) as client:
            answer = await client.ask(QUESTION)
    assert (answer.status, answer.body, answer.whole) == (200, b"begun", False)
    assert [line["reason"] for line in log] == ["ConnectionResetError"]


@pytest.mark.parametrize("aborts", [False, True], ids=["the client left", "we cut it"])
async def test_what_nobody_is_left_to_read_is_no_bug(aborts: bool) -> None:
    """An exchange raises it on when its client has gone, or was cut: its record says why. It leaves nothing behind."""
    left, raised = asyncio.Event(), asyncio.Event()

    async def waits(request: web.BaseRequest) -> web.StreamResponse:
        if aborts:
            assert request.transport is not None
            request.transport.abort()
        else:
            left.set()
            while request.transport is not None and not request.transport.is_closing():
                await asyncio.sleep(0)
        raised.set()
        raise ConnectionResetError("the client has left")

    with capture_logs() as log, left_in_circles(ConnectionResetError) as found:
        async with served(waits) as url:
            async with RawClient(url) as client:
                await client.send(QUESTION)
                await (raised if aborts else left).wait()
            await raised.wait()
    assert log == [] and found == {}
