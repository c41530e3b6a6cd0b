"""What Ollama's chat API can carry of a request, and tell of an answer."""

from __future__ import annotations

from typing import Final

from routebook.chat.features import Feature, Telling
from routebook.protocols.carrying import CARRIED, Carries, Tells, changed, emulated

OWNED: Final = frozenset({"ollama"})
"""Whose fields this dialect understands."""

CARRIES: Final[Carries] = {
    Feature.SYSTEM: CARRIED,
    Feature.SYSTEM_LATER: CARRIED,
    Feature.IMAGE_INLINE: changed("beside the text of its message"),
    Feature.DOCUMENT_TEXT: changed("as text, after its name"),
    Feature.DOCUMENT_NAME: changed("before the text"),
    Feature.TOOL_CALL: CARRIED,
    Feature.TOOL_RESULT: CARRIED,
    Feature.TOOL_RESULT_IMAGE: changed("in a user's message after the results"),
    Feature.TOOL_RESULT_DOCUMENT: changed("in a user's message after the results"),
    Feature.REASONING_SAID: CARRIED,
    Feature.REFUSAL: changed("as text"),
    Feature.TOOLS: CARRIED,
    Feature.TOOL_CHOICE: changed("without tools where none may be called; that one must be is refused"),
    Feature.PARALLEL_TOOLS: changed("they always may; that they may not is refused"),
    Feature.JSON_OBJECT: CARRIED,
    Feature.JSON_SCHEMA: changed("without its name"),
    Feature.MAX_OUTPUT: CARRIED,
    Feature.TEMPERATURE: CARRIED,
    Feature.TOP_P: CARRIED,
    Feature.TOP_K: CARRIED,
    Feature.FREQUENCY_PENALTY: CARRIED,
    Feature.PRESENCE_PENALTY: CARRIED,
    Feature.SEED: CARRIED,
    Feature.STOP: CARRIED,
    Feature.LOGPROBS: CARRIED,
    Feature.EFFORT: emulated("as whether to think at all"),
    Feature.BUDGET: emulated("as whether to think at all"),
    Feature.ADAPTIVE: CARRIED,
    Feature.EXTRA: CARRIED,
}

TELLS: Final[Tells] = {
    Telling.TEXT: CARRIED,
    Telling.REASONING: CARRIED,
    Telling.CALLS: CARRIED,
    Telling.REFUSAL: changed("as text"),
    Telling.LOGPROBS: CARRIED,
    Telling.REFUSED: changed("as a stop"),
    Telling.CONTEXT_FULL: changed("as `length`"),
}
