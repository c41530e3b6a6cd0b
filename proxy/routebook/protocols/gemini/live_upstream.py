"""A Live upstream, for clients of other APIs: what is asked for as its frames, and its frames as what they tell.

Live knows turns and no ids. An answer follows by itself from what is heard, from `turnComplete`, from the results of
tools; whoever speaks ends the answer before. So what a client of another API adds is kept back until an answer is
wanted, and of what ends, it is known whether it was an answer that the client still waits for.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from routebook.chat.conversation import Calling, Message, Role
from routebook.chat.features import Feature
from routebook.chat.parts import Image, Inline, Text, ToolCall
from routebook.chat.resampling import Resampler
from routebook.chat.talk import (
    Add,
    AddResult,
    Ask,
    Call,
    Called,
    CallsDropped,
    Cancel,
    CloseTurn,
    Configure,
    Failed,
    Interrupted,
    Lack,
    NotCarried,
    OpenTurn,
    PauseSound,
    Ready,
    Reopen,
    Respond,
    Settings,
    Sound,
    SoundMade,
    Tell,
    TextMade,
    TurnBegan,
    TurnEnded,
    Up,
    WordsHeard,
    WordsMade,
)
from routebook.chat.usage import Usage
from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.gemini.fields import raw_of
from routebook.protocols.gemini.live_reading import read_live_usage
from routebook.protocols.gemini.live_words import GEMINI_VOICES, HEARD_RATE, SPOKEN_RATE, VOICES, Content, Server
from routebook.protocols.gemini.message_writing import as_object

_SERVER: Final = msgspec.json.Decoder(Server, strict=False)

MOST_PENDING: Final = 1024
"""Messages and results that wait for `Respond`."""

Out = Up | Reopen | Tell


class LiveUpstream:
    """One session (`protocols.session_codecs.UpstreamCodec`). `model` is the upstream's name of it."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._settings = Settings()
        self._opened_with = b""
        self._handle: str | None = None
        self._handle_is_whole = False
        self._leaves = False
        self._knows_anything = False
        self._resampler = Resampler(HEARD_RATE, HEARD_RATE)
        self._pending: list[dict[str, Any]] = []
        self._results: list[dict[str, Any]] = []
        self._waiting: dict[str, str] = {}
        self._dropped: set[str] = set()
        self._turn_closed = False
        self._is_wanted = False
        self._is_running = False
        self._is_shown = False
        self._is_muted = False
        self._is_cancelled = False
        self._was_interrupted = False
        self._stale_ends = 0
        self._usage: Usage | None = None

    def __repr__(self) -> str:
        return f"<LiveUpstream of {self._model}{', in a turn' if self.is_in_turn else ''}>"

    @property
    def is_in_turn(self) -> bool:
        """Whether a turn runs: its calls are part of it."""
        return self._is_running

    def lacks(self, settings: Settings) -> Sequence[Lack]:
        """What a `setup` has no place for."""
        found: list[Lack] = []
        choice = settings.choice
        if choice is not None and (choice.names or choice.calling is Calling.REQUIRED):
            feature = Feature.TOOL_CHOICE_NAMED if choice.names else Feature.TOOL_CHOICE
            found.append(Lack(feature, "session.tool_choice", "a session calls tools as it likes"))
        if settings.parallel is False and settings.tools:
            why = "nothing keeps a model from several calls"
            found.append(Lack(Feature.PARALLEL_TOOLS, "session.parallel_tool_calls", why))
        if settings.voice is not None and settings.voice not in GEMINI_VOICES:
            known = VOICES.get(settings.voice)
            why = f"{known} speaks instead" if known else "the upstream's own voice speaks instead"
            found.append(Lack(Feature.EXTRA, "session.audio.output.voice", why, stands_in=True))
        return found

    def opening(self) -> Sequence[bytes]:
        """`setup`, with the handle of what was said before, where there is one."""
        self._opened_with = msgspec.json.encode(self._setup())
        resumption = {} if self._handle is None else {"handle": self._handle}
        setup = {**self._setup(), "sessionResumption": resumption}
        self._leaves = False
        return (msgspec.json.encode({"setup": setup}),)

    def may_resume(self) -> bool:
        """Whether the upstream said that it would leave, and gave a handle before."""
        return self._leaves and (self._handle is not None or not self._knows_anything)

    def cut(self) -> Iterator[Out]:
        """The connection ended in the middle: a turn that was running is not whole."""
        self._stale_ends = 0
        if self._is_running or self._is_wanted:
            yield from self._over("failed", "server_error")

    # ---- what is asked for

    def ask(self, ask: Ask) -> Iterator[Out]:
        """Frames, or what stands in the way."""
        match ask:
            case Configure(settings):
                yield from self._configure(settings)
            case Sound(samples, rate):
                yield from self._sound(samples, rate)
            case OpenTurn():
                yield from self._flush_pending()
                yield _input(activityStart={})
            case CloseTurn():
                yield from self._rest_of_sound()
                self._turn_closed = True
            case PauseSound():
                yield from self._rest_of_sound()
                yield _input(audioStreamEnd=True)
            case Add(message):
                yield from self._add(message)
            case AddResult():
                yield from self._add_result(ask)
            case Respond():
                yield from self._respond()
            case Cancel():
                yield from self._cancel()

    def _configure(self, settings: Settings) -> Iterator[Out]:
        self._settings = settings
        if msgspec.json.encode(self._setup()) == self._opened_with:
            return
        if not self._knows_anything or (self._handle is not None and self._handle_is_whole and not self._is_running):
            yield Reopen()
        elif self._handle is not None or self._is_running:
            self._leaves = True
        else:
            yield NotCarried(
                "session", "the session is set by its beginning, and cannot be resumed with other settings"
            )

    def _sound(self, samples: bytes, rate: int) -> Iterator[Out]:
        if rate != self._resampler.source:
            yield from self._rest_of_sound()
            self._resampler = Resampler(rate, HEARD_RATE)
        yield from _spoken(self._resampler.change(samples))
        self._knows_anything = True

    def _rest_of_sound(self) -> Iterator[Out]:
        yield from _spoken(self._resampler.flush())

    def _add(self, message: Message) -> Iterator[Out]:
        if len(self._pending) >= MOST_PENDING:
            yield NotCarried("item", "too many items wait for an answer")
            return
        parts: list[dict[str, Any]] = []
        for part in message.parts:
            match part:
                case Text(text):
                    parts.append({"text": text})
                case Image(Inline(media_type, data)):
                    parts.append({"inlineData": {"mimeType": media_type, "data": data}})
                case ToolCall(id=identity, name=name, arguments=arguments):
                    call = {"id": identity, "name": name, "args": as_object(arguments) or {}}
                    parts.append({"functionCall": call})
                case _:
                    yield NotCarried("item.content", "the upstream takes text and images that stand in the item")
                    return
        role = "model" if message.role is Role.ASSISTANT else "user"
        self._pending.append({"role": role, "parts": parts})

    def _add_result(self, ask: AddResult) -> Iterator[Out]:
        name = self._waiting.get(ask.call)
        if ask.call in self._dropped:
            self._dropped.discard(ask.call)
            yield NotCarried("item.call_id", "nobody waits for what this call brings any more", "tool_call_cancelled")
        elif name is None:
            yield NotCarried("item.call_id", "no call of this id waits for what it brings")
        else:
            del self._waiting[ask.call]
            output = as_object(ask.output)
            response = {"result": ask.output} if output is None or not ask.output.strip() else output
            self._results.append({"id": ask.call, "name": name, "response": response})
            if self._is_wanted and self._is_running:
                yield from self._tell_results()

    def _respond(self) -> Iterator[Out]:
        self._knows_anything = self._is_wanted = True
        self._handle_is_whole = False
        self._is_muted = self._is_cancelled = False
        if self._results:
            yield from self._flush_pending()
            yield from self._tell_results()
        elif self._turn_closed:
            yield from self._flush_pending()
            yield _input(activityEnd={})
        else:
            self._supersede()
            turns, self._pending = self._pending, []
            yield _frame(clientContent={**({"turns": turns} if turns else {}), "turnComplete": True})
        self._turn_closed = False

    def _tell_results(self) -> Iterator[Out]:
        results, self._results = self._results, []
        yield _frame(toolResponse={"functionResponses": results})

    def _flush_pending(self) -> Iterator[Out]:
        if self._pending:
            turns, self._pending = self._pending, []
            self._knows_anything = True
            yield _frame(clientContent={"turns": turns, "turnComplete": False})

    def _cancel(self) -> Iterator[Out]:
        """Whatever a client says in turns interrupts the model; what of the answer is on its way is not passed on."""
        if self._is_running or self._is_wanted:
            self._is_muted = self._is_cancelled = True
            yield _frame(clientContent={"turnComplete": False})

    def _supersede(self) -> None:
        """What is asked for now ends a turn that is running, of which the client waits for nothing any more."""
        if self._is_running:
            self._stale_ends += 1
            self._drop(self._waiting)
            self._waiting = {}

    def _drop(self, identities: Iterable[str]) -> None:
        if len(self._dropped) > MOST_PENDING:
            self._dropped.clear()
        self._dropped.update(identities)

    # ---- what it tells

    def came(self, frame: bytes) -> Iterator[Out]:
        """What a frame tells; raises ProtocolError where it is none of the API's."""
        try:
            read = _SERVER.decode(frame)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise ProtocolError(Side.UPSTREAM, "a frame is not what the API says") from None
        if read.usage_metadata is not None:
            self._usage = read_live_usage(read.usage_metadata) or self._usage
        if read.setup_complete is not None:
            yield Ready()
        if isinstance(read.code, int) and read.message is not None:
            yield Failed(str(read.code), read.message[:200])
        if read.tool_call_cancellation is not None:
            yield from self._calls_dropped(tuple(read.tool_call_cancellation.ids or ()))
        if read.server_content is not None:
            yield from self._content(read.server_content)
        if read.tool_call is not None:
            calls = tuple(
                Call(each.id or "", each.name or "", msgspec.json.encode(each.args or {}).decode())
                for each in read.tool_call.function_calls or ()
            )
            yield from self._called(calls)
        if read.go_away is not None:
            self._leaves = True
        if read.session_resumption_update is not None and read.session_resumption_update.resumable:
            self._handle = read.session_resumption_update.new_handle or self._handle
            self._handle_is_whole = not self._is_running and not self._is_wanted
        if self._leaves and self._may_leave():
            yield Reopen()

    def _may_leave(self) -> bool:
        """Whether another connection would know all that this one does."""
        if self._is_running or self._is_wanted or self._pending or self._turn_closed:
            return False
        return (self._handle is not None and self._handle_is_whole) or not self._knows_anything

    def _content(self, content: Content) -> Iterator[Out]:
        if content.input_transcription is not None and content.input_transcription.text:
            yield WordsHeard(content.input_transcription.text)
        for part in () if content.model_turn is None else content.model_turn.parts or ():
            if part.inline_data is not None and part.inline_data.data:
                yield from self._made(SoundMade(_samples(part.inline_data.data), _rate(part.inline_data.mime_type)))
            elif part.text and not part.thought:
                yield from self._made(TextMade(part.text))
        if content.output_transcription is not None and content.output_transcription.text:
            yield from self._made(WordsMade(content.output_transcription.text))
        if content.interrupted and (self._is_running or self._is_wanted):
            self._was_interrupted = self._is_running
            if self._is_running and not self._stale_ends:
                if not self._is_muted:
                    yield Interrupted()
                self._is_muted = True
        if content.turn_complete:
            yield from self._turn_complete()

    def _made(self, tell: SoundMade | TextMade | WordsMade) -> Iterator[Out]:
        yield from self._runs()
        if not self._is_muted and not self._stale_ends:
            yield tell

    def _runs(self) -> Iterator[Out]:
        """Something of a turn has come."""
        if not self._is_running:
            self._is_muted = self._is_muted and self._is_wanted
        self._is_running = self._knows_anything = True
        self._handle_is_whole = False
        if not self._is_shown and not self._is_muted and not self._stale_ends:
            self._is_shown = True
            yield TurnBegan()

    def _called(self, calls: tuple[Call, ...]) -> Iterator[Out]:
        yield from self._runs()
        if self._stale_ends or self._is_muted:
            return
        self._waiting.update({each.id: each.name for each in calls})
        self._is_shown = self._is_wanted = False
        usage, self._usage = self._usage, None
        yield Called(calls, usage)

    def _calls_dropped(self, identities: tuple[str, ...]) -> Iterator[Out]:
        known = tuple(each for each in identities if each in self._waiting)
        for each in known:
            del self._waiting[each]
        self._drop(known)
        self._results = [each for each in self._results if each["id"] not in identities]
        if known:
            yield CallsDropped(known)

    def _turn_complete(self) -> Iterator[Out]:
        interrupted, self._was_interrupted = self._was_interrupted, False
        if self._stale_ends:
            self._stale_ends -= 1
            self._is_running = self._is_shown = False
        elif self._is_running or self._is_wanted:
            cancelled = interrupted or self._is_muted
            reason = None if not cancelled else "client_cancelled" if self._is_cancelled else "turn_detected"
            yield from self._over("cancelled" if cancelled else "completed", reason)

    def _over(self, status: str, reason: str | None) -> Iterator[Out]:
        waits_for_nothing = not self._is_shown and not self._is_wanted
        self._is_running = self._is_shown = self._is_wanted = self._is_muted = self._is_cancelled = False
        self._waiting, self._results = {}, []
        usage, self._usage = self._usage, None
        if waits_for_nothing:
            self._usage = usage
        else:
            yield TurnEnded(status, reason, usage)

    # ---- how it is set up

    def _setup(self) -> dict[str, Any]:
        settings = self._settings
        generation: dict[str, Any] = {"responseModalities": ["AUDIO" if settings.speaks else "TEXT"]}
        if settings.max_output is not None:
            generation["maxOutputTokens"] = settings.max_output
        if settings.temperature is not None:
            generation["temperature"] = settings.temperature
        voice = settings.voice if settings.voice in GEMINI_VOICES else VOICES.get(settings.voice or "")
        if voice is not None and settings.speaks:
            generation["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice}}}
        setup: dict[str, Any] = {"model": f"models/{self._model}", "generationConfig": generation}
        if settings.instructions:
            setup["systemInstruction"] = {"parts": [{"text": settings.instructions}]}
        called = settings.choice is None or settings.choice.calling is not Calling.NONE
        if settings.tools and called:
            setup["tools"] = [{"functionDeclarations": [_function(each) for each in settings.tools]}]
        setup["realtimeInputConfig"] = self._turns()
        if settings.hears:
            setup["inputAudioTranscription"] = {}
        if settings.speaks and settings.tells:
            setup["outputAudioTranscription"] = {}
        if settings.slides:
            setup["contextWindowCompression"] = {"slidingWindow": {}}
        return setup

    def _turns(self) -> dict[str, Any]:
        turns = self._settings.turns
        if not turns.automatic:
            return {"automaticActivityDetection": {"disabled": True}}
        detection: dict[str, Any] = {}
        if turns.silence_ms is not None:
            detection["silenceDurationMs"] = turns.silence_ms
        if turns.padding_ms is not None:
            detection["prefixPaddingMs"] = turns.padding_ms
        handling = {} if turns.interrupts else {"activityHandling": "NO_INTERRUPTION"}
        return {"automaticActivityDetection": detection, **handling}


def _function(tool: Any) -> dict[str, Any]:
    written: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        written["description"] = tool.description
    if tool.parameters is not None:
        written["parametersJsonSchema"] = raw_of(tool.parameters)
    return written


def _frame(**fields: Any) -> Up:
    return Up(msgspec.json.encode(fields))


def _input(**fields: Any) -> Up:
    return _frame(realtimeInput=fields)


def _spoken(samples: bytes) -> Iterator[Up]:
    if samples:
        blob = {"mimeType": f"audio/pcm;rate={HEARD_RATE}", "data": base64.b64encode(samples).decode()}
        yield _input(audio=blob)


def _samples(data: str) -> bytes:
    try:
        return base64.b64decode(data.translate(_URL_SAFE), validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolError(Side.UPSTREAM, "sound is not base64") from None


def _rate(media_type: str | None) -> int:
    rate = (media_type or "").rpartition("rate=")[2]
    return int(rate) if rate.isdecimal() and 4_000 <= int(rate[:6]) <= 192_000 else SPOKEN_RATE


_URL_SAFE: Final = str.maketrans("-_", "+/")
