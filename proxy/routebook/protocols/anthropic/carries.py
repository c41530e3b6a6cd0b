"""What Messages can carry of a request, and tell of an answer; and what each version of the API takes away."""

from __future__ import annotations

from typing import Final

from routebook.chat.features import Feature, Telling
from routebook.protocols.carrying import CARRIED, Carriage, Carries, Tells, changed, emulated, lost

DIALECT: Final = "anthropic"

OWNED: Final = frozenset({DIALECT})
"""Whose ids, parts, signatures and fields this dialect understands."""

OLD: Final = "2023-06-01"
NEW: Final = "2026-10-21"

VERSION: Final = OLD
"""The version that is asked for where a provider declares none: everybody who imitates the API knows it."""

_NO_SOUND: Final = lost("messages hold no sound")
_NO_WEIGHTS: Final = lost("tokens are not weighted one by one")

CARRIES: Final[Carries] = {
    Feature.SYSTEM: CARRIED,
    Feature.SYSTEM_LATER: emulated("as a user's text that begins with `system: `: not all models take it otherwise"),
    Feature.SPEAKER: lost("speakers have no names"),
    Feature.IMAGE_INLINE: CARRIED,
    Feature.IMAGE_URL: CARRIED,
    Feature.IMAGE_STORED: CARRIED,
    Feature.IMAGE_DETAIL: lost("images are looked at as they are"),
    Feature.IMAGE_SAID: lost("an assistant's turn has no images"),
    Feature.DOCUMENT_INLINE: CARRIED,
    Feature.DOCUMENT_TEXT: CARRIED,
    Feature.DOCUMENT_URL: CARRIED,
    Feature.DOCUMENT_STORED: CARRIED,
    Feature.DOCUMENT_NAME: CARRIED,
    Feature.DOCUMENT_CONTEXT: CARRIED,
    Feature.DOCUMENT_CITED: CARRIED,
    Feature.DOCUMENT_SAID: CARRIED,
    Feature.AUDIO_INLINE: _NO_SOUND,
    Feature.AUDIO_URL: _NO_SOUND,
    Feature.AUDIO_SAID: _NO_SOUND,
    Feature.TOOL_CALL: CARRIED,
    Feature.TOOL_CALL_CUSTOM: changed("as a call with the text under `input`"),
    Feature.TOOL_RESULT: CARRIED,
    Feature.TOOL_RESULT_ERROR: CARRIED,
    Feature.TOOL_RESULT_IMAGE: CARRIED,
    Feature.TOOL_RESULT_DOCUMENT: CARRIED,
    Feature.REASONING_SAID: CARRIED,
    Feature.SIGNATURE: CARRIED,
    Feature.REFUSAL: changed("as text"),
    Feature.CITATION: CARRIED,
    Feature.CACHE_MARK: CARRIED,
    Feature.FOREIGN_PART: CARRIED,
    Feature.TOOLS: CARRIED,
    Feature.TOOLS_STRICT: CARRIED,
    Feature.TOOLS_CUSTOM: lost("tools take JSON"),
    Feature.TOOLS_FOREIGN: CARRIED,
    Feature.TOOL_CHOICE: CARRIED,
    Feature.TOOL_CHOICE_NAMED: CARRIED,
    Feature.TOOL_CHOICE_SOME: emulated("no other tools are sent"),
    Feature.PARALLEL_TOOLS: CARRIED,
    Feature.JSON_OBJECT: lost("JSON follows a schema; `emulated` asks for it in the system prompt"),
    Feature.JSON_SCHEMA: changed("without its name"),
    Feature.MAX_OUTPUT: CARRIED,
    Feature.TEMPERATURE: CARRIED,
    Feature.TOP_P: CARRIED,
    Feature.TOP_K: CARRIED,
    Feature.FREQUENCY_PENALTY: _NO_WEIGHTS,
    Feature.PRESENCE_PENALTY: _NO_WEIGHTS,
    Feature.SEED: lost("draws cannot be repeated"),
    Feature.LOGIT_BIAS: _NO_WEIGHTS,
    Feature.STOP: CARRIED,
    Feature.CHOICES: lost("there is one answer"),
    Feature.LOGPROBS: lost("probabilities are not told"),
    Feature.EFFORT: changed("`minimal` as `low`, `none` as thinking that is disabled"),
    Feature.BUDGET: CARRIED,
    Feature.ADAPTIVE: CARRIED,
    Feature.SUMMARY: changed("as `display`: shown or not"),
    Feature.AUDIO_WANTED: lost("answers are not spoken"),
    Feature.MODALITIES: changed("answers are text; what else is wanted is reported"),
    Feature.USER: CARRIED,
    Feature.METADATA: lost("there is room for the user and nothing else"),
    Feature.TIER: CARRIED,
    Feature.STORE: lost("answers are not kept"),
    Feature.CACHE_KEY: lost("caches have no names"),
    Feature.VERBOSITY: lost("lengths are not asked for"),
    Feature.EXTRA: CARRIED,
}

_GONE: Final = lost(f"version {NEW} has no sampling")
_TAKEN_AWAY: Final[dict[str, dict[Feature, Carriage]]] = {
    NEW: {
        Feature.TEMPERATURE: _GONE,
        Feature.TOP_P: _GONE,
        Feature.TOP_K: _GONE,
        Feature.DOCUMENT_SAID: lost(f"version {NEW} has documents in a user's turn alone"),
    }
}
_BY_VERSION: Final[dict[str, Carries]] = {version: {**CARRIES, **gone} for version, gone in _TAKEN_AWAY.items()}

TELLS: Final[Tells] = {
    Telling.TEXT: CARRIED,
    Telling.REASONING: CARRIED,
    Telling.SIGNATURE: changed("its own as they are; those of others are kept here, by the call that they belong to"),
    Telling.CALLS: CARRIED,
    Telling.CUSTOM: changed("as a call with the text under `input`"),
    Telling.REFUSAL: changed("as text, and as the explanation of a refusal"),
    Telling.AUDIO: emulated("what was spoken, as text"),
    Telling.IMAGE: lost("answers have no images"),
    Telling.CITATION: changed("as results of a search in the web, without their place in the text"),
    Telling.FOREIGN: changed("its own alone"),
    Telling.LOGPROBS: lost("probabilities are not told"),
    Telling.CHOICES: lost("there is one answer: the first"),
    Telling.STOP_SEQUENCE: CARRIED,
    Telling.PAUSE: CARRIED,
    Telling.REFUSED: CARRIED,
    Telling.CONTEXT_FULL: CARRIED,
    Telling.TIER: CARRIED,
    Telling.CACHE_WRITES: CARRIED,
    Telling.AUDIO_TOKENS: changed("among all others"),
    Telling.REASONING_TOKENS: CARRIED,
}


def carries_of(version: str) -> Carries:
    """What a version of the API carries; one that is not known, what all carry."""
    return _BY_VERSION.get(version, CARRIES)
