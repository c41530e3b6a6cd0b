"""Google's generateContent, as its SDKs are asked."""

from __future__ import annotations

from typing import Any

from tests.sdk.words.asking import Answer, Ask, Call, End, How, Results, Said, User

_ENDS = {"STOP": End.STOP, "MAX_TOKENS": End.LENGTH, "SAFETY": End.REFUSED, "PROHIBITED_CONTENT": End.REFUSED}
_OPERATIONS = {How.WHOLE: "chat", How.STREAM: "stream", How.HELPER: "helper"}


class Google:
    """The words of generateContent, in the API's own JSON; `extra` is laid over the configuration."""

    def base(self, root: str) -> str:
        """The server alone."""
        return root

    def operation(self, how: How) -> str:
        """The order for the SDK's process."""
        return _OPERATIONS[how]

    def given(self, ask: Ask, how: How) -> dict[str, Any]:
        """Contents of parts, and a configuration for all the rest."""
        config: dict[str, Any] = {"maxOutputTokens": ask.most}
        if ask.system is not None:
            config["systemInstruction"] = {"parts": [{"text": ask.system}]}
        if ask.tools:
            declared = [{"name": tool.name, "parametersJsonSchema": tool.schema} for tool in ask.tools]
            config["tools"] = [{"functionDeclarations": declared}]
        if ask.thinks:
            config["thinkingConfig"] = {"includeThoughts": True, "thinkingLevel": "HIGH"}
        if ask.schema is not None:
            config |= {"responseMimeType": "application/json", "responseJsonSchema": ask.schema}
        if ask.temperature is not None:
            config["temperature"] = ask.temperature
        if ask.stop:
            config["stopSequences"] = list(ask.stop)
        if ask.headers:
            config["httpOptions"] = {"headers": ask.headers}
        return {
            "model": ask.model,
            "contents": [_content(turn) for turn in ask.turns],
            "config": config | dict(ask.extra),
        }

    def answer(self, result: dict[str, Any], how: How) -> Answer:
        """From a response, or from its chunks put together."""
        chunks = [result["dump"]] if how is How.WHOLE else result["chunks"]
        parts = [
            part
            for chunk in chunks
            for candidate in chunk.get("candidates") or ()
            for part in (candidate.get("content") or {}).get("parts") or ()
        ]
        calls = tuple(
            Call(part["functionCall"].get("id", ""), part["functionCall"]["name"], part["functionCall"].get("args", {}))
            for part in parts
            if "functionCall" in part
        )
        reasons = [
            each["finishReason"] for chunk in chunks for each in chunk.get("candidates") or () if "finishReason" in each
        ]
        usage = next((chunk["usageMetadata"] for chunk in reversed(chunks) if "usageMetadata" in chunk), None)
        end = _ENDS.get(reasons[-1]) if reasons else None
        return Answer(
            "".join(part["text"] for part in parts if "text" in part and not part.get("thought")),
            calls,
            "".join(part["text"] for part in parts if "text" in part and part.get("thought")),
            End.CALLS if calls and end is End.STOP else end,
            None if usage is None else _used(usage),
            chunks[-1].get("modelVersion", ""),
            Said(_history(result, parts)),
        )


def _used(usage: dict[str, Any]) -> tuple[int, int]:
    said = usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0)
    return usage.get("promptTokenCount", 0) + usage.get("toolUsePromptTokenCount", 0), said


def _history(result: dict[str, Any], parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parts of the model's turn: as the SDK's own conversation keeps them, where there is one."""
    if "history" not in result:
        return parts
    said = []
    for content in reversed(result["history"]):
        if content["role"] != "model":
            break
        said[:0] = content["parts"]
    return said


def _content(turn: User | Said | Results) -> dict[str, Any]:
    match turn:
        case User(text, None):
            return {"role": "user", "parts": [{"text": text}]}
        case User(text, image):
            blob = {"mimeType": "image/png", "data": image}
            return {"role": "user", "parts": [{"text": text}, {"inlineData": blob}]}
        case Said(native):
            return {"role": "model", "parts": native}
        case Results(of):
            return {"role": "user", "parts": [_result(call, text) for call, text in of]}


def _result(call: Call, text: str) -> dict[str, Any]:
    named = {"id": call.id} if call.id else {}
    return {"functionResponse": {**named, "name": call.name, "response": {"result": text}}}
