"""Conversations and answers drawn by Hypothesis, out of whichever features a test allows.

What is drawn is in the normal form of `chat.conversation` and legal: results follow their calls, ids are unique.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from routebook.chat.answer import ChatAnswer, Choice
from routebook.chat.conversation import (
    AnyJson,
    AudioWish,
    Calling,
    ChatRequest,
    Effort,
    Extra,
    ForeignTool,
    JsonSchema,
    Message,
    ReasoningWish,
    Role,
    Sampling,
    Tool,
    ToolChoice,
)
from routebook.chat.events import Finish, TokenLogprob
from routebook.chat.features import Feature
from routebook.chat.parts import (
    Audio,
    CacheMark,
    Document,
    Foreign,
    Image,
    Inline,
    Json,
    Plain,
    Reasoning,
    Refusal,
    Signature,
    Stored,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
    Url,
    UrlCitation,
)
from routebook.chat.usage import Usage
from routebook.sound.converting import labelled

Words = st.SearchStrategy[str]
Draw = Callable[[st.SearchStrategy[Any]], Any]

ANY_WORDS: Words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
"""Every text that JSON can hold."""

MARKERS: Words = st.from_regex(r"mk[a-z]{10}", fullmatch=True)
"""Texts that can be found again wherever they went."""

NAMES: Words = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,10}", fullmatch=True)
IDS: Words = st.from_regex(r"call_[a-zA-Z0-9]{8}", fullmatch=True)
BASE64: Words = st.binary(min_size=1, max_size=12).map(lambda data: base64.b64encode(data).decode())
OBJECTS: st.SearchStrategy[Json] = st.dictionaries(
    ANY_WORDS, st.none() | st.booleans() | st.integers(-(2**40), 2**40) | ANY_WORDS, max_size=3
).map(lambda value: Json(json.dumps(value, ensure_ascii=False, separators=(",", ":"))))
UNNAMED = "document"
"""What dialects that want a name call a document without one: said of one that has it, it is read as none."""

SHARES = st.integers(0, 8).map(lambda share: share / 8)


class Drawing:
    """Draws the parts of one conversation: `has` says whether a feature may be used, `may` whether it is now."""

    def __init__(self, draw: Draw, words: Words, features: frozenset[Feature], dialect: str, owner: str) -> None:
        self.draw = draw
        self.words = words
        self.features = features
        self.dialect = dialect
        self.owner = owner
        self.calls = 0

    def has(self, *features: Feature) -> bool:
        """Whether all of these may be used."""
        return self.features.issuperset(features)

    def may(self, *features: Feature) -> bool:
        """Whether these are used here."""
        return self.has(*features) and self.draw(st.booleans())

    def maybe(self, feature: Feature, strategy: st.SearchStrategy[Any]) -> Any:
        """A value, where the feature is used here."""
        return self.draw(strategy) if self.may(feature) else None

    def word(self) -> str:
        """Some text."""
        text: str = self.draw(self.words)
        return text

    def mark(self) -> CacheMark | None:
        """A cache mark, now and then."""
        return CacheMark() if self.may(Feature.CACHE_MARK) else None

    def signature(self) -> Signature | None:
        """A signature, now and then."""
        return Signature(self.dialect, self.word()) if self.may(Feature.SIGNATURE) else None

    def source(self, kinds: dict[Feature, Any]) -> Any:
        """Where media come from, by the features allowed; None where none is."""
        allowed = [strategy for feature, strategy in kinds.items() if self.has(feature)]
        return self.draw(st.one_of(allowed)) if allowed else None


def _image(to: Drawing) -> Image | None:
    source = to.source(
        {
            Feature.IMAGE_INLINE: st.builds(Inline, st.sampled_from(["image/png", "image/jpeg"]), BASE64),
            Feature.IMAGE_URL: to.words.map(lambda word: Url(f"https://x.test/{word}")),
            Feature.IMAGE_STORED: to.words.map(lambda word: Stored(to.owner, word)),
        }
    )
    detail = to.maybe(Feature.IMAGE_DETAIL, st.sampled_from(["low", "high", "auto"]))
    return None if source is None else Image(source, detail, to.mark())


def _document(to: Drawing) -> Document | None:
    source = to.source(
        {
            Feature.DOCUMENT_INLINE: BASE64.map(lambda data: Inline("application/pdf", data)),
            Feature.DOCUMENT_TEXT: to.words.map(Plain),
            Feature.DOCUMENT_URL: to.words.map(lambda word: Url(f"https://x.test/{word}")),
            Feature.DOCUMENT_STORED: to.words.map(lambda word: Stored(to.owner, word)),
        }
    )
    name = to.maybe(Feature.DOCUMENT_NAME, to.words.filter(lambda word: word != UNNAMED))
    context = to.maybe(Feature.DOCUMENT_CONTEXT, to.words)
    return None if source is None else Document(source, name, context, to.may(Feature.DOCUMENT_CITED), to.mark())


def _audio(to: Drawing) -> Audio | None:
    source = to.source(
        {
            Feature.AUDIO_INLINE: st.builds(Inline, st.sampled_from(["audio/wav", "audio/mpeg"]), BASE64),
            Feature.AUDIO_URL: to.words.map(lambda word: Url(f"https://x.test/{word}")),
        }
    )
    return None if source is None else Audio(source, cache=to.mark())


def _text(to: Drawing) -> Text:
    return Text(to.word(), cache=to.mark())


def _foreign(to: Drawing) -> Foreign | None:
    """Parts are told apart by their type in most dialects."""
    if not to.has(Feature.FOREIGN_PART):
        return None
    return Foreign(to.dialect, "odd", Json(json.dumps({"type": "odd", "said": to.word()}, ensure_ascii=False)))


def _user(to: Drawing, many: bool) -> Message:
    makers = to.draw(st.lists(st.sampled_from([_text, _text, _image, _document, _audio, _foreign]), max_size=3))
    parts = [part for maker in makers if (part := maker(to)) is not None]
    if not parts or (not many and sum(isinstance(part, Text) for part in parts) > 1):
        parts = [_text(to)]
    return Message(Role.USER, tuple(parts), to.maybe(Feature.SPEAKER, NAMES))


def _call(to: Drawing) -> ToolCall:
    to.calls += 1
    custom = to.may(Feature.TOOL_CALL_CUSTOM)
    kind = ToolKind.CUSTOM if custom else ToolKind.FUNCTION
    said = to.word() if custom else json.dumps({"said": to.word()}, ensure_ascii=False, separators=(",", ":"))
    return ToolCall(f"call_{to.calls}", to.draw(NAMES), said, kind, to.signature())


def _assistant(to: Drawing) -> Message:
    parts: list[Any] = []
    if to.may(Feature.REASONING_SAID):
        parts.append(Reasoning(to.word(), to.signature()))
    if to.may(Feature.REFUSAL):
        parts.append(Refusal(to.word()))
    else:
        parts.append(_text(to))
    if to.may(Feature.AUDIO_SAID):
        parts.append(Audio(Stored(to.owner, to.word())))
    if to.has(Feature.TOOL_CALL, Feature.TOOL_RESULT):
        parts += [_call(to) for _ in range(to.draw(st.integers(0, 3)))]
    return Message(Role.ASSISTANT, tuple(parts), to.maybe(Feature.SPEAKER, NAMES))


def _results(to: Drawing, said: Message) -> Message | None:
    results = []
    for part in said.parts:
        if isinstance(part, ToolCall):
            content: list[Any] = [_text(to)]
            if to.may(Feature.TOOL_RESULT_IMAGE) and (image := _image(to)) is not None:
                content.append(replace(image, cache=None, detail=None))
            error = to.may(Feature.TOOL_RESULT_ERROR)
            results.append(ToolResult(part.id, tuple(content), error, cache=to.mark()))
    return Message(Role.TOOL, tuple(results)) if results else None


def _messages(to: Drawing, many: bool) -> tuple[Message, ...]:
    messages: list[Message] = []
    for _ in range(to.draw(st.integers(1, 3))):
        if not messages or messages[-1].role is not Role.ASSISTANT or not to.may():
            messages.append(_user(to, many))
        said = _assistant(to)
        messages.append(said)
        if (results := _results(to, said)) is not None:
            messages.append(results)
        elif to.may(Feature.SYSTEM_LATER):
            messages.append(Message(Role.SYSTEM, (Text(to.word()),)))
    return (*messages, _user(to, many)) if messages[-1].role is Role.ASSISTANT else tuple(messages)


def _tools(to: Drawing) -> tuple[Tool | ForeignTool, ...]:
    tools: list[Tool | ForeignTool] = []
    for name in to.draw(st.lists(NAMES, unique=True, max_size=3)):
        about = to.draw(st.none() | to.words)
        strict = to.maybe(Feature.TOOLS_STRICT, st.booleans())
        if to.may(Feature.TOOLS_CUSTOM):
            tools.append(Tool(name, about, kind=ToolKind.CUSTOM))
        elif to.has(Feature.TOOLS):
            tools.append(Tool(name, about, Json('{"type":"object"}'), strict, cache=to.mark()))
    if to.may(Feature.TOOLS_FOREIGN):
        tools.append(ForeignTool(to.dialect, "odd_search", Json('{"type":"odd_search"}')))
    return tuple(tools)


def _choice(to: Drawing, tools: tuple[Tool | ForeignTool, ...]) -> ToolChoice | None:
    names = [tool.name for tool in tools if isinstance(tool, Tool)]
    kinds: list[ToolChoice | None] = [None]
    if to.has(Feature.TOOL_CHOICE) and names:
        kinds += [ToolChoice(calling) for calling in Calling]
    if to.has(Feature.TOOL_CHOICE_NAMED) and names:
        kinds.append(ToolChoice(Calling.REQUIRED, (names[0],)))
    if to.has(Feature.TOOL_CHOICE_SOME) and len(names) > 1:
        kinds.append(ToolChoice(Calling.REQUIRED, tuple(names)))
    chosen: ToolChoice | None = to.draw(st.sampled_from(kinds))
    return chosen


def _reasoning(to: Drawing) -> ReasoningWish | None:
    effort = to.maybe(Feature.EFFORT, st.sampled_from(Effort))
    budget = None if effort is not None else to.maybe(Feature.BUDGET, st.integers(1024, 9999))
    summary = to.maybe(Feature.SUMMARY, st.sampled_from(["auto", "detailed"]))
    if effort is None and budget is None:
        return ReasoningWish() if to.may(Feature.ADAPTIVE) else None
    return ReasoningWish(effort, budget, summary)


def _format(to: Drawing) -> AnyJson | JsonSchema | None:
    if to.may(Feature.JSON_OBJECT):
        return AnyJson()
    if to.may(Feature.JSON_SCHEMA):
        return JsonSchema(Json('{"type":"object","properties":{}}'), to.draw(NAMES))
    return None


def _sampling(to: Drawing) -> Sampling:
    return Sampling(
        to.maybe(Feature.TEMPERATURE, SHARES),
        to.maybe(Feature.TOP_P, SHARES),
        to.maybe(Feature.TOP_K, st.integers(1, 99)),
        to.maybe(Feature.FREQUENCY_PENALTY, SHARES),
        to.maybe(Feature.PRESENCE_PENALTY, SHARES),
        to.maybe(Feature.SEED, st.integers(0, 2**31 - 1)),
        to.maybe(Feature.LOGIT_BIAS, st.just({"50256": -100.0})),
    )


def _words_of_settings(to: Drawing) -> dict[str, Any]:
    return {
        "user": to.maybe(Feature.USER, to.words),
        "metadata": {"note": to.word()} if to.may(Feature.METADATA) else {},
        "tier": to.maybe(Feature.TIER, st.sampled_from(["auto", "priority"])),
        "store": to.maybe(Feature.STORE, st.booleans()),
        "cache_key": to.maybe(Feature.CACHE_KEY, to.words),
        "verbosity": to.maybe(Feature.VERBOSITY, st.sampled_from(["low", "high"])),
        "modalities": ("text", "audio") if to.may(Feature.MODALITIES) else (),
        "audio": AudioWish("alloy", "wav") if to.may(Feature.AUDIO_WANTED) else None,
        "extras": (Extra(to.dialect, "odd_field", Json('{"a":1}')),) if to.may(Feature.EXTRA) else (),
    }


@st.composite
def chats(
    draw: Draw,
    words: Words,
    features: frozenset[Feature],
    dialect: str,
    owner: str,
    required: frozenset[Feature] = frozenset(),
    many_texts: bool = True,
) -> ChatRequest:
    """A request that uses some of these features; `required` are fields that the dialect cannot do without.

    `dialect` and `owner` are whose signatures, parts and ids may stand in it; where not `many_texts`, a message has one
    text at most.
    """
    to = Drawing(draw, words, features, dialect, owner)
    tools = _tools(to)
    system = (
        tuple(_text(to) for _ in range(draw(st.integers(0, 2 if many_texts else 1)))) if to.has(Feature.SYSTEM) else ()
    )
    most = (
        draw(st.integers(1, 9999))
        if Feature.MAX_OUTPUT in required
        else to.maybe(Feature.MAX_OUTPUT, st.integers(1, 9999))
    )
    return ChatRequest(
        "m",
        _messages(to, many_texts),
        system,
        tools,
        _choice(to, tools),
        to.maybe(Feature.PARALLEL_TOOLS, st.booleans()) if tools else None,
        _format(to),
        most,
        _sampling(to),
        tuple(draw(st.lists(words, min_size=1, max_size=3))) if to.may(Feature.STOP) else (),
        to.maybe(Feature.CHOICES, st.integers(2, 3)),
        to.maybe(Feature.LOGPROBS, st.integers(0, 5)),
        _reasoning(to),
        **_words_of_settings(to),
    )


LOGPROBS = st.lists(
    st.builds(
        TokenLogprob,
        ANY_WORDS,
        SHARES.map(lambda share: -share),
        st.none() | st.lists(st.integers(0, 255), max_size=2).map(tuple),
        st.lists(st.builds(TokenLogprob, ANY_WORDS, SHARES.map(lambda share: -share)), max_size=2).map(tuple),
    ),
    min_size=1,
    max_size=2,
).map(tuple)

USAGES = st.builds(
    Usage,
    input=st.integers(0, 999),
    cached_input=st.integers(0, 99),
    output=st.integers(0, 999),
    reasoning=st.integers(0, 99),
)

ALL_PARTS = frozenset({"reasoning", "signature", "text", "refusal", "audio", "citation", "calls", "custom", "logprobs"})
"""What an answer may be drawn of."""


@st.composite
def answers(
    draw: Draw,
    parts: frozenset[str] = ALL_PARTS,
    finishes: frozenset[Finish] = frozenset(Finish),
    most_choices: int = 2,
    dialect: str = "x",
    words: Words = ANY_WORDS,
) -> ChatAnswer:
    """An answer with these kinds of parts, in the order in which models give them: thoughts, text, calls."""
    choices = tuple(
        _answer_choice(draw, parts, finishes, dialect, words) for _ in range(draw(st.integers(1, most_choices)))
    )
    return ChatAnswer(draw(IDS), draw(NAMES), draw(st.integers(1, 2**31)), choices, draw(USAGES))


def _answer_choice(
    draw: Draw, parts: frozenset[str], finishes: frozenset[Finish], dialect: str, words: Words
) -> Choice:
    def may(kind: str) -> bool:
        return kind in parts and draw(st.booleans())

    said: list[Any] = []
    if may("reasoning"):
        said.append(Reasoning(draw(words), Signature(dialect, draw(NAMES)) if may("signature") else None))
    if may("text"):
        cited = (UrlCitation("https://x.test/", draw(NAMES), 0, 1),) if may("citation") else ()
        said.append(Text(draw(words), cited))
    elif may("refusal"):
        said.append(Refusal(draw(words)))
    if may("audio"):
        sound = draw(BASE64)
        said.append(Audio(Inline(labelled(sound), sound), draw(words), draw(IDS), draw(st.integers(1, 2**31))))
    calls = draw(st.lists(IDS, unique=True, max_size=3)) if may("calls") else []
    for identity in calls:
        custom = may("custom")
        arguments = draw(words) if custom else draw(OBJECTS)
        kind = ToolKind.CUSTOM if custom else ToolKind.FUNCTION
        said.append(ToolCall(identity, draw(NAMES), arguments, kind))
    allowed = [Finish.TOOL_CALLS] if calls else sorted(finishes - {Finish.TOOL_CALLS}, key=lambda each: each.value)
    sequence = None
    finish = draw(st.sampled_from(allowed))
    if finish is Finish.STOP_SEQUENCE:
        sequence = draw(words)
    return Choice(tuple(said), finish, sequence, logprobs=draw(LOGPROBS) if may("logprobs") else None)
