"""The simulated Realtime: a session of voice and text over a WebSocket, as OpenAI's API has it.

It hears by energy (server VAD), stops when somebody speaks over it, calls tools that are demanded or named, and answers
with a tone of 440 Hz, or in text. It fails on demand, as everything that is simulated here.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import itertools
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiohttp import WSMsgType, web

from routebook.edge.simulator.answers import Question
from routebook.edge.simulator.faults import Fault
from routebook.edge.simulator.sound import BYTES_PER_MS, Ear, Heard
from routebook.edge.simulator.speaking import Event, Response, chat_of, say

MOST: Final = 64 * 1024 * 1024

_VAD: Final = {"type": "server_vad", "silence_duration_ms": 500, "create_response": True, "interrupt_response": True}
_DELTAS: Final = "delta"


async def serve_session(request: web.Request, model: str, fault: Fault, pace: float, dice: random.Random) -> Any:
    """Take one session, and talk until the client leaves."""
    socket = web.WebSocketResponse(
        protocols=("realtime",) if "realtime" in request.headers.get("Sec-WebSocket-Protocol", "") else (),
        compress=False,
        max_msg_size=MOST,
    )
    await socket.prepare(request)
    talk = _Session(socket, model, fault, pace, f"{dice.getrandbits(40):010x}")
    try:
        await talk.run()
    except (_Stopped, ConnectionError):
        pass
    finally:
        await talk.stop()
    return socket


class _Refused(Exception):
    """An event of the client that cannot be followed: the code and words of the `error` event."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(code, words)
        self.code = code
        self.words = words


class _Stopped(Exception):
    """A fault that was asked for has ended the session."""


