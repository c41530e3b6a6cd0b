"""What a Realtime session is set to: the object that clients change and are shown, and what it comes to elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from routebook.chat.conversation import Calling, Tool, ToolChoice
from routebook.chat.features import Feature
from routebook.chat.parts import Json
from routebook.chat.resampling import Coding
from routebook.chat.talk import Configure, Lack, Settings, Turns
from routebook.protocols.errors import ProtocolError, Side

Session = dict[str, Any]

_PCM: Final = {"type": "audio/pcm", "rate": 24_000}
_KINDS: Final = {"none": Calling.NONE, "auto": Calling.AUTO, "required": Calling.REQUIRED}
_NOTHING: Final = "the upstream's API has nothing like it"

SERVER_VAD: Final = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
"""How turns are found where a client says nothing else (vendor's reference, 2026)."""

_FIELDS: Final = frozenset(
    [
        "type",
        "object",
        "id",
        "model",
        "output_modalities",
        "instructions",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "max_output_tokens",
        "audio",
        "include",
        "prompt",
        "reasoning",
        "tracing",
        "truncation",
        "expires_at",
    ]
)
_INPUT: Final = frozenset(["format", "noise_reduction", "transcription", "turn_detection"])
_OUTPUT: Final = frozenset(["format", "voice", "speed"])


def first_session(identity: str, model: str) -> Session:
    """What a session is set to before its client has said anything."""
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": identity,
        "model": model,
        "output_modalities": ["audio"],
        "instructions": "",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "include": None,
        "audio": {
            "input": {
                "format": dict(_PCM),
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": dict(SERVER_VAD),
            },
            "output": {"format": dict(_PCM), "voice": "marin", "speed": 1.0},
        },
    }


def changed(session: Session, update: Any) -> Session:
    """The session with an update laid over it; raises ProtocolError where that is none of the API's."""
    if not isinstance(update, dict):
        raise _wrong("session", "an object is expected")
    if update.get("type", "realtime") != "realtime":
        raise _wrong("session.type", "only sessions of the type `realtime` cross to another API")
    if "model" in update and update["model"] != session["model"]:
        raise _wrong("session.model", "the model of a session cannot be changed", "cannot_update_model")
    _known("session", update, _FIELDS)
    found = {**session, **{name: value for name, value in update.items() if name != "audio"}}
    audio = update.get("audio") or {}
    _known("session.audio", audio, frozenset({"input", "output"}))
    sides = dict(session["audio"])
    for side, fields in (("input", _INPUT), ("output", _OUTPUT)):
        given = audio.get(side) or {}
        _known(f"session.audio.{side}", given, fields)
        sides[side] = {**sides[side], **given}
    detection = sides["input"]["turn_detection"]
    if isinstance(detection, dict) and detection.get("type", "server_vad") == "server_vad":
        sides["input"]["turn_detection"] = {**SERVER_VAD, **detection}
    found["audio"] = sides
    return found


def configure(session: Session, update: Mapping[str, Any]) -> Configure:
    """What the session comes to, and what of the update it cannot say; raises ProtocolError."""
    modalities = session["output_modalities"]
    if modalities not in (["audio"], ["text"]):
        raise _wrong("session.output_modalities", '`["audio"]` or `["text"]` is expected')
    coding_of(session, "input"), coding_of(session, "output")
    way_in, way_out = session["audio"]["input"], session["audio"]["output"]
    # a voice that no client has named is the upstream's own
    voice = session.get("_voice")
    if _named(update, "audio", "output", "voice"):
        voice = way_out["voice"]
    if voice is not None and not isinstance(voice, str):
        raise _wrong("session.audio.output.voice", "the upstream knows voices by their names")
    session["_voice"] = voice
    most = session["max_output_tokens"]
    if most not in ("inf", None) and (
        not isinstance(most, int) or isinstance(most, bool) or not 1 <= most <= 2**31 - 1
    ):
        raise _wrong("session.max_output_tokens", "a count or `inf` is expected")
    instructions = session["instructions"] or ""
    if not isinstance(instructions, str):
        raise _wrong("session.instructions", "a text is expected")
    turns, lacks = _turns(way_in["turn_detection"], _named(update, "audio", "input", "turn_detection"))
    settings = Settings(
        instructions,
        modalities == ["audio"],
        voice,
        tuple(_tools(session["tools"] or [])),
        _choice(session["tool_choice"]),
        session.get("parallel_tool_calls"),
        None if most in ("inf", None) else most,
        None,
        turns,
        way_in["transcription"] is not None,
        True,
        session["truncation"] in ("auto", None),
    )
    return Configure(settings, (*lacks, *_lacks(update), *_sound_lacks(way_in, way_out, update)))


def shown(session: Session) -> Session:
    """The session as its client is shown it."""
    return {name: value for name, value in session.items() if not name.startswith("_")}


def coding_of(session: Session, side: str) -> Coding:
    """How sound stands in events, either way; raises ProtocolError."""
    path, form = f"session.audio.{side}.format", session["audio"][side].get("format")
    kind = form.get("type") if isinstance(form, dict) else None
    found = next((each for each in Coding if each.value == kind), None)
    if found is None or (isinstance(form, dict) and form.get("rate", found.rate) != found.rate):
        raise _wrong(path, "`audio/pcm` with 24,000 samples a second, `audio/pcmu` or `audio/pcma` is expected")
    return found


