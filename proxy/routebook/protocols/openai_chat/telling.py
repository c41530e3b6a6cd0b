"""What an answer says, told as events: one way for whole answers and for streams, so that both say the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from routebook.chat.events import (
    ArgumentsDelta,
    AudioDelta,
    AudioSeen,
    CitationSeen,
    Event,
    Finished,
    ImageSeen,
    LogprobsSeen,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    TokenLogprob,
    ToolCallEnded,
    ToolCallStarted,
    TranscriptDelta,
)
from routebook.chat.parts import Citation, ForeignCitation, Image, Json, ToolKind, UrlCitation
from routebook.protocols.media import read_url
from routebook.protocols.openai_chat.finishes import read_finish
from routebook.protocols.openai_chat.wire import (
    WireAudio,
    WireCall,
    WireChoice,
    WireFunction,
    WireImage,
    WireLogprob,
    WireMessage,
    WirePart,
)

MOST_CALLS: Final = 1024
"""Calls of tools in one answer; what comes beyond is no answer."""


LONGEST: Final = 100
"""Characters of an upstream's word for its reason to stop that are kept."""


class _Call:
    """A call in the making. It begins when its name is known; what comes before is held."""

    def __init__(self, block: int) -> None:
        self.block = block
        self.id: str | None = None
        self.held: list[str] = []
        self.begun = False
        self.has_arguments = False
        self.kind = ToolKind.FUNCTION


