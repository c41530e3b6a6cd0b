"""Runs OpenAI's SDK for Python in a process of its own (`talking`)."""

from __future__ import annotations

from typing import Any

import openai
from talking import Operation, Result, Said, serve

OLD = int(openai.__version__.split(".")[0]) < 2


def make(base_url: str, api_key: str = "sk-client", max_retries: int = 0, azure: str | None = None) -> openai.OpenAI:
    """A client; with `azure` the one for Azure, of this version of the API."""
    if azure is not None:
        return openai.AzureOpenAI(
            azure_endpoint=base_url, api_key=api_key, api_version=azure, max_retries=max_retries, timeout=30
        )
    return openai.OpenAI(base_url=base_url, api_key=api_key, max_retries=max_retries, timeout=30)


def chat(client: openai.OpenAI, given: Result, said: Said) -> Result:
    """A whole completion."""
    raw = client.chat.completions.with_raw_response.create(**given)
    answer: Any = raw.parse()
    return {
        "text": answer.choices[0].message.content,
        "dump": answer.model_dump(),
        "headers": dict(raw.headers),
        "extra": answer.model_extra,
    }


def chat_stream(client: openai.OpenAI, given: Result, said: Said) -> Result:
    """A completion chunk by chunk."""
    raw = client.chat.completions.with_raw_response.create(stream=True, **given)
    chunks = []
    for chunk in raw.parse():
        chunks.append(chunk.model_dump())
        said += [choice.delta.content or "" for choice in chunk.choices]
    return {"text": "".join(said), "chunks": chunks, "headers": dict(raw.headers)}


def chat_helper(client: Any, given: Result, said: Said) -> Result:
    """A completion that the SDK's own helper puts together; before its second major version that was `beta`."""
    completions = client.beta.chat.completions if OLD else client.chat.completions
    with completions.stream(**given) as stream:
        kinds = []
        for event in stream:
            kinds.append(event.type)
            said += [event.delta] if event.type == "content.delta" else []
        final = stream.get_final_completion()
    return {"kinds": kinds, "text": final.choices[0].message.content, "dump": final.model_dump()}


def responses(client: openai.OpenAI, given: Result, said: Said) -> Result:
    """A whole response."""
    raw = client.responses.with_raw_response.create(**given)
    answer: Any = raw.parse()
    return {
        "text": answer.output_text,
        "dump": answer.model_dump(),
        "headers": dict(raw.headers),
        "extra": answer.model_extra,
    }


def responses_stream(client: openai.OpenAI, given: Result, said: Said) -> Result:
    """A response event by event."""
    raw = client.responses.with_raw_response.create(stream=True, **given)
    happened = []
    for event in raw.parse():
        happened.append(event.model_dump())
        said += [event.delta] if event.type == "response.output_text.delta" else []
    return {"text": "".join(said), "events": happened, "headers": dict(raw.headers)}


def responses_helper(client: openai.OpenAI, given: Result, said: Said) -> Result:
    """A response that the SDK's own helper puts together."""
    with client.responses.stream(**given) as stream:
        for event in stream:
            said += [event.delta] if event.type == "response.output_text.delta" else []
        final = stream.get_final_response()
    return {"text": final.output_text, "dump": final.model_dump()}


def responses_count(client: Any, given: Result, said: Said) -> Result:
    """How many tokens a request has; versions without the method call its address."""
    if hasattr(client.responses, "input_tokens"):
        return {"dump": client.responses.input_tokens.count(**given).model_dump()}
    return {"dump": client.post("/responses/input_tokens", body=given, cast_to=object)}


def embeddings(client: openai.OpenAI, given: Result, said: Said) -> Result:
    """Vectors of texts."""
    return {"dump": client.embeddings.create(**given).model_dump()}


def models(client: openai.OpenAI, given: Result, said: Said) -> Result:
    """The names of all models."""
    listed = list(client.models.list())
    return {"ids": [model.id for model in listed], "dump": [model.model_dump() for model in listed]}


def model(client: openai.OpenAI, given: Result, said: Said) -> Result:
    """One model."""
    return {"dump": client.models.retrieve(**given).model_dump()}


def told(error: Any) -> Result:
    """What the SDK's exceptions say."""
    response = getattr(error, "response", None)
    return {
        "message": error.message,
        "code": error.code,
        "type": error.type,
        "status": getattr(error, "status_code", None),
        "request_id": getattr(error, "request_id", None),
        "headers": {} if response is None else dict(response.headers),
    }


OPERATIONS: dict[str, Operation] = {
    "chat": chat,
    "stream": chat_stream,
    "helper": chat_helper,
    "responses": responses,
    "responses_stream": responses_stream,
    "responses_helper": responses_helper,
    "responses_count": responses_count,
    "embeddings": embeddings,
    "models": models,
    "model": model,
}

if __name__ == "__main__":
    serve(openai.__version__, make, OPERATIONS, (openai.APIError,), told)
