"""A client of Live, for upstreams of other APIs: its frames as what they ask for, and what is told as frames of Live.

Live has no frame for an error that a session survives, so what cannot be carried ends it, with words that name it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from routebook.chat.conversation import ChatRequest, ForeignTool, Message, Role, Tool
from routebook.chat.features import Feature
from routebook.chat.loss import Loss
from routebook.chat.parts import Image, Inline, Part, Text, ToolCall, ToolResult
from routebook.chat.talk import (
    UNSUPPORTED,
    Add,
    AddResult,
    Ask,
    Call,
    Called,
    CallsDropped,
    Cancel,
    Close,
    CloseTurn,
    Configure,
    Down,
    Failed,
    Interrupted,
    Lack,
    NotCarried,
    OpenTurn,
    PauseSound,
    Ready,
    Respond,
    Settings,
    Sound,
    SoundMade,
    SpeechBegan,
    SpeechEnded,
    Tell,
    TextMade,
    TurnBegan,
    TurnEnded,
    Turns,
    WordsHeard,
    WordsMade,
)
from routebook.chat.usage import KINDS, Usage
from routebook.protocols.body import FLAG
from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.gemini.fields import COUNT, Fields
from routebook.protocols.gemini.live_words import HEARD_RATE, VOICES, write_live_usage
from routebook.protocols.gemini.request_reading import read_request
from routebook.protocols.session_codecs import Heard
from routebook.protocols.sessions import Wish

_REFUSED: Final = 1007
_PCM: Final = re.compile(r"audio/(?:pcm|l16)(?:;\s*(?:codec=pcm;\s*)?rate=([0-9]{4,6}))?", re.IGNORECASE)
_URL_SAFE: Final = str.maketrans("-_", "+/")
_OPENAI_VOICES: Final = {gemini.lower(): openai for openai, gemini in VOICES.items()}

_SILENT: Final = frozenset({"sessionResumption", "contextWindowCompression", "explicitVadSignal"})
"""What changes nothing of what is said where it is left out."""

_READ: Final = frozenset({"realtimeInputConfig", "inputAudioTranscription", "outputAudioTranscription"})


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame: which it is, and its fields."""

    kind: str
    fields: Fields


