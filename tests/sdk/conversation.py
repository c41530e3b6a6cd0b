"""Runs in a process of its own, with whichever `openai` package stands first on its path: calls, and says what came.

Reads one JSON object from standard input, `{"base_url": ..., "calls": [{"do": ..., "with": {...}}]}`, and writes one:
the SDK's version and one result a call. It imports nothing of ours and works with every major version.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import openai


def run(client: openai.OpenAI, call: dict[str, Any]) -> dict[str, Any]:
    """One call and what came of it; an error of the SDK is a result too."""
    do, given = call["do"], call.get("with", {})
    said: list[str] = []
    try:
        match do:
            case "chat":
                raw = client.chat.completions.with_raw_response.create(**given)
                answer = raw.parse()
                return {
                    "text": answer.choices[0].message.content,
                    "dump": answer.model_dump(),
                    "headers": dict(raw.headers),
                    "extra": answer.model_extra,
                }
            case "stream":
                raw = client.chat.completions.with_raw_response.create(stream=True, **given)
                chunks = []
                for chunk in raw.parse():
                    chunks.append(chunk.model_dump())
                    said += [choice.delta.content or "" for choice in chunk.choices]
                return {"text": "".join(said), "chunks": chunks, "headers": dict(raw.headers)}
            case "helper":
                with client.chat.completions.stream(**given) as stream:
                    kinds = [event.type for event in stream]
                    return {"kinds": kinds, "dump": stream.get_final_completion().model_dump()}
            case "responses":
                answered = client.responses.create(**given)
                return {"text": answered.output_text, "dump": answered.model_dump()}
            case "responses_events":
                happened = []
                for event in client.responses.create(stream=True, **given):
                    happened.append(event.model_dump())
                    said += [event.delta] if event.type == "response.output_text.delta" else []
                return {"text": "".join(said), "events": happened}
            case "responses_helper":
                with client.responses.stream(**given) as responding:
                    said += [event.delta for event in responding if event.type == "response.output_text.delta"]
                    return {"text": "".join(said), "dump": responding.get_final_response().model_dump()}
            case "responses_count":
                return {"dump": client.responses.input_tokens.count(**given).model_dump()}
            case "embeddings":
                return {"dump": client.embeddings.create(**given).model_dump()}
            case "models":
                return {"ids": [model.id for model in client.models.list()]}
            case "model":
                return {"dump": client.models.retrieve(**given).model_dump()}
    except openai.APIError as error:
        return {
            "error": type(error).__name__,
            "message": error.message,
            "code": error.code,
            "type": error.type,
            "status": getattr(error, "status_code", None),
            "text": "".join(said),
        }
    raise ValueError(f"no such call: {do}")


def main() -> None:
    """Read the calls, make them one after the other, print the results."""
    order = json.load(sys.stdin)
    with openai.OpenAI(
        base_url=order["base_url"], api_key="sk-client", max_retries=order.get("max_retries", 0), timeout=30
    ) as client:
        results = [run(client, call) for call in order["calls"]]
    json.dump({"version": openai.__version__, "results": results}, sys.stdout)


if __name__ == "__main__":
    main()
