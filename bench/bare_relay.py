"""The floor of a proxy in aiohttp: every request goes to one upstream and comes back, and nothing else happens.

    python bench/bare_relay.py PORT UPSTREAM

What Routebook costs beyond this is what Routebook does: identify, decide, record, meter.
"""

from __future__ import annotations

import asyncio
import sys

import aiohttp
from aiohttp import web

HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "host", "content-length"}
)


async def serve(port: int, upstream: str) -> None:
    """Relay until killed."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None),
        cookie_jar=aiohttp.DummyCookieJar(),
    )

    async def relay(request: web.Request) -> web.StreamResponse:
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP]
        async with session.post(upstream + request.path_qs, headers=headers, data=await request.read()) as answer:
            response = web.StreamResponse(status=answer.status)
            response.headers.extend(
                (name, value) for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP
            )
            response.content_length = answer.content_length
            await response.prepare(request)
            async for data in answer.content.iter_any():
                await response.write(data)
            await response.write_eof()
            return response

    application = web.Application(client_max_size=2**26)
    application.router.add_route("*", "/{path:.*}", relay)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
