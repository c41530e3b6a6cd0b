"""The simulated Live: a session of voice and text over a WebSocket, as Gemini's API has it.

It hears by energy or as it is told (`activityStart`, `activityEnd`), stops when somebody speaks over it, calls tools
that are named, and answers with a tone of 440 Hz, or in text. Sessions are resumed by the handles that it gives out. It
fails on demand, as everything that is simulated here, and refuses what the real one refuses.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import WSMsgType, web

from routebook.chat.conversation import ChatRequest
from routebook.edge.simulator.answers import Question, prompt_tokens
from routebook.edge.simulator.faults import Fault, UnknownFault, fault_of
from routebook.edge.simulator.live_strict import FRAMES, INVALID, Refused, check_setup, strict
from routebook.edge.simulator.sound import Ear, Heard, tone
from routebook.edge.simulator.speaking import WORD_MS, said_and_called
from routebook.protocols.errors import ProtocolError
from routebook.protocols.gemini.fields import Fields
from routebook.protocols.gemini.request_reading import read_request

PATH: Final = re.compile(
    r"/ws/google\.ai\.generativelanguage\.v1(?:beta|alpha)?\.GenerativeService\.BidiGenerateContent"
)
"""Where Live is served, at the root of the upstream."""

MOST: Final = 64 * 1024 * 1024
MOST_KEPT: Final = 10_000
"""Handles by which sessions can be resumed; the oldest are forgotten first."""

TOKEN_MS: Final = 40
"""Milliseconds of sound in a token, heard or spoken."""

WARNING: Final = 3000
"""How long before its end a session is told of it, in paces."""

_PCM: Final = re.compile(r"audio/pcm(?:;\s*rate=([0-9]{4,5}))?")
_HEARD_RATE: Final = 16_000
_EXCEEDED: Final = "You exceeded your current quota."

Frame = dict[str, Any]


@dataclass(slots=True)
class Remembered:
    """What a session can be gone on from: what was said in it, and how many milliseconds of sound were heard."""

    history: list[Frame] = field(default_factory=list)
    heard_ms: int = 0


async def serve_live(
    request: web.Request, fault: Fault, pace: float, dice: random.Random, kept: dict[str, Remembered]
) -> web.StreamResponse:
    """Take one session, and talk until the client leaves. `kept` is what sessions can be gone on from."""
    socket: Any = web.WebSocketResponse(compress=False, max_msg_size=MOST)
    await socket.prepare(request)
    talk = _Session(socket, fault, pace, dice, kept)
    try:
        await talk.run()
    except Refused as refused:
        await socket.close(code=refused.code, message=refused.why.encode()[:120])
    except (_Stopped, ConnectionError):
        pass
    finally:
        await talk.stop()
    found: web.StreamResponse = socket
    return found


class _Stopped(Exception):
    """A fault that was asked for has ended the session."""


class _Session:
    """One session: what it is set to, what was said, what is being said."""

    def __init__(
        self, socket: Any, fault: Fault, pace: float, dice: random.Random, kept: dict[str, Remembered]
    ) -> None:
        self._socket = socket
        self._fault = fault
        self._usual_pace = pace
        self._dice = dice
        self._kept = kept
        self._sent = 0
        self._setup: Frame = {}
        self._model = ""
        self._state = Remembered()
        self._ear: Ear | None = None
        self._rate = _HEARD_RATE
        self._is_active = False
        self._turn_ms = 0
        self._began_at = 0
        self._speaking: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._is_in_turn = False
        self._waits_for: dict[str, str] = {}
        self._answers: list[Frame] = []
        self._words: list[str] = []
        self._spoken_ms = 0

    def __repr__(self) -> str:
        return f"<_Session of {self._model}, {len(self._state.history)} contents>"

    async def run(self) -> None:
        """From `setup` to the client's leaving; raises Refused."""
        await self._begin(await self._received())
        while True:
            frame = await self._received()
            handler = _HANDLERS.get(next(iter(frame), ""))
            if handler is None or len(frame) != 1:
                raise Refused("a setup stands at the beginning of a session, and nowhere else")
            await handler(self, next(iter(frame.values())))

    async def stop(self) -> None:
        """Say no more."""
        tasks = [each for each in (self._speaking, self._ending) if each is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _received(self) -> Frame:
        message = await self._socket.receive()
        if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            raise _Stopped
        try:
            read = json.loads(message.data)
        except ValueError:
            raise Refused("Invalid JSON payload received.") from None
        frame: Frame = strict(read, FRAMES)
        return frame

    @property
    def _pace(self) -> float:
        return self._usual_pace if self._fault.pace is None else self._fault.pace

    @property
    def _detection(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._setup.get("realtimeInputConfig", {}).get("automaticActivityDetection", {})
        return found

    @property
    def _hears_by_itself(self) -> bool:
        return self._detection.get("disabled") is not True

    @property
    def _speaks(self) -> bool:
        return bool(self._setup.get("generationConfig", {}).get("responseModalities", ["AUDIO"]) == ["AUDIO"])

    async def _begin(self, frame: Frame) -> None:
        if set(frame) != {"setup"}:
            raise Refused("the first frame is to be a setup")
        self._setup = frame["setup"]
        check_setup(self._setup)
        name = self._setup["model"].partition("/")[2]
        self._model = name.partition("@")[0]
        try:
            self._fault = fault_of(name, None, {}, self._fault)
        except UnknownFault as error:
            raise Refused(str(error), 1008) from error
        if self._fault.status is not None:
            exceeded = self._fault.status == 429
            raise Refused(_EXCEEDED if exceeded else f"a simulated failure with status {self._fault.status}", 1011)
        handle = self._setup.get("sessionResumption", {}).get("handle")
        if handle is not None:
            if handle not in self._kept:
                raise Refused("the session cannot be resumed by this handle")
            state = self._kept[handle]
            self._state = Remembered([*state.history], state.heard_ms)
        await self._send({"setupComplete": {}})

    async def _send(self, frame: Frame) -> None:
        fault = self._fault
        if self._sent == fault.stall:
            await asyncio.Event().wait()
        if self._sent == fault.error_event:
            await self._socket.close(code=1011, message=b"Internal error encountered.")
            raise _Stopped
        self._sent += 1
        written = b"<html>not JSON" if fault.garbage else json.dumps(frame, separators=(",", ":")).encode()
        await self._socket.send_bytes(written)
        if fault.cut is not None and self._sent * 100 >= fault.cut and self._socket._req is not None:
            self._socket._req.transport.abort()
        if self._sent == fault.go_away:
            seconds = WARNING * self._pace
            self._ending = asyncio.create_task(self._end_after(seconds))
            await self._send({"goAway": {"timeLeft": f"{seconds:g}s"}})

    async def _end_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._socket.close(code=1011, message=b"Deadline expired before operation could complete.")

    # ---- what a client says

    async def _content(self, content: Frame) -> None:
        turns = content.get("turns", [])
        if any(each.get("role", "user") not in ("user", "model") for each in turns):
            raise Refused("Please use a valid role: user, model.")
        await self._interrupt()
        self._state.history += turns
        if content.get("turnComplete") is True:
            self._respond()

    async def _realtime(self, said: Frame) -> None:
        for blob in (*said.get("mediaChunks", ()), *((said["audio"],) if "audio" in said else ())):
            await self._hear(blob)
        if ("activityStart" in said or "activityEnd" in said) and self._hears_by_itself:
            raise Refused("Explicit activity control is not supported when automatic activity detection is enabled.")
        if "audioStreamEnd" in said and not self._hears_by_itself:
            raise Refused("audioStreamEnd needs automatic activity detection.")
        if "activityStart" in said:
            self._is_active, self._turn_ms = True, 0
            await self._interrupt()
        if "activityEnd" in said:
            if not self._is_active:
                raise Refused("there is no activity to end")
            self._is_active = False
            await self._heard_out()
        if "audioStreamEnd" in said and self._ear is not None and self._ear.is_in_speech:
            self._ear = None
            await self._heard_out()
        if "text" in said:
            await self._interrupt()
            self._state.history.append({"role": "user", "parts": [{"text": said["text"]}]})
            self._respond()

    async def _results(self, told: Frame) -> None:
        for result in told.get("functionResponses", []):
            if self._waits_for.pop(result.get("id", ""), None) != result.get("name"):
                raise Refused("a function response has the id and the name of a call that waits for it")
            self._answers.append({"functionResponse": {name: result[name] for name in ("id", "name", "response")}})
        if not self._waits_for and self._answers:
            self._state.history.append({"role": "user", "parts": self._answers})
            self._answers = []
            self._respond()

    async def _hear(self, blob: Frame) -> None:
        found = _PCM.fullmatch(blob.get("mimeType", ""))
        if found is None:
            raise Refused("audio is to be audio/pcm")
        try:
            sound = base64.b64decode(blob.get("data", "").translate(_URL_SAFE), validate=True)
        except binascii.Error:
            raise Refused("Invalid value at 'realtime_input.audio.data': base64 is expected") from None
        rate = int(found[1] or _HEARD_RATE)
        if len(sound) % 2:
            raise Refused("samples have 16 bits")
        length = len(sound) // 2 * 1000 // rate
        self._state.heard_ms += length
        self._turn_ms += length
        if not self._hears_by_itself:
            return
        if self._ear is None or rate != self._rate:
            self._ear, self._rate = Ear(int(self._detection.get("silenceDurationMs", 500)), rate), rate
        for what, at in self._ear.hear(sound):
            if what is Heard.BEGIN:
                self._began_at = at
                if self._setup.get("realtimeInputConfig", {}).get("activityHandling") != "NO_INTERRUPTION":
                    await self._interrupt()
            else:
                self._turn_ms = at - self._began_at
                await self._heard_out()

    # ---- what comes of it

    async def _heard_out(self) -> None:
        """What was spoken is a turn of the user's."""
        words = f"{self._turn_ms / 1000:.1f} seconds of sound"
        self._turn_ms = 0
        self._state.history.append({"role": "user", "parts": [{"text": words}]})
        if "inputAudioTranscription" in self._setup:
            for word in re.findall(r"\s*\S+", words):
                await self._send({"serverContent": {"inputTranscription": {"text": word}}})
        if self._speaking is None:
            self._respond()

    def _respond(self) -> None:
        self._is_in_turn = True
        self._speaking = asyncio.create_task(self._speak())

    async def _speak(self) -> None:
        try:
            await self._say()
        except Refused as refused:
            await self._socket.close(code=refused.code, message=refused.why.encode()[:120])
        except (_Stopped, ConnectionError):
            pass

    async def _say(self) -> None:
        await asyncio.sleep(self._pace)
        texts, calls = said_and_called(Question(self._chat(), self._model, self._fault.tokens, None))
        for text in texts:
            self._words.append(text)
            for content in self._piece(text):
                await self._send({"serverContent": content})
            await asyncio.sleep(self._pace)
        self._speaking = None
        if calls:
            parts = [{"id": each, "name": name, "args": json.loads(args)} for each, name, args in calls]
            self._waits_for = {identity: name for identity, name, _ in calls}
            self._state.history.append({"role": "model", "parts": [{"functionCall": each} for each in parts]})
            await self._send({"toolCall": {"functionCalls": parts}})
            return
        await self._send({"serverContent": {"generationComplete": True}})
        await self._complete()

    def _piece(self, text: str) -> list[Frame]:
        if not self._speaks:
            return [{"modelTurn": {"parts": [{"text": text}]}}]
        sound = base64.b64encode(tone(self._spoken_ms, WORD_MS)).decode()
        self._spoken_ms += WORD_MS
        blob = {"mimeType": "audio/pcm;rate=24000", "data": sound}
        frames: list[Frame] = [{"modelTurn": {"parts": [{"inlineData": blob}]}}]
        if "outputAudioTranscription" in self._setup:
            frames.append({"outputTranscription": {"text": text}})
        return frames

    async def _interrupt(self) -> None:
        """Somebody speaks: what was not said yet is not said any more."""
        if not self._is_in_turn:
            return
        if self._speaking is not None:
            self._speaking.cancel()
            await asyncio.gather(self._speaking, return_exceptions=True)
            self._speaking = None
        if self._waits_for:
            identities, self._waits_for, self._answers = [*self._waits_for], {}, []
            self._state.history.pop()
            await self._send({"toolCallCancellation": {"ids": identities}})
        await self._send({"serverContent": {"interrupted": True}})
        await self._complete()

    async def _complete(self) -> None:
        """The turn is over: what of it was said stands in the history, and it is told what it used."""
        self._is_in_turn = False
        usage = self._usage()
        if self._words:
            self._state.history.append({"role": "model", "parts": [{"text": "".join(self._words)}]})
        self._words, self._spoken_ms = [], 0
        await self._send({"serverContent": {"turnComplete": True}, "usageMetadata": usage})
        if "sessionResumption" in self._setup:
            await self._remember()

    async def _remember(self) -> None:
        handle = f"{self._dice.getrandbits(80):020x}"
        self._kept[handle] = Remembered([*self._state.history], self._state.heard_ms)
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        await self._send({"sessionResumptionUpdate": {"newHandle": handle, "resumable": True}})

    def _usage(self) -> Frame:
        text, heard = prompt_tokens(self._chat()), -(-self._state.heard_ms // TOKEN_MS)
        spoken, kind = (-(-self._spoken_ms // TOKEN_MS), "AUDIO") if self._speaks else (len(self._words), "TEXT")
        return {
            "promptTokenCount": text + heard,
            "responseTokenCount": spoken,
            "totalTokenCount": text + heard + spoken,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": text},
                {"modality": "AUDIO", "tokenCount": heard},
            ],
            "responseTokensDetails": [{"modality": kind, "tokenCount": spoken}],
        }

    def _chat(self) -> ChatRequest:
        body: Frame = {
            "contents": self._state.history or [{"role": "user", "parts": [{"text": "nothing"}]}],
            **{name: self._setup[name] for name in ("systemInstruction", "tools") if name in self._setup},
        }
        most = self._setup.get("generationConfig", {}).get("maxOutputTokens")
        if most is not None:
            body["generationConfig"] = {"maxOutputTokens": most}
        try:
            return read_request(self._model, Fields(json.dumps(body).encode()))
        except ProtocolError as error:
            raise Refused(error.message, INVALID) from error


_URL_SAFE: Final = str.maketrans("-_", "+/")

_HANDLERS: Final = {
    "clientContent": _Session._content,
    "realtimeInput": _Session._realtime,
    "toolResponse": _Session._results,
}
