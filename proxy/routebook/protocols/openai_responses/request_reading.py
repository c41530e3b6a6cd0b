"""A client's request, read into the neutral form: everything in it, also what only this dialect knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

import msgspec
from msgspec import Raw

from routebook.chat.conversation import (
    AnyJson,
    Calling,
    ChatRequest,
    Effort,
    ForeignTool,
    JsonSchema,
    ReasoningWish,
    Sampling,
    Tool,
    ToolChoice,
)
from routebook.chat.parts import Json, ToolKind
from routebook.protocols.body import (
    COUNT,
    FIELDS,
    FLAG,
    NUMBER,
    RAWS,
    WORD,
    WORDS,
    decode,
    given,
    is_null,
    json_of,
    read_field,
    starts_with,
)
from routebook.protocols.openai_responses.input_reading import Conversation
from routebook.protocols.openai_responses.seals import DIALECT
from routebook.protocols.request_fields import RequestFields

NOTHING: Final = Raw(b"null")

_LOGPROBS: Final = "message.output_text.logprobs"
_SEALS: Final = "reasoning.encrypted_content"


class _Format(msgspec.Struct, gc=False):
    type: str
    name: str | None = None
    description: str | None = None
    schema: Raw = NOTHING
    strict: bool | None = None


class _WireTool(msgspec.Struct, gc=False):
    type: str
    name: str | None = None
    description: str | None = None
    parameters: Raw = NOTHING
    strict: bool | None = None
    format: Raw = NOTHING


class _Choice(msgspec.Struct, gc=False):
    type: str
    name: str | None = None
    mode: str | None = None
    tools: list[_Choice] | None = None


class _Grammar(msgspec.Struct, gc=False):
    type: str
    syntax: str | None = None
    definition: str | None = None


_FORMAT: Final = msgspec.json.Decoder(_Format)
_TOOL: Final = msgspec.json.Decoder(_WireTool)
_CHOICE: Final = msgspec.json.Decoder(_Choice)
_GRAMMAR: Final = msgspec.json.Decoder(_Grammar)


def read_request(model: str, fields: Mapping[str, Raw]) -> ChatRequest:
    """The request that these top-level fields make; raises ProtocolError with the field at fault."""
    return _Request(fields).read(model)


class _Request(RequestFields):
    """A request in the making. Most fields that matter name a state that only a provider of this dialect keeps."""

    dialect = DIALECT
    envelope = frozenset({"model", "stream", "stream_options"})
    matter = frozenset(
        {
            "previous_response_id",
            "conversation",
            "background",
            "prompt",
            "context_management",
            "moderation",
            "personality",
        }
    )
    defaults: ClassVar[Mapping[str, str]] = {"background": "false", "truncation": '"disabled"'}

    def read(self, model: str) -> ChatRequest:
        self._taken.add("input")
        conversation = Conversation(self._fields.get("input"), self._take("instructions", WORD))
        user = self._take("safety_identifier", WORD)
        text = self._take("text", FIELDS) or {}
        return ChatRequest(
            model,
            tuple(conversation.messages),
            tuple(conversation.system),
            tools=self._tools(),
            tool_choice=self._tool_choice(),
            parallel_tools=self._take("parallel_tool_calls", FLAG),
            format=self._format(text),
            max_output=self._take("max_output_tokens", COUNT),
            sampling=Sampling(self._take("temperature", NUMBER), self._take("top_p", NUMBER)),
            logprobs=self._logprobs(),
            reasoning=self._reasoning(),
            user=self._take("user", WORD) if user is None else user,
            metadata=self._metadata(),
            tier=self._take("service_tier", WORD),
            store=self._take("store", FLAG),
            cache_key=self._take("prompt_cache_key", WORD),
            verbosity=read_field(text, "verbosity", WORD),
            extras=(*conversation.extras, *self._extras, *self._left()),
        )

    def _logprobs(self) -> int | None:
        """How many alternatives to each token are wanted; other wishes of `include` are kept."""
        included = self._take("include", WORDS) or []
        top = self._take("top_logprobs", COUNT)
        others = [each for each in included if each not in (_LOGPROBS, _SEALS)]
        if others:
            self._keep("include", Raw(msgspec.json.encode(others)))
        return top or 0 if _LOGPROBS in included else top or None

    def _reasoning(self) -> ReasoningWish | None:
        wish = self._take("reasoning", FIELDS)
        if wish is None:
            return None
        self._keep_others("reasoning", wish, frozenset({"effort", "summary", "generate_summary"}))
        word = read_field(wish, "effort", WORD)
        summary = read_field(wish, "summary", WORD) or read_field(wish, "generate_summary", WORD)
        effort = None
        try:
            effort = None if word is None else Effort(word)
        except ValueError:
            self._keep("reasoning.effort", wish["effort"])
        return None if effort is None and summary is None else ReasoningWish(effort, None, summary)

    def _format(self, text: Mapping[str, Raw]) -> AnyJson | JsonSchema | None:
        self._keep_others("text", text, frozenset({"format", "verbosity"}))
        raw = text.get("format")
        if raw is None or is_null(raw):
            return None
        format = decode(_FORMAT, raw, "text.format")
        match format.type:
            case "text":
                return None
            case "json_object":
                return AnyJson()
            case "json_schema":
                return JsonSchema(given(format.schema) or Json("{}"), format.name, format.description, format.strict)
        self._keep("text.format", raw, matters=True)
        return None

    def _metadata(self) -> dict[str, str]:
        entries = self._take("metadata", FIELDS) or {}
        texts = {key: raw for key, raw in entries.items() if starts_with(raw, b'"')}
        self._keep_others("metadata", entries, frozenset(texts))
        return {key: decode(WORD, raw, "metadata") for key, raw in texts.items()}

    def _tools(self) -> tuple[Tool | ForeignTool, ...]:
        raws = self._take("tools", RAWS) or ()
        return tuple(self._tool(raw, f"tools[{index}]") for index, raw in enumerate(raws))

    def _tool(self, raw: Raw, at: str) -> Tool | ForeignTool:
        tool = decode(_TOOL, raw, at)
        if tool.name is None or tool.type not in ("function", "custom"):
            return ForeignTool(DIALECT, tool.type, json_of(raw))
        if tool.type == "custom":
            return Tool(tool.name, tool.description, kind=ToolKind.CUSTOM, grammar=_grammar(tool.format, at))
        return Tool(tool.name, tool.description, given(tool.parameters), tool.strict)

    def _tool_choice(self) -> ToolChoice | None:
        return self._choice("tool_choice", lambda raw: _read_choice(decode(_CHOICE, raw, "tool_choice")))


def _read_choice(choice: _Choice) -> ToolChoice | None:
    if choice.type in ("function", "custom") and choice.name is not None:
        return ToolChoice(Calling.REQUIRED, (choice.name,))
    tools = choice.tools or ()
    names = tuple(each.name for each in tools if each.type in ("function", "custom") and each.name is not None)
    if choice.type != "allowed_tools" or choice.mode not in ("auto", "required") or len(names) < max(1, len(tools)):
        return None
    return ToolChoice(Calling(choice.mode), names)


def _grammar(raw: Raw, at: str) -> Json | None:
    """What a custom tool takes, as the other dialect of the vendor writes it: the words of a grammar one level down."""
    if is_null(raw):
        return None
    format = decode(_GRAMMAR, raw, f"{at}.format")
    if format.type != "grammar":
        return json_of(raw)
    inner = {"syntax": format.syntax, "definition": format.definition}
    return Json(msgspec.json.encode({"type": "grammar", "grammar": inner}).decode("utf-8"))
