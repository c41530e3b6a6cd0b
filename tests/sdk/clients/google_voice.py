"""Runs sessions of Gemini's Live with Google's SDK for Python in a process of its own (`talking`)."""

from __future__ import annotations

import asyncio
from typing import Any

from google import genai
from google.genai import errors, types
from talking import Operation, Result, Said, serve


def make(base_url: str, api_key: str = "sk-client", version: str = "v1beta") -> genai.Client:
    """A client for one version of the API."""
    return genai.Client(api_key=api_key, http_options=types.HttpOptions(base_url=base_url, api_version=version))


def session(client: genai.Client, given: Result, said: Said) -> Result:
    """A whole session: a hundred frames of sound, an answer, a call of a tool and what came of it."""
    return asyncio.run(_session(client, given, said))


async def _session(client: genai.Client, given: Result, said: Said) -> Result:
    usages: list[Any] = []
    calls: list[Any] = []
    sound = b""
    config = types.LiveConnectConfig(
        response_modalities=[types.Modality.AUDIO], tools=[{"function_declarations": [given["tool"]]}]
    )
    async with client.aio.live.connect(model=given["model"], config=config) as live:

        async def turn() -> None:
            nonlocal sound
            async for message in live.receive():
                sound += message.data or b""
                if message.usage_metadata is not None:
                    usages.append(message.usage_metadata.model_dump(mode="json", exclude_none=True))
                if message.tool_call is not None and message.tool_call.function_calls:
                    calls.extend(message.tool_call.function_calls)
                    return

        for _ in range(100):
            await live.send_realtime_input(audio=types.Blob(data=bytes(640), mime_type="audio/pcm;rate=16000"))
        for text in ("Say hello.", "Use the tool."):
            part = types.Part(text=text)
            await live.send_client_content(turns=types.Content(role="user", parts=[part]), turn_complete=True)
            await turn()
        answer = types.FunctionResponse(id=calls[0].id, name=calls[0].name, response={"weather": "sunny"})
        await live.send_tool_response(function_responses=[answer])
        await turn()
    return {"usages": usages, "tool": [calls[0].name, calls[0].args], "sound": len(sound)}


def token(client: genai.Client, given: Result, said: Said) -> Result:
    """A token for somebody who is not trusted with the key."""
    return {"name": client.auth_tokens.create(config=given["config"]).name}


def told(error: Any) -> Result:
    """What the SDK's exceptions say."""
    return {"status": error.code}


OPERATIONS: dict[str, Operation] = {"session": session, "token": token}

if __name__ == "__main__":
    serve(genai.__version__, make, OPERATIONS, (errors.APIError,), told)
