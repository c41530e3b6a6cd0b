"""An answer out of its events, and back: unary and streaming are one truth."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator

from routebook.chat.answer import ChatAnswer, Choice
from routebook.chat.events import (
    ArgumentsDelta,
    AudioDelta,
    AudioSeen,
    CitationSeen,
    Event,
    Failed,
    Finished,
    ForeignSeen,
    ImageSeen,
    LogprobsSeen,
    ReasoningDelta,
    RefusalDelta,
    SignatureSeen,
    Started,
    TextDelta,
    TierSeen,
    TokenLogprob,
    ToolCallEnded,
    ToolCallStarted,
    TranscriptDelta,
    UsageSeen,
)
from routebook.chat.parts import (
    Audio,
    Citation,
    Foreign,
    Image,
    Inline,
    Part,
    Reasoning,
    Refusal,
    Signature,
    Stored,
    Text,
    ToolCall,
)
from routebook.sound.converting import labelled


class _Block:
    """One part in the making: what it began as, and its pieces."""

    def __init__(self) -> None:
        self.whole: Image | Foreign | None = None
        self.call: ToolCallStarted | None = None
        self.kind: type[Text | Reasoning | Refusal | Audio] | None = None
        self.pieces: list[str] = []
        self.sound: list[str] = []
        self.heard: list[AudioSeen] = []
        self.citations: list[Citation] = []
        self.signature: Signature | None = None
        self.is_redacted = False

    def part(self) -> Part:
        """The part, as far as it came."""
        text = "".join(self.pieces)
        if self.whole is not None:
            return self.whole
        if self.call is not None:
            return ToolCall(self.call.id, self.call.name, text, self.call.kind, self.signature)
        if self.kind is Audio:
            return self._audio(text)
        if self.kind is Refusal:
            return Refusal(text)
        if self.kind is Text:
            return Text(text, tuple(self.citations), self.signature)
        return Reasoning(text, self.signature, self.is_redacted)

    def _audio(self, transcript: str) -> Audio:
        types = [each.media_type for each in self.heard if each.media_type is not None]
        ids = [each.id for each in self.heard if each.id is not None]
        ends = [each.expires_at for each in self.heard if each.expires_at is not None]
        sound = joined(self.sound)
        return Audio(
            Inline(types[-1] if types else labelled(sound), sound),
            transcript or None,
            ids[-1] if ids else None,
            ends[-1] if ends else None,
        )


class _Choice:
    """One answer in the making."""

    def __init__(self) -> None:
        self.blocks: dict[int, _Block] = {}
        self.finished: Finished | None = None
        self.logprobs: list[TokenLogprob] | None = None
        self.refusal_logprobs: list[TokenLogprob] | None = None

    def block(self, number: int) -> _Block:
        """The block of this number, new where there was none."""
        return self.blocks.setdefault(number, _Block())

    def choice(self) -> Choice:
        """The answer, as far as it came; parts stand in the order of their numbers."""
        end = self.finished
        return Choice(
            tuple(self.blocks[number].part() for number in sorted(self.blocks)),
            None if end is None else end.finish,
            None if end is None else end.stop_sequence,
            None if end is None else end.said,
            None if self.logprobs is None else tuple(self.logprobs),
            None if self.refusal_logprobs is None else tuple(self.refusal_logprobs),
        )


class Assembling:
    """An answer in the making: `take` events, `answer` at any time."""

    def __init__(self) -> None:
        self._choices: dict[int, _Choice] = {}
        self._started = Started()
        self._usage = ChatAnswer().usage
        self._tier: str | None = None
        self._fault = ChatAnswer().fault

    def __repr__(self) -> str:
        return f"<Assembling {len(self._choices)} choices>"

    def take(self, event: Event) -> None:
        """One more event."""
        match event:
            case Started():
                self._started = event
            case UsageSeen(usage):
                self._usage = usage
            case TierSeen(tier):
                self._tier = tier
            case Failed(fault):
                self._fault = fault
            case Finished():
                self._choice(event.choice).finished = event
            case LogprobsSeen():
                self._take_logprobs(event)
            case _:
                _grow(self._choice(event.choice).block(event.block), event)

    def answer(self) -> ChatAnswer:
        """The answer, as far as it came."""
        choices = tuple(
            self._choices[number].choice() if number in self._choices else Choice()
            for number in range(max(self._choices, default=-1) + 1)
        )
        begun = self._started
        return ChatAnswer(begun.id, begun.model, begun.created, choices, self._usage, self._tier, self._fault)

    def _choice(self, number: int) -> _Choice:
        return self._choices.setdefault(number, _Choice())

    def _take_logprobs(self, event: LogprobsSeen) -> None:
        choice = self._choice(event.choice)
        if event.of_refusal:
            choice.refusal_logprobs = [*(choice.refusal_logprobs or ()), *event.tokens]
        elif choice.logprobs is None:
            choice.logprobs = list(event.tokens)
        else:
            choice.logprobs += event.tokens


def _grow(block: _Block, event: Event) -> None:
    """One block takes one event of its own."""
    match event:
        case TextDelta(text):
            block.kind = block.kind or Text
            block.pieces.append(text)
        case ReasoningDelta(text):
            block.kind = block.kind or Reasoning
            block.pieces.append(text)
        case RefusalDelta(text):
            block.kind = block.kind or Refusal
            block.pieces.append(text)
        case ArgumentsDelta(text):
            block.pieces.append(text)
        case ToolCallStarted():
            block.call = event
        case TranscriptDelta(text):
            block.kind = Audio
            block.pieces.append(text)
        case AudioDelta(sound):
            block.kind = Audio
            block.sound.append(sound)
        case AudioSeen():
            block.kind = Audio
            block.heard.append(event)
        case CitationSeen(citation):
            block.kind = block.kind or Text
            block.citations.append(citation)
        case SignatureSeen():
            block.signature, block.is_redacted = event.signature, event.is_redacted
        case ImageSeen(image):
            block.whole = image
        case ForeignSeen(part):
            block.whole = part
        case _:
            pass


def assemble(events: Iterable[Event]) -> ChatAnswer:
    """The answer that the events tell of."""
    assembling = Assembling()
    for event in events:
        assembling.take(event)
    return assembling.answer()


def events_of(answer: ChatAnswer) -> Iterator[Event]:
    """Events that tell of the answer, each part whole: `assemble` makes the same answer of them."""
    yield Started(answer.id, answer.model, answer.created)
    for number, choice in enumerate(answer.choices):
        for block, part in enumerate(choice.parts):
            yield from _told(part, block, number)
        if choice.logprobs is not None:
            yield LogprobsSeen(choice.logprobs, number)
        if choice.refusal_logprobs is not None:
            yield LogprobsSeen(choice.refusal_logprobs, number, of_refusal=True)
        if choice.finish is not None:
            yield Finished(choice.finish, number, choice.stop_sequence, choice.said)
    if answer.tier is not None:
        yield TierSeen(answer.tier)
    if answer.usage is not None:
        yield UsageSeen(answer.usage)
    if answer.fault is not None:
        yield Failed(answer.fault)


def _told(part: Part, block: int, choice: int) -> Iterator[Event]:
    match part:
        case Text():
            yield TextDelta(part.text, block, choice)
            for citation in part.citations:
                yield CitationSeen(citation, block, choice)
        case Reasoning():
            if part.text or part.signature is None:
                yield ReasoningDelta(part.text, block, choice)
        case Refusal(text):
            yield RefusalDelta(text, block, choice)
        case ToolCall():
            yield ToolCallStarted(part.id, part.name, block, choice, part.kind)
            if part.arguments:
                yield ArgumentsDelta(part.arguments, block, choice)
            yield ToolCallEnded(block, choice)
        case Audio():
            yield from _sounded(part, block, choice)
        case Image():
            yield ImageSeen(part, block, choice)
        case Foreign():
            yield ForeignSeen(part, block, choice)
        case _:
            pass
    if isinstance(part, Text | Reasoning | ToolCall) and part.signature is not None:
        redacted = isinstance(part, Reasoning) and part.is_redacted
        yield SignatureSeen(part.signature, block, choice, redacted)


def _sounded(part: Audio, block: int, choice: int) -> Iterator[Event]:
    source = part.source
    kind = source.media_type if isinstance(source, Inline) else None
    held = source.id if isinstance(source, Stored) else part.id
    yield AudioSeen(block, choice, kind, held, part.expires_at)
    if part.transcript:
        yield TranscriptDelta(part.transcript, block, choice)
    if isinstance(source, Inline) and source.base64:
        yield AudioDelta(source.base64, block, choice)


def joined(pieces: list[str]) -> str:
    """One base64 text of several, each complete by itself; what is none is put behind the others as it is."""
    if not any(piece.endswith("=") for piece in pieces[:-1]):
        return "".join(pieces)
    try:
        return base64.b64encode(b"".join(base64.b64decode(piece) for piece in pieces)).decode("ascii")
    except (binascii.Error, ValueError):
        return "".join(pieces)
