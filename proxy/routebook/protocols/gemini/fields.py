"""Objects of a client's request: fields by their names in camel case, which clients also write with underscores.

Only names that the API has are taken for each other. What is nobody's business here (arguments, schemas, labels) is
never looked into, so that the client's own names stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Raw

from routebook.chat.parts import Json
from routebook.protocols.body import FIELDS, RAWS, WORD, WORDS, decode, is_null, json_of
from routebook.protocols.errors import ProtocolError, Side

T = TypeVar("T")

COUNT: Final = msgspec.json.Decoder(Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)], strict=False)
INT: Final = msgspec.json.Decoder(int, strict=False)
LABELS: Final = msgspec.json.Decoder(dict[str, str])


NAMES: Final = frozenset(
    [
        "systemInstruction",
        "generationConfig",
        "safetySettings",
        "toolConfig",
        "cachedContent",
        "serviceTier",
        "generateContentRequest",
        "inlineData",
        "fileData",
        "mimeType",
        "displayName",
        "fileUri",
        "functionCall",
        "functionResponse",
        "thoughtSignature",
        "videoMetadata",
        "mediaResolution",
        "executableCode",
        "codeExecutionResult",
        "toolCall",
        "toolResponse",
        "partMetadata",
        "willContinue",
        "partialArgs",
        "functionDeclarations",
        "parametersJsonSchema",
        "responseJsonSchema",
        "googleSearch",
        "googleSearchRetrieval",
        "codeExecution",
        "urlContext",
        "googleMaps",
        "fileSearch",
        "computerUse",
        "mcpServers",
        "functionCallingConfig",
        "allowedFunctionNames",
        "retrievalConfig",
        "includeServerSideToolInvocations",
        "streamFunctionCallArguments",
        "maxOutputTokens",
        "topP",
        "topK",
        "candidateCount",
        "stopSequences",
        "responseLogprobs",
        "presencePenalty",
        "frequencyPenalty",
        "responseMimeType",
        "responseSchema",
        "responseModalities",
        "speechConfig",
        "thinkingConfig",
        "includeThoughts",
        "thinkingBudget",
        "thinkingLevel",
        "imageConfig",
        "enableEnhancedCivicAnswers",
        "audioTimestamp",
        "voiceConfig",
        "prebuiltVoiceConfig",
        "voiceName",
        "languageCode",
        "multiSpeakerVoiceConfig",
        "routingConfig",
        "continuationToken",
        "taskType",
        "outputDimensionality",
        "autoTruncate",
        "realtimeInput",
        "clientContent",
        "contextUpdate",
        "functionResponses",
        "realtimeInputConfig",
        "automaticActivityDetection",
        "activityHandling",
        "turnCoverage",
        "startOfSpeechSensitivity",
        "endOfSpeechSensitivity",
        "prefixPaddingMs",
        "silenceDurationMs",
        "inputAudioTranscription",
        "outputAudioTranscription",
        "sessionResumption",
        "contextWindowCompression",
        "historyConfig",
        "mediaChunks",
        "activityStart",
        "activityEnd",
        "audioStreamEnd",
        "turnComplete",
        "enableAffectiveDialog",
    ]
)
"""Names of fields that have several words, wherever they stand."""

_SNAKE: Final = {re.sub("([A-Z])", lambda found: "_" + found[1].lower(), name): name for name in NAMES}


class Fields:
    """One object. What nobody takes is left, and is not passed over in silence."""

    def __init__(self, raw: Raw | bytes, at: str = "") -> None:
        self.at = at
        read = decode(FIELDS, raw, at)
        self._fields = {_SNAKE.get(name, name): each for name, each in read.items() if not is_null(each)}
        self._taken: set[str] = set()

    def __repr__(self) -> str:
        return f"<Fields {self.at or 'of the body'}: {', '.join(self._fields)}>"

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def place(self, name: str) -> str:
        """The path of a field."""
        return f"{self.at}.{name}" if self.at else name

    def take(self, name: str, decoder: msgspec.json.Decoder[T]) -> T | None:
        """A value in the decoder's type; None where there is none. Raises ProtocolError."""
        raw = self.raw(name)
        return None if raw is None else decode(decoder, raw, self.place(name))

    def word(self, name: str) -> str | None:
        """A text."""
        return self.take(name, WORD)

    def words(self, name: str) -> tuple[str, ...]:
        """Texts; none where there is no list."""
        listed: list[str] | None = self.take(name, WORDS)
        return tuple(listed or ())

    def raw(self, name: str) -> Raw | None:
        """A value as it came."""
        self._taken.add(name)
        return self._fields.get(name)

    def json(self, name: str) -> Json | None:
        """A value as the text it came as."""
        raw = self.raw(name)
        return None if raw is None else json_of(raw)

    def inner(self, name: str) -> Fields | None:
        """An object within."""
        raw = self.raw(name)
        return None if raw is None else Fields(raw, self.place(name))

    def each(self, name: str) -> Iterator[Fields]:
        """The objects of a list within."""
        listed: list[Raw] | None = self.take(name, RAWS)
        for index, raw in enumerate(listed or ()):
            yield Fields(raw, f"{self.place(name)}[{index}]")

    def untake(self, name: str) -> None:
        """A value that was looked at is left all the same."""
        self._taken.discard(name)

    def left(self) -> Iterator[tuple[str, Json]]:
        """What nobody has taken."""
        for name, raw in self._fields.items():
            if name not in self._taken:
                yield name, json_of(raw)

    def all(self) -> Iterator[tuple[str, Raw]]:
        """Every field as it came."""
        return iter(self._fields.items())

    def names(self) -> Iterator[str]:
        """The names of all fields."""
        return iter(self._fields)

    def wrong(self, message: str, name: str | None = None) -> ProtocolError:
        """An error at this object, or at a field of it."""
        param = self.at if name is None else self.place(name)
        return ProtocolError(Side.CLIENT, f"{message} in `{param}`" if param else message, param=param or None)


def object_of(named: dict[str, Json]) -> Json:
    """An object of values as they came."""
    return Json("{" + ",".join(f"{msgspec.json.encode(name).decode()}:{json}" for name, json in named.items()) + "}")


def raw_of(json: Json) -> Raw:
    """JSON as it came, to stand in a body as it is."""
    return Raw(json.encode("utf-8"))


def anything(raw: Raw, at: str) -> Any:
    """A value of any kind; raises ProtocolError where it cannot be read."""
    return decode(_ANY, raw, at)


_ANY: Final = msgspec.json.Decoder()