class LiveClient:
    """One session (`protocols.session_codecs.ClientCodec`). `first` is its `setup`; raises ProtocolError where that
    cannot be read."""

    def __init__(self, first: bytes) -> None:
        self._begin, self._setup = _read_setup(first)
        self._is_ready = False
        self._is_answering = False
        self._is_telling_text = False
        self._calls: dict[str, str] = {}
        self._used = Usage()

    def __repr__(self) -> str:
        return f"<LiveClient {'answering' if self._is_answering else 'quiet'}>"

    def settings(self) -> Configure:
        """What `setup` says."""
        return self._begin

    # ---- what it says

    def hear(self, frame: bytes) -> Heard:
        """Which of its four frames it is, and whether it asks for an answer; raises ProtocolError."""
        fields = Fields(frame)
        for kind in ("realtimeInput", "clientContent", "toolResponse", "contextUpdate"):
            inner = fields.inner(kind)
            if inner is not None:
                return Heard(self._wish(kind, inner), _Frame(kind, inner))
        if "setup" in fields:
            raise ProtocolError(Side.CLIENT, "a setup stands at the beginning of a session, and nowhere else")
        raise ProtocolError(Side.CLIENT, "the message is none of this API's")

    def _wish(self, kind: str, fields: Fields) -> Wish:
        if kind == "realtimeInput":
            asks = "activityEnd" in fields or "text" in fields
            return Wish(asks=asks, speaks=not asks and self._setup.automatic and "activityStart" not in fields)
        if kind == "clientContent":
            return Wish(asks=fields.take("turnComplete", FLAG) is True)
        return Wish(asks=kind == "toolResponse")

    def take(self, heard: Heard) -> Iterator[Ask | Down]:
        """What a frame asks for; raises ProtocolError where it cannot be carried."""
        frame: _Frame = heard.said
        match frame.kind:
            case "realtimeInput":
                yield from self._realtime(frame.fields)
            case "clientContent":
                yield from self._content(frame.fields)
            case "toolResponse":
                yield from self._results(frame.fields)
            case _:
                raise _not_carried(frame.kind, "what a session is set to is fixed here")

    def _realtime(self, fields: Fields) -> Iterator[Ask]:
        if "video" in fields:
            raise _not_carried("realtimeInput.video", "the upstream sees no video")
        for blob in fields.each("mediaChunks"):
            yield _sound(blob)
        audio = fields.inner("audio")
        if audio is not None:
            yield _sound(audio)
        if "activityStart" in fields or "activityEnd" in fields:
            if self._setup.automatic:
                why = "activity is told where automatic detection is disabled, and not elsewhere"
                raise ProtocolError(Side.CLIENT, why)
            if "activityStart" in fields:
                yield from self._interrupts()
                yield OpenTurn()
            if "activityEnd" in fields:
                yield CloseTurn()
                yield from self._asks()
        if fields.take("audioStreamEnd", FLAG) is True:
            yield PauseSound()
        text = fields.word("text")
        if text is not None:
            yield from self._interrupts()
            yield Add(Message(Role.USER, (Text(text),)))
            yield from self._asks()

    def _content(self, fields: Fields) -> Iterator[Ask]:
        """Whatever stands in turns interrupts what is being answered."""
        yield from self._interrupts()
        for turn in fields.each("turns"):
            yield from _turn(turn)
        if fields.take("turnComplete", FLAG) is True:
            yield from self._asks()

    def _results(self, fields: Fields) -> Iterator[Ask]:
        for result in fields.each("functionResponses"):
            identity = result.word("id") or ""
            if self._calls.pop(identity, None) is None:
                raise ProtocolError(Side.CLIENT, "a function response has the id of a call that waits for it")
            yield AddResult(identity, result.word("name") or "", str(result.json("response") or "{}"))
        if not self._calls:
            yield from self._asks()

    def _interrupts(self) -> Iterator[Ask]:
        self._calls.clear()
        if self._is_answering:
            yield Cancel()

    def _asks(self) -> Iterator[Ask]:
        self._is_answering = True
        yield Respond()

    # ---- what it hears

    def refuse(self, error: ProtocolError, event: str | None) -> Iterator[Down | Close]:
        """What cannot be followed ends the session."""
        yield from _end(_REFUSED, error.message)

    def configured(self, heard: Heard, losses: Sequence[Loss]) -> Iterator[Down]:
        """Nothing can be set after the beginning."""
        yield from ()

    def denied(self, heard: Heard, losses: Sequence[Loss]) -> Iterator[Down | Close]:
        """Nothing can be set after the beginning."""
        yield from ()

    def tell(self, tell: Tell) -> Iterable[Down | Close | Ask]:
        """The frame of Live for it, where there is one."""
        match tell:
            case Ready():
                if not self._is_ready:
                    self._is_ready = True
                    yield _frame(setupComplete={})
            case TurnBegan():
                self._is_answering, self._is_telling_text = True, False
            case SoundMade(samples, rate):
                blob = {"mimeType": f"audio/pcm;rate={rate}", "data": base64.b64encode(samples).decode()}
                yield _content(modelTurn={"role": "model", "parts": [{"inlineData": blob}]})
            case TextMade(text):
                yield _content(modelTurn={"role": "model", "parts": [{"text": text}]})
            case WordsMade(text):
                if self._setup.tells:
                    yield _content(outputTranscription={"text": text})
            case WordsHeard(text, is_whole):
                if self._setup.hears and text:
                    yield _content(inputTranscription={"text": text, **({"finished": True} if is_whole else {})})
            case Interrupted():
                yield _content(interrupted=True)
            case Called(calls, usage):
                yield from self._called(calls, usage)
            case CallsDropped(identities):
                for each in identities:
                    self._calls.pop(each, None)
                yield _frame(toolCallCancellation={"ids": identities})
            case TurnEnded():
                yield from self._ended(tell)
            case NotCarried(what, why):
                yield from _end(1007, f"`{what}` cannot be carried: {why}")
            case Failed(code, message):
                yield from _end(1011, f"{code or 'upstream'}: {message}")
            case SpeechBegan() | SpeechEnded():
                pass

    def _called(self, calls: tuple[Call, ...], usage: Usage | None) -> Iterator[Down]:
        self._is_answering = False
        self._add_usage(usage)
        self._calls.update({each.id: each.name for each in calls})
        written = [
            {"id": each.id, "name": each.name, "args": msgspec.Raw(each.arguments.encode() or b"{}")} for each in calls
        ]
        yield _frame(toolCall={"functionCalls": written})

    def _ended(self, end: TurnEnded) -> Iterator[Down | Close]:
        self._is_answering = False
        self._add_usage(end.usage)
        used, self._used = self._used, Usage()
        if end.status == "failed":
            yield from _end(1011, f"the answer failed: {end.reason or 'the upstream did not say why'}")
            return
        if end.status == "cancelled":
            if end.reason != "turn_detected":
                yield _content(interrupted=True)
        else:
            yield _content(generationComplete=True)
        usage = {"usageMetadata": write_live_usage(used)} if end.usage is not None else {}
        yield _frame(serverContent={"turnComplete": True}, **usage)

    def _add_usage(self, usage: Usage | None) -> None:
        if usage is not None:
            self._used = Usage(**{kind: getattr(self._used, kind) + getattr(usage, kind) for kind in KINDS})


