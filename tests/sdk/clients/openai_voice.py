"""Runs sessions of OpenAI's Realtime with its SDK for Python in a process of its own (`talking`)."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import openai
import websockets.exceptions
from talking import Operation, Result, Said, serve


def make(base_url: str, api_key: str = "sk-client", azure: str | None = None, socket_url: str | None = None) -> Any:
    """A client; `azure` is the version of Azure's API, `socket_url` where WebSockets are asked for."""
    more: Any = {} if socket_url is None else {"websocket_base_url": socket_url}
    if azure is not None:
        return openai.AsyncAzureOpenAI(azure_endpoint=base_url, api_key=api_key, api_version=azure, **more)
    return openai.AsyncOpenAI(base_url=base_url, api_key=api_key, **more)


def session(client: Any, given: Result, said: Said) -> Result:
    """A whole session: settings, a hundred frames of sound, an answer in text, a call of a tool and what came of it."""
    return asyncio.run(_session(client, given, said))


async def _session(client: Any, given: Result, said: Said) -> Result:
    kinds: list[str] = []
    more: Any = {"extra_headers": given["headers"]} if "headers" in given else {}
    async with client.realtime.connect(model=given["model"], **more) as connection:

        async def until(kind: str) -> Any:
            async for event in connection:
                kinds.append(event.type)
                if event.type == "error":
                    raise RuntimeError(event.error.code)
                if event.type.endswith("text.delta"):
                    said.append(event.delta)
                if event.type == kind:
                    return event
            raise RuntimeError(f"no {kind} came")

        await until("session.created")
        await connection.session.update(session=given["session"])
        await until("session.updated")
        for _ in range(100):
            await connection.input_audio_buffer.append(audio=base64.b64encode(bytes(960)).decode())
        await connection.conversation.item.create(item=_user("Say hello."))
        await connection.response.create()
        first = (await until("response.done")).response
        await connection.session.update(session={**given["session"], "tools": [given["tool"]]})
        await connection.conversation.item.create(item=_user("Use the tool."))
        await connection.response.create(response={"tool_choice": "required"})
        second = (await until("response.done")).response
        call = second.output[-1]
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        await connection.conversation.item.create(item=output)
        await connection.response.create(response={"tool_choice": "none"})
        third = (await until("response.done")).response
    usages = [each.usage.model_dump() for each in (first, second, third)]
    return {"kinds": kinds, "text": "".join(said), "usages": usages, "tool": [call.name, call.arguments]}


def beta(client: Any, given: Result, said: Said) -> Result:
    """A turn as clients of the API's beta have it, which know other names of events."""
    return asyncio.run(_beta(client, given, said))


async def _beta(client: Any, given: Result, said: Said) -> Result:
    kinds: list[str] = []
    async with client.beta.realtime.connect(model=given["model"]) as connection:
        await connection.session.update(session={"modalities": ["text"], "voice": "alloy"})
        await connection.conversation.item.create(item=_user("Say hello."))
        await connection.response.create()
        async for event in connection:
            kinds.append(event.type)
            if event.type == "response.text.delta":
                said.append(event.delta)
            if event.type == "response.done":
                return {"kinds": kinds, "text": "".join(said), "usage": event.response.usage.model_dump()}
    raise RuntimeError("no response.done came")


def responses(client: Any, given: Result, said: Said) -> Result:
    """Responses over a WebSocket."""
    return asyncio.run(_responses(client, given, said))


async def _responses(client: Any, given: Result, said: Said) -> Result:
    finals = []
    async with client.responses.connect() as connection:
        for asked in given["asks"]:
            await connection.response.create(**asked)
            async for event in connection:
                if event.type == "error":
                    finals.append(event.model_dump())
                    break
                if event.type == "response.output_text.delta":
                    said.append(event.delta)
                if event.type in ("response.completed", "response.failed"):
                    finals.append(event.response.model_dump())
                    break
    return {"text": "".join(said), "finals": finals}


def secret(client: Any, given: Result, said: Said) -> Result:
    """A secret for a browser."""
    return {"dump": asyncio.run(client.realtime.client_secrets.create(**given)).model_dump()}


def _user(text: str) -> Result:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def told(error: Any) -> Result:
    """What an exception says."""
    response = getattr(error, "response", None)
    return {
        "status": getattr(response, "status_code", None),
        "close": getattr(getattr(error, "rcvd", None), "code", None),
    }


OPERATIONS: dict[str, Operation] = {"session": session, "beta": beta, "responses": responses, "secret": secret}

if __name__ == "__main__":
    own = (openai.APIError, websockets.exceptions.WebSocketException)
    serve(openai.__version__, make, OPERATIONS, own, told)
