"""What Responses can carry of a request, and tell of an answer."""

from __future__ import annotations

from typing import Final

from routebook.chat.features import Feature, Telling
from routebook.protocols.carrying import CARRIED, Carries, Tells, changed, lost
from routebook.protocols.openai_responses.seals import DIALECT

VENDOR: Final = "openai"
"""Who keeps files under the ids that a request of this dialect names."""

OWNED: Final = frozenset({DIALECT, VENDOR})
"""Whose ids, parts and fields this dialect understands."""

CARRIES: Final[Carries] = {
    Feature.SYSTEM: CARRIED,
    Feature.SYSTEM_LATER: CARRIED,
    Feature.SPEAKER: lost("messages have no names"),
    Feature.IMAGE_INLINE: CARRIED,
    Feature.IMAGE_URL: CARRIED,
    Feature.IMAGE_STORED: CARRIED,
    Feature.IMAGE_DETAIL: CARRIED,
    Feature.IMAGE_SAID: lost("an assistant's message has no images"),
    Feature.DOCUMENT_INLINE: CARRIED,
    Feature.DOCUMENT_TEXT: changed("as text, after its name"),
    Feature.DOCUMENT_URL: CARRIED,
    Feature.DOCUMENT_STORED: CARRIED,
    Feature.DOCUMENT_NAME: CARRIED,
    Feature.DOCUMENT_CONTEXT: lost("a file has a name and nothing else"),
    Feature.DOCUMENT_CITED: lost("files are not cited"),
    Feature.DOCUMENT_SAID: lost("an assistant's message has no files"),
    Feature.AUDIO_INLINE: lost("this API has no sound"),
    Feature.AUDIO_URL: lost("this API has no sound"),
    Feature.AUDIO_SAID: lost("this API has no sound"),
    Feature.TOOL_CALL: CARRIED,
    Feature.TOOL_CALL_CUSTOM: CARRIED,
    Feature.TOOL_RESULT: CARRIED,
    Feature.TOOL_RESULT_ERROR: lost("a result is no error or success, but text"),
    Feature.TOOL_RESULT_IMAGE: CARRIED,
    Feature.TOOL_RESULT_DOCUMENT: CARRIED,
    Feature.REASONING_SAID: changed("where it is sealed; `emulated` sends other thoughts too, in plain words"),
    Feature.SIGNATURE: changed("as `encrypted_content` of a thought; a call has no place for it"),
    Feature.REFUSAL: CARRIED,
    Feature.CITATION: CARRIED,
    Feature.CACHE_MARK: lost("many who imitate the API refuse the field"),
    Feature.FOREIGN_PART: CARRIED,
    Feature.TOOLS: CARRIED,
    Feature.TOOLS_STRICT: CARRIED,
    Feature.TOOLS_CUSTOM: CARRIED,
    Feature.TOOLS_FOREIGN: CARRIED,
    Feature.TOOL_CHOICE: CARRIED,
    Feature.TOOL_CHOICE_NAMED: CARRIED,
    Feature.TOOL_CHOICE_SOME: CARRIED,
    Feature.PARALLEL_TOOLS: CARRIED,
    Feature.JSON_OBJECT: CARRIED,
    Feature.JSON_SCHEMA: CARRIED,
    Feature.MAX_OUTPUT: CARRIED,
    Feature.TEMPERATURE: CARRIED,
    Feature.TOP_P: CARRIED,
    Feature.TOP_K: lost("OpenAI has no top_k"),
    Feature.FREQUENCY_PENALTY: lost("only Chat Completions have it"),
    Feature.PRESENCE_PENALTY: lost("only Chat Completions have it"),
    Feature.SEED: lost("only Chat Completions have it"),
    Feature.LOGIT_BIAS: lost("only Chat Completions have it"),
    Feature.STOP: lost("this API has no stop sequences"),
    Feature.CHOICES: lost("this API gives one answer"),
    Feature.LOGPROBS: CARRIED,
    Feature.EFFORT: CARRIED,
    Feature.BUDGET: lost("thinking is measured in efforts"),
    Feature.ADAPTIVE: changed("as it is: a model that thinks does so as it likes"),
    Feature.SUMMARY: CARRIED,
    Feature.AUDIO_WANTED: lost("this API has no sound"),
    Feature.MODALITIES: lost("answers are text"),
    Feature.USER: CARRIED,
    Feature.METADATA: CARRIED,
    Feature.TIER: CARRIED,
    Feature.STORE: changed("said aloud: without a word of it this API keeps every answer, which no other does"),
    Feature.CACHE_KEY: CARRIED,
    Feature.VERBOSITY: CARRIED,
    Feature.EXTRA: CARRIED,
}

TELLS: Final[Tells] = {
    Telling.TEXT: CARRIED,
    Telling.REASONING: CARRIED,
    Telling.SIGNATURE: changed("as `encrypted_content` of a thought; those of calls and texts are left out"),
    Telling.CALLS: CARRIED,
    Telling.CUSTOM: CARRIED,
    Telling.REFUSAL: CARRIED,
    Telling.AUDIO: lost("this API has no sound"),
    Telling.IMAGE: changed("as the result of `image_generation_call`"),
    Telling.CITATION: changed("the words that were cited are left out, and recorded as lost"),
    Telling.FOREIGN: lost("nobody here would know it"),
    Telling.LOGPROBS: changed("those of a refusal are left out"),
    Telling.CHOICES: lost("this API gives one answer"),
    Telling.STOP_SEQUENCE: lost("it is complete like any other"),
    Telling.PAUSE: lost("it is told as complete"),
    Telling.REFUSED: changed("as incomplete, for `content_filter`"),
    Telling.CONTEXT_FULL: changed("as incomplete, for `max_output_tokens`"),
    Telling.TIER: CARRIED,
    Telling.CACHE_WRITES: CARRIED,
    Telling.AUDIO_TOKENS: lost("they are input and output like any other"),
    Telling.REASONING_TOKENS: CARRIED,
}
