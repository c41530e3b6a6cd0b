"""The neutral form, written as a request to an upstream that speaks this dialect, exactly as Anthropic documents it."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from routebook.chat.conversation import AnyJson, Calling, ChatRequest, ForeignTool, JsonSchema, Tool, ToolChoice
from routebook.chat.features import Feature
from routebook.chat.loss import Done
from routebook.chat.parts import Json, ToolKind
from routebook.protocols.anthropic.carries import DIALECT, OWNED, VERSION, carries_of
from routebook.protocols.anthropic.marks import Marks
from routebook.protocols.anthropic.message_writing import Turns
from routebook.protocols.anthropic.request_reading import TIERS
from routebook.protocols.anthropic.thinking import excludes_sampling, written_thinking
from routebook.protocols.carrying import Target, losses_of
from routebook.protocols.codec import Sent

PATH: Final = "/messages"
COUNT_PATH: Final = "/messages/count_tokens"

MOST: Final = 4096
"""The most tokens of an answer where neither the client nor the model says any: every model of this dialect gives them."""

_COUNTED: Final = frozenset(
    {"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control", "speed"}
)
"""Fields of a request that take part in counting its tokens."""

_TIERS: Final = {"auto": "auto"} | {neutral: word for word, neutral in TIERS.items()}
_WORDS: Final = {Calling.AUTO: "auto", Calling.NONE: "none", Calling.REQUIRED: "any"}
_JSON: Final = "Answer with one JSON object and nothing else."
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])


def write_request(chat: ChatRequest, target: Target, stream: bool) -> Sent:
    """The request for a target, and what of it the target cannot be asked."""
    writing = _Writing(chat, target)
    body = writing.body()
    if stream:
        body["stream"] = True
    return writing.sent(PATH, body)


def write_count(chat: ChatRequest, target: Target) -> Sent:
    """The request to count the tokens of all that a request says."""
    writing = _Writing(chat, target)
    return writing.sent(COUNT_PATH, {name: value for name, value in writing.body().items() if name in _COUNTED})


class _Writing:
    """One request being written."""

    def __init__(self, chat: ChatRequest, target: Target) -> None:
        self._chat = chat
        self._target = target
        self._version = target.version or VERSION
        self._losses = losses_of(chat, OWNED, carries_of(self._version), target)
        self._marks = Marks(chat, self._losses)
        self._turns = Turns(self._losses, self._marks, self._version)

    def sent(self, path: str, body: dict[str, Any]) -> Sent:
        """The body on its way, with the version that it is written in."""
        losses = (*self._losses.all(), *self._turns.blank)
        return Sent(path, msgspec.json.encode(body), (("anthropic-version", self._version),), losses)

    def body(self) -> dict[str, Any]:
        """Every field but whether a stream is wanted."""
        chat = self._chat
        body: dict[str, Any] = {"model": self._target.model, "max_tokens": self._most()}
        thinking, effort = written_thinking(chat, body["max_tokens"], self._losses)
        tools = self._tools()
        system = self._system()
        body["messages"] = self._turns.written(chat)
        if system:
            body["system"] = _plain(system)
        if thinking is not None:
            body["thinking"] = thinking
        body |= self._choice(tools)
        body |= self._sampling(thinking)
        body |= self._settings()
        if config := self._config(effort):
            body["output_config"] = config
        self._extend(body)
        return body

    def _most(self) -> int:
        if self._chat.max_output is not None:
            return self._chat.max_output
        most = self._target.max_output or MOST
        why = f"a number must be given, and {most} was"
        self._losses.note(Feature.MAX_OUTPUT, "max_output", why, Done.EMULATED)
        return most

    def _system(self) -> list[dict[str, Any]]:
        blocks = self._turns.system(self._chat)
        if isinstance(self._chat.format, AnyJson) and self._target.done(Feature.JSON_OBJECT) is Done.EMULATED:
            blocks.append({"type": "text", "text": _JSON})
        return blocks

    def _tools(self) -> list[Any]:
        chosen = self._chat.tool_choice
        only: frozenset[str] = frozenset()
        if chosen is not None and _is_some(chosen) and self._target.done(Feature.TOOL_CHOICE_SOME) is not Done.DROPPED:
            only = frozenset(chosen.names)
        tools = []
        for index, tool in enumerate(self._chat.tools):
            if only and (isinstance(tool, ForeignTool) or tool.name not in only):
                why = "it is not among those that may be called"
                self._losses.note(Feature.TOOLS, f"tools[{index}]", why, Done.EMULATED)
            elif (written := self._tool(tool, f"tools[{index}]")) is not None:
                tools.append(written)
        return tools

    def _tool(self, tool: Tool | ForeignTool, at: str) -> Any:
        if isinstance(tool, ForeignTool):
            return raw(tool.json) if tool.dialect == DIALECT else None
        if tool.kind is ToolKind.CUSTOM or not self._losses.takes(Feature.TOOLS):
            return None
        written: dict[str, Any] = {"name": tool.name}
        if tool.description is not None:
            written["description"] = tool.description
        written["input_schema"] = _object_schema(tool.parameters)
        if tool.strict is not None and self._losses.takes(Feature.TOOLS_STRICT):
            written["strict"] = tool.strict
        return self._marks.write(written, tool.cache, at)

    def _choice(self, tools: list[Any]) -> dict[str, Any]:
        """The tools, and how they are to be called; a choice without tools is refused."""
        chosen, alone = self._chat.tool_choice, self._chat.parallel_tools is False
        alone = alone and self._losses.takes(Feature.PARALLEL_TOOLS)
        if not tools:
            if chosen is not None:
                self._losses.note(Feature.TOOL_CHOICE, "tool_choice", "there are no tools to choose from", Done.DROPPED)
            return {}
        written: dict[str, Any] = {}
        if chosen is not None and self._losses.takes(Feature.TOOL_CHOICE):
            if chosen.calling is Calling.REQUIRED and len(chosen.names) == 1:
                written = {"type": "tool", "name": chosen.names[0]}
            else:
                written = {"type": _WORDS[chosen.calling]}
        if alone and written.get("type") != "none":
            written = (written or {"type": "auto"}) | {"disable_parallel_tool_use": True}
        return {"tools": tools, "tool_choice": written} if written else {"tools": tools}

    def _sampling(self, thinking: dict[str, Any] | None) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for name in ("temperature", "top_p", "top_k"):
            value, feature = getattr(self._chat.sampling, name), Feature[name.upper()]
            if value is None or not self._losses.takes(feature):
                continue
            if excludes_sampling(thinking):
                self._losses.note(feature, name, "a model that thinks takes no sampling", Done.DROPPED)
            elif name == "temperature" and value > 1:
                if self._losses.note(feature, name, "a temperature is 1 at most") is Done.EMULATED:
                    fields[name] = 1.0
            else:
                fields[name] = value
        return fields

    def _settings(self) -> dict[str, Any]:
        chat, losses = self._chat, self._losses
        fields: dict[str, Any] = {}
        if chat.stop and losses.takes(Feature.STOP):
            for index, sequence in enumerate(chat.stop):
                if not sequence.strip():
                    losses.note(Feature.STOP, f"stop[{index}]", "a stop sequence of white space alone is refused")
            if sequences := [each for each in chat.stop if each.strip()]:
                fields["stop_sequences"] = sequences
        if chat.user is not None and losses.takes(Feature.USER):
            fields["metadata"] = {"user_id": chat.user}
        if chat.tier is not None and losses.takes(Feature.TIER):
            if chat.tier in _TIERS:
                fields["service_tier"] = _TIERS[chat.tier]
            else:
                losses.note(Feature.TIER, "tier", "there is no such tier")
        if chat.modalities and chat.modalities != ("text",):
            losses.note(Feature.MODALITIES, "modalities", "answers are text")
        return fields

    def _config(self, effort: str | None) -> dict[str, Any]:
        config: dict[str, Any] = {} if effort is None else {"effort": effort}
        format = self._chat.format
        if isinstance(format, JsonSchema) and self._losses.takes(Feature.JSON_SCHEMA):
            config["format"] = {"type": "json_schema", "schema": raw(format.schema)}
        return config

    def _extend(self, body: dict[str, Any]) -> None:
        """Fields that only this dialect knows; those within others are put back where there is a place for them."""
        for extra in self._chat.extras:
            if extra.dialect != DIALECT:
                continue
            outer, _, inner = extra.field.partition(".")
            if not inner and outer.isidentifier():
                body[outer] = raw(extra.json)
            elif outer in ("output_config", "metadata") and inner:
                body.setdefault(outer, {})[inner] = raw(extra.json)
            else:
                self._losses.note(Feature.EXTRA, extra.field, "its place is not the same", Done.DROPPED)


def raw(json: Json) -> Raw:
    """JSON as it came, to stand in a body as it is."""
    return Raw(json.encode("utf-8"))


def _plain(blocks: list[dict[str, Any]]) -> Any:
    """A lone text as it is, for upstreams that know no blocks."""
    return blocks[0]["text"] if len(blocks) == 1 and blocks[0].keys() == {"type", "text"} else blocks


def _is_some(choice: ToolChoice) -> bool:
    return bool(choice.names) and not (choice.calling is Calling.REQUIRED and len(choice.names) == 1)


def _object_schema(parameters: Json | None) -> Any:
    """The schema of a tool; it must say that it is one of an object."""
    if parameters is None:
        return {"type": "object", "properties": {}}
    try:
        fields = _OBJECT.decode(parameters.encode("utf-8"))
    except (ValueError, RecursionError):
        return raw(parameters)
    return raw(parameters) if "type" in fields else {"type": "object", **fields}
