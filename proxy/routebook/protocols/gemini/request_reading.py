"""A client's request, read into the neutral form: everything in it, also what only this dialect knows."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from routebook.chat.conversation import (
    AnyJson,
    AudioWish,
    Calling,
    ChatRequest,
    Effort,
    Extra,
    ForeignTool,
    JsonSchema,
    ReasoningWish,
    Sampling,
    Tool,
    ToolChoice,
)
from routebook.protocols.body import FLAG, NUMBER
from routebook.protocols.gemini.carries import DIALECT
from routebook.protocols.gemini.fields import COUNT, INT, LABELS, Fields, object_of
from routebook.protocols.gemini.message_reading import Conversation
from routebook.protocols.gemini.schemas import as_json_schema

_MATTER: Final = frozenset({"cachedContent"})
"""Fields of this dialect alone without which a request means something else."""

_MODES: Final = {"AUTO": Calling.AUTO, "NONE": Calling.NONE, "ANY": Calling.REQUIRED, "VALIDATED": Calling.AUTO}

TIERS: Final = {"unspecified": "auto", "standard": "default", "flex": "flex", "priority": "priority"}
"""Tiers of service, and what others call them."""


def read_request(model: str, fields: Fields) -> ChatRequest:
    """The request that these top-level fields make; raises ProtocolError with the field at fault."""
    return _Request(fields).read(model)


class _Request:
    """A request in the making; fields that nobody took are extras."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._conversation = Conversation()
        self._extras: list[Extra] = []

    def read(self, model: str) -> ChatRequest:
        fields, conversation = self._fields, self._conversation
        fields.raw("model")
        instruction = fields.inner("systemInstruction")
        system = () if instruction is None else conversation.texts(instruction)
        for content in fields.each("contents"):
            conversation.take(content)
        tools, choice = self._tools(), self._tool_choice()
        config = fields.inner("generationConfig") or Fields(b"{}", "generationConfig")
        chat = ChatRequest(
            model,
            tuple(conversation.messages),
            system,
            tools,
            choice,
            format=self._format(config),
            max_output=config.take("maxOutputTokens", COUNT),
            sampling=_sampling(config),
            stop=config.words("stopSequences"),
            choices=config.take("candidateCount", COUNT),
            logprobs=_logprobs(config),
            reasoning=self._reasoning(config),
            modalities=tuple(each.lower() for each in config.words("responseModalities")),
            audio=self._audio(config),
            metadata=fields.take("labels", LABELS) or {},
            tier=_tier(fields),
            store=fields.take("store", FLAG),
        )
        conversation.left(config)
        left = (Extra(DIALECT, name, json, matters=name in _MATTER) for name, json in fields.left())
        return replace(chat, extras=(*conversation.extras, *self._extras, *left))

    def _keep(self, fields: Fields, name: str, matters: bool = False) -> None:
        """What a field says has no neutral form."""
        json = fields.json(name)
        if json is not None:
            self._extras.append(Extra(DIALECT, fields.place(name), json, matters))

    def _tools(self) -> tuple[Tool | ForeignTool, ...]:
        tools: list[Tool | ForeignTool] = []
        for each in self._fields.each("tools"):
            tools += [self._tool(function) for function in each.each("functionDeclarations")]
            tools += [ForeignTool(DIALECT, name, object_of({name: json})) for name, json in each.left()]
        return tuple(tools)

    def _tool(self, function: Fields) -> Tool:
        name = function.word("name")
        if not name:
            raise function.wrong("`name` is missing", "name")
        parameters = function.json("parametersJsonSchema")
        described = function.raw("parameters")
        if parameters is None and described is not None:
            parameters = as_json_schema(described, function.place("parameters"))
        tool = Tool(name, function.word("description"), parameters)
        self._conversation.left(function)
        return tool

    def _tool_choice(self) -> ToolChoice | None:
        config = self._fields.inner("toolConfig")
        calling = None if config is None else config.inner("functionCallingConfig")
        choice = None
        if calling is not None:
            word, names = (calling.word("mode") or "").upper(), calling.words("allowedFunctionNames")
            mode = _MODES.get(word)
            if mode is not None:
                choice = ToolChoice(mode, names)
            if mode is None or (word == "VALIDATED" and not names):
                self._keep(calling, "mode")
            self._conversation.left(calling)
        if config is not None:
            self._conversation.left(config)
        return choice

    def _format(self, config: Fields) -> AnyJson | JsonSchema | None:
        kind = config.word("responseMimeType")
        schema, described = config.json("responseJsonSchema"), config.raw("responseSchema")
        if kind not in (None, "application/json"):
            if kind != "text/plain":
                for name in ("responseMimeType", "responseSchema", "responseJsonSchema"):
                    self._keep(config, name, matters=True)
            return None
        if schema is None and described is not None:
            schema = as_json_schema(described, config.place("responseSchema"))
        return JsonSchema(schema) if schema is not None else AnyJson() if kind is not None else None

    def _reasoning(self, config: Fields) -> ReasoningWish | None:
        thinking = config.inner("thinkingConfig")
        if thinking is None:
            return None
        shown, budget = thinking.take("includeThoughts", FLAG), thinking.take("thinkingBudget", INT)
        level = (thinking.word("thinkingLevel") or "").lower()
        summary = None if shown is None else "auto" if shown else "none"
        effort = Effort.NONE if budget == 0 else None
        if level in (each.value for each in Effort):
            effort = Effort(level)
        elif level and level != "thinking_level_unspecified":
            self._keep(thinking, "thinkingLevel")
        self._conversation.left(thinking)
        if effort is None and budget is None and not shown:
            return None if summary is None else ReasoningWish(summary=summary)
        return ReasoningWish(effort, budget if budget and budget > 0 else None, summary)

    def _audio(self, config: Fields) -> AudioWish | None:
        """The voice, where one prebuilt voice is all that is wished."""
        speech = config.inner("speechConfig")
        voice = None if speech is None else speech.inner("voiceConfig")
        prebuilt = None if voice is None else voice.inner("prebuiltVoiceConfig")
        name = None if prebuilt is None else prebuilt.word("voiceName")
        if speech is None:
            return None
        if name is None or any(True for _ in speech.left()):
            self._keep(config, "speechConfig", matters=True)
            return None
        return AudioWish(name)


def _sampling(config: Fields) -> Sampling:
    top_k = config.take("topK", NUMBER)
    return Sampling(
        config.take("temperature", NUMBER),
        config.take("topP", NUMBER),
        None if top_k is None else int(top_k),
        config.take("frequencyPenalty", NUMBER),
        config.take("presencePenalty", NUMBER),
        config.take("seed", INT),
    )


def _tier(fields: Fields) -> str | None:
    word = fields.word("serviceTier")
    return None if word is None else TIERS.get(word.lower(), word.lower())


def _logprobs(config: Fields) -> int | None:
    wanted, top = config.take("responseLogprobs", FLAG), config.take("logprobs", COUNT)
    return (top or 0) if wanted else None
