"""What a client asks of a model, whatever dialect it speaks: the little that routing needs to know.

A dialect's reader returns an object of this shape; the dear properties are computed when first asked for, because most
decisions need none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Asked(Protocol):
    """One request, seen by routing. Sizes are counts; texts are never kept in a record."""

    @property
    def operation(self) -> str:
        """One of chat, embeddings, speech, transcription, translation, image, realtime, count_tokens."""

    @property
    def dialect(self) -> str:
        """The client's dialect (`openai-chat`)."""

    @property
    def model(self) -> str:
        """The model asked for, as the client wrote it."""

    @property
    def stream(self) -> bool:
        """Whether the answer is wanted as a stream."""

    @property
    def max_output(self) -> int | None:
        """The most tokens the client wants back, where it says so."""

    @property
    def user(self) -> str | None:
        """The end user the client names, where it does."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the client attached for its own bookkeeping."""

    @property
    def body_bytes(self) -> int:
        """The size of the request's body."""

    @property
    def messages(self) -> int:
        """How many messages the conversation has."""

    @property
    def images(self) -> int:
        """How many images it holds."""

    @property
    def tools(self) -> int:
        """How many tools it offers."""

    @property
    def needs(self) -> frozenset[str]:
        """What the request cannot do without: capabilities such as tools, vision, json_schema."""

    @property
    def prompt(self) -> bytes | memoryview:
        """The prompt as it came, for its keyed digest; never recorded."""

    @property
    def text(self) -> str:
        """All prompt text, for token estimates and patterns; never recorded."""

    @property
    def latest(self) -> str:
        """What the user wrote last, by which a prompt is judged; never recorded."""

    @property
    def body(self) -> bytes:
        """The client's own bytes; never recorded."""

    @property
    def choices(self) -> int:
        """How many answers are wanted; each is paid for."""

    @property
    def tool_bytes(self) -> int:
        """The size of what describes the tools; it is part of the prompt."""

    @property
    def counted_tokens(self) -> int:
        """Tokens that the client counted itself, by sending numbers instead of text."""

    @property
    def form(self) -> Mapping[str, str]:
        """The fields of a form; empty where the request is none."""

    @property
    def heard_ms(self) -> int:
        """Milliseconds of recorded sound that are to be written down, probably."""

    @property
    def most_ms(self) -> int:
        """The same, at most."""

    @property
    def characters(self) -> int:
        """Characters of text that are to be spoken."""

    @property
    def was_read(self) -> bool:
        """Whether the messages have been read, so that counting them costs nothing more."""

    @property
    def opening(self) -> bytes:
        """What all requests of one conversation have in common: its first messages, to the first that the user wrote;
        never recorded."""

    @property
    def goes_on_from(self) -> str | None:
        """The id of an earlier answer that only whoever gave it can go on from; never recorded."""

    @property
    def session(self) -> str | None:
        """What the client itself calls the conversation, where its dialect has a field for that (a cache key, the id of
        an earlier answer); never recorded."""