def _turns(detection: Any, is_new: bool) -> tuple[Turns, list[Lack]]:
    path = "session.audio.input.turn_detection"
    if detection is None:
        return Turns(False), []
    if not isinstance(detection, dict) or detection.get("type", "server_vad") not in ("server_vad", "semantic_vad"):
        raise _wrong(path, "`server_vad`, `semantic_vad` or null is expected")
    lacks: list[Lack] = []
    if detection.get("create_response") is False:
        lacks.append(Lack(Feature.EXTRA, f"{path}.create_response", "whoever is heard is answered", matters=True))
    if detection.get("type") == "semantic_vad":
        lacks.append(Lack(Feature.EXTRA, f"{path}.type", "turns are found by the upstream's own ear", stands_in=True))
        return Turns(interrupts=detection.get("interrupt_response") is not False), lacks if is_new else []
    if detection.get("threshold") not in (None, SERVER_VAD["threshold"]):
        lacks.append(Lack(Feature.EXTRA, f"{path}.threshold", _NOTHING))
    if detection.get("idle_timeout_ms") is not None:
        lacks.append(Lack(Feature.EXTRA, f"{path}.idle_timeout_ms", _NOTHING))
    times = [_count(detection.get(name), f"{path}.{name}") for name in ("silence_duration_ms", "prefix_padding_ms")]
    return Turns(True, times[0], times[1], detection.get("interrupt_response") is not False), lacks if is_new else []


def _lacks(update: Mapping[str, Any]) -> Iterator[Lack]:
    if update.get("prompt") is not None:
        yield Lack(Feature.EXTRA, "session.prompt", "it is kept at OpenAI", matters=True)
    for name in ("tracing", "include"):
        if update.get(name):
            yield Lack(Feature.EXTRA, f"session.{name}", _NOTHING)
    if isinstance(update.get("truncation"), dict):
        yield Lack(Feature.EXTRA, "session.truncation", _NOTHING)
    if update.get("reasoning"):
        yield Lack(Feature.EFFORT, "session.reasoning", _NOTHING)
    for number, tool in enumerate(update.get("tools") or ()):
        if isinstance(tool, dict) and tool.get("type", "function") != "function":
            yield Lack(Feature.TOOLS_FOREIGN, f"session.tools[{number}]", "it runs at OpenAI", matters=True)


def _sound_lacks(way_in: Mapping[str, Any], way_out: Mapping[str, Any], update: Mapping[str, Any]) -> Iterator[Lack]:
    path = "session.audio.input"
    if _named(update, "audio", "input", "noise_reduction") and way_in["noise_reduction"] is not None:
        yield Lack(Feature.EXTRA, f"{path}.noise_reduction", _NOTHING)
    writes = way_in["transcription"]
    if _named(update, "audio", "input", "transcription") and isinstance(writes, dict):
        if writes.get("model"):
            why = "the model that answers writes it down"
            yield Lack(Feature.EXTRA, f"{path}.transcription.model", why, stands_in=True)
        for name in ("language", "prompt", "delay"):
            if writes.get(name):
                yield Lack(Feature.EXTRA, f"{path}.transcription.{name}", _NOTHING)
    if _named(update, "audio", "output", "speed") and way_out["speed"] not in (1, None):
        yield Lack(Feature.EXTRA, "session.audio.output.speed", _NOTHING)


def _tools(tools: Any) -> Iterator[Tool]:
    if not isinstance(tools, list):
        raise _wrong("session.tools", "a list is expected")
    for number, tool in enumerate(tools):
        path = f"session.tools[{number}]"
        if not isinstance(tool, dict):
            raise _wrong(path, "an object is expected")
        if tool.get("type", "function") != "function":
            continue
        name, description, parameters = tool.get("name"), tool.get("description"), tool.get("parameters")
        if not isinstance(name, str) or not name:
            raise _wrong(f"{path}.name", "a name is expected")
        if not isinstance(description, str | None):
            raise _wrong(f"{path}.description", "a text is expected")
        yield Tool(name, description, None if parameters is None else Json(json.dumps(parameters)))


def _choice(choice: Any) -> ToolChoice | None:
    if choice is None or choice == "auto":
        return None
    if isinstance(choice, str) and choice in _KINDS:
        return ToolChoice(_KINDS[choice])
    if isinstance(choice, dict) and choice.get("type") == "function" and isinstance(choice.get("name"), str):
        return ToolChoice(Calling.REQUIRED, (choice["name"],))
    raise _wrong("session.tool_choice", "`auto`, `none`, `required` or a function is expected")


def _count(value: Any, path: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 2**31 - 1:
        raise _wrong(path, "a count is expected")
    return value


def _named(update: Any, *path: str) -> bool:
    for name in path:
        if not isinstance(update, dict) or name not in update:
            return False
        update = update[name]
    return True


def _known(path: str, given: Any, names: frozenset[str]) -> None:
    if not isinstance(given, dict):
        raise _wrong(path, "an object is expected")
    for name in given:
        if name not in names:
            raise _wrong(f"{path}.{str(name)[:40]}", "the API has no such field", "unknown_parameter")


def _wrong(path: str, why: str, code: str = "invalid_value") -> ProtocolError:
    return ProtocolError(Side.CLIENT, f"{why} at `{path}`", code=code, param=path)
