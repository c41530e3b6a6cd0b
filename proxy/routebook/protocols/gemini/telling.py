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
    Failed,
    Finished,
    ForeignSeen,
    ImageSeen,
    LogprobsSeen,
    ReasoningDelta,
    SignatureSeen,
    TextDelta,
    TokenLogprob,
    ToolCallEnded,
    ToolCallStarted,
)
from routebook.chat.faults import Fault
from routebook.chat.parts import Foreign, Image, Inline, Json, Signature, Url, UrlCitation
from routebook.protocols.gemini.answers import short
from routebook.protocols.gemini.carries import DIALECT, UNSIGNED
from routebook.protocols.gemini.finishes import FAILURES, read_finish
from routebook.protocols.gemini.sources import Texts, read_citation, read_grounding
from routebook.protocols.gemini.wire import WireBlob, WireCall, WireCandidate, WireFile, WireLogprobs, WirePart
from routebook.protocols.media import standard

MOST_BLOCKS: Final = 65_536
"""Parts of one answer; what comes beyond is no answer."""


class Telling:
    """One answer's events. `tell` takes what came of it; neighbouring pieces of one kind are one block, which a
    signature closes."""

    def __init__(self, choice: int, seed: str) -> None:
        self._choice = choice
        self._seed = seed
        self._next = 0
        self._open: str | None = None
        self._calls = 0
        self._texts = Texts()
        self._cited: set[tuple[int, UrlCitation]] = set()
        self._reason: str | None = None

    def __repr__(self) -> str:
        return f"<Telling choice {self._choice}, {self._next} blocks>"

    @property
    def finished(self) -> bool:
        """Whether the answer may end here."""
        return self._reason is not None

    def tell(self, candidate: WireCandidate) -> Iterator[Event]:
        """What happens in this piece. A reason to stop is kept for the end: some give one with every piece."""
        content = candidate.content
        for part in (content.parts if content is not None else None) or ():
            if self._next < MOST_BLOCKS:
                yield from self._tell_part(part)
        if candidate.logprobs_result is not None and (tokens := _logprobs(candidate.logprobs_result)):
            yield LogprobsSeen(tokens, self._choice)
        yield from self._tell_sources(candidate)
        reason = candidate.finish_reason
        if reason in FAILURES:
            said = candidate.finish_message or f"the model failed: {reason}"
            yield Failed(Fault(FAILURES[reason], said, short(reason)))
        self._reason = reason or self._reason

    def end(self) -> Iterator[Event]:
        """Nothing more comes."""
        if self._reason is not None and self._reason not in FAILURES:
            yield Finished(read_finish(self._reason, bool(self._calls)), self._choice, said=short(self._reason))

    def _tell_part(self, part: WirePart) -> Iterator[Event]:
        seal = None if part.thought_signature == UNSIGNED else part.thought_signature
        if part.function_call is not None:
            yield from self._tell_call(part.function_call, seal)
        elif part.inline_data is not None and not part.thought:
            yield from self._tell_media(part.inline_data, seal)
        elif part.text is not None or (seal is not None and not _is_foreign(part)):
            yield from self._tell_text(part, seal)
        elif part.file_data is not None:
            yield from self._tell_file(part.file_data)
        elif (found := _foreign(part)) is not None:
            yield ForeignSeen(found, self._new_block(), self._choice)

    def _tell_text(self, part: WirePart, seal: str | None) -> Iterator[Event]:
        text = part.text or ""
        if not text and seal is None:
            return
        begun = self._next
        block = self._block("thought" if part.thought else "text")
        if part.thought:
            if text:
                yield ReasoningDelta(text, block, self._choice)
        elif text or self._next > begun:
            self._texts.add(block, text)
            yield TextDelta(text, block, self._choice)
        yield from self._seal(seal, block)

    def _tell_call(self, call: WireCall, seal: str | None) -> Iterator[Event]:
        block = self._new_block()
        if call.partial_args or call.will_continue:
            yield Failed(Fault(502, "the upstream sent a call in pieces, which nobody asked for", "partial_call"))
            return
        self._calls += 1
        identity = call.id or f"call_{self._seed}_{self._choice}_{block}"
        yield ToolCallStarted(identity, call.name or "", block, self._choice)
        yield ArgumentsDelta(written(call.args or {}), block, self._choice)
        yield ToolCallEnded(block, self._choice)
        yield from self._seal(seal, block)

    def _tell_media(self, blob: WireBlob, seal: str | None) -> Iterator[Event]:
        kind = blob.mime_type or "application/octet-stream"
        try:
            data = standard(blob.data or "")
        except ValueError:
            return
        if kind.startswith("image/"):
            block = self._new_block()
            signature = None if seal is None else Signature(DIALECT, seal)
            yield ImageSeen(Image(Inline(kind, data), signature=signature), block, self._choice)
        elif kind.startswith("audio/"):
            is_new = self._open != "audio"
            block = self._block("audio")
            if is_new:
                yield AudioSeen(block, self._choice, kind)
            if data:
                yield AudioDelta(data, block, self._choice)
        else:
            json = Json(written({"inlineData": {"mimeType": kind, "data": data}}))
            yield ForeignSeen(Foreign(DIALECT, "inlineData", json), self._new_block(), self._choice)

    def _tell_file(self, file: WireFile) -> Iterator[Event]:
        if file.file_uri and (file.mime_type or "").startswith("image/"):
            yield ImageSeen(Image(Url(file.file_uri, file.mime_type)), self._new_block(), self._choice)
        elif file.file_uri:
            json = Json(written({"fileData": {"mimeType": file.mime_type, "fileUri": file.file_uri}}))
            yield ForeignSeen(Foreign(DIALECT, "fileData", json), self._new_block(), self._choice)

    def _tell_sources(self, candidate: WireCandidate) -> Iterator[Event]:
        """Sources may be told again with every piece; each is told once."""
        cited, grounded = candidate.citation_metadata, candidate.grounding_metadata
        found: list[tuple[int, UrlCitation]] = []
        if cited is not None:
            sources = cited.citations or cited.citation_sources or ()
            found += [source for each in sources if (source := read_citation(each, self._texts)) is not None]
        if grounded is not None:
            found += read_grounding(grounded, self._texts)
        for block, citation in found:
            if (block, citation) not in self._cited:
                self._cited.add((block, citation))
                yield CitationSeen(citation, block, self._choice)

    def _seal(self, seal: str | None, block: int) -> Iterator[Event]:
        if seal is not None:
            self._open = None
            yield SignatureSeen(Signature(DIALECT, seal), block, self._choice)

    def _block(self, kind: str) -> int:
        """The block that grows, where it is of this kind, else a new one."""
        if self._open != kind:
            self._new_block()
            self._open = kind
        return self._next - 1

    def _new_block(self) -> int:
        self._open = None
        self._next += 1
        return self._next - 1


