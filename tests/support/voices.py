"""An upstream of sessions that does exactly what a test says, message by message, and tells what was done to it.

async def talk(socket): ...                    # what one session is like, as aiohttp's server side
async with Voices(talk) as voices:
    ... voices.base_url, voices.upgrades[0].headers
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import WSMsgType, web

Talk = Callable[[Any], Awaitable[object]]

CREATED = {
    "type": "session.created",
    "event_id": "event_1",
    "session": {"type": "realtime", "model": "voice-1-2026", "audio": {"input": {"turn_detection": None}}},
}


@dataclass(frozen=True, slots=True)
class Upgrade:
    """One request for a session, as it came."""

    path: str
    headers: Mapping[str, str]


class Voices:
    """A server whose every path takes a WebSocket. `refusing` answers with a status and a body instead, while it is set."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self.refusing: tuple[int, dict[str, Any]] | None = None
        self.upgrades: list[Upgrade] = []
        self.closes: list[int | None] = []
        self.open = 0

    @property
    def base_url(self) -> str:
        """The base URL for a provider."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_get("/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        server = site._server
        assert isinstance(server, asyncio.Server)
        self.port = server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.upgrades.append(Upgrade(request.raw_path, dict(request.headers)))
        if self.refusing is not None:
            return web.json_response(self.refusing[1], status=self.refusing[0])
        socket = web.WebSocketResponse(compress=False, max_msg_size=0, autoclose=True)
        await socket.prepare(request)
        self.open += 1
        try:
            await self._talk(socket)
            if not socket.closed:
                await socket.close()
        finally:
            self.open -= 1
            self.closes.append(socket.close_code)
        return socket


async def greet(socket: Any) -> None:
    """Say what an upstream of Realtime says first."""
    await socket.send_str(json.dumps(CREATED))


async def heard(socket: Any) -> dict[str, Any] | None:
    """The client's next event; None where it has left."""
    message = await socket.receive()
    return json.loads(message.data) if message.type is WSMsgType.TEXT else None


async def until_left(socket: Any) -> None:
    """Listen, and say nothing, until the client leaves."""
    while await heard(socket) is not None:
        pass


async def respond(socket: Any, identity: str, usage: dict[str, Any] | None, status: str = "completed") -> None:
    """One response, from its beginning to its end."""
    await socket.send_str(json.dumps({"type": "response.created", "response": {"id": identity}}))
    delta = {"type": "response.output_text.delta", "response_id": identity, "delta": "four"}
    await socket.send_str(json.dumps(delta))
    done = {"type": "response.done", "response": {"id": identity, "status": status, "usage": usage}}
    await socket.send_str(json.dumps(done))


def usage_of(
    text: int, sound: int, cached_text: int, cached_sound: int, out_text: int, out_sound: int
) -> dict[str, Any]:
    """The usage of a response in OpenAI's words; cached tokens are part of the input."""
    total_in, total_out = text + sound, out_text + out_sound
    return {
        "total_tokens": total_in + total_out,
        "input_tokens": total_in,
        "output_tokens": total_out,
        "input_token_details": {
            "text_tokens": text,
            "audio_tokens": sound,
            "cached_tokens": cached_text + cached_sound,
            "cached_tokens_details": {"text_tokens": cached_text, "audio_tokens": cached_sound},
        },
        "output_token_details": {"text_tokens": out_text, "audio_tokens": out_sound},
    }


def voice_policy(
    upstream: str, *others: str, more: str = "", accounts: str = "[{name: main}]", client: str = ""
) -> str:
    """A policy with a model of voice at each base URL, in this order; whoever asks for a session gets them."""
    urls = (upstream, *others)
    providers = "".join(
        f'  p{n}: {{dialect: openai, base_url: "{url}", accounts: {accounts}}}\n' for n, url in enumerate(urls)
    )
    price = "{input: 4, cached_input: 0.4, audio_input: 32, cached_audio_input: 0.4, output: 16, audio_output: 64}"
    models = "".join(
        f"  voice{n}: {{provider: p{n}, id: voice-1, operations: [realtime], price: {price}, max_output: 4096}}\n"
        for n in range(len(urls))
    )
    names = ", ".join(f"voice{n}" for n in range(len(urls)))
    return f"""\
version: 1
providers:
{providers}models:
{models}{client}{more}
rules:
  - name: voices
    when: {{request.operation: realtime, request.dialect: openai-realtime}}
    route: {{to: [{names}]}}
  - {{name: nobody, refuse: {{status: 403, message: no voice here}}}}
"""
