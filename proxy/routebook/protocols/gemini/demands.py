"""What Google demands of a request: as many results as calls, each turn of results right after its calls, and the
signature of the first call of every step since the user spoke last.

After the vendor's reference (generateContent, function calling, thought signatures; 2026), which demands signatures for
models from version 3 on: the simulated model is one of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from routebook.protocols.codec import Kept
from routebook.protocols.demanding import Option, check_options, is_count, is_number, wire_of, wrong
from routebook.protocols.gemini.carries import UNSIGNED

WAIVERS: Final = frozenset({UNSIGNED, "context_engineering_is_the_way_to_go"})
"""What the vendor documents to stand in the place of a signature that nobody has."""

VOICES: Final = frozenset(
    [
        "zephyr",
        "puck",
        "charon",
        "kore",
        "fenrir",
        "leda",
        "orus",
        "aoede",
        "callirrhoe",
        "autonoe",
        "enceladus",
        "iapetus",
        "umbriel",
        "algieba",
        "despina",
        "erinome",
        "algenib",
        "rasalgethi",
        "laomedeia",
        "achernar",
        "alnilam",
        "schedar",
        "gacrux",
        "pulcherrima",
        "achird",
        "zubenelgenubi",
        "vindemiatrix",
        "sadachbia",
        "sadaltager",
        "sulafat",
    ]
)
"""Prebuilt voices (vendor's page on speech generation, 2026)."""

_OPTIONS: Final[tuple[Option, ...]] = (
    ("maxOutputTokens", is_count, "a number of at least 1"),
    ("temperature", is_number(0, 2), "a number from 0 to 2"),
    ("topP", is_number(0, 1), "a number from 0 to 1"),
    ("candidateCount", lambda value: is_count(value) and value <= 8, "a number from 1 to 8"),
    ("stopSequences", lambda value: isinstance(value, list) and len(value) <= 5, "at most five texts"),
)

Part = Mapping[str, Any]


def demanded_of_contents(asked: Any, headers: Mapping[str, str], kept: Kept) -> None:
    """Raise ProtocolError where the API would refuse the request."""
    with wire_of(asked) as body:
        _check(_camel(body))


def _check(body: Mapping[str, Any]) -> None:
    check_options(body.get("generationConfig") or {}, _OPTIONS, "generationConfig.")
    _check_voice(body.get("generationConfig") or {})
    contents = body["contents"]
    if not contents:
        raise wrong("`contents` must hold at least one", "contents")
    for number, content in enumerate(contents):
        where = f"contents[{number}]"
        if content.get("role", "user") not in ("user", "model", "function"):
            raise wrong(f"`{where}.role` must be `user` or `model`", f"{where}.role")
        if not content.get("parts"):
            raise wrong(f"`{where}.parts` must not be empty", f"{where}.parts")
        _check_calls(contents, number, where)
    _check_signatures(contents)


def _check_voice(config: Part) -> None:
    """Who speaks, in one modality, with a voice that there is."""
    wanted = [str(each).upper() for each in config.get("responseModalities") or ()]
    if "AUDIO" in wanted and wanted != ["AUDIO"]:
        raise wrong("an answer is spoken or written, not both", "generationConfig.responseModalities")
    voice = ((config.get("speechConfig") or {}).get("voiceConfig") or {}).get("prebuiltVoiceConfig") or {}
    name = voice.get("voiceName")
    if name is not None and str(name).lower() not in VOICES:
        raise wrong(f"there is no voice `{name}`", "generationConfig.speechConfig.voiceConfig.prebuiltVoiceConfig")


def _check_calls(contents: list[Part], number: int, where: str) -> None:
    """Calls are answered by the next content, all of them and nothing else."""
    calls, results = _calls(contents[number]), _results(contents[number])
    before = _calls(contents[number - 1]) if number else []
    if calls and number + 1 < len(contents) and len(_results(contents[number + 1])) != len(calls):
        raise wrong(f"there must be as many results as calls in `{where}`", f"contents[{number + 1}].parts")
    if results and len(results) != len(before):
        raise wrong(f"results must follow right after their calls in `{where}`", f"{where}.parts")
    for call, result in zip(before, results, strict=False):
        if not result.get("name"):
            raise wrong(f"results have the name of their call in `{where}`", f"{where}.parts")
        if call.get("id") and result.get("id") and result["id"] not in {each.get("id") for each in before}:
            raise wrong(f"results have the id of their call in `{where}`", f"{where}.parts")


def _check_signatures(contents: list[Part]) -> None:
    spoken = max((at for at, each in enumerate(contents) if _is_spoken(each)), default=-1)
    for number, content in enumerate(contents[spoken + 1 :], spoken + 1):
        first = next((part for part in content["parts"] if "functionCall" in part), None)
        if first is not None and not first.get("thoughtSignature"):
            where = f"contents[{number}].parts"
            raise wrong(f"the first call has no `thoughtSignature` in `{where}`", where)


def _is_spoken(content: Part) -> bool:
    """Whether a user speaks, and not a function alone."""
    return content.get("role", "user") == "user" and any("functionResponse" not in part for part in content["parts"])


def _calls(content: Part) -> list[Part]:
    return [part["functionCall"] for part in content.get("parts") or () if "functionCall" in part]


def _results(content: Part) -> list[Part]:
    return [part["functionResponse"] for part in content.get("parts") or () if "functionResponse" in part]


_NAMES: Final = {
    "generation_config": "generationConfig",
    "max_output_tokens": "maxOutputTokens",
    "top_p": "topP",
    "candidate_count": "candidateCount",
    "stop_sequences": "stopSequences",
    "function_call": "functionCall",
    "function_response": "functionResponse",
    "thought_signature": "thoughtSignature",
    "response_modalities": "responseModalities",
    "speech_config": "speechConfig",
    "voice_config": "voiceConfig",
    "prebuilt_voice_config": "prebuiltVoiceConfig",
    "voice_name": "voiceName",
}
"""Names that are looked at here, as some clients write them: the API takes both."""

_OPAQUE: Final = frozenset({"args", "response", "parameters", "parametersJsonSchema"})


def _camel(value: Any) -> Any:
    if isinstance(value, list):
        return [_camel(each) for each in value]
    if isinstance(value, dict):
        return {_NAMES.get(key, key): each if key in _OPAQUE else _camel(each) for key, each in value.items()}
    return value