@dataclass(frozen=True, slots=True)
class _Begun:
    """What `setup` says that is of interest later."""

    automatic: bool
    hears: bool
    tells: bool


def _read_setup(first: bytes) -> tuple[Configure, _Begun]:
    """Settings and what they cannot say; raises ProtocolError."""
    setup = Fields(first).inner("setup")
    if setup is None:
        raise ProtocolError(Side.CLIENT, "the first message must be `setup`", param="setup")
    chat = read_request("", setup)
    hears, tells = "inputAudioTranscription" in setup, "outputAudioTranscription" in setup
    turns, lacks = _read_turns(setup)
    if chat.modalities not in ((), ("audio",), ("text",)):
        raise ProtocolError(Side.CLIENT, "a session has one response modality", param="responseModalities")
    speaks = chat.modalities != ("text",)
    voice = None if chat.audio is None else chat.audio.voice
    if voice is not None:
        theirs = _OPENAI_VOICES.get(voice.lower())
        why = f"{theirs} speaks instead" if theirs else "the upstream's own voice speaks instead"
        lacks.append(Lack(Feature.EXTRA, "setup.generationConfig.speechConfig", why, stands_in=True))
        voice = theirs
    settings = Settings(
        "\n".join(each.text for each in chat.system),
        speaks,
        voice,
        tuple(each for each in chat.tools if isinstance(each, Tool)),
        None,
        None,
        chat.max_output,
        chat.sampling.temperature,
        turns,
        hears,
        speaks,
        True,
    )
    lacks += _lacks(chat, setup)
    return Configure(settings, tuple(lacks)), _Begun(turns.automatic, hears, tells)


def _read_turns(setup: Fields) -> tuple[Turns, list[Lack]]:
    config = setup.inner("realtimeInputConfig")
    if config is None:
        return Turns(), []
    lacks: list[Lack] = []
    handling, coverage = config.word("activityHandling"), config.word("turnCoverage")
    if coverage not in (None, "TURN_COVERAGE_UNSPECIFIED", "TURN_INCLUDES_ONLY_ACTIVITY"):
        lacks.append(Lack(Feature.EXTRA, config.place("turnCoverage"), "only what is spoken is heard"))
    detection = config.inner("automaticActivityDetection")
    if detection is None:
        return Turns(interrupts=handling != "NO_INTERRUPTION"), lacks
    for name in ("startOfSpeechSensitivity", "endOfSpeechSensitivity"):
        if not (detection.word(name) or "UNSPECIFIED").endswith("UNSPECIFIED"):
            lacks.append(Lack(Feature.EXTRA, detection.place(name), "the upstream hears as it likes"))
    turns = Turns(
        detection.take("disabled", FLAG) is not True,
        detection.take("silenceDurationMs", COUNT),
        detection.take("prefixPaddingMs", COUNT),
        handling != "NO_INTERRUPTION",
    )
    return turns, lacks


