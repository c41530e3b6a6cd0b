"""What the simulated Live refuses, as the real one does: it reads its frames as protocol buffers, so a field that it does
not know, or one of the wrong kind, ends the session with 1007. Clients write names in camel case or with underscores.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

INVALID: Final = 1007
"""The close code of a frame that cannot be taken (RFC 6455, 7.4.1)."""

_ANY: Final = None
"""Stands for an object whose inside is nobody's business here."""

Shape = Mapping[str, Any]

_BLOB: Final[Shape] = {"data": str, "mimeType": str}
_PART: Final[Shape] = {
    "text": str,
    "inlineData": _BLOB,
    "functionCall": {"id": str, "name": str, "args": _ANY},
    "functionResponse": {"id": str, "name": str, "response": _ANY},
    "thought": bool,
    "thoughtSignature": str,
}
_CONTENT: Final[Shape] = {"role": str, "parts": [_PART]}
_FUNCTION: Final[Shape] = {
    "name": str,
    "description": str,
    "parameters": _ANY,
    "parametersJsonSchema": _ANY,
    "response": _ANY,
    "responseJsonSchema": _ANY,
    "behavior": str,
}
_GENERATION: Final[Shape] = {
    "responseModalities": [str],
    "temperature": float,
    "topP": float,
    "topK": float,
    "maxOutputTokens": int,
    "mediaResolution": str,
    "seed": int,
    "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": str}}, "languageCode": str},
    "thinkingConfig": {"thinkingBudget": int, "thinkingLevel": str, "includeThoughts": bool},
    "enableAffectiveDialog": bool,
}
_DETECTION: Final[Shape] = {
    "disabled": bool,
    "startOfSpeechSensitivity": str,
    "endOfSpeechSensitivity": str,
    "prefixPaddingMs": int,
    "silenceDurationMs": int,
}
_SETUP: Final[Shape] = {
    "model": str,
    "generationConfig": _GENERATION,
    "systemInstruction": _CONTENT,
    "tools": [{"functionDeclarations": [_FUNCTION], "googleSearch": _ANY, "codeExecution": _ANY, "urlContext": _ANY}],
    "realtimeInputConfig": {"automaticActivityDetection": _DETECTION, "activityHandling": str, "turnCoverage": str},
    "inputAudioTranscription": _ANY,
    "outputAudioTranscription": _ANY,
    "sessionResumption": {"handle": str, "transparent": bool},
    "contextWindowCompression": _ANY,
    "proactivity": _ANY,
    "historyConfig": _ANY,
}
FRAMES: Final[Shape] = {
    "setup": _SETUP,
    "clientContent": {"turns": [_CONTENT], "turnComplete": bool},
    "realtimeInput": {
        "audio": _BLOB,
        "video": _BLOB,
        "mediaChunks": [_BLOB],
        "text": str,
        "activityStart": _ANY,
        "activityEnd": _ANY,
        "audioStreamEnd": bool,
    },
    "toolResponse": {
        "functionResponses": [{"id": str, "name": str, "response": _ANY, "scheduling": str, "willContinue": bool}]
    },
}
"""What a client may send: every frame holds one of these."""

_UNDERSCORE: Final = re.compile("_([a-z])")


class Refused(Exception):
    """A frame that ends the session: with which close code, and why."""

    def __init__(self, why: str, code: int = INVALID) -> None:
        super().__init__(why, code)
        self.why = why
        self.code = code


def strict(value: Any, shape: Any, at: str = "") -> Any:
    """The value with its names in camel case; raises Refused where it is not of this shape."""
    match shape:
        case None:
            return value
        case [inner]:
            if not isinstance(value, list):
                raise Refused(f"Invalid value at '{at}': a list is expected")
            return [strict(each, inner, f"{at}[{number}]") for number, each in enumerate(value)]
        case dict():
            if not isinstance(value, dict):
                raise Refused(f"Invalid value at '{at}': an object is expected")
            return _fields(value, shape, at)
        case _:
            kinds = (int, float) if shape is float else (shape,)
            if not isinstance(value, kinds) or (isinstance(value, bool) and shape is not bool):
                raise Refused(f"Invalid value at '{at}'")
            return value


def check_setup(setup: Mapping[str, Any]) -> None:
    """What no shape says; raises Refused."""
    model = setup.get("model", "")
    if not model.startswith("models/"):
        raise Refused("the model is to be named as models/{model}")
    modalities = setup.get("generationConfig", {}).get("responseModalities", ["AUDIO"])
    if len(modalities) != 1 or modalities[0] not in ("AUDIO", "TEXT"):
        raise Refused("exactly one response modality, of AUDIO and TEXT, is expected")
    if modalities == ["TEXT"] and "native-audio" in model:
        raise Refused("Cannot extract voices from a non-audio request.")


def _fields(value: Mapping[str, Any], shape: Shape, at: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, inner in value.items():
        camel = _UNDERSCORE.sub(lambda match: match[1].upper(), name)
        if camel not in shape:
            raise Refused(f"Invalid JSON payload received. Unknown name \"{name[:40]}\" at '{at}'")
        if inner is not None:
            found[camel] = strict(inner, shape[camel], f"{at}.{camel}" if at else camel)
    return found
