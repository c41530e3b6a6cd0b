"""What the simulated upstream answers: made up from the request, the same for the same request, never a model's.

An answer is planned first (`plan`): its pieces, one token each, its tool calls, why it ends. Then it is written as one
object (`whole`) or as the events of a stream (`events`).
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import math
import random
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from routebook.edge.simulator.requests import text_of

CREATED = 1_760_000_000
"""The moment at which every simulated answer says it was made, so that equal requests have equal answers."""

DIMENSIONS = 256
"""Length of an embedding where the request does not say."""

_FILLER = (
    "Every word of it is made up, at the pace of a real one, so that a policy can be tried without a key. "
    "The same question always gets the same answer."
)


@dataclass(frozen=True, slots=True)
class Plan:
    """One answer before it is written down. `texts` are the pieces of each choice, one token apiece."""

    identity: str
    model: str
    texts: tuple[tuple[str, ...], ...]
    calls: tuple[tuple[str, str, str], ...]
    finish_reason: str
    prompt_tokens: int

    @property
    def usage(self) -> dict[str, Any]:
        """What this answer would be billed for."""
        said = sum(len(pieces) for pieces in self.texts) + sum(count_tokens(call[2]) + 4 for call in self.calls)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": said,
            "total_tokens": self.prompt_tokens + said,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        }


def count_tokens(text: str) -> int:
    """A rule of thumb that is the same everywhere: four bytes a token, at least one."""
    return max(1, math.ceil(len(text.encode("utf-8", "replace")) / 4))


def plan(body: Mapping[str, Any], length: int | None, seed: int) -> Plan:
    """Make up an answer to a valid request; `length` in tokens, None for as long as it wants to be."""
    model = body["model"].partition("@")[0]
    question = next((text_of(m.get("content")) for m in reversed(body["messages"]) if m["role"] == "user"), "")
    calls = _calls(body, question)
    pieces = () if calls else _pieces(_speech(body, model, question), length)
    shown, reason = _limited(pieces, body, "tool_calls" if calls else "stop")
    digest = hashlib.sha256(f"{seed}{json.dumps(body, sort_keys=True, default=str)}".encode()).hexdigest()
    prompt = sum(count_tokens(text_of(message.get("content"))) + 4 for message in body["messages"])
    return Plan(
        f"chatcmpl-{digest[:24]}",
        model,
        (shown,) * (body.get("n") or 1),
        calls,
        reason,
        prompt + sum(count_tokens(json.dumps(tool)) for tool in body.get("tools") or ()),
    )


def whole(answer: Plan) -> dict[str, Any]:
    """The answer as one object."""
    message: dict[str, Any] = {"role": "assistant", "refusal": None}
    if answer.calls:
        message["tool_calls"] = [_call(*call) for call in answer.calls]
    return {
        **_frame(answer, "chat.completion"),
        "usage": answer.usage,
        "choices": [
            {
                "index": index,
                "message": {**message, "content": "".join(pieces) or None},
                "logprobs": None,
                "finish_reason": answer.finish_reason,
            }
            for index, pieces in enumerate(answer.texts)
        ],
    }


def events(answer: Plan, with_usage: bool) -> Iterator[dict[str, Any]]:
    """The answer as the objects of a stream, in order, without the closing `[DONE]`."""
    frame = _frame(answer, "chat.completion.chunk")
    if with_usage:
        frame["usage"] = None

    def chunk(index: int, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        return {**frame, "choices": [{"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}]}

    for index, pieces in enumerate(answer.texts):
        yield chunk(index, {"role": "assistant", "content": None if answer.calls else ""})
        for piece in pieces:
            yield chunk(index, {"content": piece})
        for number, call in enumerate(answer.calls):
            for part in _call_parts(number, call):
                yield chunk(index, {"tool_calls": [part]})
        yield chunk(index, {}, answer.finish_reason)
    if with_usage:
        yield {**frame, "choices": [], "usage": answer.usage}


def embeddings(body: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    """Vectors of length one that depend on the text alone."""
    size, as_base64 = body.get("dimensions") or DIMENSIONS, body.get("encoding_format") == "base64"
    tokens = sum(count_tokens(text) for text in texts)
    data = [
        {"object": "embedding", "index": index, "embedding": _written(_vector(text, size), as_base64)}
        for index, text in enumerate(texts)
    ]
    return {
        "object": "list",
        "data": data,
        "model": body["model"].partition("@")[0],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def example_of(schema: Mapping[str, Any]) -> Any:
    """A small value that a JSON Schema of the usual kind allows."""
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "object" if "properties" in schema else "string")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            return {name: example_of(inner) for name, inner in (schema.get("properties") or {}).items()}
        case "array":
            return [example_of(schema.get("items") or {})]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return "simulated"


def _frame(answer: Plan, kind: str) -> dict[str, Any]:
    return {
        "id": answer.identity,
        "object": kind,
        "created": CREATED,
        "model": answer.model,
        "system_fingerprint": "fp_simulated",
    }


def _speech(body: Mapping[str, Any], model: str, question: str) -> str:
    wanted = body.get("response_format") or {}
    match wanted.get("type"):
        case "json_object":
            return json.dumps({"answered_by": model, "asked": _quoted(question)})
        case "json_schema":
            return json.dumps(example_of((wanted.get("json_schema") or {}).get("schema") or {}))
    return f"This is a simulated answer of {model} to “{_quoted(question)}”. {_FILLER}"


def _quoted(question: str) -> str:
    words = question.split()
    return " ".join(words[:12]) + (" …" if len(words) > 12 else "")


def _pieces(text: str, length: int | None) -> tuple[str, ...]:
    """The text in words with the white space before them; repeated or cut to `length`."""
    pieces = tuple(re.findall(r"\s*\S+", text))
    if length is None:
        return pieces
    endless = itertools.chain(pieces, itertools.cycle([f" {word}" for word in _FILLER.split()]))
    return tuple(itertools.islice(endless, length))


def _limited(pieces: tuple[str, ...], body: Mapping[str, Any], reason: str) -> tuple[tuple[str, ...], str]:
    """The pieces up to a stop sequence and to the most that the request allows, and why they end."""
    stops = [body["stop"]] if isinstance(body.get("stop"), str) else body.get("stop") or []
    text = "".join(pieces)
    ends = [at for stop in stops if stop and (at := text.find(stop)) >= 0]
    if ends:
        pieces = _pieces(text[: min(ends)], None)
    most = body.get("max_completion_tokens") or body.get("max_tokens")
    return (pieces[:most], "length") if most is not None and len(pieces) > most else (pieces, reason)


def _calls(body: Mapping[str, Any], question: str) -> tuple[tuple[str, str, str], ...]:
    """The tools that are called: the one that is demanded, or all that the question names; id, name, arguments."""
    tools = {tool["function"]["name"]: tool["function"] for tool in body.get("tools") or ()}
    if not tools or body["messages"][-1]["role"] == "tool":
        return ()
    match body.get("tool_choice", "auto"):
        case "none":
            names: list[str] = []
        case "required":
            names = list(tools)[:1]
        case {"function": {"name": name}} if name in tools:
            names = [name]
        case _:
            names = [name for name in tools if name in question]
    return tuple(
        (
            f"call_{hashlib.sha256(f'{number}{name}{question}'.encode()).hexdigest()[:20]}",
            name,
            json.dumps(example_of(tools[name].get("parameters") or {"type": "object"})),
        )
        for number, name in enumerate(names)
    )


def _call(identity: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


def _call_parts(index: int, call: tuple[str, str, str]) -> Iterator[dict[str, Any]]:
    """A call as a stream tells it: who first, then the arguments in fragments."""
    identity, name, arguments = call
    yield {"index": index, **_call(identity, name, "")}
    for start in range(0, len(arguments), 8):
        yield {"index": index, "function": {"arguments": arguments[start : start + 8]}}


def _vector(text: str, size: int) -> list[float]:
    draw = random.Random(text)
    numbers = [draw.gauss(0, 1) for _ in range(size)]
    norm = math.sqrt(sum(number * number for number in numbers))
    return [number / norm for number in numbers]


def _written(vector: list[float], as_base64: bool) -> list[float] | str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() if as_base64 else vector
