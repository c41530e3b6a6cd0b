"""OpenAI's Responses as a line of the table of dialects."""

from __future__ import annotations

from typing import Final

from routebook.protocols.answered import answered_by
from routebook.protocols.codec import ClientSide, Dialect, Operation, UpstreamSide
from routebook.protocols.openai_errors import error_body, model_body, models_body
from routebook.protocols.openai_faults import read_error_code, read_fault
from routebook.protocols.openai_responses.answer_reading import read_answer
from routebook.protocols.openai_responses.answer_writing import write_answer
from routebook.protocols.openai_responses.carries import CARRIES, OWNED, TELLS
from routebook.protocols.openai_responses.counting import read_count_answer, write_count_answer
from routebook.protocols.openai_responses.demands import demanded_of_response
from routebook.protocols.openai_responses.errors import error_event
from routebook.protocols.openai_responses.request import edited, read_count_request, read_responses
from routebook.protocols.openai_responses.request_writing import COUNT_PATH, PATH, write_count, write_request
from routebook.protocols.openai_responses.seals import DIALECT
from routebook.protocols.openai_responses.stream_reading import ResponsesReader
from routebook.protocols.openai_responses.stream_writing import ResponsesWriter
from routebook.protocols.streams import Relayed


def _relayed(hide_usage: bool) -> Relayed:
    """A stream that passes as it comes: usage stands in the last event, and is asked for by nobody."""
    return Relayed(ResponsesReader(""))


_BASES: Final = ("/v1", "/openai/v1", "/openai")
"""OpenAI's own paths, and Azure's: there a deployment is the model in the body."""

OPENAI_RESPONSES: Final = Dialect(
    DIALECT,
    DIALECT,
    (
        *(
            Operation("chat", base + PATH, PATH, read_responses, edited, demands=demanded_of_response, keeps=True)
            for base in _BASES
        ),
        *(Operation("count_tokens", base + COUNT_PATH, COUNT_PATH, read_count_request, edited) for base in _BASES),
    ),
    stream=_relayed,
    answer=answered_by(read_answer),
    error_code=read_error_code,
    error_body=error_body,
    error_event=error_event,
    models=models_body,
    model=model_body,
    client=ClientSide(
        write_answer,
        ResponsesWriter,
        TELLS,
        write_count_answer,
        models=("/v1/models", "/openai/v1/models", "/openai/models"),
    ),
    upstream=UpstreamSide(
        write_request,
        read_answer,
        ResponsesReader,
        read_fault,
        CARRIES,
        write_count,
        read_count_answer,
        owned=OWNED,
        forwarded=("Accept", "Idempotency-Key", "OpenAI-Beta"),
    ),
)
