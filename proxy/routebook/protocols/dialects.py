"""The dialects that are spoken: what stands at which path, and what reads and edits it. A further one is a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from routebook.chat.asked import Asked
from routebook.chat.usage import Usage
from routebook.protocols.openai_chat.embeddings import edited_embeddings, read_embeddings
from routebook.protocols.openai_chat.errors import error_body, error_event, model_body, models_body
from routebook.protocols.openai_chat.request import edited, read_chat
from routebook.protocols.openai_chat.response import read_answer, read_error_code
from routebook.protocols.openai_chat.stream import StreamReader


class Reading(Protocol):
    """What reads a streamed answer along while it passes."""

    def feed(self, chunk: bytes) -> bytes:
        """What may go to the client now: whole events as they came, nothing after the end. Raises ProtocolError."""

    @property
    def done(self) -> bool:
        """Whether the protocol's own end has come."""

    @property
    def saw_error(self) -> bool:
        """Whether the upstream told an error."""

    @property
    def usage(self) -> Usage | None:
        """What was used, as the upstream counted."""

    @property
    def finish_reason(self) -> str | None:
        """Why the model stopped."""

    @property
    def model(self) -> str | None:
        """The model that served, in the vendor's words."""

    @property
    def estimated_output(self) -> int:
        """Tokens that came out, by their size: for an upstream that counted nothing."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked in a dialect, named as the fact `request.operation` names it.

    `path` is the client's, `upstream_path` follows a base URL. `edit` takes the request, the upstream's name of the
    model, whether to ask for usage, and a rule's caps.
    """

    name: str
    path: str
    upstream_path: str
    read: Callable[[bytes], Any]
    edit: Callable[..., bytes]


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one API looks like from both sides."""

    name: str
    spoken_by: str
    operations: tuple[Operation, ...]
    stream: Callable[[bool], StreamReader] = StreamReader
    answer: Callable[[bytes], Any] = read_answer
    error_code: Callable[[bytes], str | None] = read_error_code
    error_body: Callable[..., bytes] = error_body
    error_event: Callable[..., bytes] = error_event
    models: Callable[..., bytes] = models_body
    model: Callable[..., bytes] = model_body


def _edit_embeddings(asked: Any, model: str, ask_usage: bool, caps: object = None) -> bytes:
    """Nothing but the name can be set on a request for vectors."""
    return edited_embeddings(asked, model)


OPENAI_CHAT: Final = Dialect(
    "openai-chat",
    "openai",
    (
        Operation("chat", "/v1/chat/completions", "/chat/completions", read_chat, edited),
        Operation("embeddings", "/v1/embeddings", "/embeddings", read_embeddings, _edit_embeddings),
    ),
)

DIALECTS: Final[Mapping[str, Dialect]] = {each.name: each for each in (OPENAI_CHAT,)}
"""Every dialect by the name that facts and records use."""

OPERATIONS: Final[Mapping[str, tuple[Dialect, Operation]]] = {
    operation.path: (dialect, operation) for dialect in DIALECTS.values() for operation in dialect.operations
}
"""What is served, by path."""


def reader_at(path: str) -> Callable[[bytes], Asked] | None:
    """What reads a request at this path; None where nothing is served."""
    found = OPERATIONS.get(path)
    return None if found is None else found[1].read
