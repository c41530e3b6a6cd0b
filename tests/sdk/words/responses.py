"""OpenAI's Responses, as its SDKs are asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.sdk.words.asking import Answer, Ask, Call, End, How, Results, Said, User

_OPERATIONS = {How.WHOLE: "responses", How.STREAM: "responses_stream", How.HELPER: "responses_helper"}
_INCOMPLETE = {"max_output_tokens": End.LENGTH, "content_filter": End.REFUSED}
_PARSED = ("parsed", "parsed_arguments")


class Responses:
    """The words of Responses; nothing is kept by the provider, so that what it wants back is sent again."""

    def base(self, root: str) -> str:
        """With the API's version."""
        return f"{root}/v1"

    def operation(self, how: How) -> str:
        """The order for the SDK's process."""
        return _OPERATIONS[how]

    def given(self, ask: Ask, how: How) -> dict[str, Any]:
        """Items of an input."""
        body: dict[str, Any] = {
            "model": ask.model,
            "input": [item for turn in ask.turns for item in _items(turn)],
            "max_output_tokens": ask.most,
            "store": False,
        }
        if ask.system is not None:
            body["instructions"] = ask.system
        if ask.tools:
            body["tools"] = [
                {"type": "function", "name": tool.name, "parameters": tool.schema, "strict": False}
                for tool in ask.tools
            ]
        if ask.thinks:
            body["reasoning"] = {"effort": "high", "summary": "auto"}
            body["include"] = ["reasoning.encrypted_content"]
        if ask.schema is not None:
            body["text"] = {"format": {"type": "json_schema", "name": "answer", "schema": ask.schema}}
        if ask.temperature is not None:
            body["temperature"] = ask.temperature
        if ask.headers:
            body["extra_headers"] = ask.headers
        return body | dict(ask.extra)

    def answer(self, result: dict[str, Any], how: How) -> Answer:
        """From a response, or from the one in a stream's last event."""
        response = _last(result["events"]) if how is How.STREAM else result["dump"]
        items = response["output"]
        usage = response.get("usage")
        calls = tuple(
            Call(item["call_id"], item["name"], json.loads(item["arguments"]))
            for item in items
            if item["type"] == "function_call"
        )
        return Answer(
            result["text"] if how is How.STREAM else _text(items),
            calls,
            "".join(part["text"] for item in items if item["type"] == "reasoning" for part in item["summary"]),
            _end(response, calls),
            None if usage is None else (usage["input_tokens"], usage["output_tokens"]),
            response["model"],
            Said([_again(item) for item in items]),
        )


def _items(turn: User | Said | Results) -> Iterator[dict[str, Any]]:
    match turn:
        case User(text, None):
            yield {"role": "user", "content": text}
        case User(text, image):
            picture = {"type": "input_image", "image_url": f"data:image/png;base64,{image}", "detail": "auto"}
            yield {"role": "user", "content": [{"type": "input_text", "text": text}, picture]}
        case Said(native):
            yield from native
        case Results(of):
            for call, text in of:
                yield {"type": "function_call_output", "call_id": call.id, "output": text}


def _last(events: list[dict[str, Any]]) -> dict[str, Any]:
    last = events[-1]
    assert last["type"] in ("response.completed", "response.incomplete"), last
    response: dict[str, Any] = last["response"]
    return response


def _text(items: list[dict[str, Any]]) -> str:
    return "".join(part.get("text", "") for item in items if item["type"] == "message" for part in item["content"])


def _end(response: dict[str, Any], calls: tuple[Call, ...]) -> End | None:
    if response["status"] == "incomplete":
        return _INCOMPLETE.get(response["incomplete_details"]["reason"])
    assert response["status"] == "completed"
    return End.CALLS if calls else End.STOP


def _again(thing: Any) -> Any:
    """What is sent again: without what a helper parsed, and without what was not there."""
    if isinstance(thing, dict):
        return {key: _again(each) for key, each in thing.items() if key not in _PARSED and each is not None}
    return [_again(each) for each in thing] if isinstance(thing, list) else thing
