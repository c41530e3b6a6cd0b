"""A client of Realtime, for upstreams of other APIs: its events as what they ask for, and what is told as its events.

What cannot be carried is answered with an `error` event that names it and the client's own event; the session goes on.
Responses, items and events have ids of ours. The model and what it speaks of are the upstream's.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from routebook.chat.conversation import Message, Role
from routebook.chat.loss import Done, Loss
from routebook.chat.parts import Image, Inline, Part, Text, ToolCall
from routebook.chat.resampling import decoded
from routebook.chat.talk import (
    UNSUPPORTED,
    Add,
    AddResult,
    Ask,
    Called,
    CallsDropped,
    Cancel,
    Close,
    CloseTurn,
    Configure,
    Down,
    Failed,
    Interrupted,
    NotCarried,
    OpenTurn,
    PauseSound,
    Ready,
    Respond,
    Sound,
    SoundMade,
    SpeechBegan,
    SpeechEnded,
    Tell,
    TextMade,
    TurnBegan,
    TurnEnded,
    WordsHeard,
    WordsMade,
)
from routebook.protocols.errors import ProtocolError, Side
from routebook.protocols.openai_errors import error_object
from routebook.protocols.openai_realtime.answering import Answering, Event
from routebook.protocols.openai_realtime.hearing import Hearing
from routebook.protocols.openai_realtime.settings import changed, coding_of, configure, first_session, shown
from routebook.protocols.session_codecs import Heard
from routebook.protocols.sessions import Wish

_SHORTEST_MS: Final = 100
_MOST_SPOKEN: Final = 64
"""Messages of which it is remembered how long their sound is."""

_DATA_URL: Final = re.compile(r"data:(image/[a-z+.-]{1,30});base64,([A-Za-z0-9+/]+={0,2})")
_OVERRIDES: Final = frozenset({"metadata", "output_modalities", "conversation"})


class RealtimeClient:
    """One session (`protocols.session_codecs.ClientCodec`). `seed` makes its ids its own; `model` is what it is told that
    it talks to, and `asked` what it calls that itself; `settings` is what it begins with, as JSON. Raises ProtocolError
    where those are none."""

    def __init__(self, seed: str, model: str, asked: str = "", settings: bytes = b"") -> None:
        self._seed = seed
        self._numbers = itertools.count(1)
        self._session = first_session(f"sess_{seed}", model)
        self._asked = asked
        self._first: Event = {}
        if settings:
            self._first = self._named({"session": msgspec.json.decode(settings)})
            self._session = changed(self._session, self._first)
        self._hearing = Hearing(self._item_id)
        self._is_ready = False
        self._answering: Answering | None = None
        self._is_explicit = False
        self._spoken: dict[str, int] = {}
        self._last: str | None = None
        self._event: str | None = None
        self._was_refused = False
        self._told: set[str] = set()

    def __repr__(self) -> str:
        return f"<RealtimeClient {self._seed}, {'answering' if self._answering else 'quiet'}>"

    def settings(self) -> Configure:
        """What the API has where its client says nothing, and what the session's key says."""
        return configure(self._session, self._first)

    # ---- what it says

    def hear(self, frame: bytes) -> Heard:
        """Which event it is; raises ProtocolError."""
        try:
            event = msgspec.json.decode(frame)
        except (ValueError, RecursionError):
            raise ProtocolError(Side.CLIENT, "the event is not JSON", code="invalid_event") from None
        kind = event.get("type") if isinstance(event, dict) else None
        if not isinstance(kind, str):
            raise ProtocolError(Side.CLIENT, "the event has no type", code="invalid_event", param="type")
        identity = event.get("event_id")
        named = identity if isinstance(identity, str) else None
        asks = kind == "response.create"
        return Heard(Wish(asks, kind in _SPEAKING and self._is_automatic, named), event)

    def take(self, heard: Heard) -> Iterator[Ask | Down]:
        """Follow an event; raises ProtocolError where it cannot be."""
        event: Event = heard.said
        self._event, self._was_refused = heard.wish.event, False
        handler = _HANDLERS.get(event["type"])
        if handler is None:
            if event["type"] in _UNSUPPORTED:
                raise _unsupported(event["type"], "the upstream's API has nothing like it")
            raise ProtocolError(Side.CLIENT, "there is no event of this type", code="invalid_value", param="type")
        yield from handler(self, event)
        self._event = None

    def _update(self, event: Event) -> Iterator[Ask | Down]:
        update = self._named(event)
        yield configure(changed(self._session, update), update)

    def _named(self, event: Event) -> Any:
        """The settings in an event; some clients say their own name of the model again."""
        update = event.get("session")
        if isinstance(update, dict) and update.get("model") == self._asked:
            return {**update, "model": self._session["model"]}
        return update

    def _append(self, event: Event) -> Iterator[Ask | Down]:
        coding = coding_of(self._session, "input")
        try:
            sound = base64.b64decode(event.get("audio") or "", validate=True)
        except (binascii.Error, ValueError, TypeError):
            raise ProtocolError(Side.CLIENT, "the sound is not base64", code="invalid_value", param="audio") from None
        if not self._is_automatic and not self._hearing.is_open:
            self._hearing.is_open = True
            yield OpenTurn()
        self._hearing.add(len(sound) / coding.bytes_per_ms)
        yield Sound(decoded(sound, coding), coding.rate)

    def _commit(self, event: Event) -> Iterator[Ask | Down]:
        if self._hearing.buffered_ms < _SHORTEST_MS:
            words = f"the buffer holds less than {_SHORTEST_MS} ms of sound"
            raise ProtocolError(Side.CLIENT, words, code="input_audio_buffer_commit_empty")
        yield PauseSound() if self._is_automatic else CloseTurn()
        if not self._is_automatic:
            self._hearing.is_committed = True
            yield from self._events(self._hearing.committed(self._last))

    def _clear(self, event: Event) -> Iterator[Ask | Down]:
        if self._hearing.buffered_ms:
            raise _unsupported("input_audio_buffer.clear", "the upstream has heard what was sent")
        yield self._write({"type": "input_audio_buffer.cleared"})

    def _add(self, event: Event) -> Iterator[Ask | Down]:
        item = event.get("item")
        if not isinstance(item, dict):
            raise ProtocolError(Side.CLIENT, "an item is expected", code="invalid_value", param="item")
        if item.get("type") == "function_call_output":
            yield AddResult(_word(item, "call_id"), "", _word(item, "output"))
        elif item.get("type") == "function_call":
            call = ToolCall(_word(item, "call_id"), _word(item, "name"), _word(item, "arguments"))
            yield Add(Message(Role.ASSISTANT, (call,)))
        else:
            yield Add(_message(item))
        if self._was_refused:
            return
        given = item.get("id")
        identity = given if isinstance(given, str) and given else self._item_id()
        yield from self._events(_item_events({**item, "id": identity}))

    def _truncate(self, event: Event) -> Iterator[Ask | Down]:
        identity, at = _word(event, "item_id"), event.get("audio_end_ms")
        spoken = self._spoken.get(identity)
        if spoken is None and self._answering is not None and self._answering.item == identity:
            spoken = self._answering.spoken_ms
        if spoken is None:
            words = "there is no item of this id with sound"
            raise ProtocolError(Side.CLIENT, words, code="item_truncate_invalid_item_id", param="item_id")
        if isinstance(at, bool) or not isinstance(at, int) or at < spoken:
            raise _unsupported("audio_end_ms", "the upstream remembers of an answer what it has sent of it")
        told = {"item_id": identity, "content_index": event.get("content_index", 0), "audio_end_ms": at}
        yield self._write({"type": "conversation.item.truncated", **told})

    def _create(self, event: Event) -> Iterator[Ask | Down]:
        if self._answering is not None:
            words = "a response is running already"
            raise ProtocolError(Side.CLIENT, words, code="conversation_already_has_active_response")
        wish = event.get("response") or {}
        self._check_wish(wish)
        self._hearing.is_open = self._hearing.is_committed = False
        yield Respond()
        if self._was_refused:
            return
        self._is_explicit = True
        yield from self._begin(wish)

    def _check_wish(self, wish: Any) -> None:
        """A response is as the session is set, or is refused."""
        if not isinstance(wish, dict):
            raise ProtocolError(Side.CLIENT, "an object is expected", code="invalid_value", param="response")
        session = self._session
        for name, value in wish.items():
            same = name in session and value == session[name]
            if value is None or same or (name == "metadata" and isinstance(value, dict)):
                continue
            if name == "conversation" and value == "auto":
                continue
            raise _unsupported(f"response.{str(name)[:40]}", "a response is as its session is set")

    def _cancel(self, event: Event) -> Iterator[Ask | Down]:
        if self._answering is None:
            raise ProtocolError(Side.CLIENT, "no response is running", code="response_cancel_not_active")
        yield Cancel()

    # ---- what it hears

    def refuse(self, error: ProtocolError, event: str | None) -> Iterator[Down | Close]:
        """What a client did that cannot be followed."""
        self._event = None
        yield self._error(error.code, error.message, error.param, event)

    def configured(self, heard: Heard, losses: Sequence[Loss]) -> Iterator[Down]:
        """The session as it is set now; what was dropped is named, each thing once."""
        update = self._named(heard.said)
        self._session = changed(self._session, update)
        configure(self._session, update)
        yield self._write({"type": "session.updated", "session": shown(self._session)})
        new = [loss for loss in losses if loss.done is Done.DROPPED and loss.path not in self._told]
        self._told.update(loss.path for loss in new)
        if new:
            yield self._lost(new, "is left out", heard.wish.event)

    def denied(self, heard: Heard, losses: Sequence[Loss]) -> Iterator[Down | Close]:
        """What must not be lost, so that nothing was set."""
        refused = [loss for loss in losses if loss.done is Done.REFUSED]
        yield self._lost(refused, "cannot be carried, so nothing was set", heard.wish.event)

    def tell(self, tell: Tell) -> Iterable[Down | Close | Ask]:
        """The events that say it."""
        match tell:
            case Ready():
                if not self._is_ready:
                    self._is_ready = True
                    yield self._write({"type": "session.created", "session": shown(self._session)})
            case TurnBegan():
                yield from self._began()
            case SoundMade(samples, rate):
                yield from self._events(self._current().sound(samples, rate))
            case WordsMade(text):
                yield from self._events(self._current().words(text))
            case TextMade(text):
                yield from self._events(self._current().text(text))
            case Called(calls, usage):
                yield from self._events(self._current().calls(calls))
                yield from self._done("completed", None, usage)
            case CallsDropped(identities):
                words = f"nobody waits for what {', '.join(identities)[:300]} brings any more"
                yield self._error("tool_call_cancelled", words, None, None)
            case Interrupted() | SpeechBegan():
                yield from self._speech_began()
            case SpeechEnded():
                yield from self._events(self._hearing.committed(self._last))
            case WordsHeard(text, _):
                yield from self._heard(text)
            case TurnEnded(status, reason, usage):
                yield from self._done(status, reason, usage)
            case NotCarried(what, why, code):
                self._was_refused = True
                yield self._error(code, f"{why} (`{what}`)", what, self._event)
            case Failed(code, message):
                yield self._error(code or "upstream.error-event", message, None, None)

    @property
    def _is_automatic(self) -> bool:
        return self._session["audio"]["input"]["turn_detection"] is not None

    def _current(self) -> Answering:
        """The response that runs; one that nobody announced begins now."""
        if self._answering is None:
            self._answering = self._new({})
        return self._answering

    def _began(self) -> Iterator[Down]:
        if self._answering is not None:
            return
        if self._is_automatic:
            yield from self._events(self._hearing.committed(self._last))
        yield from self._begin({})

    def _begin(self, wish: Event) -> Iterator[Down]:
        self._answering = self._new(wish)
        yield self._write(self._answering.created())

    def _new(self, wish: Event) -> Answering:
        speaks = self._session["output_modalities"] == ["audio"]
        identity = f"resp_{self._seed}{next(self._numbers):05d}"
        return Answering(identity, speaks, coding_of(self._session, "output"), wish)

    def _done(self, status: str, reason: str | None, usage: Any) -> Iterator[Down]:
        answering, self._answering, self._is_explicit = self._current(), None, False
        yield from self._events(answering.done(status, reason, usage))
        item = answering.item
        if item is not None and answering.speaks:
            self._spoken[item] = answering.spoken_ms
            if len(self._spoken) > _MOST_SPOKEN:
                del self._spoken[next(iter(self._spoken))]
        yield from self._events(self._hearing.written_down())

    def _speech_began(self) -> Iterator[Down]:
        if self._is_automatic:
            yield from self._events(self._hearing.began())

    def _heard(self, text: str) -> Iterator[Down]:
        if self._is_automatic and self._answering is None:
            yield from self._events(self._hearing.began())
        yield from self._events(self._hearing.words(text))

    def _events(self, events: Iterable[Event]) -> Iterator[Down]:
        for event in events:
            if event["type"] == "conversation.item.added":
                event["previous_item_id"], self._last = self._last, event["item"]["id"]
            yield self._write(event)

    def _write(self, event: Event) -> Down:
        identity = f"event_{self._seed}{next(self._numbers):06d}"
        return Down(msgspec.json.encode({"type": event["type"], "event_id": identity, **event}))

    def _error(self, code: str, message: str, param: str | None, event: str | None) -> Down:
        said = error_object(400, message, code=code, param=param)
        return self._write({"type": "error", "error": {**said, "event_id": event}})

    def _lost(self, losses: Sequence[Loss], what: str, event: str | None) -> Down:
        words = "; ".join(f"`{loss.path}` {what}: {loss.why}" for loss in losses)
        return self._error(UNSUPPORTED, words, losses[0].path, event)

    def _item_id(self) -> str:
        return f"item_{self._seed}{next(self._numbers):05d}"