def _lacks(chat: ChatRequest, setup: Fields) -> Iterator[Lack]:
    """What Live can be set to, and no other session."""
    nothing = "sessions of other APIs have nothing like it"
    for name in ("top_p", "top_k", "seed", "frequency_penalty", "presence_penalty"):
        if getattr(chat.sampling, name) is not None:
            yield Lack(Feature[name.upper()], f"setup.generationConfig.{name}", nothing)
    if chat.reasoning is not None:
        yield Lack(Feature.EFFORT, "setup.generationConfig.thinkingConfig", nothing)
    for tool in chat.tools:
        if isinstance(tool, ForeignTool):
            yield Lack(Feature.TOOLS_FOREIGN, f"setup.tools.{tool.kind}", "it runs at Google alone", matters=True)
    resumption = setup.inner("sessionResumption")
    if resumption is not None and resumption.word("handle"):
        why = "a session of another upstream cannot be gone on with"
        yield Lack(Feature.EXTRA, resumption.place("handle"), why, matters=True)
    for extra in chat.extras:
        name = extra.field.rpartition(".")[2]
        if name not in _READ and name not in _SILENT:
            yield Lack(Feature.EXTRA, extra.field, nothing, matters=extra.matters)


def _turn(turn: Fields) -> Iterator[Ask]:
    """What one turn of `clientContent` adds; raises ProtocolError."""
    body = {"contents": [dict(turn.all())]}
    for message in read_request("", Fields(msgspec.json.encode(body))).messages:
        others: list[Part] = []
        for part in message.parts:
            match part:
                case ToolResult(call_id=identity, content=content, name=name):
                    texts = "".join(each.text for each in content if isinstance(each, Text))
                    yield AddResult(identity, name or "", texts)
                case Text() | ToolCall() | Image(Inline()):
                    others.append(part)
                case _:
                    raise _not_carried(turn.place("parts"), "the upstream takes text and images")
        if others:
            yield Add(Message(message.role, tuple(others)))


def _sound(blob: Fields) -> Sound:
    found = _PCM.fullmatch(blob.word("mimeType") or "")
    if found is None:
        raise _not_carried(blob.place("mimeType"), "sound is taken as audio/pcm, with its rate")
    rate = int(found[1] or HEARD_RATE)
    if not 4_000 <= rate <= 192_000:
        raise _not_carried(blob.place("mimeType"), "the rate is none of speech's")
    try:
        data = (blob.word("data") or "").translate(_URL_SAFE).rstrip("=")
        return Sound(base64.b64decode(data + "=" * (-len(data) % 4), validate=True), rate)
    except (binascii.Error, ValueError):
        raise blob.wrong("the sound is not base64", "data") from None


def _not_carried(what: str, why: str) -> ProtocolError:
    return ProtocolError(Side.CLIENT, f"`{what}` cannot be carried: {why}", code=UNSUPPORTED, param=what)


def _frame(**fields: Any) -> Down:
    return Down(msgspec.json.encode(fields))


def _content(**fields: Any) -> Down:
    return _frame(serverContent=fields)


def _end(code: int, reason: str) -> Iterator[Down | Close]:
    """The end of a session, as Google's clients raise it: a frame with a numeric code, and a close that says the same."""
    words = reason.encode("utf-8", "replace").decode()
    status = 400 if code == _REFUSED else 502
    word = "INVALID_ARGUMENT" if status == 400 else "INTERNAL"
    yield _frame(code=status, message=words, status=word)
    yield Close(code, words)
