"""Anthropic's Messages as a line of the table of dialects."""

from __future__ import annotations

from typing import Any, Final

from routebook.protocols.answered import answered_by
from routebook.protocols.anthropic.answer_reading import read_count, read_message
from routebook.protocols.anthropic.answer_writing import write_count as write_counted
from routebook.protocols.anthropic.answer_writing import write_message
from routebook.protocols.anthropic.carries import CARRIES, DIALECT, OWNED, TELLS, VERSION
from routebook.protocols.anthropic.demands import HEADER, demanded_of_count, demanded_of_messages
from routebook.protocols.anthropic.errors import error_body, error_event, model_body, models_body
from routebook.protocols.anthropic.faults import read_error_code, read_fault
from routebook.protocols.anthropic.request import edited, read_count_request, read_messages
from routebook.protocols.anthropic.request_writing import COUNT_PATH, PATH, write_count, write_request
from routebook.protocols.anthropic.stream_reading import MessagesReader
from routebook.protocols.anthropic.stream_writing import MessagesWriter
from routebook.protocols.codec import ClientSide, Dialect, Operation, UpstreamSide
from routebook.protocols.streams import Relayed


def _relayed(hide_usage: bool) -> Relayed:
    """Usage always comes, and clients always see it."""
    return Relayed(MessagesReader(""))


def _relays(asked: Any, version: str | None) -> bool:
    """Each version takes and refuses other fields: a request of one is written anew for a provider that is declared to
    speak the other. Where none is declared, the client's own is spoken."""
    return version is None or asked.version is None or asked.version == version


_TOLD: Final = {"version": HEADER}

ANTHROPIC: Final = Dialect(
    DIALECT,
    "anthropic",
    tuple(
        operation
        for before in ("/v1", "/anthropic/v1")  # the second is Azure's
        for operation in (
            Operation("chat", before + PATH, PATH, read_messages, edited, headers=_TOLD, demands=demanded_of_messages),
            Operation(
                "count_tokens",
                before + COUNT_PATH,
                COUNT_PATH,
                read_count_request,
                edited,
                headers=_TOLD,
                demands=demanded_of_count,
            ),
        )
    ),
    stream=_relayed,
    answer=answered_by(read_message),
    error_code=read_error_code,
    error_body=error_body,
    error_event=error_event,
    models=models_body,
    model=model_body,
    client=ClientSide(
        write_message,
        MessagesWriter,
        TELLS,
        write_counted,
        models=("/v1/models", "/anthropic/v1/models"),
        known_by=("anthropic-version",),
        request_id="request-id",
        statuses={},
    ),
    upstream=UpstreamSide(
        write_request,
        read_message,
        MessagesReader,
        read_fault,
        CARRIES,
        write_count,
        read_count,
        owned=OWNED,
        key_header="x-api-key",
        version=(HEADER, VERSION),
        forwarded=("Accept", HEADER, "anthropic-beta"),
    ),
    relays=_relays,
)
