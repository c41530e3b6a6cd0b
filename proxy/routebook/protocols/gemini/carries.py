"""What generateContent can carry of a request, and tell of an answer."""

from __future__ import annotations

from typing import Final

from routebook.chat.features import Feature, Telling
from routebook.protocols.carrying import CARRIED, Carries, Tells, changed, emulated, lost

DIALECT: Final = "gemini"
VENDOR: Final = "google"
"""Who keeps files under the URIs that a request of this dialect names."""

OWNED: Final = frozenset({DIALECT, VENDOR})
"""Whose ids, parts and fields this dialect understands."""

UNSIGNED: Final = "skip_thought_signature_validator"
"""What Google documents for calls whose signature is another model's: it stands where none is known, and is none."""

_NOT_FETCHED: Final = lost("not every model fetches from the web; `emulated` sends the URL as `fileData`")

CARRIES: Final[Carries] = {
    Feature.SYSTEM: CARRIED,
    Feature.SYSTEM_LATER: emulated("as a user's text that begins with `system: `"),
    Feature.SPEAKER: lost("speakers have no names"),
    Feature.IMAGE_INLINE: CARRIED,
    Feature.IMAGE_URL: _NOT_FETCHED,
    Feature.IMAGE_STORED: CARRIED,
    Feature.IMAGE_DETAIL: lost("few models take a resolution for one image"),
    Feature.IMAGE_SAID: CARRIED,
    Feature.DOCUMENT_INLINE: CARRIED,
    Feature.DOCUMENT_TEXT: changed("as text, after its name"),
    Feature.DOCUMENT_URL: _NOT_FETCHED,
    Feature.DOCUMENT_STORED: CARRIED,
    Feature.DOCUMENT_NAME: lost("files have no names"),
    Feature.DOCUMENT_CONTEXT: lost("a file has a media type and nothing else"),
    Feature.DOCUMENT_CITED: lost("files are not cited"),
    Feature.DOCUMENT_SAID: CARRIED,
    Feature.AUDIO_INLINE: CARRIED,
    Feature.AUDIO_URL: _NOT_FETCHED,
    Feature.AUDIO_SAID: CARRIED,
    Feature.TOOL_CALL: CARRIED,
    Feature.TOOL_CALL_CUSTOM: lost("a function takes an object"),
    Feature.TOOL_RESULT: CARRIED,
    Feature.TOOL_RESULT_ERROR: CARRIED,
    Feature.TOOL_RESULT_IMAGE: CARRIED,
    Feature.TOOL_RESULT_DOCUMENT: CARRIED,
    Feature.REASONING_SAID: CARRIED,
    Feature.SIGNATURE: CARRIED,
    Feature.REFUSAL: changed("as text"),
    Feature.CITATION: lost("they stand in answers alone"),
    Feature.CACHE_MARK: lost("what is cached is named by `cachedContent`"),
    Feature.FOREIGN_PART: CARRIED,
    Feature.TOOLS: CARRIED,
    Feature.TOOLS_STRICT: lost("schemas of functions are kept as the model likes"),
    Feature.TOOLS_CUSTOM: lost("a function takes an object"),
    Feature.TOOLS_FOREIGN: CARRIED,
    Feature.TOOL_CHOICE: CARRIED,
    Feature.TOOL_CHOICE_NAMED: CARRIED,
    Feature.TOOL_CHOICE_SOME: CARRIED,
    Feature.PARALLEL_TOOLS: changed("as it is, where it is wanted; nothing keeps a model from several calls"),
    Feature.JSON_OBJECT: CARRIED,
    Feature.JSON_SCHEMA: changed("without its name"),
    Feature.MAX_OUTPUT: CARRIED,
    Feature.TEMPERATURE: CARRIED,
    Feature.TOP_P: CARRIED,
    Feature.TOP_K: CARRIED,
    Feature.FREQUENCY_PENALTY: CARRIED,
    Feature.PRESENCE_PENALTY: CARRIED,
    Feature.SEED: CARRIED,
    Feature.LOGIT_BIAS: lost("tokens are not weighed"),
    Feature.STOP: CARRIED,
    Feature.CHOICES: CARRIED,
    Feature.LOGPROBS: CARRIED,
    Feature.EFFORT: changed("`none` as a budget of 0, `max` as `XHIGH`"),
    Feature.BUDGET: CARRIED,
    Feature.ADAPTIVE: CARRIED,
    Feature.SUMMARY: changed("thoughts are shown or not"),
    Feature.AUDIO_WANTED: changed(
        "the voice by the name that the model's `voices` have for it; `pcm16`, and `wav` where it is no stream"
    ),
    Feature.MODALITIES: changed("sound alone, where a text is wanted beside it"),
    Feature.USER: lost("users are not named"),
    Feature.METADATA: lost("the Gemini API refuses `labels`"),
    Feature.TIER: changed("`auto` as `unspecified`, `default` as `standard`"),
    Feature.STORE: CARRIED,
    Feature.CACHE_KEY: lost("caches have no keys"),
    Feature.VERBOSITY: lost("the length of an answer is the model's business"),
    Feature.EXTRA: CARRIED,
}

TELLS: Final[Tells] = {
    Telling.TEXT: CARRIED,
    Telling.REASONING: CARRIED,
    Telling.SIGNATURE: CARRIED,
    Telling.CALLS: CARRIED,
    Telling.CUSTOM: changed("as a call with an `input`"),
    Telling.REFUSAL: changed("as text"),
    Telling.AUDIO: changed("without its transcript, id and end"),
    Telling.IMAGE: CARRIED,
    Telling.CITATION: changed("the words that were cited are left out, and recorded as lost"),
    Telling.FOREIGN: lost("nobody here would know it"),
    Telling.LOGPROBS: changed("without the bytes of the tokens"),
    Telling.CHOICES: CARRIED,
    Telling.STOP_SEQUENCE: lost("it is a stop like any other"),
    Telling.PAUSE: lost("it is told as a stop"),
    Telling.REFUSED: changed("as `SAFETY`"),
    Telling.CONTEXT_FULL: changed("as `MAX_TOKENS`"),
    Telling.TIER: lost("answers do not name it"),
    Telling.CACHE_WRITES: changed("among the tokens of the prompt"),
    Telling.AUDIO_TOKENS: CARRIED,
    Telling.REASONING_TOKENS: CARRIED,
}