class _Session:
    """One session: what it is set to, what was said, what is being said."""

    def __init__(self, socket: Any, model: str, fault: Fault, pace: float, identity: str) -> None:
        self._socket = socket
        self._model = model
        self._fault = fault
        self._pace = pace if fault.pace is None else fault.pace
        self._identity = identity
        self._numbers = itertools.count(1)
        self._sent = 0
        self._items: list[Event] = []
        self._buffer = b""
        self._heard_bytes = 0
        self._ear = Ear()
        self._response: Response | None = None
        self._speaking: asyncio.Task[None] | None = None
        self._session: Event = {
            "type": "realtime",
            "object": "realtime.session",
            "id": f"sess_{identity}",
            "model": model,
            "output_modalities": ["audio"],
            "instructions": "",
            "tools": [],
            "tool_choice": "auto",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "transcription": None,
                    "turn_detection": _VAD,
                },
                "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "a440"},
            },
        }

    def __repr__(self) -> str:
        return f"<_Session {self._identity} of {self._model}, {len(self._items)} items>"

    async def run(self) -> None:
        """From `session.created` to the client's leaving."""
        await self._send({"type": "session.created", "session": self._session})
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                continue
            event: Any = None
            try:
                event = json.loads(message.data)
                handler = _HANDLERS.get(event["type"])
                if handler is None:
                    raise _Refused("invalid_value", f"there is no event of the type {str(event['type'])[:40]!r}")
                await handler(self, event)
            except _Refused as refused:
                await self._error(refused.code, refused.words, event)
            except (ValueError, TypeError, KeyError, AttributeError):
                await self._error("invalid_event", "the event is not what the API says", event)

    async def stop(self) -> None:
        """Say no more."""
        if self._speaking is not None:
            self._speaking.cancel()
            await asyncio.gather(self._speaking, return_exceptions=True)

    async def _send(self, event: Event) -> None:
        fault = self._fault
        if self._sent == fault.stall:
            await asyncio.Event().wait()
        if self._sent == fault.error_event:
            self._sent += 1
            await self._error("simulated", "the simulated model had a simulated problem", None)
            await self._socket.close(code=1011, message=b"simulated")
            raise _Stopped
        event = {"event_id": f"event_{self._identity}{next(self._numbers):04d}", **event}
        self._sent += 1
        await self._socket.send_str(json.dumps(event, separators=(",", ":")))
        if fault.cut is not None and self._sent * 100 >= fault.cut and self._socket._req is not None:
            self._socket._req.transport.abort()

    async def _error(self, code: str, message: str, event: Any) -> None:
        said = {"type": "invalid_request_error", "code": code, "message": message, "param": None}
        identity = event.get("event_id") if isinstance(event, dict) else None
        await self._send({"type": "error", "error": {**said, "event_id": identity}})

    # ---- what a client asks for

    async def _update(self, event: Event) -> None:
        wanted = event["session"]
        if wanted.get("model", self._model) != self._model:
            raise _Refused("cannot_update_model", "the model of a session cannot be changed")
        self._session = _merged(self._session, wanted)
        if (vad := self._vad) is not None:
            self._ear.silence_ms = int(vad.get("silence_duration_ms") or 500)
        await self._send({"type": "session.updated", "session": self._session})

    async def _append(self, event: Event) -> None:
        try:
            sound = base64.b64decode(event["audio"], validate=True)
        except binascii.Error:
            raise _Refused("invalid_value", "the sound is not base64") from None
        self._buffer += sound
        vad = self._vad
        if vad is None:
            return
        for what, at in self._ear.hear(sound):
            item = f"item_{self._identity}{len(self._items):03d}"
            if what is Heard.BEGIN:
                started = {"type": "input_audio_buffer.speech_started", "audio_start_ms": at, "item_id": item}
                await self._send(started)
                if vad.get("interrupt_response", True):
                    await self._interrupt("turn_detected")
                continue
            await self._send({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": at, "item_id": item})
            await self._take_in()
            if vad.get("create_response", True) and self._response is None:
                await self._respond({})

    async def _commit(self, event: Event) -> None:
        if len(self._buffer) < 100 * BYTES_PER_MS:
            raise _Refused("input_audio_buffer_commit_empty", "the buffer holds less than 100 ms of sound")
        await self._take_in()

    async def _clear(self, event: Event) -> None:
        self._buffer = b""
        await self._send({"type": "input_audio_buffer.cleared"})

    async def _add(self, event: Event) -> None:
        await self._added({"object": "realtime.item", "status": "completed", **event["item"]})

    async def _delete(self, event: Event) -> None:
        kept = [each for each in self._items if each["id"] != event["item_id"]]
        if len(kept) == len(self._items):
            raise _Refused("item_delete_invalid_item_id", "there is no such item")
        self._items = kept
        await self._send({"type": "conversation.item.deleted", "item_id": event["item_id"]})

    async def _truncate(self, event: Event) -> None:
        at = {name: event[name] for name in ("item_id", "content_index", "audio_end_ms")}
        await self._send({"type": "conversation.item.truncated", **at})

    async def _create(self, event: Event) -> None:
        if self._response is not None:
            raise _Refused("conversation_already_has_active_response", "a response is running already")
        await self._respond(event.get("response") or {})

    async def _cancel(self, event: Event) -> None:
        if self._response is None:
            raise _Refused("response_cancel_not_active", "no response is running")
        await self._interrupt("client_cancelled")

    # ---- what comes of it

    @property
    def _vad(self) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self._session["audio"]["input"].get("turn_detection")
        return found

    async def _take_in(self) -> None:
        """The sound that was collected becomes an item."""
        self._heard_bytes += len(self._buffer)
        seconds = len(self._buffer) / BYTES_PER_MS / 1000
        self._buffer = b""
        words = f"{seconds:.1f} seconds of sound"
        item = {
            "id": f"item_{self._identity}{len(self._items):03d}",
            "object": "realtime.item",
            "type": "message",
            "role": "user",
            "status": "completed",
            "content": [{"type": "input_audio", "transcript": words}],
        }
        await self._send({"type": "input_audio_buffer.committed", "previous_item_id": None, "item_id": item["id"]})
        await self._added(item)
        if self._session["audio"]["input"].get("transcription"):
            tokens = round(seconds * 10)
            usage = {
                "type": "tokens",
                "input_tokens": tokens,
                "output_tokens": 4,
                "total_tokens": tokens + 4,
                "input_token_details": {"text_tokens": 0, "audio_tokens": tokens},
            }
            done = "conversation.item.input_audio_transcription.completed"
            await self._send(
                {"type": done, "item_id": item["id"], "content_index": 0, "transcript": words, "usage": usage}
            )

    async def _added(self, item: Event) -> None:
        item.setdefault("id", f"item_{self._identity}{len(self._items):03d}")
        self._items.append(item)
        await self._send({"type": "conversation.item.added", "previous_item_id": None, "item": item})
        await self._send({"type": "conversation.item.done", "previous_item_id": None, "item": item})

    async def _respond(self, wishes: Mapping[str, Any]) -> None:
        modalities = wishes.get("output_modalities") or self._session["output_modalities"]
        response = self._response = Response(f"resp_{self._identity}{next(self._numbers):04d}", "audio" in modalities)
        await self._send({"type": "response.created", "response": self._shown(response, "in_progress")})
        self._speaking = asyncio.create_task(self._speak(response, wishes))

    async def _speak(self, response: Response, wishes: Mapping[str, Any]) -> None:
        chat = chat_of(self._model, self._session, wishes, self._items)
        await asyncio.sleep(self._pace)
        for event in say(response, Question(chat, self._model, self._fault.tokens, None)):
            await self._send(event)
            if event["type"].endswith(_DELTAS):
                await asyncio.sleep(self._pace)
        self._items += response.items
        await self._end(response, "completed", None)

    async def _interrupt(self, reason: str) -> None:
        response = self._response
        if response is None or self._speaking is None:
            return
        self._speaking.cancel()
        await asyncio.gather(self._speaking, return_exceptions=True)
        self._items += response.items
        await self._end(response, "cancelled", reason)

    async def _end(self, response: Response, status: str, reason: str | None) -> None:
        self._response = None
        chat = chat_of(self._model, self._session, {}, self._items)
        shown = self._shown(response, status)
        shown["status_details"] = None if reason is None else {"type": status, "reason": reason}
        shown["usage"] = response.usage(chat, self._heard_bytes)
        await self._send({"type": "response.done", "response": shown})

    def _shown(self, response: Response, status: str) -> Event:
        return {
            "object": "realtime.response",
            "id": response.id,
            "status": status,
            "status_details": None,
            "output": response.items,
            "output_modalities": ["audio" if response.speaks else "text"],
            "usage": None,
        }


_HANDLERS: Final[Mapping[str, Callable[[_Session, Event], Awaitable[None]]]] = {
    "session.update": _Session._update,
    "input_audio_buffer.append": _Session._append,
    "input_audio_buffer.commit": _Session._commit,
    "input_audio_buffer.clear": _Session._clear,
    "conversation.item.create": _Session._add,
    "conversation.item.delete": _Session._delete,
    "conversation.item.truncate": _Session._truncate,
    "response.create": _Session._create,
    "response.cancel": _Session._cancel,
}


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> Event:
    """Settings with others laid over them; what is null is turned off, what is not named stays."""
    merged = dict(old)
    for name, value in new.items():
        inner = merged.get(name)
        merged[name] = _merged(inner, value) if isinstance(inner, Mapping) and isinstance(value, Mapping) else value
    return merged
