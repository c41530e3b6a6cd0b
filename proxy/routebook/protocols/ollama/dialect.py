"""Ollama's chat API as a line of the table of dialects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from routebook.protocols.answered import answered_by
from routebook.protocols.codec import ClientSide, Dialect, Operation, UpstreamSide
from routebook.protocols.ollama.answer_reading import OllamaReader, read_answer
from routebook.protocols.ollama.answer_writing import OllamaWriter, write_answer
from routebook.protocols.ollama.carries import CARRIES, OWNED, TELLS
from routebook.protocols.ollama.faults import error_body, error_event, read_error_code, read_fault
from routebook.protocols.ollama.request import OllamaChat, edited
from routebook.protocols.ollama.request_writing import write_request
from routebook.protocols.ollama.wire import DIALECT, PATH
from routebook.protocols.streams import Relayed

LINES: Final = "application/x-ndjson"


def _models(names: Iterable[str], created: int = 0) -> bytes:
    return msgspec.json.encode({"models": [{"name": name, "model": name} for name in names]})


def _model(name: str, created: int = 0) -> bytes:
    return msgspec.json.encode({"name": name, "model": name})


OLLAMA: Final = Dialect(
    DIALECT,
    "ollama",
    (Operation("chat", PATH, PATH, OllamaChat, edited),),
    stream=lambda hide_usage: Relayed(OllamaReader("")),
    answer=answered_by(read_answer),
    error_code=read_error_code,
    error_body=error_body,
    error_event=error_event,
    models=_models,
    model=_model,
    client=ClientSide(write_answer, OllamaWriter, TELLS, media_type=lambda asked: LINES),
    upstream=UpstreamSide(write_request, read_answer, OllamaReader, read_fault, CARRIES, owned=OWNED, media_type=LINES),
    serves=False,
)
