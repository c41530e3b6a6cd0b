"""Simulated answers to what crosses to no other API: vectors, as OpenAI and Google are asked for them, and texts completed
as in OpenAI's first years."""

from __future__ import annotations

import base64
import math
import random
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

from routebook.edge.simulator.answers import CREATED, count_tokens
from routebook.protocols.errors import ProtocolError, Side

DIMENSIONS: Final = 256
"""Length of an embedding where the request does not say."""


def vectors_for(body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a request for vectors, in the shape that the request has itself; raises ProtocolError."""
    if "requests" in body:
        return {"embeddings": [_values(request) for request in body["requests"]]}
    if "content" in body:
        return {"embedding": _values(body)}
    return embeddings(body, texts_of(body))


def texts_of(body: Mapping[str, Any]) -> list[str]:
    """The texts to embed; raises ProtocolError."""
    given = body.get("input")
    if isinstance(given, str) and given:
        return [given]
    if isinstance(given, list) and given:
        if all(isinstance(part, int) for part in given):
            return [" ".join(map(str, given))]
        if all(isinstance(part, (str, list)) and part for part in given):
            return [part if isinstance(part, str) else " ".join(map(str, part)) for part in given]
    raise ProtocolError(
        Side.CLIENT, "`input` must be a text, a list of texts or lists of tokens, and not empty", param="input"
    )


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


def _values(request: Mapping[str, Any]) -> dict[str, Any]:
    """One vector in Google's shape; raises ProtocolError."""
    parts = (request.get("content") or {}).get("parts") or []
    text = "\n".join(part.get("text", "") for part in parts)
    if not text:
        raise ProtocolError(Side.CLIENT, "`content` must hold a text", param="content")
    return {"values": _vector(text, request.get("outputDimensionality") or DIMENSIONS)}


def completion(body: Mapping[str, Any], identity: str) -> dict[str, Any]:
    """A text completed by its own first words."""
    prompt = body["prompt"] if isinstance(body["prompt"], str) else ""
    text = f" And so on, as simulated: {' '.join(prompt.split()[:8])}."
    used = count_tokens(prompt), count_tokens(text)
    return {
        "id": f"cmpl-{identity}",
        "object": "text_completion",
        "created": CREATED,
        "model": body["model"].partition("@")[0],
        "choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": used[0], "completion_tokens": used[1], "total_tokens": sum(used)},
    }


def _vector(text: str, size: int) -> list[float]:
    draw = random.Random(text)
    numbers = [draw.gauss(0, 1) for _ in range(size)]
    norm = math.sqrt(sum(number * number for number in numbers))
    return [number / norm for number in numbers]


def _written(vector: list[float], as_base64: bool) -> list[float] | str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() if as_base64 else vector