def written(value: Any) -> str:
    """A value as JSON."""
    return msgspec.json.encode(value).decode("utf-8")


_FOREIGN: Final = ("executable_code", "code_execution_result", "tool_call", "tool_response", "inline_data")


def _is_foreign(part: WirePart) -> bool:
    return part.file_data is not None or any(getattr(part, name) is not None for name in _FOREIGN)


def _foreign(part: WirePart) -> Foreign | None:
    """What only this dialect knows: its own tools at work, and pictures in thoughts."""
    for name in _FOREIGN:
        if getattr(part, name) is not None:
            key = msgspec.structs.fields(WirePart)[WirePart.__struct_fields__.index(name)].encode_name
            held: dict[str, Any] = {key: getattr(part, name)}
            if part.thought:
                held["thought"] = True
            if part.thought_signature is not None:
                held["thoughtSignature"] = part.thought_signature
            return Foreign(DIALECT, key, Json(written(held)))
    return None


def _logprobs(result: WireLogprobs) -> tuple[TokenLogprob, ...]:
    tops = result.top_candidates or []
    return tuple(
        TokenLogprob(
            each.token,
            each.log_probability,
            top=tuple(
                TokenLogprob(top.token, top.log_probability)
                for top in (tops[index].candidates if index < len(tops) else None) or ()
            ),
        )
        for index, each in enumerate(result.chosen_candidates or ())
    )
