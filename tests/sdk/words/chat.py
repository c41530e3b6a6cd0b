"""OpenAI's Chat Completions, as its SDKs are asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.sdk.words.asking import Answer, Ask, Call, End, How, Results, Said, User

_ENDS = {"stop": End.STOP, "length": End.LENGTH, "tool_calls": End.CALLS, "content_filter": End.REFUSED}
_OPERATIONS = {How.WHOLE: "chat", How.STREAM: "stream", How.HELPER: "helper"}


class Chat:
    """The words of Chat Completions."""

    def base(self, root: str) -> str:
        """With the API's version."""
        return f"{root}/v1"

    def operation(self, how: How) -> str:
        """The order for the SDK's process."""
        return _OPERATIONS[how]

    def given(self, ask: Ask, how: How) -> dict[str, Any]:
        """Messages, one a turn and one a result."""
        system = [] if ask.system is None else [{"role": "system", "content": ask.system}]
        body: dict[str, Any] = {
            "model": ask.model,
            "messages": [*system, *(message for turn in ask.turns for message in _messages(turn))],
            "max_completion_tokens": ask.most,
        }
        if ask.tools:
            body["tools"] = [
                {"type": "function", "function": {"name": tool.name, "parameters": tool.schema}} for tool in ask.tools
            ]
        if ask.thinks:
            body["reasoning_effort"] = "high"
        if ask.schema is not None:
            shape = {"name": "answer", "schema": ask.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": shape}
        if ask.temperature is not None:
            body["temperature"] = ask.temperature
        if ask.stop:
            body["stop"] = list(ask.stop)
        if how is not How.WHOLE:
            body["stream_options"] = {"include_usage": True}
        if ask.headers:
            body["extra_headers"] = ask.headers
        return body | dict(ask.extra)

    def answer(self, result: dict[str, Any], how: How) -> Answer:
        """From a completion, or from its chunks put together."""
        completion = _together(result["chunks"]) if how is How.STREAM else result["dump"]
        choice = completion["choices"][0]
        message = choice["message"]
        calls = message.get("tool_calls") or []
        usage = completion.get("usage")
        kept = {"role": "assistant", "content": message.get("content")} | (
            {"tool_calls": _plain(calls)} if calls else {}
        )
        return Answer(
            message.get("content") or "",
            tuple(Call(c["id"], c["function"]["name"], json.loads(c["function"]["arguments"])) for c in calls),
            message.get("reasoning_content") or "",
            _ENDS.get(choice["finish_reason"]),
            None if usage is None else (usage["prompt_tokens"], usage["completion_tokens"]),
            completion["model"],
            Said([kept]),
        )


def _messages(turn: User | Said | Results) -> Iterator[dict[str, Any]]:
    match turn:
        case User(text, None):
            yield {"role": "user", "content": text}
        case User(text, image):
            picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}}
            yield {"role": "user", "content": [{"type": "text", "text": text}, picture]}
        case Said(native):
            yield from native
        case Results(of):
            for call, text in of:
                yield {"role": "tool", "tool_call_id": call.id, "content": text}


def _plain(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what a helper parsed, which is no part of a message."""
    return [
        {
            "id": call["id"],
            "type": "function",
            "function": {key: call["function"][key] for key in ("name", "arguments")},
        }
        for call in calls
    ]


def _together(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """The completion that these chunks say, put together as the API's description has it."""
    message: dict[str, Any] = {"content": None}
    calls: dict[int, dict[str, Any]] = {}
    reason = usage = None
    for chunk in chunks:
        usage = chunk.get("usage") or usage
        for choice in chunk["choices"]:
            delta = choice["delta"]
            reason = choice["finish_reason"] or reason
            for name in ("content", "reasoning_content"):
                if delta.get(name):
                    message[name] = (message.get(name) or "") + delta[name]
            for part in delta.get("tool_calls") or ():
                call = calls.setdefault(
                    part["index"], {"id": part.get("id"), "function": {"name": None, "arguments": ""}}
                )
                function = part.get("function") or {}
                call["function"]["name"] = call["function"]["name"] or function.get("name")
                call["function"]["arguments"] += function.get("arguments") or ""
    message["tool_calls"] = [calls[index] for index in sorted(calls)]
    choices = [{"message": message, "finish_reason": reason}]
    return {"choices": choices, "usage": usage, "model": chunks[0]["model"]}