class Telling:
    """One answer's events. `tell` takes what came of it; blocks are numbered as they begin."""

    def __init__(self, choice: int, seed: str) -> None:
        self._choice = choice
        self._seed = seed
        self._blocks: dict[str, int] = {}
        self._next = 0
        self._calls: list[_Call] = []
        self._at: dict[int, _Call] = {}
        self._reason: str | None = None

    def __repr__(self) -> str:
        return f"<Telling choice {self._choice}, {self._next} blocks>"

    def tell(self, said: WireMessage | None, piece: WireChoice) -> Iterator[Event]:
        """What happens in this piece of the answer. Its reason to stop is kept for the end: some send text after it."""
        if said is not None:
            yield from self._tell_words(said)
            if said.audio is not None:
                yield from self._tell_audio(said.audio)
            for call in said.tool_calls or ():
                yield from self._tell_call(call)
            if said.function_call is not None:
                yield from self._tell_call(WireCall(function=said.function_call))
            yield from self._tell_others(said)
        if piece.logprobs is not None:
            if piece.logprobs.content:
                yield LogprobsSeen(_logprobs(piece.logprobs.content), self._choice)
            if piece.logprobs.refusal:
                yield LogprobsSeen(_logprobs(piece.logprobs.refusal), self._choice, of_refusal=True)
        self._reason = piece.finish_reason or self._reason

    def end(self) -> Iterator[Event]:
        """Nothing more comes: every call ends, and so does the answer."""
        for call in self._calls:
            if not call.begun:
                yield from self._begin(call, "")
            if not call.has_arguments and call.kind is ToolKind.FUNCTION:
                yield ArgumentsDelta("{}", call.block, self._choice)
            yield ToolCallEnded(call.block, self._choice)
        if self._reason is not None:
            finish = read_finish(self._reason, bool(self._calls))
            yield Finished(finish, self._choice, said=self._reason[:LONGEST])

    def _tell_words(self, said: WireMessage) -> Iterator[Event]:
        thought = said.reasoning_content or said.reasoning
        text = said.content
        if isinstance(text, list):
            thought = (thought or "") + "".join(_thought(part) for part in text)
            text = "".join(part.text or "" for part in text if part.type != "thinking")
        if thought:
            yield ReasoningDelta(thought, self._block("reasoning"), self._choice)
        if text:
            yield TextDelta(text, self._block("text"), self._choice)
        if said.refusal:
            yield RefusalDelta(said.refusal, self._block("refusal"), self._choice)

    def _tell_others(self, said: WireMessage) -> Iterator[Event]:
        for image in said.images or ():
            yield from self._tell_image(image)
        for annotation in said.annotations or ():
            yield CitationSeen(_citation(annotation), self._block("text"), self._choice)

    def _tell_audio(self, audio: WireAudio) -> Iterator[Event]:
        block = self._block("audio")
        if audio.id is not None or audio.expires_at is not None:
            yield AudioSeen(block, self._choice, None, audio.id, audio.expires_at)
        if audio.transcript:
            yield TranscriptDelta(audio.transcript, block, self._choice)
        if audio.data:
            yield AudioDelta(audio.data, block, self._choice)

    def _tell_image(self, image: WireImage) -> Iterator[Event]:
        url = None if image.image_url is None else image.image_url.url
        if url:
            try:
                source = read_url(url)
            except ValueError:
                return
            yield ImageSeen(Image(source), self._new_block(), self._choice)

    def _tell_call(self, piece: WireCall) -> Iterator[Event]:
        call = self._call(piece)
        if call is None:
            return
        function = piece.function or piece.custom or WireFunction()
        if piece.id:
            call.id = call.id or piece.id
        if piece.custom is not None or piece.type == "custom":
            call.kind = ToolKind.CUSTOM
        if function.name and not call.begun:
            yield from self._begin(call, function.name)
        written = function.arguments if function.input is None else function.input
        if isinstance(written, dict):
            written = msgspec.json.encode(written).decode("utf-8")
        if written:
            call.has_arguments = True
            if call.begun:
                yield ArgumentsDelta(written, call.block, self._choice)
            else:
                call.held.append(written)

    def _begin(self, call: _Call, name: str) -> Iterator[Event]:
        call.begun = True
        identity = call.id or f"call_{self._seed}_{self._choice}_{call.block}"
        yield ToolCallStarted(identity, name, call.block, self._choice, call.kind)
        if call.held:
            yield ArgumentsDelta("".join(call.held), call.block, self._choice)

    def _call(self, piece: WireCall) -> _Call | None:
        """The call that a piece belongs to, new where it begins one.

        Some who imitate the API number all calls 0, or none; a new id, or a name without any number, is a new call.
        """
        function = piece.function or piece.custom
        if piece.index is None:
            call = self._calls[-1] if self._calls else None
            is_new = call is None or bool(function is not None and function.name and call.begun and piece.id != call.id)
        else:
            call = self._at.get(piece.index)
            is_new = call is None or bool(piece.id and call.id and piece.id != call.id)
        if not is_new:
            return call
        if len(self._calls) >= MOST_CALLS:
            return None
        call = _Call(self._new_block())
        self._calls.append(call)
        if piece.index is not None:
            self._at[piece.index] = call
        return call

    def _block(self, kind: str) -> int:
        found = self._blocks.get(kind)
        if found is None:
            found = self._blocks[kind] = self._new_block()
        return found

    def _new_block(self) -> int:
        self._next += 1
        return self._next - 1


def _thought(part: WirePart) -> str:
    if part.type != "thinking":
        return ""
    inner = part.thinking
    return inner if isinstance(inner, str) else "".join(each.text or "" for each in inner or ())


def _citation(annotation: dict[str, Any]) -> Citation:
    inner = annotation.get("url_citation")
    if annotation.get("type") == "url_citation" and isinstance(inner, dict) and isinstance(inner.get("url"), str):
        title, start, end = inner.get("title"), inner.get("start_index"), inner.get("end_index")
        return UrlCitation(
            inner["url"],
            title if isinstance(title, str) else None,
            start if isinstance(start, int) else None,
            end if isinstance(end, int) else None,
        )
    return ForeignCitation("openai-chat", Json(msgspec.json.encode(annotation).decode("utf-8")))


def _logprobs(tokens: list[WireLogprob]) -> tuple[TokenLogprob, ...]:
    return tuple(
        TokenLogprob(
            each.token,
            each.logprob,
            None if each.bytes is None else tuple(each.bytes),
            tuple(
                TokenLogprob(top.token, top.logprob, None if top.bytes is None else tuple(top.bytes))
                for top in each.top_logprobs or ()
            ),
        )
        for each in tokens
    )
