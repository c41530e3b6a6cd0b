"""Everything that a conversation can ask for, hold or answer: the rows of every table of what a dialect carries.

Each has a safe default for dialects that cannot carry it: what changes the meaning of a request is refused, what only
advises the provider is dropped. Content is never dropped.
"""

from __future__ import annotations

import enum
from typing import Final

from routebook.chat.loss import Done

_REFUSED: Final = Done.REFUSED
_DROPPED: Final = Done.DROPPED


class Feature(enum.Enum):
    """One thing that a request can hold: its name, what it is, what is done where it cannot be carried, and the
    capability that a model needs for it (a word of `request.needs`)."""

    def __init__(self, word: str, about: str, default: Done, need: str | None = None) -> None:
        self.word = word
        self.about = about
        self.default = default
        self.need = need

    SYSTEM = "system", "system prompts at the beginning", _REFUSED
    SYSTEM_LATER = "system_later", "a system prompt in the middle of the conversation", _REFUSED
    SPEAKER = "speaker", "the name of a speaker", _DROPPED
    IMAGE_INLINE = "image_inline", "images in the request", _REFUSED, "vision"
    IMAGE_URL = "image_url", "images to be fetched", _REFUSED, "vision"
    IMAGE_STORED = "image_stored", "images that the provider keeps", _REFUSED, "vision"
    IMAGE_DETAIL = "image_detail", "how closely an image is to be looked at", _DROPPED
    IMAGE_SAID = "image_said", "images in what the assistant said", _REFUSED, "vision"
    DOCUMENT_INLINE = "document_inline", "documents in the request", _REFUSED, "documents"
    DOCUMENT_TEXT = "document_text", "documents that are text", _REFUSED, "documents"
    DOCUMENT_URL = "document_url", "documents to be fetched", _REFUSED, "documents"
    DOCUMENT_STORED = "document_stored", "documents that the provider keeps", _REFUSED, "documents"
    DOCUMENT_NAME = "document_name", "the name of a document", _DROPPED
    DOCUMENT_CONTEXT = "document_context", "what is said about a document", _REFUSED
    DOCUMENT_CITED = "document_cited", "that a document is to be cited", _REFUSED
    DOCUMENT_SAID = "document_said", "documents in what the assistant said", _REFUSED, "documents"
    AUDIO_INLINE = "audio_inline", "sound in the request", _REFUSED, "audio_in"
    AUDIO_URL = "audio_url", "sound to be fetched", _REFUSED, "audio_in"
    AUDIO_SAID = "audio_said", "what the assistant spoke, by its id", _REFUSED, "audio_in"
    TOOL_CALL = "tool_call", "calls of tools in the conversation", _REFUSED, "tools"
    TOOL_CALL_CUSTOM = "tool_call_custom", "calls with free text", _REFUSED, "tools"
    TOOL_RESULT = "tool_result", "results of tools", _REFUSED, "tools"
    TOOL_RESULT_ERROR = "tool_result_error", "that a result is an error", _DROPPED
    TOOL_RESULT_IMAGE = "tool_result_image", "images in results of tools", _REFUSED, "vision"
    TOOL_RESULT_DOCUMENT = "tool_result_document", "documents in results of tools", _REFUSED, "documents"
    REASONING_SAID = "reasoning_said", "what the model thought before", _DROPPED
    SIGNATURE = "signature", "signatures of what the model thought before", _DROPPED
    REFUSAL = "refusal", "what the model refused before", _REFUSED
    CITATION = "citation", "citations in what the assistant said", _DROPPED
    CACHE_MARK = "cache_mark", "marks of where a prompt is worth caching", _DROPPED
    FOREIGN_PART = "foreign_part", "content that only one dialect knows", _REFUSED
    TOOLS = "tools", "tools", _REFUSED, "tools"
    TOOLS_STRICT = "tools_strict", "that a tool's schema is strictly kept", _DROPPED
    TOOLS_CUSTOM = "tools_custom", "tools that take free text", _REFUSED, "tools"
    TOOLS_FOREIGN = "tools_foreign", "tools that run at the provider", _REFUSED
    TOOL_CHOICE = "tool_choice", "whether tools are to be called", _REFUSED
    TOOL_CHOICE_NAMED = "tool_choice_named", "the one tool to be called", _REFUSED
    TOOL_CHOICE_SOME = "tool_choice_some", "the tools that may be called", _REFUSED
    PARALLEL_TOOLS = "parallel_tools", "whether several tools may be called at once", _REFUSED
    JSON_OBJECT = "json_object", "an answer in JSON, whichever", _REFUSED
    JSON_SCHEMA = "json_schema", "an answer after a JSON Schema", _REFUSED, "json_schema"
    MAX_OUTPUT = "max_output", "the most tokens of an answer", _REFUSED
    TEMPERATURE = "temperature", "temperature", _DROPPED
    TOP_P = "top_p", "top_p", _DROPPED
    TOP_K = "top_k", "top_k", _DROPPED
    FREQUENCY_PENALTY = "frequency_penalty", "frequency penalty", _DROPPED
    PRESENCE_PENALTY = "presence_penalty", "presence penalty", _DROPPED
    SEED = "seed", "the seed of the draw", _DROPPED
    LOGIT_BIAS = "logit_bias", "weights of single tokens", _REFUSED
    STOP = "stop", "stop sequences", _REFUSED
    CHOICES = "choices", "several answers at once", _REFUSED
    LOGPROBS = "logprobs", "probabilities of tokens", _REFUSED, "logprobs"
    EFFORT = "effort", "how much is to be thought", _DROPPED, "reasoning"
    BUDGET = "budget", "how many tokens may be thought", _DROPPED, "reasoning"
    ADAPTIVE = "adaptive", "that the model thinks as it likes", _DROPPED, "reasoning"
    SUMMARY = "summary", "how thoughts are shown", _DROPPED
    AUDIO_WANTED = "audio_wanted", "an answer that is spoken", _REFUSED, "audio_out"
    MODALITIES = "modalities", "what the answer consists of", _REFUSED
    USER = "user", "who the end user is", _DROPPED
    METADATA = "metadata", "the client's own notes", _DROPPED
    TIER = "tier", "the tier of service", _DROPPED
    STORE = "store", "whether the provider keeps the answer", _DROPPED
    CACHE_KEY = "cache_key", "which cache a prompt belongs to", _DROPPED
    VERBOSITY = "verbosity", "how long an answer is to be", _DROPPED
    EXTRA = "extra", "fields that only one dialect knows", _DROPPED


