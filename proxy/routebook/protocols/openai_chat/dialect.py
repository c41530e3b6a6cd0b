"""OpenAI's Chat Completions and Embeddings as a line of the table of dialects."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from routebook.protocols.codec import ClientSide, Dialect, Operation, UpstreamSide
from routebook.protocols.openai_chat.answer_reading import read_chat_answer
from routebook.protocols.openai_chat.answer_writing import write_chat_answer
from routebook.protocols.openai_chat.carries import CARRIES, OWNED, TELLS
from routebook.protocols.openai_chat.completions import OpenAICompletion, edited_completion
from routebook.protocols.openai_chat.demands import demanded_of_chat
from routebook.protocols.openai_chat.embeddings import edited_embeddings, read_embeddings
from routebook.protocols.openai_chat.errors import error_body, error_event, model_body, models_body
from routebook.protocols.openai_chat.message_writing import HEARS
from routebook.protocols.openai_chat.request import edited, read_chat
from routebook.protocols.openai_chat.request_writing import write_request
from routebook.protocols.openai_chat.response import read_answer, read_error_code
from routebook.protocols.openai_chat.speech import OpenAISpeech, SpeechReader, edited_speech
from routebook.protocols.openai_chat.stream import StreamReader
from routebook.protocols.openai_chat.stream_reading import ChatReader
from routebook.protocols.openai_chat.stream_writing import ChatWriter
from routebook.protocols.openai_chat.transcription import OpenAITranscription, TranscriptReader, read_transcript
from routebook.protocols.openai_faults import read_fault


def _edit_embeddings(asked: Any, model: str, ask_usage: bool, caps: object = None) -> bytes:
    """Nothing but the name can be set on a request for vectors."""
    return edited_embeddings(asked, model)


_CHAT: Final = ("chat", "/chat/completions", read_chat, edited, demanded_of_chat)
_COMPLETION: Final = ("completion", "/completions", OpenAICompletion, edited_completion, None)
_SPEECH: Final = ("speech", "/audio/speech", OpenAISpeech, edited_speech, None)
_TRANSCRIPTION: Final = ("transcription", "/audio/transcriptions", partial(OpenAITranscription, "transcription"))
_TRANSLATION: Final = ("translation", "/audio/translations", partial(OpenAITranscription, "translation"))
_EMBEDDINGS: Final = ("embeddings", "/embeddings", read_embeddings, _edit_embeddings, None)


def _at(path: str, what: tuple[str, str, Any, Any, Any]) -> Operation:
    name, upstream_path, read, edit, demands = what
    reader = SpeechReader if what is _SPEECH else None
    return Operation(name, path, upstream_path, read, edit, demands=demands, reader=reader, keeps=what is _CHAT)


def _edit_form(asked: Any, model: str, ask_usage: bool, caps: object = None) -> bytes:
    """A form goes on as it comes: its model's name is put in on the way."""
    return b""


def _form_at(path: str, what: tuple[str, str, Any]) -> Operation:
    name, upstream_path, read = what
    return Operation(name, path, upstream_path, read, _edit_form, reader=TranscriptReader, answer=read_transcript)


OPENAI_CHAT: Final = Dialect(
    "openai-chat",
    "openai",
    (
        _at("/v1/chat/completions", _CHAT),
        _at("/v1/completions", _COMPLETION),
        _at("/v1/embeddings", _EMBEDDINGS),
        _at("/v1/audio/speech", _SPEECH),
        _form_at("/v1/audio/transcriptions", _TRANSCRIPTION),
        _form_at("/v1/audio/translations", _TRANSLATION),
        # Azure's forms: the deployment in the path is the model; the API's version in the query says nothing to us.
        _at("/openai/v1/chat/completions", _CHAT),
        _at("/openai/v1/completions", _COMPLETION),
        _at("/openai/v1/embeddings", _EMBEDDINGS),
        _at("/openai/v1/audio/speech", _SPEECH),
        _form_at("/openai/v1/audio/transcriptions", _TRANSCRIPTION),
        _form_at("/openai/v1/audio/translations", _TRANSLATION),
        _at("/openai/deployments/{model}/chat/completions", _CHAT),
        _at("/openai/deployments/{model}/completions", _COMPLETION),
        _at("/openai/deployments/{model}/embeddings", _EMBEDDINGS),
        _at("/openai/deployments/{model}/audio/speech", _SPEECH),
        _form_at("/openai/deployments/{model}/audio/transcriptions", _TRANSCRIPTION),
        _form_at("/openai/deployments/{model}/audio/translations", _TRANSLATION),
    ),
    stream=StreamReader,
    answer=read_answer,
    error_code=read_error_code,
    error_body=error_body,
    error_event=error_event,
    models=models_body,
    model=model_body,
    client=ClientSide(
        write_chat_answer, ChatWriter, TELLS, models=("/v1/models", "/openai/v1/models", "/openai/models")
    ),
    upstream=UpstreamSide(
        write_request,
        read_chat_answer,
        ChatReader,
        read_fault,
        CARRIES,
        owned=OWNED,
        forwarded=("Accept", "Idempotency-Key", "OpenAI-Beta"),
        hears=HEARS,
    ),
)
