"""Runs Google's SDK for Python in a process of its own (`talking`). What it is given is in the API's own JSON."""

from __future__ import annotations

import json
from typing import Any

from google import genai
from google.genai import errors, types
from talking import Operation, Result, Said, serve


def make(base_url: str, api_key: str = "sk-client", max_retries: int = 0, version: str = "v1beta") -> genai.Client:
    """A client for one version of the API."""
    retries = types.HttpRetryOptions(attempts=max_retries + 1, initial_delay=0.01) if max_retries else None
    options = types.HttpOptions(base_url=base_url, api_version=version, timeout=30_000, retry_options=retries)
    return genai.Client(api_key=api_key, http_options=options)


def chat(client: genai.Client, given: Result, said: Said) -> Result:
    """A whole answer."""
    answer = client.models.generate_content(**_typed(given))
    headers = answer.sdk_http_response.headers if answer.sdk_http_response is not None else None
    return {"text": answer.text, "dump": _dumped(answer), "headers": dict(headers or {})}


def stream(client: genai.Client, given: Result, said: Said) -> Result:
    """An answer chunk by chunk."""
    chunks = []
    headers: dict[str, str] = {}
    for chunk in client.models.generate_content_stream(**_typed(given)):
        chunks.append(_dumped(chunk))
        said.append(chunk.text or "")
        if chunk.sdk_http_response is not None:
            headers = dict(chunk.sdk_http_response.headers or {})
    return {"text": "".join(said), "chunks": chunks, "headers": headers}


def helper(client: genai.Client, given: Result, said: Said) -> Result:
    """An answer that the SDK's own conversation takes into its history, which is what the next request holds."""
    typed = _typed(given)
    *before, last = typed["contents"]
    talk = client.chats.create(model=typed["model"], config=typed["config"], history=before)
    chunks = []
    for chunk in talk.send_message_stream(last.parts):
        chunks.append(_dumped(chunk))
        said.append(chunk.text or "")
    history = [_dumped(content) for content in talk.get_history()]
    return {"text": "".join(said), "chunks": chunks, "history": history}


def count(client: genai.Client, given: Result, said: Said) -> Result:
    """How many tokens a request has."""
    return {"dump": _dumped(client.models.count_tokens(**_typed(given, types.CountTokensConfig)))}


def embeddings(client: genai.Client, given: Result, said: Said) -> Result:
    """Vectors of texts."""
    return {"dump": _dumped(client.models.embed_content(**given))}


def models(client: genai.Client, given: Result, said: Said) -> Result:
    """The names of all models."""
    listed = list(client.models.list())
    return {"ids": [model.name for model in listed], "dump": [_dumped(model) for model in listed]}


def model(client: genai.Client, given: Result, said: Said) -> Result:
    """One model."""
    return {"dump": _dumped(client.models.get(**given))}


def told(error: Any) -> Result:
    """What the SDK's exceptions say."""
    headers = getattr(error.response, "headers", None) or {}
    return {
        "message": error.message,
        "code": error.status,
        "type": error.status,
        "status": error.code,
        "details": error.details,
        "request_id": headers.get("x-request-id"),
        "headers": dict(headers),
    }


def _typed(given: Result, config: Any = types.GenerateContentConfig) -> Result:
    """With the SDK's own types: only from JSON do they read bytes."""
    contents = [types.Content.model_validate_json(json.dumps(content)) for content in given["contents"]]
    made = {"contents": contents, "config": config.model_validate_json(json.dumps(given.get("config") or {}))}
    return {**given, **made}


def _dumped(thing: Any) -> Any:
    return thing.model_dump(mode="json", by_alias=True, exclude_none=True)


OPERATIONS: dict[str, Operation] = {
    "chat": chat,
    "stream": stream,
    "helper": helper,
    "count": count,
    "embeddings": embeddings,
    "models": models,
    "model": model,
}

if __name__ == "__main__":
    serve(genai.__version__, make, OPERATIONS, (errors.APIError,), told)