FEATURES: Final = {feature.word: feature for feature in Feature}
"""Every feature by its name."""


class Telling(enum.Enum):
    """One thing that an answer can hold: its name, and what it is."""

    def __init__(self, word: str, about: str) -> None:
        self.word = word
        self.about = about

    TEXT = "text", "text"
    REASONING = "reasoning", "what the model thought"
    SIGNATURE = "signature", "signatures of what it thought"
    CALLS = "calls", "calls of tools"
    CUSTOM = "custom", "calls with free text"
    REFUSAL = "refusal", "a refusal, apart from text"
    AUDIO = "audio", "sound"
    IMAGE = "image", "images"
    CITATION = "citation", "citations of pages in the web"
    FOREIGN = "foreign", "parts that only one dialect knows"
    LOGPROBS = "logprobs", "probabilities of tokens"
    CHOICES = "choices", "several answers"
    STOP_SEQUENCE = "stop_sequence", "the stop sequence that ended it"
    PAUSE = "pause", "that it paused"
    REFUSED = "refused", "that the model refused, apart from a filter"
    CONTEXT_FULL = "context_full", "that the context was full, apart from the most tokens asked for"
    TIER = "tier", "the tier of service"
    CACHE_WRITES = "cache_writes", "tokens written to a cache, apart"
    AUDIO_TOKENS = "audio_tokens", "tokens of sound, apart"
    REASONING_TOKENS = "reasoning_tokens", "tokens of thought, apart"