_HANDLERS: Final[Mapping[str, Callable[[RealtimeClient, Event], Iterator[Ask | Down]]]] = {
    "session.update": RealtimeClient._update,
    "input_audio_buffer.append": RealtimeClient._append,
    "input_audio_buffer.commit": RealtimeClient._commit,
    "input_audio_buffer.clear": RealtimeClient._clear,
    "conversation.item.create": RealtimeClient._add,
    "conversation.item.truncate": RealtimeClient._truncate,
    "response.create": RealtimeClient._create,
    "response.cancel": RealtimeClient._cancel,
}
_UNSUPPORTED: Final = frozenset({"conversation.item.delete", "conversation.item.retrieve", "output_audio_buffer.clear"})
_SPEAKING: Final = frozenset({"input_audio_buffer.append", "input_audio_buffer.commit"})


def _message(item: Event) -> Message:
    role = {"user": Role.USER, "assistant": Role.ASSISTANT}.get(item.get("role", ""))
    if item.get("type") != "message" or role is None:
        raise _unsupported(
            "item.role" if item.get("type") == "message" else "item.type", "users and assistants speak here"
        )
    content = item.get("content")
    if not isinstance(content, list):
        raise ProtocolError(Side.CLIENT, "a list is expected", code="invalid_value", param="item.content")
    return Message(role, tuple(_part(part, f"item.content[{number}]") for number, part in enumerate(content)))


def _part(part: Any, path: str) -> Part:
    kind = part.get("type") if isinstance(part, dict) else None
    match kind:
        case "input_text" | "output_text" | "text":
            return Text(_word(part, "text"))
        case "output_audio" | "audio" if part.get("transcript"):
            return Text(_word(part, "transcript"))
        case "input_image":
            found = _DATA_URL.fullmatch(_word(part, "image_url"))
            if found is not None:
                return Image(Inline(found[1], found[2]))
    raise _unsupported(f"{path}.type", "the upstream takes text, and images that stand in the item")


def _item_events(item: Event) -> Iterator[Event]:
    whole = {"object": "realtime.item", "status": "completed", **item}
    yield {"type": "conversation.item.added", "previous_item_id": None, "item": whole}
    yield {"type": "conversation.item.done", "previous_item_id": None, "item": whole}


def _word(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise ProtocolError(Side.CLIENT, f"a text is expected at `{name}`", code="invalid_value", param=name)
    return value


def _unsupported(what: str, why: str) -> ProtocolError:
    return ProtocolError(Side.CLIENT, f"`{what}` cannot be carried: {why}", code=UNSUPPORTED, param=what)
