"""Anthropic's Messages, as its SDKs are asked."""

from __future__ import annotations

import json
from typing import Any

from tests.sdk.words.asking import Answer, Ask, Call, End, How, Results, Said, User

_ENDS = {
    "end_turn": End.STOP,
    "stop_sequence": End.STOP,
    "max_tokens": End.LENGTH,
    "tool_use": End.CALLS,
    "refusal": End.REFUSED,
}
_OPERATIONS = {How.WHOLE: "chat", How.STREAM: "stream", How.HELPER: "helper"}


class Anthropic:
    """The words of Messages."""

    def base(self, root: str) -> str:
        """The server alone."""
        return root

    def operation(self, how: How) -> str:
        """The order for the SDK's process."""
        return _OPERATIONS[how]

    def given(self, ask: Ask, how: How) -> dict[str, Any]:
        """Messages of blocks."""
        body: dict[str, Any] = {
            "model": ask.model,
            "messages": [_message(turn) for turn in ask.turns],
            "max_tokens": ask.most,
        }
        if ask.system is not None:
            body["system"] = ask.system
        if ask.tools:
            body["tools"] = [{"name": tool.name, "input_schema": tool.schema} for tool in ask.tools]
        if ask.thinks:
            body["thinking"] = {"type": "adaptive"}
            body["output_config"] = {"effort": "high"}
        if ask.schema is not None:
            shape = {"type": "json_schema", "schema": ask.schema}
            body["output_config"] = {**body.get("output_config", {}), "format": shape}
        if ask.temperature is not None:
            body["temperature"] = ask.temperature
        if ask.stop:
            body["stop_sequences"] = list(ask.stop)
        if ask.headers:
            body["extra_headers"] = ask.headers
        return body | dict(ask.extra)

    def answer(self, result: dict[str, Any], how: How) -> Answer:
        """From a message, or from its events put together."""
        message = _together(result["events"]) if how is How.STREAM else result["dump"]
        blocks = message["content"]
        usage = message["usage"]
        cached = sum(usage.get(f"cache_{kind}_input_tokens") or 0 for kind in ("read", "creation"))
        return Answer(
            "".join(block["text"] for block in blocks if block["type"] == "text"),
            tuple(Call(block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"),
            "".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
            _ENDS.get(message["stop_reason"]),
            (usage["input_tokens"] + cached, usage["output_tokens"]),
            message["model"],
            Said([_again(block) for block in blocks]),
        )


def _message(turn: User | Said | Results) -> dict[str, Any]:
    match turn:
        case User(text, None):
            return {"role": "user", "content": text}
        case User(text, image):
            source = {"type": "base64", "media_type": "image/png", "data": image}
            return {"role": "user", "content": [{"type": "text", "text": text}, {"type": "image", "source": source}]}
        case Said(native):
            return {"role": "assistant", "content": native}
        case Results(of):
            results = [{"type": "tool_result", "tool_use_id": call.id, "content": text} for call, text in of]
            return {"role": "user", "content": results}


def _again(block: dict[str, Any]) -> dict[str, Any]:
    """A block as it is sent again: without what was not there, or is no part of the API."""
    return {key: each for key, each in block.items() if each is not None and key not in ("parsed_output", "caller")}


def _together(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that these events say, put together as the API's description has it."""
    message: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    pieces: dict[int, str] = {}
    for event in events:
        match event["type"]:
            case "message_start":
                message = event["message"]
            case "content_block_start":
                blocks[event["index"]] = event["content_block"]
            case "content_block_delta":
                _add(blocks[event["index"]], event["delta"], pieces, event["index"])
            case "message_delta":
                told = {key: each for key, each in event["usage"].items() if each is not None}
                message = {**message, **event["delta"], "usage": {**message["usage"], **told}}
    assert events[-1]["type"] == "message_stop", events[-1]
    for index, written in pieces.items():
        blocks[index]["input"] = json.loads(written or "{}")
    return {**message, "content": [blocks[index] for index in sorted(blocks)]}


def _add(block: dict[str, Any], delta: dict[str, Any], pieces: dict[int, str], index: int) -> None:
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            block["signature"] = delta["signature"]
        case "input_json_delta":
            pieces[index] = pieces.get(index, "") + delta["partial_json"]
