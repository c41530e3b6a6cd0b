"""Runs Anthropic's SDK for Python in a process of its own (`talking`)."""

from __future__ import annotations

from typing import Any

import anthropic
from talking import Operation, Result, Said, serve


def make(base_url: str, api_key: str | None = "sk-client", max_retries: int = 0, bearer: str | None = None) -> Any:
    """A client; with `bearer` it shows a token instead of a key."""
    return anthropic.Anthropic(
        base_url=base_url, api_key=api_key, auth_token=bearer, max_retries=max_retries, timeout=30
    )


def chat(client: anthropic.Anthropic, given: Result, said: Said) -> Result:
    """A whole message."""
    raw = client.messages.with_raw_response.create(**given)
    answer: Any = raw.parse()
    return {
        "text": _text(answer),
        "dump": answer.model_dump(),
        "headers": dict(raw.headers),
        "extra": answer.model_extra,
    }


def stream(client: anthropic.Anthropic, given: Result, said: Said) -> Result:
    """A message event by event."""
    raw = client.messages.with_raw_response.create(stream=True, **given)
    happened = []
    for event in raw.parse():
        happened.append(event.model_dump())
        if event.type == "content_block_delta" and event.delta.type == "text_delta":
            said.append(event.delta.text)
    return {"text": "".join(said), "events": happened, "headers": dict(raw.headers)}


def helper(client: anthropic.Anthropic, given: Result, said: Said) -> Result:
    """A message that the SDK's own helper puts together."""
    with client.messages.stream(**given) as streaming:
        said += streaming.text_stream
        final = streaming.get_final_message()
    return {"text": _text(final), "dump": final.model_dump()}


def count(client: anthropic.Anthropic, given: Result, said: Said) -> Result:
    """How many tokens a request has."""
    raw = client.messages.with_raw_response.count_tokens(**given)
    return {"dump": raw.parse().model_dump(), "headers": dict(raw.headers)}


def models(client: anthropic.Anthropic, given: Result, said: Said) -> Result:
    """The names of all models."""
    listed = list(client.models.list())
    return {"ids": [model.id for model in listed], "dump": [model.model_dump(mode="json") for model in listed]}


def model(client: anthropic.Anthropic, given: Result, said: Said) -> Result:
    """One model."""
    return {"dump": client.models.retrieve(**given).model_dump(mode="json")}


def told(error: Any) -> Result:
    """What the SDK's exceptions say."""
    response = getattr(error, "response", None)
    body = error.body if isinstance(error.body, dict) else {}
    about = body.get("error") or {}
    return {
        "message": about.get("message") or error.message,
        "code": (about.get("details") or {}).get("error_code"),
        "type": about.get("type"),
        "status": getattr(error, "status_code", None),
        "request_id": getattr(error, "request_id", None),
        "headers": {} if response is None else dict(response.headers),
    }


def _text(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


OPERATIONS: dict[str, Operation] = {
    "chat": chat,
    "stream": stream,
    "helper": helper,
    "count": count,
    "models": models,
    "model": model,
}

if __name__ == "__main__":
    serve(anthropic.__version__, make, OPERATIONS, (anthropic.APIError,), told)
