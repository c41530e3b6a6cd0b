"""What tests ask a proxy: chat requests as bytes on a wire, and what came back as events."""

from __future__ import annotations

import json
from collections.abc import Iterable

from tests.support.rawclient import Answer, RawClient, post

CHAT = "/v1/chat/completions"


def chat(model: str = "small", *, stream: bool = False, text: str = "Hello?", **more: object) -> dict[str, object]:
    """The body of a chat request; `more` fields are laid over it."""
    body: dict[str, object] = {"model": model, "messages": [{"role": "user", "content": text}]}
    if stream:
        body["stream"] = True
    return {**body, **more}


async def ask(
    url: str,
    body: object | None = None,
    path: str = CHAT,
    *,
    headers: Iterable[tuple[str, str]] = (),
    stream: bool = False,
    timeout: float = 10.0,
) -> Answer:
    """Ask on a connection of its own and read the answer to its end."""
    async with RawClient(url) as client:
        wanted = chat(stream=stream) if body is None else body
        return await client.ask(post(path, wanted, headers), timeout)


def events(body: bytes) -> list[str]:
    """The data of each event of a stream, in order."""
    return [
        line.removeprefix("data: ")
        for line in body.decode().replace("\r\n", "\n").split("\n")
        if line.startswith("data:")
    ]


def text_of(body: bytes) -> str:
    """The text that a streamed completion says."""
    said = [json.loads(data) for data in events(body) if data != "[DONE]"]
    return "".join(choice["delta"].get("content") or "" for chunk in said for choice in chunk.get("choices", ()))


def error_of(body: bytes) -> dict[str, object]:
    """The error that a stream ends in; fails the test where its last event is none."""
    last = events(body)[-1]
    assert last != "[DONE]", "the stream ended as if nothing had happened"
    error = json.loads(last)["error"]
    assert isinstance(error, dict)
    return error
