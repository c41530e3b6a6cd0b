"""The neutral form, written as a request to an upstream that speaks this dialect, exactly as Google documents it."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import msgspec

from routebook.chat.conversation import AnyJson, Calling, ChatRequest, ForeignTool, JsonSchema, Tool, ToolChoice
from routebook.chat.features import Feature
from routebook.chat.parts import ToolKind
from routebook.protocols.carrying import Losses, Target, losses_of
from routebook.protocols.codec import Sent
from routebook.protocols.gemini.carries import CARRIES, DIALECT, OWNED
from routebook.protocols.gemini.fields import raw_of
from routebook.protocols.gemini.message_writing import written_contents, written_texts
from routebook.protocols.gemini.request import thinking_of
from routebook.protocols.gemini.request_reading import TIERS
from routebook.sound.converting import cannot_be_made

MOST_STOPS: Final = 5

_SAMPLING: Final = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "frequency_penalty": "frequencyPenalty",
    "presence_penalty": "presencePenalty",
    "seed": "seed",
}
_MODES: Final = {Calling.AUTO: "AUTO", Calling.NONE: "NONE", Calling.REQUIRED: "ANY"}
_TIERS: Final = {name: tier for tier, name in TIERS.items()} | {"standard": "standard", "standard_only": "standard"}


def write_request(chat: ChatRequest, target: Target, stream: bool) -> Sent:
    """The request for a target, and what of it the target cannot be asked."""
    losses = losses_of(chat, OWNED, CARRIES, target)
    body = written_body(chat, losses, stream)
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return Sent(path_of(target.model, method), msgspec.json.encode(body), losses=losses.all())


def path_of(model: str, method: str) -> str:
    """Where a model is asked, after the base URL with its version."""
    name = model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"
    return f"/{quote(name)}:{method}"


def written_body(chat: ChatRequest, losses: Losses, stream: bool = False) -> dict[str, Any]:
    """The body of the request."""
    body: dict[str, Any] = {"contents": written_contents(chat, losses)}
    if chat.system and losses.takes(Feature.SYSTEM):
        body["systemInstruction"] = {"parts": written_texts(chat.system)}
    body.update(_tools(chat, losses))
    if chat.tier is not None and losses.takes(Feature.TIER):
        tier = _TIERS.get(chat.tier)
        if tier is None:
            losses.note(Feature.TIER, "tier", "there is no tier of this name")
        else:
            body["serviceTier"] = tier
    if chat.store is not None and losses.takes(Feature.STORE):
        body["store"] = chat.store
    config = {**_answer(chat, losses), **_format(chat, losses), **_speech(chat, losses, stream)}
    for extra in chat.extras:
        if extra.dialect == DIALECT:
            before, _, name = extra.field.rpartition(".")
            if before in ("", "generationConfig") and name.isidentifier():
                (config if before else body)[name] = raw_of(extra.json)
    if config:
        body["generationConfig"] = config
    return body


def _tools(chat: ChatRequest, losses: Losses) -> dict[str, Any]:
    """The tools, and whether they are to be called."""
    functions = [_function(tool) for tool in chat.tools if isinstance(tool, Tool) and tool.kind is ToolKind.FUNCTION]
    tools: list[Any] = [{"functionDeclarations": functions}] if functions and losses.takes(Feature.TOOLS) else []
    tools += [raw_of(tool.json) for tool in chat.tools if isinstance(tool, ForeignTool) and tool.dialect == DIALECT]
    fields: dict[str, Any] = {"tools": tools} if tools else {}
    if chat.tool_choice is not None and losses.takes(Feature.TOOL_CHOICE):
        fields["toolConfig"] = {"functionCallingConfig": _choice(chat.tool_choice)}
    if chat.parallel_tools is False:
        losses.note(Feature.PARALLEL_TOOLS, "parallel_tools", "nothing keeps a model from several calls")
    return fields


def _function(tool: Tool) -> dict[str, Any]:
    written: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        written["description"] = tool.description
    if tool.parameters is not None:
        written["parametersJsonSchema"] = raw_of(tool.parameters)
    return written


def _choice(choice: ToolChoice) -> dict[str, Any]:
    """Names go with a mode in which they count; the mode that leaves the model free is then `VALIDATED`."""
    if not choice.names:
        return {"mode": _MODES[choice.calling]}
    mode = "VALIDATED" if choice.calling is Calling.AUTO else _MODES[choice.calling]
    return {"mode": mode, "allowedFunctionNames": choice.names}


def _answer(chat: ChatRequest, losses: Losses) -> dict[str, Any]:
    """What is asked of the answer."""
    config: dict[str, Any] = {}
    for name, field in _SAMPLING.items():
        value = getattr(chat.sampling, name)
        if value is not None and losses.takes(Feature[name.upper()]):
            config[field] = value
    if chat.max_output is not None and losses.takes(Feature.MAX_OUTPUT):
        config["maxOutputTokens"] = chat.max_output
    if chat.stop and losses.takes(Feature.STOP):
        if len(chat.stop) > MOST_STOPS:
            losses.note(Feature.STOP, "stop", f"there may be {MOST_STOPS} sequences at most")
        config["stopSequences"] = chat.stop[:MOST_STOPS]
    if chat.choices is not None and losses.takes(Feature.CHOICES):
        config["candidateCount"] = chat.choices
    if chat.logprobs is not None and losses.takes(Feature.LOGPROBS):
        config["responseLogprobs"] = True
        if chat.logprobs:
            config["logprobs"] = chat.logprobs
    thinking = _thinking(chat, losses)
    if thinking:
        config["thinkingConfig"] = thinking
    return config


def _thinking(chat: ChatRequest, losses: Losses) -> dict[str, Any]:
    wish = chat.reasoning
    if wish is None:
        return {}
    written: dict[str, Any] = {}
    if wish.effort is not None:
        if losses.takes(Feature.EFFORT):
            written = thinking_of(wish.effort.value)
    elif wish.budget is not None:
        if losses.takes(Feature.BUDGET):
            written["thinkingBudget"] = wish.budget
    elif wish.summary is None and losses.takes(Feature.ADAPTIVE):
        written["thinkingBudget"] = -1
    if wish.summary is not None and losses.takes(Feature.SUMMARY):
        written["includeThoughts"] = wish.summary != "none"
    return written


def _format(chat: ChatRequest, losses: Losses) -> dict[str, Any]:
    match chat.format:
        case AnyJson() if losses.takes(Feature.JSON_OBJECT):
            return {"responseMimeType": "application/json"}
        case JsonSchema(schema) if losses.takes(Feature.JSON_SCHEMA):
            return {"responseMimeType": "application/json", "responseJsonSchema": raw_of(schema)}
        case _:
            return {}


def _speech(chat: ChatRequest, losses: Losses, stream: bool) -> dict[str, Any]:
    """How the answer is to sound. A spoken answer has no text beside it: other dialects mean a transcript by that."""
    config: dict[str, Any] = {}
    if chat.modalities and losses.takes(Feature.MODALITIES):
        wanted = [each for each in chat.modalities if each != "text" or "audio" not in chat.modalities]
        config["responseModalities"] = [each.upper() for each in wanted]
    if chat.audio is not None and losses.takes(Feature.AUDIO_WANTED):
        voice = losses.target.voice_of(chat.audio.voice)
        if voice is not None:
            config["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice}}}
        format = chat.audio.format
        if format is not None and (why := cannot_be_made(format, stream, losses.target.transcodes)):
            losses.note(Feature.AUDIO_WANTED, "audio.format", why)
    return config
