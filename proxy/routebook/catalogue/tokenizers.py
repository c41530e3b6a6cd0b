"""Families of tokenizers, and which of them a model's name tells.

Vendors name models by lines, and a line keeps its vocabulary: so a model that declares none is known by how its upstream
id begins. Those that nobody published (Claude, Gemini) count as the default, and what their answers bill corrects it.
"""

from __future__ import annotations

import re
from typing import Final

DEFAULT: Final = "o200k_base"
FAMILIES: Final = ("o200k_base", "cl100k_base", "llama3", "qwen3", "deepseek_v3", "mistral_v3", "mistral_v1", "glm4")
"""What `tokenizer` may say; there are weights for each (`chat.tokens`)."""

_BEGINS: Final = (
    (r"gpt-4o|gpt-4\.[15]|gpt-[5-9]|gpt-oss|chatgpt|o[1-9](?![a-z0-9])", "o200k_base"),
    (r"gpt-4|gpt-3\.5|text-embedding|phi-?4", "cl100k_base"),
    (r"(meta-)?llama-?[34]|llama-guard-[34]", "llama3"),
    (r"qwen|qwq", "qwen3"),
    (r"deepseek-(?!(r1-)?distill)", "deepseek_v3"),
    (r"(meta-)?llama-?2|(open-)?mixtral-8x7b|(open-)?mistral-7b|codellama|vicuna|tinyllama", "mistral_v1"),
    (r"(open-)?mistral|ministral|magistral|codestral|devstral|pixtral|(open-)?mixtral", "mistral_v3"),
    (r"glm", "glm4"),
)
_LINES: Final = tuple((re.compile(pattern), family) for pattern, family in _BEGINS)


def family_of(upstream_id: str) -> str:
    """The family of a model by its upstream id, with or without who made it (`meta-llama/Llama-3.3-70B`, `llama3.3:70b`,
    `us.meta.llama3-3-70b`); the default one where that tells nothing."""
    name = re.split(r"[/]", upstream_id.lower())[-1]
    for start in (name, *(name[dot.end() :] for dot in re.finditer(r"[a-z]\.(?=[a-z])", name))):
        for line, family in _LINES:
            if line.match(start):
                return family
    return DEFAULT
