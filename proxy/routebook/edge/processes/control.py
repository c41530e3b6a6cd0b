"""What supervisor and workers say to each other: frames over a socket pair.

A frame is a kind with a few fields (JSON) and, where a policy travels, a payload of bytes. Each side learns that the
other has died by the end of the stream, which the kernel delivers however it died: that is why no worker outlives its
supervisor and no request is left to a worker that is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

_HEAD = struct.Struct(">IQ")
_LONGEST_FIELDS = 64 * 1024 * 1024

UNREAD = 1024 * 1024
"""Bytes that may lie unread by the other side before it is told nothing more that may be lost."""


class Gone(Exception):
    """The other side has died or closed the channel, or did not answer in time."""


@dataclass(frozen=True, slots=True)
class Message:
    """One frame: what it is about, its fields, and a payload."""

    kind: str
    fields: dict[str, Any] = field(default_factory=dict)
    payload: bytes = b""


def to_frame(message: Message) -> bytes:
    """The bytes of a message."""
    fields = orjson.dumps({"kind": message.kind, **message.fields})
    return _HEAD.pack(len(fields), len(message.payload)) + fields + message.payload


async def read_frame(reader: asyncio.StreamReader) -> Message:
    """The next message; raises Gone at the end of the stream or on bytes that are no frame."""
    try:
        size, payload_size = _HEAD.unpack(await reader.readexactly(_HEAD.size))
        if size > _LONGEST_FIELDS:
            raise Gone("the other side speaks another language")
        rest = await reader.readexactly(size + payload_size)
        fields = orjson.loads(rest[:size])
    except (asyncio.IncompleteReadError, OSError, orjson.JSONDecodeError) as error:
        raise Gone("the other side closed the channel") from error
    return Message(fields.pop("kind"), fields, rest[size:])


class Channel:
    """One end of the socket pair. `answers` to what was asked are told from other messages by a number.

    What is said in one turn of the event loop leaves together at its end: where many requests ask at once, the system is
    called, and the other side woken, once for all of them.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._numbers = 0
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._hearing: dict[int, Callable[[Message], object]] = {}
        self._said: list[bytes] = []
        self.is_open = True

    @classmethod
    async def over(cls, end: socket.socket) -> Channel:
        """A channel over one end of a socket pair."""
        reader, writer = await asyncio.open_connection(sock=end)
        return cls(reader, writer)

    def __repr__(self) -> str:
        return f"<Channel {'open' if self.is_open else 'closed'}, {len(self._waiting)} questions unanswered>"

    async def send(self, message: Message) -> None:
        """Send without waiting for an answer; raises Gone where the other side is."""
        try:
            self._say(message)
            self._utter()
            await self._writer.drain()
        except OSError as error:
            raise Gone("the other side closed the channel") from error

    def tell(self, message: Message) -> None:
        """Send ahead of whatever is sent from now on, and wait for nobody; nothing where the other side is gone."""
        if self.is_open:
            self._say(message)

    async def flush(self) -> None:
        """Wait until little of what was told is still here; nothing where the other side is gone."""
        with contextlib.suppress(OSError):
            self._utter()
            await self._writer.drain()

    def mention(self, message: Message) -> None:
        """Send what may be lost, and is where the other side is gone or reads nothing: nobody waits for it."""
        if self.is_open and self._writer.transport.get_write_buffer_size() < UNREAD:
            self._say(message)
            self._utter()

    def _say(self, message: Message) -> None:
        if not self._said:
            asyncio.get_running_loop().call_soon(self._utter)
        self._said.append(to_frame(message))

    def _utter(self) -> None:
        """Hand all that was said to the system."""
        if self._said:
            said, self._said = self._said, []
            self._writer.write(said[0] if len(said) == 1 else b"".join(said))

    async def ask(self, message: Message, seconds: float) -> Message:
        """Send and wait for the answer; raises Gone where none came in time. Somebody must be in `receive`."""
        answer = self.question(message)
        try:
            await self.flush()
            return await asyncio.wait_for(answer, seconds)
        except TimeoutError as error:
            raise Gone(f"no answer to `{message.kind}` within {seconds:g} s") from error

    def question(self, message: Message, hear: Callable[[Message], object] | None = None) -> asyncio.Future[Message]:
        """Send as `tell` does; the answer to come, whenever that is. Raises Gone, here or there. `hear` is called with the
        answer before anything is done that was said after it."""
        if not self.is_open:
            raise Gone("the other side closed the channel")
        self._numbers += 1
        number = self._numbers
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        if hear is not None:
            self._hearing[number] = hear
        answer.add_done_callback(lambda _: self._forget(number))
        self._say(Message(message.kind, {**message.fields, "asks": number}, message.payload))
        return answer

    def _forget(self, number: int) -> None:
        self._waiting.pop(number, None)
        self._hearing.pop(number, None)

    async def answer(self, question: Message, **fields: object) -> None:
        """Answer a message that was asked."""
        await self.answer_with(question, b"", **fields)

    async def answer_with(self, question: Message, payload: bytes, **fields: object) -> None:
        """Answer a message that was asked, with a payload; waits where the other side reads none."""
        try:
            self._say(Message("answer", {**fields, "answers": question.fields["asks"]}, payload))
            await self._writer.drain()
        except OSError as error:
            raise Gone("the other side closed the channel") from error

    async def receive(self) -> Message:
        """The next message that is no answer; answers are handed to who asked. Raises Gone at the end."""
        try:
            while True:
                message = await read_frame(self._reader)
                if message.kind != "answer":
                    return message
                number = message.fields["answers"]
                waiting = self._waiting.get(number)
                if waiting is not None and not waiting.done():
                    if (hear := self._hearing.get(number)) is not None:
                        hear(message)
                    waiting.set_result(message)
        except Gone as gone:
            self.is_open = False
            for unanswered in tuple(self._waiting.values()):
                if not unanswered.done():
                    unanswered.set_exception(gone)
            raise

    def close(self) -> None:
        """Close this end; the other side sees the end of the stream."""
        self.is_open = False
        self._utter()
        self._writer.close()
